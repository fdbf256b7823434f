//! `lxseed check`

use camino::Utf8Path;
use lxseed::finding::{Finding, Severity};
use lxseed::report::{self, Access, Options, Report};

use super::accept::{counts, draw, findings_at_once};
use super::fix;
use super::site::{self, Found};
use super::{CommandError, Outcome};
use crate::cli::{CheckArgs, Format, ReportArgs};
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

pub(super) fn check(args: &CheckArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    if args.summary && !matches!(args.report.format, Format::Text | Format::Json) {
        let message = "--summary is for --format text and json; the others have no place for it";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let Found { site, within } = site::find(args.site.as_deref())?;
    let check = || match &within {
        Some(path) => lxseed::check::check(&site, super::now()).within(path),
        None => lxseed::check::check(&site, super::now()),
    };
    let mut checked = check();
    if args.fix && checked.findings().iter().any(Finding::is_sure) {
        fix::fix(&checked, printer)?;
        checked = check();
    }
    let mut report = Report::of(&checked, options(&args.report));
    // What is wrong may be who gets in; of a site with errors nothing is told but these.
    if args.summary && checked.count(Severity::Error) + checked.elsewhere() == 0 {
        report = report.with_access(Access::of(&checked.accept()?));
    }
    show(&report, args.report.format, printer);
    if args.report.format == Format::Text {
        if !args.report.quiet {
            close(&report, checked.elsewhere(), within.as_ref().unwrap_or(&site), printer);
        }
        for line in report.access().flat_map(Access::lines) {
            printer.line(line);
        }
    }
    Ok(if report.summary().passed {
        Outcome::Done
    } else {
        Outcome::Findings
    })
}

/// What a report holds that was asked for so.
pub(super) fn options(args: &ReportArgs) -> Options {
    Options {
        strict: args.strict,
        quiet: args.quiet,
        max_findings: args.max_findings.unwrap_or(match args.format {
            Format::Text => findings_at_once(),
            _ => 0,
        }),
        brief: args.max_findings.is_none(),
    }
}

/// A report in the format that was asked for; a text without the line that ends it.
pub(super) fn show(report: &Report<'_>, format: Format, printer: &mut Printer) {
    match format {
        Format::Text => draw(report, printer),
        Format::Json => printer.styled(&(report::json(report) + "\n")),
        Format::Sarif => printer.styled(&(report::sarif(report) + "\n")),
        Format::Github => printer.styled(&report::github(report)),
        Format::Junit => printer.styled(&report::junit(report)),
    }
}

/// The line that ends a report.
pub(super) fn close(report: &Report<'_>, elsewhere: usize, asked: &Utf8Path, printer: &mut Printer) {
    let summary = report.summary();
    let mut omitted = match summary.omitted {
        0 => String::new(),
        count => format!("; {count} not shown"),
    };
    if elsewhere > 0 {
        omitted += &format!("; {} elsewhere in the site", counted(elsewhere, "error"));
    }
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
        asked,
        counted(summary.clusters, "cluster"),
        counted(summary.hosts, "host")
    ));
}
