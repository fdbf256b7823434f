//! What `lxd init --preseed` reads, in the two forms of a cluster: the host that forms it, and those that join.
//!
//! LXD 4.0 drops keys it does not know without a word, 5.0.2 and later refuse them; these exist in all of 4.0.6 to
//! 5.21.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Cluster, Driver, Host, Overlay, Pool, USUAL_MTU, VolumeKind};
use crate::target::lxd::{Given, MemberKey};
use crate::yaml::{self, YamlError};

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
    eth0: Option<Nic<'a>>,
}

#[derive(Serialize)]
struct RootDevice<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    path: &'a str,
    pool: &'a str,
}

#[derive(Serialize)]
struct Nic<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    /// A network of LXD's.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'static str>,
    /// What it is plugged into, where that is none of LXD's networks.
    #[serde(flatten)]
    plugged: Option<Plugged<'a>>,
}

#[derive(Serialize)]
struct Plugged<'a> {
    nictype: &'static str,
    parent: &'a str,
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

pub(crate) fn preseed(cluster: &Cluster, host: &Host, cluster_certificate: &str) -> Result<String, YamlError> {
    if cluster.founds(host) {
        return yaml::to_string(&bootstrap(cluster, host));
    }
    yaml::to_string(&Joiner {
        cluster: Joining {
            server_name: host.name.as_str(),
            enabled: true,
            server_address: host.endpoint().to_string(),
            cluster_address: cluster.bootstrap_host().endpoint().to_string(),
            cluster_certificate,
            member_config: cluster
                .pools
                .iter()
                .flat_map(|pool| {
                    own_config(cluster, host, pool)
                        .into_iter()
                        .map(|(key, value)| MemberConfig {
                            entity: "storage-pool",
                            name: &pool.name,
                            key,
                            value,
                        })
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
                config: own_config(cluster, host, pool),
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
                eth0: nic(network.as_ref(), host),
            },
        }],
        networks: network.into_iter().collect(),
        cluster: Forming {
            server_name: host.name.as_str(),
            enabled: true,
        },
    }
}

/// What instances have unless their own profile says otherwise: LXD's network, or the bridge that each host has its address on.
fn nic<'a>(network: Option<&LxdNetwork>, host: &'a Host) -> Option<Nic<'a>> {
    let plugged = match (network, &host.wiring.bridge) {
        (None, None) => return None,
        (None, Some(bridge)) => Some(Plugged {
            nictype: "bridged",
            parent: bridge,
        }),
        (Some(_), _) => None,
    };
    Some(Nic {
        kind: "nic",
        name: "eth0",
        network: network.map(|network| network.name),
        plugged,
    })
}

fn lxd_network(cluster: &Cluster) -> Option<LxdNetwork> {
    match cluster.network.overlay {
        // `auto` would be resolved on the bootstrap host alone and then hold for all; the subnet is known.
        Overlay::Fan => Some(LxdNetwork {
            name: "lxdfan0",
            kind: "bridge",
            config: [
                ("bridge.mode", "fan".to_owned()),
                ("fan.underlay_subnet", cluster.network.subnet.to_string()),
            ]
            .into_iter()
            .chain(fan_mtu(cluster).map(|mtu| ("bridge.mtu", mtu.to_string())))
            .collect(),
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

/// What fits into the smallest packet of all hosts with VXLAN's 50 bytes around it. LXD takes 1450 by itself, which is
/// for packets of 1500, and refuses more whatever the hosts carry.
fn fan_mtu(cluster: &Cluster) -> Option<u32> {
    let smallest = cluster.hosts.iter().filter_map(|host| host.wiring.mtu).min()?;
    (smallest < USUAL_MTU).then_some(smallest - 50)
}

/// What a pool's configuration has of its own on each member: every key that LXD would otherwise give a default which
/// is not meant.
fn own_config(cluster: &Cluster, host: &Host, pool: &Pool) -> Config {
    let keys = cluster.channel.track.member_keys(pool.driver).iter();
    keys.filter(|(_, given)| *given == Given::Here)
        .filter_map(|(key, _)| {
            let value = match key {
                MemberKey::Source => source(pool, host),
                // No driver needs these of us.
                MemberKey::Size
                | MemberKey::SourceWipe
                | MemberKey::ZfsPool
                | MemberKey::LvmVolumeGroup
                | MemberKey::LvmThinpool
                | MemberKey::InitialSource => return None,
            };
            Some((key.word(), value))
        })
        .collect()
}

/// Where a pool lies on a host. `/dev/lxseed/VOLUME` stands for the device that the disks stage finds by the slot's
/// rule: a serial number does not tell the device's name at build time, so the machine fills it in before LXD reads it.
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

/// What LXD has on record as a pool's source, once it has made the pool on the volume that it was given; none if nobody can
/// tell.
///
/// Of a block device, LXD puts down what it made of it (`lxd/storage/drivers/driver_*.go` of 4.0.13, 5.0.9 and 5.21.7): the
/// zpool's or the volume group's name, which is the pool's unless a preseed says otherwise, and of btrfs the file system's UUID,
/// which only the machine knows. A folder and a zpool stay as they were given.
pub(crate) fn source_on_record(pool: &Pool, host: &Host) -> Option<String> {
    let given = source(pool, host);
    match pool.driver {
        _ if !given.starts_with("/dev/") => Some(given),
        Driver::Zfs | Driver::Lvm => Some(pool.name.clone()),
        Driver::Btrfs | Driver::Dir => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::Value;

    use super::*;
    use crate::model::{Admin, ClusterParts, Disk, FindBy, HostParts, Kernel, Network, Services, Volume, Wiring};
    use crate::target::bionic::BIONIC;
    use crate::target::lxd::Channel;

    fn host(number: u8, kind: VolumeKind) -> Host {
        let slots: &[&str] = match kind {
            VolumeKind::Device => &["a"],
            VolumeKind::Mirror | VolumeKind::ZfsMirror => &["a", "b"],
        };
        let disks = slots.iter().chain(&["os"]).map(|slot| Disk {
            slot: (*slot).to_owned(),
            by: FindBy::Serial,
            value: format!("{slot}-{number}"),
            min_size: None,
            max_size: None,
            wipe: None,
        });
        Host::new(HostParts {
            name: format!("node{number}").parse().unwrap(),
            generation: 1,
            dmi_serial: None,
            reinstall: None,
            mac: format!("52:54:00:00:00:0{number}").parse().unwrap(),
            address: format!("10.0.0.{number}").parse().unwrap(),
            wiring: Wiring::default(),
            os_slot: "os".to_owned(),
            disks: disks.collect(),
            volumes: vec![Volume {
                name: "bulk".to_owned(),
                kind,
                slots: slots.iter().map(|slot| (*slot).to_owned()).collect(),
            }],
            system: crate::model::System::default(),
        })
        .unwrap()
    }

    fn cluster(channel: &str, driver: Driver, kind: VolumeKind) -> Cluster {
        Cluster::new(ClusterParts {
            name: "lab".parse().unwrap(),
            ubuntu: &BIONIC,
            kernel: Kernel::Hwe,
            channel: channel.parse::<Channel>().unwrap(),
            snaps: Vec::new(),
            bootstrap: "node1".parse().unwrap(),
            alone: false,
            network: Network {
                subnet: "10.0.0.0/24".parse().unwrap(),
                gateway: "10.0.0.254".parse().unwrap(),
                nameservers: Vec::new(),
                search: Vec::new(),
                overlay: Overlay::None,
            },
            pools: vec![Pool {
                name: "data1".to_owned(),
                driver,
                volume: "bulk".to_owned(),
            }],
            admin: Admin {
                user: "ops".to_owned(),
                ssh_authorized_keys: Vec::new(),
                password_hash: None,
                lxd_certificates: Vec::new(),
            },
            services: Services::default(),
            desk: None,
            generation: 1,
            formed: None,
            spares: Vec::new(),
            trust_for: None,
            retired: Vec::new(),
            hosts: (1..=3).map(|number| host(number, kind)).collect(),
        })
        .unwrap()
    }

    /// Every key that has to be given is given to every member, and nothing that LXD would drop or that is not for a
    /// preseed.
    #[test]
    fn every_member_gets_every_key_of_its_own() {
        for channel in ["4.0/stable", "5.0/stable", "5.21/stable"] {
            for driver in Driver::ALL {
                for kind in VolumeKind::ALL {
                    let cluster = cluster(channel, *driver, *kind);
                    let own = cluster.channel.track.member_keys(*driver);
                    let mut wanted: Vec<&str> = own
                        .iter()
                        .filter(|(_, given)| *given == Given::Here)
                        .map(|(key, _)| key.word())
                        .collect();
                    wanted.sort_unstable();
                    assert!(wanted.contains(&"source"));
                    let expected = match (driver, kind) {
                        (Driver::Dir, _) => "/srv/lxseed/data1/lxd",
                        (_, VolumeKind::Mirror) => "/dev/md/bulk",
                        (_, VolumeKind::ZfsMirror) => "data1",
                        (_, VolumeKind::Device) => "/dev/lxseed/bulk",
                    };
                    for host in &cluster.hosts {
                        let text = preseed(&cluster, host, "PEM").unwrap();
                        let document: Value = serde_yaml::from_str(&text).unwrap();
                        let mut given: Vec<(String, String)> = if cluster.founds(host) {
                            let pool = &document["storage_pools"][0];
                            assert_eq!(pool["name"], "data1");
                            let config = pool["config"].as_object().unwrap();
                            let entries = config.iter();
                            entries
                                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                                .collect()
                        } else {
                            let list = document["cluster"]["member_config"].as_array().unwrap();
                            let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
                            for entry in list {
                                assert_eq!(text(entry, "entity"), "storage-pool");
                                assert_eq!(text(entry, "name"), "data1");
                            }
                            list.iter()
                                .map(|entry| (text(entry, "key"), text(entry, "value")))
                                .collect()
                        };
                        given.sort();
                        let keys: Vec<&str> = given.iter().map(|(key, _)| key.as_str()).collect();
                        let here = format!("{channel} {driver:?} {kind:?} {}", host.name);
                        assert_eq!(keys, wanted, "{here}");
                        for (key, value) in &given {
                            assert!(key != "source" || value == expected, "{here}: {value}");
                        }
                    }
                }
            }
        }
    }
}
