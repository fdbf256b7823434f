//! `lxseed-firstboot`, the script of the first boot, and the unit that runs it.

use std::net::IpAddr;

use flate2::Compression;
use serde::Serialize;
use tera::Tera;

use crate::encoding;
use crate::model::{BundledSnap, ByteSize, Cluster, Name};
use crate::shell::{self, ShellError};
use crate::trust::DESK_NAME;

/// The one template: the block of variables at the top of `lxseed-firstboot`.
const VALUES: &str = "first-boot/values.sh";

/// Everything below that block, the same for every host, in the order of the file.
const CONSTANT: &[&str] = &[
    include_str!("../../templates/first-boot/common.sh"),
    include_str!("../../templates/first-boot/preflight.sh"),
    include_str!("../../templates/first-boot/purge.sh"),
    include_str!("../../templates/first-boot/snapd.sh"),
    include_str!("../../templates/common/disks.sh"),
    include_str!("../../templates/first-boot/layers.sh"),
    include_str!("../../templates/first-boot/disks.sh"),
    include_str!("../../templates/first-boot/volumes.sh"),
    include_str!("../../templates/first-boot/peers.sh"),
    include_str!("../../templates/first-boot/desk.sh"),
    include_str!("../../templates/first-boot/lxd.sh"),
    include_str!("../../templates/first-boot/cluster.sh"),
    include_str!("../../templates/first-boot/trust.sh"),
    include_str!("../../templates/first-boot/verify.sh"),
    include_str!("../../templates/first-boot/seal.sh"),
    include_str!("../../templates/first-boot/converge.sh"),
    include_str!("../../templates/first-boot/main.sh"),
];

const UNIT: &str = include_str!("../../templates/first-boot/lxseed-firstboot.service");

/// A text of a machine, as a person reads it and as user-data carries it.
pub(super) struct Script {
    pub(super) text: String,
    /// gzip that unpacks to `text`, comments of the first boot's script left out: they would be a quarter of a seed.
    pub(super) gzip: Vec<u8>,
}

/// What cloud-init runs at every boot before it plants anything.
pub(super) struct Bootcmd {
    pub(super) prepare: String,
    pub(super) card: String,
}

/// The templates, parsed once.
pub(super) struct Scripts {
    tera: Tera,
    /// What is below the block of variables.
    constant: Script,
    unit: Script,
    bootcmd: Bootcmd,
}

impl Scripts {
    pub(super) fn new() -> Result<Self, ShellError> {
        let tera = shell::engine(
            VALUES,
            include_str!("../../templates/first-boot/values.sh"),
            shell::escape,
        )?;
        let constant: String = CONSTANT.iter().flat_map(|part| ["\n", part]).collect();
        Ok(Self {
            tera,
            constant: Script {
                gzip: encoding::gzip(without_comments(&constant).as_bytes(), Compression::best()),
                text: constant,
            },
            unit: Script {
                gzip: encoding::gzip(UNIT.as_bytes(), Compression::best()),
                text: UNIT.to_owned(),
            },
            bootcmd: Bootcmd {
                prepare: without_comments(include_str!("../../templates/first-boot/prepare.sh")),
                card: without_comments(include_str!("../../templates/first-boot/card.sh")),
            },
        })
    }

    /// The whole `lxseed-firstboot` of one host.
    pub(super) fn first_boot(&self, cluster: &Cluster, at: usize) -> Result<Script, ShellError> {
        let mut text = shell::rendered(&self.tera, VALUES, &Values::of(cluster, at))?;
        let mut gzip = encoding::gzip(text.as_bytes(), Compression::fast());
        // Python's gzip, which cloud-init unpacks it with, takes one member after the other (RFC 1952, 2.2).
        gzip.extend(&self.constant.gzip);
        text.push_str(&self.constant.text);
        Ok(Script { text, gzip })
    }

    pub(super) fn bootcmd(&self) -> &Bootcmd {
        &self.bootcmd
    }

    /// The unit that runs it at boot.
    pub(super) fn unit(&self) -> &Script {
        &self.unit
    }
}

/// What ends a document that is a program in Python.
const PYTHON: &str = "PY";

/// The script without empty lines and those that are comments as a whole. The headings of its parts stay, without their rules.
fn without_comments(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut until = None;
    for line in text.lines() {
        let heading = line.starts_with("# ---- ");
        let comment = line.trim_start().starts_with('#') && !heading;
        match until {
            Some(end) if line == end => until = None,
            // A document within the script is text of another language; Python has the same comments.
            Some(PYTHON) if comment => continue,
            Some(_) => {}
            None if comment || line.is_empty() => continue,
            None => until = document(line),
        }
        bare.push_str(if heading {
            line.trim_end_matches('-').trim_end()
        } else {
            line
        });
        bare.push('\n');
    }
    bare
}

/// The line that ends the here-document which this line begins.
fn document(line: &str) -> Option<&str> {
    let (_, word) = line.split_once("<<")?;
    let word = word.trim_start_matches('\'');
    let length = word.find(|c: char| !c.is_ascii_uppercase());
    word.get(..length.unwrap_or(word.len())).filter(|word| !word.is_empty())
}

/// Everything is text, since everything becomes a shell variable.
#[derive(Serialize)]
struct Values<'a> {
    host: HostValues,
    cluster: ClusterValues<'a>,
    lxd: LxdValues,
    slots: SlotValues,
    volumes: VolumeValues,
    pools: PoolValues,
}

#[derive(Serialize)]
struct HostValues {
    name: String,
    address: String,
    role: &'static str,
    position: String,
    os_slot: String,
}

#[derive(Serialize)]
struct ClusterValues<'a> {
    name: String,
    ubuntu: &'static str,
    kernel: &'static str,
    // Of every host, for every host: no copies of these.
    members: Vec<&'a str>,
    addresses: Vec<IpAddr>,
    bootstrap: String,
    endpoint: String,
    /// `yes` or nothing. That and the names below are of the host that founds alone: no other host's seed changes with
    /// them.
    alone: &'static str,
    spares: Vec<&'a str>,
    clients: Vec<&'a str>,
    /// `yes` or nothing.
    desk: &'static str,
}

#[derive(Serialize)]
struct LxdValues {
    channel: String,
    offline: Vec<String>,
}

#[derive(Serialize, Default)]
struct SlotValues {
    names: Vec<String>,
    by: Vec<&'static str>,
    values: Vec<String>,
    min_sizes: Vec<String>,
    max_sizes: Vec<String>,
    wipes: Vec<String>,
}

#[derive(Serialize, Default)]
struct VolumeValues {
    names: Vec<String>,
    kinds: Vec<&'static str>,
    first: Vec<String>,
    second: Vec<String>,
}

#[derive(Serialize, Default)]
struct PoolValues {
    names: Vec<String>,
    drivers: Vec<&'static str>,
    volumes: Vec<String>,
}

impl<'a> Values<'a> {
    fn of(cluster: &'a Cluster, at: usize) -> Self {
        let host = &cluster.hosts[at];
        let founds = cluster.founds(host);
        let people = cluster
            .admin
            .lxd_certificates
            .iter()
            .map(|certificate| certificate.name.as_str());
        let clients = cluster.desk.map(|_| DESK_NAME).into_iter().chain(people);
        let size = |size: Option<ByteSize>| size.map_or_else(String::new, |size| size.bytes().to_string());
        let mut slots = SlotValues::default();
        for disk in &host.disks {
            slots.names.push(disk.slot.clone());
            slots.by.push(disk.by.word());
            slots.values.push(disk.value.clone());
            slots.min_sizes.push(size(disk.min_size));
            slots.max_sizes.push(size(disk.max_size));
            slots.wipes.push(disk.wipe.clone().unwrap_or_default());
        }
        let mut volumes = VolumeValues::default();
        for volume in &host.volumes {
            volumes.names.push(volume.name.clone());
            volumes.kinds.push(volume.kind.word());
            volumes.first.push(volume.slots.first().cloned().unwrap_or_default());
            volumes.second.push(volume.slots.get(1).cloned().unwrap_or_default());
        }
        let mut pools = PoolValues::default();
        for pool in &cluster.pools {
            pools.names.push(pool.name.clone());
            pools.drivers.push(pool.driver.word());
            pools.volumes.push(pool.volume.clone());
        }
        Self {
            host: HostValues {
                name: host.name.to_string(),
                address: host.address.to_string(),
                role: if founds { "bootstrap" } else { "joiner" },
                position: at.to_string(),
                os_slot: host.os_slot.clone(),
            },
            cluster: ClusterValues {
                name: cluster.name.to_string(),
                ubuntu: cluster.ubuntu.version,
                kernel: cluster.kernel.word(),
                members: cluster.hosts.iter().map(|host| host.name.as_str()).collect(),
                addresses: cluster.hosts.iter().map(|host| host.address).collect(),
                bootstrap: cluster.bootstrap.to_string(),
                endpoint: cluster.bootstrap_host().endpoint().to_string(),
                alone: if founds && cluster.alone { "yes" } else { "" },
                spares: cluster.spares.iter().filter(|_| founds).map(Name::as_str).collect(),
                clients: clients.filter(|_| founds).collect(),
                desk: if cluster.desk.is_some() { "yes" } else { "" },
            },
            lxd: LxdValues {
                channel: cluster.channel.to_string(),
                offline: cluster.snaps.iter().map(BundledSnap::stem).collect(),
            },
            slots,
            volumes,
            pools,
        }
    }
}
