//! What is wrong, where, and what to do about it: the one type that reading, lowering and checking all report in.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::source::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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
    /// Edits of the [example site](crate::check::example) that break the rule, and this one alone.
    pub fails: &'static [Edit],
    /// Edits of the example site that show the same done right; none if the site as it is shows it.
    pub passes: &'static [Edit],
}

/// The rules whose codes begin with one letter.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) letter: char,
    /// What they are about.
    pub(crate) title: &'static str,
}

impl Family {
    pub(crate) const fn new(letter: char, title: &'static str) -> Self {
        Self { letter, title }
    }

    /// Whether the rule is one of them.
    pub(crate) fn holds(&self, rule: &Rule) -> bool {
        rule.code.starts_with(self.letter)
    }
}

/// One edit of the example site. Files are named from the site's folder on.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// In this file, a text that occurs once, and what replaces it.
    Replace(&'static str, &'static str, &'static str),
    /// In this file, behind the text that occurs once, this text so many times, with `{}` for its number in four
    /// digits.
    Repeat(&'static str, &'static str, &'static str, usize),
    /// A file with this text.
    Write(&'static str, &'static str),
    /// A file with these bytes, which are no text.
    Bytes(&'static str, &'static [u8]),
    /// A file that cannot be opened.
    Locked(&'static str),
    /// A link that leads out of the site.
    LinkOut(&'static str),
    /// The file is gone.
    Remove(&'static str),
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
    /// Where it is.
    pub primary: Label,
    /// What it conflicts with, if anything.
    pub secondary: Vec<Label>,
    /// What to do.
    pub help: String,
    /// Changes of the source text that do just that, where they are known: spans and what replaces them.
    pub fix: Vec<(Span, String)>,
    /// The host that the message names, where a mistake at one place shows at many.
    host: Option<String>,
    /// The changes can be made without a person looking at them.
    sure: bool,
}

impl Rule {
    /// An error.
    pub(crate) const fn error(code: &'static str, slug: &'static str, about: &'static str) -> Self {
        Self {
            code,
            slug,
            severity: Severity::Error,
            about,
            fails: &[],
            passes: &[],
        }
    }

    /// Examples: edits of the example site that break the rule, and edits that show it done right.
    pub(crate) const fn example(mut self, fails: &'static [Edit], passes: &'static [Edit]) -> Self {
        self.fails = fails;
        self.passes = passes;
        self
    }

    /// A warning.
    pub(crate) const fn warning(code: &'static str, slug: &'static str, about: &'static str) -> Self {
        Self {
            code,
            slug,
            severity: Severity::Warning,
            about,
            fails: &[],
            passes: &[],
        }
    }
}

/// Declares rules that are checked where they are found, and `RULES`, the list of them.
macro_rules! rules {
    ($( $seen:vis static $name:ident: Rule = $rule:expr; )*) => {
        $( $seen static $name: Rule = $rule; )*

        /// Every rule of this file.
        pub(crate) static RULES: &[&Rule] = &[$( &$name, )*];
    };
}

pub(crate) use rules;

/// Findings as they come in.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was found.
    pub list: Vec<Finding>,
    /// Places whose text must not be shown, whatever is reported about their surroundings.
    pub masked: Vec<Span>,
    /// How many values were left out because of what had been found before.
    pub(crate) left_out: usize,
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
            fix: Vec::new(),
            host: None,
            sure: false,
        });
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// One finding for each place. Takes out what says the same of the same text again: a mistake in an anchored value
    /// is found wherever an alias uses it. What one text does to many hosts is said of the first, and the others are
    /// counted; so is what is said of a text in the `shared` stretches, which many hosts take.
    pub(crate) fn dedupe(&mut self, shared: &[Span]) {
        let mut seen: HashSet<(&str, Span, String)> = HashSet::new();
        let mut of_hosts: HashMap<(&str, Span), (usize, HashSet<String>)> = HashMap::new();
        let mut kept: Vec<Finding> = Vec::with_capacity(self.list.len());
        for mut finding in self.list.drain(..) {
            let span = finding.primary.span;
            let written = span.anchored().unwrap_or(span);
            if !seen.insert((finding.rule.code, written, finding.message.clone())) {
                continue;
            }
            let is_shared = || shared.iter().any(|shared| written.is_within(*shared));
            let of_host = finding.host.take();
            if let Some(host) = of_host.or_else(|| is_shared().then(|| finding.message.clone())) {
                let (_, others) = match of_hosts.entry((finding.rule.code, written)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        new.insert((kept.len(), HashSet::from([host])));
                        kept.push(finding);
                        continue;
                    }
                };
                others.insert(host);
                continue;
            }
            kept.push(finding);
        }
        for (first, hosts) in of_hosts.into_values() {
            kept[first].message += &match hosts.len() - 1 {
                0 => continue,
                1 => " (and 1 more host)".to_owned(),
                more => format!(" (and {more} more hosts)"),
            };
        }
        self.list = kept;
    }

    /// Takes out what points at the very text that an error among `others` points at: it follows from that.
    pub(crate) fn drop_consequences_of(&mut self, others: &HashSet<Span>) {
        self.list.retain(|finding| !others.contains(&finding.primary.span));
    }

    /// The places of errors.
    pub(crate) fn places_of_errors(&self) -> HashSet<Span> {
        let errors = self
            .list
            .iter()
            .filter(|finding| finding.rule.severity == Severity::Error);
        errors.map(|finding| finding.primary.span).collect()
    }

    /// Keeps a place's text out of every report.
    pub(crate) fn mask(&mut self, span: Span) {
        self.masked.push(span);
    }

    /// What grows with whatever is found or left out.
    pub(crate) fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Takes over what another part found.
    pub(crate) fn append(&mut self, other: Self) {
        self.list.extend(other.list);
        self.masked.extend(other.masked);
    }

    /// Whether anything found keeps a build from being made.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|finding| finding.rule.severity == Severity::Error)
    }
}

impl Finding {
    /// What to write under the primary place.
    pub(crate) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.primary.text = text.into();
        self
    }

    /// Its changes are what was meant beyond doubt, and whatever is wrong with them would be found.
    pub(crate) fn sure(&mut self) -> &mut Self {
        self.sure = true;
        self
    }

    /// Whether its changes can be made without a person looking at them.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.sure && !self.fix.is_empty()
    }

    /// The host that the message names, where the place may be one that many hosts share.
    pub(crate) fn on(&mut self, host: &str) -> &mut Self {
        self.host = Some(host.to_owned());
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

    /// A change that mends it: the span's text is replaced. A value that an alias brings has none, since the change
    /// would reach every other place that uses it.
    pub(crate) fn fix(&mut self, span: Span, replacement: impl Into<String>) -> &mut Self {
        if span.anchored().is_none() {
            self.fix.push((span, replacement.into()));
        }
        self
    }
}
