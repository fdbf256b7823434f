//! What a rule is about: its reason and its two examples, for the terminal and for the reference.

use super::entry::{Options, Report};
use super::rules::{families, rules};
use crate::check::example::Example;
use crate::check::{Checked, allowable};
use crate::cluster;
use crate::finding::{Rule, Severity};
use crate::profile::did_you_mean;

/// Columns that paragraphs are folded to.
const WIDTH: usize = 100;

/// A line for each rule, aligned.
#[must_use]
pub fn list() -> String {
    let rules = rules();
    let widest = rules.iter().map(|rule| rule.slug.len()).max().unwrap_or(0);
    let lines = rules.iter().map(|rule| {
        let severity = severity(rule);
        format!("{}  {:widest$}  {severity}\n", rule.code, rule.slug)
    });
    lines.collect()
}

/// The rule of that code or name.
///
/// # Errors
/// The code or name that was most likely meant, if there is one like it.
pub fn find(wanted: &str) -> Result<&'static Rule, Option<&'static str>> {
    let rules = rules();
    let found = rules
        .iter()
        .find(|rule| rule.code.eq_ignore_ascii_case(wanted) || rule.slug == wanted);
    let names = rules.iter().flat_map(|rule| [rule.code, rule.slug]);
    found.copied().ok_or_else(|| did_you_mean(wanted, names))
}

/// One rule, with escape sequences for colour in its example's report.
#[must_use]
pub fn rule(rule: &Rule) -> String {
    let mut text = format!("{} {} ({})\n\n", rule.code, rule.slug, severity(rule));
    text += &textwrap::fill(rule.about, WIDTH);
    text += "\n";
    if allowable().any(|warning| warning.code == rule.code) {
        text += &format!(
            "\nIf it is meant, say why in cluster.yaml: `allow: {{{}: \"why\"}}`\n",
            rule.slug
        );
    }
    let Shown {
        seen,
        refused,
        accepted,
    } = Shown::of(rule);
    if let Some(seen) = seen {
        text += &format!("\nSeen:\n\n{seen}");
    }
    text += &format!("\nRefused:\n\n{refused}\nAccepted:\n\n{accepted}");
    text
}

/// Every rule, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# The rules\n\nWhat `lxseed check` looks for in profiles, and `lxseed verify` in living clusters (L). Codes are stable: a code is never used for anything else later. `lxseed explain CODE` \
         shows the same on a\nterminal. A warning that is meant is silenced in cluster.yaml with its name and a reason: `allow: {two-members: \"why\"}`.\n\n\
         The examples are edits of one small site of three hosts. Those of living clusters are what its hosts show: \
         what is refused, and what is accepted in its place.\n",
    );
    for family in families() {
        text += &format!("\n## {}\n", family.title);
        for rule in rules().iter().filter(|rule| family.holds(rule)) {
            text += &format!("\n### {} {}\n\n", rule.code, rule.slug);
            text += &format!("*{}.* ", capital(severity(rule)));
            text += rule.about;
            let Shown {
                seen,
                refused,
                accepted,
            } = Shown::of(rule);
            let language = if seen.is_some() { "text" } else { "yaml" };
            if let Some(seen) = seen {
                text += &format!("\n\nSeen:\n\n```text\n{seen}```");
            }
            text += &format!(
                "\n\nRefused:\n\n```text\n{}```\n\nAccepted:\n\n```{language}\n{accepted}```\n",
                anstream::adapter::strip_str(&refused)
            );
        }
    }
    text
}

fn severity(rule: &Rule) -> &'static str {
    match rule.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

/// A rule's examples.
struct Shown {
    /// What a living cluster shows, as data.
    seen: Option<String>,
    /// The report on the failing example.
    refused: String,
    /// What is other in the passing one.
    accepted: String,
}

impl Shown {
    fn of(rule: &Rule) -> Self {
        let Some(living) = cluster::Example::of(rule).and_then(cluster::Example::show) else {
            return Self {
                seen: None,
                refused: report(&Example::Fails.check(rule)),
                accepted: accepted(rule),
            };
        };
        let or_nothing = |lines: String| match lines.as_str() {
            "" => "(nothing of it)\n".to_owned(),
            _ => lines,
        };
        Self {
            seen: Some(or_nothing(living.broken)),
            refused: report(&living.checked),
            accepted: or_nothing(living.good),
        }
    }
}

fn report(checked: &Checked) -> String {
    let report = Report::of(checked, Options::default());
    let texts = super::texts(&report).map(|text| text + "\n");
    texts.collect::<Vec<_>>().join("\n")
}

/// What is other in the passing example.
fn accepted(rule: &Rule) -> String {
    let files = Example::Passes.own_lines(rule);
    let texts = files.iter().map(|(path, lines)| format!("# {path}\n{lines}"));
    match texts.collect::<Vec<_>>().join("\n") {
        text if text.is_empty() => "# the site without it\n".to_owned(),
        text => text,
    }
}
