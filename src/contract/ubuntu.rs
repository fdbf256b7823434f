//! Ubuntu releases.

use std::str::FromStr;

use crate::model::Kernel;

/// A release lxseed can install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 18.04 LTS, bionic.
    Bionic,
}

impl Release {
    /// Every release.
    pub const ALL: [Self; 1] = [Self::Bionic];

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

    /// The kernel's own version.
    #[must_use]
    pub fn linux(self, kernel: Kernel) -> &'static str {
        match (self, kernel) {
            (Self::Bionic, Kernel::Ga) => "4.15",
            (Self::Bionic, Kernel::Hwe) => "5.4",
        }
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
