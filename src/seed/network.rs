//! network-config: netplan version 2 as cloud-init passes it on.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Host, Network};
use crate::yaml::{self, YamlError};

/// The bare version 2 document. cloud-init before 22.2 crashes on a `network:` key around it, and netplan 0.36.1 of
/// 18.04's media stops at any key it does not know: these are all in its table.
#[derive(Serialize)]
struct NetworkConfig {
    version: u8,
    ethernets: Ethernets,
}

#[derive(Serialize)]
struct Ethernets {
    lan: Ethernet,
}

#[derive(Serialize)]
struct Ethernet {
    #[serde(rename = "match")]
    matches: Match,
    dhcp4: bool,
    dhcp6: bool,
    addresses: [String; 1],
    // `routes: to: default` needs netplan 0.103.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway6: Option<String>,
    // 0.36.1 has udev set it, by a .link file, when it sees the card; the netplans after it have networkd do it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Way>,
    #[serde(skip_serializing_if = "Nameservers::is_empty")]
    nameservers: Nameservers,
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

#[derive(Serialize)]
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

pub(super) fn network_config(network: &Network, host: &Host) -> Result<String, YamlError> {
    let gateway = network.gateway.to_string();
    let (gateway4, gateway6) = match network.gateway {
        _ if network.gateway_is_outside() => (None, None),
        IpAddr::V4(_) => (Some(gateway), None),
        IpAddr::V6(_) => (None, Some(gateway)),
    };
    yaml::to_string(&NetworkConfig {
        version: 2,
        ethernets: Ethernets {
            lan: Ethernet {
                matches: Match {
                    macaddress: host.mac.to_string(),
                    driver: NO_VLAN,
                },
                dhcp4: false,
                dhcp6: false,
                addresses: [format!("{}/{}", host.address, network.subnet.prefix_len())],
                gateway4,
                gateway6,
                mtu: host.wiring.mtu,
                routes: ways(network, host),
                nameservers: Nameservers {
                    search: network.search.clone(),
                    addresses: network.nameservers.iter().map(ToString::to_string).collect(),
                },
            },
        },
    })
}
