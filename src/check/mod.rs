//! Checks what profiles mean: one function per rule, and all findings of a site in one run.

mod accept;
mod allow;
mod edits;
pub mod example;
mod fixes;
mod free_addresses;
mod places;
mod registry;
mod rules;
mod view;
mod wiring;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use time::OffsetDateTime;

use crate::budget::MAX_FINDINGS;
use crate::finding::{Family, Finding, Findings, Rule, Severity};
use crate::model::{ModelError, Site};
use crate::profile::{self, Profiles, SAMPLE, UNREADABLE};
pub use crate::profile::{Holding, Origin};
use crate::source::{self, Content, Layout, Sources, Span};
pub use edits::check_with;
pub use fixes::Fixed;
pub(crate) use places::Places;
use registry::Check;
use view::SiteView;

/// Every family of rules, in the order of the reference.
pub(crate) fn families() -> impl Iterator<Item = &'static Family> {
    let of_meaning = rules::FAMILIES.iter().map(|(family, _)| family);
    profile::FAMILIES.iter().chain(of_meaning).chain([&allow::FAMILY])
}

fn checks() -> impl Iterator<Item = &'static Check> {
    let files = rules::FAMILIES.iter().flat_map(|(_, files)| *files);
    files.copied().flatten().copied()
}

/// Every rule that profiles are checked by, of shape and of meaning, by code.
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = profile::RULES
        .iter()
        .copied()
        .chain(checks().map(|check| &check.rule))
        .chain(allow::RULES.iter().copied())
        .collect();
    rules.sort_by_key(|rule| rule.code);
    rules
}

/// The rules that `allow:` in a cluster.yaml can name, by code.
pub(crate) fn allowable() -> impl Iterator<Item = &'static Rule> {
    rules().into_iter().filter(|rule| allow::can_be_allowed(rule))
}

/// What was found, and the profiles it was found in.
#[derive(Debug)]
pub struct Checked {
    /// The verb that found it.
    verb: &'static str,
    profiles: Profiles,
    findings: Findings,
    /// Errors that are not among the findings, since they are elsewhere than asked for.
    elsewhere: usize,
    now: OffsetDateTime,
}

/// Reads and checks a site. `now` is what the lives of people's certificates are held against, and nothing else.
#[must_use]
pub fn check(site: &Utf8Path, now: OffsetDateTime) -> Checked {
    check_layout(site, source::read_site(site), now, Samples::Refused)
}

/// Checks a site that is in memory. The files' paths start with the site's.
#[must_use]
pub fn check_files(site: &Utf8Path, files: Vec<(Utf8PathBuf, Content)>, now: OffsetDateTime) -> Checked {
    check_layout(site, source::site_of(site, files), now, Samples::Refused)
}

/// What the values of lxseed's own examples are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Samples {
    /// Not filled in.
    Refused,
    /// Examples, which this site is one of.
    Fine,
}

fn check_layout(site: &Utf8Path, layout: Layout, now: OffsetDateTime, samples: Samples) -> Checked {
    let (profiles, mut findings) = profile::load(site, layout);
    if samples == Samples::Fine {
        findings.list.retain(|finding| finding.rule.code != SAMPLE.code);
    }
    let view = SiteView::of(&profiles, now);
    let checks: Vec<&'static Check> = checks().collect();
    let found: Vec<Findings> = checks.par_iter().map(|check| check.run(&view)).collect();
    let misshapen = findings.places_of_errors();
    for mut found in found {
        found.drop_consequences_of(&misshapen);
        findings.append(found);
    }
    allow::apply(&view, &rules(), &mut findings);
    drop_patches_of_blocks(&mut findings, &profiles.sources);
    arrange(&mut findings, &profiles);
    Checked {
        verb: "check",
        profiles,
        findings,
        elsewhere: 0,
        now,
    }
}

/// Brings findings into the order of a report, each said once.
fn arrange(findings: &mut Findings, profiles: &Profiles) {
    let sources = &profiles.sources;
    // Two files may be wrong in the same way at the same time; the order a person reads in is file, line, code.
    findings.list.sort_by(|a, b| {
        let key = |finding: &'_ Finding| {
            let used = finding.primary.span.used();
            (used.start, finding.rule.code, used.file)
        };
        let path = |finding: &Finding| &sources.file(finding.primary.span.file).path;
        path(a)
            .cmp(path(b))
            .then_with(|| key(a).cmp(&key(b)))
            .then_with(|| a.message.cmp(&b.message))
    });
    let shared: Vec<Span> = profiles
        .clusters
        .iter()
        .flat_map(|of| of.shared.iter().copied())
        .collect();
    findings.dedupe(&shared);
    cut(findings);
}

/// Takes out what is beyond the limit of a report, and says so in an error of its own.
fn cut(findings: &mut Findings) {
    let Some(first) = findings.list.get(MAX_FINDINGS) else {
        return;
    };
    let span = first.primary.span;
    let more = findings.list.split_off(MAX_FINDINGS).len();
    let message = format!("from here on {more} more findings are left out");
    findings.add(&UNREADABLE, span, message, "mend what was told, and check again");
}

/// Takes out patches that would replace more than a part of a line: the sign of a block (`|`), its indentation and its
/// end lie outside the span of its text, so the patch would not do what it shows.
fn drop_patches_of_blocks(findings: &mut Findings, sources: &Sources) {
    for finding in &mut findings.list {
        let is_block = |span: &Span| {
            let text = &sources.file(span.file).text;
            text.get(span.range()).is_none_or(|text| text.contains('\n'))
        };
        if finding.fix.iter().any(|(span, _)| is_block(span)) {
            finding.fix.clear();
        }
    }
}

impl Checked {
    /// With those findings alone that have to do with a file, or with a folder and what is in it. The path starts with
    /// the site's.
    #[must_use]
    pub fn within(mut self, path: &Utf8Path) -> Self {
        let sources = &self.profiles.sources;
        let is_within = |span: Span| sources.file(span.file).path.starts_with(path);
        let before = self.count(Severity::Error);
        self.findings.list.retain(|finding| {
            is_within(finding.primary.span) || finding.secondary.iter().any(|label| is_within(label.span))
        });
        self.elsewhere = before - self.count(Severity::Error);
        self
    }

    /// With what was found by holding living clusters against these profiles, in place of what is wrong with the
    /// profiles themselves.
    #[must_use]
    pub fn verified(mut self, found: Findings) -> Self {
        self.verb = "verify";
        self.findings.list = found.list;
        self.findings.masked.extend(found.masked);
        arrange(&mut self.findings, &self.profiles);
        self
    }

    /// The verb that found what was found.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.verb
    }

    /// Errors elsewhere in the site than in what was asked for.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        self.elsewhere
    }

    /// The findings, by file and place.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings.list
    }

    /// The files that the findings point into.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.profiles.sources
    }

    /// Places whose text must not be shown.
    #[must_use]
    pub fn masked(&self) -> &[Span] {
        &self.findings.masked
    }

    /// How many findings of that severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .list
            .iter()
            .filter(|finding| finding.rule.severity == severity)
            .count()
    }

    /// The number of clusters and hosts that were read.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let clusters = &self.profiles.clusters;
        (clusters.len(), clusters.iter().map(|cluster| cluster.hosts.len()).sum())
    }

    /// The whole of what holds for a host of a site without errors; none if there is no such host.
    #[must_use]
    pub fn holds(&self, cluster: &str, host: &str) -> Option<Vec<Holding>> {
        profile::holds(&self.profiles, cluster, host)
    }

    /// The site as the renderer takes it.
    ///
    /// # Errors
    /// If there are findings of severity error, or the profiles contradict themselves in a way no rule looks for.
    pub fn accept(&self) -> Result<Site, ModelError> {
        if self.findings.has_errors() || self.elsewhere > 0 {
            return Err(ModelError("the profiles have errors".to_owned()));
        }
        accept::accept(&SiteView::of(&self.profiles, self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends() {
        let file = Sources::default().add("hosts.yaml".into(), String::new());
        let mut findings = Findings::default();
        for _ in 0..MAX_FINDINGS + 3 {
            findings.add(&UNREADABLE, file.start(), "it cannot be read", "mend it");
        }
        cut(&mut findings);
        assert_eq!(findings.list.len(), MAX_FINDINGS + 1);
        let last = findings.list.last().map(|finding| finding.message.as_str());
        assert_eq!(last, Some("from here on 3 more findings are left out"));
    }
}
