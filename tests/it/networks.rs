//! Hosts' networks of every kind: what is emitted says what the profile says, and netplan makes that of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use camino::Utf8PathBuf;
use lxseed::check::check_files;
use lxseed::seed::{ClusterKeys, HostKeys, Renderer};
use lxseed::source::Content;
use lxseed::trust::SiteSecret;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_yaml::Value;

use crate::support::{NOW, Run, SECRET, temp_dir, tool};

/// A bond as a profile writes it.
#[derive(Clone, Debug)]
struct Bond {
    links: usize,
    mode: &'static str,
    lacp_rate: Option<&'static str>,
    interval: Option<u32>,
    primary: Option<usize>,
    policy: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Route {
    to: String,
    on_link: bool,
    metric: Option<u32>,
    table: Option<u32>,
}

/// A network besides the cluster's own.
#[derive(Clone, Debug)]
struct Further {
    /// On a card of its own.
    own: bool,
    tagged: bool,
    dhcp: bool,
    mtu: Option<u32>,
}

/// The network of a cluster of one host.
#[derive(Clone, Debug)]
struct Network {
    v6: bool,
    outside: bool,
    mtu: Option<u32>,
    own_mtu: Option<u32>,
    routes: Vec<Route>,
    bond: Option<Bond>,
    vlan: Option<u16>,
    bridge: Option<String>,
    overlay: Option<&'static str>,
    further: Vec<Further>,
}

const NAMES: [&str; 3] = ["a", "nic-2", "z_3"];
const MACS: [&str; 3] = ["52:54:00:aa:00:01", "52:54:00:12:34:56", "52:54:00:aa:00:03"];

fn bond() -> impl Strategy<Value = Bond> {
    let mode = prop::sample::select(vec![
        "active-backup",
        "802.3ad",
        "balance-rr",
        "balance-xor",
        "broadcast",
        "balance-tlb",
        "balance-alb",
    ]);
    let rate = prop::option::of(prop::sample::select(vec!["slow", "fast"]));
    let policy = prop::sample::select(vec!["layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4"]);
    let numbers = (
        2..=3_usize,
        prop::option::of(10..=10_000_u32),
        prop::option::of(0..2_usize),
    );
    (mode, rate, prop::option::of(policy), numbers).prop_map(|(mode, rate, policy, (links, interval, primary))| Bond {
        links,
        mode,
        lacp_rate: rate.filter(|_| mode == "802.3ad"),
        interval,
        primary: primary.filter(|_| ["active-backup", "balance-tlb", "balance-alb"].contains(&mode)),
        policy: policy.filter(|_| ["802.3ad", "balance-xor", "balance-tlb"].contains(&mode)),
    })
}

fn further() -> impl Strategy<Value = Further> {
    let mtu = prop::option::of(1280..=9216_u32);
    (any::<bool>(), any::<bool>(), any::<bool>(), mtu).prop_map(|(own, tagged, dhcp, mtu)| Further {
        own,
        tagged: tagged || !own,
        dhcp,
        mtu: mtu.filter(|mtu| own || *mtu == 1280),
    })
}

fn network() -> impl Strategy<Value = Network> {
    let mtu = || prop::option::of(1280..=9216_u32);
    let metric = || prop::option::of(0..=i32::MAX.unsigned_abs());
    let table = prop::option::of(
        (1..=i32::MAX.unsigned_abs()).prop_filter("the kernel's", |table| ![254, 255].contains(table)),
    );
    let routes = prop::collection::vec((1..=200_u8, any::<bool>(), metric(), table), 0..4);
    let layers = (
        prop::option::of(bond()),
        prop::option::of(1..3000_u16),
        prop::option::of("br[a-z0-9-]{0,13}"),
        prop::sample::select(vec![None, Some("fan"), Some("bridge"), Some("none")]),
        prop::collection::vec(further(), 0..3),
    );
    (any::<bool>(), any::<bool>(), mtu(), mtu(), routes, layers).prop_map(
        |(v6, outside, mtu, own_mtu, routes, (bond, vlan, bridge, overlay, further))| Network {
            v6,
            outside: outside && !v6,
            mtu,
            own_mtu,
            routes: routes
                .into_iter()
                .enumerate()
                .map(|(at, (number, on_link, metric, table))| Route {
                    to: if v6 {
                        format!("fd00:{at}:{number:x}::/48")
                    } else {
                        format!("10.{at}.{number}.0/24")
                    },
                    on_link: on_link && !v6,
                    metric,
                    table,
                })
                .collect(),
            bond,
            vlan,
            // A fan is over IPv4 alone.
            overlay: match overlay {
                Some("fan") if v6 => Some("none"),
                None if v6 && bridge.is_none() => Some("bridge"),
                overlay => overlay,
            },
            bridge,
            further,
        },
    )
}

impl Network {
    fn address(&self) -> &'static str {
        if self.v6 { "fd5e:1c2a:9b04::11" } else { "192.168.10.11" }
    }

    fn prefix(&self) -> u8 {
        if self.v6 { 64 } else { 24 }
    }

    fn gateway(&self) -> &'static str {
        match (self.v6, self.outside) {
            (true, _) => "fe80::1",
            (false, true) => "172.31.1.1",
            (false, false) => "192.168.10.1",
        }
    }

    fn router(&self, route: &Route) -> &'static str {
        match (self.v6, route.on_link) {
            (true, _) => "fe80::2",
            (false, true) => "172.31.1.2",
            (false, false) => "192.168.10.254",
        }
    }

    /// What the host has in the end.
    fn mtu(&self) -> Option<u32> {
        self.own_mtu.or(self.mtu)
    }

    fn links(&self) -> usize {
        self.bond.as_ref().map_or(1, |bond| bond.links)
    }

    /// The text below `network:` in cluster.yaml.
    fn common(&self) -> String {
        let subnet = if self.v6 {
            "fd5e:1c2a:9b04::/64"
        } else {
            "192.168.10.0/24"
        };
        let mut text = format!(
            "  subnet: \"{subnet}\"\n  gateway: \"{}\"\n  nameservers: [\"{}\"]\n",
            self.gateway(),
            if self.v6 { "fd5e:1c2a:9b04::53" } else { "192.168.10.53" }
        );
        if let Some(overlay) = self.overlay {
            writeln!(text, "  overlay: {overlay}").unwrap();
        }
        if self.outside {
            text += "  on_link: true\n";
        }
        if let Some(mtu) = self.mtu {
            writeln!(text, "  mtu: {mtu}").unwrap();
        }
        if !self.routes.is_empty() {
            text += "  routes:\n";
        }
        for route in &self.routes {
            write!(text, "    - {{to: \"{}\", via: \"{}\"", route.to, self.router(route)).unwrap();
            if route.on_link {
                text += ", on_link: true";
            }
            for (key, value) in [("metric", route.metric), ("table", route.table)] {
                if let Some(value) = value {
                    write!(text, ", {key}: {value}").unwrap();
                }
            }
            text += "}\n";
        }
        if let Some(bond) = &self.bond {
            write!(
                text,
                "  bond: {{links: [{}], mode: {}",
                NAMES[..bond.links].join(", "),
                bond.mode
            )
            .unwrap();
            for (key, value) in [
                ("lacp_rate", bond.lacp_rate.map(str::to_owned)),
                (
                    "mii_monitor_interval",
                    bond.interval.map(|interval| interval.to_string()),
                ),
                ("primary", bond.primary.map(|at| NAMES[at].to_owned())),
                ("transmit_hash_policy", bond.policy.map(str::to_owned)),
            ] {
                if let Some(value) = value {
                    write!(text, ", {key}: {value}").unwrap();
                }
            }
            text += "}\n";
        }
        if let Some(vlan) = self.vlan {
            writeln!(text, "  vlan: {vlan}").unwrap();
        }
        if let Some(bridge) = &self.bridge {
            writeln!(text, "  bridge: {bridge}").unwrap();
        }
        text
    }

    /// The entry with the address of a further network, its kind, and what it is on if it is a VLAN.
    fn place(&self, at: usize) -> (&'static str, String, String) {
        let card = format!("link-own{at}");
        let carrier = if self.further[at].own {
            card.clone()
        } else {
            self.below_vlan().to_owned()
        };
        match self.further[at].tagged {
            true => ("vlans", format!("vlan{}", 3000 + at), carrier),
            false => ("ethernets", card, carrier),
        }
    }

    /// Every entry of theirs.
    fn further_entries(&self) -> Vec<String> {
        let all = (0..self.further.len()).flat_map(|at| [self.place(at).1, format!("link-own{at}")]);
        all.collect()
    }

    /// The text of `networks:` in cluster.yaml, and what the host says for it.
    fn networks(&self) -> (String, String, String) {
        let (mut common, mut links, mut addresses) = (String::new(), String::new(), String::new());
        for (at, further) in self.further.iter().enumerate() {
            let kind = match further.dhcp {
                true => "dhcp: true".to_owned(),
                false => format!("subnet: 10.{}.0.0/24", 50 + at),
            };
            write!(common, "  far{at}: {{{kind}").unwrap();
            if further.own {
                write!(common, ", link: own{at}").unwrap();
                write!(links, "own{at}: \"52:54:00:bb:00:0{at}\", ").unwrap();
            }
            if further.tagged {
                write!(common, ", vlan: {}", 3000 + at).unwrap();
            }
            if let Some(mtu) = further.mtu {
                write!(common, ", mtu: {mtu}").unwrap();
            }
            common += "}\n";
            if !further.dhcp {
                write!(addresses, "far{at}: 10.{}.0.11, ", 50 + at).unwrap();
            }
        }
        if !common.is_empty() {
            common.insert_str(0, "networks:\n");
        }
        if !addresses.is_empty() {
            addresses = format!(", networks: {{{addresses}}}");
        }
        (common, links, addresses)
    }

    /// The files of its site.
    fn site(&self) -> BTreeMap<Utf8PathBuf, Content> {
        let (networks, own_links, addresses) = self.networks();
        let cluster = format!(
            "name: lab\nubuntu: \"18.04\"\nbootstrap: node1\nnetwork:\n{}{networks}pools: {{data1: {{driver: btrfs}}}}\nadmin:\n  user: ops\n  \
             ssh_authorized_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk\"]\n\
             allow: {{one-member: a test}}\n",
            self.common()
        );
        let cards = match &self.bond {
            None if own_links.is_empty() => format!("mac: \"{}\"", MACS[0]),
            None => format!("mac: \"{}\", links: {{{own_links}}}", MACS[0]),
            Some(bond) => {
                let links = NAMES.iter().zip(MACS).take(bond.links);
                let links: Vec<String> = links.map(|(name, mac)| format!("{name}: \"{mac}\"")).collect();
                format!("links: {{{own_links}{}}}", links.join(", "))
            }
        };
        let mtu = self.own_mtu.map_or(String::new(), |mtu| format!(", mtu: {mtu}"));
        let host = format!(
            "name: node1\ndisks: model\nnetwork: {{{cards}, address: \"{}\"{mtu}{addresses}}}\nslots: {{os: {{serial: WD-A100001}}, d1: {{serial: WD-A200001}}}}\n",
            self.address()
        );
        let disks = "name: model\nos: {slot: os}\nvolumes: {data1: {device: d1}}\n".to_owned();
        [
            ("site/cluster.yaml", cluster),
            ("site/hosts/node1.yaml", host),
            ("site/disks/model.yaml", disks),
        ]
        .into_iter()
        .map(|(path, text)| (Utf8PathBuf::from(path), Content::Bytes(text.into_bytes())))
        .collect()
    }

    /// What is rendered for the host, by name.
    fn rendered(&self, renderer: &Renderer, keys: &ClusterKeys) -> BTreeMap<String, String> {
        let checked = check_files("site".into(), self.site().into_iter().collect(), NOW);
        let found: Vec<String> = checked
            .findings()
            .iter()
            .map(|finding| format!("{}: {}", finding.rule.code, finding.message))
            .collect();
        assert!(found.is_empty(), "{found:?}\n{self:?}");
        let site = checked.accept().unwrap();
        let files = renderer.host(&site.clusters[0], 0, keys).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        files
            .iter()
            .map(|file| (file.path.file_name().unwrap().to_owned(), text(file.content.bytes())))
            .collect()
    }

    /// The entry with the host's address, and its kind.
    fn top(&self) -> (&'static str, String) {
        match (&self.bridge, self.vlan, &self.bond) {
            (Some(bridge), ..) => ("bridges", bridge.clone()),
            (None, Some(vlan), _) => ("vlans", format!("vlan{vlan}")),
            (None, None, Some(_)) => ("bonds", "bond0".to_owned()),
            (None, None, None) => ("ethernets", "lan".to_owned()),
        }
    }

    /// The entries of the cards.
    fn cards(&self) -> Vec<String> {
        match &self.bond {
            None => vec!["lan".to_owned()],
            Some(bond) => NAMES[..bond.links].iter().map(|name| format!("link-{name}")).collect(),
        }
    }

    /// The interface that a VLAN is on.
    fn below_vlan(&self) -> &'static str {
        if self.bond.is_some() { "bond0" } else { "lan" }
    }
}

fn keys() -> ClusterKeys {
    let secret = SiteSecret::parse(SECRET).unwrap();
    ClusterKeys {
        spares: Vec::new(),
        cluster: secret.lxd_cluster("lab", 1).unwrap(),
        earlier: None,
        desk: Some(secret.lxd_desk("lab", 1).unwrap()),
        hosts: vec![HostKeys {
            server: secret.lxd_server("lab", "node1", 1).unwrap(),
            ssh: secret.ssh_host_key("lab", "node1", 1).unwrap(),
        }],
    }
}

/// Calls it with so many networks, the same ones at each run.
fn each(cases: u32, test: impl Fn(&Network, &BTreeMap<String, String>) -> Result<(), TestCaseError>) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let cases = asked("PROPTEST_CASES").unwrap_or(cases.into());
    let config = ProptestConfig {
        cases: u32::try_from(cases).unwrap(),
        rng_seed: RngSeed::Fixed(asked("PROPTEST_RNG_SEED").unwrap_or(1_u64)),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (renderer, keys) = (Renderer::new().unwrap(), keys());
    let tried = TestRunner::new(config).run(&network(), |network| {
        test(&network, &network.rendered(&renderer, &keys))
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap().trim().to_owned(),
    }
}

fn keys_of(value: &Value) -> Vec<String> {
    value
        .as_mapping()
        .into_iter()
        .flatten()
        .map(|(key, _)| text(key))
        .collect()
}

fn list(value: &Value) -> Vec<String> {
    value.as_sequence().into_iter().flatten().map(text).collect()
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64()
}

#[test]
fn what_is_emitted_says_what_the_profile_says() {
    each(96, |network, files| {
        let config: Value = serde_yaml::from_str(&files["network-config"]).unwrap();
        let (kind, name) = network.top();
        // One interface has the address, and everything that goes with it.
        for layer in ["ethernets", "bonds", "vlans", "bridges"] {
            for entry in keys_of(&config[layer]) {
                if network.further_entries().contains(&entry) {
                    continue;
                }
                let device = &config[layer][entry.as_str()];
                let is_top = (layer, &entry) == (kind, &name);
                prop_assert_eq!(device.get("addresses").is_some(), is_top, "{}", &entry);
                prop_assert_eq!(device.get("nameservers").is_some(), is_top, "{}", &entry);
                prop_assert_eq!(number(&device["mtu"]), network.mtu().map(u64::from), "{}", &entry);
            }
        }
        let top = &config[kind][name.as_str()];
        let address = format!("{}/{}", network.address(), network.prefix());
        prop_assert_eq!(list(&top["addresses"]), vec![address]);
        let mut routes = Vec::new();
        if network.outside {
            routes.push(("0.0.0.0/0".to_owned(), network.gateway().to_owned(), true, None, None));
        }
        for route in &network.routes {
            let via = network.router(route).to_owned();
            routes.push((route.to.clone(), via, route.on_link, route.metric, route.table));
        }
        let small = |value: &Value| number(value).map(|number| u32::try_from(number).unwrap());
        let emitted: Vec<_> = top["routes"]
            .as_sequence()
            .into_iter()
            .flatten()
            .map(|route| {
                let on_link = route["on-link"].as_bool().unwrap_or(false);
                (
                    text(&route["to"]),
                    text(&route["via"]),
                    on_link,
                    small(&route["metric"]),
                    small(&route["table"]),
                )
            })
            .collect();
        prop_assert_eq!(emitted, routes);
        let gateway = if network.v6 { &top["gateway6"] } else { &top["gateway4"] };
        prop_assert_eq!(gateway.as_str(), (!network.outside).then(|| network.gateway()));
        // From the top down to the cards.
        let mut below = name.clone();
        if network.bridge.is_some() {
            let ports = list(&config["bridges"][name.as_str()]["interfaces"]);
            prop_assert_eq!(ports.len(), 1);
            below.clone_from(&ports[0]);
        }
        if let Some(vlan) = network.vlan {
            let device = &config["vlans"][below.as_str()];
            prop_assert_eq!(number(&device["id"]), Some(u64::from(vlan)));
            below = text(&device["link"]);
        }
        let cards = network.cards();
        if let Some(bond) = &network.bond {
            let device = &config["bonds"][below.as_str()];
            prop_assert_eq!(list(&device["interfaces"]), cards.clone());
            let parameters = &device["parameters"];
            prop_assert_eq!(parameters["mode"].as_str(), Some(bond.mode));
            prop_assert_eq!(parameters["lacp-rate"].as_str(), bond.lacp_rate);
            prop_assert_eq!(parameters["transmit-hash-policy"].as_str(), bond.policy);
            prop_assert_eq!(
                parameters["primary"].as_str(),
                bond.primary.map(|at| cards[at].as_str())
            );
            let interval = bond.interval.unwrap_or(100);
            prop_assert_eq!(number(&parameters["mii-monitor-interval"]), Some(interval.into()));
        } else {
            prop_assert_eq!(&below, &cards[0]);
        }
        let mut ethernets = keys_of(&config["ethernets"]);
        ethernets.retain(|entry| !network.further_entries().contains(entry));
        prop_assert_eq!(ethernets, cards.clone());
        for (card, mac) in cards.iter().zip(MACS) {
            let found = &config["ethernets"][card.as_str()]["match"];
            prop_assert_eq!(found["macaddress"].as_str(), Some(mac));
            prop_assert_eq!(found["driver"].as_str(), Some("!802.1Q*"));
        }
        // To networkd of 18.04 what lies on a card fits its address, too, so its file has to come first.
        for virtual_one in keys_of(&config["bonds"]).iter().chain(&keys_of(&config["bridges"])) {
            prop_assert!(
                cards.iter().all(|card| virtual_one < card),
                "{} {:?}",
                virtual_one,
                cards
            );
        }
        // The installer has one card, the primary or the first.
        let first = network.bond.as_ref().and_then(|bond| bond.primary).unwrap_or(0);
        let user_data: Value = serde_yaml::from_str(&files["user-data"]).unwrap();
        let narrowed = list(&user_data["bootcmd"][2]);
        let cards = cards.into_iter().zip(MACS.map(str::to_owned));
        let own = network.further.iter().enumerate().filter(|(_, further)| further.own);
        let own: Vec<_> = own
            .map(|(at, _)| (format!("link-own{at}"), format!("52:54:00:bb:00:0{at}")))
            .collect();
        let all: Vec<String> = cards.chain(own.clone()).flat_map(|(card, mac)| [card, mac]).collect();
        for (card, mac) in &own {
            let found = &config["ethernets"][card.as_str()]["match"];
            prop_assert_eq!(found["macaddress"].as_str(), Some(mac.as_str()));
        }
        for (at, further) in network.further.iter().enumerate() {
            let (kind, name, carrier) = network.place(at);
            let device = &config[kind][name.as_str()];
            let address = (!further.dhcp).then(|| format!("10.{}.0.11/24", 50 + at));
            prop_assert_eq!(list(&device["addresses"]), address.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(device["dhcp4"].as_bool(), Some(further.dhcp));
            prop_assert_eq!(device["optional"].as_bool(), Some(true));
            prop_assert_eq!(device["accept-ra"].as_bool(), Some(false));
            prop_assert!(device.get("gateway4").is_none() && device.get("routes").is_none());
            let shared = network.mtu().filter(|_| !further.own);
            prop_assert_eq!(number(&device["mtu"]), further.mtu.or(shared).map(u64::from));
            if further.tagged {
                prop_assert_eq!(number(&device["id"]), u64::try_from(3000 + at).ok());
                prop_assert_eq!(device["link"].as_str(), Some(carrier.as_str()));
            }
        }
        if network.bond.is_some() || !own.is_empty() {
            prop_assert_eq!(&narrowed[4..], &all[..]);
        } else {
            prop_assert_eq!(narrowed[4].as_str(), MACS[first]);
        }
        Ok(())
    });
}

#[test]
fn instances_are_where_the_profile_says() {
    each(96, |network, files| {
        let preseed: Value = serde_yaml::from_str(&files["lxd-preseed.yaml"]).unwrap();
        let nic = &preseed["profiles"][0]["devices"]["eth0"];
        let made = &preseed["networks"];
        let implied = if network.bridge.is_some() { "none" } else { "fan" };
        let (name, plugged) = match network.overlay.unwrap_or(implied) {
            "fan" => (Some("lxdfan0"), None),
            "bridge" => (Some("lxdbr0"), None),
            _ => (None, network.bridge.as_deref()),
        };
        prop_assert_eq!(made[0]["name"].as_str(), name);
        prop_assert_eq!(nic["network"].as_str(), name);
        prop_assert_eq!(nic["parent"].as_str(), plugged);
        prop_assert_eq!(nic["nictype"].as_str(), plugged.map(|_| "bridged"));
        prop_assert_eq!(nic["type"].as_str(), name.or(plugged).map(|_| "nic"));
        // 1450 is LXD's own, and the most it takes.
        let small = network.mtu().filter(|mtu| *mtu < 1500 && name == Some("lxdfan0"));
        let expected = small.map(|mtu| (mtu - 50).to_string());
        prop_assert_eq!(made[0]["config"]["bridge.mtu"].as_str(), expected.as_deref());
        Ok(())
    });
}

// ---- netplan --------------------------------------------------------------------------------------------------------

/// A file of networkd or udev: sections in order, each with its lines in order.
type Unit = Vec<(String, Vec<(String, String)>)>;

fn unit(text: &str) -> Unit {
    let mut sections: Unit = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push((name.to_owned(), Vec::new()));
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            sections.last_mut().unwrap().1.push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

/// Every value of a key in the sections of that name.
fn of<'a>(unit: &'a Unit, section: &str, key: &str) -> Vec<&'a str> {
    let sections = unit.iter().filter(|(name, _)| name == section);
    sections
        .flat_map(|(_, lines)| lines.iter().filter(|(name, _)| name == key))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// What netplan makes of a network-config, by file; the names are without `10-netplan-`.
fn generated(netplan: &Path, network_config: &str) -> BTreeMap<String, Unit> {
    let dir = temp_dir();
    let folder = dir.path().join("etc/netplan");
    fs::create_dir_all(&folder).unwrap();
    let lines = network_config.lines();
    let wrapped = lines.fold("network:\n".to_owned(), |text, line| format!("{text}  {line}\n"));
    let file = folder.join("50-cloud-init.yaml");
    fs::write(&file, wrapped).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    Run::of(Command::new(netplan).arg(dir.path())).expect_exit(0);
    let files = fs::read_dir(dir.path().join("run/systemd/network")).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = name.strip_prefix("10-netplan-").unwrap().to_owned();
            (name, unit(&fs::read_to_string(path).unwrap()))
        })
        .collect()
}

#[test]
fn netplan_makes_of_it_what_the_profile_says() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    let none = Unit::new();
    each(48, |network, files| {
        let units = generated(&netplan, &files["network-config"]);
        let file = |name: String| units.get(&name).unwrap_or(&none);
        let (_, name) = network.top();
        let top = file(format!("{name}.network"));
        let address = format!("{}/{}", network.address(), network.prefix());
        prop_assert_eq!(of(top, "Network", "Address"), vec![address.as_str()]);
        let gateway = (!network.outside).then(|| network.gateway());
        // Later netplans write a gateway as a route without a destination.
        let as_route: Vec<&str> = top
            .iter()
            .filter(|(section, lines)| section == "Route" && !lines.iter().any(|(key, _)| key == "Destination"))
            .flat_map(|(_, lines)| lines.iter().map(|(_, value)| value.as_str()))
            .collect();
        let found = of(top, "Network", "Gateway").into_iter().chain(as_route);
        prop_assert_eq!(found.collect::<Vec<_>>(), gateway.into_iter().collect::<Vec<_>>());
        let mut routes: Vec<Vec<(String, String)>> = Vec::new();
        let line = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        if network.outside {
            let gateway = line("Gateway", network.gateway());
            routes.push(vec![
                line("Destination", "0.0.0.0/0"),
                gateway,
                line("GatewayOnLink", "true"),
            ]);
        }
        for route in &network.routes {
            let mut lines = vec![line("Destination", &route.to), line("Gateway", network.router(route))];
            if route.on_link {
                lines.push(line("GatewayOnLink", "true"));
            }
            for (key, value) in [("Metric", route.metric), ("Table", route.table)] {
                lines.extend(value.map(|value| line(key, &value.to_string())));
            }
            routes.push(lines);
        }
        let written: Vec<Vec<(String, String)>> = top
            .iter()
            .filter(|(section, lines)| section == "Route" && lines.iter().any(|(key, _)| key == "Destination"))
            .map(|(_, lines)| lines.clone())
            .collect();
        prop_assert_eq!(written, routes);
        let mtu = network.mtu().map(|mtu| mtu.to_string());
        let mtu: Vec<&str> = mtu.iter().map(String::as_str).collect();
        let cards = network.cards();
        for (at, card) in cards.iter().enumerate() {
            let made = file(format!("{card}.network"));
            let matched = [
                of(made, "Match", "MACAddress"),
                of(made, "Match", "PermanentMACAddress"),
            ]
            .concat();
            prop_assert_eq!(matched, vec![MACS[at]]);
            prop_assert_eq!(of(made, "Match", "Driver"), vec!["!802.1Q*"]);
            prop_assert_eq!(of(file(format!("{card}.link")), "Link", "MTUBytes"), mtu.clone());
            let bond = network.bond.as_ref().map(|_| "bond0");
            prop_assert_eq!(of(made, "Network", "Bond"), bond.into_iter().collect::<Vec<_>>());
            let primary = network.bond.as_ref().and_then(|bond| bond.primary) == Some(at);
            prop_assert_eq!(of(made, "Network", "PrimarySlave").len(), usize::from(primary));
            prop_assert_eq!(of(made, "Link", "RequiredForOnline").len(), usize::from(bond.is_some()));
        }
        prop_assert_eq!(cards.len(), network.links());
        if let Some(bond) = &network.bond {
            let made = file("bond0.netdev".to_owned());
            let interval = format!("{}ms", bond.interval.unwrap_or(100));
            prop_assert_eq!(of(made, "NetDev", "Kind"), vec!["bond"]);
            prop_assert_eq!(of(made, "NetDev", "MACAddress"), vec![MACS[0]]);
            prop_assert_eq!(of(made, "NetDev", "MTUBytes"), mtu.clone());
            prop_assert_eq!(of(made, "Bond", "Mode"), vec![bond.mode]);
            prop_assert_eq!(of(made, "Bond", "MIIMonitorSec"), vec![interval.as_str()]);
            let rate: Vec<&str> = bond.lacp_rate.into_iter().collect();
            prop_assert_eq!(of(made, "Bond", "LACPTransmitRate"), rate);
            let policy: Vec<&str> = bond.policy.into_iter().collect();
            prop_assert_eq!(of(made, "Bond", "TransmitHashPolicy"), policy);
        }
        if let Some(vlan) = network.vlan {
            let (id, name) = (vlan.to_string(), format!("vlan{vlan}"));
            let made = file(format!("{name}.netdev"));
            prop_assert_eq!(of(made, "NetDev", "Kind"), vec!["vlan"]);
            prop_assert_eq!(of(made, "VLAN", "Id"), vec![id.as_str()]);
            prop_assert_eq!(of(made, "NetDev", "MTUBytes"), mtu.clone());
            let carrier = file(format!("{}.network", network.below_vlan()));
            prop_assert!(of(carrier, "Network", "VLAN").contains(&name.as_str()));
            prop_assert_eq!(of(carrier, "Network", "IPv6AcceptRA"), vec!["no"]);
        }
        for (at, further) in network.further.iter().enumerate() {
            let (_, name, carrier) = network.place(at);
            let made = file(format!("{name}.network"));
            let address = (!further.dhcp).then(|| format!("10.{}.0.11/24", 50 + at));
            let address: Vec<&str> = address.iter().map(String::as_str).collect();
            prop_assert_eq!(of(made, "Network", "Address"), address);
            let dhcp: Vec<&str> = further.dhcp.then_some("ipv4").into_iter().collect();
            prop_assert_eq!(of(made, "Network", "DHCP"), dhcp);
            prop_assert_eq!(of(made, "Network", "IPv6AcceptRA"), vec!["no"]);
            prop_assert_eq!(of(made, "Link", "RequiredForOnline"), vec!["no"]);
            if further.tagged {
                let id = (3000 + at).to_string();
                prop_assert_eq!(of(file(format!("{name}.netdev")), "VLAN", "Id"), vec![id.as_str()]);
                let carrier = file(format!("{carrier}.network"));
                prop_assert!(of(carrier, "Network", "VLAN").contains(&name.as_str()));
            }
        }
        if let Some(bridge) = &network.bridge {
            let made = file(format!("{bridge}.netdev"));
            prop_assert_eq!(of(made, "NetDev", "Kind"), vec!["bridge"]);
            prop_assert_eq!(of(made, "Bridge", "STP"), vec!["false"]);
            prop_assert_eq!(of(made, "NetDev", "MACAddress"), vec![MACS[0]]);
            let port = network
                .vlan
                .map_or(network.below_vlan().to_owned(), |vlan| format!("vlan{vlan}"));
            prop_assert_eq!(
                of(file(format!("{port}.network")), "Network", "Bridge"),
                vec![bridge.as_str()]
            );
        }
        Ok(())
    });
}
