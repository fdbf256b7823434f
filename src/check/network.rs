//! Addresses: in the subnet, each used once, and usable.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::IpNet;

use super::view::{ClusterView, SiteView};
use super::{Check, Report};
use crate::finding::Rule;
use crate::model::Overlay;
use crate::profile::Sp;
use crate::source::Span;

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &DUPLICATE_MAC,
        run: duplicate_mac,
    },
    Check {
        rule: &UNUSABLE_MAC,
        run: unusable_mac,
    },
    Check {
        rule: &DUPLICATE_ADDRESS,
        run: duplicate_address,
    },
    Check {
        rule: &ADDRESS_OUTSIDE_SUBNET,
        run: address_outside_subnet,
    },
    Check {
        rule: &ADDRESS_RESERVED,
        run: address_reserved,
    },
    Check {
        rule: &ADDRESS_IS_GATEWAY,
        run: address_is_gateway,
    },
    Check {
        rule: &GATEWAY_OUTSIDE_SUBNET,
        run: gateway_outside_subnet,
    },
    Check {
        rule: &UNUSABLE_SUBNET,
        run: unusable_subnet,
    },
    Check {
        rule: &FAN_UNDERLAY,
        run: fan_underlay,
    },
    Check {
        rule: &INVALID_DOMAIN,
        run: invalid_domain,
    },
];

/// Values with the place of each and the host they belong to; repeats are reported with the first place.
fn repeats<'a, K: Eq + Hash + Copy + 'a>(
    values: impl Iterator<Item = (K, Span, &'a str)>,
    report: &mut Report<'_>,
    message: impl Fn(K, &str, &str) -> String,
    help: &str,
) {
    let mut first_use: HashMap<K, (Span, &str)> = HashMap::new();
    for (value, span, host) in values {
        match first_use.get(&value) {
            Some(&(first, other)) => {
                report
                    .add(span, message(value, host, other), help)
                    .label("used again here")
                    .also(first, "first used here");
            }
            None => {
                first_use.insert(value, (span, host));
            }
        }
    }
}

static DUPLICATE_MAC: Rule = Rule::error(
    "F001",
    "duplicate-mac",
    "netplan finds the interface by its MAC address and the install medium finds the host by it, so two hosts with one address would both \
     become the same machine. Different spellings of an address are the same address.",
);

fn duplicate_mac(site: &SiteView<'_>, report: &mut Report<'_>) {
    let macs = site.hosts().filter_map(|host| {
        let mac = host.host().network.as_ref()?.value.mac.as_ref()?;
        Some((mac.value, mac.span, host.label()))
    });
    repeats(
        macs,
        report,
        |mac, a, b| format!("{a} and {b} have the same MAC address {mac}"),
        "write the address on the machine's label",
    );
}

static UNUSABLE_MAC: Rule = Rule::error(
    "F002",
    "unusable-mac",
    "An address with the lowest bit of its first byte set is a group's, and all zeros is nobody's (IEEE 802); no interface has either, so the \
     host would come up without a network.",
);

fn unusable_mac(site: &SiteView<'_>, report: &mut Report<'_>) {
    for mac in site
        .hosts()
        .filter_map(|host| host.host().network.as_ref()?.value.mac.as_ref())
    {
        let why = if mac.value.is_zero() {
            "all zeros"
        } else if mac.value.is_multicast() {
            "a multicast address"
        } else {
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

static DUPLICATE_ADDRESS: Rule = Rule::error(
    "F003",
    "duplicate-address",
    "Two machines with one address knock each other off the network at random, and a cluster member is known by its address.",
);

fn duplicate_address(site: &SiteView<'_>, report: &mut Report<'_>) {
    let addresses = site.hosts().filter_map(|host| {
        let address = host.host().network.as_ref()?.value.address.as_ref()?;
        Some((address.value, address.span, host.label()))
    });
    repeats(
        addresses,
        report,
        |address, a, b| format!("{a} and {b} have the same address {address}"),
        "give each host an address of its own",
    );
}

/// A cluster's subnet, and the address of each of its hosts.
struct Addresses<'a> {
    subnet: &'a Sp<IpNet>,
    hosts: Vec<(&'a str, &'a Sp<IpAddr>)>,
}

fn addresses<'a>(cluster: &ClusterView<'a>) -> Option<Addresses<'a>> {
    let network = &cluster.profile()?.network.as_ref()?.value;
    let hosts = cluster.hosts.iter().filter_map(|host| {
        Some((
            host.label(),
            host.host().network.as_ref()?.value.address.as_ref()?,
        ))
    });
    Some(Addresses {
        subnet: network.subnet.as_ref()?,
        hosts: hosts.collect(),
    })
}

/// An address that could be written instead.
fn an_address_in(subnet: IpNet) -> String {
    subnet
        .hosts()
        .nth(10)
        .or_else(|| subnet.hosts().nth(1))
        .map_or_else(|| subnet.to_string(), |address| address.to_string())
}

static ADDRESS_OUTSIDE_SUBNET: Rule = Rule::error(
    "F004",
    "address-outside-subnet",
    "Members reach one another directly in the cluster's subnet, the gateway is in it, and LXD's fan finds a member's own address by it (\"No \
     address found in subnet\").",
);

fn address_outside_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Addresses { subnet, hosts } in site.clusters.iter().filter_map(addresses) {
        for (host, address) in hosts
            .into_iter()
            .filter(|(_, address)| !subnet.value.contains(&address.value))
        {
            report
                .add(
                    address.span,
                    format!(
                        "{host} has address {}, which is not in {}",
                        address.value, subnet.value
                    ),
                    format!(
                        "use an address in {}, such as {}",
                        subnet.value,
                        an_address_in(subnet.value)
                    ),
                )
                .label(format!("not in {}", subnet.value))
                .also(subnet.span, "the cluster's subnet");
        }
    }
}

static ADDRESS_RESERVED: Rule = Rule::error(
    "F005",
    "address-reserved",
    "The first address of an IPv4 subnet names the subnet and the last is its broadcast; no host can have either.",
);

fn address_reserved(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Addresses { subnet, hosts } in site.clusters.iter().filter_map(addresses) {
        // Point-to-point subnets (/31, /127) and single addresses have no reserved ones.
        if subnet.value.max_prefix_len() - subnet.value.prefix_len() < 2 {
            continue;
        }
        for (host, address) in hosts {
            let why = if address.value == subnet.value.network() {
                "the subnet's own address"
            } else if address.value.is_ipv4() && address.value == subnet.value.broadcast() {
                "the subnet's broadcast address"
            } else {
                continue;
            };
            let help = format!(
                "use another address, such as {}",
                an_address_in(subnet.value)
            );
            report
                .add(
                    address.span,
                    format!("{host} has {}, {why}", address.value),
                    help,
                )
                .label(why);
        }
    }
}

static ADDRESS_IS_GATEWAY: Rule = Rule::error(
    "F006",
    "address-is-gateway",
    "A host with the gateway's address takes the whole subnet off the network.",
);

fn address_is_gateway(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(gateway) = cluster
            .profile()
            .and_then(|profile| profile.network.as_ref()?.value.gateway.as_ref())
        else {
            continue;
        };
        let Some(Addresses { subnet, hosts }) = addresses(cluster) else {
            continue;
        };
        for (host, address) in hosts
            .into_iter()
            .filter(|(_, address)| address.value == gateway.value)
        {
            let help = format!(
                "use another address, such as {}",
                an_address_in(subnet.value)
            );
            report
                .add(
                    address.span,
                    format!("{host} has the gateway's address {}", address.value),
                    help,
                )
                .label("the host's address")
                .also(gateway.span, "the gateway");
        }
    }
}

static GATEWAY_OUTSIDE_SUBNET: Rule = Rule::error(
    "F007",
    "gateway-outside-subnet",
    "A gateway outside the subnet cannot be reached, so the machines would have no way to the snap store or the archive.",
);

fn gateway_outside_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.network.as_ref())
    {
        let (Some(subnet), Some(gateway)) = (&network.value.subnet, &network.value.gateway) else {
            continue;
        };
        let inside = subnet.value.contains(&gateway.value);
        let usable = subnet.value.max_prefix_len() - subnet.value.prefix_len() < 2
            || (gateway.value != subnet.value.network()
                && !(gateway.value.is_ipv4() && gateway.value == subnet.value.broadcast()));
        if !(inside && usable) {
            let why = if inside {
                "is not an address that a router can have"
            } else {
                "is not in the subnet"
            };
            report
                .add(
                    gateway.span,
                    format!("gateway {} {why}", gateway.value),
                    format!("write the router's address in {}", subnet.value),
                )
                .label(why)
                .also(subnet.span, "the cluster's subnet");
        }
    }
}

static UNUSABLE_SUBNET: Rule = Rule::error(
    "F008",
    "unusable-subnet",
    "Machines cannot be reached at loopback, multicast or link-local addresses from elsewhere, and a /31 or /32 has no room for a cluster \
     and a gateway.",
);

fn unusable_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Addresses { subnet, .. } in site.clusters.iter().filter_map(addresses) {
        let net = subnet.value;
        let link_local = match net.network() {
            IpAddr::V4(address) => address.is_link_local(),
            // fe80::/10
            IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
        };
        let why = if net.network().is_loopback() {
            "is loopback"
        } else if net.network().is_multicast() {
            "is multicast"
        } else if link_local {
            "is link-local"
        } else if net.max_prefix_len() - net.prefix_len() < 2 {
            "has no room for hosts and a gateway"
        } else if net.prefix_len() < 8 {
            "is larger than any network"
        } else {
            continue;
        };
        report
            .add(
                subnet.span,
                format!("subnet {net} {why}"),
                "use the subnet the machines are in, such as 192.168.10.0/24",
            )
            .label(why);
    }
}

static FAN_UNDERLAY: Rule = Rule::error(
    "F009",
    "fan-underlay",
    "LXD's fan bridge maps each host's address into 240.0.0.0/8 and takes only IPv4 underlays of /16 or /24 (\"Only /16 or /24 underlays are \
     supported at this time\").",
);

fn fan_underlay(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.network.as_ref())
    {
        let Some(subnet) = &network.value.subnet else {
            continue;
        };
        let overlay = network.value.overlay.as_ref();
        let is_fan = overlay.is_none_or(|overlay| overlay.value == Overlay::Fan);
        let fits = matches!(subnet.value, IpNet::V4(net) if matches!(net.prefix_len(), 16 | 24));
        if is_fan && !fits {
            let finding = report.add(
                subnet.span,
                format!("a fan network cannot lie over {}", subnet.value),
                "use an IPv4 subnet of /16 or /24, or write `overlay: bridge`",
            );
            finding.label("fan takes an IPv4 /16 or /24");
            match overlay {
                Some(overlay) => finding.also(overlay.span, "the fan is asked for here"),
                None => finding,
            };
        }
    }
}

static INVALID_DOMAIN: Rule = Rule::error(
    "F010",
    "invalid-domain",
    "A search domain that is not a domain name makes systemd-resolved drop the line, so short names would not resolve.",
);

fn invalid_domain(site: &SiteView<'_>, report: &mut Report<'_>) {
    let networks = site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.network.as_ref());
    for domain in networks
        .filter_map(|network| network.value.search.as_ref())
        .flat_map(|search| &search.value)
    {
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if domain.value.len() > 253 || !domain.value.split('.').all(label_fits) {
            let shown = crate::profile::quoted(&domain.value);
            report
                .add(
                    domain.span,
                    format!("{shown} is not a domain name"),
                    "write it like `lab.example.org`",
                )
                .label("not a domain name");
        }
    }
}
