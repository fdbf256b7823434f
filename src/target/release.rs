//! Ubuntu releases.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Kernel;

/// A release lxseed can install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 18.04 LTS, bionic.
    Bionic,
}

impl Release {
    /// Every release.
    pub const ALL: [Self; 1] = [Self::Bionic];

    /// The release that a misspelt one means beyond doubt: its code name, a point release, a lost zero.
    #[must_use]
    pub fn meant_by(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let word = lower
            .trim_start_matches("ubuntu")
            .trim_start_matches([' ', '-']);
        let is_bionic = ["bionic", "18.04", "18.4", "18-04", "1804"]
            .iter()
            .any(|name| {
                word.strip_prefix(name)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
            });
        is_bionic.then_some(Self::Bionic)
    }

    /// The number, as profiles and `/etc/os-release` write it.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Bionic => "18.04",
        }
    }

    /// The version of OpenZFS's kernel module that comes with a kernel. LXD's snap picks its ZFS tools by it.
    #[must_use]
    pub fn zfs(self, kernel: Kernel) -> &'static str {
        match (self, kernel) {
            (Self::Bionic, Kernel::Ga) => "0.7",
            (Self::Bionic, Kernel::Hwe) => "0.8",
        }
    }

    /// Bytes below which the system and what first boot adds to it cannot be: about 2.5 GB of a server installation, 0.5 GB of
    /// a second kernel, the snaps of LXD, its base and snapd in two revisions each, and room to unpack them.
    #[must_use]
    pub fn smallest_system_disk(self) -> u64 {
        match self {
            Self::Bionic => 4_000_000_000,
        }
    }

    /// The kernel's own version.
    #[must_use]
    pub fn linux(self, kernel: Kernel) -> &'static str {
        match (self, kernel) {
            (Self::Bionic, Kernel::Ga) => "4.15",
            (Self::Bionic, Kernel::Hwe) => "5.4",
        }
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.version())
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "18.04" => Ok(Self::Bionic),
            // From 20.04 on the server installer is another one (subiquity, autoinstall), so nothing of what is
            // written for 18.04's debian-installer would apply.
            _ => Err(format!("lxseed installs Ubuntu 18.04, not {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_other_names() {
        for text in [
            "bionic",
            "Bionic Beaver",
            "18.04.6",
            "18.04 LTS",
            "ubuntu-18.04",
            "18.4",
            "1804",
        ] {
            assert_eq!(Release::meant_by(text), Some(Release::Bionic), "{text}");
        }
        for text in ["18.10", "20.04", "18.044", "focal", "", "8.04"] {
            assert_eq!(Release::meant_by(text), None, "{text}");
        }
    }
}
