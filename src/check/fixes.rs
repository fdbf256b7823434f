//! The edits that are sure, put into the texts of the files.

use std::collections::BTreeMap;

use super::Checked;
use crate::finding::Finding;
use crate::source::{FileId, SourceFile, Span};

/// A file and what becomes of it.
#[derive(Debug)]
pub struct Fixed<'a> {
    /// The file as it was read.
    pub file: &'a SourceFile,
    /// Its text with the edits.
    pub text: String,
    /// What they are for, by place.
    pub findings: Vec<&'a Finding>,
}

impl Checked {
    /// The files that sure edits would change, in the order they were read. Of edits that overlap, the first is made.
    #[must_use]
    pub fn fixes(&self) -> Vec<Fixed<'_>> {
        let mut by_file: BTreeMap<FileId, Vec<&Finding>> = BTreeMap::new();
        for finding in self.findings().iter().filter(|finding| finding.is_sure()) {
            let mut files = finding.fix.iter().map(|(span, _)| span.file);
            if let Some(file) = files.next()
                && files.all(|other| other == file)
            {
                by_file.entry(file).or_default().push(finding);
            }
        }
        let fixed = by_file.into_iter().map(|(file, findings)| {
            let file = self.sources().file(file);
            let mut edits: Vec<&(Span, String)> = Vec::new();
            let mut kept = Vec::with_capacity(findings.len());
            for finding in findings {
                let is_free = |(span, _): &(Span, String)| !edits.iter().any(|(other, _)| overlap(*span, *other));
                if finding.fix.iter().all(is_free) {
                    edits.extend(&finding.fix);
                    kept.push(finding);
                }
            }
            Fixed {
                file,
                text: edited(&file.text, edits),
                findings: kept,
            }
        });
        fixed.collect()
    }
}

/// Whether two edits touch the same text. Two insertions at one place do, too: nobody can say which comes first.
fn overlap(a: Span, b: Span) -> bool {
    (a.start < b.end && b.start < a.end) || a.start == b.start
}

fn edited(text: &str, mut edits: Vec<&(Span, String)>) -> String {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut new = String::with_capacity(text.len() + 64);
    let mut behind = 0;
    for (span, replacement) in edits {
        let range = span.range();
        new.push_str(text.get(behind..range.start).unwrap_or_default());
        new.push_str(replacement);
        behind = range.end;
    }
    new.push_str(text.get(behind..).unwrap_or_default());
    new
}
