//! Whose certificates end.

use time::{Duration, OffsetDateTime};

use super::super::status::end;
use super::{View, few, fingerprint};
use crate::finding::{Findings, Rule, rules};
use crate::source::Span;

/// How long before its end a certificate is told of.
const SOON: Duration = Duration::days(90);

rules! {
pub(super) static CERTIFICATE_ENDED: Rule = Rule::error(
    "L028",
    "certificate-ended",
    "LXD refuses a certificate that has ended, so its owner is shut out: a person, a host, or all members from one another.",
);

pub(super) static CERTIFICATE_ENDS: Rule = Rule::warning(
    "L029",
    "certificate-ends",
    "LXD refuses a certificate that has ended, and this one does within 90 days. Those that lxseed derives live ten years from the day of the site \
     secret, and so end on one day.",
);

pub(super) static PAIR_NOT_ROTATED: Rule = Rule::error(
    "L032",
    "pair-not-rotated",
    "The profile gives the cluster's own pair a generation, and a member shows the pair before it. Whoever has the earlier key can pose as the cluster \
     until every member shows the new one; members that show different ones do not speak to one another.",
);

pub(super) static HOST_NOT_ROTATED: Rule = Rule::error(
    "L034",
    "host-keys-not-rotated",
    "The profile gives a host's own keys a generation, and the member has those of another one: it keeps them, whatever a new seed brings. Whoever has \
     the earlier keys is a full administrator of the cluster until they are replaced. Where that was begun and cut off, both may be trusted.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    derived(view, findings);
    people(view, findings);
    not_rotated(view, findings);
    for host in &view.status.other_keys {
        let message = format!(
            "the member {host} has keys of another generation than the declared one, or they are half replaced"
        );
        let help = format!(
            "to replace them: lxseed rotate host {}; or put the `generation` back that it had",
            view.full(host)
        );
        findings.add(&HOST_NOT_ROTATED, view.places.host(host), message, help);
    }
}

fn not_rotated(view: &View<'_>, findings: &mut Findings) {
    let earlier: Vec<&str> = view.seen.hosts_with_earlier_pair().collect();
    if earlier.is_empty() {
        return;
    }
    let message = format!(
        "{} of {} show{} the cluster's pair of the generation before the declared one",
        few(&earlier),
        view.name(),
        if earlier.len() == 1 { "s" } else { "" }
    );
    let help = "to give every member the new one: lxseed rotate cluster";
    findings.add(&PAIR_NOT_ROTATED, view.places.generation, message, help);
}

/// The rule that a certificate breaks, if it does, and the day on which it ends.
fn broken(pem: &str, now: OffsetDateTime) -> Option<(&'static Rule, OffsetDateTime)> {
    let end = end(pem)?;
    if end <= now {
        Some((&CERTIFICATE_ENDED, end))
    } else if end - now <= SOON {
        Some((&CERTIFICATE_ENDS, end))
    } else {
        None
    }
}

/// Those that are derived from the site secret end together, and are told of together.
fn derived(view: &View<'_>, findings: &mut Findings) {
    let keys = view.wish.keys;
    let hosts = view.wish.cluster.hosts.iter().zip(&keys.hosts);
    let hosts = hosts.map(|(host, keys)| {
        let name = host.name.as_str();
        (
            name.to_owned(),
            view.places.host(name),
            keys.server.certificate_pem.as_str(),
        )
    });
    let desk = keys.desk.iter();
    let desk = desk.map(|desk| ("the desk".to_owned(), view.places.desk, desk.certificate_pem.as_str()));
    let whole = (
        "the cluster".to_owned(),
        view.places.cluster,
        keys.cluster.certificate_pem.as_str(),
    );
    let all: Vec<(String, Span, &str)> = std::iter::once(whole).chain(desk).chain(hosts).collect();
    for rule in [&CERTIFICATE_ENDED, &CERTIFICATE_ENDS] {
        let ending: Vec<(&String, Span, OffsetDateTime)> = all
            .iter()
            .filter_map(|(whose, place, pem)| {
                let (found, end) = broken(pem, view.now)?;
                (found.code == rule.code).then_some((whose, *place, end))
            })
            .collect();
        let Some((_, place, end)) = ending.iter().min_by_key(|(_, _, end)| *end) else {
            continue;
        };
        let place = if ending.len() == 1 { *place } else { view.places.cluster };
        let whose: Vec<&String> = ending.iter().map(|(whose, ..)| *whose).collect();
        let message = format!(
            "the certificate{} of {} in {} {} on {}",
            if whose.len() == 1 { "" } else { "s" },
            few(&whose),
            view.name(),
            if rule.code == CERTIFICATE_ENDED.code {
                "ended"
            } else {
                "end"
            },
            end.date()
        );
        let help = "make a new site secret, build with it, and install the hosts anew, one after the other, as another cluster";
        findings.add(rule, place, message, help);
    }
}

/// Of people, those that the cluster has on record.
fn people(view: &View<'_>, findings: &mut Findings) {
    let found = view.seen.cluster.iter().flat_map(|cluster| &cluster.certificates);
    let declared = &view.wish.cluster.admin.lxd_certificates;
    for known in found.filter(|known| known.kind == "client") {
        let mut owners = declared.iter();
        let owner = owners.find(|person| fingerprint(&person.pem).as_ref() == Some(&known.fingerprint));
        let Some(person) = owner else {
            continue;
        };
        let Some((rule, end)) = broken(&known.pem, view.now) else {
            continue;
        };
        let ends = if rule.code == CERTIFICATE_ENDED.code {
            "ended"
        } else {
            "ends"
        };
        let message = format!(
            "the certificate of {} that {} trusts {ends} on {}",
            person.name,
            view.name(),
            end.date()
        );
        let help = "put a new one in the profile in its place, and let it in: lxseed apply";
        findings.add(rule, view.places.person(&person.name), message, help);
    }
}
