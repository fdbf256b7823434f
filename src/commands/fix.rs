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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Between the check and the edit somebody saved the file: what he wrote stays, and nothing lies beside it.
    #[test]
    fn a_file_changed_meanwhile_is_not_fixed() {
        let folder = tempfile::tempdir().unwrap();
        let site = Utf8Path::from_path(folder.path()).unwrap();
        let base = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/mistakes/base/one-cluster/cluster.yaml"
        );
        let text = fs::read_to_string(base).unwrap().replace("  overlay: ", "  overlai: ");
        let path = site.join("cluster.yaml");
        fs::write(&path, &text).unwrap();
        let checked = lxseed::check::check(site, time::OffsetDateTime::UNIX_EPOCH);
        let saved = format!("{text}# saved meanwhile\n");
        fs::write(&path, &saved).unwrap();
        let refused = fix(&checked, &mut Printer::default()).unwrap_err().to_string();
        assert!(
            refused.contains("cluster.yaml was not fixed: it was changed while it was checked; check again"),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), saved);
        assert_eq!(fs::read_dir(site).unwrap().count(), 1);
        // With the file as it was, the same edit is made.
        fs::write(&path, &text).unwrap();
        fix(&checked, &mut Printer::default()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("  overlay: "));
    }
}
