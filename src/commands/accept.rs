//! Profiles on their way to the model: their findings are shown, and what has errors goes no further.

use lxseed::check::Checked;
use lxseed::model::Site;
use lxseed::report::{self, Options, Report};

use super::CommandError;
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// The site, or nothing if its profiles have errors. Either way all findings are shown; `consequence` ends the line
/// that counts the errors.
pub(super) fn accept(checked: Checked, consequence: &str, printer: &mut Printer) -> Result<Option<Site>, CommandError> {
    let report = Report::of(&checked, Options::default());
    draw(&report, printer);
    if report.summary().passed {
        return Ok(Some(checked.accept()?));
    }
    printer.note(format_args!("{}{consequence}", counts(&report)));
    Ok(None)
}

/// Draws every finding of a report.
pub(super) fn draw(report: &Report<'_>, printer: &mut Printer) {
    for text in report::texts(report) {
        printer.styled_note(&(text + "\n\n"));
    }
}

/// `2 errors and 1 warning`.
pub(super) fn counts(report: &Report<'_>) -> String {
    let summary = report.summary();
    let warnings = match summary.warnings {
        0 => String::new(),
        count => format!(" and {}", counted(count, "warning")),
    };
    format!("{}{warnings}", counted(summary.errors, "error"))
}
