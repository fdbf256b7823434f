//! `lxseed-firstboot`, the script of the first boot, and the unit that runs it.

use std::net::IpAddr;

use flate2::Compression;
use serde::Serialize;
use serde_json::Value;
use tera::Tera;

use super::bare::without_comments;
use crate::encoding;
use crate::model::{BundledSnap, ByteSize, Cluster, Name, lxd_proxy};
use crate::shell::{self, ShellError};
use crate::trust::DESK_NAME;

/// The one template: the block of variables at the top of `lxseed-firstboot`.
const VALUES: &str = "first-boot/values.sh";

/// Everything below that block, the same for every host; and the same bare and in gzip (build.rs).
const CONSTANT: &str = include_str!(concat!(env!("OUT_DIR"), "/first-boot.sh"));
const CONSTANT_GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/first-boot.gz"));

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
    /// The same for several.
    pub(super) cards: String,
}

/// The templates, parsed once.
pub(super) struct Scripts {
    tera: Tera,
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
        let unit = without_comments(UNIT);
        Ok(Self {
            tera,
            unit: Script {
                gzip: encoding::gzip(unit.as_bytes(), Compression::best()),
                text: unit,
            },
            bootcmd: Bootcmd {
                prepare: without_comments(include_str!("../../templates/first-boot/prepare.sh")),
                card: without_comments(include_str!("../../templates/first-boot/card.sh")),
                cards: without_comments(include_str!("../../templates/first-boot/cards.sh")),
            },
        })
    }

    /// The whole `lxseed-firstboot` of one host.
    pub(super) fn first_boot(&self, cluster: &Cluster, at: usize) -> Result<Script, ShellError> {
        let mut text = shell::rendered(&self.tera, VALUES, &Values::of(cluster, at))?;
        // What it is stands in its second line; the rest of the comments is for who reads the copy beside user-data.
        let mut lines = text.splitn(3, '\n');
        let heading = [lines.next().unwrap_or(""), lines.next().unwrap_or("")].join("\n");
        let bare = format!("{heading}\n{}", without_comments(lines.next().unwrap_or("")));
        let mut gzip = encoding::gzip(bare.as_bytes(), Compression::best());
        // Python's gzip, which cloud-init unpacks it with, takes one member after the other (RFC 1952, 2.2).
        gzip.extend(CONSTANT_GZIP);
        text.push_str(CONSTANT);
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
    config: String,
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

/// LXD's own configuration as the machine sets it, JSON behind a comma; nothing if the profile says nothing of it. What the bootstrap
/// host has becomes the cluster's. A joiner has the cluster's in its database from its join on, but goes by what was set on itself
/// until its daemon starts anew (`daemonConfigSetProxy`), so each sets it. Whom members speak to is no question of it: LXD asks its
/// environment for that, where there is no proxy, and every member is excepted here, too.
fn lxd_config(cluster: &Cluster) -> String {
    let own = lxd_proxy(cluster).into_iter().filter(|(_, value)| !value.is_empty());
    own.map(|(key, value)| format!(", {}: {}", Value::from(key), Value::from(value)))
        .collect()
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
                config: lxd_config(cluster),
                offline: cluster.snaps.iter().map(BundledSnap::stem).collect(),
            },
            slots,
            volumes,
            pools,
        }
    }
}
