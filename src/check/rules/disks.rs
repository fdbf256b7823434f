//! Disks profiles: each host names one, each is named.

use std::collections::HashSet;

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::profile::{Cluster, Spanned, did_you_mean, quoted, scalar};

pub(super) static CHECKS: &[&Check] = &[&UNKNOWN_DISKS, &UNUSED_DISKS];

static UNKNOWN_DISKS: Check = Check::error(
    "D001",
    "unknown-disks",
    unknown_disks,
    "A host names the disks profile of its model; without it nothing is known about its disks.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node3\ndisks: model",
        "name: node3\ndisks: modle",
    )],
    &[],
);

fn unknown_disks(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in site.clusters.iter().filter(|cluster| cluster.knows_disks()) {
        let known: Vec<_> = cluster.disks_names().collect();
        let of_hosts = cluster.hosts.iter().filter_map(|host| host.host().disks.as_ref());
        let shared = cluster.profile().into_iter().flat_map(Cluster::shared);
        let shared = shared.filter_map(|shared| shared.disks.as_ref());
        let names: HashSet<&str> = known.iter().map(|name| name.value.as_str()).collect();
        let is_known = |name: &Spanned<String>| names.contains(name.value.as_str());
        for name in of_hosts.chain(shared).filter(|name| !is_known(name)) {
            let names = known.iter().map(|name| name.value.as_str());
            let similar = did_you_mean(&name.value, names.clone());
            let help = match similar {
                Some(similar) => format!("did you mean `{similar}`?"),
                None if known.is_empty() => "write one in disks/ beside the cluster.yaml".to_owned(),
                None => format!("the disks profiles here are {}", names.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no disks profile {}", quoted(&name.value));
            let finding = report.add(name.span, message, help);
            finding.label("no such disks profile");
            match similar.and_then(|similar| known.iter().find(|name| name.value == similar)) {
                Some(suggestion) => {
                    finding
                        .also(suggestion.span, "there is this one")
                        .fix(name.span, scalar(&suggestion.value));
                }
                None => {
                    for other in known.iter().take(3) {
                        finding.also(other.span, "a disks profile");
                    }
                }
            }
        }
    }
}

static UNUSED_DISKS: Check = Check::warning(
    "D025",
    "unused-disks",
    unused_disks,
    "A disks profile that no host names describes machines that are not there; most likely their hosts are missing, or still name the profile of \
     another model.",
)
.example(
    &[Edit::Write(
        "disks/old.yaml",
        "name: old-model\nos: {slot: os}\nvolumes: {data1: {device: d1}, data2: {device: d2}}\n",
    )],
    &[],
);

fn unused_disks(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in site
        .clusters
        .iter()
        .filter(|cluster| !cluster.folder.hosts_incomplete && !cluster.hosts.is_empty())
    {
        let named: HashSet<&str> = cluster
            .hosts
            .iter()
            .filter_map(|host| Some(host.host().disks.as_ref()?.value.as_str()))
            .collect();
        // A host whose `disks` was reported may just be one of this profile's.
        let unsure = cluster.hosts.iter().any(|host| host.disks.is_none());
        for name in cluster
            .disks_names()
            .filter(|name| !unsure && !named.contains(name.value.as_str()))
        {
            report
                .add(
                    name.span,
                    format!("no host names disks profile {}", quoted(&name.value)),
                    "write it as `disks:` of its hosts, or take the file out",
                )
                .label("not used");
        }
    }
}
