//! What the fuzz targets do with their input, shared with tests/it/fuzz.rs. A broken promise is a panic.
#![allow(
    dead_code,
    unused_imports,
    reason = "every target uses the one function that it is for"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::{Checked, check_files};
use lxseed::finding::Severity;
use lxseed::report::{self, Options, Report};
use lxseed::source::{Content, Span};
use sha3::{Digest as _, Sha3_384};

const SITE: &str = "site";

/// One file, as each kind of profile.
pub(crate) fn reader(bytes: &[u8]) {
    for path in ["cluster.yaml", "hosts/a.yaml", "disks/a.yaml"] {
        spans_and_text(&checked(vec![(Utf8Path::new(SITE).join(path), bytes.to_vec())]));
    }
}

/// What stands before the path of a file, at the beginning of a line; what is before the first of these is `cluster.yaml`.
const HEAD: &[u8] = b"=== ";

/// The files of a site.
pub(crate) fn check(bytes: &[u8]) {
    accepted_or_not(&checked(files(bytes)));
}

fn accepted_or_not(checked: &Checked) {
    spans_and_text(checked);
    formats(checked);
    // What check accepts, the model takes.
    if checked.count(Severity::Error) == 0
        && let Err(error) = checked.accept()
    {
        panic!("accepted by check alone: {error}");
    }
}

/// A site that is given snaps, but for LXD's own.
const OFFLINE: [(&str, &[u8]); 7] = [
    ("cluster.yaml", include_bytes!("../tests/good/offline/cluster.yaml")),
    (
        "disks/model.yaml",
        include_bytes!("../tests/good/offline/disks/model.yaml"),
    ),
    (
        "hosts/hosts.yaml",
        include_bytes!("../tests/good/offline/hosts/hosts.yaml"),
    ),
    (
        "snaps/core20_1974.assert",
        include_bytes!("../tests/good/offline/snaps/core20_1974.assert"),
    ),
    (
        "snaps/core20_1974.snap",
        include_bytes!("../tests/good/offline/snaps/core20_1974.snap"),
    ),
    (
        "snaps/snapd_20092.assert",
        include_bytes!("../tests/good/offline/snaps/snapd_20092.assert"),
    ),
    (
        "snaps/snapd_20092.snap",
        include_bytes!("../tests/good/offline/snaps/snapd_20092.snap"),
    ),
];
const LXD: &[u8] = include_bytes!("../tests/good/offline/snaps/lxd_24322.snap");

/// The snap of LXD, with assertions that speak of these very bytes, and the assertions of a snap.
pub(crate) fn snap(bytes: &[u8]) {
    // What a report can quote takes a hundred times longer to look at than most inputs, which say nothing.
    if !lxseed::fuzzing::snap(bytes) {
        return;
    }
    let digest = URL_SAFE_NO_PAD.encode(Sha3_384::digest(bytes));
    let size = bytes.len();
    let assertions = format!(
        "type: snap-declaration\nsnap-id: J60k\nsnap-name: lxd\n\nAcLB\n\ntype: snap-revision\nsnap-sha3-384: {digest}\nsnap-id: J60k\n\
         snap-revision: 24322\nsnap-size: {size}\n\nAcLB\n"
    );
    for (snap, assertions) in [(bytes, assertions.as_bytes()), (LXD, bytes)] {
        let lxd = [("snaps/lxd_24322.assert", assertions), ("snaps/lxd_24322.snap", snap)];
        let files = OFFLINE.into_iter().chain(lxd);
        let files = files.map(|(path, bytes)| (Utf8Path::new(SITE).join(path), bytes.to_vec()));
        accepted_or_not(&checked(files.collect()));
    }
}

/// Everything else that comes from others: any answer will do.
macro_rules! any {
    ($($target:ident),*) => {
        $(pub(crate) fn $target(bytes: &[u8]) {
            let _: bool = lxseed::fuzzing::$target(bytes);
        })*
    };
}

any!(assertion, certificate, disk, facts, iso, manifest, qcow2, seed);

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
    let files = files.into_iter().map(|(path, bytes)| (path, Content::Bytes(bytes)));
    check_files(SITE.into(), files.collect(), time::OffsetDateTime::UNIX_EPOCH)
}

fn spans_and_text(checked: &Checked) {
    for finding in checked.findings() {
        let secondary = finding.secondary.iter().map(|label| label.span);
        let fixes = finding.fix.iter().map(|(span, _)| *span);
        for span in [finding.primary.span].into_iter().chain(secondary).chain(fixes) {
            within(span.used(), checked);
            within(span.anchored().unwrap_or(span), checked);
        }
    }
    for text in report::texts(&Report::of(checked, Options::default())) {
        // The renderer's own colours. Of another sequence, which a profile could have brought, something would be left.
        let plain = STYLES.iter().fold(text, |text, style| text.replace(style, ""));
        harmless(&plain);
    }
}

/// The formats for programs. SARIF is left out: most of it is the table of rules, the same for every input, and would take most of the time.
fn formats(checked: &Checked) {
    let report = Report::of(checked, Options::default());
    let github = report::github(&report);
    harmless(&github);
    assert_eq!(github.lines().count(), checked.findings().len(), "one command a line");
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
    let bad = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert!(bad.is_none(), "{bad:?} in a report: {text:?}");
}
