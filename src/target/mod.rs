//! What the outside world promises: Ubuntu's releases, LXD's snap, and the words that choose among them. Nothing of
//! lxseed is below this.
//!
//! A release is a value. To add one, write its file and name it in [`ALL`]; a field that is missing does not compile.

pub mod bionic;
pub(crate) mod cloud_init;
mod date;
mod keyboards;
mod locales;
pub mod lxd;
pub(crate) mod sysctl;
mod word;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

pub use date::Date;
pub use keyboards::Keyboards;
pub use word::{BondMode, Driver, FindBy, HashPolicy, Kernel, LacpRate, Overlay, VolumeKind};

/// Every release that lxseed can install, the newest last.
pub static ALL: &[&Release] = &[&bionic::BIONIC];

/// The numbers of all releases, for a message.
#[must_use]
pub fn versions() -> String {
    let versions: Vec<&str> = ALL.iter().map(|release| release.version).collect();
    versions.join(", ")
}

/// The newest release.
#[must_use]
pub fn newest() -> &'static Release {
    ALL.last().copied().unwrap_or(&bionic::BIONIC)
}

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

impl Version {
    /// The version of a kernel that is named as Ubuntu names its own: 5.4.0-150-generic.
    pub(crate) fn of_kernel(kernel: &str) -> Option<Self> {
        let (numbers, build) = kernel.split_once('-')?;
        let (build, flavour) = build.split_once('-')?;
        let mut numbers = numbers.split('.');
        let version = Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let rest = (numbers.next(), numbers.next(), build.parse::<u32>().is_ok());
        (rest == (Some("0"), None, true) && !flavour.is_empty()).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What lxseed has to know of a release of Ubuntu.
#[derive(Debug)]
pub struct Release {
    /// The number, as profiles and `/etc/os-release` write it.
    pub version: &'static str,
    /// What else it is called by people who mean it beyond doubt, in lower case.
    pub spellings: &'static [&'static str],
    /// The day it came out.
    pub released: Date,
    /// The kernels that a profile can choose.
    pub kernels: &'static [KernelFacts],
    /// The track of the LXD snap that is installed unless the profile says otherwise.
    pub lxd: lxd::Track,
    /// What names its udev makes for disks.
    pub udev: Udev,
    /// Which keys its sshd takes.
    pub openssh: OpenSsh,
    /// What follows from its C library for password hashes.
    pub crypt: Crypt,
    /// What its C library has locales for.
    pub locales: &'static Locales,
    /// Keyboards that it has names for.
    pub keyboards: Keyboards,
    /// Names of time zones that its install media do not know yet, each with one of the same time that they know.
    pub newer_zones: &'static [(&'static str, &'static str)],
    /// Accounts and groups that a fresh system has.
    pub accounts: &'static [&'static str],
    /// Packages that a profile cannot ask for, and what there is instead.
    pub own_packages: &'static [(&'static str, &'static str)],
    /// In bytes: below it the system and what the first boot adds to it cannot be.
    pub smallest_system_disk: u64,
    /// What its machines run on, as dpkg and snapd call it.
    pub architecture: &'static str,
    /// What installs it.
    pub installer: Installer,
    /// Images that the installer starts from, as published.
    pub server_images: &'static [Published],
    /// The file to start from where a machine is imaged.
    pub cloud_image: &'static str,
}

/// The locales of UTF-8 of a C library. Languages that came after UTF-8 have it without saying so.
#[derive(Debug)]
pub struct Locales {
    /// `de_DE` of `de_DE.UTF-8`, with blanks between them.
    with_charset: &'static str,
    /// `en_IN`, likewise, whose name is without `.UTF-8`.
    bare: &'static str,
}

impl Locales {
    /// What the locale of a language and a country, `de_DE`, is called.
    #[must_use]
    pub fn named(&self, place: &str) -> Option<String> {
        let is_in = |list: &str| list.split(' ').any(|known| known == place);
        if is_in(self.with_charset) {
            Some(format!("{place}.UTF-8"))
        } else {
            is_in(self.bare).then(|| place.to_owned())
        }
    }

    /// Languages and countries.
    pub fn places(&self) -> impl Iterator<Item = &'static str> {
        [self.with_charset, self.bare]
            .into_iter()
            .flat_map(|list| list.split(' '))
    }
}

/// A kernel of a release.
#[derive(Debug)]
pub struct KernelFacts {
    /// What a profile calls it.
    pub kernel: Kernel,
    /// Its own version.
    pub linux: Version,
    /// The version of OpenZFS's module that comes with it. LXD's snap picks its ZFS tools by it.
    pub zfs: Version,
}

/// What of a disk's names depends on the version of udev.
#[derive(Debug)]
pub struct Udev {
    /// systemd's version.
    pub version: u16,
    /// Whether by-path names of ATA disks say which one behind a port multiplier it is: `…-ata-1.0` (246,
    /// systemd#15537).
    pub ata_device_in_path: bool,
    /// Whether by-id names of NVMe disks end with their namespace: `nvme-MODEL_SERIAL_1` (254, systemd#26814).
    pub nvme_namespace_in_id: bool,
}

/// What sshd takes as a public key.
#[derive(Debug)]
pub struct OpenSsh {
    /// Its version.
    pub version: Version,
    /// Kinds of keys that it accepts by default.
    pub kinds: &'static [&'static str],
    /// Longest line that it reads, in bytes.
    pub line_max: usize,
    /// The first version that takes keys of security tokens.
    pub security_keys_since: Version,
}

/// What crypt(3) takes as a hash.
#[derive(Debug)]
pub struct Crypt {
    /// The letters between the first two dollar signs, and how many characters the digest has.
    pub digests: &'static [(&'static str, usize)],
    /// Whether it knows yescrypt.
    pub yescrypt: bool,
    /// Longest salt, in characters.
    pub salt_max: usize,
    /// How many rounds it does if the hash names none.
    pub default_rounds: u64,
    /// The rounds it takes.
    pub rounds: std::ops::RangeInclusive<u64>,
}

/// An image as it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The point release.
    pub release: &'static str,
    /// The file's name.
    pub name: &'static str,
    /// Lower-case hexadecimal, as its SHA256SUMS gives it.
    pub sha256: &'static str,
}

/// What installs a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installer {
    /// The debian-installer, which takes preseeded answers.
    Debian,
}

impl Release {
    /// The release that a misspelt one means beyond doubt: its code name, a point release, a lost zero.
    #[must_use]
    pub fn suggested_by(text: &str) -> Option<&'static Self> {
        let lower = text.to_ascii_lowercase();
        let word = lower.trim_start_matches("ubuntu").trim_start_matches([' ', '-']);
        let is_one_of = |spellings: &[&str]| {
            spellings.iter().any(|name| {
                word.strip_prefix(name)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
            })
        };
        ALL.iter().copied().find(|release| is_one_of(release.spellings))
    }

    /// What there is to know of one of its kernels. A release has each of them.
    #[must_use]
    pub fn kernel(&self, kernel: Kernel) -> &KernelFacts {
        self.kernels
            .iter()
            .find(|facts| facts.kernel == kernel)
            .unwrap_or(&self.kernels[0])
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.version)
    }
}

impl FromStr for &'static Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let release = ALL.iter().find(|release| release.version == text);
        release
            .copied()
            .ok_or_else(|| format!("lxseed installs Ubuntu {}, not {text}", versions()))
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
            assert_eq!(Release::suggested_by(text), Some(&bionic::BIONIC), "{text}");
        }
        for text in ["18.10", "20.04", "18.044", "focal", "", "8.04"] {
            assert_eq!(Release::suggested_by(text), None, "{text}");
        }
    }

    #[test]
    fn every_release_has_every_kernel() {
        for release in ALL {
            for kernel in Kernel::ALL {
                assert_eq!(release.kernel(*kernel).kernel, *kernel);
            }
        }
    }

    #[test]
    fn kernels_of_ubuntu_are_told_from_others() {
        for (name, version) in [
            ("5.4.0-150-generic", Some(Version(5, 4))),
            ("4.15.0-213-lowlatency", Some(Version(4, 15))),
            ("5.15.0-91-generic-64k", Some(Version(5, 15))),
            ("6.18.44-fc-v657", None),
            ("5.4.17-2136.el8", None),
            ("5.4.0", None),
            ("", None),
        ] {
            assert_eq!(Version::of_kernel(name), version, "{name}");
        }
    }
}
