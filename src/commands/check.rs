//! `lxseed check`

use lxseed::check::Checked;
use lxseed::report::{self, Options, Report};

use super::Outcome;
use crate::cli::{CheckArgs, Format};
use crate::terminal::printer::Printer;

pub(super) fn check(args: &CheckArgs, printer: &mut Printer) -> Outcome {
    let checked = lxseed::check::check(&args.site);
    let options = Options {
        strict: args.strict,
        quiet: args.quiet,
        max_findings: args.max_findings,
    };
    let report = Report::of(&checked, options);
    let outcome = if report.summary().passed {
        Outcome::Done
    } else {
        Outcome::Findings
    };
    match args.format {
        Format::Text => {
            draw(&report, printer);
            if !args.quiet {
                close(&report, args, printer);
            }
        }
        Format::Json => printer.line(&report::json(&report)),
        Format::Sarif => printer.line(&report::sarif(&report)),
        Format::Github => printer.text(&report::github(&report)),
        Format::Junit => printer.text(&report::junit(&report)),
    }
    outcome
}

/// Draws all findings, and says how many there are if there are errors, with what follows from that.
pub(super) fn show(checked: &Checked, consequence: &str, printer: &mut Printer) -> Outcome {
    let report = Report::of(checked, Options::default());
    draw(&report, printer);
    if report.summary().passed {
        return Outcome::Done;
    }
    printer.note(&format!("{}{consequence}", counts(&report)));
    Outcome::Findings
}

fn draw(report: &Report<'_>, printer: &mut Printer) {
    for text in report::texts(report) {
        printer.note(&text);
        printer.note("");
    }
}

/// The line that ends a report.
fn close(report: &Report<'_>, args: &CheckArgs, printer: &mut Printer) {
    let summary = report.summary();
    let omitted = match summary.omitted {
        0 => String::new(),
        count => format!("; {count} not shown"),
    };
    if summary.errors > 0 {
        printer.note(&format!("{}{omitted}", counts(report)));
        return;
    }
    let warnings = match summary.warnings {
        0 => "no findings".to_owned(),
        count => counted(count, "warning"),
    };
    if !summary.passed {
        printer.note(&format!("{warnings}, refused by --strict{omitted}"));
        return;
    }
    let site = report::sanitize(args.site.as_str()).into_owned();
    printer.line(&format!(
        "{site}: {}, {}: {warnings}{omitted}",
        counted(summary.clusters, "cluster"),
        counted(summary.hosts, "host")
    ));
}

/// `2 errors and 1 warning`.
fn counts(report: &Report<'_>) -> String {
    let summary = report.summary();
    let warnings = match summary.warnings {
        0 => String::new(),
        count => format!(" and {}", counted(count, "warning")),
    };
    format!("{}{warnings}", counted(summary.errors, "error"))
}

/// `1 host`, `2 hosts`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
