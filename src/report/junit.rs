//! Findings as JUnit XML, which GitLab, Jenkins and others show as failed tests.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::entry::{Entry, Report};
use super::sanitize::sanitize;
use crate::finding::Severity;

/// One test case for each finding, and a passed one for each file without any.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let mut by_file: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for file in report.checked.sources().iter() {
        by_file.entry(file.path.to_string()).or_default();
    }
    for entry in report.entries() {
        by_file.entry(entry.place.file.clone()).or_default().push(entry);
    }
    let mut suite = TestSuite::new(format!("lxseed {}", report.checked.verb()));
    for (file, entries) in &by_file {
        if entries.is_empty() {
            suite.add_test_case(case(file, "no findings", TestCaseStatus::success()));
        }
        for entry in entries {
            suite.add_test_case(found(file, entry, report.summary.strict));
        }
    }
    let mut document = quick_junit::Report::unnamed();
    document.add_test_suite(suite);
    // Writing XML into memory does not fail.
    document.to_string().unwrap_or_default()
}

fn case(file: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let file = clean(file);
    let mut case = TestCase::new(name, status);
    case.set_classname(file.as_str());
    case.extra.insert("file".into(), file.into());
    case
}

fn found(file: &str, entry: &Entry, strict: bool) -> TestCase {
    let place = entry.place.start;
    let name = format!("{} {} at {}:{}", entry.code, entry.rule, place.line, place.column);
    let mut text = format!(
        "{file}:{}:{}: {}\nhelp: {}",
        place.line, place.column, entry.message, entry.help
    );
    for region in &entry.related {
        text += &format!(
            "\n{}:{}:{}: {}",
            region.file, region.start.line, region.start.column, region.label
        );
    }
    let text = clean(&text);
    if entry.severity == Severity::Error || strict {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status
            .set_message(clean(&entry.message))
            .set_type(entry.code)
            .set_description(text);
        case(file, &name, status)
    } else {
        let mut case = case(file, &name, TestCaseStatus::success());
        case.set_system_out(text);
        case
    }
}

/// XML 1.0 has no way to write most control characters, so they are shown as a terminal would be shown them.
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitize).collect();
    lines.join("\n")
}
