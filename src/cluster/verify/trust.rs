//! Whom the cluster trusts, beside whom the profile lets in.

use std::collections::BTreeSet;

use super::super::clock;
use super::super::rotate_host::is_called;
use super::super::seen::Answer;
use super::super::status::{State, Undeclared};
use super::{HostView, View, fingerprint};
use crate::finding::{Findings, Rule, rules};

rules! {
pub(super) static MEMBER_NOT_DECLARED: Rule = Rule::error(
    "L021",
    "member-not-declared",
    "Every member is root on every other one and holds a copy of the cluster's key. One that no profile declares was let in by hand, or has been taken \
     out of the profile without leaving the cluster.",
);

pub(super) static HOST_NOT_TRUSTED: Rule = Rule::error(
    "L023",
    "host-not-trusted",
    "A declared host joins with its own certificate, which the cluster has to trust. It does so of all that were declared when it was founded, and of \
     those that were let in since.",
);

pub(super) static PERSON_NOT_TRUSTED: Rule = Rule::error(
    "L024",
    "person-not-trusted",
    "A client certificate that was declared after the founding, or that somebody took out of LXD's trust, opens nothing. No seed puts back what was \
     taken out.",
);

pub(super) static SERVER_NOT_DECLARED: Rule = Rule::error(
    "L025",
    "server-not-declared",
    "Whoever has the key of a trusted server certificate is a full administrator of the cluster, and may join it. This one is of no declared host, \
     as its keys follow from the site secret: it was let in by hand, or is of an earlier generation.",
);

pub(super) static CLIENT_NOT_DECLARED: Rule = Rule::error(
    "L026",
    "client-not-declared",
    "Whoever has the key of a trusted client certificate is root on all members, unless it is restricted to projects. Who gets in stands in the \
     profile, where a review sees it; this one does not.",
);

pub(super) static METRICS_NOT_DECLARED: Rule = Rule::warning(
    "L027",
    "metrics-not-declared",
    "A certificate of type metrics may read the numbers of all instances and nothing else. A profile cannot declare it, so it is told, and refused \
     by --strict alone.",
);

pub(super) static TRUST_IS_OVER: Rule = Rule::error(
    "L033",
    "trust-is-over",
    "Whoever has the seed of a host that is trusted is a full administrator of the cluster, and may join it. `trust_for` in cluster.yaml says for how \
     many days that holds of a host that never comes, 14 unless it says otherwise; the desk notes the day on which it lets a host in, or first sees \
     that it may come.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    let Some(found) = &view.seen.cluster else {
        return;
    };
    let known: BTreeSet<&str> = found
        .certificates
        .iter()
        .map(|known| known.fingerprint.as_str())
        .collect();
    let missing: Vec<HostView<'_>> = view.hosts().filter(|host| is_not_trusted(view, *host)).collect();
    for host in &missing {
        not_trusted(view, *host, findings);
    }
    for person in &view.wish.cluster.admin.lxd_certificates {
        let is_known = fingerprint(&person.pem).is_none_or(|own| known.contains(own.as_str()));
        if !is_known {
            let name = &person.name;
            let message = format!("the cluster {} does not trust the certificate of {name}", view.name());
            let help = "to let it in: lxseed apply; if it was taken out on purpose, take it out of the profile, too";
            findings.add(&PERSON_NOT_TRUSTED, view.places.person(name), message, help);
        }
    }
    for host in view.hosts().filter(|host| is_over(view, *host)) {
        let (name, full) = (host.name(), view.full(host.name()));
        let message = format!(
            "{name} is trusted, and did not come within {} days",
            view.wish.cluster.trust_for.unwrap_or_default()
        );
        let help = format!("to end it: lxseed apply; if it is still to come: lxseed admit {full}");
        findings.add(&TRUST_IS_OVER, view.places.host(name), message, help);
    }
    let members: BTreeSet<&str> = found.members.iter().map(|member| member.name.as_str()).collect();
    for undeclared in &view.status.undeclared {
        match undeclared {
            Undeclared::Member { name, url, status } => {
                let message = format!(
                    "{name} at {url} is a member of {}, {}, and not declared",
                    view.name(),
                    status.to_lowercase()
                );
                let help = format!(
                    "declare it in hosts/; or, if it shall leave: lxseed retire {}",
                    view.full(name)
                );
                findings.add(&MEMBER_NOT_DECLARED, view.places.cluster, message, help);
            }
            Undeclared::Certificate {
                name,
                type_,
                fingerprint,
            } => {
                // A member's own certificate comes and goes with the member, and of a host's other one is told at the host.
                let host = view.hosts().find(|host| is_called(name, fingerprint, host.name()));
                let is_told = match host {
                    Some(host) => has_other_keys(view, host.name()) || !is_trusted(view, host),
                    None => members.iter().any(|member| is_called(name, fingerprint, member)),
                };
                if type_ != "server" || !is_told {
                    stranger(view, name, type_, fingerprint, findings);
                }
            }
            Undeclared::Pool { .. } => {}
        }
    }
}

fn has_other_keys(view: &View<'_>, name: &str) -> bool {
    view.status.other_keys.iter().any(|host| host == name)
}

fn stranger(view: &View<'_>, name: &str, kind: &str, fingerprint: &str, findings: &mut Findings) {
    let (rule, help) = match kind {
        "server" => (&SERVER_NOT_DECLARED, "if nobody knows it"),
        "metrics" => (&METRICS_NOT_DECLARED, "if nobody reads numbers with it"),
        _ => (
            &CLIENT_NOT_DECLARED,
            "declare it below admin.lxd_certificates; or, if nobody knows it",
        ),
    };
    let message = format!(
        "{} trusts a {kind} certificate that is not declared, {name}: {fingerprint}",
        view.name()
    );
    let help = format!("{help}: lxc config trust remove {fingerprint:.12}");
    findings.add(rule, view.places.cluster, message, help);
}

fn is_not_trusted(view: &View<'_>, host: HostView<'_>) -> bool {
    // Of these something worse is said.
    let is_worse = matches!(
        host.status.state,
        State::Foreign | State::Stopped | State::Removed | State::Retired | State::Offline
    );
    let is_told = has_other_keys(view, host.name());
    !is_worse && !is_told && view.seen.cluster.is_some() && !is_trusted(view, host)
}

fn is_trusted(view: &View<'_>, host: HostView<'_>) -> bool {
    let mut found = view.seen.cluster.iter().flat_map(|cluster| &cluster.certificates);
    found.any(|known| known.fingerprint == host.keys.server.fingerprint)
}

/// Whether a host was to come, and its time is over.
pub(super) fn is_over(view: &View<'_>, host: HostView<'_>) -> bool {
    let own = &host.keys.server.fingerprint;
    view.seen.cluster.as_ref().is_some_and(|found| {
        found.members.iter().all(|member| member.name != host.name())
            && is_trusted(view, host)
            && !clock::shows_itself(host.answer)
            && clock::is_over(view.wish.cluster, found, host.name(), own, view.now).is_some()
    })
}

/// Whether a host is out for no other known reason than that the cluster does not let it in.
pub(super) fn is_to_be_admitted(view: &View<'_>, host: HostView<'_>) -> bool {
    let state = host.status.state;
    matches!(
        state,
        State::Off | State::Starting | State::Working | State::Waiting | State::Joining
    ) && is_not_trusted(view, host)
}

fn not_trusted(view: &View<'_>, host: HostView<'_>, findings: &mut Findings) {
    let name = host.name();
    let found = view.seen.cluster.iter().flat_map(|cluster| &cluster.certificates);
    let mut others = found.filter(|known| known.kind == "server" && known.name == name);
    let other = others.next().map_or(String::new(), |other| {
        format!(", but another one under that name, {:.12}", other.fingerprint)
    });
    let how = match (host.is_member(), host.answer) {
        (true, _) => ", which is a member".to_owned(),
        (false, Answer::Silent(_)) => format!(", which is {}", host.status.state.word()),
        (false, _) => match host.status.message.as_deref() {
            Some(message) => format!(", which is {}: {message}", host.status.state.word()),
            None => format!(", which is {}", host.status.state.word()),
        },
    };
    let message = format!(
        "the cluster {} does not trust the certificate of {name}{other}{how}",
        view.name()
    );
    let help = if host.is_member() {
        format!(
            "on another member: lxc config trust add server.crt --type=server --name={name}, with out/{}/server.crt of the build copied there",
            view.full(name)
        )
    } else {
        format!("to let it in: lxseed admit {}", view.full(name))
    };
    findings.add(&HOST_NOT_TRUSTED, view.places.host(name), message, help);
}
