//! What `lxd init --preseed` reads, in the two forms of a cluster: the host that forms it, and those that join.
//!
//! LXD 4.0 drops keys it does not know without a word, 5.0.2 and later refuse them; these exist in all of 4.0.6 to 5.21.

use std::collections::BTreeMap;

use serde::Serialize;

use super::is_bootstrap;
use super::yaml::{self, YamlError};
use crate::model::{Cluster, Driver, Host, Overlay, Pool, VolumeKind};

type Config = BTreeMap<&'static str, String>;

#[derive(Serialize)]
struct Bootstrap<'a> {
    config: Config,
    storage_pools: Vec<StoragePool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<LxdNetwork>,
    profiles: [Profile<'a>; 1],
    cluster: Forming<'a>,
}

#[derive(Serialize)]
struct StoragePool<'a> {
    name: &'a str,
    driver: &'a str,
    config: Config,
}

#[derive(Serialize)]
struct LxdNetwork {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    config: Config,
}

#[derive(Serialize)]
struct Profile<'a> {
    name: &'a str,
    devices: Devices<'a>,
}

#[derive(Serialize)]
struct Devices<'a> {
    root: RootDevice<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eth0: Option<Nic>,
}

#[derive(Serialize)]
struct RootDevice<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    path: &'a str,
    pool: &'a str,
}

#[derive(Serialize)]
struct Nic {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    network: &'static str,
}

#[derive(Serialize)]
struct Forming<'a> {
    server_name: &'a str,
    enabled: bool,
}

#[derive(Serialize)]
struct Joiner<'a> {
    // With server_address and cluster_address both set, LXD reads this section alone and drops all others.
    cluster: Joining<'a>,
}

#[derive(Serialize)]
struct Joining<'a> {
    server_name: &'a str,
    enabled: bool,
    server_address: String,
    cluster_address: String,
    cluster_certificate: &'a str,
    member_config: Vec<MemberConfig<'a>>,
}

#[derive(Serialize)]
struct MemberConfig<'a> {
    entity: &'static str,
    name: &'a str,
    key: &'static str,
    value: String,
}

pub(super) fn preseed(
    cluster: &Cluster,
    host: &Host,
    cluster_certificate: &str,
) -> Result<String, YamlError> {
    if is_bootstrap(cluster, host) {
        return yaml::to_string(&bootstrap(cluster, host));
    }
    yaml::to_string(&Joiner {
        cluster: Joining {
            server_name: host.name.as_str(),
            enabled: true,
            server_address: host.endpoint().to_string(),
            cluster_address: cluster.bootstrap_host().endpoint().to_string(),
            cluster_certificate,
            // `source` is specific to each member. Left out, LXD would make a loop file on the system disk without a word.
            member_config: cluster
                .pools
                .iter()
                .map(|pool| MemberConfig {
                    entity: "storage-pool",
                    name: &pool.name,
                    key: "source",
                    value: source(pool, host),
                })
                .collect(),
        },
    })
}

fn bootstrap<'a>(cluster: &'a Cluster, host: &'a Host) -> Bootstrap<'a> {
    let network = lxd_network(cluster);
    Bootstrap {
        // A concrete address: a wildcard is refused once the cluster's own address follows from it.
        config: Config::from([("core.https_address", host.endpoint().to_string())]),
        storage_pools: cluster
            .pools
            .iter()
            .map(|pool| StoragePool {
                name: &pool.name,
                driver: pool.driver.word(),
                config: Config::from([("source", source(pool, host))]),
            })
            .collect(),
        profiles: [Profile {
            name: "default",
            devices: Devices {
                root: RootDevice {
                    kind: "disk",
                    path: "/",
                    pool: &cluster.pools[0].name,
                },
                eth0: network.as_ref().map(|network| Nic {
                    kind: "nic",
                    name: "eth0",
                    network: network.name,
                }),
            },
        }],
        networks: network.into_iter().collect(),
        cluster: Forming {
            server_name: host.name.as_str(),
            enabled: true,
        },
    }
}

fn lxd_network(cluster: &Cluster) -> Option<LxdNetwork> {
    match cluster.network.overlay {
        // `auto` would be resolved on the bootstrap host alone and then hold for all; the subnet is known.
        Overlay::Fan => Some(LxdNetwork {
            name: "lxdfan0",
            kind: "bridge",
            config: Config::from([
                ("bridge.mode", "fan".to_owned()),
                ("fan.underlay_subnet", cluster.network.subnet.to_string()),
            ]),
        }),
        Overlay::Bridge => Some(LxdNetwork {
            name: "lxdbr0",
            kind: "bridge",
            config: Config::from([
                ("ipv4.address", "auto".to_owned()),
                ("ipv4.nat", "true".to_owned()),
                ("ipv6.address", "none".to_owned()),
            ]),
        }),
        Overlay::None => None,
    }
}

/// Where a pool lies on a host. `/dev/lxseed/VOLUME` stands for the device that the disks stage finds by the slot's rule:
/// a serial number does not tell the device's name at build time, so the machine fills it in before LXD reads it.
fn source(pool: &Pool, host: &Host) -> String {
    if pool.driver == Driver::Dir {
        // A folder below the mount point: ext4's lost+found would make the mount point itself count as not empty.
        return format!("/srv/lxseed/{}/lxd", pool.name);
    }
    match host.volume(&pool.volume).map(|volume| volume.kind) {
        Some(VolumeKind::Mirror) => format!("/dev/md/{}", pool.volume),
        Some(VolumeKind::ZfsMirror) => pool.name.clone(),
        Some(VolumeKind::Device) | None => format!("/dev/lxseed/{}", pool.volume),
    }
}
