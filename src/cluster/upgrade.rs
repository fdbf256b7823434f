//! Another revision of LXD's snap on every member of a living cluster, one after the other.
//!
//! LXD's own order (lxd/db/cluster/open.go, lxd/daemon.go, 4.0 to 6): an LXD that starts writes its schema's and API's numbers into the
//! cluster's database, and while another member has lower ones it waits, its database's part running and its API answering 503; the
//! others go on. When the last has the same numbers it brings the schema forward and tells the others, who also look by themselves
//! each minute. A member with lower numbers than another does not start any more (up to 5.0) or waits, too (5.21), and a schema does not
//! go back. So all have to be there before the first is touched, and once the first has been, the only way is on.
//!
//! Nothing is kept of how far it came but the names of members that were evacuated: [`see_upgrade`] asks each host anew what it has,
//! and [`plan_upgrade`] decides from that alone, before each step.

mod ask;
mod plan;
mod walk;

use std::collections::BTreeMap;

use super::seen::Seen;
use super::step::Step;
use crate::target::lxd::{Channel, Track};

pub use ask::see_upgrade;
pub use plan::plan_upgrade;
pub use walk::{UpgradeError, upgrade_step};

/// What is wished for.
#[derive(Clone, Debug)]
pub struct UpgradeWish {
    /// The channel that the members are to follow.
    pub channel: Channel,
    /// Whether instances leave a member before its LXD is refreshed.
    pub evacuate: bool,
    /// The revision that this run goes to, once it is known: what the store offers may change while it is under way.
    pub revision: Option<u32>,
}

/// An LXD as the store numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The store's number.
    pub revision: u32,
    /// LXD's own, such as 5.0.3-babaaf8.
    pub version: String,
}

/// The state of the snap on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OnHost {
    /// Each installed snap: its revision.
    snaps: BTreeMap<String, u32>,
    /// LXD's version, as the snap has it.
    version: String,
    /// The channel that LXD's snap follows, as snapd writes it; `-` of one from a file.
    tracking: String,
    /// `uname -r`.
    kernel: String,
    /// Whether its LXD is, or was, in a cluster.
    clustered: bool,
    /// systemd's word for the daemon.
    unit: String,
    /// The daemon that runs has said that it waits for the other members, at its last word.
    waits: bool,
    /// Why its first boot stopped, if it did.
    problem: Option<String>,
    /// The last lines of LXD's log.
    log: Vec<String>,
}

impl OnHost {
    fn revision(&self) -> u32 {
        self.snaps.get("lxd").copied().unwrap_or_default()
    }

    /// What is newer than what: a track's next one, whatever number the store gave it; in a track, the higher number.
    fn age(&self) -> (Option<Track>, u32) {
        let track = Track::of(&self.version).or_else(|| Track::of(&self.tracking));
        (track, self.revision())
    }
}

/// A member's part in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// No vote.
    None,
    /// A vote.
    Voter,
    /// A vote, and the lead.
    Leader,
}

/// All that was seen before a step.
#[derive(Debug)]
pub struct UpgradeSeen {
    pub(super) seen: Seen,
    /// Of each member that has one.
    pub(super) roles: BTreeMap<String, Role>,
    /// Of each declared host, in their order: its snap, or why it could not be asked.
    pub(super) hosts: Vec<Result<OnHost, String>>,
    /// What the store has in the channel, if it had to be asked.
    pub(super) offer: Option<Result<Build, String>>,
}

/// One step of an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpgradeStep {
    /// Through LXD's API.
    Cluster(Step),
    /// A snap that the profile carries is installed from its file.
    Carry {
        /// The member.
        member: String,
        /// NAME_REVISION.
        snap: String,
    },
    /// LXD's snap is refreshed.
    Refresh {
        /// The member.
        member: String,
        /// The store's number.
        revision: u32,
    },
    /// LXD's snap follows the channel from now on.
    Follow {
        /// The member.
        member: String,
        /// The channel.
        channel: Channel,
    },
    /// The member has the revision, and is waited for until its LXD answers, or waits for the others.
    Await {
        /// The member.
        member: String,
    },
    /// All have the revision, and are waited for.
    AwaitAll,
}

impl UpgradeStep {
    /// Whether it changes nothing. An LXD that has just heard of the last member neither waits any more nor answers yet, so that what was
    /// waited for may have to be waited for again.
    #[must_use]
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::Await { .. } | Self::AwaitAll)
    }
}

impl std::fmt::Display for UpgradeStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster(step) => step.fmt(f),
            Self::Carry { member, snap } => write!(f, "install {snap}.snap on {member}, from the desk"),
            Self::Refresh { member, revision } => write!(f, "refresh the lxd snap of {member} to revision {revision}"),
            Self::Follow { member, channel } => write!(f, "let the lxd snap of {member} follow {channel}"),
            Self::Await { member } => {
                write!(
                    f,
                    "wait until LXD on {member} answers, or waits for the members that are not there yet"
                )
            }
            Self::AwaitAll => f.write_str("wait until all members answer as one cluster"),
        }
    }
}

/// What is to be done, in this order. Each step is decided anew once the one before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradePlan {
    /// The revision that all members get.
    pub revision: u32,
    /// The steps; none if all is as wished.
    pub steps: Vec<UpgradeStep>,
    /// What a person has to know of it.
    pub notes: Vec<String>,
}
