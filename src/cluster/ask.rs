//! Asking: every declared address at once, then the cluster through the first member that answers.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::connection::{Connection, Pin, Unanswered};
use super::notes::{FOUNDING, NOTES, RETURN};
use super::seen::{
    Answer, Certificate, ClusterSeen, Founding, HostSeen, Identity, Member, MemberPool, Pool, Seen, Server,
};
use crate::model::{Cluster, Host};
use crate::seed::{ClusterKeys, HostKeys};
use crate::trust::KeyPair;

/// Nothing could be asked at all.
#[derive(Debug, Error)]
pub enum AskError {
    /// The keys cannot be used for TLS.
    #[error("the desk's keys cannot be used: {0}")]
    Keys(#[from] rustls::Error),
    /// The operating system gives no sockets or timers.
    #[error("cannot ask the hosts: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Looks at all hosts of a cluster from the desk. Takes some seconds at the most, whoever is off.
///
/// # Errors
/// If nothing can be asked at all; a host that does not answer is no error.
pub fn look(cluster: &Cluster, keys: &ClusterKeys) -> Result<Seen, AskError> {
    let connections = connections(cluster, keys)?;
    block_on(see(cluster, &connections))
}

/// A connection to each declared host, none of them open yet.
pub(super) fn connections(cluster: &Cluster, keys: &ClusterKeys) -> Result<Vec<Connection>, AskError> {
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    hosts
        .map(|(host, own)| connection(host, own, keys, keys.desk.as_ref()))
        .collect()
}

/// A connection to a host. A member that has not been given the cluster's declared pair yet shows the one before it, and
/// no other certificate passes for the cluster's.
pub(super) fn connection(
    host: &Host,
    own: &HostKeys,
    keys: &ClusterKeys,
    client: Option<&KeyPair>,
) -> Result<Connection, AskError> {
    let pin = |identity, is_earlier, pair: &KeyPair| Pin {
        identity,
        is_earlier,
        der: pair.certificate_der.clone(),
    };
    let mut known = vec![
        pin(Identity::Cluster, false, &keys.cluster),
        pin(Identity::Own, false, &own.server),
    ];
    let earlier = keys.earlier.iter();
    known.extend(earlier.map(|pair| pin(Identity::Cluster, true, pair)));
    Ok(Connection::new(host.endpoint(), known, client)?)
}

/// What each declared host answers to whoever comes with a pair.
pub(super) async fn answers_to(
    cluster: &Cluster,
    keys: &ClusterKeys,
    pair: &KeyPair,
) -> Result<Vec<(String, Answer)>, AskError> {
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    let connections = hosts.map(|(host, own)| connection(host, own, keys, Some(pair)));
    let connections: Vec<Connection> = connections.collect::<Result<_, _>>()?;
    let answers = join_all(connections.iter().map(answer)).await;
    Ok(cluster
        .hosts
        .iter()
        .map(|host| host.name.to_string())
        .zip(answers)
        .collect())
}

/// One thread is enough for whatever waits for the network.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

pub(super) async fn see(cluster: &Cluster, connections: &[Connection]) -> Seen {
    let (answers, lists): (Vec<_>, Vec<_>) = join_all(connections.iter().map(one_host)).await.into_iter().unzip();
    let hosts: Vec<HostSeen> = cluster
        .hosts
        .iter()
        .zip(answers)
        .zip(connections)
        .map(|((host, answer), connection)| HostSeen {
            name: host.name.to_string(),
            address: host.endpoint(),
            answer,
            earlier_pair: connection.is_earlier(),
        })
        .collect();
    let asked = hosts.iter().zip(connections).zip(lists);
    let members: Vec<Answering<'_>> = asked
        .filter_map(|((host, connection), members)| match &host.answer {
            Answer::Server(_, server) => Some(Answering {
                name: &host.name,
                server,
                connection,
                members: members?,
            }),
            _ => None,
        })
        .collect();
    let foundings = members.iter().filter_map(|member| {
        Some(Founding {
            member: member.name.to_owned(),
            number: member.server.notes.get(FOUNDING)?.clone(),
        })
    });
    let mut seen = None;
    for member in &members {
        if let Ok(cluster) = through(member, &members).await {
            seen = Some(cluster);
            break;
        }
    }
    Seen {
        cluster: seen,
        foundings: foundings.collect(),
        hosts,
    }
}

/// A member that answers, also from the cluster's database.
struct Answering<'a> {
    name: &'a str,
    server: &'a Server,
    connection: &'a Connection,
    /// Who else is on record.
    members: Vec<Member>,
}

/// A host, and what it has on record if it is a member whose database answers. Asked at once, so that a cluster without
/// a majority is waited for while others that are off are.
async fn one_host(connection: &Connection) -> (Answer, Option<Vec<Member>>) {
    let answer = answer(connection).await;
    let clustered = matches!(&answer, Answer::Server(Identity::Cluster, server) if server.clustered);
    if !clustered {
        return (answer, None);
    }
    (answer, members(connection).await.ok())
}

/// All members that the cluster has on record.
pub(super) async fn members(connection: &Connection) -> Result<Vec<Member>, Unanswered> {
    let records = read::<Vec<MemberRecord>>(connection, "/1.0/cluster/members?recursion=1").await?;
    Ok(records.into_iter().map(Member::from).collect())
}

async fn answer(connection: &Connection) -> Answer {
    let answer = connection.get("/1.0").await;
    let identity = connection.identity();
    match (answer, identity) {
        (Ok(value), Some(identity)) => server(identity, value),
        (Err(Unanswered::Silent(why)), _) => Answer::Silent(why),
        (Err(Unanswered::NotListening), _) => Answer::NotListening,
        (Err(Unanswered::Foreign(fingerprint)), _) => Answer::Foreign(fingerprint),
        (Err(Unanswered::Hangs), Some(identity)) => Answer::Hangs(identity),
        (Err(Unanswered::Refused { code: 403, .. }), Some(identity)) => Answer::Untrusted(identity),
        // While its database starts LXD answers so.
        (Err(Unanswered::Refused { .. }), Some(identity)) => Answer::Hangs(identity),
        (Err(why), _) => Answer::Nonsense(why.to_string()),
        (Ok(_), None) => Answer::Nonsense("it showed no certificate".to_owned()),
    }
}

/// `GET /1.0`; somebody whom LXD does not trust gets no environment.
#[derive(Deserialize)]
struct Root {
    auth: String,
    #[serde(default)]
    api_extensions: Vec<String>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    config: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Environment {
    server_version: String,
    kernel_version: String,
    server_clustered: bool,
}

fn server(identity: Identity, value: Value) -> Answer {
    match serde_json::from_value::<Root>(value) {
        Err(why) => Answer::Nonsense(format!("does not speak as LXD does: {why}")),
        Ok(root) if root.auth != "trusted" => Answer::Untrusted(identity),
        Ok(root) => Answer::Server(
            identity,
            Server {
                version: root.environment.server_version,
                api_extensions: root.api_extensions.len(),
                kernel: root.environment.kernel_version,
                clustered: root.environment.server_clustered,
                notes: notes(root.config),
            },
        ),
    }
}

fn notes(config: BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let own = config
        .into_iter()
        .filter(|(key, _)| key.starts_with(NOTES) || key.starts_with("core.proxy_"));
    own.filter_map(|(key, value)| {
        // What was handed over is nothing to keep, or to show.
        let value = if key == RETURN { "given" } else { value.as_str()? };
        Some((key, value.to_owned()))
    })
    .collect()
}

#[derive(Deserialize)]
struct MemberRecord {
    server_name: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

impl From<MemberRecord> for Member {
    fn from(record: MemberRecord) -> Self {
        Self {
            name: record.server_name,
            url: record.url,
            status: record.status,
            message: record.message,
        }
    }
}

#[derive(Deserialize)]
struct PoolRecord {
    name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct CertificateRecord {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    certificate: String,
}

pub(super) async fn read<T: serde::de::DeserializeOwned>(connection: &Connection, path: &str) -> Result<T, Unanswered> {
    let value = connection.get(path).await?;
    serde_json::from_value(value).map_err(|why| Unanswered::Nonsense(why.to_string()))
}

/// The cluster as one member has it on record.
async fn through(asked: &Answering<'_>, answering: &[Answering<'_>]) -> Result<ClusterSeen, Unanswered> {
    let (pools, certificates) = tokio::try_join!(
        read::<Vec<PoolRecord>>(asked.connection, "/1.0/storage-pools?recursion=1"),
        read::<Vec<CertificateRecord>>(asked.connection, "/1.0/certificates?recursion=1"),
    )?;
    let each = answering.iter().flat_map(|member| {
        let on_it = |pool| member_pool(member.name, pool, member.connection);
        pools.iter().map(on_it)
    });
    let member_pools = join_all(each).await;
    // A member that has just joined does not show in its own configuration what was noted in the cluster before, until
    // the next key changes: what any of them shows is taken together.
    let mut notes: BTreeMap<String, String> = BTreeMap::new();
    for other in answering {
        notes.extend(other.server.notes.clone());
    }
    notes.extend(asked.server.notes.clone());
    Ok(ClusterSeen {
        through: asked.name.to_owned(),
        members: asked.members.clone(),
        pools: pools
            .into_iter()
            .map(|record| Pool {
                name: record.name,
                driver: record.driver,
                status: record.status,
            })
            .collect(),
        member_pools,
        certificates: certificates
            .into_iter()
            .map(|record| Certificate {
                name: record.name,
                kind: record.kind,
                fingerprint: record.fingerprint,
                pem: record.certificate,
            })
            .collect(),
        notes,
    })
}

#[derive(Deserialize)]
struct Resources {
    space: Space,
}

#[derive(Deserialize)]
struct Space {
    #[serde(default)]
    used: u64,
    #[serde(default)]
    total: u64,
}

/// LXD cannot tell how full an LVM thin pool is while nothing on it is in use, as after a reboot.
fn is_untold(why: &Unanswered) -> bool {
    matches!(why, Unanswered::Refused { text, .. } if text == "Not supported")
}

/// A pool on the member that is asked. Without `target` a clustered LXD leaves out what is a member's own.
async fn member_pool(member: &str, pool: &PoolRecord, connection: &Connection) -> MemberPool {
    let name = &pool.name;
    let record = format!("/1.0/storage-pools/{name}?target={member}");
    let space = format!("/1.0/storage-pools/{name}/resources?target={member}");
    let (record, resources) = tokio::join!(
        read::<PoolRecord>(connection, &record),
        read::<Resources>(connection, &space),
    );
    let trouble = record
        .as_ref()
        .err()
        .or(resources.as_ref().err().filter(|why| !is_untold(why)))
        .map(ToString::to_string);
    let space = resources.ok().map(|resources| resources.space);
    MemberPool {
        member: member.to_owned(),
        pool: name.clone(),
        source: record
            .ok()
            .and_then(|record| record.config.get("source").cloned())
            .unwrap_or_default(),
        total: space.as_ref().map(|space| space.total),
        used: space.as_ref().map(|space| space.used),
        trouble,
    }
}
