//! What was seen of a cluster from the desk: data, and nothing that asks.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// Whose certificate a machine shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Its own: its LXD is in no cluster.
    Own,
    /// The cluster's: it is, or was, a member.
    Cluster,
}

/// What the first boot of a machine tells of itself, in the configuration of its LXD or of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Told {
    /// `working`, `waiting`, `stopped` or `done`.
    pub state: String,
    /// Where it is.
    pub stage: String,
    /// What it waits for, or why it stopped, word for word; else empty.
    pub message: String,
}

impl Told {
    /// Reads `STATE STAGE MESSAGE`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (state, stage) = (words.next()?, words.next()?);
        if state.is_empty() || stage.is_empty() {
            return None;
        }
        Some(Self {
            state: state.to_owned(),
            stage: stage.to_owned(),
            message: words.next().unwrap_or_default().trim().to_owned(),
        })
    }
}

/// What an LXD says of itself to a client that it trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// Version of LXD, such as 5.0.2.
    pub version: String,
    /// How many extensions of the API it has: with the version, what all members have to agree in.
    pub api_extensions: usize,
    /// The kernel that runs, as `uname -r` says it.
    pub kernel: String,
    /// Whether it is a member of a cluster.
    pub clustered: bool,
    /// Of its configuration what concerns lxseed: keys that begin with `user.lxseed.`, and what it has of a
    /// proxy.
    pub notes: BTreeMap<String, String>,
}

/// What a machine answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Nobody is there, as far as the network tells; why.
    Silent(String),
    /// The machine is on, and no LXD listens.
    NotListening,
    /// Somebody else is at its address: the SHA-256 of the certificate shown.
    Foreign(String),
    /// An LXD of this site that does not answer further: it starts, or its cluster has no majority.
    Hangs(Identity),
    /// An LXD of this site that does not know the desk.
    Untrusted(Identity),
    /// An LXD that answers.
    Server(Identity, Server),
    /// Something else; what.
    Nonsense(String),
}

/// A declared host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostSeen {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it answered.
    pub answer: Answer,
    /// Whether it shows the cluster's pair of the generation before the declared one.
    pub earlier_pair: bool,
}

impl HostSeen {
    /// What its LXD says of itself, if it says anything.
    #[must_use]
    pub fn server(&self) -> Option<&Server> {
        match &self.answer {
            Answer::Server(_, server) => Some(server),
            _ => None,
        }
    }
}

/// A member on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its address as LXD has it.
    pub url: String,
    /// LXD's word: Online, Offline, Evacuated, Blocked.
    pub status: String,
    /// What LXD says of it.
    pub message: String,
}

/// A pool of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// LXD's driver.
    pub driver: String,
    /// LXD's word: Created, Pending, Errored, Unknown.
    pub status: String,
}

/// A pool on one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MemberPool {
    /// The member.
    pub member: String,
    /// The pool.
    pub pool: String,
    /// Where it is, as LXD has it on record.
    pub source: String,
    /// In bytes, if the member told.
    pub total: Option<u64>,
    /// In bytes, if the member told.
    pub used: Option<u64>,
    /// Why it did not.
    pub trouble: Option<String>,
}

/// A certificate that the cluster trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certificate {
    /// Its name in LXD.
    pub name: String,
    /// LXD's word: server, client, metrics.
    pub kind: String,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
    /// PEM.
    #[serde(skip)]
    pub pem: String,
}

/// The number that a founding has, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Founding {
    /// A member.
    pub member: String,
    /// The number.
    pub number: String,
}

/// A cluster as one of its members told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterSeen {
    /// The member that was asked.
    pub through: String,
    /// All members on record.
    pub members: Vec<Member>,
    /// All pools.
    pub pools: Vec<Pool>,
    /// Each pool on each declared member that is online.
    pub member_pools: Vec<MemberPool>,
    /// Every certificate in its trust store.
    pub certificates: Vec<Certificate>,
    /// What lxseed keeps in its configuration, by key.
    pub notes: BTreeMap<String, String>,
}

/// What would be lost with a member or a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Records {
    /// Names, with the project before a slash where it is another one than `default`.
    pub instances: Vec<String>,
    /// Custom volumes, each as POOL/NAME, with the project likewise.
    pub volumes: Vec<String>,
}

impl Records {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.instances.len() + self.volumes.len()
    }

    /// A line for each.
    #[must_use]
    pub fn listed(&self) -> Vec<String> {
        let instances = self.instances.iter().map(|name| format!("instance {name}"));
        let volumes = self.volumes.iter().map(|name| format!("volume {name}"));
        instances.chain(volumes).collect()
    }
}

/// All that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// Every declared host, in the order of the profile.
    pub hosts: Vec<HostSeen>,
    /// The cluster, if a member of it answered.
    pub cluster: Option<ClusterSeen>,
    /// The foundings that members told of; more than one number is more than one cluster.
    pub foundings: Vec<Founding>,
}

impl Seen {
    /// The hosts that show the cluster's pair of the generation before the declared one.
    pub(super) fn hosts_with_earlier_pair(&self) -> impl Iterator<Item = &str> {
        let hosts = self.hosts.iter().filter(|host| host.earlier_pair);
        hosts.map(|host| host.name.as_str())
    }

    /// Whether an LXD of this site answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.hosts.iter().any(|host| {
            matches!(
                host.answer,
                Answer::Server(..) | Answer::Hangs(_) | Answer::Untrusted(_)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_is_told_is_read_word_for_word() {
        let told = Told::parse("stopped disks disk WD-1 is not blank: btrfs  twice").unwrap();
        assert_eq!(
            (told.state.as_str(), told.stage.as_str(), told.message.as_str()),
            ("stopped", "disks", "disk WD-1 is not blank: btrfs  twice")
        );
        assert_eq!(Told::parse("done seal").unwrap().message, "");
        assert!(Told::parse("").is_none() && Told::parse("working").is_none());
    }
}
