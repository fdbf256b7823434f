//! `sysctl`: settings of the running kernel that are there, and with which a member can be one.

use std::net::IpAddr;

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit::Replace;
use crate::profile::{self, Setting, Spanned, entries, quoted};
use crate::target::sysctl;

pub(super) static CHECKS: &[&Check] = &[&INVALID_SYSCTL, &GONE_SYSCTL, &SYSCTL_AGAINST_MEMBERS, &MISSPELT_SYSCTL];

type Entry = (Spanned<String>, Spanned<Setting>);

/// Every setting that is written, on hosts and among what they share.
fn written<'a>(site: &'a SiteView<'_>) -> impl Iterator<Item = &'a Entry> {
    let hosts = site.hosts().map(|host| host.host().sysctl.as_ref());
    let shared = site.profiles().flat_map(profile::Cluster::shared);
    let shared = shared.map(|shared| shared.sysctl.as_ref());
    hosts.chain(shared).flat_map(entries)
}

static INVALID_SYSCTL: Check = Check::error(
    "K001",
    "invalid-sysctl",
    invalid_sysctl,
    "A name is one that `sysctl -a` prints, its parts parted by dots: a path below /proc/sys, or a name with a space or an equals sign, is passed over at each \
     boot. A value is one line. Both go into /etc/sysctl.d/60-lxseed.conf.",
)
.example(
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {/proc/sys/vm/swappiness: 10}\n")],
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {vm.swappiness: 10}\n")],
);

/// What names begin with below /proc/sys.
const TOPS: &[&str] = &[
    "abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm",
];

/// Whether a name is one as `sysctl -a` prints it; [`profile`]'s pattern says the same to editors.
fn is_name(name: &str) -> bool {
    let mut parts = name.split('.');
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    parts.next().is_some_and(|top| TOPS.contains(&top)) && name.contains('.') && parts.all(is_part)
}

/// The number for a word that says on or off: no setting takes the word.
fn switched(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "enable" | "enabled" => Some("1"),
        "no" | "off" | "false" | "disable" | "disabled" => Some("0"),
        _ => None,
    }
}

fn invalid_sysctl(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, setting) in written(site) {
        if !is_name(&name.value) {
            let plain = name.value.trim_start_matches("/proc/sys/").trim().replace('/', ".");
            let finding = report.add(
                name.span,
                format!("{} is not the name of a setting", quoted(&name.value)),
                format!(
                    "write a name as `sysctl -a` prints it, such as vm.swappiness; names begin with {}",
                    TOPS.join(", ")
                ),
            );
            finding.label("not a name of sysctl");
            if is_name(&plain) {
                finding.fix(name.span, plain);
            }
        }
        let value = &setting.value.0;
        if let Some(number) = switched(value) {
            let message = format!("{} is not the value of a setting", quoted(value));
            report
                .add(setting.span, message, "on is 1, off is 0")
                .label("the kernel reads numbers")
                .fix(setting.span, number);
            continue;
        }
        let is_line = value.len() <= 200 && value.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t');
        if !is_line || value.trim() != value {
            let message = format!("{} is not the value of a setting", quoted(value));
            report
                .add(
                    setting.span,
                    message,
                    "write one line of at most 200 plain characters, without spaces around it",
                )
                .label("not a value of sysctl");
        }
    }
}

static GONE_SYSCTL: Check = Check::error(
    "K002",
    "gone-sysctl",
    gone_sysctl,
    "The kernels of the release (4.15 and 5.4) do not know the setting, or it can only be written in another way: guides of earlier years still name it.",
)
.example(
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {net.ipv4.tcp_tw_recycle: 1}\n")],
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {net.ipv4.tcp_tw_reuse: 1}\n")],
);

/// Settings that are gone, and what there is instead.
const GONE: &[(&str, &str)] = &[
    (
        "net.ipv4.tcp_tw_recycle",
        "it broke connections behind NAT and left Linux in 4.12; take it out",
    ),
    (
        "net.ipv4.ip_conntrack_max",
        "it is net.netfilter.nf_conntrack_max since 2.6.20",
    ),
    (
        "net.ipv4.netfilter.ip_conntrack_max",
        "it is net.netfilter.nf_conntrack_max since 2.6.20",
    ),
    (
        "net.ipv4.netfilter.ip_conntrack_tcp_timeout_established",
        "it is net.netfilter.nf_conntrack_tcp_timeout_established",
    ),
    (
        "kernel.sched_migration_cost",
        "it is kernel.sched_migration_cost_ns since 3.6",
    ),
    ("vm.bdflush", "it left Linux in 2.6; write vm.dirty_ratio and its kind"),
    ("kernel.exec-shield", "it was Red Hat's own; take it out"),
    ("vm.hugetlb_shm_group_pages", "it is vm.nr_hugepages"),
    ("kernel.hostname", "it is the host's `name`"),
    (
        "kernel.domainname",
        "it is of NIS, and nothing reads it; DNS has `network: {search: …}`",
    ),
];

fn gone_sysctl(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, _) in written(site) {
        if let Some((_, instead)) = GONE.iter().find(|(gone, _)| *gone == name.value) {
            let message = format!("{} does nothing here", quoted(&name.value));
            report.add(name.span, message, *instead).label("does nothing");
        }
    }
}

static SYSCTL_AGAINST_MEMBERS: Check = Check::error(
    "K003",
    "sysctl-against-members",
    against_members,
    "With this value the machine is no member, or none of use: IPv6 switched off under a cluster that speaks it, no further kernel modules (zfs is one), \
     no user namespaces (no unprivileged container starts), no forwarding under an overlay or bridge of LXD's, or memory whose share of swap the \
     kernels of the release refuse.",
)
.example(
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {user.max_user_namespaces: 0}\n")],
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {user.max_user_namespaces: 65536}\n")],
);

fn against_members(site: &SiteView<'_>, report: &mut Report<'_>) {
    for member in site.members() {
        let profile = member.cluster.profile();
        let network = profile.and_then(|profile| profile.network.as_ref());
        let subnet = network.and_then(|network| network.value.subnet.as_ref());
        let is_ipv6 = subnet.is_some_and(|subnet| matches!(subnet.value.addr(), IpAddr::V6(_)));
        for (name, setting) in entries(member.host.host().sysctl.as_ref()) {
            let (name, value) = (name.value.as_str(), setting.value.0.as_str());
            let number = value.parse::<u64>().ok();
            let is_conf = |last: &str| name.starts_with("net.ipv6.conf.") && name.ends_with(last);
            let why = match number {
                Some(1) if is_ipv6 && is_conf(".disable_ipv6") => "the cluster's network is IPv6",
                Some(1) if name == "kernel.modules_disabled" => {
                    "no kernel module could be loaded any more, not even zfs"
                }
                Some(0) if name == "user.max_user_namespaces" => "no unprivileged container would start",
                Some(0) if name == "net.ipv4.ip_forward" => {
                    "instances reach nothing through a machine that does not forward"
                }
                Some(101..) if name == "vm.swappiness" => "the kernels of the release take 0 to 100",
                _ => continue,
            };
            let message = format!("`{name}: {value}` on {}: {why}", member.host.label());
            report
                .add(setting.span, message, "write another value, or take it out")
                .label(why)
                .on(member.host.label());
        }
    }
}

static MISSPELT_SYSCTL: Check = Check::warning(
    "K004",
    "misspelt-sysctl",
    misspelt_sysctl,
    "A setting that the kernel does not know is passed over at each boot, and nobody is told. This name is one or two letters from one that it knows, \
     and is none itself as far as lxseed knows.",
)
.example(
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {vm.swapiness: 10}\n")],
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\nsysctl: {vm.swappiness: 10}\n")],
);

fn misspelt_sysctl(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, _) in written(site).filter(|(name, _)| is_name(&name.value)) {
        let plain = without_interface(&name.value);
        if GONE.iter().any(|(gone, _)| *gone == name.value) || sysctl::names().any(|known| known == plain) {
            continue;
        }
        let distances = sysctl::names().map(|known| (strsim::damerau_levenshtein(&plain, known), known));
        let Some((_, known)) = distances.filter(|(distance, _)| *distance <= 2).min() else {
            continue;
        };
        let message = format!("{} is no setting that lxseed knows", quoted(&name.value));
        let finding = report.add(name.span, message, format!("did you mean `{known}`?"));
        finding.label("passed over at each boot");
        if plain == name.value {
            finding.fix(name.span, known);
        }
    }
}

/// With `all` or `default` in place of an interface's name, as the table has it.
fn without_interface(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    if let ["net", "ipv4" | "ipv6", kind @ ("conf" | "neigh"), interface, ..] = parts.as_mut_slice() {
        *interface = if *kind == "conf" { "all" } else { "default" };
    }
    parts.join(".")
}
