//! What is wrong, where, and what to do about it: the one type that reading, lowering and checking all report in.

use crate::source::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A build would be wrong or impossible: exit 1, nothing is written.
    Error,
    /// Legal, but rarely meant. `allow: {slug: reason}` in cluster.yaml silences it.
    Warning,
}

/// What every finding of one kind has in common. Codes are stable and never used for anything else later.
#[derive(Debug)]
pub struct Rule {
    /// For example `N003`.
    pub code: &'static str,
    /// For example `address-outside-subnet`; the name used in `allow`.
    pub slug: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// The reason for the rule and where it comes from, in one paragraph.
    pub about: &'static str,
}

/// A place and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule it breaks.
    pub rule: &'static Rule,
    /// What is wrong, in one sentence with the value in it.
    pub message: String,
    /// Where it stands.
    pub primary: Label,
    /// What it conflicts with, if anything.
    pub secondary: Vec<Label>,
    /// What to do.
    pub help: String,
}

impl Rule {
    /// An error.
    pub(crate) const fn error(code: &'static str, slug: &'static str, about: &'static str) -> Self {
        Self {
            code,
            slug,
            severity: Severity::Error,
            about,
        }
    }

    /// A warning.
    pub(crate) const fn warning(
        code: &'static str,
        slug: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            code,
            slug,
            severity: Severity::Warning,
            about,
        }
    }
}

/// Findings as they come in.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was found.
    pub list: Vec<Finding>,
    /// Places whose text must not be shown, whatever is reported about their surroundings.
    pub masked: Vec<Span>,
}

impl Findings {
    /// Adds a finding; the returned reference takes labels.
    pub(crate) fn add(
        &mut self,
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> &mut Finding {
        self.list.push(Finding {
            rule,
            message: message.into(),
            primary: Label {
                span,
                text: String::new(),
            },
            secondary: Vec::new(),
            help: help.into(),
        });
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Keeps a place's text out of every report.
    pub(crate) fn mask(&mut self, span: Span) {
        self.masked.push(span);
    }

    /// Takes over what another part found.
    pub(crate) fn append(&mut self, other: Self) {
        self.list.extend(other.list);
        self.masked.extend(other.masked);
    }

    /// Whether anything found keeps a build from being made.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|finding| finding.rule.severity == Severity::Error)
    }
}

impl Finding {
    /// What to write under the primary place.
    pub(crate) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.primary.text = text.into();
        self
    }

    /// A second place.
    pub(crate) fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.secondary.push(Label {
            span,
            text: text.into(),
        });
        self
    }
}
