//! The values at the top of `lxseed-firstboot`.

use std::net::IpAddr;

use serde::Serialize;

use super::is_bootstrap;
use crate::model::{ByteSize, CarriedSnap, Cluster};

/// Everything is text, since everything becomes a shell variable.
#[derive(Serialize)]
pub(super) struct Values<'a> {
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
    /// `yes` or nothing. That and the certificates' names are of the bootstrap host alone: no other host's seed changes with them.
    alone: &'static str,
    clients: Vec<&'a str>,
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
    pub(super) fn of(cluster: &'a Cluster, at: usize) -> Self {
        let host = &cluster.hosts[at];
        let founds = is_bootstrap(cluster, host);
        let clients = founds.then_some(&cluster.admin.lxd_certificates);
        let size =
            |size: Option<ByteSize>| size.map_or_else(String::new, |size| size.bytes().to_string());
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
            volumes
                .first
                .push(volume.slots.first().cloned().unwrap_or_default());
            volumes
                .second
                .push(volume.slots.get(1).cloned().unwrap_or_default());
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
                ubuntu: cluster.ubuntu.version(),
                kernel: cluster.kernel.word(),
                members: cluster
                    .hosts
                    .iter()
                    .map(|host| host.name.as_str())
                    .collect(),
                addresses: cluster.hosts.iter().map(|host| host.address).collect(),
                bootstrap: cluster.bootstrap.to_string(),
                endpoint: cluster.bootstrap_host().endpoint().to_string(),
                alone: if founds && cluster.alone { "yes" } else { "" },
                clients: clients
                    .into_iter()
                    .flatten()
                    .map(|certificate| certificate.name.as_str())
                    .collect(),
            },
            lxd: LxdValues {
                channel: cluster.channel.to_string(),
                offline: cluster.snaps.iter().map(CarriedSnap::stem).collect(),
            },
            slots,
            volumes,
            pools,
        }
    }
}
