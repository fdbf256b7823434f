//! What the verbs of a living cluster write into its cluster.yaml.

use camino::Utf8Path;
use time::OffsetDateTime;

use super::{Checked, Samples, check_layout};
use crate::finding::{Finding, Severity};
use crate::source::{self, Addition, Edited, SourceFile};

impl Checked {
    /// The cluster.yaml of a cluster, and what becomes of its text with an addition; nothing if there is no such cluster.
    #[must_use]
    pub fn with_addition(&self, cluster: &str, addition: &Addition<'_>) -> Option<(&SourceFile, Edited)> {
        let mut documents = self
            .profiles
            .clusters
            .iter()
            .filter_map(|folder| folder.cluster.as_ref());
        let is_it = |name: &str| name == cluster;
        let document =
            documents.find(|document| document.value.name.as_ref().is_some_and(|name| is_it(&name.value)))?;
        let file = self.sources().file(document.span.file);
        let edited = addition.put_into(&file.text, document.span.used().range().start);
        Some((file, edited))
    }

    /// The first error that an earlier check of the site did not find.
    #[must_use]
    pub fn new_error_since(&self, before: &Self) -> Option<&Finding> {
        let errors = |checked: &Self, code: &str| {
            let findings = checked.findings().iter();
            findings.filter(|finding| finding.rule.code == code).count()
        };
        let mut found = self.findings().iter();
        found.find(|finding| {
            let code = finding.rule.code;
            finding.rule.severity == Severity::Error && errors(self, code) > errors(before, code)
        })
    }
}

/// Reads and checks a site as if one of its files held another text.
#[must_use]
pub fn check_with(site: &Utf8Path, path: &Utf8Path, text: &str, now: OffsetDateTime) -> Checked {
    let mut layout = source::read_site(site);
    for file in layout.files.iter_mut().filter(|file| file.path == path) {
        file.text = Ok(text.to_owned());
    }
    check_layout(site, layout, now, Samples::Refused)
}
