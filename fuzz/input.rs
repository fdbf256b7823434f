//! What the fuzz targets do with their input, shared with tests/it/fuzz.rs. A broken promise is a panic.
#![allow(
    dead_code,
    reason = "every target uses the one function that it is for"
)]

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::{Checked, check_files};
use lxseed::finding::Severity;
use lxseed::report::{self, Options, Report};
use lxseed::source::{Content, Span};

const SITE: &str = "site";

/// One file, as each kind of profile.
pub(crate) fn reader(bytes: &[u8]) {
    for path in ["cluster.yaml", "hosts/a.yaml", "disks/a.yaml"] {
        spans_and_text(&checked(vec![(
            Utf8Path::new(SITE).join(path),
            bytes.to_vec(),
        )]));
    }
}

/// What stands before the path of a file, at the beginning of a line; what is before the first of these is `cluster.yaml`.
const HEAD: &[u8] = b"=== ";

/// The files of a site.
pub(crate) fn check(bytes: &[u8]) {
    let checked = checked(files(bytes));
    spans_and_text(&checked);
    formats(&checked);
    // What check accepts, the model takes.
    if checked.count(Severity::Error) == 0
        && let Err(error) = checked.accept()
    {
        panic!("accepted by check alone: {error}");
    }
}

fn files(bytes: &[u8]) -> Vec<(Utf8PathBuf, Vec<u8>)> {
    let mut files = vec![(Utf8Path::new(SITE).join("cluster.yaml"), Vec::new())];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(HEAD).map(str::from_utf8) {
            Some(Ok(path)) => {
                let path = path.trim_end_matches('\n');
                files.push((Utf8Path::new(SITE).join(path), Vec::new()));
            }
            _ => {
                if let Some((_, text)) = files.last_mut() {
                    text.extend_from_slice(line);
                }
            }
        }
    }
    // A folder has no two files of one name.
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    files
}

fn checked(files: Vec<(Utf8PathBuf, Vec<u8>)>) -> Checked {
    let files = files
        .into_iter()
        .map(|(path, bytes)| (path, Content::Bytes(bytes)));
    check_files(SITE.into(), files.collect())
}

fn spans_and_text(checked: &Checked) {
    for finding in checked.findings() {
        let secondary = finding.secondary.iter().map(|label| label.span);
        let fixes = finding.fix.iter().map(|(span, _)| *span);
        for span in [finding.primary.span]
            .into_iter()
            .chain(secondary)
            .chain(fixes)
        {
            within(span.used(), checked);
            within(span.anchored().unwrap_or(span), checked);
        }
    }
    for text in report::texts(&Report::of(checked, Options::default())) {
        // The renderer's own colours. Of another sequence, which a profile could have brought, something would be left.
        let plain = STYLES
            .iter()
            .fold(text, |text, style| text.replace(style, ""));
        harmless(&plain);
    }
}

/// The formats for programs. SARIF is left out: most of it is the table of rules, the same for every input, and would take most of the time.
fn formats(checked: &Checked) {
    let report = Report::of(checked, Options::default());
    let github = report::github(&report);
    harmless(&github);
    assert_eq!(
        github.lines().count(),
        checked.findings().len(),
        "one command a line"
    );
    harmless(&report::junit(&report));
    let json = report::json(&report);
    assert!(
        serde_json::from_str::<serde_json::Value>(&json).is_ok(),
        "not JSON: {json}"
    );
}

const STYLES: [&str; 11] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[91m",
    "\u{1b}[92m",
    "\u{1b}[93m",
    "\u{1b}[94m",
    "\u{1b}[33m",
    "\u{1b}[96m",
    "\u{1b}[32m",
    "\u{1b}[31m",
    "\u{1b}[95m",
];

/// A span lies in its file, and cuts no character in two.
fn within(span: Span, checked: &Checked) {
    let text = &checked.sources().file(span.file).text;
    assert!(
        text.get(span.range()).is_some(),
        "{span:?} is not in a text of {} bytes",
        text.len()
    );
}

/// Nothing that a terminal would act on, and nothing that makes a line read otherwise than it is.
fn harmless(text: &str) {
    let bad = text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert!(bad.is_none(), "{bad:?} in a report: {text:?}");
}
