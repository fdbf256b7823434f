//! Whether a site that `check` accepts gives a build that can stand: what is written reads back, and says what the
//! profiles say.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use lxseed::model::{Cluster, Driver, FindBy, Host, Site, VolumeKind};
use lxseed::seed::{ClusterKeys, File, HostKeys, Renderer};
use lxseed::trust::SiteSecret;
use serde_yaml::Value;
use std::net::IpAddr;

/// Renders with keys that are made once: which keys they are is not what a mutant changes.
pub(crate) struct Builder {
    renderer: Renderer,
    keys: ClusterKeys,
}

impl Builder {
    /// For clusters of up to that many hosts.
    pub(crate) fn new(hosts: usize) -> Self {
        let secret = SiteSecret::parse(crate::support::SECRET).unwrap();
        let host = |at: usize| HostKeys {
            server: secret.lxd_server("c", &format!("n{at}"), 1).unwrap(),
            ssh: secret.ssh_host_key("c", &format!("n{at}"), 1).unwrap(),
        };
        Self {
            renderer: Renderer::new().unwrap(),
            keys: ClusterKeys {
                spares: (0..hosts)
                    .map(|at| secret.lxd_server("c", &format!("s{at}"), 1).unwrap().certificate_pem)
                    .collect(),
                cluster: secret.lxd_cluster("c", 1).unwrap(),
                earlier: None,
                desk: Some(secret.lxd_desk("c", 1).unwrap()),
                hosts: (0..hosts).map(host).collect(),
            },
        }
    }

    /// What is wrong with the model or with what is rendered from it.
    pub(crate) fn trouble(&self, site: &Site) -> Result<(), String> {
        unique(site)?;
        let mut instances = HashSet::new();
        for cluster in &site.clusters {
            addresses(cluster)?;
            for (at, host) in cluster.hosts.iter().enumerate() {
                disks(cluster, host)?;
                let files = self
                    .renderer
                    .host(cluster, at, &self.keys)
                    .map_err(|error| error.to_string())?;
                let named = |name: &str| read(&files, name);
                user_data(&named("user-data")?, cluster, host)?;
                network_config(&named("network-config")?, cluster, host)?;
                preseed(&named("lxd-preseed.yaml")?, cluster, host)?;
                let instance = text(&named("meta-data")?, &["instance-id"])?;
                ensure(instances.insert(instance), "two hosts with one instance-id")?;
            }
        }
        Ok(())
    }
}

fn ensure(is_so: bool, otherwise: &str) -> Result<(), String> {
    is_so.then_some(()).ok_or_else(|| otherwise.to_owned())
}

fn all_different<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>, what: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    ensure({ values }.all(|value| seen.insert(value)), what)
}

fn unique(site: &Site) -> Result<(), String> {
    let hosts = || site.clusters.iter().flat_map(|cluster| &cluster.hosts);
    all_different(
        site.clusters.iter().map(|cluster| &cluster.name),
        "two clusters of a name",
    )?;
    for cluster in &site.clusters {
        all_different(cluster.hosts.iter().map(|host| &host.name), "two hosts of a name")?;
    }
    all_different(hosts().map(|host| host.mac), "two hosts with a MAC address")?;
    all_different(hosts().map(|host| host.address), "two hosts with an address")?;
    let identities = hosts().flat_map(|host| &host.disks).filter_map(|disk| {
        let of_disk = matches!(disk.by, FindBy::ById | FindBy::Serial | FindBy::Wwn);
        of_disk.then(|| (disk.by.word(), disk.value.to_ascii_lowercase()))
    });
    all_different(identities, "one disk in two slots")
}

fn addresses(cluster: &Cluster) -> Result<(), String> {
    let network = &cluster.network;
    let fits = |address| {
        let own = matches!(network.subnet, IpNet::V4(net) if address == net.broadcast());
        network.subnet.contains(&address) && address != network.subnet.network() && !own
    };
    let is_beside =
        network.gateway_is_outside() || matches!(network.gateway, IpAddr::V6(one) if one.is_unicast_link_local());
    ensure(fits(network.gateway) || is_beside, "the gateway is not in the subnet")?;
    for host in &cluster.hosts {
        ensure(fits(host.address), "an address is not in the subnet")?;
        ensure(host.address != network.gateway, "a host has the gateway's address")?;
    }
    let bootstraps = cluster.hosts.iter().filter(|host| host.name == cluster.bootstrap);
    ensure(bootstraps.count() == 1, "not one bootstrap host")?;
    ensure(!cluster.pools.is_empty(), "no pool")?;
    let admin = &cluster.admin;
    ensure(
        !admin.ssh_authorized_keys.is_empty() || admin.password_hash.is_some(),
        "nobody can log in",
    )
}

fn disks(cluster: &Cluster, host: &Host) -> Result<(), String> {
    let used = host
        .volumes
        .iter()
        .flat_map(|volume| &volume.slots)
        .chain([&host.os_slot]);
    all_different(used.clone(), "a slot is used twice")?;
    ensure(
        used.clone()
            .all(|slot| host.disks.iter().any(|disk| disk.slot == *slot)),
        "a slot has no disk",
    )?;
    all_different(
        host.disks
            .iter()
            .map(|disk| (disk.by.word(), disk.value.to_ascii_lowercase())),
        "two slots with one disk",
    )?;
    ensure(
        host.disks.iter().all(|disk| match (disk.min_size, disk.max_size) {
            (Some(min), Some(max)) => min <= max,
            _ => true,
        }),
        "no disk can be as large and as small",
    )?;
    for pool in &cluster.pools {
        let volume = host.volume(&pool.volume).ok_or("a pool has no volume")?;
        ensure(
            volume.kind != VolumeKind::ZfsMirror || pool.driver == Driver::Zfs,
            "a zpool under another driver",
        )?;
    }
    all_different(cluster.pools.iter().map(|pool| &pool.volume), "a volume in two pools")
}

fn user_data(value: &Value, cluster: &Cluster, host: &Host) -> Result<(), String> {
    ensure(text(value, &["hostname"])? == host.name.as_str(), "another hostname")?;
    let users = value["users"].as_sequence().ok_or("no users")?;
    ensure(
        users.len() == 1 && text(&users[0], &["name"])? == cluster.admin.user,
        "another user",
    )?;
    let files = value["write_files"].as_sequence().ok_or("no write_files")?;
    for file in files {
        let content = text(file, &["content"])?;
        let is_packed = file.get("encoding").is_some();
        ensure(
            !is_packed || STANDARD.decode(content).is_ok(),
            "content that is not base64",
        )?;
        let mode = text(file, &["permissions"])?;
        ensure(mode.len() == 4 && u32::from_str_radix(&mode, 8).is_ok(), "not a mode")?;
    }
    let paths: Result<Vec<String>, String> = files.iter().map(|file| text(file, &["path"])).collect();
    all_different(paths?.iter(), "a file is written twice")
}

fn network_config(value: &Value, cluster: &Cluster, host: &Host) -> Result<(), String> {
    ensure(value["version"].as_u64() == Some(2), "not version 2")?;
    let devices = |kind: &str| value[kind].as_mapping().into_iter().flatten().map(|(_, device)| device);
    let mac = host.mac.to_string();
    let mut cards = devices("ethernets");
    ensure(
        cards.any(|card| card["match"]["macaddress"].as_str() == Some(mac.as_str())),
        "another MAC address",
    )?;
    let kinds = ["ethernets", "bonds", "vlans", "bridges"];
    let all_devices = kinds.into_iter().flat_map(devices);
    let address = format!("{}/{}", host.address, cluster.network.subnet.prefix_len());
    let addressed: Vec<&Value> = all_devices
        .filter(|device| device["addresses"][0].as_str() == Some(address.as_str()))
        .collect();
    let [lan] = addressed.as_slice() else {
        return Err(format!("{} devices have the address", addressed.len()));
    };
    let gateway = cluster.network.gateway.to_string();
    if cluster.network.gateway_is_outside() {
        let way = &lan["routes"][0];
        let is_default = way["to"] == "0.0.0.0/0" && way["via"] == gateway.as_str() && way["on-link"] == true;
        return ensure(is_default, "another gateway outside the subnet");
    }
    let key = if host.address.is_ipv4() { "gateway4" } else { "gateway6" };
    ensure(text(lan, &[key])? == gateway, "another gateway")
}

fn preseed(value: &Value, cluster: &Cluster, host: &Host) -> Result<(), String> {
    ensure(
        text(value, &["cluster", "server_name"])? == host.name.as_str(),
        "another member name",
    )?;
    let joins = !cluster.founds(host);
    let (list, field) = if joins {
        (&value["cluster"]["member_config"], &["value"][..])
    } else {
        (&value["storage_pools"], &["config", "source"][..])
    };
    let sources = list.as_sequence().ok_or("no pools")?;
    for pool in &cluster.pools {
        let own = sources.iter().find(|source| source["name"] == pool.name.as_str());
        let source = text(own.ok_or("a pool is missing")?, field)?;
        ensure(!source.is_empty(), "a pool without a source")?;
    }
    let count_fits = sources.len() == cluster.pools.len();
    ensure(count_fits, "more pools than the cluster has")
}

fn read(files: &[File], name: &str) -> Result<Value, String> {
    let file = files.iter().find(|file| file.path.file_name() == Some(name));
    let file = file.ok_or_else(|| format!("{name} is not written"))?;
    serde_yaml::from_slice(file.content.bytes()).map_err(|error| format!("{name}: {error}"))
}

fn text(value: &Value, way: &[&str]) -> Result<String, String> {
    let found = way.iter().fold(value, |value, key| &value[*key]);
    let found = found.as_str().map(ToOwned::to_owned);
    found.ok_or_else(|| format!("{} is no text", way.join(".")))
}
