//! Deciding: from a profile and what was seen to the steps that bring one to the other. Pure: nothing here asks or writes.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::clock;
use super::notes::{Of, PROXY_EXCEPTIONS, ready};
use super::rotate_host::{is_unrotated, second_name, unrotated};
use super::seen::{Answer, Certificate, ClusterSeen, HostSeen, Identity, Member, Records, Seen};
use super::step::{Left, Plan, Refusal, Step, refuse};
use crate::encoding::base64;
use crate::model::{Cluster, Host, Pool, lxd_proxy};
use crate::seed::ClusterKeys;
use crate::target::Driver;
use crate::target::lxd::overwrites_by_zpool;
use crate::trust::{ClientCertificate, DESK_NAME, KeyPair};

/// Refuses what is not the cluster of the profile, as far as its members have told.
pub(super) fn same_founding(cluster: &Cluster, seen: &Seen) -> Result<(), Refusal> {
    let numbers: Vec<&str> = seen.foundings.iter().map(|founding| founding.number.as_str()).collect();
    if numbers.windows(2).any(|pair| pair[0] != pair[1]) {
        return refuse(format!(
            "the members of {} belong to different foundings: nothing is changed before that is cleared up (lxseed status)",
            cluster.name
        ));
    }
    if let (Some(formed), Some(number)) = (&cluster.formed, numbers.first())
        && formed != number
    {
        return refuse(format!(
            "the members of {} belong to the founding {number}, and the profile to {formed}: this is another cluster, and nothing is changed",
            cluster.name
        ));
    }
    Ok(())
}

/// Which of some members are not there to hear of a change, each with how that shows. LXD misses one only after a while, so each has to answer
/// the desk, too, as `is_right` asks of it.
pub(super) fn away<'a>(
    members: impl IntoIterator<Item = &'a Member>,
    seen: &Seen,
    is_right: impl Fn(&HostSeen) -> bool,
) -> Vec<String> {
    let away = members.into_iter().filter_map(|member| {
        let host = seen.hosts.iter().find(|host| host.name == member.name);
        match (host, member.status.as_str()) {
            (_, "Offline" | "Blocked") => Some(format!("{} is {}", member.name, member.status.to_lowercase())),
            (None, _) => Some(format!("{} is not declared", member.name)),
            (Some(host), _) if host.server().is_none() || !is_right(host) => {
                Some(format!("{} does not answer the desk", member.name))
            }
            _ => None,
        }
    });
    away.collect()
}

pub(super) fn living<'a>(cluster: &Cluster, seen: &'a Seen) -> Result<&'a ClusterSeen, Refusal> {
    same_founding(cluster, seen)?;
    match &seen.cluster {
        Some(found) => Ok(found),
        None => refuse(format!(
            "no member of {} answers: nothing was changed (lxseed status tells what was seen)",
            cluster.name
        )),
    }
}

pub(super) fn member<'a>(found: &'a ClusterSeen, name: &str) -> Option<&'a Member> {
    found.members.iter().find(|member| member.name == name)
}

pub(super) fn tombstone(found: &ClusterSeen, name: &str) -> Vec<String> {
    let text = found.notes.get(&Of::Retired.key(name)).map_or("", String::as_str);
    text.split(',')
        .filter(|fingerprint| !fingerprint.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A certificate as LXD's API takes it, and its fingerprint.
pub(super) struct Certified {
    pub(super) fingerprint: String,
    base64: String,
}

impl From<&KeyPair> for Certified {
    fn from(pair: &KeyPair) -> Self {
        Self {
            fingerprint: pair.fingerprint.clone(),
            base64: base64(&pair.certificate_der),
        }
    }
}

impl Certified {
    pub(super) fn parse(pem: &str) -> Option<Self> {
        let certificate = ClientCertificate::parse(pem).ok()?;
        Some(Self {
            fingerprint: certificate.fingerprint().to_owned(),
            base64: base64(certificate.der()),
        })
    }
}

/// A declared host with the keys that were derived for it.
pub(super) fn declared<'a>(cluster: &'a Cluster, keys: &'a ClusterKeys, name: &str) -> Option<(&'a Host, &'a KeyPair)> {
    let mut hosts = cluster.hosts.iter().zip(&keys.hosts);
    hosts
        .find(|(host, _)| host.name.as_str() == name)
        .map(|(host, keys)| (host, &keys.server))
}

/// Lets a declared host in: it may join from then on. A second time there is nothing to do.
///
/// # Errors
/// If no member answers, or a member of that name is on record, or this very certificate was retired.
pub fn admit(
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    name: &str,
    now: OffsetDateTime,
) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    let Some((_, own)) = declared(cluster, keys, name) else {
        return refuse(format!("{} declares no host {name}", cluster.name));
    };
    let label = format!("{}/{name}", cluster.name);
    if tombstone(found, name).contains(&own.fingerprint) {
        return refuse(format!(
            "{label} was retired, and this is the certificate it had: raise its `generation` by one, build, and set it up with the new seed"
        ));
    }
    if let Some(member) = member(found, name) {
        if is_unrotated(found, name, &own.fingerprint) {
            return refuse(format!(
                "{name} is a member under keys of another generation than the profile's: lxseed rotate host {label}"
            ));
        }
        if trusts(found, &own.fingerprint, "server") && member.status == "Online" {
            return Ok(Plan::default());
        }
        return refuse(format!(
            "a member {name} is on record, {}: a machine that was installed anew cannot join under its name. With its own data disks it comes back: \
             `lxseed return {label}`; if it is gone for good: `lxseed retire {label} --lost N`",
            member.status.to_lowercase()
        ));
    }
    let mut plan = Plan::default();
    plan.trust_server(found, name, &own.into());
    plan.begin_clock(cluster, found, name, &own.fingerprint, now);
    plan.proxy_exceptions(cluster, found);
    Ok(plan)
}

pub(super) fn trusts(found: &ClusterSeen, fingerprint: &str, type_: &str) -> bool {
    let mut certificates = found.certificates.iter();
    certificates.any(|known| known.fingerprint == fingerprint && known.kind == type_)
}

impl Plan {
    pub(super) fn note(&mut self, found: &ClusterSeen, key: String, value: &str) {
        if found.notes.get(&key).map_or("", String::as_str) != value {
            let value = value.to_owned();
            self.steps.push(Step::Note { key, value });
        }
    }

    /// The certificate first and the note after it: noted and not there would mean that a person took it out.
    fn trust_server(&mut self, found: &ClusterSeen, name: &str, own: &Certified) {
        let old =
            |known: &&Certificate| known.kind == "server" && known.name == name && known.fingerprint != own.fingerprint;
        let old: Vec<Step> = found
            .certificates
            .iter()
            .filter(old)
            .map(|old| Step::Distrust {
                name: name.to_owned(),
                fingerprint: old.fingerprint.clone(),
            })
            .collect();
        // LXD 5.21.5 and later want every name once.
        self.steps.extend(old);
        if !trusts(found, &own.fingerprint, "server") {
            self.trust_as_server(name, own);
        }
        self.note(found, Of::Server.key(name), &own.fingerprint);
    }

    pub(super) fn trust_as_server(&mut self, name: &str, own: &Certified) {
        self.steps.push(Step::Trust {
            name: name.to_owned(),
            type_: "server",
            fingerprint: own.fingerprint.clone(),
            certificate: own.base64.clone(),
        });
    }

    /// Beside whatever is trusted for the same one: LXD 5.21.5 and later want every name once, and lxseed goes by fingerprints.
    pub(super) fn trust_client(&mut self, found: &ClusterSeen, name: &str, own: &Certified) {
        let is_taken = found.certificates.iter().any(|known| known.name == name);
        self.steps.push(Step::Trust {
            name: if is_taken {
                second_name(name, &own.fingerprint)
            } else {
                name.to_owned()
            },
            type_: "client",
            fingerprint: own.fingerprint.clone(),
            certificate: own.base64.clone(),
        });
    }

    /// Takes certificates of one owner out for good. The tombstone comes first: from here on no trust list, which may be of an
    /// earlier seed, puts them back, whatever is cut off.
    pub(super) fn end(&mut self, found: &ClusterSeen, name: &str, fingerprints: &[String]) {
        let mut retired = tombstone(found, name);
        retired.extend_from_slice(fingerprints);
        retired.sort();
        retired.dedup();
        self.note(found, Of::Retired.key(name), &retired.join(","));
        let ended = found
            .certificates
            .iter()
            .filter(|known| fingerprints.contains(&known.fingerprint));
        self.steps.extend(ended.map(|known| Step::Distrust {
            name: known.name.clone(),
            fingerprint: known.fingerprint.clone(),
        }));
    }

    /// From today on.
    fn begin_clock(&mut self, cluster: &Cluster, found: &ClusterSeen, name: &str, own: &str, now: OffsetDateTime) {
        if cluster.trust_for.is_some() {
            self.note(found, Of::Trusted.key(name), &clock::begun(own, now));
        }
    }

    /// Members speak to one another past a proxy. Each has the addresses of its own seed in its daemon's environment; where
    /// LXD itself has a list, which comes before that, it is brought up to date. What somebody has added to it stays.
    fn proxy_exceptions(&mut self, cluster: &Cluster, found: &ClusterSeen) {
        let list = found.notes.get(PROXY_EXCEPTIONS).map_or("", String::as_str);
        let proxy = cluster.services.proxy.as_ref();
        if list.is_empty() && proxy.is_none() {
            return;
        }
        let known: Vec<&str> = list.split(',').map(str::trim).collect();
        let members = cluster.hosts.iter().map(|host| host.address);
        let wanted = proxy.cloned().unwrap_or_default().lxd_exceptions(members);
        let missing = wanted.split(',').filter(|direct| !known.contains(direct));
        let all: Vec<&str> = Some(list)
            .filter(|list| !list.is_empty())
            .into_iter()
            .chain(missing)
            .collect();
        self.note(found, PROXY_EXCEPTIONS.to_owned(), &all.join(","));
    }

    /// The exceptions first: with a proxy and without them images would come from the members' own addresses through it.
    fn proxy(&mut self, cluster: &Cluster, found: &ClusterSeen) {
        self.proxy_exceptions(cluster, found);
        for (key, value) in lxd_proxy(cluster).iter().filter(|(key, _)| *key != PROXY_EXCEPTIONS) {
            self.note(found, (*key).to_owned(), value);
        }
    }
}

/// What of the profile has not reached the cluster, in the order in which it is brought there, and what is left and why.
///
/// # Errors
/// If no member answers.
pub fn plan(
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    used: &BTreeMap<String, Records>,
    now: OffsetDateTime,
) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    let mut plan = Plan::default();
    servers(&mut plan, cluster, keys, seen, found, now);
    for name in unrotated(cluster, keys, found) {
        plan.left.push(Left::from(format!(
            "the member {name} has keys of another generation than the profile's, or their exchange is under way: `lxseed rotate host {}/{name}`",
            cluster.name
        )));
    }
    clients(&mut plan, cluster, keys, found);
    plan.proxy(cluster, found);
    pools(&mut plan, cluster, seen, found, used);
    for stranger in &found.members {
        if declared(cluster, keys, &stranger.name).is_none() {
            let (name, label) = (&stranger.name, format!("{}/{}", cluster.name, stranger.name));
            plan.left.push(Left::from(format!(
                "{name} is a member and not declared: declare it, or `lxseed retire {label}`"
            )));
        }
    }
    Ok(plan)
}

fn servers(
    plan: &mut Plan,
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    found: &ClusterSeen,
    now: OffsetDateTime,
) {
    for (host, asked) in cluster.hosts.iter().zip(&seen.hosts) {
        let name = host.name.as_str();
        if let Some(member) = member(found, name)
            && matches!(asked.answer, Answer::Server(Identity::Own, _))
        {
            plan.left.push(Left::from(format!(
                "{name} is on record, {}, and the machine was installed anew: nothing is decided for it here (lxseed status)",
                member.status.to_lowercase()
            )));
        }
    }
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    let hosts = hosts.map(|(host, keys)| (&host.name, Some(Certified::from(&keys.server))));
    let spares = cluster.spares.iter().zip(&keys.spares);
    let spares = spares.map(|(spare, pem)| (spare, Certified::parse(pem)));
    for (name, own) in hosts.chain(spares) {
        if let (None, Some(own)) = (member(found, name.as_str()), own) {
            newcomer(plan, cluster, found, name.as_str(), &own, now);
        }
    }
    let hosts = cluster.hosts.iter().zip(&keys.hosts).zip(&seen.hosts);
    for ((host, keys), asked) in hosts {
        let name = host.name.as_str();
        if member(found, name).is_none() && trusts(found, &keys.server.fingerprint, "server") {
            await_newcomer(plan, cluster, found, name, &keys.server.fingerprint, &asked.answer, now);
        }
    }
}

/// A declared host that may come and has not. There is no seed of a spare that could be stolen, so spares may come for ever.
fn await_newcomer(
    plan: &mut Plan,
    cluster: &Cluster,
    found: &ClusterSeen,
    name: &str,
    own: &str,
    answer: &Answer,
    now: OffsetDateTime,
) {
    if clock::days(found, name, own, now).is_none() {
        // Since when it is trusted nobody knows: its time begins when that is first seen.
        plan.begin_clock(cluster, found, name, own, now);
    } else if clock::is_over(cluster, found, name, own, now).is_some() && !clock::shows_itself(answer) {
        // Noted and not there: the founder's list does not put it back.
        plan.note(found, Of::Server.key(name), own);
        plan.steps.push(Step::Distrust {
            name: name.to_owned(),
            fingerprint: own.to_owned(),
        });
    }
}

/// Somebody who may come, and whom nobody has taken out. What a person has decided of its name since is left alone.
fn newcomer(plan: &mut Plan, cluster: &Cluster, found: &ClusterSeen, name: &str, own: &Certified, now: OffsetDateTime) {
    let label = format!("{}/{name}", cluster.name);
    let mut others = found.certificates.iter();
    if tombstone(found, name).contains(&own.fingerprint) {
        plan.left.push(Left::from(format!(
            "{name} was retired: take it out of the profile, or raise its `generation`"
        )));
    } else if trusts(found, &own.fingerprint, "server") {
        // It may come.
    } else if let Some(days) = clock::is_over(cluster, found, name, &own.fingerprint, now) {
        plan.left.push(Left::from(format!(
            "{name} did not come within {days} days, and may not come any more: `lxseed admit {label}` renews that"
        )));
    } else if found.notes.get(&Of::Server.key(name)) == Some(&own.fingerprint) {
        plan.left.push(Left::from(format!(
            "{name} was taken out of LXD's trust by hand: `lxseed admit {label}` puts it back"
        )));
    } else if let Some(other) = others.find(|known| known.kind == "server" && known.name == name) {
        // Of two profiles nobody can tell which is the older one.
        plan.left.push(Left::from(format!(
            "{name} is trusted under another certificate ({:.12}) than this profile's: `lxseed admit {label}` puts this one in its place",
            other.fingerprint
        )));
    } else {
        plan.trust_server(found, name, own);
        if cluster.hosts.iter().any(|host| host.name.as_str() == name) {
            plan.begin_clock(cluster, found, name, &own.fingerprint, now);
        }
    }
}

pub(super) fn clients(plan: &mut Plan, cluster: &Cluster, keys: &ClusterKeys, found: &ClusterSeen) {
    let desk = keys.desk.iter().map(|desk| (DESK_NAME, Certified::from(desk)));
    let people = cluster
        .admin
        .lxd_certificates
        .iter()
        .filter_map(|person| Some((person.name.as_str(), Certified::parse(&person.pem)?)));
    let wanted: Vec<(&str, Certified)> = desk.chain(people).collect();
    let is_wanted = |fingerprint: &str| wanted.iter().any(|(_, own)| own.fingerprint == fingerprint);
    for (name, own) in &wanted {
        let (key, fingerprint) = (Of::Client.key(name), &own.fingerprint);
        let is_there = found.certificates.iter().any(|known| known.fingerprint == *fingerprint);
        let noted = found.notes.get(&key);
        if is_there && noted.is_none_or(|noted| noted == fingerprint) {
            // Let in by hand, it is taken out by hand.
        } else if tombstone(found, name).contains(fingerprint) && !is_there {
            plan.left.push(Left::from(format!(
                "{name} was taken out of LXD's trust for good with this certificate: give it another one, or let it in by hand"
            )));
        } else if noted == Some(fingerprint) {
            plan.left.push(Left::from(format!(
                "{name} was taken out of LXD's trust by hand and is still declared: take it out of `lxd_certificates`, or let it in by hand"
            )));
        } else {
            if !is_there {
                plan.trust_client(found, name, own);
            }
            // The note comes last: it is what tells a run after a cut of the earlier one.
            if let Some(earlier) = noted.filter(|earlier| !is_wanted(earlier)) {
                plan.end(found, name, std::slice::from_ref(earlier));
            }
            plan.note(found, key, fingerprint);
        }
    }
    // What lxseed let in and nobody declares any more.
    for (key, fingerprint) in &found.notes {
        let Some(name) = key.strip_prefix(&Of::Client.head()) else {
            continue;
        };
        if wanted.iter().any(|(wanted, _)| *wanted == name) || is_wanted(fingerprint) {
            continue;
        }
        plan.end(found, name, std::slice::from_ref(fingerprint));
        plan.note(found, key.clone(), "");
    }
}

fn pools(plan: &mut Plan, cluster: &Cluster, seen: &Seen, found: &ClusterSeen, used: &BTreeMap<String, Records>) {
    for pool in &cluster.pools {
        let record = found.pools.iter().find(|known| known.name == pool.name);
        match record {
            Some(known) if known.driver != pool.driver.word() => plan.left.push(Left::from(format!(
                "the pool {} is {}, and declared {}: no pool is changed into another kind",
                pool.name,
                known.driver,
                pool.driver.word()
            ))),
            Some(known) if known.status == "Created" => forget_ready(plan, found, &pool.name),
            _ => new_pool(plan, seen, found, pool, record.is_some()),
        }
    }
    for known in &found.pools {
        if cluster.pools.iter().any(|pool| pool.name == known.name) {
            continue;
        }
        let name = &known.name;
        let why = match used.get(name).map(Records::count) {
            None => "what is on it could not be asked".to_owned(),
            Some(0) => format!("no instance and no volume is on it: `lxc storage delete {name}` would do it"),
            Some(1) => "1 instance or volume is on it".to_owned(),
            Some(count) => format!("{count} instances and volumes are on it"),
        };
        plan.left.push(Left {
            why: format!("the pool {name} is not declared, and no pool is ever removed; {why}"),
            records: used.get(name).map_or_else(Vec::new, Records::listed),
        });
    }
}

/// A pool is made where every member has told that its own guard has passed a volume for it.
fn new_pool(plan: &mut Plan, seen: &Seen, found: &ClusterSeen, pool: &Pool, begun: bool) {
    let (name, driver) = (&pool.name, pool.driver.word());
    let mut steps = Vec::new();
    for member in &found.members {
        let declared_there = begun
            && found
                .member_pools
                .iter()
                .any(|on_it| on_it.pool == *name && on_it.member == member.name && !on_it.source.is_empty());
        if declared_there {
            continue;
        }
        match may_declare(seen, found, member, pool) {
            Ok(source) => steps.push(Step::DeclarePool {
                pool: name.clone(),
                driver,
                member: member.name.clone(),
                source: source.to_owned(),
            }),
            Err(why) => {
                plan.left.push(Left::from(format!("the pool {name} waits: {why}")));
                return;
            }
        }
    }
    plan.steps.extend(steps);
    plan.steps.push(Step::MakePool {
        pool: name.clone(),
        driver,
    });
    forget_ready(plan, found, name);
}

/// Where a pool may be made on a member, or why it may not yet.
fn may_declare<'a>(seen: &Seen, found: &'a ClusterSeen, member: &Member, pool: &Pool) -> Result<&'a str, String> {
    let name = &member.name;
    if member.status != "Online" {
        return Err(format!(
            "{name} is {}, and LXD makes a pool on all members at once",
            member.status.to_lowercase()
        ));
    }
    let Some(source) = found.notes.get(&ready(name, &pool.name)) else {
        return Err(format!(
            "{name} has no disk ready for it; build, give it its new seed and restart it, then its first boot looks at the disks and tells"
        ));
    };
    // The guard has looked at the disk when the machine last started, and nobody has since.
    let version = seen
        .hosts
        .iter()
        .find(|host| host.name == *name)
        .and_then(HostSeen::server);
    let version = version.map_or("", |server| server.version.as_str());
    if pool.driver == Driver::Zfs && source.starts_with('/') && overwrites_by_zpool(version) {
        return Err(format!(
            "LXD {version} of {name} would overwrite whatever lies on {source} by now (`zpool create -f`, before 5.0.3); look at it, and make the \
             pool by hand: `lxc storage create {} zfs source={source} --target {name}`",
            pool.name
        ));
    }
    Ok(source)
}

/// Once LXD has the pool the volumes are its own: whatever becomes of it, nobody makes another one of them unseen.
fn forget_ready(plan: &mut Plan, found: &ClusterSeen, pool: &str) {
    for member in &found.members {
        plan.note(found, ready(&member.name, pool), "");
    }
}

#[cfg(test)]
mod tests;
