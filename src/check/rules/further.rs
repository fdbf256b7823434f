//! The networks that hosts are in besides that of their cluster.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::bonds::{common, have, hosts};
use super::network::reserved;
use super::subnet::why_unusable;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit;
use crate::model::{LARGEST_MTU, SMALLEST_MTU, USUAL_MTU, VLANS};
use crate::profile::{FurtherNetwork, HostNetwork, Spanned, did_you_mean, entries, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &NETWORK_FORM,
    &NETWORK_CARD,
    &NETWORK_SUBNET,
    &NETWORK_ADDRESS,
    &NETWORK_ADDRESS_UNUSABLE,
    &NETWORK_VLAN,
    &NETWORK_MTU,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const POOLS: &str = "pools:\n";
const LAST: &str = "address: 192.168.10.13}";
const STORAGE: &str = "networks: {storage: {subnet: 10.1.0.0/24, vlan: 20}}\npools:\n";

/// The example site whose hosts are in one network more, and this in place of `networks:`.
const fn also_in(networks: &'static str, last: &'static str) -> [Edit; 4] {
    [
        Edit::Replace(CLUSTER, POOLS, networks),
        Edit::Replace(
            HOSTS,
            "address: 192.168.10.11}",
            "address: 192.168.10.11, networks: {storage: 10.1.0.11}}",
        ),
        Edit::Replace(
            HOSTS,
            "address: 192.168.10.12}",
            "address: 192.168.10.12, networks: {storage: 10.1.0.12}}",
        ),
        Edit::Replace(HOSTS, LAST, last),
    ]
}

const LAST_TOO: &str = "address: 192.168.10.13, networks: {storage: 10.1.0.13}}";

type Entry<T> = (Spanned<String>, Spanned<T>);

/// The further networks of a cluster.
pub(super) fn further<'a>(cluster: &ClusterView<'a>) -> &'a [Entry<FurtherNetwork>] {
    let profile = cluster.profile();
    profile.map_or(&[], |profile| entries(profile.networks.as_ref()))
}

static NETWORK_FORM: Check = Check::error(
    "F037",
    "network-without-form",
    network_form,
    "A further network has a subnet, in which every host has an address of its own, or a DHCP server gives the addresses out. It is apart from the \
     hosts' own network by its VLAN or by a card of its own. The cluster's own network takes no DHCP: members know one another by fixed addresses.",
)
.example(
    &also_in("networks: {storage: {subnet: 10.1.0.0/24}}\npools:\n", LAST_TOO),
    &also_in(STORAGE, LAST_TOO),
);

fn network_form(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, network) in site.clusters.iter().flat_map(further) {
        let FurtherNetwork {
            subnet,
            dhcp,
            vlan,
            link,
            unread,
            ..
        } = &network.value;
        let name = quoted(&name.value);
        let dhcp = dhcp.as_ref().filter(|dhcp| dhcp.value);
        match (subnet, dhcp) {
            (Some(subnet), Some(dhcp)) => {
                report
                    .add(
                        dhcp.span,
                        format!("network {name} has a subnet and DHCP"),
                        "keep one of the two",
                    )
                    .label("who gives the addresses?")
                    .also(subnet.span, "the subnet");
            }
            (None, None) if !unread.any(&["subnet", "dhcp"]) => {
                let help = "add `subnet: 10.1.0.0/24`, and each host's address, or `dhcp: true`";
                report
                    .add(network.span, format!("network {name} has no addresses"), help)
                    .label("no `subnet` here");
            }
            _ => {}
        }
        if vlan.is_none() && link.is_none() && !unread.any(&["vlan", "link"]) {
            let help = "add `vlan: 20`, or `link: c` for a card of its own that each host has in `links`";
            report
                .add(network.span, format!("nothing says where network {name} is"), help)
                .label("no `vlan` or `link` here");
        }
    }
}

static NETWORK_CARD: Check = Check::error(
    "F038",
    "network-without-card",
    network_card,
    "A network on a card of its own needs that card in each host, by the name that the cluster gives it. A card in a bond carries nothing but the \
     bond, and one that carries a network without a VLAN carries no second one.",
)
.example(
    &also_in(
        "networks: {storage: {subnet: 10.1.0.0/24, link: c}}\npools:\n",
        LAST_TOO,
    ),
    &[
        Edit::Replace(CLUSTER, POOLS, "networks: {lab: {dhcp: true, link: c}}\npools:\n"),
        Edit::Replace(HOSTS, "0.11}", "0.11, links: {c: \"52:54:00:aa:02:01\"}}"),
        Edit::Replace(HOSTS, "0.12}", "0.12, links: {c: \"52:54:00:aa:02:02\"}}"),
        Edit::Replace(HOSTS, "0.13}", "0.13, links: {c: \"52:54:00:aa:02:03\"}}"),
    ],
);

fn network_card(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let bond = common(cluster).and_then(|common| common.value.bond.as_ref()?.value.links.as_ref());
        let mut untagged: HashMap<&str, Span> = HashMap::new();
        for (name, network) in further(cluster) {
            let Some(link) = &network.value.link else { continue };
            let name = quoted(&name.value);
            let in_bond = bond.into_iter().flat_map(|links| &links.value);
            if let Some(used) = in_bond.into_iter().find(|used| used.value == link.value) {
                let message = format!("link {} of network {name} is in the bond", quoted(&link.value));
                let help = "leave `link` out, so that the network is in its VLAN on the bond, or write another card";
                report
                    .add(link.span, message, help)
                    .label("carries the bond alone")
                    .also(used.span, "in the bond");
                continue;
            }
            if network.value.vlan.is_none()
                && !network.value.unread.key("vlan")
                && let Some(first) = untagged.insert(&link.value, link.span)
            {
                let message = format!("link {} carries two networks without a VLAN", quoted(&link.value));
                report
                    .add(link.span, message, "write a `vlan` for one of them, or another card")
                    .label("again here")
                    .also(first, "first here");
            }
            let lacking: Vec<_> = hosts(cluster)
                .filter(|(_, own)| !own.value.unread.key("links"))
                .filter(|(_, own)| {
                    let links = own.value.links.as_ref();
                    links.is_none_or(|links| !links.value.may_have(&link.value))
                })
                .collect();
            let Some((host, own)) = lacking.first() else { continue };
            let who = have(host, lacking.len());
            let message = format!("{who} no {}, the card of network {name}", quoted(&link.value));
            let help = format!("add `links: {{{}: …}}` with the card's hardware address", link.value);
            let at = own.value.links.as_ref().map_or(own.span, |links| links.span);
            report
                .add(at, message, help)
                .label("the host's cards")
                .also(link.span, "the network's card");
        }
    }
}

static NETWORK_SUBNET: Check = Check::error(
    "F039",
    "network-subnet",
    network_subnet,
    "A host that is in two networks with one range of addresses sends what is for one of them into the other.",
)
.example(
    &[
        Edit::Replace(
            CLUSTER,
            POOLS,
            "networks: {storage: {subnet: 192.168.0.0/16, vlan: 20}}\npools:\n",
        ),
        Edit::Replace(HOSTS, "0.11}", "0.11, networks: {storage: 192.168.0.11}}"),
        Edit::Replace(HOSTS, "0.12}", "0.12, networks: {storage: 192.168.0.12}}"),
        Edit::Replace(HOSTS, "0.13}", "0.13, networks: {storage: 192.168.0.13}}"),
    ],
    &also_in(STORAGE, LAST_TOO),
);

/// What is wrong with the subnet of a further network.
enum Wrong<'a> {
    Unusable(&'static str),
    Overlaps(&'a str, &'a Spanned<IpNet>),
}

/// The further networks whose subnets are wrong.
fn wrong_subnets<'a>(cluster: &ClusterView<'a>) -> Vec<(&'a str, &'a Spanned<IpNet>, Wrong<'a>)> {
    let own = common(cluster).and_then(|common| common.value.subnet.as_ref());
    let mut before: Vec<_> = own.into_iter().map(|subnet| ("the cluster's", subnet)).collect();
    let mut wrong = Vec::new();
    for (name, network) in further(cluster) {
        let Some(subnet) = &network.value.subnet else { continue };
        let name = name.value.as_str();
        if let Some(why) = why_unusable(subnet.value) {
            wrong.push((name, subnet, Wrong::Unusable(why)));
            continue;
        }
        let overlap = |other: IpNet| subnet.value.contains(&other.network()) || other.contains(&subnet.value.network());
        if let Some((whose, other)) = before.iter().find(|(_, other)| overlap(other.value)) {
            wrong.push((name, subnet, Wrong::Overlaps(whose, other)));
        }
        before.push((name, subnet));
    }
    wrong
}

fn network_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, subnet, wrong) in site.clusters.iter().flat_map(wrong_subnets) {
        match wrong {
            Wrong::Unusable(why) => {
                let help = "use the subnet the machines are in, such as 10.1.0.0/24";
                report
                    .add(subnet.span, format!("subnet {} {why}", subnet.value), help)
                    .label(why);
            }
            Wrong::Overlaps(whose, other) => {
                let message = format!("{} and {whose} subnet {} overlap", subnet.value, other.value);
                report
                    .add(subnet.span, message, "write the subnet that this network has")
                    .label("overlaps")
                    .also(other.span, "the other subnet");
            }
        }
    }
}

static NETWORK_ADDRESS: Check = Check::error(
    "F040",
    "network-address-missing",
    network_address,
    "Every host has an address in every network that has a subnet, and names no network that its cluster has not.",
)
.example(&also_in(STORAGE, LAST), &also_in(STORAGE, LAST_TOO));

/// The further network that a host means by a name that there is not: one in which it has no address.
fn meant<'a>(cluster: &ClusterView<'a>, own: &HostNetwork, name: &str) -> Option<&'a Spanned<String>> {
    let lacking = further(cluster).iter().map(|(known, _)| known).filter(|known| {
        entries(own.networks.as_ref())
            .iter()
            .all(|(has, _)| has.value != known.value)
    });
    let similar = did_you_mean(name, lacking.clone().map(|known| known.value.as_str()))?;
    lacking.clone().find(|known| known.value == similar)
}

fn is_known(cluster: &ClusterView<'_>, name: &str) -> bool {
    let networks = cluster.profile().and_then(|profile| profile.networks.as_ref());
    networks.is_some_and(|networks| networks.value.may_have(name))
}

fn network_address(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        if cluster.profile().is_none_or(|profile| profile.unread.key("networks")) {
            continue;
        }
        for (name, network) in further(cluster) {
            // With a subnet and a DHCP server, that is what is wrong.
            let is_given_out = network.value.dhcp.as_ref().is_some_and(|dhcp| dhcp.value);
            match network.value.subnet.is_some() {
                true if !is_given_out => lacking(cluster, name, report),
                false if is_given_out => needless(cluster, name, report),
                _ => {}
            }
        }
        for (host, own) in hosts(cluster) {
            for (name, _) in entries(own.value.networks.as_ref()) {
                if is_known(cluster, &name.value) {
                    continue;
                }
                let message = format!("{}'s cluster has no network {}", host.label(), quoted(&name.value));
                match meant(cluster, &own.value, &name.value) {
                    Some(meant) => {
                        let help = format!("did you mean `{}`?", meant.value);
                        let finding = report.add(name.span, message, help);
                        finding.label("no such network").also(meant.span, "there is this one");
                        finding.fix(name.span, scalar(&meant.value));
                    }
                    None => {
                        let help = "add it to `networks` in cluster.yaml, or leave it out";
                        report.add(name.span, message, help).label("no such network");
                    }
                }
            }
        }
    }
}

/// Reports addresses in a network that gives them out itself.
fn needless(cluster: &ClusterView<'_>, name: &Spanned<String>, report: &mut Report<'_>) {
    let addresses: Vec<_> = hosts(cluster)
        .filter_map(|(_, own)| own.value.networks.as_ref()?.value.get(&name.value))
        .collect();
    let Some((_, first)) = addresses.first() else { return };
    let message = match addresses.len() - 1 {
        0 => format!("network {} gives its addresses out by DHCP", quoted(&name.value)),
        more => format!(
            "network {} gives its addresses out by DHCP, and {more} more have one written",
            quoted(&name.value)
        ),
    };
    let help = "leave the address out, or write `subnet` in place of `dhcp`";
    report
        .add(first.span, message, help)
        .label("would not be used")
        .also(name.span, "the network");
}

/// Reports the hosts without an address in that network, but for those that have one under a name that means it.
fn lacking(cluster: &ClusterView<'_>, name: &Spanned<String>, report: &mut Report<'_>) {
    let lacking: Vec<_> = hosts(cluster)
        .filter(|(_, own)| !own.value.unread.key("networks"))
        .filter(|(_, own)| {
            let addresses = own.value.networks.as_ref();
            let misspelt = entries(addresses)
                .iter()
                .filter(|(other, _)| !is_known(cluster, &other.value));
            let mut meant = misspelt.filter_map(|(other, _)| meant(cluster, &own.value, &other.value));
            addresses.is_none_or(|addresses| !addresses.value.may_have(&name.value))
                && meant.all(|meant| meant.value != name.value)
        })
        .collect();
    let Some((host, own)) = lacking.first() else { return };
    let who = have(host, lacking.len());
    let message = format!("{who} no address in network {}", quoted(&name.value));
    let help = format!("add `networks: {{{}: …}}` to the host's `network`", name.value);
    let at = own.value.networks.as_ref().map_or(own.span, |networks| networks.span);
    report
        .add(at, message, help)
        .label("no address in it")
        .also(name.span, "the network");
}

static NETWORK_ADDRESS_UNUSABLE: Check = Check::error(
    "F041",
    "network-address",
    network_address_unusable,
    "An address is in its network's subnet, is a host's and not the subnet's own, and no other host has it.",
)
.example(
    &also_in(STORAGE, "address: 192.168.10.13, networks: {storage: 10.1.0.11}}"),
    &also_in(STORAGE, LAST_TOO),
);

fn network_address_unusable(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let wrong = wrong_subnets(cluster);
        for (name, network) in further(cluster) {
            let Some(subnet) = &network.value.subnet else { continue };
            // Its addresses are of the subnet that it has in truth.
            if wrong.iter().any(|(network, ..)| *network == name.value) {
                continue;
            }
            let mut first_use: HashMap<IpAddr, Span> = HashMap::new();
            for (host, own) in hosts(cluster) {
                let addresses = own.value.networks.as_ref();
                let Some((_, address)) = addresses.and_then(|addresses| addresses.value.get(&name.value)) else {
                    continue;
                };
                let why = match reserved(subnet.value, address.value) {
                    _ if !subnet.value.contains(&address.value) => format!("which is not in {}", subnet.value),
                    Some(why) => why.to_owned(),
                    None => match first_use.insert(address.value, address.span) {
                        None => continue,
                        Some(first) => {
                            let message = format!("{} has an address that another host has", host.label());
                            report
                                .add(address.span, message, "give each host an address of its own")
                                .label("used again here")
                                .also(first, "first used here");
                            continue;
                        }
                    },
                };
                let message = format!("{} has {}, {why}", host.label(), address.value);
                report
                    .add(address.span, message, format!("use an address in {}", subnet.value))
                    .label("not an address there")
                    .also(subnet.span, "the network's subnet");
            }
        }
    }
}

static NETWORK_VLAN: Check = Check::error(
    "F042",
    "network-vlan",
    network_vlan,
    "A VLAN's number has twelve bits, of which 0 and 4095 are none (IEEE 802.1Q). Each network has a VLAN of its own: its interface on the machine \
     is called by the number.",
)
.example(
    &also_in(
        "networks: {storage: {subnet: 10.1.0.0/24, vlan: 20}, lab: {dhcp: true, vlan: 20}}\npools:\n",
        LAST_TOO,
    ),
    &also_in(
        "networks: {storage: {subnet: 10.1.0.0/24, vlan: 20}, lab: {dhcp: true, vlan: 21}}\npools:\n",
        LAST_TOO,
    ),
);

fn network_vlan(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let own = common(cluster).and_then(|common| common.value.vlan.as_ref());
        let mut first_use: HashMap<u32, Span> = own.into_iter().map(|vlan| (vlan.value, vlan.span)).collect();
        for vlan in further(cluster)
            .iter()
            .filter_map(|(_, network)| network.value.vlan.as_ref())
        {
            if !VLANS.contains(&vlan.value) {
                let message = format!("there is no VLAN {}", vlan.value);
                report
                    .add(vlan.span, message, "write a number from 1 to 4094")
                    .label("not a VLAN");
            } else if let Some(first) = first_use.insert(vlan.value, vlan.span) {
                let message = format!("two networks are in VLAN {}", vlan.value);
                report
                    .add(vlan.span, message, "write the VLAN that this network has")
                    .label("again here")
                    .also(first, "first here");
            }
        }
    }
}

static NETWORK_MTU: Check = Check::error(
    "F043",
    "network-mtu",
    network_mtu,
    "A VLAN carries no more than what it is on: Linux refuses to make it with larger packets. So the hosts' own `mtu`, or that of the network that has \
     the card without a VLAN, is at least as large.",
)
.example(
    &also_in(
        "networks: {storage: {subnet: 10.1.0.0/24, vlan: 20, mtu: 9000}}\npools:\n",
        LAST_TOO,
    ),
    &[
        Edit::Replace(CLUSTER, "  overlay: fan\n", "  overlay: fan\n  mtu: 9000\n"),
        Edit::Replace(CLUSTER, POOLS, "networks: {lab: {dhcp: true, vlan: 20, mtu: 9000}}\npools:\n"),
    ],
);

fn network_mtu(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        // What was reported itself is taken for enough.
        let sizes = SMALLEST_MTU..=LARGEST_MTU;
        let carried = |mtu: Option<&Spanned<u32>>, is_unread: bool| match mtu {
            Some(mtu) if sizes.contains(&mtu.value) => mtu.value,
            None if !is_unread => USUAL_MTU,
            _ => LARGEST_MTU,
        };
        let all = common(cluster).map(|common| &common.value);
        let of_all = all.and_then(|all| all.mtu.as_ref());
        let is_unread = all.is_some_and(|all| all.unread.key("mtu"));
        let least = hosts(cluster)
            .map(|(_, own)| {
                carried(
                    own.value.mtu.as_ref().or(of_all),
                    is_unread || own.value.unread.key("mtu"),
                )
            })
            .min();
        for (_, network) in further(cluster) {
            let Some(mtu) = &network.value.mtu else { continue };
            if !(SMALLEST_MTU..=LARGEST_MTU).contains(&mtu.value) {
                let message = format!("no network of hosts has packets of {} bytes", mtu.value);
                let help = format!("write a number from {SMALLEST_MTU} to {LARGEST_MTU}");
                report.add(mtu.span, message, help).label("not a usual size");
                continue;
            }
            let below = match &network.value.link {
                _ if network.value.vlan.is_none() => None,
                None => least,
                Some(link) => further(cluster)
                    .iter()
                    .map(|(_, other)| &other.value)
                    .find(|other| {
                        let on = other.link.as_ref().is_some_and(|on| on.value == link.value);
                        on && other.vlan.is_none() && !other.unread.key("vlan")
                    })
                    .map(|other| carried(other.mtu.as_ref(), other.unread.key("mtu"))),
            };
            if let Some(below) = below.filter(|below| *below < mtu.value) {
                let message = format!("packets of {} bytes do not fit through one of {below}", mtu.value);
                let help = match network.value.link {
                    None => "write the larger `mtu` for `network`, too, on every host",
                    Some(_) => "write the larger `mtu` for the network that has the card without a VLAN, too",
                };
                report.add(mtu.span, message, help).label("larger than what it is on");
            }
        }
    }
}
