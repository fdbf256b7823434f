//! What the hosts' network is beyond one card with one address: the largest packet, and routes.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::network::reserved;
use super::subnet::{networks, unreachable};
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, HostView, SiteView};
use crate::finding::Edit;
use crate::model::{LARGEST_MTU, SMALLEST_MTU, USUAL_MTU};
use crate::profile::{ClusterNetwork, Route, Spanned};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &MTU_RANGE,
    &MTU_DIFFERS,
    &NEEDLESS_ON_LINK,
    &UNREACHABLE_ROUTER,
    &UNUSABLE_ROUTE,
    &DUPLICATE_ROUTE,
    &ROUTE_NUMBER,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const OVERLAY: &str = "  overlay: fan\n";
const LAST_HOST: &str = "address: 192.168.10.13}";

static MTU_RANGE: Check = Check::error(
    "F019",
    "mtu-out-of-range",
    mtu_range,
    "With less than 1280 bytes Linux takes IPv6 off an interface (RFC 8200 §5), and no usual switch or card carries more than 9216. A number that \
     the card refuses leaves it at what it had, and larger packets are lost without a word.",
)
.example(
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  mtu: 90000\n")],
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  mtu: 9000\n")],
);

fn mtu_range(site: &SiteView<'_>, report: &mut Report<'_>) {
    let common = networks(site).filter_map(|network| network.value.mtu.as_ref());
    let own = site
        .hosts()
        .filter_map(|host| host.host().network.as_ref()?.value.mtu.as_ref());
    for mtu in common.chain(own) {
        if !(SMALLEST_MTU..=LARGEST_MTU).contains(&mtu.value) {
            let message = format!("no network of hosts has packets of {} bytes", mtu.value);
            let help = format!(
                "write a number from {SMALLEST_MTU} to {LARGEST_MTU}: 9000 where every switch port carries jumbo frames"
            );
            report.add(mtu.span, message, help).label("not a usual size");
        }
    }
}

static MTU_DIFFERS: Check = Check::warning(
    "F020",
    "mtu-differs",
    mtu_differs,
    "Hosts of one subnet speak to one another without a router between them that could say that a packet is too large: what the one with the larger \
     packets sends by UDP is lost at the other, and so is what instances send through the fan.",
)
.example(
    &[Edit::Replace(
        HOSTS,
        LAST_HOST,
        "address: 192.168.10.13, mtu: 9000}",
    )],
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  mtu: 9000\n")],
);

fn mtu_differs<'a>(site: &SiteView<'a>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let common = common(cluster).and_then(|common| common.mtu.as_ref());
        let usual = common.map_or(USUAL_MTU, |mtu| mtu.value);
        let own = |host: &HostView<'a>| host.host().network.as_ref()?.value.mtu.as_ref();
        let mut all = cluster
            .hosts
            .iter()
            .map(|host| own(host).map_or(usual, |mtu| mtu.value));
        let first = all.next();
        if all.all(|mtu| Some(mtu) == first) {
            continue;
        }
        for host in &cluster.hosts {
            // One that no network has is reported as such.
            let is_other = |mtu: &u32| *mtu != usual && (SMALLEST_MTU..=LARGEST_MTU).contains(mtu);
            let Some(own) = own(host).filter(|own| is_other(&own.value)) else {
                continue;
            };
            let message = format!(
                "{} has packets of {} bytes, and its cluster of {usual}",
                host.label(),
                own.value
            );
            let help = "write `mtu` in cluster.yaml, for all hosts: as much as the least of them can";
            let finding = report.add(own.span, message, help).label("differs from the others");
            if let Some(common) = common {
                finding.also(common.span, "what the cluster has");
            }
        }
    }
}

fn common<'a>(cluster: &ClusterView<'a>) -> Option<&'a ClusterNetwork> {
    Some(&cluster.profile()?.network.as_ref()?.value)
}

static NEEDLESS_ON_LINK: Check = Check::warning(
    "F021",
    "needless-on-link",
    needless_on_link,
    "`on_link` says that the gateway is on the wire although its address is not in the subnet. If it is in the subnet, one of the three is written \
     wrong, or the word is too much.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  on_link: true\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        "gateway: 192.168.10.1\n",
        "gateway: 172.31.1.1\n  on_link: true\n",
    )],
);

fn needless_on_link(site: &SiteView<'_>, report: &mut Report<'_>) {
    for network in networks(site).map(|network| &network.value) {
        let (Some(subnet), Some(gateway), Some(on_link)) = (&network.subnet, &network.gateway, &network.on_link) else {
            continue;
        };
        if on_link.value && subnet.value.contains(&gateway.value) {
            let message = format!("gateway {} is in the subnet {}", gateway.value, subnet.value);
            report
                .add(on_link.span, message, "leave `on_link` out")
                .label("nothing follows from it")
                .also(gateway.span, "the gateway");
        }
    }
}

/// One list of routes, and whose it is.
struct Routes<'a> {
    subnet: Option<&'a Spanned<IpNet>>,
    list: &'a [Spanned<Route>],
    /// The hosts that have it.
    hosts: Vec<(&'a str, &'a Spanned<IpAddr>)>,
}

/// Every list of routes that is written.
fn lists<'a>(site: &SiteView<'a>) -> Vec<Routes<'a>> {
    let mut lists = Vec::new();
    for cluster in &site.clusters {
        let common = common(cluster);
        let subnet = common.and_then(|common| common.subnet.as_ref());
        let mut shared = Vec::new();
        for host in &cluster.hosts {
            let Some(network) = host.host().network.as_ref() else {
                continue;
            };
            let named = network.value.address.as_ref().map(|address| (host.label(), address));
            match &network.value.routes {
                Some(own) => lists.push(Routes {
                    subnet,
                    list: &own.value,
                    hosts: named.into_iter().collect(),
                }),
                None => shared.extend(named),
            }
        }
        if let Some(routes) = common.and_then(|common| common.routes.as_ref()) {
            lists.push(Routes {
                subnet,
                list: &routes.value,
                hosts: shared,
            });
        }
    }
    lists
}

static UNREACHABLE_ROUTER: Check = Check::error(
    "F022",
    "unreachable-router",
    unreachable_router,
    "The kernel takes a router of the subnet, an IPv6 router's link-local address, or with `on_link` any other IPv4 router on the wire; `on_link` for \
     IPv6 is unknown to Linux 4.15. networkd leaves out a route that the kernel refuses, and later releases of it give up the whole interface.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.11.254}]\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.10.254}]\n",
    )],
);

/// Why a router is not reached from the subnet, and what to write.
fn why_unreachable(subnet: IpNet, via: IpAddr, on_link: bool) -> Option<(String, String)> {
    let router = || format!("write the address that the router has in {subnet}");
    if via.is_ipv4() != subnet.network().is_ipv4() {
        return Some((format!("is not of the family of {subnet}"), router()));
    }
    if let Some(why) = reserved(subnet, via) {
        return Some((format!("is {why}, which no router has"), router()));
    }
    let is_local = match via {
        IpAddr::V4(via) => via.is_link_local(),
        IpAddr::V6(via) => via.is_unicast_link_local(),
    };
    if subnet.contains(&via) || via.is_ipv6() && is_local {
        return None;
    }
    match unreachable(via).filter(|_| !is_local) {
        Some(why) => Some((why.to_owned(), router())),
        None if via.is_ipv6() => {
            let help = "write the router's link-local address, fe80::…, or the one that it has in the subnet";
            Some((format!("is not in {subnet}"), help.to_owned()))
        }
        None if on_link => None,
        None => {
            let help = format!("{}, or `on_link: true` if it is on the same wire without one", router());
            Some((format!("is not in {subnet}"), help))
        }
    }
}

fn unreachable_router(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Routes { subnet, list, hosts } in lists(site) {
        for route in list.iter().map(|route| &route.value) {
            let (Some(subnet), Some(via)) = (subnet, &route.via) else {
                continue;
            };
            let on_link = route.on_link.as_ref().is_some_and(|on_link| on_link.value);
            let on_link = on_link || route.unread.key("on_link");
            if let Some((why, help)) = why_unreachable(subnet.value, via.value, on_link) {
                report
                    .add(via.span, format!("router {} {why}", via.value), help)
                    .label("not reached from the subnet")
                    .also(subnet.span, "the cluster's subnet");
            } else if let Some((host, address)) = hosts.iter().find(|(_, address)| address.value == via.value) {
                let message = format!("router {} is {host} itself, which has this route", via.value);
                let help = format!("write `routes` for {host} of its own, without this one: `routes: []`");
                report
                    .add(via.span, message, help)
                    .label("the host itself")
                    .also(address.span, "the host's address");
            }
        }
    }
}

static UNUSABLE_ROUTE: Check = Check::error(
    "F023",
    "unusable-route",
    unusable_route,
    "The default route is `gateway`: a second one in the main table would be taken in its place or never. The subnet itself is reached without a \
     router, and nothing is reached at loopback, link-local or multicast addresses by one.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 0.0.0.0/0, via: 192.168.10.254}]\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 0.0.0.0/0, via: 192.168.10.254, table: 100}]\n",
    )],
);

/// Why nothing is reached by such a route, and what to do.
fn why_unusable(subnet: Option<IpNet>, route: &Route, to: IpNet) -> Option<(String, &'static str)> {
    let own_table = route.table.is_some() || route.unread.key("table");
    if let Some(via) = &route.via
        && via.value.is_ipv4() != to.network().is_ipv4()
    {
        let help = "write a network and a router of one family";
        return Some((format!("{to} and its router {} are of two families", via.value), help));
    }
    if to.prefix_len() == 0 {
        let help = "write the router as `gateway`, or give the route a `table` of its own";
        return (!own_table).then(|| (format!("{to} is everything, which is the gateway's"), help));
    }
    if subnet.is_some_and(|subnet| subnet == to) && !own_table {
        return Some((format!("{to} is the cluster's own subnet"), "leave this route out"));
    }
    let is_example = |why: &str| why.contains("manuals");
    let why = unreachable(to.network()).filter(|why| !is_example(why))?;
    Some((format!("{to} {why}"), "write the network that the router leads to"))
}

fn unusable_route(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Routes { subnet, list, .. } in lists(site) {
        let subnet = subnet.map(|subnet| subnet.value);
        for route in list.iter().map(|route| &route.value) {
            let Some(to) = &route.to else { continue };
            if let Some((why, help)) = why_unusable(subnet, route, to.value.0) {
                report
                    .add(to.span, format!("the route leads nowhere: {why}"), help)
                    .label("not for a router");
            }
        }
    }
}

static DUPLICATE_ROUTE: Check = Check::error(
    "F024",
    "duplicate-route",
    duplicate_route,
    "The kernel has one route to a network for each metric in a table: the second one is left out, and which of the two that is nobody says.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.10.253}, {to: 10.0.0.0/8, via: 192.168.10.254}]\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.10.253}, {to: 10.0.0.0/8, via: 192.168.10.254, metric: 100}]\n",
    )],
);

fn duplicate_route(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Routes { list, .. } in lists(site) {
        let mut first_use: HashMap<(IpNet, u32, u32), Span> = HashMap::new();
        for route in list.iter().map(|route| &route.value) {
            let Some(to) = &route.to else { continue };
            if route.unread.any(&["metric", "table"]) {
                continue;
            }
            let number = |number: &Option<Spanned<u32>>| number.as_ref().map_or(0, |number| number.value);
            // The main table's own number means the same as none.
            let table = match number(&route.table) {
                MAIN => 0,
                table => table,
            };
            let key = (to.value.0, number(&route.metric), table);
            if let Some(&first) = first_use.get(&key) {
                report
                    .add(
                        to.span,
                        format!("there are two routes to {}", to.value.0),
                        "keep one of the two, or give the second one a larger `metric`",
                    )
                    .label("again here")
                    .also(first, "first here");
            } else {
                first_use.insert(key, to.span);
            }
        }
    }
}

/// The table that every packet is looked up in.
const MAIN: u32 = 254;
/// The kernel's own table of the machine's addresses.
const LOCAL: u32 = 255;

static ROUTE_NUMBER: Check = Check::error(
    "F025",
    "route-number",
    route_number,
    "netplan writes metrics and tables as numbers with a sign, so that one above 2147483647 turns negative, which networkd does not take. Table 0 is \
     none, and 255 is the kernel's own, for the machine's addresses.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.10.254, table: 255}]\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        OVERLAY,
        "  overlay: fan\n  routes: [{to: 10.0.0.0/8, via: 192.168.10.254, table: 100}]\n",
    )],
);

fn route_number(site: &SiteView<'_>, report: &mut Report<'_>) {
    for route in lists(site).iter().flat_map(|routes| routes.list) {
        if let Some(metric) = route
            .value
            .metric
            .as_ref()
            .filter(|metric| metric.value > Route::LARGEST)
        {
            let message = format!("metric {} turns negative", metric.value);
            let help = format!("write a number from 0 to {}", Route::LARGEST);
            report.add(metric.span, message, help).label("too large");
        }
        let Some(table) = &route.value.table else { continue };
        let why = match table.value {
            0 => "is none",
            LOCAL => "is the kernel's own",
            table if table > Route::LARGEST => "turns negative",
            _ => continue,
        };
        report
            .add(
                table.span,
                format!("table {} {why}", table.value),
                "write another number, such as 100, and rules of your own that look into it",
            )
            .label("not a table for routes");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn routers_that_are_reached() {
        for (subnet, via, on_link, reached) in [
            ("192.168.10.0/24", "192.168.10.254", false, true),
            ("192.168.10.0/24", "192.168.10.254", true, true),
            ("192.168.10.0/24", "192.168.10.0", false, false),
            ("192.168.10.0/24", "192.168.10.255", true, false),
            ("192.168.10.0/24", "10.0.0.1", false, false),
            ("192.168.10.0/24", "10.0.0.1", true, true),
            // Some providers' routers answer there.
            ("192.168.10.0/24", "169.254.0.1", true, true),
            ("192.168.10.0/24", "169.254.0.1", false, false),
            ("192.168.10.0/24", "127.0.0.1", true, false),
            ("192.168.10.0/24", "224.0.0.1", true, false),
            ("192.168.10.0/24", "fe80::1", false, false),
            ("fd5e::/64", "fe80::1", false, true),
            ("fd5e::/64", "fd5e::1", false, true),
            ("fd5e::/64", "fd5e::", false, false),
            ("fd5e::/64", "fd5f::1", true, false),
            ("fd5e::/64", "192.168.10.1", true, false),
        ] {
            let why = why_unreachable(subnet.parse().unwrap(), via.parse().unwrap(), on_link);
            assert_eq!(why.is_none(), reached, "{via} from {subnet}: {why:?}");
        }
    }
}
