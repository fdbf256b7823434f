//! The report as data: what every machine format is made from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::access::Access;
use crate::check::Checked;
use crate::finding::{Finding, Rule, Severity};
use crate::source::{Position, Sources, Span};

/// What of a check to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Warnings count as errors.
    pub strict: bool,
    /// Warnings are left out, unless they count as errors.
    pub quiet: bool,
    /// No more findings than this, unless it is 0. Each rule that is broken is among them as long as there is room.
    pub max_findings: usize,
    /// Where there are more than that, only the first of each rule is drawn, and the others take a line each.
    pub brief: bool,
}

/// The findings of one check, chosen and counted.
#[derive(Debug)]
pub struct Report<'a> {
    pub(super) checked: &'a Checked,
    pub(super) findings: Vec<&'a Finding>,
    pub(super) summary: Summary,
    /// Only the first of each rule is drawn.
    pub(super) brief: bool,
    by_rule: Vec<OfRule>,
    pub(super) access: Option<Vec<Access>>,
}

/// How often a rule is broken.
#[derive(Clone, Copy, Debug)]
pub struct OfRule {
    /// The rule.
    pub rule: &'static Rule,
    /// Findings of it.
    pub count: usize,
    /// Findings of these that are not in the report.
    pub omitted: usize,
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
        let chosen = choose(&all, options.max_findings);
        let by_rule = by_rule(&all, &chosen);
        let summary = Summary {
            clusters,
            hosts,
            errors,
            warnings,
            omitted: all.len() - chosen.len(),
            strict: options.strict,
            passed: errors == 0 && !(options.strict && warnings > 0),
        };
        Self {
            checked,
            brief: options.brief && summary.omitted > 0,
            findings: chosen,
            summary,
            by_rule,
            access: None,
        }
    }

    /// With who gets in and what may be erased.
    #[must_use]
    pub fn with_access(mut self, access: Vec<Access>) -> Self {
        self.access = Some(access);
        self
    }

    /// Who gets in and what may be erased, if that is part of it.
    pub fn access(&self) -> impl Iterator<Item = &Access> {
        self.access.iter().flatten()
    }

    /// Every rule that is broken, the one that is broken most first.
    #[must_use]
    pub fn by_rule(&self) -> &[OfRule] {
        &self.by_rule
    }

    /// The verb that found what was found.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.checked.verb()
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

/// So many of the findings, in their order; the first of each rule goes before the second of any.
fn choose<'a>(all: &[&'a Finding], most: usize) -> Vec<&'a Finding> {
    if most == 0 || all.len() <= most {
        return all.to_vec();
    }
    let mut seen = HashSet::new();
    let (firsts, others): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|at| seen.insert(all[*at].rule.code));
    let mut chosen: Vec<usize> = firsts.into_iter().chain(others).take(most).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|at| all[at]).collect()
}

fn by_rule(all: &[&Finding], chosen: &[&Finding]) -> Vec<OfRule> {
    let mut counts: BTreeMap<&str, OfRule> = BTreeMap::new();
    for finding in all {
        let rule = finding.rule;
        let of_rule = counts.entry(rule.code).or_insert(OfRule {
            rule,
            count: 0,
            omitted: 0,
        });
        of_rule.count += 1;
        of_rule.omitted += 1;
    }
    for finding in chosen {
        if let Some(of_rule) = counts.get_mut(finding.rule.code) {
            of_rule.omitted -= 1;
        }
    }
    let mut rules: Vec<OfRule> = counts.into_values().collect();
    rules.sort_by_key(|of_rule| Reverse(of_rule.count));
    rules
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
