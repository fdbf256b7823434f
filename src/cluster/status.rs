//! What was seen beside what is declared: a line for each host, and what is there and not declared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::Serialize;
use time::OffsetDateTime;

use super::notes::{FIRST_BOOT, Of};
use super::rotate_host::unrotated;
use super::seen::{Answer, ClusterSeen, HostSeen, Identity, Seen, Server, Told};
use crate::model::{Cluster, Host};
use crate::seed::{ClusterKeys, HostKeys};
use crate::trust::ClientCertificate;

/// How a declared host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody answers at its address, and no cluster has it on record.
    Off,
    /// The machine is on, and its LXD is not yet: its first boot has not come that far, or has stopped before.
    Starting,
    /// Its first boot is at work.
    Working,
    /// Its first boot waits.
    Waiting,
    /// Its first boot has stopped and needs a hand.
    Stopped,
    /// Its LXD is about to join the cluster.
    Joining,
    /// It is a member, and the cluster says that it is there.
    Online,
    /// It is a member, and the cluster says that it is away.
    Offline,
    /// It is a member that was evacuated.
    Evacuated,
    /// It is a member that waits for the others to run its version of LXD.
    Blocked,
    /// Its LXD runs and gives no answer: it starts, or its cluster has no majority.
    Hangs,
    /// Its LXD runs and does not know the desk.
    Unknown,
    /// Its LXD shows the cluster's certificate, and the cluster does not have it on record.
    Removed,
    /// Somebody else is at its address.
    Foreign,
    /// It was retired, and is declared still.
    Retired,
}

impl State {
    /// As it is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
            Self::Joining => "joining",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Evacuated => "evacuated",
            Self::Blocked => "blocked",
            Self::Hangs => "hangs",
            Self::Unknown => "unknown",
            Self::Removed => "removed",
            Self::Foreign => "foreign",
            Self::Retired => "retired",
        }
    }
}

/// A declared pool on a declared host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// LXD's driver; none if the cluster has no such pool.
    pub driver: Option<String>,
    /// In bytes, if the member told.
    pub free: Option<u64>,
    /// In bytes, if the member told.
    pub total: Option<u64>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// A declared host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostStatus {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: SocketAddr,
    /// How it is.
    pub state: State,
    /// The stage of its first boot, where it tells.
    pub stage: Option<String>,
    /// What it waits for, why it stopped, or why it cannot be asked: its own words where they are its own.
    pub message: Option<String>,
    /// Version of LXD.
    pub lxd: Option<String>,
    /// The kernel that runs.
    pub kernel: Option<String>,
    /// The declared pools, of a member that answers.
    pub pools: Vec<PoolStatus>,
    /// Days until its certificate ends; below zero once it has.
    pub certificate_days: i64,
}

/// Something that is there, and that no profile declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Undeclared {
    /// A member.
    Member {
        /// Its name.
        name: String,
        /// Its address.
        url: String,
        /// LXD's word for how it is.
        status: String,
    },
    /// A pool.
    Pool {
        /// Its name.
        name: String,
        /// LXD's driver.
        driver: String,
    },
    /// Somebody who is trusted.
    Certificate {
        /// Its name in LXD's trust store.
        name: String,
        /// LXD's word: server is a member's, client a person's or program's.
        #[serde(rename = "type")]
        type_: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
}

/// Whether all is as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Yes.
    AsDeclared,
    /// No.
    NotAsDeclared,
    /// No host of the cluster answered.
    NobodyAnswers,
}

/// A cluster beside its profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// Its name.
    pub cluster: String,
    /// Whether all is as declared.
    pub verdict: Verdict,
    /// The member that told of the cluster; none if none could.
    pub through: Option<String>,
    /// The number of the founding as the profile has it.
    pub formed: Option<String>,
    /// The numbers of the foundings that members told of: one, if all is well.
    pub foundings: Vec<String>,
    /// How many declared hosts are members that are online.
    pub online: usize,
    /// Every declared host, in the order of the profile.
    pub hosts: Vec<HostStatus>,
    /// What is there and not declared.
    pub undeclared: Vec<Undeclared>,
    /// The hosts that show the cluster's pair of the generation before the declared one.
    pub earlier_pair: Vec<String>,
    /// The members whose own keys are of another generation than the declared one, or are being replaced.
    pub other_keys: Vec<String>,
    /// Days until the cluster's certificate ends.
    pub certificate_days: i64,
}

/// Puts what was seen beside what is declared.
#[must_use]
pub fn status(cluster: &Cluster, keys: &ClusterKeys, seen: &Seen, now: OffsetDateTime) -> Status {
    let each = cluster.hosts.iter().zip(&keys.hosts).zip(&seen.hosts);
    let hosts: Vec<HostStatus> = each
        .map(|((host, keys), found)| host_status(cluster, host, keys, found, seen, now))
        .collect();
    let numbers: BTreeSet<&str> = seen.foundings.iter().map(|founding| founding.number.as_str()).collect();
    let undeclared = seen
        .cluster
        .as_ref()
        .map_or_else(Vec::new, |found| undeclared(cluster, keys, found));
    let earlier_pair: Vec<String> = seen.hosts_with_earlier_pair().map(str::to_owned).collect();
    let found = seen.cluster.iter();
    let other_keys = found.flat_map(|found| unrotated(cluster, keys, found));
    let other_keys: Vec<String> = other_keys.map(str::to_owned).collect();
    let online = hosts.iter().filter(|host| host.state == State::Online).count();
    let versions: BTreeSet<(&str, usize)> = servers(seen)
        .map(|server| (server.version.as_str(), server.api_extensions))
        .collect();
    let well = online == hosts.len()
        && hosts.iter().all(|host| {
            host.message.is_none()
                && host.certificate_days >= 0
                && host
                    .pools
                    .iter()
                    .all(|pool| pool.trouble.is_none() && pool.driver.is_some())
        })
        && undeclared.is_empty()
        && earlier_pair.is_empty()
        && other_keys.is_empty()
        && numbers
            .iter()
            .all(|number| cluster.formed.as_deref().is_none_or(|formed| formed == *number))
        && numbers.len() <= 1
        && versions.len() == 1;
    Status {
        cluster: cluster.name.to_string(),
        verdict: if well {
            Verdict::AsDeclared
        } else if seen.is_answered() {
            Verdict::NotAsDeclared
        } else {
            Verdict::NobodyAnswers
        },
        through: seen.cluster.as_ref().map(|found| found.through.clone()),
        formed: cluster.formed.clone(),
        foundings: numbers.into_iter().map(str::to_owned).collect(),
        online,
        hosts,
        undeclared,
        earlier_pair,
        other_keys,
        certificate_days: days(&keys.cluster.certificate_pem, now),
    }
}

/// What every machine that answers says of itself.
fn servers(seen: &Seen) -> impl Iterator<Item = &Server> {
    seen.hosts.iter().filter_map(HostSeen::server)
}

fn days(pem: &str, now: OffsetDateTime) -> i64 {
    end(pem).map_or(0, |end| (end - now).whole_days())
}

/// When a certificate ends; none if it is no certificate.
pub(super) fn end(pem: &str) -> Option<OffsetDateTime> {
    let certificate = ClientCertificate::parse(pem).ok()?;
    Some(*certificate.valid().end())
}

fn host_status(
    cluster: &Cluster,
    host: &Host,
    keys: &HostKeys,
    found: &HostSeen,
    seen: &Seen,
    now: OffsetDateTime,
) -> HostStatus {
    let name = host.name.as_str();
    let record = seen
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.members.iter().find(|member| member.name == name));
    let server = found.server();
    let told = told(name, found, seen.cluster.as_ref());
    let state = match record {
        // On record and yet in no cluster: the machine was installed anew, and what it says counts.
        Some(_) if matches!(found.answer, Answer::Server(Identity::Own, _)) => never_clustered(told.as_ref()),
        Some(_) if matches!(found.answer, Answer::Foreign(_)) => State::Foreign,
        Some(member) => match member.status.as_str() {
            "Online" => State::Online,
            "Evacuated" => State::Evacuated,
            "Blocked" => State::Blocked,
            _ => State::Offline,
        },
        None if is_retired(name, keys, seen) => State::Retired,
        None => off_record(&found.answer, seen.cluster.is_some(), told.as_ref()),
    };
    let own_words = told
        .as_ref()
        .filter(|told| told.state != "done" && !told.message.is_empty())
        .map(|told| told.message.clone());
    HostStatus {
        name: name.to_owned(),
        address: found.address,
        state,
        message: own_words.or_else(|| explanation(state, found, record.map(|member| member.message.as_str()))),
        stage: told.filter(|told| told.state != "done").map(|told| told.stage),
        lxd: server.map(|server| server.version.clone()),
        kernel: server.map(|server| server.kernel.clone()),
        pools: if state == State::Online {
            pools(cluster, name, seen)
        } else {
            Vec::new()
        },
        certificate_days: days(&keys.server.certificate_pem, now),
    }
}

/// Whether the certificate that is derived for it is one that the cluster never trusts again.
fn is_retired(name: &str, keys: &HostKeys, seen: &Seen) -> bool {
    let noted = seen
        .cluster
        .as_ref()
        .and_then(|found| found.notes.get(&Of::Retired.key(name)));
    noted.is_some_and(|noted| noted.split(',').any(|known| known == keys.server.fingerprint))
}

/// What the first boot tells: in its own LXD's configuration before it is a member, in the cluster's afterwards.
pub(super) fn told(name: &str, found: &HostSeen, cluster: Option<&ClusterSeen>) -> Option<Told> {
    let text = match (&found.answer, cluster) {
        (Answer::Server(Identity::Own, server), _) => server.notes.get(FIRST_BOOT),
        (_, Some(cluster)) => cluster.notes.get(&Of::FirstBoot.key(name)),
        _ => None,
    };
    Told::parse(text?)
}

fn never_clustered(told: Option<&Told>) -> State {
    match told {
        Some(told) if told.state == "stopped" => State::Stopped,
        Some(told) if told.state == "waiting" => State::Waiting,
        Some(told) if told.stage == "cluster" => State::Joining,
        _ => State::Working,
    }
}

/// Of a host that the cluster does not have on record, or whose cluster cannot be asked.
fn off_record(answer: &Answer, cluster_known: bool, told: Option<&Told>) -> State {
    match answer {
        Answer::Silent(_) => State::Off,
        Answer::NotListening => State::Starting,
        Answer::Foreign(_) | Answer::Nonsense(_) => State::Foreign,
        Answer::Hangs(_) => State::Hangs,
        Answer::Untrusted(Identity::Cluster) if cluster_known => State::Removed,
        Answer::Untrusted(_) => State::Unknown,
        Answer::Server(Identity::Own, _) => never_clustered(told),
        Answer::Server(Identity::Cluster, _) if cluster_known => State::Removed,
        Answer::Server(Identity::Cluster, _) => State::Hangs,
    }
}

/// What a person has to know of a host that does not say it itself.
fn explanation(state: State, found: &HostSeen, member: Option<&str>) -> Option<String> {
    let address = found.address;
    match (state, &found.answer) {
        (State::Online, Answer::Server(..)) | (State::Working | State::Joining, _) => None,
        (State::Foreign, Answer::Foreign(fingerprint)) => Some(format!(
            "at {address} is another LXD, or its keys are of another site secret: it shows the certificate {fingerprint}"
        )),
        (State::Foreign, Answer::Nonsense(why)) => Some(format!("at {address} is something else: it {why}")),
        (State::Off, Answer::Silent(why)) => Some(format!("nobody answers at {address} ({why})")),
        (State::Starting, _) => Some(format!(
            "the machine is on and nobody listens at {address}: its first boot has not come to LXD, or has stopped before; its console and \
             journal tell"
        )),
        (State::Hangs, Answer::Hangs(Identity::Cluster) | Answer::Server(..)) => {
            Some("its LXD runs and gives no answer: it starts, or the cluster has no majority of its voters".to_owned())
        }
        (State::Hangs, _) => Some("its LXD runs and gives no answer: it starts".to_owned()),
        (State::Retired, _) => Some(
            "it was retired, and is declared still: take it out of the profiles, or raise its `generation` to set it up anew".to_owned(),
        ),
        (State::Unknown, _) => Some(
            "its LXD does not know the desk: its seed is of before the desk had a key, or `desk: none` stands in the profile".to_owned(),
        ),
        (State::Removed, _) => {
            Some("it shows the cluster's certificate, and the cluster does not have it on record".to_owned())
        }
        (State::Online, Answer::Silent(why)) => {
            Some(format!("the cluster sees it, and the desk does not at {address} ({why})"))
        }
        (State::Online, Answer::Untrusted(_)) => Some("it does not take the desk's certificate yet".to_owned()),
        (State::Online, Answer::Hangs(_)) => Some("it gives the desk no answer".to_owned()),
        (_, Answer::Silent(why)) => Some(format!("nobody answers at {address} ({why})")),
        (_, Answer::NotListening) => Some(format!("the machine is on and no LXD listens at {address}")),
        _ => member.filter(|text| !text.is_empty()).map(str::to_owned),
    }
}

fn pools(cluster: &Cluster, host: &str, seen: &Seen) -> Vec<PoolStatus> {
    let Some(found) = &seen.cluster else {
        return Vec::new();
    };
    let declared = cluster.pools.iter();
    declared
        .map(|pool| {
            let record = found.pools.iter().find(|known| known.name == pool.name);
            let on_it = found
                .member_pools
                .iter()
                .find(|known| known.pool == pool.name && known.member == host);
            let trouble = match (record, on_it) {
                (None, _) => Some("the cluster has no such pool".to_owned()),
                (Some(record), _) if record.driver != pool.driver.word() => {
                    Some(format!("it is {}, and declared {}", record.driver, pool.driver.word()))
                }
                (Some(record), _) if record.status == "Errored" || record.status == "Pending" => {
                    Some(format!("LXD says {}", record.status.to_lowercase()))
                }
                (Some(_), None) => Some("not asked".to_owned()),
                (Some(_), Some(on_it)) => on_it.trouble.clone(),
            };
            PoolStatus {
                name: pool.name.clone(),
                driver: record.map(|record| record.driver.clone()),
                total: on_it.and_then(|on_it| on_it.total),
                free: on_it.and_then(|on_it| Some(on_it.total?.saturating_sub(on_it.used?))),
                trouble,
            }
        })
        .collect()
}

fn undeclared(cluster: &Cluster, keys: &ClusterKeys, found: &ClusterSeen) -> Vec<Undeclared> {
    let host = |name: &str| cluster.hosts.iter().any(|host| host.name.as_str() == name);
    let members = found.members.iter().filter(|member| !host(&member.name));
    let members = members.map(|member| Undeclared::Member {
        name: member.name.clone(),
        url: member.url.clone(),
        status: member.status.clone(),
    });
    let declared = |name: &str| cluster.pools.iter().any(|pool| pool.name == name);
    let pools = found.pools.iter().filter(|pool| !declared(&pool.name));
    let pools = pools.map(|pool| Undeclared::Pool {
        name: pool.name.clone(),
        driver: pool.driver.clone(),
    });
    let known = trusted(cluster, keys);
    let certificates = found
        .certificates
        .iter()
        .filter(|found| !known.contains_key(&found.fingerprint));
    let certificates = certificates.map(|found| Undeclared::Certificate {
        name: found.name.clone(),
        type_: found.kind.clone(),
        fingerprint: found.fingerprint.clone(),
    });
    members.chain(pools).chain(certificates).collect()
}

/// Whom the cluster is to trust: names by fingerprint.
fn trusted<'a>(cluster: &'a Cluster, keys: &'a ClusterKeys) -> BTreeMap<String, &'a str> {
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    let hosts = hosts.map(|(host, keys)| (keys.server.fingerprint.clone(), host.name.as_str()));
    let desk = keys
        .desk
        .iter()
        .map(|desk| (desk.fingerprint.clone(), crate::trust::DESK_NAME));
    let people = cluster.admin.lxd_certificates.iter().filter_map(|person| {
        let certificate = ClientCertificate::parse(&person.pem).ok()?;
        Some((certificate.fingerprint().to_owned(), person.name.as_str()))
    });
    let spares = cluster.spares.iter().zip(&keys.spares).filter_map(|(spare, pem)| {
        let certificate = ClientCertificate::parse(pem).ok()?;
        Some((certificate.fingerprint().to_owned(), spare.as_str()))
    });
    hosts.chain(spares).chain(desk).chain(people).collect()
}
