//! `lxseed check`

use lxseed::check::Checked;
use lxseed::finding::Severity;
use lxseed::report;

use super::Outcome;
use crate::cli::CheckArgs;
use crate::printer::Printer;

pub(super) fn check(args: &CheckArgs, printer: &mut Printer) -> Outcome {
    let checked = lxseed::check::check(&args.site);
    let outcome = show(&checked, "", printer);
    if outcome == Outcome::Done {
        let (clusters, hosts) = checked.size();
        let warnings = match checked.count(Severity::Warning) {
            0 => "no findings".to_owned(),
            count => counted(count, "warning"),
        };
        let site = report::sanitize(args.site.as_str()).into_owned();
        printer.line(&format!(
            "{site}: {}, {}: {warnings}",
            counted(clusters, "cluster"),
            counted(hosts, "host")
        ));
    }
    outcome
}

/// Draws all findings, and says how many there are if there are errors, with what follows from that.
pub(super) fn show(checked: &Checked, consequence: &str, printer: &mut Printer) -> Outcome {
    for finding in checked.findings() {
        printer.note(&report::text(finding, checked.sources(), checked.masked()));
        printer.note("");
    }
    match checked.count(Severity::Error) {
        0 => Outcome::Done,
        errors => {
            let warnings = match checked.count(Severity::Warning) {
                0 => String::new(),
                count => format!(" and {}", counted(count, "warning")),
            };
            printer.note(&format!(
                "{}{warnings}{consequence}",
                counted(errors, "error")
            ));
            Outcome::Findings
        }
    }
}

/// `1 host`, `2 hosts`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
