//! network-config: netplan version 2 as cloud-init passes it on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Bond, Further, Host, Link, Network, USUAL_MTU, Wiring};
use crate::yaml::{self, YamlError};

/// The bare version 2 document. cloud-init before 22.2 crashes on a `network:` key around it, and netplan 0.36.1 of
/// 18.04's media stops at any key it does not know: these are all in its table.
#[derive(Default, Serialize)]
struct NetworkConfig {
    version: u8,
    ethernets: BTreeMap<String, Device>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bonds: BTreeMap<String, Device>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vlans: BTreeMap<String, Device>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bridges: BTreeMap<String, Device>,
}

/// One interface of any kind.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Device {
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matches: Option<Match>,
    // A boot would wait two minutes for a card without a cable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
    // That of the first card: else a bond has the address of the card that came first in this boot, and a bridge the lowest of
    // all its ports', those of instances included.
    #[serde(skip_serializing_if = "Option::is_none")]
    macaddress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept_ra: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp4: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp6: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
    // `routes: to: default` needs netplan 0.103.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway6: Option<String>,
    // 0.36.1 has udev set that of a card, by a .link file, when it sees the card; the netplans after it have networkd do it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Way>,
    #[serde(skip_serializing_if = "Nameservers::is_empty")]
    nameservers: Nameservers,
}

/// Of a bond or a bridge.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lacp_rate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mii_monitor_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transmit_hash_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_delay: Option<u32>,
}

/// An entry of `routes`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Way {
    to: String,
    via: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    on_link: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
}

/// The host's routes. A gateway that is not in the subnet is one of them: `gateway4` has no `on-link`.
fn ways(network: &Network, host: &Host) -> Vec<Way> {
    let outside = network.gateway_is_outside().then(|| Way {
        to: "0.0.0.0/0".to_owned(),
        via: network.gateway.to_string(),
        on_link: true,
        metric: None,
        table: None,
    });
    let routes = host.wiring.routes.iter().map(|route| Way {
        to: route.to.to_string(),
        via: route.via.to_string(),
        on_link: route.on_link,
        metric: route.metric,
        table: route.table,
    });
    outside.into_iter().chain(routes).collect()
}

#[derive(Serialize)]
struct Match {
    macaddress: String,
    driver: &'static str,
}

/// What a VLAN has its card's address for, to networkd: netplan 0.36.1 and 0.99 write `MACAddress=` for `macaddress`,
/// which every VLAN on the card fits as well, those that LXD makes for `vlan=` included; it would get the host's
/// address and a second default route. netplan hands the glob to networkd as it is, where `!` inverts it, and a card
/// without a driver's name fits. It is one glob, since netplan from 0.104 on refuses a blank in it.
///
/// `set-name` would keep VLANs off too, but it renames the card: networkd then finds it under the new name alone, udev
/// 237 does not rename a card that the initramfs has named, and what speaks of the old name, such as the `parent` of
/// LXD's NICs, breaks.
const NO_VLAN: &str = "!802.1Q*";

/// What else can have the card's hardware address has no common driver or name: bridges, bonds, macvlan, ipvlan,
/// macsec. None has a place on a bus, which udev notes as `ID_PATH` of every card. netplan has no word for it, so this
/// is laid beside what netplan makes of the entry `lan`.
pub(super) const ON_A_BUS: &str = "[Match]\nPath=?*";

#[derive(Default, Serialize)]
struct Nameservers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<String>,
}

impl Nameservers {
    fn is_empty(&self) -> bool {
        self.search.is_empty() && self.addresses.is_empty()
    }
}

/// The one card's entry. A host that has one keeps this name whatever lies on the card.
const CARD: &str = "lan";

/// The bond's name. systemd keeps the kernel from making a bond of this name by itself.
const BOND: &str = "bond0";

/// The entry of a bond's card.
///
/// To networkd of 18.04 a bond and a bridge fit their cards' hardware address as well, until [`ON_A_BUS`] is there; so netplan's
/// files for them have to come first: 10-netplan-bond0 and 10-netplan-br0 before 10-netplan-lan and 10-netplan-link-a.
fn entry(link: &str) -> String {
    format!("link-{link}")
}

/// What netplan calls the host's cards, and their hardware addresses; none if there is but the one.
pub(super) fn names_of_cards(host: &Host) -> Vec<(String, String)> {
    let Wiring { bond, further, .. } = &host.wiring;
    let named = |link: &Link| (entry(&link.name), link.mac.to_string());
    let mut names: Vec<(String, String)> = further
        .iter()
        .filter_map(|network| network.link.as_ref())
        .map(named)
        .collect();
    names.sort();
    names.dedup();
    match bond {
        None if names.is_empty() => names,
        None => [vec![(CARD.to_owned(), host.mac.to_string())], names].concat(),
        Some(bond) => bond.links.iter().map(named).chain(names).collect(),
    }
}

fn card(mac: String) -> Device {
    Device {
        matches: Some(Match {
            macaddress: mac,
            driver: NO_VLAN,
        }),
        ..Device::default()
    }
}

fn bond(bond: &Bond) -> Device {
    Device {
        interfaces: bond.links.iter().map(|link| entry(&link.name)).collect(),
        parameters: Some(Parameters {
            mode: Some(bond.mode.word()),
            lacp_rate: bond.lacp_rate.map(|rate| rate.word()),
            mii_monitor_interval: Some(bond.mii_monitor_interval),
            primary: bond.primary.as_deref().map(entry),
            transmit_hash_policy: bond.transmit_hash_policy.map(|policy| policy.word()),
            ..Parameters::default()
        }),
        macaddress: bond.links.first().map(|link| link.mac.to_string()),
        ..Device::default()
    }
}

/// The interface with the host's address.
fn addressed(network: &Network, host: &Host, device: Device) -> Device {
    let gateway = network.gateway.to_string();
    let (gateway4, gateway6) = match network.gateway {
        _ if network.gateway_is_outside() => (None, None),
        IpAddr::V4(_) => (Some(gateway), None),
        IpAddr::V6(_) => (None, Some(gateway)),
    };
    Device {
        dhcp4: Some(false),
        dhcp6: Some(false),
        addresses: vec![format!("{}/{}", host.address, network.subnet.prefix_len())],
        gateway4,
        gateway6,
        routes: ways(network, host),
        nameservers: Nameservers {
            search: network.search.clone(),
            addresses: network.nameservers.iter().map(ToString::to_string).collect(),
        },
        ..device
    }
}

/// The interfaces from below: what a layer is made of is in it, and the last one has the address.
pub(super) fn network_config(network: &Network, host: &Host) -> Result<String, YamlError> {
    let wiring = &host.wiring;
    let with_mtu = |device: Device| Device {
        mtu: wiring.mtu,
        ..device
    };
    let mut config = NetworkConfig {
        version: 2,
        ..NetworkConfig::default()
    };
    let (mut top, mut device) = (CARD.to_owned(), card(host.mac.to_string()));
    let mut below: fn(&mut NetworkConfig) -> &mut BTreeMap<String, Device> = |config| &mut config.ethernets;
    if let Some(parts) = &wiring.bond {
        for link in &parts.links {
            let card = Device {
                optional: true,
                ..card(link.mac.to_string())
            };
            config.ethernets.insert(entry(&link.name), with_mtu(card));
        }
        (top, device) = (BOND.to_owned(), bond(parts));
        below = |config| &mut config.bonds;
    }
    if let Some(vlan) = wiring.vlan {
        // What is announced to everybody outside the VLAN is not for this host.
        device.accept_ra = Some(false);
        below(&mut config).insert(top.clone(), with_mtu(device));
        device = Device {
            id: Some(vlan),
            link: Some(top),
            ..Device::default()
        };
        top = format!("vlan{vlan}");
        below = |config| &mut config.vlans;
    }
    if let Some(name) = &wiring.bridge {
        below(&mut config).insert(top.clone(), with_mtu(device));
        // It has one way out, so there is no loop to look for, for half a minute of each boot.
        let parameters = Parameters {
            stp: Some(false),
            forward_delay: Some(0),
            ..Parameters::default()
        };
        let first = wiring.bond.as_ref().and_then(|bond| bond.links.first());
        device = Device {
            interfaces: vec![top],
            parameters: Some(parameters),
            macaddress: Some(first.map_or(host.mac, |link| link.mac).to_string()),
            ..Device::default()
        };
        top = name.clone();
        below = |config| &mut config.bridges;
    }
    let device = addressed(network, host, device);
    below(&mut config).insert(top, with_mtu(device));
    for network in &wiring.further {
        further(&mut config, wiring, network);
    }
    yaml::to_string(&config)
}

/// A network besides that of the cluster: on a card of its own, in a VLAN, or in a VLAN on that card. No boot waits for it.
fn further(config: &mut NetworkConfig, wiring: &Wiring, network: &Further) {
    let with_address = |device: Device| Device {
        optional: true,
        dhcp4: Some(network.address.is_none()),
        dhcp6: Some(false),
        // The way out is that of the cluster's own network.
        accept_ra: Some(false),
        addresses: network.address.iter().map(ToString::to_string).collect(),
        ..device
    };
    let (carrier, mtu) = match &network.link {
        None => {
            let carrier = if wiring.bond.is_some() { BOND } else { CARD };
            (carrier.to_owned(), network.mtu.or(wiring.mtu))
        }
        Some(link) => {
            let name = entry(&link.name);
            let device = config.ethernets.entry(name.clone()).or_insert_with(|| Device {
                optional: true,
                accept_ra: Some(false),
                ..card(link.mac.to_string())
            });
            // What is in it in VLANs needs as much room, and has no more than it says.
            let on_it = wiring.further.iter().filter(|other| other.link == network.link);
            let most = on_it.filter_map(|other| other.mtu).max();
            device.mtu = most;
            if network.vlan.is_none() {
                *device = with_address(std::mem::take(device));
            }
            (name, network.mtu.or(most.map(|_| USUAL_MTU)))
        }
    };
    if let Some(vlan) = network.vlan {
        let device = Device {
            id: Some(vlan),
            link: Some(carrier),
            mtu,
            ..Device::default()
        };
        config.vlans.insert(format!("vlan{vlan}"), with_address(device));
    }
}
