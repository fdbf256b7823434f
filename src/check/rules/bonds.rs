//! The hosts' cards, and what is made of them: bonds, VLANs, bridges.

use super::further::further;
use super::subnet::networks;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, HostView, SiteView};
use crate::finding::Edit;
use crate::model::{BondMode, VLANS};
use crate::profile::{
    Bond, ClusterNetwork, HostNetwork, LONGEST_INTERVAL, SHORTEST_INTERVAL, Spanned, entries, listed, quoted,
};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &NO_CARD,
    &SEVERAL_CARDS,
    &BOND_WITHOUT_LINK,
    &UNUSED_LINK,
    &BOND_LINKS,
    &BOND_PARAMETER,
    &BOND_INTERVAL,
    &LINK_NAME,
    &VLAN_NUMBER,
    &BRIDGE_NAME,
    &BOND_OF_ONE,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const OVERLAY: &str = "  overlay: fan\n";
const MAC1: &str = "mac: \"52:54:00:aa:00:01\"";
const MAC2: &str = "mac: \"52:54:00:aa:00:02\"";
const MAC3: &str = "mac: \"52:54:00:aa:00:03\"";
const LINKS1: &str = "links: {a: \"52:54:00:aa:00:01\", b: \"52:54:00:aa:01:01\"}";
const LINKS2: &str = "links: {a: \"52:54:00:aa:00:02\", b: \"52:54:00:aa:01:02\"}";
const LINKS3: &str = "links: {a: \"52:54:00:aa:00:03\", b: \"52:54:00:aa:01:03\"}";
const BONDED: &str = "  overlay: fan\n  bond: {links: [a, b], mode: active-backup}\n";

/// What all hosts have two cards for.
const TWO_CARDS: [Edit; 3] = [
    Edit::Replace(HOSTS, MAC1, LINKS1),
    Edit::Replace(HOSTS, MAC2, LINKS2),
    Edit::Replace(HOSTS, MAC3, LINKS3),
];

/// The example site with two cards in each host, and this below `network:`.
const fn bonded(network: &'static str) -> [Edit; 4] {
    let [one, two, three] = TWO_CARDS;
    [one, two, three, Edit::Replace(CLUSTER, OVERLAY, network)]
}

pub(super) fn common<'a>(cluster: &ClusterView<'a>) -> Option<&'a Spanned<ClusterNetwork>> {
    cluster.profile()?.network.as_ref()
}

fn bond<'a>(cluster: &ClusterView<'a>) -> Option<&'a Spanned<Bond>> {
    common(cluster)?.value.bond.as_ref()
}

/// What every host says of its network, as far as it was read.
pub(super) fn hosts<'a, 'b>(
    cluster: &'b ClusterView<'a>,
) -> impl Iterator<Item = (&'b HostView<'a>, &'b Spanned<HostNetwork>)> {
    let networks = cluster.hosts.iter().map(|host| (host, host.host().network.as_ref()));
    networks.filter_map(|(host, network)| Some((host, network?)))
}

/// So many hosts of a cluster, the first by its name, as the subject of a sentence.
pub(super) fn have(first: &HostView<'_>, count: usize) -> String {
    match count {
        1 => format!("{} has", first.label()),
        _ => format!("{} and {} more have", first.label(), count - 1),
    }
}

fn bonds<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Bond> {
    networks(site).filter_map(|network| Some(&network.value.bond.as_ref()?.value))
}

static NO_CARD: Check = Check::error(
    "F026",
    "no-card",
    no_card,
    "The hardware address of a card is what netplan finds the interface by and what an install medium finds the host by. One card is `mac`, several \
     are `links`, each with a name; a host has one of the two keys.",
)
.example(
    &[Edit::Replace(HOSTS, "mac: \"52:54:00:aa:00:03\", ", "")],
    &[Edit::Replace(HOSTS, MAC3, "links: {a: \"52:54:00:aa:00:03\"}")],
);

fn no_card(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (cluster, (host, network)) in site
        .clusters
        .iter()
        .flat_map(|cluster| hosts(cluster).map(move |host| (cluster, host)))
    {
        let HostNetwork { mac, links, unread, .. } = &network.value;
        let is_further = |name: &str| further_links(cluster).any(|link| link.value == name);
        match (mac, links) {
            (Some(mac), Some(links)) if bond(cluster).is_some() => {
                let message = format!("{} has both `mac` and `links`", host.label());
                report
                    .add(
                        mac.span,
                        message,
                        "write this card as one of `links`, too, and leave `mac` out",
                    )
                    .label("one card")
                    .also(links.span, "several");
            }
            (None, None) if !unread.any(&["mac", "links"]) => {
                let message = format!("{} has no `mac`", host.label());
                report
                    .add(
                        network.span,
                        message,
                        "add `mac: …`, or `links: {a: …, b: …}` for a bond",
                    )
                    .label("no card is named here");
            }
            (None, Some(links)) if links.value.iter().next().is_none() && links.value.is_whole() => {
                let help = "write `links: {a: …, b: …}`, or `mac: …` for one card";
                report
                    .add(links.span, format!("{} has no links", host.label()), help)
                    .label("empty");
            }
            (None, Some(links))
                if bond(cluster).is_none()
                    && links.value.is_whole()
                    && links.value.iter().all(|(name, _)| is_further(&name.value)) =>
            {
                let message = format!("every link of {} is another network's", host.label());
                report
                    .add(
                        links.span,
                        message,
                        "add `mac: …`, the card of the cluster's own network",
                    )
                    .label("none of them has its address");
            }
            _ => {}
        }
    }
}

/// The cards that further networks have for themselves.
fn further_links<'a>(cluster: &ClusterView<'a>) -> impl Iterator<Item = &'a Spanned<String>> {
    let networks = further(cluster).iter();
    networks.filter_map(|(_, network)| network.value.link.as_ref())
}

static SEVERAL_CARDS: Check = Check::error(
    "F027",
    "several-cards-without-a-bond",
    several_cards,
    "A host has one address for its cluster, and it is on one interface. Several cards become one by `bond` in cluster.yaml; without it nothing says \
     which of them has the address.",
)
.example(
    &[Edit::Replace(HOSTS, MAC1, LINKS1)],
    &bonded(BONDED),
);

fn several_cards(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(common) =
            common(cluster).filter(|common| common.value.bond.is_none() && !common.value.unread.key("bond"))
        else {
            continue;
        };
        let several: Vec<_> = hosts(cluster)
            .filter_map(|(host, network)| Some((host, network.value.links.as_ref()?)))
            .filter(|(host, links)| {
                let has_mac = host.host().network.as_ref().is_some_and(|own| own.value.mac.is_some());
                let own = |name: &str| !further_links(cluster).any(|link| link.value == name);
                !has_mac && links.value.iter().filter(|(name, _)| own(&name.value)).count() > 1
            })
            .collect();
        let Some((host, links)) = several.first() else { continue };
        let who = have(host, several.len());
        let help =
            "write `bond: {links: […], mode: active-backup}` below `network:` in cluster.yaml, or `mac: …` alone here";
        report
            .add(
                links.span,
                format!("{who} several links, and no bond makes one of them"),
                help,
            )
            .label("which of them has the address?")
            .also(common.span, "no bond here");
    }
}

static BOND_WITHOUT_LINK: Check = Check::error(
    "F028",
    "bond-without-link",
    bond_without_link,
    "`bond` in cluster.yaml says by name which cards of each host it is made of, so each host says in `links` which these are. netplan stops at an \
     interface that it does not know, and the machine would have no network.",
)
.example(
    &[
        Edit::Replace(HOSTS, MAC1, LINKS1),
        Edit::Replace(HOSTS, MAC2, LINKS2),
        Edit::Replace(CLUSTER, OVERLAY, BONDED),
    ],
    &bonded(BONDED),
);

/// The cards of the bond that a host does not have, and where it says which it has; none if that was not read.
fn lacking<'a>(names: &'a [Spanned<String>], network: &HostNetwork) -> Option<(Span, Vec<&'a Spanned<String>>)> {
    let (span, has): (_, &dyn Fn(&str) -> bool) = match (&network.links, &network.mac) {
        (Some(links), _) => (links.span, &|name| links.value.may_have(name)),
        (None, Some(mac)) if !network.unread.key("links") => (mac.span, &|_| false),
        _ => return None,
    };
    Some((span, names.iter().filter(|name| !has(&name.value)).collect()))
}

/// A card of the host that neither the bond nor a network names.
fn of_no_use<'a>(
    cluster: &ClusterView<'_>,
    names: &[Spanned<String>],
    host: &'a HostView<'_>,
) -> Option<&'a Spanned<String>> {
    let links = host.host().network.as_ref()?.value.links.as_ref();
    let mut links = entries(links).iter().map(|(name, _)| name);
    links.find(|link| {
        names
            .iter()
            .chain(further_links(cluster))
            .all(|name| name.value != link.value)
    })
}

fn bond_without_link(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(names) = bond(cluster).and_then(|bond| bond.value.links.as_ref()) else {
            continue;
        };
        let lacking: Vec<_> = hosts(cluster)
            .filter_map(|(host, network)| Some((host, lacking(&names.value, &network.value)?)))
            .filter(|(_, (_, missing))| !missing.is_empty())
            .collect();
        let named = |missing: &[&Spanned<String>]| {
            let names = missing.iter().map(|name| quoted(&name.value));
            listed(&names.collect::<Vec<_>>())
        };
        // What no host has is one mistake, of the bond.
        if let [(_, (span, first)), rest @ ..] = &*lacking
            && lacking.len() == cluster.hosts.len()
            && !rest.is_empty()
            && rest.iter().all(|(_, (_, missing))| {
                missing
                    .iter()
                    .map(|name| name.span)
                    .eq(first.iter().map(|name| name.span))
            })
        {
            let message = format!("no host has {}, of which the bond is made", named(first));
            let help = "write on each host which card is meant: `links: {a: …, b: …}`, with the names of the bond";
            let at = first.first().map_or(names.span, |name| name.span);
            report
                .add(at, message, help)
                .label("of the bond")
                .also(*span, "what the first host has");
            continue;
        }
        for (host, (span, missing)) in lacking {
            let message = format!(
                "{} has no {}, of which its cluster makes a bond",
                host.label(),
                named(&missing)
            );
            let finding = report.add(
                span,
                message,
                "write the hardware address of each: `links: {a: …, b: …}`",
            );
            let at = missing.first().map_or(names.span, |name| name.span);
            finding.label("the host's cards").also(at, "of the bond");
            if let Some(other) = of_no_use(cluster, &names.value, host) {
                finding.also(other.span, "is it this one?");
            }
        }
    }
}

static UNUSED_LINK: Check = Check::warning(
    "F029",
    "unused-link",
    unused_link,
    "A card that is in no bond and no network is not set up: it stays down. Either one of them was to have it, or the line says nothing.",
)
.example(
    &[
        Edit::Replace(
            HOSTS,
            MAC1,
            "links: {a: \"52:54:00:aa:00:01\", b: \"52:54:00:aa:01:01\", c: \"52:54:00:aa:02:01\"}",
        ),
        Edit::Replace(HOSTS, MAC2, LINKS2),
        Edit::Replace(HOSTS, MAC3, LINKS3),
        Edit::Replace(CLUSTER, OVERLAY, BONDED),
    ],
    &bonded(BONDED),
);

fn unused_link(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let bond = bond(cluster);
        let unread = common(cluster).is_none_or(|common| common.value.unread.key("bond"));
        let open = cluster.profile().is_none_or(|profile| profile.unread.key("networks"));
        if unread || open || bond.is_some_and(|bond| bond.value.unread.key("links")) {
            continue;
        }
        let names = bond.and_then(|bond| bond.value.links.as_ref());
        if names.is_some_and(|names| names.value.is_empty()) {
            continue;
        }
        for (host, network) in hosts(cluster) {
            // Without a bond one of them may be the card of the cluster's own network.
            let plain = bond.is_none() && network.value.mac.is_none();
            // One that has another name than the bond calls it is reported as missing.
            let lacks = |names: &Spanned<Vec<Spanned<String>>>| {
                lacking(&names.value, &network.value).is_some_and(|(_, missing)| !missing.is_empty())
            };
            if plain || names.is_some_and(lacks) {
                continue;
            }
            for (name, _) in entries(network.value.links.as_ref()) {
                let mut used = names
                    .into_iter()
                    .flat_map(|names| &names.value)
                    .chain(further_links(cluster));
                if !used.any(|used| used.value == name.value) {
                    let message = format!(
                        "link {} of {} is in no bond and no network",
                        quoted(&name.value),
                        host.label()
                    );
                    let help = "write it in the bond's `links` or as the `link` of a network, or leave it out";
                    let finding = report.add(name.span, message, help).label("not used");
                    if let Some(names) = names {
                        finding.also(names.span, "the bond");
                    }
                }
            }
        }
    }
}

static BOND_LINKS: Check = Check::error(
    "F030",
    "bond-links",
    bond_links,
    "A bond is made of cards, each in it once, and `primary` is one of them. A name that is there twice most likely stands for another card.",
)
.example(
    &bonded("  overlay: fan\n  bond: {links: [a, b, a], mode: active-backup}\n"),
    &bonded("  overlay: fan\n  bond: {links: [a, b], mode: active-backup, primary: a}\n"),
);

fn bond_links(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bond in bonds(site) {
        let Some(links) = &bond.links else { continue };
        if links.value.is_empty() && !bond.unread.key("links") {
            let help = "write the names that each host gives its cards: `links: [a, b]`";
            report.add(links.span, "the bond has no links", help).label("empty");
        }
        for (at, name) in links.value.iter().enumerate() {
            if let Some(first) = links.value[..at].iter().find(|first| first.value == name.value) {
                let message = format!("link {} is twice in the bond", quoted(&name.value));
                report
                    .add(name.span, message, "leave one of the two out")
                    .label("again here")
                    .also(first.span, "first here");
            }
        }
        if let Some(primary) = &bond.primary
            && !bond.unread.key("links")
            && !links.value.iter().any(|name| name.value == primary.value)
        {
            let message = format!("primary {} is none of the bond's links", quoted(&primary.value));
            report
                .add(primary.span, message, "write one of the bond's links")
                .label("not in the bond")
                .also(links.span, "its links");
        }
    }
}

static BOND_PARAMETER: Check = Check::error(
    "F031",
    "bond-parameter-of-another-mode",
    bond_parameter,
    "Linux knows `lacp_rate` in 802.3ad alone, `primary` in the modes that use one card for one peer, and in 802.3ad, balance-xor and balance-tlb \
     alone what a packet's card is chosen by. Elsewhere they are refused or mean nothing: another mode was in mind.",
)
.example(
    &bonded("  overlay: fan\n  bond: {links: [a, b], mode: 802.3ad, primary: a}\n"),
    &bonded("  overlay: fan\n  bond: {links: [a, b], mode: 802.3ad, lacp_rate: fast, transmit_hash_policy: layer3+4}\n"),
);

fn bond_parameter(site: &SiteView<'_>, report: &mut Report<'_>) {
    use BondMode::{ActiveBackup, Alb, Lacp, Tlb, Xor};
    for bond in bonds(site) {
        let Some(mode) = &bond.mode else { continue };
        for (key, span, modes) in [
            ("lacp_rate", bond.lacp_rate.as_ref().map(|rate| rate.span), &[Lacp][..]),
            (
                "primary",
                bond.primary.as_ref().map(|primary| primary.span),
                &[ActiveBackup, Tlb, Alb],
            ),
            (
                "transmit_hash_policy",
                bond.transmit_hash_policy.as_ref().map(|policy| policy.span),
                &[Lacp, Xor, Tlb],
            ),
        ] {
            let Some(span) = span.filter(|_| !modes.contains(&mode.value)) else {
                continue;
            };
            let modes: Vec<&str> = modes.iter().map(|mode| mode.word()).collect();
            let message = format!("`{key}` is not for a bond of mode {}", mode.value.word());
            let help = format!("leave it out, or write another `mode`: {}", modes.join(", "));
            report
                .add(span, message, help)
                .label("of another mode")
                .also(mode.span, "the mode");
        }
    }
}

static BOND_INTERVAL: Check = Check::error(
    "F032",
    "bond-interval",
    bond_interval,
    "Without a look at the links a bond goes on sending through a card that has none. More often than every 10 ms costs more than it gives; after \
     more than 10 s LXD has missed half the heartbeats that make a member offline.",
)
.example(
    &bonded("  overlay: fan\n  bond: {links: [a, b], mode: active-backup, mii_monitor_interval: 0}\n"),
    &bonded("  overlay: fan\n  bond: {links: [a, b], mode: active-backup, mii_monitor_interval: 100}\n"),
);

fn bond_interval(site: &SiteView<'_>, report: &mut Report<'_>) {
    for interval in bonds(site).filter_map(|bond| bond.mii_monitor_interval.as_ref()) {
        if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval.value) {
            let message = format!("a look at the links every {} ms is none", interval.value);
            let help = format!("write milliseconds from {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}, such as 100");
            report.add(interval.span, message, help).label("out of range");
        }
    }
}

static LINK_NAME: Check = Check::error(
    "F033",
    "link-name",
    link_name,
    "The name of a link becomes one of netplan's entries and of a file below /etc/systemd/network. At most 15 lower-case letters, digits, hyphens \
     and underscores, a letter first, are read alike by all of them.",
)
.example(
    &[Edit::Replace(HOSTS, MAC3, "links: {\"A/1\": \"52:54:00:aa:00:03\"}")],
    &[Edit::Replace(HOSTS, MAC3, "links: {a1: \"52:54:00:aa:00:03\"}")],
);

fn link_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    let of_hosts = site.hosts().filter_map(|host| host.host().network.as_ref());
    let of_hosts = of_hosts.flat_map(|network| entries(network.value.links.as_ref()));
    for name in of_hosts.map(|(name, _)| name) {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let starts = name.value.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !starts || name.value.len() > LONGEST_NAME || !name.value.bytes().all(is_plain) {
            let message = format!("{} is not the name of a link", quoted(&name.value));
            report
                .add(name.span, message, "write a short name such as `a`")
                .label("not such a name");
        }
    }
}

/// Linux's IFNAMSIZ without the end.
const LONGEST_NAME: usize = 15;

static VLAN_NUMBER: Check = Check::error(
    "F034",
    "vlan-number",
    vlan_number,
    "A VLAN's number has twelve bits, of which 0 and 4095 are none (IEEE 802.1Q). VLAN 1 is most switches' untagged one: who means that leaves the key out, \
     but some tag it.",
)
.example(
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  vlan: 4095\n")],
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  vlan: 12\n")],
);

fn vlan_number(site: &SiteView<'_>, report: &mut Report<'_>) {
    for vlan in networks(site).filter_map(|network| network.value.vlan.as_ref()) {
        if !VLANS.contains(&vlan.value) {
            let message = format!("there is no VLAN {}", vlan.value);
            let help = "write a number from 1 to 4094, or leave `vlan` out where the switch hands it out untagged";
            report.add(vlan.span, message, help).label("not a VLAN");
        }
    }
}

static BRIDGE_NAME: Check = Check::error(
    "F035",
    "bridge-name",
    bridge_name,
    "It is the bridge's name in the kernel, of at most 15 characters, and LXD's profiles name it. It begins with `br`, so that no card and no network of \
     LXD's own (lxdbr0, lxdfan0) has it, and that networkd 237 reads its file before those of the cards.",
)
.example(
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  bridge: lxdbr0\n")],
    &[Edit::Replace(CLUSTER, OVERLAY, "  overlay: fan\n  bridge: br0\n")],
);

fn bridge_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bridge in networks(site).filter_map(|network| network.value.bridge.as_ref()) {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let name = &bridge.value;
        if !name.starts_with("br") || name.len() > LONGEST_NAME || !name.bytes().all(is_plain) {
            let message = format!("{} is not a name for the hosts' bridge", quoted(name));
            let help = "write at most 15 lower-case letters and digits that begin with `br`, such as br0";
            report.add(bridge.span, message, help).label("not such a name");
        }
    }
}

static BOND_OF_ONE: Check = Check::warning(
    "F036",
    "bond-of-one",
    bond_of_one,
    "A bond of one card has no other to fall back on. It is of use where the second card is to come.",
)
.example(
    &[
        Edit::Replace(HOSTS, MAC1, "links: {a: \"52:54:00:aa:00:01\"}"),
        Edit::Replace(HOSTS, MAC2, "links: {a: \"52:54:00:aa:00:02\"}"),
        Edit::Replace(HOSTS, MAC3, "links: {a: \"52:54:00:aa:00:03\"}"),
        Edit::Replace(
            CLUSTER,
            OVERLAY,
            "  overlay: fan\n  bond: {links: [a], mode: active-backup}\n",
        ),
    ],
    &bonded(BONDED),
);

fn bond_of_one(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bond in bonds(site) {
        let links = bond.links.as_ref().filter(|_| !bond.unread.key("links"));
        if let Some(links) = links.filter(|links| links.value.len() == 1) {
            let help = format!(
                "write the other card, too, or accept it: `allow: {{{}: \"why\"}}`",
                report.rule.slug
            );
            report
                .add(links.span, "the bond has one link", help)
                .label("nothing to fall back on");
        }
    }
}
