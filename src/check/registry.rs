//! Rules about meaning: a description, and the function that finds what breaks the rule.

use super::view::SiteView;
use crate::finding::{Edit, Finding, Findings, Rule};
use crate::source::Span;

/// A rule and the function that finds what breaks it.
pub(super) struct Check {
    pub(super) rule: Rule,
    run: fn(&SiteView<'_>, &mut Report<'_>),
}

impl Check {
    /// An error.
    pub(super) const fn error(
        code: &'static str,
        slug: &'static str,
        run: fn(&SiteView<'_>, &mut Report<'_>),
        about: &'static str,
    ) -> Self {
        Self {
            rule: Rule::error(code, slug, about),
            run,
        }
    }

    /// A warning.
    pub(super) const fn warning(
        code: &'static str,
        slug: &'static str,
        run: fn(&SiteView<'_>, &mut Report<'_>),
        about: &'static str,
    ) -> Self {
        Self {
            rule: Rule::warning(code, slug, about),
            run,
        }
    }

    /// The rule's examples, as [`Rule::example`] takes them.
    pub(super) const fn example(mut self, fails: &'static [Edit], passes: &'static [Edit]) -> Self {
        self.rule = self.rule.example(fails, passes);
        self
    }

    /// Finds what breaks the rule.
    pub(super) fn run(&'static self, site: &SiteView<'_>) -> Findings {
        let mut findings = Findings::default();
        let mut report = Report {
            rule: &self.rule,
            findings: &mut findings,
        };
        (self.run)(site, &mut report);
        findings
    }
}

/// Takes the findings of one rule.
pub(super) struct Report<'a> {
    pub(super) rule: &'static Rule,
    findings: &'a mut Findings,
}

impl Report<'_> {
    pub(super) fn add(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> &mut Finding {
        self.findings.add(self.rule, span, message, help)
    }
}
