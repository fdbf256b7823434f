//! The cluster as a whole: who forms it and how many there are.

use super::view::SiteView;
use super::{Check, Report};
use crate::finding::Rule;
use crate::model::Name;
use crate::profile::{did_you_mean, quoted};

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &NO_HOSTS,
        run: no_hosts,
    },
    Check {
        rule: &UNKNOWN_BOOTSTRAP,
        run: unknown_bootstrap,
    },
    Check {
        rule: &NO_POOLS,
        run: no_pools,
    },
    Check {
        rule: &TWO_MEMBERS,
        run: two_members,
    },
    Check {
        rule: &ONE_MEMBER,
        run: one_member,
    },
    Check {
        rule: &GENERATION,
        run: generation,
    },
];

static NO_HOSTS: Rule = Rule::error(
    "C001",
    "no-hosts",
    "A cluster without hosts builds nothing; most likely the host files lie in another folder.",
);

fn no_hosts(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in site
        .clusters
        .iter()
        .filter(|cluster| cluster.hosts.is_empty() && !cluster.folder.hosts_incomplete)
    {
        if let Some(document) = cluster.cluster {
            report
                .add(
                    document.span,
                    "the cluster has no hosts",
                    "write one file per host in hosts/ beside the cluster.yaml",
                )
                .label("no hosts");
        }
    }
}

static UNKNOWN_BOOTSTRAP: Rule = Rule::error(
    "C002",
    "unknown-bootstrap",
    "Exactly one host forms the cluster and all others join it. If nobody forms it, all wait for good.",
);

fn unknown_bootstrap(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(bootstrap) = cluster
            .profile()
            .and_then(|profile| profile.bootstrap.as_ref())
        else {
            continue;
        };
        let known: Vec<&str> = cluster
            .hosts
            .iter()
            .filter_map(|host| Some(host.host().name.as_ref()?.value.as_str()))
            .collect();
        // A host that could not be read or is misnamed may just be the one that was meant.
        let unsure = cluster.folder.hosts_incomplete
            || cluster.hosts.is_empty()
            || known.len() < cluster.hosts.len()
            || known.iter().any(|name| name.parse::<Name>().is_err());
        if unsure || known.contains(&bootstrap.value.as_str()) {
            continue;
        }
        let shown = quoted(&bootstrap.value);
        let help = match did_you_mean(&bootstrap.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name one of the cluster's hosts".to_owned(),
        };
        let message = format!("the bootstrap host {shown} is none of the cluster's hosts");
        report
            .add(bootstrap.span, message, help)
            .label("no such host");
    }
}

static NO_POOLS: Rule = Rule::error(
    "C003",
    "no-pools",
    "Without a pool LXD cannot hold an instance, and the default profile would have no root disk.",
);

fn no_pools(site: &SiteView<'_>, report: &mut Report<'_>) {
    for pools in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.pools.as_ref())
    {
        if pools.value.iter().next().is_none() {
            report
                .add(
                    pools.span,
                    "the cluster has no pools",
                    "add one, for example `pools: {data1: {driver: zfs}}`",
                )
                .label("no pools");
        }
    }
}

static TWO_MEMBERS: Rule = Rule::warning(
    "C004",
    "two-members",
    "With two members only one of them votes in LXD's database: if that one is lost, the other's database stops until a person recovers it \
     (`lxd cluster recover-from-quorum-loss`). Instances go on running. From three members on, any one may fail.",
);

fn two_members(site: &SiteView<'_>, report: &mut Report<'_>) {
    members(
        site,
        report,
        2,
        "the cluster has two members: if the first is lost, the database stops",
        "add a third host",
    );
}

static ONE_MEMBER: Rule = Rule::warning(
    "C005",
    "one-member",
    "A cluster of one member has nobody to take over; it is a start to which others can be added.",
);

fn one_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    members(
        site,
        report,
        1,
        "the cluster has one member",
        "add two more hosts",
    );
}

fn members(site: &SiteView<'_>, report: &mut Report<'_>, count: usize, message: &str, help: &str) {
    for cluster in site
        .clusters
        .iter()
        .filter(|cluster| cluster.hosts.len() == count && !cluster.folder.hosts_incomplete)
    {
        if let Some(document) = cluster.cluster {
            let allow = format!(
                "{help}, or accept it in cluster.yaml: `allow: {{{}: \"why\"}}`",
                report.rule.slug
            );
            report
                .add(document.span, message, allow)
                .label(if count == 1 {
                    "one member"
                } else {
                    "two members"
                });
        }
    }
}

static GENERATION: Rule = Rule::error(
    "C006",
    "generation-zero",
    "Generations count from 1; raising the number by one gives a host new keys.",
);

fn generation(site: &SiteView<'_>, report: &mut Report<'_>) {
    for generation in site
        .hosts()
        .filter_map(|host| host.host().generation.as_ref())
        .filter(|generation| generation.value == 0)
    {
        report
            .add(
                generation.span,
                "`generation` is 0",
                "leave it out, or write 2 to give the host new keys",
            )
            .label("counts from 1");
    }
}
