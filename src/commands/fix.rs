//! `lxseed check --fix`: the edits that are sure, made in the profiles.

use lxseed::check::Checked;

use super::CommandError;
use super::replace::replace;
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// Makes every sure edit, each file as a whole or not at all, and prints what was done.
pub(super) fn fix(checked: &Checked, printer: &mut Printer) -> Result<(), CommandError> {
    let mut done = 0;
    for fixed in checked.fixes() {
        replace(fixed.file, &fixed.text, "fixed")?;
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
