//! The cluster as a whole: who forms it and how many there are.

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::model::Name;
use crate::profile::{Desk, did_you_mean, entries, quoted, scalar};

pub(super) static CHECKS: &[&Check] = &[
    &NO_HOSTS,
    &UNKNOWN_BOOTSTRAP,
    &NO_POOLS,
    &TWO_MEMBERS,
    &ONE_MEMBER,
    &GENERATION,
    &EVEN_MEMBERS,
    &FOUNDS_ALONE,
];

/// Two hosts of the example site, word for word.
const NODE2: &str = "---\nname: node2\ndisks: model\nnetwork: {mac: \"52:54:00:aa:00:02\", address: 192.168.10.12}\nslots: {a1: {serial: WD-A100002}, a2: {serial: WD-A200002}}\n";
const NODE3: &str = "---\nname: node3\ndisks: model\nnetwork: {mac: \"52:54:00:aa:00:03\", address: 192.168.10.13}\nslots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}\n";

static NO_HOSTS: Check = Check::error(
    "C001",
    "no-hosts",
    no_hosts,
    "A cluster without hosts builds nothing; most likely the host files lie in another folder.",
)
.example(&[Edit::Remove("hosts/hosts.yaml")], &[]);

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

static UNKNOWN_BOOTSTRAP: Check = Check::error(
    "C002",
    "unknown-bootstrap",
    unknown_bootstrap,
    "Exactly one host forms the cluster, once a majority of all hosts has said that there is none yet, and all others join it. If nobody forms it, \
     all wait for good.",
)
.example(
    &[Edit::Replace("cluster.yaml", "bootstrap: node1", "bootstrap: node01")],
    &[],
);

fn unknown_bootstrap(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(bootstrap) = cluster.profile().and_then(|profile| profile.bootstrap_host()) else {
            continue;
        };
        let known: Vec<&str> = cluster.host_names().map(|name| &*name.value).collect();
        // A host that could not be read or is misnamed may just be the one that was meant.
        let unsure = cluster.folder.hosts_incomplete
            || cluster.hosts.is_empty()
            || known.len() < cluster.hosts.len()
            || known.iter().any(|name| name.parse::<Name>().is_err());
        if unsure || known.contains(&bootstrap.value.as_str()) {
            continue;
        }
        let shown = quoted(&bootstrap.value);
        let similar = did_you_mean(&bootstrap.value, known.iter().copied());
        let retired = cluster.profile().and_then(|profile| profile.retired.as_ref());
        let is_retired = entries(retired).iter().any(|(name, _)| name.value == bootstrap.value);
        let similar = similar.filter(|_| !is_retired);
        let help = match similar {
            None if is_retired => "it is retired; name one of the cluster's hosts".to_owned(),
            Some(similar) => format!("did you mean `{similar}`?"),
            None => "name one of the cluster's hosts".to_owned(),
        };
        let message = format!("the bootstrap host {shown} is none of the cluster's hosts");
        let finding = report.add(bootstrap.span, message, help);
        finding.label("no such host");
        if let Some(similar) = similar {
            finding.fix(bootstrap.span, scalar(similar));
        }
        for host in cluster.hosts.iter().take(3) {
            finding.also(host.document.span, "a host");
        }
    }
}

static NO_POOLS: Check = Check::error(
    "C003",
    "no-pools",
    no_pools,
    "Without a pool LXD cannot hold an instance, and the default profile would have no root disk.",
)
.example(
    &[
        Edit::Replace("cluster.yaml", "pools:\n  data1: {driver: btrfs}\n  data2: {driver: zfs}\n", "pools: {}\n"),
        Edit::Write("disks/model.yaml", "name: model\nos: {slot: os}\nvolumes: {}\nslots:\n  os: {by_path: \"pci-0000:00:17.0-ata-1\", max_size: 300GB}\n"),
        Edit::Replace("hosts/hosts.yaml", "slots: {a1: {serial: WD-A100001}, a2: {serial: WD-A200001}}\n", ""),
        Edit::Replace("hosts/hosts.yaml", "slots: {a1: {serial: WD-A100002}, a2: {serial: WD-A200002}}\n", ""),
        Edit::Replace("hosts/hosts.yaml", "slots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}\n", ""),
    ],
    &[],
);

fn no_pools(site: &SiteView<'_>, report: &mut Report<'_>) {
    for pools in site.profiles().filter_map(|profile| profile.pools.as_ref()) {
        if pools.value.iter().next().is_none() && pools.value.is_whole() {
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

static TWO_MEMBERS: Check = Check::warning(
    "C004",
    "two-members",
    two_members,
    "With two members only one of them votes in LXD's database: if that one is lost, the other's database stops until a person recovers it \
     (`lxd cluster recover-from-quorum-loss`). Instances go on running. From three members on, any one may fail. Two hosts also form their \
     cluster only once both are switched on: one of two is no majority.",
)
.example(
    &[Edit::Replace("hosts/hosts.yaml", NODE3, "")],
    &[
        Edit::Replace("hosts/hosts.yaml", NODE3, ""),
        Edit::Replace("cluster.yaml", "admin:\n", "allow: {two-members: both are backed up}\nadmin:\n"),
    ],
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

static ONE_MEMBER: Check = Check::warning(
    "C005",
    "one-member",
    one_member,
    "A cluster of one member has nobody to take over; it is a start to which others can be added.",
)
.example(
    &[
        Edit::Replace("hosts/hosts.yaml", NODE2, ""),
        Edit::Replace("hosts/hosts.yaml", NODE3, ""),
    ],
    &[
        Edit::Replace("hosts/hosts.yaml", NODE2, ""),
        Edit::Replace("hosts/hosts.yaml", NODE3, ""),
        Edit::Replace(
            "cluster.yaml",
            "admin:\n",
            "allow: {one-member: two more come next month}\nadmin:\n",
        ),
    ],
);

fn one_member(site: &SiteView<'_>, report: &mut Report<'_>) {
    // Of a formed one something worse is said.
    members(site, report, 1, "the cluster has one member", "add two more hosts");
}

fn members(site: &SiteView<'_>, report: &mut Report<'_>, count: usize, message: &str, help: &str) {
    for cluster in site
        .clusters
        .iter()
        .filter(|cluster| cluster.hosts.len() == count && !cluster.folder.hosts_incomplete)
    {
        let is_formed = cluster.profile().is_some_and(|profile| profile.formed.is_some());
        if let Some(document) = cluster.cluster.filter(|_| count > 1 || !is_formed) {
            let allow = format!(
                "{help}, or accept it in cluster.yaml: `allow: {{{}: \"why\"}}`",
                report.rule.slug
            );
            report.add(document.span, message, allow).label(match count {
                1 => "one member",
                2 => "two members",
                _ => "four members",
            });
        }
    }
}

static GENERATION: Check = Check::error(
    "C006",
    "generation-zero",
    generation,
    "Generations count from 1; raising the number by one gives a host, the desk, or the cluster itself, new keys.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node1\n",
        "name: node1\ngeneration: 0\n",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "name: node1\n",
        "name: node1\ngeneration: 2\n",
    )],
);

fn generation(site: &SiteView<'_>, report: &mut Report<'_>) {
    let desks = site
        .clusters
        .iter()
        .filter_map(|cluster| match &cluster.profile()?.desk.as_ref()?.value {
            Desk::Key { generation } => generation.as_ref(),
            Desk::None => None,
        });
    let hosts = site.hosts().filter_map(|host| host.host().generation.as_ref());
    let profiles = site.clusters.iter().filter_map(|cluster| cluster.profile());
    let own = profiles.filter_map(|profile| profile.generation.as_ref());
    for generation in hosts.chain(desks).chain(own).filter(|generation| generation.value == 0) {
        report
            .add(
                generation.span,
                "`generation` is 0",
                "leave it out or write 1 for the first keys, 2 for new ones",
            )
            .label("counts from 1")
            .fix(generation.span, "1");
    }
}

static EVEN_MEMBERS: Check = Check::warning(
    "C007",
    "even-members",
    even_members,
    "LXD's database has three voters by default (`cluster.max_voters`), and lives as long as a majority of them does. A fourth member is a stand-by: \
     there is room for more instances, but as with three members one may fail at a time, and if two voters fail at once the database stops. Who adds a \
     fourth for safety gets it with the fifth, when two stand-bys are there to take over. Larger clusters have three voters, too, so \
     whether their number is even does not matter.",
)
.example(
    &[Edit::Write("hosts/node4.yaml", NODE4)],
    &[
        Edit::Write("hosts/node4.yaml", NODE4),
        Edit::Write("hosts/node5.yaml", NODE5),
    ],
);

const NODE4: &str = "\
name: node4
disks: model
network: {mac: \"52:54:00:aa:00:04\", address: 192.168.10.14}
slots: {a1: {serial: WD-A100004}, a2: {serial: WD-A200004}}
";
const NODE5: &str = "\
name: node5
disks: model
network: {mac: \"52:54:00:aa:00:05\", address: 192.168.10.15}
slots: {a1: {serial: WD-A100005}, a2: {serial: WD-A200005}}
";

fn even_members(site: &SiteView<'_>, report: &mut Report<'_>) {
    members(
        site,
        report,
        4,
        "the cluster has four members: no more of them may fail than of three",
        "add a fifth host if it is for safety",
    );
}

static FOUNDS_ALONE: Check = Check::warning(
    "C008",
    "founds-alone",
    founds_alone,
    "With `alone: true` the bootstrap host forms the cluster although the others are silent, which is for a first day on which most of them are \
     not there yet. It cannot tell that day from one in three years: installed anew while the others are switched off, it forms a second \
     cluster of the same name and keys beside theirs. It is for as long as the first cluster is not formed, and is then taken out. \
     Without it the bootstrap host waits until a majority of all hosts, itself counted, has said that there is no cluster yet.",
)
.example(
    &[Edit::Replace("cluster.yaml", "bootstrap: node1", "bootstrap: {host: node1, alone: true}")],
    &[
        Edit::Replace("cluster.yaml", "bootstrap: node1", "bootstrap: {host: node1, alone: true}"),
        Edit::Replace("cluster.yaml", "admin:\n", "allow: {founds-alone: until node2 and node3 are delivered}\nadmin:\n"),
    ],
);

fn founds_alone(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        // A single host is the majority of all hosts by itself.
        let is_single = cluster.hosts.len() < 2 && !cluster.folder.hosts_incomplete;
        let Some(alone) = cluster
            .profile()
            .and_then(|profile| profile.bootstrap.as_ref()?.value.is_alone())
            .filter(|_| !is_single)
        else {
            continue;
        };
        let formed = cluster.profile().and_then(|profile| profile.formed.as_ref());
        if let Some(formed) = formed {
            report
                .add(
                    alone.span,
                    "the cluster is formed, and nobody forms it any more",
                    "take `alone` out",
                )
                .label("of no use any more")
                .also(formed.span, "formed");
            continue;
        }
        report
            .add(
                alone.span,
                "the bootstrap host forms a cluster whenever it is installed anew and the others are off",
                "take `alone` out once the cluster is formed; until then accept it in cluster.yaml: `allow: {founds-alone: \"why\"}`",
            )
            .label("without a majority");
    }
}
