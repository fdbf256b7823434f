//! Profiles on their way to the model: their findings are shown, and what has errors goes no further.

use std::io::{self, IsTerminal as _};

use lxseed::check::Checked;
use lxseed::model::Site;
use lxseed::report::{self, Options, Report};

use super::CommandError;
use crate::terminal::printer::Printer;
use crate::terminal::table::{aligned, counted};

/// The site, or nothing if its profiles have errors. Either way all findings are shown; `consequence` ends the line
/// that counts the errors.
pub(super) fn accept(checked: Checked, consequence: &str, printer: &mut Printer) -> Result<Option<Site>, CommandError> {
    accepted(&checked, consequence, printer)
}

/// The same for whoever goes on with the profiles themselves; of a large site they take as much memory as the model.
pub(super) fn accepted(
    checked: &Checked,
    consequence: &str,
    printer: &mut Printer,
) -> Result<Option<Site>, CommandError> {
    let options = Options {
        max_findings: findings_at_once(),
        brief: true,
        ..Options::default()
    };
    let report = Report::of(checked, options);
    draw(&report, printer);
    if report.summary().passed {
        return Ok(Some(checked.accept()?));
    }
    printer.note(format_args!("{}{consequence}", counts(&report)));
    Ok(None)
}

/// How many findings a person is shown at once; in a pipe it is all of them, which is 0.
pub(super) fn findings_at_once() -> usize {
    if io::stderr().is_terminal() { MANY } else { 0 }
}

/// Findings that fill a few screens. Where there are more, a table ends the report.
const MANY: usize = 20;

/// Draws every finding of a report, and how many there are of each rule if there are many.
pub(super) fn draw(report: &Report<'_>, printer: &mut Printer) {
    for text in report::texts(report) {
        let end = match text.contains('\n') {
            true if !text.ends_with('\n') => "\n\n",
            _ => "\n",
        };
        printer.styled_note(&(text + end));
    }
    let of_rules = report.by_rule();
    let omitted: Vec<String> = of_rules
        .iter()
        .filter(|of_rule| of_rule.omitted > 0)
        .map(|of_rule| format!("{} more of {}", of_rule.omitted, of_rule.rule.code))
        .collect();
    if !omitted.is_empty() {
        let omitted = omitted.join(", ");
        let verb = report.verb();
        printer.note(format_args!("{omitted}; `lxseed {verb} --max-findings 0` shows all"));
        printer.note("");
    }
    if of_rules.iter().map(|of_rule| of_rule.count).sum::<usize>() > MANY {
        let rows: Vec<[String; 3]> = of_rules
            .iter()
            .map(|of_rule| {
                [
                    of_rule.rule.code.into(),
                    of_rule.count.to_string(),
                    of_rule.rule.slug.replace('-', " "),
                ]
            })
            .collect();
        for row in aligned(&rows) {
            printer.note(row);
        }
        printer.note("");
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
