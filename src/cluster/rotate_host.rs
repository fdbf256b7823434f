//! Deciding how a member's own keys are replaced: the new certificate is trusted beside the old one before its machine gets it, and the old
//! one goes for good once LXD runs with the new one.
//!
//! A member shows its certificate to the others, who look for it among LXD's trusted ones of type `server`, by its fingerprint alone
//! (lxd/daemon.go, Authenticate; lxd/cluster/tls.go, tlsCheckCert; 5.0.2). Its name there counts once: when a member is removed, those of
//! its name go (lxd/cluster/membership.go, Purge). So the new one comes under another name, since LXD 5.21.5 and later want every name
//! once, and its proper name is the last step: until then the exchange is under way, as everybody can see.

use super::host_keys::OnMachine;
use super::notes::Of;
use super::plan::{Certified, away, declared, living, member, tombstone, trusts};
use super::seen::{Certificate, ClusterSeen, Seen};
use super::step::{Plan, Refusal, Step, refuse};
use crate::model::{Cluster, Host};
use crate::seed::ClusterKeys;
use crate::trust::KeyPair;

/// The name of a certificate that stands beside another one of its owner.
pub(super) fn second_name(name: &str, fingerprint: &str) -> String {
    format!("{name}-{fingerprint:.8}")
}

/// Whether a certificate stands in LXD's trust as a host's.
pub(super) fn is_of(known: &Certificate, name: &str) -> bool {
    known.kind == "server" && is_called(&known.name, &known.fingerprint, name)
}

/// Whether a certificate that is called so is a host's, as it is called alone or beside another one.
pub(super) fn is_called(called: &str, fingerprint: &str, name: &str) -> bool {
    called == name || called == second_name(name, fingerprint)
}

/// Whether a member's own keys are of another generation than the declared one, or an exchange of them is under way, as far as the
/// cluster's trust tells.
pub(super) fn is_unrotated(found: &ClusterSeen, name: &str, declared: &str) -> bool {
    let mut known = found.certificates.iter().filter(|known| is_of(known, name));
    member(found, name).is_some()
        && if trusts(found, declared, "server") {
            known.any(|known| known.name != name)
        } else {
            known.next().is_some()
        }
}

/// The members of a cluster whose own keys are to be replaced.
pub(super) fn unrotated<'a>(
    cluster: &'a Cluster,
    keys: &'a ClusterKeys,
    found: &'a ClusterSeen,
) -> impl Iterator<Item = &'a str> {
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    hosts
        .filter(|(host, keys)| is_unrotated(found, host.name.as_str(), &keys.server.fingerprint))
        .map(|(host, _)| host.name.as_str())
}

/// Whether LXD misses a member that answers the desk. It does for a round of heartbeats or two after the leader of its database was
/// restarted, or the cluster's pair was replaced.
#[must_use]
pub fn is_settling(seen: &Seen) -> bool {
    let mut members = seen.cluster.iter().flat_map(|found| &found.members);
    let answers = |name: &str| {
        seen.hosts
            .iter()
            .any(|host| host.name == name && host.server().is_some())
    };
    members.any(|member| member.status == "Offline" && answers(&member.name))
}

/// Whether there may be anything to do, before the machine is looked at: keys of the first generation replace none.
///
/// # Errors
/// See [`rotate_host`].
pub fn may_rotate_host(cluster: &Cluster, keys: &ClusterKeys, seen: &Seen, name: &str) -> Result<bool, Refusal> {
    let exchange = Exchange::of(cluster, keys, seen, name)?;
    let is_first = exchange.host.generation <= 1;
    Ok(!is_first || is_unrotated(exchange.found, name, &exchange.own.fingerprint))
}

/// Gives a member its declared keys. `takers` are the members that still take a pair of it that is out of the trust: they were not told.
///
/// # Errors
/// If the host is no member, or not there, or one of the other members is away, or this very generation was taken out for good.
pub fn rotate_host(
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    machine: &OnMachine,
    takers: &[String],
    name: &str,
) -> Result<Plan, Refusal> {
    let Exchange { found, host, own } = Exchange::of(cluster, keys, seen, name)?;
    let (generation, fingerprint) = (host.generation, own.fingerprint.clone());
    let mut plan = Plan::default();
    let known = || found.certificates.iter().filter(|known| is_of(known, name));
    let trusted = found
        .certificates
        .iter()
        .find(|known| known.kind == "server" && known.fingerprint == fingerprint);
    let called = match trusted {
        Some(known) => known.name.clone(),
        None if known().any(|known| known.name == name) => second_name(name, &fingerprint),
        None => name.to_owned(),
    };
    if trusted.is_none() {
        plan.trust_as_server(&called, &Certified::from(own));
    }
    if machine.server != fingerprint || machine.is_under_way {
        plan.steps.push(Step::GiveServer {
            host: name.to_owned(),
            generation,
            fingerprint: fingerprint.clone(),
        });
    }
    if !machine.is_ssh_declared {
        plan.steps.push(Step::GiveSsh {
            host: name.to_owned(),
            generation,
        });
    }
    let ended: Vec<String> = known()
        .filter(|known| known.fingerprint != fingerprint)
        .map(|known| known.fingerprint.clone())
        .collect();
    if !ended.is_empty() {
        plan.end(found, name, &ended);
    }
    if called != name || !plan.steps.is_empty() || found.notes.contains_key(&Of::Server.key(name)) {
        plan.note(found, Of::Server.key(name), &fingerprint);
    }
    if called != name || !takers.is_empty() {
        plan.steps.push(Step::Name {
            name: name.to_owned(),
            fingerprint,
        });
    }
    Ok(plan)
}

/// A member that can be given other keys.
struct Exchange<'a> {
    found: &'a ClusterSeen,
    host: &'a Host,
    own: &'a KeyPair,
}

impl<'a> Exchange<'a> {
    fn of(cluster: &'a Cluster, keys: &'a ClusterKeys, seen: &'a Seen, name: &str) -> Result<Self, Refusal> {
        let found = living(cluster, seen)?;
        let label = format!("{}/{name}", cluster.name);
        let Some((host, own)) = declared(cluster, keys, name) else {
            return refuse(format!("{} declares no host {name}", cluster.name));
        };
        let Some(record) = member(found, name) else {
            return refuse(format!(
                "{name} is no member of {}, so it has no keys there to be replaced: a seed of the next build has those of generation {}, and \
                 `lxseed admit {label}` lets it in with them",
                cluster.name, host.generation
            ));
        };
        if tombstone(found, name).contains(&own.fingerprint) {
            return refuse(format!(
                "{label}: its keys of generation {} were taken out of the cluster's trust for good: are these the profiles of an earlier day? \
                 If not, raise its `generation` by one more",
                host.generation
            ));
        }
        if let Some(other) = seen.hosts_with_earlier_pair().next() {
            return refuse(format!(
                "{other} shows the cluster's pair of the generation before, and members that show different ones do not speak to one another: \
                 first lxseed rotate cluster"
            ));
        }
        let is_begun = trusts(found, &own.fingerprint, "server");
        if record.status == "Offline" && !is_begun {
            return refuse(format!(
                "the member {name} is offline, and gets no other keys before it is back; if its system disk died: lxseed return {label}, with \
                 the `generation` that it had"
            ));
        }
        // One that is away, or cut off from the others, is not told whom to trust. Of all members it may be the one without which the
        // database has no majority at the next start of all; and then it could take nobody for a member any more.
        let others = found.members.iter().filter(|member| member.name != name);
        let records = away(others, seen, |_| true);
        if !records.is_empty() {
            return Err(Refusal {
                why: format!(
                    "a member that is away would not hear of the new keys of {name}, and might find no majority with it later. Nothing was \
                     changed; bring back or retire (lxseed retire) those first"
                ),
                records,
            });
        }
        Ok(Self { found, host, own })
    }
}

#[cfg(test)]
mod tests;
