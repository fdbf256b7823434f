//! Site, cluster, host: what the renderer is given.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use camino::Utf8PathBuf;
use ipnet::IpNet;
use serde::Serialize;
use thiserror::Error;

use super::apt::Apt;
use super::links::Wiring;
use super::proxy::Proxy;
use super::scalar::{ByteSize, Mac, Name};
use super::system::System;
use crate::target::Release;
use crate::target::lxd::Channel;
use crate::target::{Driver, FindBy, Kernel, Overlay, VolumeKind};

/// LXD's API port: what the snap listens on by convention, and what `lxc remote add` tries first.
const LXD_PORT: u16 = 8443;

/// What a constructor was given that cannot be true. `check` reports all of this with places before a model is made, so
/// seeing one of these means that `check` has a hole.
#[derive(Debug, Error)]
#[error("{0} (lxseed check should have said so: please report it)")]
pub struct ModelError(pub(crate) String);

/// Every cluster of a site, by name.
#[derive(Clone, Debug)]
pub struct Site {
    /// The clusters.
    pub clusters: Vec<Cluster>,
}

/// What a cluster is made from.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterParts {
    /// Its name.
    pub name: Name,
    /// The release its machines run.
    pub ubuntu: &'static Release,
    /// Their kernel.
    pub kernel: Kernel,
    /// The channel of the LXD snap.
    pub channel: Channel,
    /// The snaps that the machines are given, in the order to install them in; none if they get them from the store.
    pub snaps: Vec<BundledSnap>,
    /// The name of the bootstrap host.
    pub bootstrap: Name,
    /// Whether it forms the cluster without a majority of the hosts.
    pub alone: bool,
    /// The common network.
    pub network: Network,
    /// The pools, in the order written.
    pub pools: Vec<Pool>,
    /// Who may log in.
    pub admin: Admin,
    /// What its machines are told of the world around them.
    pub services: Services,
    /// The generation of the desk's key; none if the desk has none.
    pub desk: Option<u32>,
    /// The generation of the cluster's own pair.
    pub generation: u32,
    /// The number of its founding, once it stands: nobody founds it any more.
    pub formed: Option<String>,
    /// Names of hosts to come, whose first keys are trusted already. None of them is a host.
    pub spares: Vec<Name>,
    /// For how many days a declared host that never came is trusted; none for ever. No file follows from it.
    #[serde(skip)]
    pub trust_for: Option<u16>,
    /// Hosts that were taken out.
    pub retired: Vec<Retired>,
    /// Its hosts, in any order.
    pub hosts: Vec<Host>,
}

/// A host that was taken out of its cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Retired {
    /// Its name, which another machine may have by now.
    pub name: Name,
    /// SHA-256 of its server certificates, in lower-case hexadecimal: they are not to be trusted again.
    pub fingerprints: Vec<String>,
}

/// A snap that is bundled to the machines.
#[derive(Clone, Debug, Serialize)]
pub struct BundledSnap {
    /// Its name in the store.
    pub name: String,
    /// The store's number of this build.
    pub revision: u32,
    /// In bytes.
    pub size: u64,
    /// SHA3-384, as the store's assertions write it.
    pub digest: String,
    /// Where it lies now, which nothing that is written follows from.
    #[serde(skip)]
    pub snap: Utf8PathBuf,
    /// Where its assertions lie now.
    #[serde(skip)]
    pub assertion: Utf8PathBuf,
}

impl BundledSnap {
    /// What its two files are called on a medium and on the machine, without their extensions.
    #[must_use]
    pub fn stem(&self) -> String {
        format!("{}_{}", self.name, self.revision)
    }
}

/// A cluster whose parts fit together.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Cluster {
    parts: ClusterParts,
    /// Spares that are hosts by now, which no file follows from.
    #[serde(skip)]
    declared_spares: Vec<Name>,
}

/// What all hosts of a cluster share.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Every host has its address in here.
    pub subnet: IpNet,
    /// Default gateway.
    pub gateway: IpAddr,
    /// DNS servers, in order.
    pub nameservers: Vec<IpAddr>,
    /// DNS search domains, in order.
    pub search: Vec<String>,
    /// LXD's network for instances.
    pub overlay: Overlay,
}

impl Network {
    /// Whether the gateway is on the wire without being in the subnet. An IPv6 router's link-local address is on every link.
    #[must_use]
    pub fn gateway_is_outside(&self) -> bool {
        self.gateway.is_ipv4() && !self.subnet.contains(&self.gateway)
    }
}

/// What machines are told of the world around them. What is absent stays as the release has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Services {
    /// A name of the time zone database.
    pub timezone: Option<String>,
    /// As in `LANG`.
    pub locale: Option<String>,
    /// The consoles' keyboard; none if it is a US one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<Keyboard>,
    /// Names and addresses of time servers, in order; none if it is the release's own.
    pub ntp: Vec<String>,
    /// Through whom they reach the world; none if they do so by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Where packages come from, and which there shall be; none if all is as the release has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apt: Option<Apt>,
}

/// A keyboard as xkb names it.
#[derive(Clone, Debug, Serialize)]
pub struct Keyboard {
    /// Its layout.
    pub layout: String,
    /// The layout's variant; nothing if it is the usual one.
    pub variant: String,
}

/// A storage pool that every member has.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// LXD's name for it.
    pub name: String,
    /// LXD's driver.
    pub driver: Driver,
    /// The volume it sits on.
    pub volume: String,
}

/// Who may log in.
#[derive(Clone, Debug, Serialize)]
pub struct Admin {
    /// Login name.
    pub user: String,
    /// OpenSSH public keys.
    pub ssh_authorized_keys: Vec<String>,
    /// crypt(3) hash for the console.
    pub password_hash: Option<String>,
    /// Client certificates that LXD trusts.
    pub lxd_certificates: Vec<ClientCertificate>,
}

/// A public client certificate of an administrator.
#[derive(Clone, Debug, Serialize)]
pub struct ClientCertificate {
    /// Its name in LXD's trust store.
    pub name: String,
    /// PEM.
    pub pem: String,
}

/// How one disk is found and what it must be like.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// The slot's name.
    pub slot: String,
    /// Which property identifies it.
    pub by: FindBy,
    /// The property's value.
    pub value: String,
    /// It is at least this large.
    pub min_size: Option<ByteSize>,
    /// It is at most this large.
    pub max_size: Option<ByteSize>,
    /// The serial number for which data on it may be overwritten.
    pub wipe: Option<String>,
}

/// A volume that a pool can sit on.
#[derive(Clone, Debug, Serialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub kind: VolumeKind,
    /// One slot for a device, two for a mirror.
    pub slots: Vec<String>,
}

/// What a host is made from.
#[derive(Clone, Debug, Serialize)]
pub struct HostParts {
    /// Host name and LXD member name.
    pub name: Name,
    /// Counts up when its keys shall change.
    pub generation: u32,
    /// What the machine's firmware says its serial number is, where an install medium shall find it by that.
    pub dmi_serial: Option<String>,
    /// The number of the installation on its disk that an install medium may erase.
    pub reinstall: Option<String>,
    /// The interface.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
    /// What else is said of its network.
    #[serde(skip_serializing_if = "Wiring::is_plain")]
    pub wiring: Wiring,
    /// The system disk's slot.
    pub os_slot: String,
    /// Every disk.
    pub disks: Vec<Disk>,
    /// Every volume.
    pub volumes: Vec<Volume>,
    /// What its system has of its owner's own.
    pub system: System,
}

/// A host whose disks and volumes fit together.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Host {
    parts: HostParts,
}

impl Host {
    /// Makes a host.
    ///
    /// # Errors
    /// If a volume or the system refers to a disk that is not there, or two of them to the same disk.
    pub fn new(parts: HostParts) -> Result<Self, ModelError> {
        let known: HashSet<&str> = parts.disks.iter().map(|disk| disk.slot.as_str()).collect();
        let mut used: HashSet<&str> = HashSet::new();
        let wanted = parts
            .volumes
            .iter()
            .flat_map(|volume| &volume.slots)
            .chain([&parts.os_slot]);
        for slot in wanted {
            if !known.contains(slot.as_str()) || !used.insert(slot) {
                return Err(ModelError(format!(
                    "host {} uses slot {slot} twice or does not have it",
                    parts.name
                )));
            }
        }
        for volume in &parts.volumes {
            let wanted = if volume.kind == VolumeKind::Device { 1 } else { 2 };
            if volume.slots.len() != wanted {
                return Err(ModelError(format!(
                    "volume {} of host {} needs {wanted} slots",
                    volume.name, parts.name
                )));
            }
        }
        Ok(Self { parts })
    }

    /// The volume of that name.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.parts.volumes.iter().find(|volume| volume.name == name)
    }

    /// Where LXD listens on this host.
    #[must_use]
    pub fn endpoint(&self) -> SocketAddr {
        SocketAddr::new(self.parts.address, LXD_PORT)
    }
}

impl std::ops::Deref for Host {
    type Target = HostParts;

    fn deref(&self) -> &HostParts {
        &self.parts
    }
}

impl Cluster {
    /// Whether this host's seed may form the cluster: the bootstrap host's, as long as the cluster is not formed. All
    /// others join.
    #[must_use]
    pub fn founds(&self, host: &Host) -> bool {
        host.name == self.bootstrap && self.formed.is_none()
    }

    /// Whether this host was a spare, and has the keys that are trusted since.
    #[must_use]
    pub fn was_spare(&self, host: &Host) -> bool {
        host.generation == 1 && self.declared_spares.contains(&host.name)
    }

    /// The name under which a fingerprint was retired, if it was.
    #[must_use]
    pub fn retired_as(&self, fingerprint: &str) -> Option<&Name> {
        let mut retired = self.retired.iter();
        let is_it = |retired: &&Retired| retired.fingerprints.iter().any(|known| known == fingerprint);
        retired.find(is_it).map(|retired| &retired.name)
    }

    /// Makes a cluster; the hosts are put in joining order, the bootstrap host first and the others by name.
    ///
    /// # Errors
    /// If there is not exactly one bootstrap host, a formed cluster has a single one, an address is outside the subnet or
    /// used twice, or a host has no volume for a pool.
    pub fn new(mut parts: ClusterParts) -> Result<Self, ModelError> {
        let refuse = |why: String| Err(ModelError(format!("cluster {}: {why}", parts.name)));
        if parts.hosts.iter().filter(|host| host.name == parts.bootstrap).count() != 1 {
            return refuse(format!("there is not exactly one host {}", parts.bootstrap));
        }
        if parts.formed.is_some() && parts.hosts.len() < 2 {
            return refuse("it is formed, and its only host has nobody to join".to_owned());
        }
        let mut seen = HashSet::new();
        for host in &parts.hosts {
            if !parts.network.subnet.contains(&host.address) || !seen.insert(host.address) {
                return refuse(format!("address {} is outside the subnet or used twice", host.address));
            }
            if let Some(pool) = parts.pools.iter().find(|pool| host.volume(&pool.volume).is_none()) {
                return refuse(format!("host {} has no volume for pool {}", host.name, pool.name));
            }
        }
        // A spare that was declared is a host like all others.
        let hosts = &parts.hosts;
        let (declared_spares, spares) = std::mem::take(&mut parts.spares)
            .into_iter()
            .partition(|spare| hosts.iter().any(|host| host.name == *spare));
        parts.spares = spares;
        let bootstrap = parts.bootstrap.clone();
        parts
            .hosts
            .sort_by(|a, b| (a.name != bootstrap, &a.name).cmp(&(b.name != bootstrap, &b.name)));
        Ok(Self { parts, declared_spares })
    }

    /// The host that forms the cluster. Hosts are in joining order, so it is the first.
    #[must_use]
    pub fn bootstrap_host(&self) -> &Host {
        &self.parts.hosts[0]
    }
}

impl std::ops::Deref for Cluster {
    type Target = ClusterParts;

    fn deref(&self) -> &ClusterParts {
        &self.parts
    }
}
