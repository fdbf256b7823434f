//! How machines are on their network beyond one card with one address: `mtu`, `routes`, `links`, `bond`, `vlan`, `bridge`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::lower::{FromText, Misfit, Spanned, did_you_mean, record};
use super::types::{choice, form};
use crate::model::{BondMode, HashPolicy, LARGEST_MTU, LacpRate, SMALLEST_MTU, VLANS};

/// Bytes of a frame, as an editor knows them.
pub(super) fn mtu() -> Value {
    json!({"minimum": SMALLEST_MTU, "maximum": LARGEST_MTU, "examples": [9000]})
}

/// A card's name in profiles.
pub(super) fn link() -> Value {
    form(
        "^[a-z][a-z0-9_-]{0,14}$",
        "a name of at most 15 lower-case letters and digits",
        &["a"],
    )
}

/// The number of a VLAN.
pub(super) fn vlan() -> Value {
    json!({"minimum": VLANS.start(), "maximum": VLANS.end(), "examples": [12]})
}

/// A bridge's name in the kernel.
pub(super) fn bridge() -> Value {
    form(
        "^br[a-z0-9-]{0,13}$",
        "a name of at most 15 letters and digits that begins with `br`, such as br0",
        &["br0"],
    )
}

/// What netplan writes as a number with a sign.
const POSITIVE: u32 = i32::MAX as u32;

record! {
    /// One entry of `routes:`, in netplan's words.
    pub(crate) struct Route {
        /// The network that is reached by it.
        required to: Destination,
        /// The router that knows the way there.
        required via: IpAddr = json!({"examples": ["192.168.10.254"]}),
        /// The router is on the same wire, although its address is not in the subnet.
        optional on_link: bool = json!({"default": false}),
        /// The smaller one of two routes to the same network is taken.
        optional metric: u32 = json!({"maximum": POSITIVE}),
        /// The number of another routing table than the main one, which only rules of your own look into.
        optional table: u32 = json!({"minimum": 1, "maximum": POSITIVE}),
    }
}

impl Route {
    /// The largest `metric` and `table` there is.
    pub(crate) const LARGEST: u32 = POSITIVE;
}

/// Where a route leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination(pub(crate) IpNet);

impl FromText for Destination {
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        if text == "default" {
            return Err("the default route is `gateway` in cluster.yaml".into());
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let host = IpNet::from(address).to_string();
            return Err(Misfit::from("it has no prefix length").suggestion(Some(host)));
        }
        IpNet::from_text(text).map(Self)
    }

    fn limits() -> Value {
        super::describe::merged(IpNet::limits(), json!({"examples": ["10.0.0.0/8"]}))
    }
}

choice!(
    BondMode,
    "a mode of Linux bonds, such as active-backup or 802.3ad",
    [
        ("lacp", "802.3ad"),
        ("802.1ax", "802.3ad"),
        ("802-3ad", "802.3ad"),
        ("8023ad", "802.3ad"),
        ("failover", "active-backup"),
        ("round-robin", "balance-rr"),
        ("xor", "balance-xor"),
        ("tlb", "balance-tlb"),
        ("alb", "balance-alb"),
    ]
);
choice!(LacpRate, "`slow` or `fast`");
choice!(HashPolicy, "one of layer2, layer2+3, layer3+4, encap2+3, encap3+4");

record! {
    /// `bond:` below `network:` in cluster.yaml, in netplan's words.
    pub(crate) struct Bond {
        /// The cards that it is made of, by the names that each host gives them in `network.links`. The installer uses one of
        /// them, `primary` or else the first, until the first boot.
        required links: Vec<Spanned<String>> = json!({"items": link(), "minItems": 1}),
        /// How the cards share the work. `active-backup` works with any switch. For `802.3ad` the switch has LACP with a fallback
        /// to single ports (passive mode with `lacp fallback`, `no lacp suspend-individual`), since the installer speaks no LACP; a
        /// static group, as for `balance-rr` and `balance-xor`, is to be closed after the first boot.
        required mode: BondMode,
        /// How often the switch sends its word to an `802.3ad` bond; `slow` unless said otherwise.
        optional lacp_rate: LacpRate,
        /// How often a card's link is looked at, in milliseconds; 100 unless said otherwise.
        optional mii_monitor_interval: u32 = json!({"minimum": SHORTEST_INTERVAL, "maximum": LONGEST_INTERVAL, "default": USUAL_INTERVAL}),
        /// The card that is used whenever it has a link, in the modes that use one card for one peer.
        optional primary: String = link(),
        /// Which card a packet takes, in `802.3ad`, `balance-xor` and `balance-tlb`.
        optional transmit_hash_policy: HashPolicy,
    }
}

/// The kernel's own default is never, and a card without a link would be used on.
pub(crate) const USUAL_INTERVAL: u32 = 100;
/// More often costs more than it gives.
pub(crate) const SHORTEST_INTERVAL: u32 = 10;
/// A member that is away for longer is offline to LXD, whose members are missed after twenty seconds.
pub(crate) const LONGEST_INTERVAL: u32 = 10_000;

record! {
    /// One entry of `networks:` in cluster.yaml: a network that the hosts are in besides that of `network`.
    pub(crate) struct FurtherNetwork {
        /// The subnet that every host has an address in, by the network's name in its own `network.networks`.
        optional subnet: IpNet,
        /// Hosts are given their addresses there by a DHCP server, in place of `subnet`.
        optional dhcp: bool = json!({"default": false}),
        /// The number of its VLAN, on the card or bond that has the hosts' own network, or on `link`.
        optional vlan: u32 = vlan(),
        /// The card that it is on, by the name that each host gives it in `network.links`.
        optional link: String = link(),
        /// The largest packet in bytes; without `link` at most that of `network`, which it is unless said otherwise.
        optional mtu: u32 = mtu(),
    }
}
