//! The clusters' subnets and gateways.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::network::reserved;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::model::Overlay;
use crate::profile::{ClusterNetwork, Spanned, scalar};

pub(super) static CHECKS: &[&Check] = &[
    &GATEWAY_OUTSIDE_SUBNET,
    &UNUSABLE_SUBNET,
    &FAN_UNDERLAY,
    &OVERLAPPING_SUBNETS,
    &PUBLIC_SUBNET,
];

/// The network of every cluster, in the site's order.
pub(super) fn networks<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<ClusterNetwork>> {
    site.profiles().filter_map(|profile| profile.network.as_ref())
}

fn subnets<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<IpNet>> {
    networks(site).filter_map(|network| network.value.subnet.as_ref())
}

static GATEWAY_OUTSIDE_SUBNET: Check = Check::error(
    "F007",
    "gateway-outside-subnet",
    gateway_outside_subnet,
    "A gateway outside the subnet cannot be reached, so the machines would have no way to the snap store or the archive, unless it is on the wire all \
     the same, as with some providers: `on_link: true`. An IPv6 network's may be link-local (fe80::1): that is on every link.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "gateway: 192.168.10.1",
        "gateway: 192.168.1.1",
    )],
    &[],
);

fn gateway_outside_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in networks(site) {
        let (Some(subnet), Some(gateway)) = (&network.value.subnet, &network.value.gateway) else {
            continue;
        };
        let why = match reserved(subnet.value, gateway.value) {
            Some(why) => format!("is {why}, which no router has"),
            None if subnet.value.contains(&gateway.value) || is_on_link(subnet.value, gateway.value) => continue,
            None if is_outside_on_purpose(&network.value, gateway.value) => continue,
            None => format!("is not in the subnet {}", subnet.value),
        };
        let plain = gateway.value.to_canonical();
        let message = format!("gateway {} {why}", gateway.value);
        let finding = if subnet.value.contains(&plain) && plain != gateway.value {
            let help = format!("write it as the IPv4 address {plain}");
            report
                .add(gateway.span, message, help)
                .fix(gateway.span, scalar(&plain.to_string()))
        } else {
            let mut help = format!("write the router's address in {}", subnet.value);
            let is_usable = gateway.value.is_ipv4() && unreachable(gateway.value).is_none();
            if is_usable && subnet.value.network().is_ipv4() && network.value.on_link.is_none() {
                help += ", or `on_link: true` if it is on the same wire without one";
            } else if subnet.value.network().is_ipv6() {
                help += ", or its link-local one, fe80::…";
            }
            report.add(gateway.span, message, help)
        };
        finding
            .label("not a gateway of the subnet")
            .also(subnet.span, "the cluster's subnet");
    }
}

/// Whether the router is named by the address that it has on the link itself.
fn is_on_link(subnet: IpNet, gateway: IpAddr) -> bool {
    match gateway {
        IpAddr::V6(gateway) => subnet.network().is_ipv6() && gateway.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Whether it is said that the router is on the wire without being in the subnet. An IPv6 router has a link-local address
/// for that, and Linux 4.15 knows no other way for IPv6.
fn is_outside_on_purpose(network: &ClusterNetwork, gateway: IpAddr) -> bool {
    let is_v4 = |subnet: &Spanned<IpNet>| subnet.value.network().is_ipv4();
    let on_link = network.on_link.as_ref().is_some_and(|on_link| on_link.value) || network.unread.key("on_link");
    let is_local = |gateway: IpAddr| matches!(gateway, IpAddr::V4(gateway) if gateway.is_link_local());
    on_link
        && gateway.is_ipv4()
        && network.subnet.as_ref().is_some_and(is_v4)
        && (unreachable(gateway).is_none() || is_local(gateway))
}

static UNUSABLE_SUBNET: Check = Check::error(
    "F008",
    "unusable-subnet",
    unusable_subnet,
    "Machines cannot be reached at loopback, multicast, link-local or reserved addresses (IANA's special-purpose registries; Linux takes no \
     address of 0.0.0.0/8, and LXD's fan has 240.0.0.0/8 for its instances) from elsewhere, and a /31 or /32 has no room for a cluster and a \
     gateway. 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32 and 3fff::/20 are for manuals (RFC 5737, 3849, 9637): whoever has them \
     in a profile has copied them from one.",
)
.example(
    &[
        Edit::Replace("cluster.yaml", "192.168.10.0/24", "169.254.10.0/24"),
        Edit::Replace("cluster.yaml", "gateway: 192.168.10.1", "gateway: 169.254.10.1"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.11", "169.254.10.11"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.12", "169.254.10.12"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.13", "169.254.10.13"),
    ],
    &[
        Edit::Replace("cluster.yaml", "192.168.10.0/24", "172.16.10.0/24"),
        Edit::Replace("cluster.yaml", "gateway: 192.168.10.1", "gateway: 172.16.10.1"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.11", "172.16.10.11"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.12", "172.16.10.12"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.13", "172.16.10.13"),
    ],
);

const FOR_MANUALS: &str = "is set aside for manuals and examples";

/// Networks for other things than machines (IANA's special-purpose registries).
const SET_ASIDE: [(IpNet, &str); 13] = [
    (v4(192, 0, 2, 24), FOR_MANUALS),
    (v4(198, 51, 100, 24), FOR_MANUALS),
    (v4(203, 0, 113, 24), FOR_MANUALS),
    (v6(0x2001, 0xdb8, 32), FOR_MANUALS),
    (v6(0x3fff, 0, 20), FOR_MANUALS),
    (v4(192, 0, 0, 24), "is set aside for protocols"),
    (v4(192, 88, 99, 24), "was the anycast address of 6to4"),
    (v6(0x100, 0, 64), "is where packets are discarded"),
    (v6(0x64, 0xff9b, 96), "stands for IPv4 addresses behind NAT64"),
    (v6(0x2001, 0, 32), "is Teredo's"),
    (v6(0x2001, 0x10, 28), "is set aside for identifiers (ORCHID)"),
    (v6(0x2001, 0x20, 28), "is set aside for identifiers (ORCHID)"),
    (v6(0x2002, 0, 16), "is 6to4's"),
];

/// Why no machine can be reached at an address, if so.
pub(super) fn unreachable(address: IpAddr) -> Option<&'static str> {
    if let Some((_, why)) = SET_ASIDE.iter().find(|(net, _)| net.contains(&address)) {
        return Some(why);
    }
    match address {
        IpAddr::V4(address) => match address.octets()[0] {
            0 => Some("is of the range that means \"this network\""),
            127 => Some("is loopback"),
            224..=239 => Some("is multicast"),
            _ if address.is_broadcast() => Some("is the broadcast address"),
            240.. => Some("is reserved (class E)"),
            _ => address.is_link_local().then_some("is link-local"),
        },
        IpAddr::V6(address) => {
            if address.is_unspecified() {
                Some("is no address")
            } else if address.is_loopback() {
                Some("is loopback")
            } else if address.is_multicast() {
                Some("is multicast")
            } else if address.is_unicast_link_local() {
                Some("is link-local")
            } else {
                address.to_ipv4_mapped().map(|_| "is IPv4 written as IPv6")
            }
        }
    }
}

/// Why no cluster can have this subnet, if so.
pub(super) fn why_unusable(net: IpNet) -> Option<&'static str> {
    if net.prefix_len() < 8 {
        Some("is larger than any network")
    } else if net.max_prefix_len() - net.prefix_len() < 2 {
        Some("has no room for hosts and a gateway")
    } else {
        unreachable(net.network())
    }
}

fn unusable_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for subnet in subnets(site) {
        if let Some(why) = why_unusable(subnet.value) {
            let example = if subnet.value.network().is_ipv4() {
                "192.168.10.0/24"
            } else {
                "fd5e:1c2a:9b04::/64"
            };
            report
                .add(
                    subnet.span,
                    format!("subnet {} {why}", subnet.value),
                    format!("use the subnet the machines are in, such as {example}"),
                )
                .label(why);
        }
    }
}

static FAN_UNDERLAY: Check = Check::error(
    "F009",
    "fan-underlay",
    fan_underlay,
    "LXD's fan bridge maps each host's address into 240.0.0.0/8 and takes only IPv4 underlays of /16 or /24 (\"Only /16 or /24 underlays are \
     supported at this time\").",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "192.168.10.0/24",
        "192.168.8.0/22",
    )],
    &[
        Edit::Replace("cluster.yaml", "192.168.10.0/24", "192.168.8.0/22"),
        Edit::Replace("cluster.yaml", "overlay: fan", "overlay: bridge"),
    ],
);

fn fan_underlay(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in networks(site) {
        let Some(subnet) = &network.value.subnet else {
            continue;
        };
        let overlay = network.value.overlay.as_ref();
        let is_fan = overlay.is_none_or(|overlay| overlay.value == Overlay::Fan)
            // A word that was reported may have been another than `fan`.
            && (overlay.is_some() || !network.value.incomplete && network.value.bridge.is_none());
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

static OVERLAPPING_SUBNETS: Check = Check::warning(
    "F014",
    "overlapping-subnets",
    overlapping_subnets,
    "A network has one prefix length. If one cluster's subnet lies within another's, one of the two is written with the wrong one: machines with \
     the shorter prefix take the other cluster's addresses for neighbours and never ask the gateway for them.",
)
.example(
    &[
        Edit::Write("edge/cluster.yaml", OTHER_CLUSTER),
        Edit::Replace("edge/cluster.yaml", "10.0.5.0/24", "192.168.0.0/16"),
        Edit::Replace("edge/cluster.yaml", "gateway: 10.0.5.1", "gateway: 192.168.5.1"),
        Edit::Write("edge/disks/one.yaml", OTHER_DISKS),
        Edit::Write("edge/hosts/edge1.yaml", OTHER_HOST),
        Edit::Replace("edge/hosts/edge1.yaml", "10.0.5.11", "192.168.5.11"),
    ],
    &[
        Edit::Write("edge/cluster.yaml", OTHER_CLUSTER),
        Edit::Write("edge/disks/one.yaml", OTHER_DISKS),
        Edit::Write("edge/hosts/edge1.yaml", OTHER_HOST),
    ],
);

const OTHER_CLUSTER: &str = "\
name: edge
ubuntu: \"18.04\"
bootstrap: edge1
network: {subnet: 10.0.5.0/24, gateway: 10.0.5.1, nameservers: [10.0.0.53]}
pools: {data1: {driver: btrfs}}
admin: {user: ops, ssh_authorized_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@desk\"]}
allow: {one-member: the first of three}
";
const OTHER_DISKS: &str = "\
name: one
os: {slot: os}
volumes: {data1: {device: d1}}
";
const OTHER_HOST: &str = "\
name: edge1
disks: one
network: {mac: \"52:54:00:aa:05:01\", address: 10.0.5.11}
slots: {os: {serial: WD-E100001}, d1: {serial: WD-E200001}}
";

fn overlapping_subnets(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut subnets: Vec<(usize, &Spanned<IpNet>)> = subnets(site)
        .filter(|subnet| why_unusable(subnet.value).is_none())
        .enumerate()
        .collect();
    // Two subnets are apart or one is within the other, so in this order the one around a subnet is the last before it
    // that still reaches this far.
    subnets.sort_by_key(|(at, subnet)| (subnet.value.network(), subnet.value.prefix_len(), *at));
    let mut around: Vec<(usize, &Spanned<IpNet>)> = Vec::new();
    for (at, subnet) in subnets {
        while around
            .last()
            .is_some_and(|(_, outer)| !outer.value.contains(&subnet.value))
        {
            around.pop();
        }
        match around.last() {
            // Clusters may share a subnet.
            Some((_, outer)) if outer.value == subnet.value => continue,
            None => {}
            Some(&(outer_at, outer)) => {
                let (first, later) = if outer_at < at {
                    (outer, subnet)
                } else {
                    (subnet, outer)
                };
                report
                    .add(
                        later.span,
                        format!("subnet {} overlaps {} of another cluster", later.value, first.value),
                        "write the prefix length that the network has, in both places the same if it is one network",
                    )
                    .label("overlaps another cluster's")
                    .also(first.span, "the other subnet");
            }
        }
        around.push((at, subnet));
    }
}

static PUBLIC_SUBNET: Check = Check::warning(
    "F015",
    "public-subnet",
    public_subnet,
    "LXD's API and the cluster's own traffic would be on addresses that the whole Internet can reach, with nothing but certificates between them \
     and everybody. Private are RFC 1918, RFC 6598 (100.64.0.0/10), RFC 4193 (fc00::/7), and what RFC 2544 and 5180 set aside for tests.",
)
.example(
    &[
        Edit::Replace("cluster.yaml", "192.168.10.0/24", "192.186.10.0/24"),
        Edit::Replace("cluster.yaml", "gateway: 192.168.10.1", "gateway: 192.186.10.1"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.11", "192.186.10.11"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.12", "192.186.10.12"),
        Edit::Replace("hosts/hosts.yaml", "192.168.10.13", "192.186.10.13"),
    ],
    &[],
);

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix))
}

const fn v6(a: u16, b: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix))
}

/// Networks that nobody routes to from the Internet.
const PRIVATE: [IpNet; 8] = [
    v4(10, 0, 0, 8),
    v4(172, 16, 0, 12),
    v4(192, 168, 0, 16),
    v4(100, 64, 0, 10),
    v4(198, 18, 0, 15),
    v6(0xfc00, 0, 7),
    v6(0x2001, 2, 48),
    // Site-local, out of use since RFC 3879 but never routed.
    v6(0xfec0, 0, 10),
];

fn public_subnet(site: &SiteView<'_>, report: &mut Report<'_>) {
    for subnet in subnets(site) {
        let net = subnet.value;
        if why_unusable(net).is_none() && !PRIVATE.iter().any(|private| private.contains(&net)) {
            let help = format!(
                "use a private subnet, such as 192.168.10.0/24, or accept it: `allow: {{{}: \"why\"}}`",
                report.rule.slug
            );
            report
                .add(
                    subnet.span,
                    format!("subnet {net} is public: LXD would listen on the Internet"),
                    help,
                )
                .label("not a private subnet");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn subnets_that_no_machine_can_have() {
        for (net, why) in [
            ("0.0.0.0/0", "larger"),
            ("::/0", "larger"),
            ("fe00::/7", "larger"),
            ("0.0.0.0/8", "this network"),
            ("127.0.0.0/24", "loopback"),
            ("224.0.0.0/24", "multicast"),
            ("240.0.0.0/8", "class E"),
            ("255.255.255.0/24", "class E"),
            ("169.254.0.0/16", "link-local"),
            ("10.0.0.0/31", "no room"),
            ("fd00::/127", "no room"),
            ("::/96", "no address"),
            ("fe80::/64", "link-local"),
            ("ff02::/64", "multicast"),
            ("::ffff:10.0.0.0/120", "IPv4 written as IPv6"),
            ("192.0.2.0/24", "manuals"),
            ("192.0.2.128/25", "manuals"),
            ("198.51.100.0/24", "manuals"),
            ("203.0.113.0/28", "manuals"),
            ("2001:db8:1::/64", "manuals"),
            ("3fff::/64", "manuals"),
            ("192.0.0.0/28", "protocols"),
            ("2002:c000:204::/64", "6to4"),
            ("64:ff9b::/112", "NAT64"),
        ] {
            let found = why_unusable(net.parse().unwrap());
            assert!(found.is_some_and(|found| found.contains(why)), "{net}: {found:?}");
        }
        for net in [
            "10.0.0.0/8",
            "192.168.10.0/30",
            "fd00::/64",
            "100.64.0.0/24",
            "198.18.0.0/24",
            "2001:67c::/64",
            "2a01:4f8::/64",
            "203.0.112.0/24",
        ] {
            assert_eq!(why_unusable(net.parse().unwrap()), None, "{net}");
        }
    }
}
