//! How a host is on its network, beyond one card with one address.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::Serialize;

use super::scalar::Mac;
use crate::target::{BondMode, HashPolicy, LacpRate};

/// IPv6 needs links that carry this much (RFC 8200 §5); with less, Linux takes IPv6 off the interface.
pub(crate) const SMALLEST_MTU: u32 = 1280;
/// What switches and cards for servers carry: 9000, and what a few protocols lay around it.
pub(crate) const LARGEST_MTU: u32 = 9216;
/// What Ethernet carries where nobody says more.
pub(crate) const USUAL_MTU: u32 = 1500;
/// Numbers of VLANs: twelve bits, of which 0 and 4095 are none (IEEE 802.1Q).
pub(crate) const VLANS: RangeInclusive<u32> = 1..=4094;

/// How a host's main interface is set up. What is absent stays as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wiring {
    /// The largest packet on it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// What is reached by other routers than the default gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What is made of several cards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Bond>,
    /// The number of the VLAN that its address is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The bridge that has its address, and that instances can be in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// What other networks the host is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Further>,
}

impl Wiring {
    /// Whether nothing is said of it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A way to another network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The network.
    pub to: IpNet,
    /// The router.
    pub via: IpAddr,
    /// Whether the router is on the wire without being in the subnet.
    pub on_link: bool,
    /// Its rank among routes to the same network.
    pub metric: Option<u32>,
    /// The table that it is in, if it is not the main one.
    pub table: Option<u32>,
}

/// Several cards that are one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bond {
    /// Its cards, in order.
    pub links: Vec<Link>,
    /// How they share the work.
    pub mode: BondMode,
    /// For LACP alone.
    pub lacp_rate: Option<LacpRate>,
    /// How often a card's link is looked at, in milliseconds.
    pub mii_monitor_interval: u32,
    /// The card that is taken whenever it has a link.
    pub primary: Option<String>,
    /// Which card a packet takes.
    pub transmit_hash_policy: Option<HashPolicy>,
}

/// A card that is one of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What profiles call it.
    pub name: String,
    /// Its hardware address.
    pub mac: Mac,
}

/// A network that the host is in besides its cluster's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Further {
    /// The card that it is on, if that is one of its own.
    pub link: Option<Link>,
    /// Its VLAN there; untagged if there is none.
    pub vlan: Option<u16>,
    /// The largest packet on it.
    pub mtu: Option<u32>,
    /// The host's address with the subnet's prefix length; none if a DHCP server gives one.
    pub address: Option<IpNet>,
}

impl Further {
    /// The name of the card that it has for itself.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.link.as_ref().map(|link| link.name.as_str())
    }
}
