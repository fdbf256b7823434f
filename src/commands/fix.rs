//! `lxseed check --fix`: the edits that are sure, made in the profiles.

use std::fs;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::{Checked, Fixed};
use lxseed::tree::AtomicFile;

use super::CommandError;
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// Makes every sure edit, each file as a whole or not at all, and prints what was done.
pub(super) fn fix(checked: &Checked, printer: &mut Printer) -> Result<(), CommandError> {
    let mut done = 0;
    for fixed in checked.fixes() {
        replace(&fixed)?;
        for finding in &fixed.findings {
            let place = fixed.file.place(finding.primary.span.range().start);
            printer.line(format_args!(
                "fixed {}:{}:{}: {} {}",
                fixed.file.path, place.line, place.column, finding.rule.code, finding.message
            ));
        }
        done += fixed.findings.len();
    }
    printer.line(match done {
        0 => "nothing that could be fixed for sure".to_owned(),
        _ => format!("{} fixed", counted(done, "finding")),
    });
    Ok(())
}

/// Puts the new text into the file's place. Mode and links stay, and a file that somebody has changed meanwhile does.
fn replace(fixed: &Fixed<'_>) -> Result<(), CommandError> {
    let path = &fixed.file.path;
    let refused = |why: &dyn std::fmt::Display| CommandError::Refused(format!("{path} was not fixed: {why}"));
    // A link stays one; what it leads to is changed.
    let target = fs::canonicalize(path).map_err(|error| refused(&error))?;
    let target = Utf8PathBuf::from_path_buf(target).map_err(|_| refused(&"its name is not UTF-8"))?;
    let metadata = fs::metadata(&target).map_err(|error| refused(&error))?;
    let new = AtomicFile::begin(&target, |_| true)?;
    let mut file = new.file();
    file.write_all(fixed.text.as_bytes()).map_err(|error| refused(&error))?;
    file.set_permissions(metadata.permissions())
        .map_err(|error| refused(&error))?;
    if !is_unchanged(&target, &fixed.file.text) {
        return Err(refused(&"it was changed while it was checked; check again"));
    }
    Ok(new.commit()?)
}

fn is_unchanged(path: &Utf8Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}
