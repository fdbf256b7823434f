//! Names: well-formed, and each used once.

use std::collections::HashMap;

use super::view::SiteView;
use super::{Check, Report};
use crate::finding::Rule;
use crate::model::Name;
use crate::profile::Sp;
use crate::source::Span;

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &INVALID_NAME,
        run: invalid_name,
    },
    Check {
        rule: &INVALID_LABEL,
        run: invalid_label,
    },
    Check {
        rule: &DUPLICATE_CLUSTER,
        run: duplicate_cluster,
    },
    Check {
        rule: &DUPLICATE_HOST,
        run: duplicate_host,
    },
    Check {
        rule: &DUPLICATE_DISKS,
        run: duplicate_disks,
    },
    Check {
        rule: &NAME_TOO_LONG_FOR_MD,
        run: name_too_long_for_md,
    },
];

static INVALID_NAME: Rule = Rule::error(
    "N001",
    "invalid-name",
    "The name of a cluster or host becomes a folder below out/, a host name, an LXD member name and a DNS name in a certificate. It has \
     what all of these take: lower-case letters, digits and inner hyphens, at most 63, not digits only, and none of the reserved words. \
     A name can therefore never lead out of the output folder.",
);

fn invalid_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    let clusters = site
        .clusters
        .iter()
        .filter_map(|cluster| Some(("cluster", cluster.profile()?.name.as_ref()?)));
    let hosts = site
        .hosts()
        .filter_map(|host| Some(("host", host.host().name.as_ref()?)));
    for (what, name) in clusters.chain(hosts) {
        if let Err(why) = name.value.parse::<Name>() {
            let shown = crate::profile::quoted(&name.value);
            report
                .add(
                    name.span,
                    format!("{shown} cannot be the name of a {what}"),
                    "name it like `node1`",
                )
                .label(why);
        }
    }
}

static INVALID_LABEL: Rule = Rule::error(
    "N002",
    "invalid-label",
    "Names of pools, volumes, slots and disks profiles end up in device paths, zpool names, shell scripts and LXD's API: they start with a \
     letter, go on with letters, digits, hyphens and underscores, and have at most 24 characters. ZFS reserves some words for itself.",
);

/// Words that zpool takes for a kind of vdev instead of a pool's name (zpool(8)).
const ZPOOL_WORDS: &[&str] = &[
    "mirror", "raidz", "draid", "spare", "log", "cache", "special", "dedup",
];

fn invalid_label(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut labels: Vec<(&str, &str, Span)> = Vec::new();
    for cluster in &site.clusters {
        let pools = cluster.profile().and_then(|profile| profile.pools.as_ref());
        labels.extend(
            pools
                .into_iter()
                .flat_map(|pools| pools.value.iter())
                .map(|(name, _)| ("pool", &*name.value, name.span)),
        );
        for disks in &cluster.folder.disks {
            labels.extend(
                disks
                    .value
                    .name
                    .as_ref()
                    .map(|name| ("disks profile", &*name.value, name.span)),
            );
            let volumes = disks
                .value
                .volumes
                .as_ref()
                .into_iter()
                .flat_map(|volumes| volumes.value.iter());
            labels.extend(volumes.map(|(name, _)| ("volume", &*name.value, name.span)));
            let slots = disks
                .value
                .slots
                .as_ref()
                .into_iter()
                .flat_map(|slots| slots.value.iter());
            labels.extend(slots.map(|(name, _)| ("slot", &*name.value, name.span)));
        }
        let host_slots = cluster
            .hosts
            .iter()
            .filter_map(|host| host.host().slots.as_ref());
        labels.extend(
            host_slots
                .flat_map(|slots| slots.value.iter())
                .map(|(name, _)| ("slot", &*name.value, name.span)),
        );
    }
    for (what, label, span) in labels {
        let why = if !label.starts_with(|c: char| c.is_ascii_lowercase()) {
            "it starts with a lower-case letter"
        } else if !label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        {
            "it has lower-case letters, digits, hyphens and underscores"
        } else if label.len() > 24 {
            "it has at most 24 characters"
        } else if what == "pool" && ZPOOL_WORDS.iter().any(|word| label.starts_with(word)) {
            "ZFS reserves the word"
        } else {
            continue;
        };
        let shown = crate::profile::quoted(label);
        report
            .add(
                span,
                format!("{shown} cannot be the name of a {what}: {why}"),
                "name it like `data1`",
            )
            .label(why);
    }
}

/// Reports every value that was there before, with the place of the first one.
fn report_repeats<'a>(
    named: impl Iterator<Item = &'a Sp<String>>,
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

static DUPLICATE_CLUSTER: Rule = Rule::error(
    "N003",
    "duplicate-cluster",
    "Two clusters of one name would be written into the same folder and derive the same keys.",
);

fn duplicate_cluster(site: &SiteView<'_>, report: &mut Report<'_>) {
    let names = site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.name.as_ref());
    report_repeats(
        names,
        report,
        |name| format!("there are two clusters `{name}`"),
        "give each cluster a name of its own",
    );
}

static DUPLICATE_HOST: Rule = Rule::error(
    "N004",
    "duplicate-host",
    "Host names are unique over the whole site: a person who reads a name on a screen or a label must know which machine is meant, and LXD \
     refuses a second member of the same name.",
);

fn duplicate_host(site: &SiteView<'_>, report: &mut Report<'_>) {
    let names = site.hosts().filter_map(|host| host.host().name.as_ref());
    report_repeats(
        names,
        report,
        |name| format!("there are two hosts `{name}`"),
        "give each host a name of its own",
    );
}

static DUPLICATE_DISKS: Rule = Rule::error(
    "N005",
    "duplicate-disks",
    "Hosts refer to a disks profile by its name, so within a cluster it must be one profile's only.",
);

fn duplicate_disks(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let names = cluster
            .folder
            .disks
            .iter()
            .filter_map(|disks| disks.value.name.as_ref());
        report_repeats(
            names,
            report,
            |name| format!("there are two disks profiles `{name}`"),
            "give each profile a name of its own",
        );
    }
}

static NAME_TOO_LONG_FOR_MD: Rule = Rule::error(
    "N006",
    "name-too-long-for-md",
    "mdadm stores an array's name as host:name only if that fits in 31 characters (super1.c). With a longer host name the array looks like \
     another machine's after a reboot and gets a name such as data1_0, so LXD would not find its pool.",
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
