//! What it takes to find fifty mistakes among a thousand hosts in a thousand files: `cargo bench --bench check`.
//!
//! Every round does the same work in three ways, so that the ratios hold on any machine: a bare read of the files, the
//! same with serde_yaml (which stops at the first mistake of a file, knows no second file, and keeps no place), and
//! `check` with its report.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "../tests/it/support/thousand.rs"]
mod thousand;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use lxseed::check::{Checked, check};
use lxseed::report::{Options, Report, texts};
use rayon::prelude::*;
use serde::Deserialize as _;
use thousand::Expected;
use walkdir::WalkDir;

const ROUNDS: usize = 20;

const NOW: time::OffsetDateTime = time::OffsetDateTime::UNIX_EPOCH;

fn main() {
    // `cargo test --benches` would run it, too.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let site = Utf8Path::from_path(dir.path()).unwrap();
    let expected = thousand::write_site(dir.path()).unwrap();
    assert_eq!(found(&check(site, NOW), site), expected, "not what was to be found");

    let mut read = Vec::new();
    let mut parsed = Vec::new();
    let mut checked = Vec::new();
    for _ in 0..ROUNDS {
        read.push(timed(|| read_all(dir.path())));
        parsed.push(timed(|| parse_all(dir.path())));
        checked.push(timed(|| report(site)));
    }
    let floor = median(&mut read);
    println!(
        "{} files, {} mistakes, {ROUNDS} rounds, {} threads",
        files(dir.path()).len(),
        expected.len(),
        rayon::current_num_threads()
    );
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>7}",
        "", "median", "fastest", "slowest", "ratio"
    );
    for (name, times) in [
        ("read the files", &mut read),
        ("read them and load with serde_yaml", &mut parsed),
        ("check and report in words", &mut checked),
    ] {
        let middle = median(times);
        let ratio = middle.as_secs_f64() / floor.as_secs_f64();
        let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!(
            "{name:<34} {:>9} {:>9} {:>9} {ratio:>7.1}",
            milliseconds(middle),
            milliseconds(times[0]),
            milliseconds(times[times.len() - 1]),
        );
    }
}

fn found(checked: &Checked, site: &Utf8Path) -> Vec<Expected> {
    let findings = checked.findings().iter().map(|finding| {
        let span = finding.primary.span.used();
        let file = checked.sources().file(span.file);
        Expected {
            file: file.path.strip_prefix(site).unwrap().to_string(),
            line: file.place(span.range().start).line,
            code: finding.rule.code,
        }
    });
    let mut found: Vec<_> = findings.collect();
    found.sort();
    found
}

fn files(site: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(site).sort_by_file_name().into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// The bytes of all files, on all cores.
fn read_all(site: &Path) -> usize {
    files(site)
        .par_iter()
        .map(|path| std::fs::read(path).unwrap().len())
        .sum()
}

/// The number of files that serde_yaml can load, on all cores.
fn parse_all(site: &Path) -> usize {
    let loads = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let all = serde_yaml::Deserializer::from_slice(&bytes)
            .map(serde_yaml::Value::deserialize)
            .collect::<Result<Vec<_>, _>>();
        black_box(all).is_ok()
    };
    files(site).par_iter().filter(|path| loads(path)).count()
}

fn report(site: &Utf8Path) -> usize {
    let checked = check(site, NOW);
    texts(&Report::of(&checked, Options::default()))
        .map(|text| text.len())
        .sum()
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
