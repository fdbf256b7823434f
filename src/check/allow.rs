//! `allow: {slug: reason}` in cluster.yaml: warnings an administrator has decided about.

use std::collections::{HashMap, HashSet};

use super::view::SiteView;
use crate::finding::Edit::Replace;
use crate::finding::{Family, Finding, Findings, Rule, Severity, rules};
use crate::profile::{Spanned, did_you_mean, entries, quoted, unread};
use crate::source::{FileId, Span};

pub(super) static FAMILY: Family = Family::new('W', "Allowed warnings");

/// The third host of the example site, without which a warning is due.
const NODE3: &str = "---
name: node3
disks: model
network: {mac: \"52:54:00:aa:00:03\", address: 192.168.10.13}
slots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}
";

rules! {
static UNKNOWN_ALLOW: Rule = Rule::error(
    "W001",
    "unknown-allow",
    "`allow` silences one warning by its name. An error cannot be allowed, since what is built would be wrong.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", NODE3, ""),
        Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {fan-underlay: \"the subnet is what it is\", two-members: \"both are backed up\"}\nadmin:\n",
        ),
    ],
    &[
        Replace("hosts/hosts.yaml", NODE3, ""),
        Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {two-members: \"both are backed up\"}\nadmin:\n",
        ),
    ],
);

static UNUSED_ALLOW: Rule = Rule::warning(
    "W002",
    "unused-allow",
    "An `allow` that silences nothing was decided about something that is no longer so; left in, it would silence the next case unseen. \
     It cannot be allowed itself.",
)
.example(
    &[Replace(
        "cluster.yaml",
        "admin:\n",
        "allow: {two-members: \"both are backed up\"}\nadmin:\n",
    )],
    &[
        Replace("hosts/hosts.yaml", NODE3, ""),
        Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {two-members: \"both are backed up\"}\nadmin:\n",
        ),
    ],
);

static ALLOW_WITHOUT_REASON: Rule = Rule::warning(
    "W003",
    "allow-without-reason",
    "The reason is for whoever reads the profile in a year and has to decide whether it still holds. `why`, `yes` or a dash tells them nothing. \
     It cannot be allowed itself.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", NODE3, ""),
        Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {two-members: why}\nadmin:\n",
        ),
    ],
    &[
        Replace("hosts/hosts.yaml", NODE3, ""),
        Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {two-members: \"both are backed up\"}\nadmin:\n",
        ),
    ],
);

}

/// Words that are no reason, in lower case; `why` is the placeholder in the reports' own help.
const NO_REASONS: &[&str] = &[
    "why", "reason", "because", "yes", "ok", "okay", "true", "on", "allow", "allowed", "ignore", "known", "fine",
];

/// Takes allowed warnings out of the findings, and reports what is wrong with the `allow`s themselves.
pub(super) fn apply(site: &SiteView<'_>, rules: &[&Rule], findings: &mut Findings) {
    let mut used: HashSet<Span> = HashSet::new();
    let mut allowed: HashMap<(FileId, &str), &Spanned<String>> = HashMap::new();
    let mut allows = Vec::new();
    // Files of clusters of which it is not known what they allow.
    let mut open: HashSet<FileId> = HashSet::new();
    for cluster in &site.clusters {
        let allow = cluster.profile().and_then(|profile| profile.allow.as_ref());
        allows.extend(entries(allow).iter().map(|(slug, reason)| (slug, reason)));
        let slugs = entries(allow).iter().map(|(slug, _)| slug).chain(unread(allow));
        for slug in slugs {
            for file in cluster.files() {
                allowed.insert((file, &slug.value), slug);
            }
        }
        let is_known = cluster.profile().is_some_and(|profile| match &profile.allow {
            Some(allow) => !allow.value.has_nameless(),
            None => !profile.unread.key("allow"),
        });
        if !is_known {
            open.extend(cluster.files());
        }
    }
    findings.list.retain(|finding| {
        if open.contains(&finding.primary.span.file) && can_be_allowed(finding.rule) {
            return false;
        }
        let entry = (finding.primary.span.file, finding.rule.slug);
        match allowed.get(&entry) {
            Some(slug) if finding.rule.severity == Severity::Warning => {
                used.insert(slug.span);
                false
            }
            _ => true,
        }
    });
    // An error may keep a rule from finding the warning that an entry is for.
    let errors = findings.has_errors();
    let can_be_named = |slug: &str| {
        let named = rules.iter().find(|rule| rule.slug == slug);
        named.is_some_and(|rule| can_be_allowed(rule))
    };
    for (slug, reason) in allows {
        if can_be_named(&slug.value) {
            if !used.contains(&slug.span) && !errors {
                let message = format!("nothing here needs {} to be allowed", quoted(&slug.value));
                findings
                    .add(&UNUSED_ALLOW, slug.span, message, "take it out")
                    .label("silences nothing");
            }
            let reported = |finding: &Finding| finding.primary.span == reason.span;
            if says_nothing(&reason.value) && !findings.list.iter().any(reported) {
                let message = format!(
                    "{} does not say why {} is meant",
                    quoted(&reason.value),
                    quoted(&slug.value)
                );
                let help = "write the reason down, for whoever has to decide about it again";
                findings
                    .add(&ALLOW_WITHOUT_REASON, reason.span, message, help)
                    .label("no reason");
            }
        } else {
            unknown(slug, rules, findings);
        }
    }
}

/// Whether an `allow` can name the rule; those about `allow`s it cannot.
pub(super) fn can_be_allowed(rule: &Rule) -> bool {
    rule.severity == Severity::Warning && !FAMILY.holds(rule)
}

fn unknown(slug: &Spanned<String>, rules: &[&Rule], findings: &mut Findings) {
    let warnings = || rules.iter().filter(|rule| can_be_allowed(rule));
    let named = |rule: &&&Rule| rule.slug == slug.value || rule.code.eq_ignore_ascii_case(&slug.value);
    let suggestion = warnings()
        .find(named)
        .map(|rule| rule.slug)
        .or_else(|| did_you_mean(&slug.value, warnings().map(|rule| rule.slug)));
    let (help, suggestion) = match (rules.iter().find(named), suggestion) {
        (Some(rule), _) if rule.severity == Severity::Error => {
            ("an error cannot be allowed; mend what it reports".to_owned(), None)
        }
        (Some(rule), _) if !can_be_allowed(rule) => (
            "it is about `allow` itself and cannot be allowed; mend what it reports".to_owned(),
            None,
        ),
        (_, Some(similar)) => (format!("did you mean `{similar}`?"), Some(similar)),
        (_, None) => {
            let slugs: Vec<&str> = warnings().map(|rule| rule.slug).collect();
            (format!("the warnings are {}", slugs.join(", ")), None)
        }
    };
    let message = format!("{} is not the name of a warning", quoted(&slug.value));
    let finding = findings.add(&UNKNOWN_ALLOW, slug.span, message, help);
    finding.label("not a warning");
    if let Some(suggestion) = suggestion {
        finding.fix(slug.span, suggestion);
    }
}

fn says_nothing(reason: &str) -> bool {
    let words = reason.trim_matches(|c: char| !c.is_alphanumeric());
    words.is_empty() || NO_REASONS.contains(&&*words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::says_nothing;

    #[test]
    fn a_reason_is_told_from_none() {
        for text in ["why", "Why?", " - ", "...", "yes", "OK!"] {
            assert!(says_nothing(text), "{text}");
        }
        for text in ["OPS-1234", "the lab has two machines", "wegen des Labors", "2027"] {
            assert!(!says_nothing(text), "{text}");
        }
    }
}
