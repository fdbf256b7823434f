//! What a plan is made of: the calls that change a cluster, what is left as it is, and refusals.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::seen::Records;

/// The one call by which something changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// The cluster trusts a certificate.
    Trust {
        /// Its name in LXD's trust store.
        name: String,
        /// LXD's word: `server` for a member's, `client` for a person's.
        #[serde(rename = "type")]
        type_: &'static str,
        /// SHA-256 of the certificate.
        fingerprint: String,
        /// Base64 of its DER.
        #[serde(skip)]
        certificate: String,
    },
    /// The cluster trusts a certificate no more.
    Distrust {
        /// Its name in LXD's trust store.
        name: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// Something is kept in the cluster's configuration.
    Note {
        /// The key, of those that begin with `user.lxseed.`, or one of LXD's own.
        key: String,
        /// The value; an empty one takes the key away.
        value: String,
    },
    /// The cluster's own pair is given to all members, by LXD's own call: the member that is asked passes it on to all others,
    /// and takes it itself once they have it.
    GivePair {
        /// Its generation.
        generation: u32,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// The same to one member alone, which an earlier call has not reached.
    GivePairTo {
        /// The member.
        member: String,
        /// Its generation.
        generation: u32,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// LXD on a member's machine gets another pair of its own, and is started anew beside its instances, over ssh. Whoever carries it out
    /// waits before until every member takes the pair, and after it until the member is there.
    GiveServer {
        /// The member.
        host: String,
        /// Its generation.
        generation: u32,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// sshd on a member's machine gets another host key, over ssh.
    GiveSsh {
        /// The member.
        host: String,
        /// Its generation.
        generation: u32,
    },
    /// A trusted certificate gets its proper name, and every member reads the whole list anew.
    Name {
        /// The name.
        name: String,
        /// SHA-256 of the certificate.
        fingerprint: String,
    },
    /// The instances of a member are moved to the others.
    Evacuate {
        /// The member.
        member: String,
    },
    /// The instances of a member that was evacuated come back to it.
    Restore {
        /// The member.
        member: String,
    },
    /// A member is taken off the record.
    Remove {
        /// The member.
        member: String,
        /// Whether it is gone, and all that is on record for it is given up.
        lost: bool,
    },
    /// A member that was installed anew has forgotten what it voted for, and votes no more until its copy of the database is whole.
    TakeVote {
        /// The member.
        member: String,
        /// Where the database has it: address and port.
        address: String,
    },
    /// A host that comes back gets the cluster's key, which goes at its seal.
    HandKey {
        /// The host.
        host: String,
    },
    /// A pool is declared for one member. LXD wants this of each before it makes the pool anywhere.
    DeclarePool {
        /// The pool.
        pool: String,
        /// LXD's driver.
        driver: &'static str,
        /// The member.
        member: String,
        /// Where it is to be, as the member itself has told.
        source: String,
    },
    /// A pool that was declared for every member is made on all of them.
    MakePool {
        /// The pool.
        pool: String,
        /// LXD's driver.
        driver: &'static str,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trust {
                name,
                type_,
                fingerprint,
                ..
            } => write!(f, "trust the {type_} certificate of {name} ({fingerprint:.12})"),
            Self::Distrust { name, fingerprint } => {
                write!(f, "trust the certificate of {name} no more ({fingerprint:.12})")
            }
            Self::Note { key, value } if value.is_empty() => write!(f, "take {key} out of the cluster's configuration"),
            Self::Note { key, value } => write!(f, "set {key} to {value} in the cluster's configuration"),
            Self::GivePair {
                generation,
                fingerprint,
            } => write!(
                f,
                "give every member the cluster's pair of generation {generation} ({fingerprint:.12})"
            ),
            Self::GivePairTo {
                member,
                generation,
                fingerprint,
            } => write!(
                f,
                "give {member} the cluster's pair of generation {generation} ({fingerprint:.12})"
            ),
            Self::GiveServer {
                host,
                generation,
                fingerprint,
            } => write!(
                f,
                "give LXD on {host} its pair of generation {generation} ({fingerprint:.12}) over ssh, and restart it beside its instances"
            ),
            Self::GiveSsh { host, generation } => {
                write!(
                    f,
                    "give sshd on {host} its host key of generation {generation} over ssh"
                )
            }
            Self::Name { name, fingerprint } => {
                write!(
                    f,
                    "call the certificate {fingerprint:.12} {name}, and see that no member takes an earlier one"
                )
            }
            Self::Evacuate { member } => write!(f, "move the instances of {member} to the other members"),
            Self::Restore { member } => write!(f, "bring the instances of {member} back to it"),
            Self::Remove { member, lost: false } => write!(f, "remove the member {member}"),
            Self::Remove { member, lost: true } => {
                write!(f, "remove the member {member} with all that is on record for it")
            }
            Self::TakeVote { member, .. } => {
                write!(
                    f,
                    "let {member} have no vote in the database until its copy is whole again"
                )
            }
            Self::HandKey { host } => write!(f, "hand the cluster's key to {host}, to come back with"),
            Self::DeclarePool {
                pool,
                driver,
                member,
                source,
            } => write!(f, "declare the pool {pool} ({driver}) for {member}, on {source}"),
            Self::MakePool { pool, .. } => write!(f, "make the pool {pool} on every member"),
        }
    }
}

/// What shall be done, in this order, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Each can be cut off from the next; what was done is not in the next plan.
    pub steps: Vec<Step>,
    /// What differs and is left as it is, and why.
    pub left: Vec<Left>,
}

/// Something that differs and is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Left {
    /// What, and why.
    pub why: String,
    /// What is on it, a line for each.
    pub records: Vec<String>,
}

impl From<String> for Left {
    fn from(why: String) -> Self {
        Self {
            why,
            records: Vec::new(),
        }
    }
}

/// What was asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub struct Refusal {
    /// Why, and what to do.
    pub why: String,
    /// What would be lost, a line for each.
    pub records: Vec<String>,
}

pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        why: why.into(),
        records: Vec::new(),
    })
}

pub(super) fn refuse_to_lose(records: &Records, why: String) -> Result<(), Refusal> {
    Err(Refusal {
        why,
        records: records.listed(),
    })
}
