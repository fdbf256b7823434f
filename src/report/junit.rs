//! Findings as JUnit XML, which GitLab, Jenkins and others show as failed tests.

use std::collections::BTreeMap;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::entry::{Entry, Report};
use super::sanitize::sanitize;
use crate::finding::Severity;

/// One test case for each finding, and a passed one for each file without any.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    // Writing XML into memory does not fail.
    write(report).unwrap_or_default()
}

fn write(report: &Report<'_>) -> std::io::Result<String> {
    let mut by_file: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for file in report.checked.sources().iter() {
        by_file.entry(file.path.to_string()).or_default();
    }
    for entry in report.entries() {
        by_file
            .entry(entry.place.file.clone())
            .or_default()
            .push(entry);
    }
    let fails = |entry: &Entry| entry.severity == Severity::Error || report.summary.strict;
    let cases = |entries: &Vec<Entry>| entries.len().max(1);
    let tests: usize = by_file.values().map(cases).sum();
    let failures = by_file
        .values()
        .flatten()
        .filter(|entry| fails(entry))
        .count();

    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let counts = [
        ("tests", tests.to_string()),
        ("failures", failures.to_string()),
    ];
    open(&mut xml, "testsuites", &counts)?;
    let named = [("name", "lxseed check".to_owned())]
        .into_iter()
        .chain(counts);
    open(&mut xml, "testsuite", &named.collect::<Vec<_>>())?;
    for (file, entries) in &by_file {
        let of_file = |name: String| {
            [
                ("name", name),
                ("classname", file.clone()),
                ("file", file.clone()),
            ]
        };
        if entries.is_empty() {
            open(&mut xml, "testcase", &of_file("no findings".to_owned()))?;
            close(&mut xml, "testcase")?;
        }
        for entry in entries {
            let place = entry.place.start;
            let name = format!(
                "{} {} at {}:{}",
                entry.code, entry.rule, place.line, place.column
            );
            open(&mut xml, "testcase", &of_file(name))?;
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
            let holder = if fails(entry) {
                "failure"
            } else {
                "system-out"
            };
            match fails(entry) {
                true => open(
                    &mut xml,
                    holder,
                    &[
                        ("message", entry.message.clone()),
                        ("type", entry.code.to_owned()),
                    ],
                )?,
                false => open(&mut xml, holder, &[])?,
            }
            xml.write_event(Event::Text(BytesText::new(&clean(&text))))?;
            close(&mut xml, holder)?;
            close(&mut xml, "testcase")?;
        }
    }
    close(&mut xml, "testsuite")?;
    close(&mut xml, "testsuites")?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

fn open(
    xml: &mut Writer<Vec<u8>>,
    tag: &str,
    attributes: &[(&str, String)],
) -> std::io::Result<()> {
    let cleaned: Vec<(&str, String)> = attributes
        .iter()
        .map(|(key, value)| (*key, clean(value)))
        .collect();
    let pairs = cleaned.iter().map(|(key, value)| (*key, value.as_str()));
    xml.write_event(Event::Start(BytesStart::new(tag).with_attributes(pairs)))
}

fn close(xml: &mut Writer<Vec<u8>>, tag: &str) -> std::io::Result<()> {
    xml.write_event(Event::End(BytesEnd::new(tag)))
}

/// XML 1.0 has no way to write most control characters, so they are shown as a terminal would be shown them.
fn clean(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitize).collect();
    lines.join("\n")
}
