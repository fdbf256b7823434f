//! The report as data: what every machine format is made from.

use schemars::JsonSchema;
use serde::Serialize;

use crate::check::Checked;
use crate::finding::{Finding, Severity};
use crate::source::{Position, Sources, Span};

/// What of a check to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Warnings count as errors.
    pub strict: bool,
    /// Warnings are left out, unless they count as errors.
    pub quiet: bool,
    /// No more findings than this.
    pub max_findings: Option<usize>,
}

/// The findings of one check, chosen and counted.
#[derive(Debug)]
pub struct Report<'a> {
    pub(super) checked: &'a Checked,
    pub(super) findings: Vec<&'a Finding>,
    pub(super) summary: Summary,
}

/// How much was checked and found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// Clusters that were read.
    pub clusters: usize,
    /// Hosts that were read.
    pub hosts: usize,
    /// Findings that keep a build from being made.
    pub errors: usize,
    /// Findings that do not.
    pub warnings: usize,
    /// Findings of these that are not in the report, because fewer were asked for.
    pub omitted: usize,
    /// Whether warnings count as errors.
    pub strict: bool,
    /// Whether the site passes: the exit status is 0 if so, else 1.
    pub passed: bool,
}

/// One finding with its places as lines and columns.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// The rule's code, for example `F004`; `lxseed explain` tells more about it.
    pub(crate) code: &'static str,
    /// The rule's name, for example `address-outside-subnet`.
    pub(crate) rule: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is wrong, in one sentence.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: String,
    /// Where it stands.
    pub(crate) place: Region,
    /// Other places that have to do with it.
    pub(crate) related: Vec<Region>,
    /// Changes of the text that mend it, all of them together; empty if there is no one way.
    pub(crate) fix: Vec<Change>,
}

/// A stretch of a file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Region {
    /// The file, as the site was named on the command line and on from there.
    pub(crate) file: String,
    /// Its first character.
    pub(crate) start: Position,
    /// The character behind its last one.
    pub(crate) end: Position,
    /// What there is to say about the place; may be empty.
    pub(crate) label: String,
}

/// A change of the source text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// The file, as in the places.
    pub(crate) file: String,
    /// The first character to take out.
    pub(crate) start: Position,
    /// The character behind the last one to take out.
    pub(crate) end: Position,
    /// What to put there.
    pub(crate) text: String,
}

impl<'a> Report<'a> {
    /// Chooses what to report.
    #[must_use]
    pub fn of(checked: &'a Checked, options: Options) -> Self {
        let (clusters, hosts) = checked.size();
        let errors = checked.count(Severity::Error);
        let warnings = checked.count(Severity::Warning);
        let wanted = |finding: &&Finding| finding.rule.severity == Severity::Error || options.strict || !options.quiet;
        let all: Vec<&Finding> = checked.findings().iter().filter(wanted).collect();
        let shown = options.max_findings.unwrap_or(all.len()).min(all.len());
        let summary = Summary {
            clusters,
            hosts,
            errors,
            warnings,
            omitted: all.len() - shown,
            strict: options.strict,
            passed: errors == 0 && !(options.strict && warnings > 0),
        };
        Self {
            checked,
            findings: all.into_iter().take(shown).collect(),
            summary,
        }
    }

    /// How much was checked and found.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The findings with lines and columns.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let sources = self.checked.sources();
        self.findings.iter().map(move |finding| Entry::of(finding, sources))
    }
}

impl Entry {
    fn of(finding: &Finding, sources: &Sources) -> Self {
        let secondary = finding.secondary.iter();
        let mut related: Vec<Region> = secondary
            .map(|label| Region::of(label.span.used(), &label.text, sources))
            .collect();
        if let Some(written) = finding.primary.span.anchored() {
            related.push(Region::of(written, "written here", sources));
        }
        Self {
            code: finding.rule.code,
            rule: finding.rule.slug,
            severity: finding.rule.severity,
            message: finding.message.clone(),
            help: finding.help.clone(),
            place: Region::of(finding.primary.span.used(), &finding.primary.text, sources),
            related,
            fix: finding
                .fix
                .iter()
                .map(|(span, text)| {
                    let Region { file, start, end, .. } = Region::of(*span, "", sources);
                    Change {
                        file,
                        start,
                        end,
                        text: text.clone(),
                    }
                })
                .collect(),
        }
    }
}

impl Region {
    fn of(span: Span, label: &str, sources: &Sources) -> Self {
        let file = sources.file(span.file);
        let range = span.range();
        Self {
            file: file.path.to_string(),
            start: file.place(range.start),
            end: file.place(range.end),
            label: label.to_owned(),
        }
    }
}
