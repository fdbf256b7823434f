//! `allow: {slug: reason}` in cluster.yaml: warnings an administrator has decided about.

use std::collections::HashSet;

use super::view::SiteView;
use super::{checks, rules};
use crate::finding::{Findings, Rule, Severity};
use crate::profile::{did_you_mean, quoted};
use crate::source::Span;

pub(super) static RULES: &[&Rule] = &[&UNKNOWN_ALLOW, &UNUSED_ALLOW];

static UNKNOWN_ALLOW: Rule = Rule::error(
    "W001",
    "unknown-allow",
    "`allow` silences one warning by its name. An error cannot be allowed, since what is built would be wrong.",
);

static UNUSED_ALLOW: Rule = Rule::warning(
    "W002",
    "unused-allow",
    "An `allow` that silences nothing was decided about something that is no longer so; left in, it would silence the next case unseen.",
);

/// The rules that `allow` can name.
pub(super) fn warnings() -> impl Iterator<Item = &'static Rule> {
    checks()
        .map(|check| check.rule)
        .filter(|rule| rule.severity == Severity::Warning)
}

/// Takes allowed warnings out of the findings, and reports what is wrong with the `allow`s themselves.
pub(super) fn apply(site: &SiteView<'_>, findings: &mut Findings) {
    let mut used: HashSet<Span> = HashSet::new();
    let allows: Vec<_> = site
        .clusters
        .iter()
        .filter_map(|cluster| Some((cluster, cluster.profile()?.allow.as_ref()?)))
        .flat_map(|(cluster, allow)| allow.value.iter().map(move |(slug, _)| (cluster, slug)))
        .collect();
    findings.list.retain(|finding| {
        let silenced = allows.iter().find(|(cluster, slug)| {
            finding.rule.severity == Severity::Warning
                && finding.rule.slug == slug.value
                && cluster.covers(finding.primary.span)
        });
        if let Some((_, slug)) = silenced {
            used.insert(slug.span);
        }
        silenced.is_none()
    });
    for (_, slug) in allows {
        let warnings = || warnings().map(|rule| rule.slug);
        if warnings().any(|known| known == slug.value) {
            // Among errors nobody can tell what a warning would say once they are mended.
            if !used.contains(&slug.span) && !findings.has_errors() {
                let message = format!("nothing here needs {} to be allowed", quoted(&slug.value));
                findings
                    .add(&UNUSED_ALLOW, slug.span, message, "take it out")
                    .label("silences nothing");
            }
            continue;
        }
        let help = if rules().iter().any(|rule| rule.slug == slug.value) {
            "an error cannot be allowed; mend what it reports".to_owned()
        } else {
            match did_you_mean(&slug.value, warnings()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "the warnings are {}",
                    warnings().collect::<Vec<_>>().join(", ")
                ),
            }
        };
        findings
            .add(
                &UNKNOWN_ALLOW,
                slug.span,
                format!("{} is not a warning", quoted(&slug.value)),
                help,
            )
            .label("not a warning");
    }
}
