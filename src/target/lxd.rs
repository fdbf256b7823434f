//! LXD snap channels on Ubuntu 18.04: which track works with which kernel and storage driver.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Driver, KernelFacts, Release, Version};

/// Tracks of the LXD snap. A cluster forms without a password or token only where the server certificate of a member
/// can be trusted beforehand: LXD 4.0.6 and later. The newer is the greater, and an LXD goes up by one of them at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    /// 4.0 LTS: no strict preseed decoding, security fixes only.
    V4_0,
    /// 5.0 LTS: the newest with ZFS tools for both kernels of 18.04.
    V5_0,
    /// 5.21 LTS: brings ZFS tools 0.8 and later, so on 18.04 ZFS needs the HWE kernel.
    V5_21,
}

/// A key of a storage pool that each member has a value of its own for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKey {
    /// The block device, folder, zpool or volume group the pool lies on.
    Source,
    /// The size of a loop file.
    Size,
    /// Whether what is on the source may be overwritten.
    SourceWipe,
    /// The zpool's name on this member.
    ZfsPool,
    /// The volume group's name on this member.
    LvmVolumeGroup,
    /// The thin pool's name on this member.
    LvmThinpool,
    /// What `source` was before LXD replaced it.
    InitialSource,
}

impl MemberKey {
    /// The key as LXD writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Size => "size",
            Self::SourceWipe => "source.wipe",
            Self::ZfsPool => "zfs.pool_name",
            Self::LvmVolumeGroup => "lvm.vg_name",
            Self::LvmThinpool => "lvm.thinpool_name",
            Self::InitialSource => "volatile.initial_source",
        }
    }
}

/// Who gives a member-specific key its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The preseed, for every member: LXD would take a default that is not meant, such as a loop file on the system
    /// disk.
    Here,
    /// The driver, from the pool's name or the source, in the same way on every member.
    ByDriver,
    /// Nobody: it is for loop files only.
    ForLoopFile,
    /// Nobody, on purpose: it would take the guard away.
    Never,
}

/// Where the snap keeps its databases, the member's own and the cluster's.
pub const DATABASE: &str = "/var/snap/lxd/common/lxd/database";

/// Stability levels of a channel.
const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];

/// A snap channel, track and risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The track.
    pub track: Track,
    risk: &'static str,
}

impl Track {
    const ALL: [(Self, &str); 3] = [(Self::V4_0, "4.0"), (Self::V5_0, "5.0"), (Self::V5_21, "5.21")];

    /// The track that a version such as `5.0.3-babaaf8`, or a channel such as `5.0/stable/ubuntu-18.04`, belongs to.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let is_of = |track: &str| {
            let rest = text.strip_prefix(track);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '/']))
        };
        Self::ALL.iter().find_map(|(track, word)| is_of(word).then_some(*track))
    }

    /// The next one.
    pub(crate) fn next(self) -> Option<Self> {
        let mut tracks = Self::ALL.iter().map(|(track, _)| *track);
        tracks.find(|track| *track > self)
    }

    pub(crate) fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(track, _)| *track == self)
            .map_or("", |(_, word)| word)
    }

    /// The track of a number such as `5.21.3`, `v5.0` or `5`.
    fn suggested_by(text: &str) -> Option<Self> {
        let number = text.trim_start_matches('v');
        let is_of = |track: &str| {
            let rest = number.strip_prefix(track);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                || track.strip_suffix(".0") == Some(number)
        };
        Self::ALL.iter().find_map(|(track, word)| is_of(word).then_some(*track))
    }

    /// The keys of a pool's configuration that belong to one member with this driver, and how each gets its value. All
    /// other keys are the cluster's, and a joiner gets them from it.
    ///
    /// From LXD's lists of node-specific storage keys (`lxd/db/storage_pools.go` of 4.0.13, 5.0.9 and 5.21.7), and from
    /// what each driver reads of them. A key in `member_config` that is not of these is dropped with a line in the
    /// daemon's log.
    #[must_use]
    pub fn member_keys(self, driver: Driver) -> &'static [(MemberKey, Given)] {
        use Given::{ByDriver, ForLoopFile, Here, Never};
        use MemberKey::{InitialSource, LvmThinpool, LvmVolumeGroup, Size, Source, SourceWipe, ZfsPool};
        // `source.wipe` came with 5.0.3 and is unknown to 4.0's validation.
        match (driver, self) {
            (Driver::Zfs, Self::V4_0) => &[
                (Source, Here),
                (ZfsPool, ByDriver),
                (Size, ForLoopFile),
                (InitialSource, ByDriver),
            ],
            (Driver::Zfs, _) => &[
                (Source, Here),
                (ZfsPool, ByDriver),
                (Size, ForLoopFile),
                (SourceWipe, Never),
                (InitialSource, ByDriver),
            ],
            (Driver::Btrfs, Self::V4_0) => &[(Source, Here), (Size, ForLoopFile), (InitialSource, ByDriver)],
            (Driver::Btrfs, _) => &[
                (Source, Here),
                (Size, ForLoopFile),
                (SourceWipe, Never),
                (InitialSource, ByDriver),
            ],
            (Driver::Lvm, Self::V4_0) => &[
                (Source, Here),
                (LvmVolumeGroup, ByDriver),
                (LvmThinpool, ByDriver),
                (Size, ForLoopFile),
                (InitialSource, ByDriver),
            ],
            (Driver::Lvm, _) => &[
                (Source, Here),
                (LvmVolumeGroup, ByDriver),
                (LvmThinpool, ByDriver),
                (Size, ForLoopFile),
                (SourceWipe, Never),
                (InitialSource, ByDriver),
            ],
            (Driver::Dir, _) => &[(Source, Here), (InitialSource, ByDriver)],
        }
    }

    /// The first version of OpenZFS's kernel module that its ZFS tools fit. The snap carries its own and picks them by
    /// the version of the module: 4.0 and 5.0 have tools from 0.6.5 on, 5.21 from 0.8 on. The other drivers have no
    /// such coupling.
    fn zfs_since(self) -> Version {
        match self {
            Self::V4_0 | Self::V5_0 => Version(0, 6),
            Self::V5_21 => Version(0, 8),
        }
    }

    /// The oldest kernel that its documentation asks for.
    fn documented_kernel(self) -> Option<Version> {
        match self {
            Self::V4_0 => None,
            Self::V5_0 => Some(Version(5, 4)),
            Self::V5_21 => Some(Version(5, 15)),
        }
    }

    /// Why a driver does not work with this track on a kernel, if so.
    #[must_use]
    pub fn refuses(self, kernel: &KernelFacts, driver: Driver) -> Option<String> {
        let since = self.zfs_since();
        (driver == Driver::Zfs && kernel.zfs < since).then(|| {
            format!(
                "LXD {} brings ZFS tools {since} and later, but the {} kernel {} has ZFS {}",
                self.word(),
                kernel.kernel.word(),
                kernel.linux,
                kernel.zfs
            )
        })
    }

    /// The kernel that LXD's documentation asks for, where this one is older than that.
    #[must_use]
    pub fn wants_newer_kernel(self, kernel: &KernelFacts) -> Option<Version> {
        self.documented_kernel().filter(|documented| kernel.linux < *documented)
    }
}

/// Whether this version of LXD makes a zpool of a device whatever lies on it. Up to 5.0.2 it says `zpool create -f`
/// (lxd/storage/drivers/driver_zfs.go); what cannot be read is taken for one that does.
#[must_use]
pub(crate) fn overwrites_by_zpool(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(5), Some(0), patch) => patch.is_none_or(|patch| patch < 3),
        // The monthly versions between 5.0 and 5.12 had the option still.
        (Some(5), Some(minor), _) => minor < 12,
        (Some(major), ..) => major < 5,
        (None, ..) => true,
    }
}

impl Channel {
    /// The channels that can be named, as a regular expression for the schemas.
    pub(crate) fn pattern() -> String {
        let tracks = Track::ALL.map(|(_, word)| word.replace('.', "[.]"));
        format!("^({})(/({}))?$", tracks.join("|"), RISKS.join("|"))
    }

    /// What is proposed where no release is known: what the newest one takes.
    #[must_use]
    pub fn default_channel() -> Self {
        Self {
            track: super::newest().lxd,
            risk: "stable",
        }
    }

    /// What is installed on a release unless the profile says otherwise.
    #[must_use]
    pub fn default_of(release: &Release) -> Self {
        Self {
            track: release.lxd,
            risk: "stable",
        }
    }

    /// Whether a build with this version can come from this channel. What is not released yet is named after its
    /// commit.
    #[must_use]
    pub fn may_have(&self, version: &str) -> bool {
        let numbers = version.strip_prefix(self.track.word());
        numbers.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
            || (!self.is_stable() && version.starts_with("git-"))
    }

    /// Whether `lxd cluster edit` is run on one member, whose database is then carried to the others (LXD 5.21.3 and
    /// later); before that it is run on each.
    #[must_use]
    pub fn copies_edited_database(&self) -> bool {
        self.track == Track::V5_21
    }

    /// The channel of the same track with what has been released as stable.
    #[must_use]
    pub fn stable(&self) -> Self {
        Self {
            track: self.track,
            risk: "stable",
        }
    }

    /// The channel that a misspelt one means: a risk with a slip, a point release for its track, another separator. A
    /// track that exists and does not fit is none of these.
    #[must_use]
    pub fn suggested_by(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (mut track, mut risk) = (None, None);
        for part in lower.split(['/', ' ', ':', '-', '_']).filter(|part| !part.is_empty()) {
            let near = RISKS
                .into_iter()
                .find(|known| strsim::damerau_levenshtein(known, part) <= 2);
            if let (Some(found), None) = (Track::suggested_by(part), track) {
                track = Some(found);
            } else if let (Some(found), None) = (near, risk) {
                risk = Some(found);
            } else {
                return None;
            }
        }
        (track.is_some() || risk.is_some()).then(|| Self {
            track: track.unwrap_or(Self::default_channel().track),
            risk: risk.unwrap_or("stable"),
        })
    }

    /// Whether what is in the channel has been released as stable.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        self.risk == "stable"
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.track.word(), self.risk)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (track, risk) = text.split_once('/').unwrap_or((text, "stable"));
        let risk = RISKS
            .into_iter()
            .find(|known| *known == risk)
            .ok_or_else(|| format!("`{risk}` is none of {}", RISKS.join(", ")))?;
        if let Some((track, _)) = Track::ALL.into_iter().find(|(_, word)| *word == track) {
            return Ok(Self { track, risk });
        }
        Err(match track {
            "2.0" | "3.0" => {
                format!("LXD {track} members share one certificate, so a host cannot be trusted before it joins")
            }
            "6" | "latest" => {
                format!("track {track} asks for kernel 6.8, and 18.04 has at most 5.4")
            }
            "stable" | "candidate" | "beta" | "edge" => {
                "a channel without a track follows the newest LXD; name the track".to_owned()
            }
            _ => "there is no such track".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_known_by_a_slip_of_its_name() {
        for (text, meant) in [
            ("5.0/stabel", "5.0/stable"),
            ("5.0/Stable", "5.0/stable"),
            ("5.21-edge", "5.21/edge"),
            ("5.21.3/stable", "5.21/stable"),
            ("v5.0", "5.0/stable"),
            ("5/stable", "5.0/stable"),
            ("stable/5.0", "5.0/stable"),
            ("stable", "5.0/stable"),
            ("4.0/canditate", "4.0/candidate"),
        ] {
            let found = Channel::suggested_by(text).map(|channel| channel.to_string());
            assert_eq!(found.as_deref(), Some(meant), "{text}");
        }
        for text in [
            "latest/stable",
            "6/stable",
            "3.0",
            "7.0/stable",
            "5.0/stable/fix",
            "",
            "/",
        ] {
            assert_eq!(Channel::suggested_by(text), None, "{text}");
        }
    }

    /// LXD's own lists, whatever the driver.
    #[test]
    fn member_keys_are_those_of_lxd() {
        let old = [
            "size",
            "source",
            "volatile.initial_source",
            "zfs.pool_name",
            "lvm.thinpool_name",
            "lvm.vg_name",
        ];
        for (track, _) in Track::ALL {
            let mut listed: Vec<&str> = old.to_vec();
            if track != Track::V4_0 {
                listed.push("source.wipe");
            }
            let mut known: Vec<&str> = Driver::ALL
                .iter()
                .flat_map(|driver| track.member_keys(*driver))
                .map(|(key, _)| key.word())
                .collect();
            known.sort_unstable();
            known.dedup();
            listed.sort_unstable();
            assert_eq!(known, listed, "{track:?}");
        }
    }
}
