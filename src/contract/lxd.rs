//! LXD snap channels on Ubuntu 18.04: which track works with which kernel and storage driver.

use std::fmt;
use std::str::FromStr;

use super::ubuntu::Release;
use crate::model::{Driver, Kernel};

/// Tracks of the LXD snap. A cluster forms without a password or token only where the server certificate of a member
/// can be trusted beforehand: LXD 4.0.6 and later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// 4.0 LTS: no strict preseed decoding, security fixes only.
    V4_0,
    /// 5.0 LTS: the newest with ZFS tools for both kernels of 18.04.
    V5_0,
    /// 5.21 LTS: brings ZFS tools 0.8 and later, so on 18.04 ZFS needs the HWE kernel.
    V5_21,
}

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
    const ALL: [(Self, &str); 3] = [
        (Self::V4_0, "4.0"),
        (Self::V5_0, "5.0"),
        (Self::V5_21, "5.21"),
    ];

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(track, _)| *track == self)
            .map_or("", |(_, word)| word)
    }

    /// Why a driver does not work with this track on a kernel, if so. The snap carries its own ZFS tools and picks them by
    /// the version of the kernel's module: 4.0 and 5.0 have tools from 0.6.5 on, 5.21 from 0.8 on (0.8 was put back
    /// for 18.04's HWE kernel). The other drivers have no such coupling.
    #[must_use]
    pub fn refuses(self, release: Release, kernel: Kernel, driver: Driver) -> Option<String> {
        let (zfs, linux) = (release.zfs(kernel), release.linux(kernel));
        (driver == Driver::Zfs && self == Self::V5_21 && zfs == "0.7").then(|| {
            format!(
                "LXD 5.21 brings ZFS tools 0.8 and later, but the {} kernel {linux} has ZFS {zfs}",
                kernel.word()
            )
        })
    }

    /// The kernel LXD's documentation asks for, where 18.04's `kernel` is older than that.
    #[must_use]
    pub fn wants_newer_kernel(self, kernel: Kernel) -> Option<&'static str> {
        match (self, kernel) {
            (Self::V5_0, Kernel::Ga) => Some("5.4"),
            (Self::V5_21, _) => Some("5.15"),
            _ => None,
        }
    }
}

impl Channel {
    /// The channels that can be named, as a regular expression for the schemas.
    pub(crate) fn pattern() -> String {
        let tracks = Track::ALL.map(|(_, word)| word.replace('.', "[.]"));
        format!("^({})(/({}))?$", tracks.join("|"), RISKS.join("|"))
    }

    /// What is installed unless the profile says otherwise: the newest track whose documented kernel (5.4) 18.04 has.
    #[must_use]
    pub fn default_channel() -> Self {
        Self {
            track: Track::V5_0,
            risk: "stable",
        }
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
            "2.0" | "3.0" => format!(
                "LXD {track} members share one certificate, so a host cannot be trusted before it joins"
            ),
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
