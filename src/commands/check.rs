//! `lxseed check`

use lxseed::report::{self, Options, Report};

use super::Outcome;
use super::accept::{counts, draw};
use crate::cli::{CheckArgs, Format};
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

pub(super) fn check(args: &CheckArgs, printer: &mut Printer) -> Outcome {
    let checked = lxseed::check::check(&args.site, super::now());
    let options = Options {
        strict: args.strict,
        quiet: args.quiet,
        max_findings: args.max_findings,
    };
    let report = Report::of(&checked, options);
    match args.format {
        Format::Text => {
            draw(&report, printer);
            if !args.quiet {
                close(&report, args, printer);
            }
        }
        Format::Json => printer.styled(&(report::json(&report) + "\n")),
        Format::Sarif => printer.styled(&(report::sarif(&report) + "\n")),
        Format::Github => printer.styled(&report::github(&report)),
        Format::Junit => printer.styled(&report::junit(&report)),
    }
    if report.summary().passed {
        Outcome::Done
    } else {
        Outcome::Findings
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
        printer.note(format_args!("{}{omitted}", counts(report)));
        return;
    }
    let warnings = match summary.warnings {
        0 => "no findings".to_owned(),
        count => counted(count, "warning"),
    };
    if !summary.passed {
        printer.note(format_args!("{warnings}, refused by --strict{omitted}"));
        return;
    }
    printer.line(format_args!(
        "{}: {}, {}: {warnings}{omitted}",
        args.site,
        counted(summary.clusters, "cluster"),
        counted(summary.hosts, "host")
    ));
}
