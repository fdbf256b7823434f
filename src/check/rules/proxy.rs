//! Through whom machines reach the world.

use std::net::IpAddr;

use super::offline::with_bundle;
use super::services::{asked, host_names, lacks_names};
use super::subnet::unreachable;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::profile::{Apt, Cluster};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[&NO_PROXY, &UNUSABLE, &IS_MEMBER, &WITHOUT_NAMES];

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

/// A proxy or a mirror.
struct Upstream<'a> {
    what: &'static str,
    host: &'a str,
    span: Span,
}

/// Every proxy and mirror that a profile names.
fn upstreams(profile: &Cluster) -> impl Iterator<Item = Upstream<'_>> {
    let apt = profile.apt.as_ref().map(|apt| &apt.value);
    let proxies = profile.proxy.iter().flat_map(|proxy| proxy.value.written());
    let proxies = proxies.chain(apt.and_then(|apt| apt.proxy.as_ref()));
    let proxies = proxies.map(|url| Upstream {
        what: "proxy",
        host: url.value.host(),
        span: url.span,
    });
    let mirrors = apt.into_iter().flat_map(Apt::mirrors);
    proxies.chain(mirrors.map(|url| Upstream {
        what: "mirror",
        host: url.value.host(),
        span: url.span,
    }))
}

static UNUSABLE: Check = Check::error(
    "U002",
    "unusable-upstream",
    unusable,
    "No proxy and no mirror answers at a loopback, multicast, link-local or reserved address: each machine, and the installer above all, would ask itself. One that \
     runs on the desk is reached by the desk's address.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "proxy: {http: \"http://localhost:3128\"}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, PROXY)],
);

fn unusable(site: &SiteView<'_>, report: &mut Report<'_>) {
    for Upstream { what, host, span } in site.profiles().flat_map(upstreams) {
        let why = match host.parse::<IpAddr>() {
            Ok(address) => unreachable(address),
            Err(_) if host == "localhost" || host.ends_with(".localhost") => Some("is the machine itself"),
            Err(_) => None,
        };
        if let Some(why) = why {
            report
                .add(
                    span,
                    format!("the {what} {host} {why}"),
                    "write the address or name by which the machines reach it",
                )
                .label(why);
        }
    }
}

static IS_MEMBER: Check = Check::error(
    "U003",
    "upstream-is-member",
    is_member,
    "lxseed sets up no proxy and no mirror on a member, and each member needs them before it is a member: the first machine would wait for itself.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "proxy: {http: \"http://192.168.10.11:3128\"}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, PROXY)],
);

fn is_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let hosts = host_names(cluster);
        for Upstream { what, host, span } in cluster.profile().into_iter().flat_map(upstreams) {
            if let Some(&(member, address)) = hosts.get(&asked(host)) {
                report
                    .add(
                        span,
                        format!("the {what} {host} is the cluster's own member {member}"),
                        format!("use a {what} that is there before the cluster"),
                    )
                    .label("a member of this cluster")
                    .also(address, "its address");
            }
        }
    }
}

static WITHOUT_NAMES: Check = Check::error(
    "U004",
    "upstream-without-names",
    without_names,
    "Where the network has no name server, nobody tells the machines which address a name has: with `lxd: {offline: …}` it may be left out, and a proxy or a \
     mirror is then given by its address. What is asked for through a proxy, the proxy looks up itself.",
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

fn without_names(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let Some(network) = lacks_names(profile) else {
            continue;
        };
        let has_proxy = profile.proxy.is_some() || profile.apt.as_ref().is_some_and(|apt| apt.value.proxy.is_some());
        for Upstream { what, host, span } in upstreams(profile) {
            if host.parse::<IpAddr>().is_err() && !(what == "mirror" && has_proxy) {
                report
                    .add(
                        span,
                        format!("nobody tells the machines which address {host} has"),
                        format!("write the {what}'s address, or a name server under `network: {{nameservers: […]}}`"),
                    )
                    .label("a name")
                    .also(network, "no name server");
            }
        }
    }
}
