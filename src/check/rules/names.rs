//! Names: well-formed, and each used once.

use std::collections::HashMap;

use crate::check::registry::{Check, Report};
use crate::check::view::{SiteView, volumes};
use crate::finding::Edit::{Replace, Write};
use crate::model::Name;
use crate::profile::{Spanned, entries, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &INVALID_NAME,
    &INVALID_LABEL,
    &DUPLICATE_CLUSTER,
    &DUPLICATE_HOST,
    &DUPLICATE_DISKS,
    &NAME_TOO_LONG_FOR_MD,
    &LOOKALIKE_HOSTS,
    &NAME_OF_A_REMOTE,
];

// Files of the example site, and a second cluster.
const MODEL: &str = "disks/model.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const STORE: &str = "name: store
ubuntu: \"18.04\"
bootstrap: store1
network: {subnet: 192.168.20.0/24, gateway: 192.168.20.1, nameservers: [192.168.20.1]}
pools: {data1: {driver: btrfs}}
admin: {user: ops, ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq]}
allow: {one-member: others will join it}
";
const STORE_DISKS: &str = "name: one-drive
os: {slot: os}
volumes: {data1: {device: d1}}
";
const STORE_HOST: &str = "name: store1
disks: one-drive
network: {mac: \"52:54:00:bb:00:01\", address: 192.168.20.11}
slots: {os: {serial: WD-B100001}, d1: {serial: WD-B200001}}
";

static INVALID_NAME: Check = Check::error(
    "N001",
    "invalid-name",
    invalid_name,
    "The name of a cluster or host becomes a folder below out/, a host name, an LXD member name and a DNS name in a certificate. It has \
     what all of these take: lower-case letters, digits and inner hyphens, at most 63, nothing that the C library reads as an address (digits \
     only, or 0x1f), and none of the reserved words. \
     A name can therefore never lead out of the output folder.",
)
.example(
    &[Replace(HOSTS, "name: node3", "name: Node_3")],
    &[],
);

fn invalid_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let profile = cluster.profile();
        if let Some(name) = profile.and_then(|profile| profile.name.as_ref()) {
            report_invalid(name, "cluster", None, report);
        }
        let bootstrap = profile.and_then(|profile| profile.bootstrap_host());
        for name in cluster.host_names() {
            let referring = bootstrap.filter(|bootstrap| bootstrap.value == name.value);
            report_invalid(name, "host", referring, report);
        }
        let spares = profile.and_then(|profile| profile.spares.as_ref());
        for name in spares.iter().flat_map(|spares| &spares.value) {
            report_invalid(name, "host", None, report);
        }
        let retired = profile.and_then(|profile| profile.retired.as_ref());
        for (name, _) in entries(retired) {
            report_invalid(name, "host", None, report);
        }
    }
}

/// Reports a name that cannot be one; `referring` is where it is named elsewhere, which has to change with it.
fn report_invalid(name: &Spanned<String>, what: &str, referring: Option<&Spanned<String>>, report: &mut Report<'_>) {
    let Err(why) = name.value.parse::<Name>() else {
        return;
    };
    let message = format!("{} cannot be the name of a {what}", quoted(&name.value));
    let finding = report.add(name.span, message, "name it like `node1`");
    finding.label(why);
    // A host's domain is for `network.search`.
    let label = name.value.split('.').next().unwrap_or_default();
    let suggestion = label.to_lowercase().replace('_', "-");
    if suggestion.parse::<Name>().is_ok() {
        finding.fix(name.span, scalar(&suggestion));
        if let Some(referring) = referring {
            finding.fix(referring.span, scalar(&suggestion));
        }
    }
}

static INVALID_LABEL: Check = Check::error(
    "N002",
    "invalid-label",
    invalid_label,
    "Names of pools, volumes, slots and disks profiles end up in device paths, zpool names, shell scripts and LXD's API: they start with a \
     letter, go on with letters, digits, hyphens and underscores, and have at most 24 characters.",
)
.example(
    &[
        Replace(MODEL, "[b1, b2]", "[3rd, b2]"),
        Replace(MODEL, "  b1: {", "  3rd: {"),
    ],
    &[],
);

/// Pools, models, disks profiles, volumes and slots.
fn labels<'a>(site: &SiteView<'a>) -> Vec<(&'static str, &'a Spanned<String>)> {
    let mut labels = Vec::new();
    for pools in site.profiles().map(|profile| profile.pools.as_ref()) {
        labels.extend(entries(pools).iter().map(|(name, _)| ("pool", name)));
    }
    for models in site.profiles().map(|profile| profile.models.as_ref()) {
        labels.extend(entries(models).iter().map(|(name, _)| ("model", name)));
    }
    for disks in site.disks() {
        labels.extend(disks.name.iter().map(|name| ("disks profile", name)));
        labels.extend(volumes(disks).map(|(name, _)| ("volume", name)));
    }
    labels.extend(site.written_slots().map(|(name, _)| ("slot", name)));
    labels
}

fn invalid_label(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (what, name) in labels(site) {
        let label = name.value.as_str();
        let why = if !label.starts_with(|c: char| c.is_ascii_lowercase()) {
            "such a name starts with a lower-case letter"
        } else if !label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        {
            "such a name has lower-case letters, digits, hyphens and underscores, nothing else"
        } else if label.len() > 24 {
            "such a name has at most 24 characters"
        } else {
            continue;
        };
        let shown = quoted(label);
        report
            .add(
                name.span,
                format!("{shown} cannot be the name of a {what}: {why}"),
                "name it like `data1`",
            )
            .label(why);
    }
}

/// Reports every value that was there before, with the place of the first one.
fn report_repeats<'a>(
    named: impl Iterator<Item = &'a Spanned<String>>,
    report: &mut Report<'_>,
    message: impl Fn(&str) -> String,
    help: &str,
) {
    let mut first_use: HashMap<&str, Span> = HashMap::new();
    for name in named {
        match first_use.get(name.value.as_str()) {
            Some(&first) => {
                report
                    .add(name.span, message(&name.value), help)
                    .label("used again here")
                    .also(first, "first used here");
            }
            None => {
                first_use.insert(&name.value, name.span);
            }
        }
    }
}

static DUPLICATE_CLUSTER: Check = Check::error(
    "N003",
    "duplicate-cluster",
    duplicate_cluster,
    "Two clusters of one name would be written into the same folder and derive the same keys.",
)
.example(
    &[
        Write("store/cluster.yaml", STORE),
        Write("store/disks/one-drive.yaml", STORE_DISKS),
        Write("store/hosts/store1.yaml", STORE_HOST),
        Replace("store/cluster.yaml", "name: store", "name: lab"),
    ],
    &[
        Write("store/cluster.yaml", STORE),
        Write("store/disks/one-drive.yaml", STORE_DISKS),
        Write("store/hosts/store1.yaml", STORE_HOST),
    ],
);

fn duplicate_cluster(site: &SiteView<'_>, report: &mut Report<'_>) {
    let names = site.profiles().filter_map(|profile| profile.name.as_ref());
    report_repeats(
        names,
        report,
        |name| format!("there are two clusters `{name}`"),
        "give each cluster a name of its own",
    );
}

static DUPLICATE_HOST: Check = Check::error(
    "N004",
    "duplicate-host",
    duplicate_host,
    "Host names are unique within a cluster: LXD refuses a second member of the same name, and in `out/CLUSTER/HOST` there is one place for both. \
     Two clusters may have a host of the same name; it is told apart as CLUSTER/HOST everywhere.",
)
.example(
    &[Replace(HOSTS, "name: node3", "name: node2")],
    &[],
);

fn duplicate_host(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        report_repeats(
            cluster.host_names(),
            report,
            |name| format!("there are two hosts `{name}`"),
            "give each host a name of its own",
        );
        let spares = cluster.profile().and_then(|profile| profile.spares.as_ref());
        report_repeats(
            spares.iter().flat_map(|spares| &spares.value),
            report,
            |name| format!("there are two spares `{name}`"),
            "name each spare once",
        );
    }
}

static DUPLICATE_DISKS: Check = Check::error(
    "N005",
    "duplicate-disks",
    duplicate_disks,
    "Hosts refer to a disks profile by its name, so within a cluster it must be one profile's only.",
)
.example(
    &[Write(
        "disks/model2.yaml",
        "name: model
os: {slot: os}
volumes: {data1: {device: d1}, data2: {device: d2}}
",
    )],
    &[],
);

fn duplicate_disks(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        report_repeats(
            cluster.disks_names(),
            report,
            |name| format!("there are two disks profiles `{name}`"),
            "give each profile a name of its own",
        );
    }
}

static NAME_TOO_LONG_FOR_MD: Check = Check::error(
    "N006",
    "name-too-long-for-md",
    name_too_long_for_md,
    "mdadm stores an array's name as host:name only if that fits in 31 characters (super1.c). With a longer host name the array looks like \
     another machine's after a reboot and gets a name such as data1_0, so LXD would not find its pool.",
)
.example(
    &[Replace(HOSTS, "name: node3", "name: storage-rack-3-shelf-12-left")],
    &[],
);

/// Longest `host:name` that mdadm keeps in its superblock: the field has 32 bytes and the text stays below that.
const MD_NAME_MAX: usize = 31;

fn name_too_long_for_md(site: &SiteView<'_>, report: &mut Report<'_>) {
    for host in site.hosts() {
        let Some(name) = &host.host().name else {
            continue;
        };
        let longest = host
            .volumes()
            .filter(|(_, volume)| volume.value.mirror.is_some())
            .max_by_key(|(volume, _)| volume.value.len());
        let Some((volume, _)) = longest else { continue };
        // The 31 characters hold the colon too.
        let room = MD_NAME_MAX.saturating_sub(volume.value.len() + 1);
        if name.value.len() > room {
            report
                .add(
                    name.span,
                    format!(
                        "host name `{}` has {} characters, too many for md array `{}`",
                        name.value,
                        name.value.len(),
                        volume.value
                    ),
                    format!("use a host name of at most {room} characters"),
                )
                .label(format!("at most {room} characters"))
                .also(volume.span, "this volume is an md mirror");
        }
    }
}

static LOOKALIKE_HOSTS: Check = Check::warning(
    "N007",
    "lookalike-hosts",
    lookalike_hosts,
    "Somebody stands in front of a rack and reads a label, or types a name from a note. Names such as node-1, node1 and node01, or web0 and \
     webo, are taken for one another, and then the wrong machine is pulled.",
)
.example(
    &[Replace(HOSTS, "name: node2", "name: node-1")],
    &[],
);

fn lookalike_hosts(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let mut seen: HashMap<String, &Spanned<String>> = HashMap::new();
        for name in cluster.host_names() {
            let alike = ['l', 'i']
                .map(|one| on_a_label(&name.value, one))
                .into_iter()
                .find_map(|look| {
                    let first = *seen.entry(look).or_insert(name);
                    (first.value != name.value).then_some(first)
                });
            if let Some(first) = alike {
                let message = format!(
                    "hosts {} and {} are easily taken for one another",
                    quoted(&first.value),
                    quoted(&name.value)
                );
                report
                    .add(name.span, message, "give one of them a name that looks different")
                    .label("looks like the other")
                    .also(first.span, "the other");
            }
        }
    }
}

/// A name as it is read at a glance: without hyphens and leading zeros, with o for 0 and `one` for 1.
/// A hyphen between two digits stays, or `r1-11` and `r11-1` would be the same.
fn on_a_label(name: &str, one: char) -> String {
    let chars: Vec<char> = name.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut look = String::with_capacity(name.len());
    // Whether a number has begun, so that a zero counts.
    let mut in_number = false;
    for (at, c) in chars.iter().enumerate() {
        let leading_zero = *c == '0' && !in_number && digit(at + 1);
        let between_digits = at > 0 && digit(at - 1) && digit(at + 1);
        in_number = digit(at) && !leading_zero;
        match c {
            '-' if !between_digits => {}
            '0' if leading_zero => {}
            '0' => look.push('o'),
            '1' => look.push(one),
            _ => look.push(*c),
        }
    }
    look
}

static NAME_OF_A_REMOTE: Check = Check::warning(
    "N008",
    "name-of-a-remote",
    name_of_a_remote,
    "At the desk a cluster is added to `lxc` as a remote, most simply under its own name. `lxc` comes with remotes called local, images, ubuntu \
     and ubuntu-daily (ubuntu-minimal later), so `lxc remote add` refuses these, and a command meant for the cluster would reach another \
     server (lxc/config/default.go).",
)
.example(&[Replace("cluster.yaml", "name: lab", "name: local")], &[]);

/// Remotes that `lxc` has from the beginning.
const REMOTES: &[&str] = &[
    "local",
    "images",
    "ubuntu",
    "ubuntu-daily",
    "ubuntu-minimal",
    "ubuntu-minimal-daily",
];

fn name_of_a_remote(site: &SiteView<'_>, report: &mut Report<'_>) {
    let names = site.profiles().filter_map(|profile| profile.name.as_ref());
    for name in names.filter(|name| REMOTES.contains(&&*name.value)) {
        let message = format!(
            "cluster {} is called like a remote that `lxc` comes with",
            quoted(&name.value)
        );
        let help = "name it after its place or purpose, such as `lab`";
        report.add(name.span, message, help).label("taken in `lxc`");
    }
}

#[cfg(test)]
mod tests {
    use super::on_a_label;

    #[test]
    fn names_that_look_alike_are_told_from_those_that_do_not() {
        let alike = |a: &str, b: &str| ['l', 'i'].iter().any(|one| on_a_label(a, *one) == on_a_label(b, *one));
        for (a, b) in [
            ("node-1", "node1"),
            ("node1", "node01"),
            ("node1", "node-001"),
            ("node0", "node00"),
            ("web0", "webo"),
            ("db1", "dbl"),
            ("db1", "dbi"),
            ("rack-a1", "racka1"),
        ] {
            assert!(alike(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("node1", "node2"),
            ("node1", "node10"),
            ("r1-11", "r11-1"),
            ("mail", "mall"),
            ("node100", "node1000"),
            ("a0", "a"),
        ] {
            assert!(!alike(a, b), "{a} {b}");
        }
    }
}
