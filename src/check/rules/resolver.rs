//! Names on the network: where machines ask for them, and what short names are completed with.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::network::{host_addresses, reserved};
use super::subnet::{networks, unreachable, why_unusable};
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::model::is_address;
pub(super) use crate::model::is_domain;
use crate::profile::{Spanned, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &INVALID_DOMAIN,
    &UNUSABLE_NAMESERVER,
    &DUPLICATE_NAMESERVER,
    &NO_NAMESERVER,
    &NAMESERVER_IS_MEMBER,
    &DUPLICATE_SEARCH_DOMAIN,
    &NAMESERVER_FAMILY,
];

const NAMESERVERS: &str = "nameservers: [192.168.10.1]";

static INVALID_DOMAIN: Check = Check::error(
    "F010",
    "invalid-domain",
    invalid_domain,
    "A search domain that is not a domain name makes systemd-resolved drop the line, so short names would not resolve. An address is none: a name \
     server's belongs to `nameservers`.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1]\n  search: [lab_example.org]",
    )],
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1]\n  search: [lab.example.org]",
    )],
);

fn invalid_domain(site: &SiteView<'_>, report: &mut Report<'_>) {
    for domain in networks(site)
        .filter_map(|network| network.value.search.as_ref())
        .flat_map(|search| &search.value)
        .filter(|domain| !is_domain(&domain.value))
    {
        let message = format!("{} is not a domain name", quoted(&domain.value));
        let without_dot = domain.value.trim_matches('.');
        if is_address(without_dot) {
            let message = format!("{} is an address, not a domain name", quoted(&domain.value));
            let help = "write a domain like `lab.example.org`, and the address of a name server under `nameservers`";
            report.add(domain.span, message, help).label("an address");
        } else if is_domain(without_dot) {
            report
                .add(domain.span, message, "leave the dot at its end out")
                .label("not a domain name")
                .fix(domain.span, scalar(without_dot));
        } else {
            report
                .add(domain.span, message, "write it like `lab.example.org`")
                .label("not a domain name");
        }
    }
}

/// The name servers of each network, with the network's subnet.
fn nameservers<'a>(site: &SiteView<'a>) -> impl Iterator<Item = (&'a [Spanned<IpAddr>], Option<&'a Spanned<IpNet>>)> {
    networks(site).filter_map(|network| {
        let servers = network.value.nameservers.as_ref()?;
        Some((servers.value.as_slice(), network.value.subnet.as_ref()))
    })
}

static UNUSABLE_NAMESERVER: Check = Check::error(
    "F011",
    "unusable-nameserver",
    unusable_nameserver,
    "No name server answers at a loopback, multicast, link-local, reserved or broadcast address, so no name would resolve and the snap store could \
     not be reached. 127.0.0.53 in a machine's /etc/resolv.conf is its own systemd-resolved, which needs to be told of a real server.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [127.0.0.53]",
    )],
    &[],
);

fn unusable_nameserver(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (servers, subnet) in nameservers(site) {
        for server in servers {
            // Of a subnet that is reported as none.
            if subnet.is_some_and(|subnet| subnet.value.contains(&server.value) && why_unusable(subnet.value).is_some())
            {
                continue;
            }
            let of_subnet = subnet.and_then(|subnet| reserved(subnet.value, server.value));
            let why = match (unreachable(server.value), of_subnet) {
                (Some(why), _) => why.to_owned(),
                (None, Some(why)) => format!("is {why}"),
                (None, None) => continue,
            };
            let message = format!("name server {} {why}", server.value);
            let plain = server.value.to_canonical();
            if plain != server.value && unreachable(plain).is_none() {
                let help = format!("write it as the IPv4 address {plain}");
                report
                    .add(server.span, message, help)
                    .label(why)
                    .fix(server.span, scalar(&plain.to_string()));
                continue;
            }
            let help = "write the address of a name server that the machines can reach, such as those in \
                        /run/systemd/resolve/resolv.conf of a machine in the subnet";
            let finding = report.add(server.span, message, help);
            finding.label(why);
            if let (Some(subnet), Some(_)) = (subnet, of_subnet) {
                finding.also(subnet.span, "the cluster's subnet");
            }
        }
    }
}

/// Reports every value of a list whose key is there before.
pub(super) fn repeats<'a, T: 'a>(
    list: impl IntoIterator<Item = &'a Spanned<T>>,
    key: impl Fn(&T) -> String,
    what: &str,
    report: &mut Report<'_>,
) {
    let mut first_use: HashMap<String, Span> = HashMap::new();
    for item in list {
        let value = key(&item.value);
        if let Some(&first) = first_use.get(&value) {
            report
                .add(
                    item.span,
                    format!("{what} {} is given twice", quoted(&value)),
                    "take one of the two out, or write the one that was meant",
                )
                .label("given again here")
                .also(first, "first given here");
        } else {
            first_use.insert(value, item.span);
        }
    }
}

static DUPLICATE_NAMESERVER: Check = Check::warning(
    "F012",
    "duplicate-nameserver",
    duplicate_nameserver,
    "A second name server is there for the day the first is down; the same one twice is none. Most likely a digit is wrong.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1, 192.168.10.1]",
    )],
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1, 192.168.10.2]",
    )],
);

fn duplicate_nameserver(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (servers, _) in nameservers(site) {
        let key = |address: &IpAddr| address.to_canonical().to_string();
        repeats(servers, key, "name server", report);
    }
}

static NO_NAMESERVER: Check = Check::error(
    "F013",
    "no-nameserver",
    no_nameserver,
    "Addresses are fixed, so nothing else tells the machines where to ask for names: without a name server neither the archive nor the snap store \
     can be found, and no machine would ever finish its first boot. With `lxd: {offline: …}` none is needed.",
)
.example(
    &[Edit::Replace("cluster.yaml", "  nameservers: [192.168.10.1]\n", "")],
    &[],
);

fn no_nameserver(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let is_offline = profile
            .lxd
            .as_ref()
            .is_some_and(|lxd| lxd.value.offline.is_some() || lxd.value.incomplete);
        let network = profile.network.as_ref().filter(|network| !network.value.incomplete);
        let Some(network) = network.filter(|_| !is_offline) else {
            continue;
        };
        let span = match &network.value.nameservers {
            Some(list) if list.value.is_empty() => list.span,
            Some(_) => continue,
            None => network.span,
        };
        let example = network
            .value
            .gateway
            .as_ref()
            .filter(|gateway| unreachable(gateway.value).is_none())
            .map_or_else(|| "…".to_owned(), |gateway| scalar(&gateway.value.to_string()));
        report
            .add(
                span,
                "the network has no name server: the machines would find neither the archive nor the snap store",
                format!("write `nameservers: [{example}]` if the gateway is one, or the address of one that is"),
            )
            .label("no name server");
    }
}

static NAMESERVER_IS_MEMBER: Check = Check::warning(
    "F016",
    "nameserver-is-member",
    nameserver_is_member,
    "A machine needs names on its first boot, before the member that would answer is up; and that member needs them itself.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.11]",
    )],
    &[],
);

fn nameserver_is_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let servers = cluster
            .profile()
            .and_then(|profile| profile.network.as_ref()?.value.nameservers.as_ref());
        let Some(servers) = servers else { continue };
        let hosts: HashMap<IpAddr, (&str, Span)> = host_addresses(cluster)
            .into_iter()
            .map(|(host, address)| (address.value.to_canonical(), (host, address.span)))
            .collect();
        for server in &servers.value {
            if let Some(&(host, span)) = hosts.get(&server.value.to_canonical()) {
                report
                    .add(
                        server.span,
                        format!("name server {} is the cluster's own member {host}", server.value),
                        "use a name server that is there before the cluster",
                    )
                    .label("a member of this cluster")
                    .also(span, "its address");
            }
        }
    }
}

static DUPLICATE_SEARCH_DOMAIN: Check = Check::warning(
    "F017",
    "duplicate-search-domain",
    duplicate_search_domain,
    "A search domain that stands twice is asked twice for every short name; most likely one of the two was to be another.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1]\n  search: [lab.example.org, Lab.example.org]",
    )],
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [192.168.10.1]\n  search: [lab.example.org, example.org]",
    )],
);

fn duplicate_search_domain(site: &SiteView<'_>, report: &mut Report<'_>) {
    for search in networks(site).filter_map(|network| network.value.search.as_ref()) {
        let key = |domain: &String| domain.to_ascii_lowercase();
        repeats(&search.value, key, "search domain", report);
    }
}

static NAMESERVER_FAMILY: Check = Check::warning(
    "F018",
    "nameserver-of-the-other-family",
    nameserver_family,
    "The machines get addresses of the subnet's family only. Name servers that are all of the other one are reached only if a router happens to \
     announce that family, too.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [\"fd00::53\"]",
    )],
    &[Edit::Replace(
        "cluster.yaml",
        NAMESERVERS,
        "nameservers: [\"fd00::53\", 192.168.10.1]",
    )],
);

fn nameserver_family(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (servers, subnet) in nameservers(site) {
        let (Some(subnet), [first, ..]) = (subnet, servers) else {
            continue;
        };
        let (own, other) = if subnet.value.network().is_ipv4() {
            ("IPv4", "IPv6")
        } else {
            ("IPv6", "IPv4")
        };
        let is_own =
            |server: &Spanned<IpAddr>| server.value.to_canonical().is_ipv4() == subnet.value.network().is_ipv4();
        if !servers.iter().any(is_own) {
            report
                .add(
                    first.span,
                    format!("all name servers are {other}, and the machines have {own} addresses"),
                    format!("add a name server that is reached over {own}"),
                )
                .label(other)
                .also(subnet.span, format!("{own} only"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_domain;

    #[test]
    fn an_address_is_no_domain() {
        for text in [
            "192.168.10.1",
            "192.168.10.0/24",
            "1.2",
            "10",
            "0x1f",
            "0x0a.1",
            "010.1.2.3",
            "1.2.3.4.",
            "fd00::1",
            "fe80::1%eth0",
            "192.168.10.1:53",
        ] {
            assert!(!is_domain(text), "{text}");
        }
        for text in [
            "lab.example.org",
            "on",
            "null",
            "1e3",
            "12e03.0",
            "local",
            "1.2.3.4.in-addr.arpa",
            "0x1f.example.org",
            "3com.com",
            "a.1.b",
        ] {
            assert!(is_domain(text), "{text}");
        }
    }
}
