//! `lxseed check`

use lxseed::finding::Severity;
use lxseed::report::{self, Access, Options, Report};

use super::accept::{counts, draw, findings_at_once};
use super::{CommandError, Outcome};
use crate::cli::{CheckArgs, Format};
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

pub(super) fn check(args: &CheckArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    if args.summary && !matches!(args.format, Format::Text | Format::Json) {
        let message = "--summary is for --format text and json; the others have no place for it";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let checked = lxseed::check::check(&args.site);
    let options = Options {
        strict: args.strict,
        quiet: args.quiet,
        max_findings: args.max_findings.unwrap_or(match args.format {
            Format::Text => findings_at_once(),
            _ => 0,
        }),
        brief: args.max_findings.is_none(),
    };
    let mut report = Report::of(&checked, options);
    // What is wrong may be who gets in; of a site with errors nothing is told but these.
    if args.summary && checked.count(Severity::Error) == 0 {
        report = report.with_access(Access::of(&checked.accept()?));
    }
    match args.format {
        Format::Text => {
            draw(&report, printer);
            if !args.quiet {
                close(&report, args, printer);
            }
            for line in report.access().flat_map(Access::lines) {
                printer.line(line);
            }
        }
        Format::Json => printer.styled(&(report::json(&report) + "\n")),
        Format::Sarif => printer.styled(&(report::sarif(&report) + "\n")),
        Format::Github => printer.styled(&report::github(&report)),
        Format::Junit => printer.styled(&report::junit(&report)),
    }
    Ok(if report.summary().passed {
        Outcome::Done
    } else {
        Outcome::Findings
    })
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
