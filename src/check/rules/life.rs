//! What the cluster's life has written into its profile: that it is formed, who comes later, who was taken out.

use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, HostView, SiteView};
use crate::finding::Edit;
use crate::hex;
use crate::model::{FINGERPRINT_DIGITS, FOUNDING_DIGITS};
use crate::profile::{Spanned, entries, quoted, scalar};

pub(super) static CHECKS: &[&Check] = &[
    &INVALID_FOUNDING,
    &NOBODY_TO_JOIN,
    &SPARE_WITH_OTHER_KEYS,
    &RETIRED_HOST,
    &INVALID_FINGERPRINT,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const ADMIN: &str = "admin:\n";
const NODE2: &str = "---\nname: node2\ndisks: model\nnetwork: {mac: \"52:54:00:aa:00:02\", address: 192.168.10.12}\nslots: {a1: {serial: WD-A100002}, a2: {serial: WD-A200002}}\n";
const NODE3: &str = "---\nname: node3\ndisks: model\nnetwork: {mac: \"52:54:00:aa:00:03\", address: 192.168.10.13}\nslots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}\n";
const RETIRED: &str = "retired: {node3: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]}\nadmin:\n";

/// Whether a text is that many lower-case hexadecimal digits.
fn is_hex(text: &str, digits: usize) -> bool {
    let mut bytes = vec![0; digits / 2];
    hex::decode(text, &mut bytes).is_some()
}

/// What was meant by a text that is the number but for its capitals.
fn in_lower_case(text: &str, digits: usize) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    is_hex(&lower, digits).then(|| scalar(&lower))
}

static INVALID_FOUNDING: Check = Check::error(
    "C009",
    "invalid-founding",
    invalid_founding,
    "The bootstrap host draws a number when it founds the cluster, and the cluster keeps it in its configuration as `user.lxseed.founding`. \
     `lxseed status` writes it to cluster.yaml as `formed`. From then on no seed is made that could found: a bootstrap host that is \
     installed anew joins the others, and never forms a second cluster of the same name and keys beside theirs.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "formed: yes\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "formed: 5f0c1d2e3b4a6978\nadmin:\n")],
);

fn invalid_founding(site: &SiteView<'_>, report: &mut Report<'_>) {
    let numbers = site.profiles().filter_map(|profile| profile.formed.as_ref());
    for number in numbers.filter(|number| !is_hex(&number.value, FOUNDING_DIGITS)) {
        let finding = report.add(
            number.span,
            format!("{} is not the number of a founding", quoted(&number.value)),
            "leave `formed` out until `lxseed status` writes it; on a member it is what `lxc config get user.lxseed.founding` prints",
        );
        finding.label("sixteen of 0-9 and a-f");
        if let Some(lower) = in_lower_case(&number.value, FOUNDING_DIGITS) {
            finding.fix(number.span, lower);
        }
    }
}

static NOBODY_TO_JOIN: Check = Check::error(
    "C010",
    "nobody-to-join",
    nobody_to_join,
    "Once the cluster is formed every host joins it through the others, the bootstrap host too. A single host has nobody to join: installed \
     anew it would wait for ever.",
)
.example(
    &[
        Edit::Replace(CLUSTER, ADMIN, "formed: 5f0c1d2e3b4a6978\nadmin:\n"),
        Edit::Replace(HOSTS, NODE2, ""),
        Edit::Replace(HOSTS, NODE3, ""),
    ],
    &[Edit::Replace(CLUSTER, ADMIN, "formed: 5f0c1d2e3b4a6978\nadmin:\n")],
);

fn nobody_to_join(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let formed = cluster.profile().and_then(|profile| profile.formed.as_ref());
        if let (Some(formed), [host]) = (formed, cluster.hosts.as_slice())
            && !cluster.folder.hosts_incomplete
        {
            report
                .add(
                    formed.span,
                    format!("the cluster is formed, and {} has no other host to join", host.label()),
                    "declare its other members in hosts/; if there are none and never were, take `formed` out",
                )
                .label("from here on every host joins")
                .also(host.document.span, "the only host");
        }
    }
}

static SPARE_WITH_OTHER_KEYS: Check = Check::warning(
    "C011",
    "spare-with-other-keys",
    spare_with_other_keys,
    "A spare is trusted from the first day by its first keys, those of generation 1. A host of another generation has others: nobody knows it, \
     and it is let in as every later host is, with `lxseed admit`.",
)
.example(
    &[
        Edit::Replace(CLUSTER, ADMIN, "spares: [node3, node4]\nadmin:\n"),
        Edit::Replace(HOSTS, "name: node3\n", "name: node3\ngeneration: 2\n"),
    ],
    &[
        Edit::Replace(CLUSTER, ADMIN, "spares: [node4]\nadmin:\n"),
        Edit::Replace(HOSTS, "name: node3\n", "name: node3\ngeneration: 2\n"),
    ],
);

fn spare_with_other_keys(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        for spare in spares(cluster) {
            let Some(generation) = host_named(cluster, &spare.value)
                .and_then(|host| host.host().generation.as_ref())
                .filter(|generation| generation.value > 1)
            else {
                continue;
            };
            let name = quoted(&spare.value);
            let help = format!("take {name} out of `spares`; when the machine is on, `lxseed admit` lets it in");
            report
                .add(
                    generation.span,
                    format!("the spare {name} has other keys than those that are trusted"),
                    help,
                )
                .label("not of the first generation")
                .also(spare.span, "trusted by its first keys");
        }
    }
}

static RETIRED_HOST: Check = Check::error(
    "C012",
    "retired-host",
    retired_host,
    "`lxseed retire` takes a host's keys out of the cluster's trust for good and writes their fingerprints to `retired`. A host or a spare of \
     that name has the same keys again and would never be let in, unless its `generation` was raised.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, RETIRED)],
    &[
        Edit::Replace(CLUSTER, ADMIN, RETIRED),
        Edit::Replace(HOSTS, "name: node3\n", "name: node3\ngeneration: 2\n"),
    ],
);

fn retired_host(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(profile) = cluster.profile() else { continue };
        let retired = entries(profile.retired.as_ref()).iter();
        for (retired, _) in retired {
            let shown = quoted(&retired.value);
            let (span, what, help) = match host_named(cluster, &retired.value) {
                Some(host) if has_first_keys(host) => (
                    host.host().name.as_ref().map_or(host.document.span, |name| name.span),
                    "host",
                    "if this is another machine, or the same one emptied, write `generation: 2` on it (3 where 2 was retired, too); else \
                     take it out of hosts/",
                ),
                Some(_) => continue,
                None => match spares(cluster).find(|spare| spare.value == retired.value) {
                    Some(spare) => (
                        spare.span,
                        "spare",
                        "give the machine another name, or take it out of `spares`",
                    ),
                    None => continue,
                },
            };
            let finding = report.add(span, format!("the {what} {shown} is retired"), help);
            finding
                .label("would never be let in")
                .also(retired.span, "its keys are retired here");
            if let Some(bootstrap) = profile.bootstrap_host().filter(|name| name.value == retired.value) {
                finding.also(bootstrap.span, "the bootstrap host");
            }
        }
    }
}

/// Whether a host's keys are those of the first generation, as far as can be told.
fn has_first_keys(host: &HostView<'_>) -> bool {
    let profile = host.host();
    let generation = profile.generation.as_ref().map_or(1, |generation| generation.value);
    generation < 2 && !profile.unread.key("generation")
}

static INVALID_FINGERPRINT: Check = Check::error(
    "C013",
    "invalid-fingerprint",
    invalid_fingerprint,
    "Each name in `retired` stands for the certificates that must never be trusted again: their SHA-256, as LXD lists them. A name without one, \
     or with something else, forbids nothing.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "retired: {node9: []}\nadmin:\n")],
    &[Edit::Replace(
        CLUSTER,
        ADMIN,
        "retired: {node9: [9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08]}\nadmin:\n",
    )],
);

fn invalid_fingerprint(site: &SiteView<'_>, report: &mut Report<'_>) {
    const HELP: &str = "write what `lxseed retire` wrote, or what `sha256sum` says of the certificate in DER: sixty-four of 0-9 and a-f";
    let retired = site.profiles().flat_map(|profile| entries(profile.retired.as_ref()));
    for (name, fingerprints) in retired {
        let shown = quoted(&name.value);
        if fingerprints.value.is_empty() {
            let message = format!("of {shown} no certificate is retired");
            report.add(name.span, message, HELP).label("no fingerprint");
        }
        for text in fingerprints
            .value
            .iter()
            .filter(|text| !is_hex(&text.value, FINGERPRINT_DIGITS))
        {
            let message = format!("{} is not the fingerprint of a certificate", quoted(&text.value));
            let finding = report.add(text.span, message, HELP);
            finding.label("not a SHA-256 in lower case");
            if let Some(lower) = in_lower_case(&text.value, FINGERPRINT_DIGITS) {
                finding.fix(text.span, lower);
            }
        }
    }
}

fn spares<'a>(cluster: &ClusterView<'a>) -> impl Iterator<Item = &'a Spanned<String>> {
    let spares = cluster.profile().and_then(|profile| profile.spares.as_ref());
    spares.into_iter().flat_map(|spares| &spares.value)
}

fn host_named<'a, 'b>(cluster: &'b ClusterView<'a>, name: &str) -> Option<&'b HostView<'a>> {
    let mut hosts = cluster.hosts.iter();
    hosts.find(|host| host.host().name.as_ref().is_some_and(|known| known.value == name))
}
