//! Through whom machines reach the world.

use std::net::IpAddr;

use super::offline::with_bundle;
use super::services::{asked, host_names, lacks_names};
use super::subnet::unreachable;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::model::ProxyUrl;
use crate::profile::Spanned;

pub(super) static CHECKS: &[&Check] = &[&NO_PROXY, &UNUSABLE_PROXY, &PROXY_IS_MEMBER, &PROXY_WITHOUT_NAMES];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const ADMIN: &str = "admin:\n";
const PROXY: &str = "proxy: {http: \"http://192.168.10.1:3128\"}\nadmin:\n";

static NO_PROXY: Check = Check::error(
    "U001",
    "no-proxy",
    no_proxy,
    "`proxy` without a proxy in it changes nothing: the machines would go out by themselves, which was to be otherwise. `no_proxy` says whom a proxy is not \
     asked for, and is of no use without one.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "proxy: {no_proxy: [.example.org]}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, PROXY)],
);

fn no_proxy(site: &SiteView<'_>, report: &mut Report<'_>) {
    for proxy in site.profiles().filter_map(|profile| profile.proxy.as_ref()) {
        if proxy.value.written().next().is_none() && !proxy.value.unread.any(&["http", "https"]) {
            report
                .add(
                    proxy.span,
                    "`proxy` names no proxy",
                    "write `proxy: {http: \"http://…:3128\"}`, or leave `proxy` out where the machines need none",
                )
                .label("nobody is asked");
        }
    }
}

/// Every proxy that is written, in the profiles of a site.
fn proxies<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<ProxyUrl>> {
    let proxies = site.profiles().filter_map(|profile| profile.proxy.as_ref());
    proxies.flat_map(|proxy| proxy.value.written())
}

static UNUSABLE_PROXY: Check = Check::error(
    "U002",
    "unusable-proxy",
    unusable_proxy,
    "No proxy answers at a loopback, multicast, link-local or reserved address: each machine, and the installer above all, would ask itself. One that \
     runs on the desk is reached by the desk's address.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "proxy: {http: \"http://localhost:3128\"}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, PROXY)],
);

fn unusable_proxy(site: &SiteView<'_>, report: &mut Report<'_>) {
    for proxy in proxies(site) {
        let host = proxy.value.host();
        let why = match host.parse::<IpAddr>() {
            Ok(address) => unreachable(address),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Some("is the machine itself"),
            Err(_) => None,
        };
        if let Some(why) = why {
            report
                .add(
                    proxy.span,
                    format!("the proxy {host} {why}"),
                    "write the address or name by which the machines reach it",
                )
                .label(why);
        }
    }
}

static PROXY_IS_MEMBER: Check = Check::error(
    "U003",
    "proxy-is-member",
    proxy_is_member,
    "lxseed sets up no proxy on a member, and each member needs one before it is a member: the first machine would wait for itself.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "proxy: {http: \"http://192.168.10.11:3128\"}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, PROXY)],
);

fn proxy_is_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let hosts = host_names(cluster);
        let proxy = cluster.profile().and_then(|profile| profile.proxy.as_ref());
        for proxy in proxy.into_iter().flat_map(|proxy| proxy.value.written()) {
            if let Some(&(host, span)) = hosts.get(&asked(proxy.value.host())) {
                report
                    .add(
                        proxy.span,
                        format!("the proxy {} is the cluster's own member {host}", proxy.value.host()),
                        "use a proxy that is there before the cluster",
                    )
                    .label("a member of this cluster")
                    .also(span, "its address");
            }
        }
    }
}

static PROXY_WITHOUT_NAMES: Check = Check::error(
    "U004",
    "proxy-without-names",
    proxy_without_names,
    "Where the network has no name server, nobody tells the machines which address a name has: with `lxd: {offline: …}` it may be left out, and a proxy is \
     then given by its address. What is asked for through it, the proxy looks up itself.",
)
.example(
    with_bundle![
        Edit::Replace(CLUSTER, "  nameservers: [192.168.10.1]\n", ""),
        Edit::Replace(CLUSTER, ADMIN, "proxy: {http: \"http://proxy.example.org:3128\"}\nadmin:\n"),
    ],
    with_bundle![
        Edit::Replace(CLUSTER, "  nameservers: [192.168.10.1]\n", ""),
        Edit::Replace(CLUSTER, ADMIN, PROXY),
    ],
);

fn proxy_without_names(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let (Some(proxy), Some(network)) = (&profile.proxy, lacks_names(profile)) else {
            continue;
        };
        for proxy in proxy.value.written() {
            let host = proxy.value.host();
            if host.parse::<IpAddr>().is_err() {
                report
                    .add(
                        proxy.span,
                        format!("nobody tells the machines which address {host} has"),
                        "write the proxy's address, or a name server under `network: {nameservers: […]}`",
                    )
                    .label("a name")
                    .also(network, "no name server");
            }
        }
    }
}
