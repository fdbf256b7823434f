//! network-config: netplan version 2 as cloud-init passes it on.

use std::net::IpAddr;

use serde::Serialize;

use super::yaml::{self, YamlError};
use crate::model::{Host, Network};

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
    #[serde(skip_serializing_if = "Nameservers::is_empty")]
    nameservers: Nameservers,
}

#[derive(Serialize)]
struct Match {
    macaddress: String,
}

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

pub(super) fn network_config(
    yaml: &yaml::Writer,
    network: &Network,
    host: &Host,
) -> Result<String, YamlError> {
    let gateway = network.gateway.to_string();
    let (gateway4, gateway6) = match network.gateway {
        IpAddr::V4(_) => (Some(gateway), None),
        IpAddr::V6(_) => (None, Some(gateway)),
    };
    yaml.to_string(&NetworkConfig {
        version: 2,
        ethernets: Ethernets {
            lan: Ethernet {
                matches: Match {
                    macaddress: host.mac.to_string(),
                },
                dhcp4: false,
                dhcp6: false,
                addresses: [format!("{}/{}", host.address, network.subnet.prefix_len())],
                gateway4,
                gateway6,
                nameservers: Nameservers {
                    search: network.search.clone(),
                    addresses: network
                        .nameservers
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                },
            },
        },
    })
}
