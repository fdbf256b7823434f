//! The hosts' addresses: in the subnet, each used once, and usable.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::check::free_addresses::FreeAddresses;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, Member, SiteView};
use crate::finding::{Edit, Finding};
use crate::model::Mac;
use crate::profile::{Spanned, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &DUPLICATE_MAC,
    &UNUSABLE_MAC,
    &DUPLICATE_ADDRESS,
    &ADDRESS_OUTSIDE_SUBNET,
    &ADDRESS_RESERVED,
    &ADDRESS_IS_GATEWAY,
];

static DUPLICATE_MAC: Check = Check::error(
    "F001",
    "duplicate-mac",
    duplicate_mac,
    "netplan finds the interface by its MAC address and the install medium finds the host by it, so two hosts with one address would both \
     become the same machine. Different spellings of an address are the same address.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "52:54:00:aa:00:02",
        "5254.00AA.0001",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "52:54:00:aa:00:02",
        "5254.00AA.0002",
    )],
);

fn duplicate_mac(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut first_use: HashMap<Mac, (Span, Member<'_>)> = HashMap::new();
    for member in site.members() {
        let network = member.host.host().network.as_ref();
        // What no card has is reported as such.
        let macs = network.into_iter().flat_map(|network| network.value.macs());
        for (_, mac) in macs.filter(|(_, mac)| why_unusable(mac.value).is_none()) {
            let Some(&(first, other)) = first_use.get(&mac.value) else {
                first_use.insert(mac.value, (mac.span, member));
                continue;
            };
            // Which of `mac` and `links` is meant is asked as such.
            let has_both = network.is_some_and(|network| network.value.mac.is_some() && network.value.links.is_some());
            if has_both && std::ptr::eq(member.host, other.host) {
                continue;
            }
            let (message, help) = if std::ptr::eq(member.host, other.host) {
                let message = format!(
                    "two links of {} have the same MAC address {}",
                    member.host.label(),
                    mac.value
                );
                (message, "write the address that is on the card or that `ip link` shows")
            } else {
                let (one, other) = site.call(member, other);
                let message = format!("{one} and {other} have the same MAC address {}", mac.value);
                (message, "write the address on the machine's label")
            };
            report
                .add(mac.span, message, help)
                .label("used again here")
                .also(first, "first used here");
        }
    }
}

static UNUSABLE_MAC: Check = Check::error(
    "F002",
    "unusable-mac",
    unusable_mac,
    "An address with the lowest bit of its first byte set is a group's, and all zeros is nobody's (IEEE 802); no interface has either, so the \
     host would come up without a network. aa:bb:cc:dd:ee:ff, 00:11:22:33:44:55 and de:ad:be:ef:00:01 are addresses of manuals, which nobody has \
     replaced by a card's.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "52:54:00:aa:00:01",
        "53:54:00:aa:00:01",
    )],
    &[],
);

fn unusable_mac(site: &SiteView<'_>, report: &mut Report<'_>) {
    for mac in site
        .hosts()
        .filter_map(|host| host.host().network.as_ref())
        .flat_map(|network| network.value.macs().map(|(_, mac)| mac))
    {
        let Some(why) = why_unusable(mac.value) else {
            continue;
        };
        report
            .add(
                mac.span,
                format!("{} is {why}, which no interface has", mac.value),
                "write the address of the host's interface",
            )
            .label(why);
    }
}

fn why_unusable(mac: Mac) -> Option<&'static str> {
    if mac.is_zero() {
        Some("all zeros")
    } else if mac.is_multicast() {
        Some("a multicast address")
    } else if mac.is_sample() {
        Some("an example's address")
    } else {
        None
    }
}

/// A cluster's subnet, and the address of each of its hosts.
pub(super) struct Addresses<'a> {
    pub(super) subnet: &'a Spanned<IpNet>,
    pub(super) hosts: Vec<(&'a str, &'a Spanned<IpAddr>)>,
}

pub(super) fn addresses<'a>(cluster: &ClusterView<'a>) -> Option<Addresses<'a>> {
    Some(Addresses {
        subnet: cluster.profile()?.network.as_ref()?.value.subnet.as_ref()?,
        hosts: host_addresses(cluster),
    })
}

/// The address of each host of a cluster.
pub(super) fn host_addresses<'a>(cluster: &ClusterView<'a>) -> Vec<(&'a str, &'a Spanned<IpAddr>)> {
    let hosts = cluster.hosts.iter().filter_map(|host| {
        let network = host.host().network.as_ref()?;
        Some((host.label(), network.value.address.as_ref()?))
    });
    hosts.collect()
}

/// Why no machine can have this address of the subnet, if so.
pub(super) fn reserved(subnet: IpNet, address: IpAddr) -> Option<&'static str> {
    // Point-to-point subnets (/31, /127) and single addresses have no reserved ones.
    if subnet.max_prefix_len() - subnet.prefix_len() < 2 {
        return None;
    }
    if address == subnet.network() {
        return Some(if address.is_ipv4() {
            "the subnet's own address"
        } else {
            "the subnet-router anycast address"
        });
    }
    (address.is_ipv4() && address == subnet.broadcast()).then_some("the subnet's broadcast address")
}

/// Says which address could be written instead, and writes it.
fn offer_another<'a>(
    finding: &'a mut Finding,
    address: &Spanned<IpAddr>,
    subnet: Option<IpNet>,
    free: &mut FreeAddresses,
) -> &'a mut Finding {
    let other = subnet.and_then(|subnet| free.take(subnet, address.value.to_canonical()));
    if let Some(other) = other {
        finding.help += &format!(", such as {other}");
        finding.fix(address.span, scalar(&other.to_string()));
    }
    finding
}

static DUPLICATE_ADDRESS: Check = Check::error(
    "F003",
    "duplicate-address",
    duplicate_address,
    "Two machines with one address knock each other off the network at random, and a cluster member is known by its address. An IPv6 address \
     has many spellings, and one that maps an IPv4 address (RFC 4291 §2.5.5.2) is that address.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "192.168.10.13",
        "192.168.10.11",
    )],
    &[],
);

fn duplicate_address(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut free = FreeAddresses::of(site);
    let mut first_use: HashMap<IpAddr, (Span, Member<'_>)> = HashMap::new();
    for member in site.members() {
        let network = member.host.host().network.as_ref();
        let Some(address) = network.and_then(|network| network.value.address.as_ref()) else {
            continue;
        };
        let value = address.value.to_canonical();
        if let Some(&(first, other)) = first_use.get(&value) {
            let (one, other) = site.call(member, other);
            let message = format!("{one} and {other} have the same address {value}");
            let subnet = addresses(member.cluster).map(|addresses| addresses.subnet.value);
            let finding = report.add(address.span, message, "give each host an address of its own");
            offer_another(finding, address, subnet, &mut free)
                .label("used again here")
                .also(first, "first used here");
        } else {
            first_use.insert(value, (address.span, member));
        }
    }
}

static ADDRESS_OUTSIDE_SUBNET: Check = Check::error(
    "F004",
    "address-outside-subnet",
    address_outside_subnet,
    "Members reach one another directly in the cluster's subnet, the gateway is in it, and LXD's fan finds a member's own address by it (\"No \
     address found in subnet\").",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "192.168.10.13",
        "192.168.11.13",
    )],
    &[],
);

fn address_outside_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut free = FreeAddresses::of(site);
    for Addresses { subnet, hosts } in site.clusters.iter().filter_map(addresses) {
        let net = subnet.value;
        for (host, address) in hosts.into_iter().filter(|(_, address)| !net.contains(&address.value)) {
            let message = format!("{host} has address {}, which is not in {net}", address.value);
            let plain = address.value.to_canonical();
            let finding = if net.contains(&plain) {
                let help = format!("write it as the IPv4 address {plain}");
                report
                    .add(address.span, message, help)
                    .fix(address.span, scalar(&plain.to_string()))
            } else {
                let finding = report.add(address.span, message, format!("use an address in {net}"));
                offer_another(finding, address, Some(net), &mut free)
            };
            finding
                .label(format!("not in {net}"))
                .also(subnet.span, "the cluster's subnet");
        }
    }
}

static ADDRESS_RESERVED: Check = Check::error(
    "F005",
    "address-reserved",
    address_reserved,
    "The first address of an IPv4 subnet names the subnet and the last is its broadcast; the first of an IPv6 subnet is that of all its routers \
     (RFC 4291 §2.6.1). No host can have any of them.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "192.168.10.13",
        "192.168.10.255",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "192.168.10.13",
        "192.168.10.254",
    )],
);

fn address_reserved(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut free = FreeAddresses::of(site);
    for Addresses { subnet, hosts } in site.clusters.iter().filter_map(addresses) {
        for (host, address) in hosts {
            let Some(why) = reserved(subnet.value, address.value) else {
                continue;
            };
            let message = format!("{host} has {}, {why}", address.value);
            let finding = report.add(address.span, message, "use another address");
            offer_another(finding, address, Some(subnet.value), &mut free)
                .label(why)
                .also(subnet.span, "the cluster's subnet");
        }
    }
}

static ADDRESS_IS_GATEWAY: Check = Check::error(
    "F006",
    "address-is-gateway",
    address_is_gateway,
    "A host with the gateway's address takes the whole subnet off the network. Clusters that share a subnet share its gateways, too.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "192.168.10.11",
        "192.168.10.1",
    ),
    Edit::Replace(
        "cluster.yaml",
        "nameservers: [192.168.10.1]",
        "nameservers: [192.168.10.2]",
    )],
    &[Edit::Replace(
        "cluster.yaml",
        "nameservers: [192.168.10.1]",
        "nameservers: [192.168.10.2]",
    )],
);

fn address_is_gateway(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut gateways: HashMap<IpAddr, Vec<(Span, Option<&str>)>> = HashMap::new();
    for profile in site.profiles() {
        if let Some(gateway) = profile
            .network
            .as_ref()
            .and_then(|network| network.value.gateway.as_ref())
        {
            let name = profile.name.as_ref().map(|name| name.value.as_str());
            let known = gateways.entry(gateway.value.to_canonical()).or_default();
            known.push((gateway.span, name));
        }
    }
    let mut free = FreeAddresses::of(site);
    for cluster in &site.clusters {
        let subnet = addresses(cluster).map(|addresses| addresses.subnet.value);
        for (host, address) in host_addresses(cluster) {
            let value = address.value.to_canonical();
            let Some(known) = gateways.get(&value) else {
                continue;
            };
            let own = cluster
                .profile()
                .and_then(|profile| profile.network.as_ref()?.value.gateway.as_ref());
            let own = known.iter().find(|(span, _)| own.is_some_and(|own| own.span == *span));
            let Some((gateway, of)) = own.or(known.first()).copied() else {
                continue;
            };
            let whose = match of {
                Some(name) if own.is_none() => format!("the address of cluster {}'s gateway", quoted(name)),
                _ => "the gateway's address".to_owned(),
            };
            let message = format!("{host} has {whose}, {value}");
            let finding = report.add(address.span, message, "use another address");
            offer_another(finding, address, subnet, &mut free)
                .label("the host's address")
                .also(gateway, "the gateway");
        }
    }
}
