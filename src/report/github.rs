//! Findings as workflow commands, which GitHub Actions shows at the lines of a pull request.

use std::fmt::Write as _;

use super::entry::{Entry, Report};
use super::sanitize::sanitize;
use crate::finding::Severity;

/// One `::error` or `::warning` line for each finding.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let mut lines = String::new();
    for entry in report.entries() {
        lines.push_str(&command(&entry));
        lines.push('\n');
    }
    lines
}

fn command(entry: &Entry) -> String {
    let kind = match entry.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let (start, end) = (entry.place.start, entry.place.end);
    let mut command = format!(
        "::{kind} file={},line={},endLine={}",
        property(&entry.place.file),
        start.line,
        end.line,
    );
    // Columns are taken only where the first and the last line are the same (GitHub's REST API for annotations).
    if start.line == end.line {
        // Writing to a string does not fail.
        let _ = write!(
            command,
            ",col={},endColumn={}",
            start.column,
            end.column.max(start.column)
        );
    }
    let _ = write!(
        command,
        ",title={}::",
        property(&format!("{} {}", entry.code, entry.rule))
    );
    let mut message = format!("{}\nhelp: {}", entry.message, entry.help);
    for region in &entry.related {
        let _ = write!(
            message,
            "\n{}:{}:{}: {}",
            region.file, region.start.line, region.start.column, region.label
        );
    }
    command + &data(&message)
}

/// The runner's own escapes for the text of a command (actions/toolkit, `escapeData`).
fn data(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(sanitize).collect();
    lines
        .join("\n")
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The same for a property (`escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_finding_ends_a_command_or_a_property() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(data("a,b:c%\r\n::stop"), "a,b:c%25\\u{d}%0A::stop");
    }
}
