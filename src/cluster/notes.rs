//! What lxseed keeps in LXD's own configuration: the keys, which the first boot's script writes and reads, too
//! (templates/first-boot/desk.sh and trust.sh).

/// What all of them begin with.
pub(super) const NOTES: &str = "user.lxseed.";

/// The number of the founding.
pub(super) const FOUNDING: &str = "user.lxseed.founding";

/// Of an LXD in no cluster: where its first boot stands.
pub(super) const FIRST_BOOT: &str = "user.lxseed.first-boot";

/// Of an LXD in no cluster: the cluster's private key, for a member that comes back. It goes with that LXD's database.
pub(super) const RETURN: &str = "user.lxseed.return";

pub(super) use crate::model::LXD_PROXY_EXCEPTIONS as PROXY_EXCEPTIONS;

/// What is noted of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The fingerprint that lxseed put into LXD's trust. What stands here and is gone from LXD's trust was taken out by a
    /// person.
    Server,
    /// The same of an administrator.
    Client,
    /// The day on which the desk first saw that a host may come, and its certificate's fingerprint after a space: with it
    /// begins the time for which one that never comes is trusted.
    Trusted,
    /// The tombstone: fingerprints, with commas between them, that no trust list takes again.
    Retired,
    /// Of a member: where its first boot stands.
    FirstBoot,
    /// The instance-id of the seed whose keys were removed. Seeds of earlier versions leave none.
    Sealed,
    /// The member is, or was about to be, evacuated by an upgrade, which restores it.
    Evacuated,
    /// Which volume of a member is ready for a pool that the cluster does not have; the pool's name follows.
    Ready,
}

impl Of {
    /// The key, up to the name.
    pub(super) fn head(self) -> String {
        let word = match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Trusted => "trusted",
            Self::Retired => "retired",
            Self::FirstBoot => "first-boot",
            Self::Sealed => "sealed",
            Self::Evacuated => "evacuated",
            Self::Ready => "ready",
        };
        format!("{NOTES}{word}.")
    }

    /// The key.
    pub(super) fn key(self, name: &str) -> String {
        self.head() + name
    }
}

/// The key of a member's volume that is ready for a pool. Neither name has a dot.
pub(super) fn ready(member: &str, pool: &str) -> String {
    format!("{}.{pool}", Of::Ready.key(member))
}
