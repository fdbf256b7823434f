//! The profile types: cluster.yaml, disks/*.yaml, hosts/*.yaml.

use std::net::IpAddr;

use ipnet::IpNet;

use super::lower::{FromText, Named, Sp, did_you_mean, record};
use crate::model::{ByteSize, Driver, Kernel, Mac, Overlay};

record! {
    /// `cluster.yaml`: one LXD cluster.
    pub struct Cluster {
        /// The cluster's name; also the folder below `out/`.
        required name: String,
        /// The release to install, for example `"18.04"`.
        required ubuntu: String,
        /// Which kernel the machines run; `hwe` unless said otherwise.
        optional kernel: Kernel,
        /// Where LXD comes from.
        optional lxd: LxdSource,
        /// The host that forms the cluster; all others join it.
        required bootstrap: String,
        /// What all hosts of the cluster share.
        required network: ClusterNetwork,
        /// The storage pools that every member has.
        required pools: Named<Pool>,
        /// Who may log in.
        required admin: Admin,
        /// Warnings to silence: the rule's name and the reason.
        optional allow: Named<String>,
    }
}

record! {
    /// `lxd:` in cluster.yaml.
    pub struct LxdSource {
        /// The snap channel, for example `5.0/stable`.
        optional channel: String,
    }
}

record! {
    /// `network:` in cluster.yaml.
    pub struct ClusterNetwork {
        /// The subnet that every host has its address in.
        required subnet: IpNet,
        /// The default gateway.
        required gateway: IpAddr,
        /// DNS servers.
        optional nameservers: Vec<Sp<IpAddr>>,
        /// DNS search domains.
        optional search: Vec<Sp<String>>,
        /// How instances reach one another across hosts; `fan` unless said otherwise.
        optional overlay: Overlay,
    }
}

record! {
    /// One entry of `pools:`.
    pub struct Pool {
        /// LXD's storage driver.
        required driver: Driver,
        /// The volume it sits on; the one of the same name unless said otherwise.
        optional volume: String,
    }
}

record! {
    /// `admin:` in cluster.yaml.
    pub struct Admin {
        /// The login that is made on every host.
        required user: String,
        /// OpenSSH public keys of that login.
        optional ssh_authorized_keys: Vec<Sp<String>>,
        /// A crypt(3) hash for the console, `$6$…`; without it there is no password login.
        optional password_hash: String,
        /// Public LXD client certificates (PEM) that the cluster trusts from the first minute.
        optional lxd_certificates: Named<String>,
    }
}

record! {
    /// `disks/*.yaml`: what a machine of one model has, and what to build from it.
    pub struct Disks {
        /// The name that hosts refer to.
        required name: String,
        /// Where the system goes.
        required os: OsDisk,
        /// What is built for the pools.
        required volumes: Named<Volume>,
        /// How slots are found, as far as it is the same on every machine.
        optional slots: Named<Slot>,
    }
}

record! {
    /// `os:` of a disks profile.
    pub struct OsDisk {
        /// The slot of the system disk.
        required slot: String,
    }
}

record! {
    /// One entry of `volumes:`; exactly one kind.
    pub struct Volume {
        /// A single block device, such as a hardware RAID volume.
        optional device: String,
        /// Linux md RAID-1 over two slots.
        optional mirror: Vec<Sp<String>>,
        /// A zpool with one mirror over two slots.
        optional zfs_mirror: Vec<Sp<String>>,
    }
}

record! {
    /// One entry of `slots:`: one way to find the disk, and guards.
    pub struct Slot {
        /// Name below /dev/disk/by-id.
        optional by_id: String,
        /// The disk's serial number.
        optional serial: String,
        /// The disk's World Wide Name.
        optional wwn: String,
        /// Name below /dev/disk/by-path.
        optional by_path: String,
        /// SCSI host:channel:target:lun.
        optional hctl: String,
        /// The disk is at least this large.
        optional min_size: ByteSize,
        /// The disk is at most this large.
        optional max_size: ByteSize,
        /// The serial number of the disk that may be overwritten although it is not blank.
        optional wipe: String,
    }
}

record! {
    /// `hosts/*.yaml`: one machine.
    pub struct Host {
        /// Host name and LXD member name.
        required name: String,
        /// The disks profile of its model.
        required disks: String,
        /// How it is on the network.
        required network: HostNetwork,
        /// What is particular to this machine's disks.
        optional slots: Named<Slot>,
        /// Raise it by one to give this host new keys; 1 unless said otherwise.
        optional generation: u32,
    }
}

record! {
    /// `network:` of a host.
    pub struct HostNetwork {
        /// Hardware address of the interface, by which it is matched.
        required mac: Mac,
        /// The host's address; the prefix length is the subnet's.
        required address: IpAddr,
    }
}

/// Makes the words of a choice readable from text, with a suggestion for a near miss.
macro_rules! choice {
    ($type:ty, $expected:literal) => {
        impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, String> {
                <$type>::ALL
                    .iter()
                    .copied()
                    .find(|choice| choice.word() == text)
                    .ok_or_else(|| {
                        match did_you_mean(text, <$type>::ALL.iter().map(|choice| choice.word())) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => "there is no such choice".to_owned(),
                        }
                    })
            }
        }
    };
}

choice!(Kernel, "`ga` (4.15) or `hwe` (5.4)");
choice!(Driver, "one of zfs, btrfs, lvm, dir");
choice!(Overlay, "one of fan, bridge, none");

impl FromText for String {
    const EXPECTED: &'static str = "one text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for Mac {
    const EXPECTED: &'static str = "a MAC address such as \"52:54:00:12:34:56\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for ByteSize {
    const EXPECTED: &'static str = "a size with its unit, such as 960GB or 1TiB";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for IpAddr {
    const EXPECTED: &'static str = "an IP address such as 192.168.10.11";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| match text.split_once('/') {
            Some((address, _)) if address.parse::<Self>().is_ok() => {
                "leave the prefix length out, it is the subnet's".to_owned()
            }
            _ => "it is not an IP address".to_owned(),
        })
    }
}

impl FromText for IpNet {
    const EXPECTED: &'static str = "a subnet such as 192.168.10.0/24";

    fn from_text(text: &str) -> Result<Self, String> {
        let net: Self = text
            .parse()
            .map_err(|_| "it is not a subnet with a prefix length".to_owned())?;
        if net.addr() != net.network() {
            return Err(format!("the subnet's own address is {}", net.trunc()));
        }
        Ok(net)
    }
}
