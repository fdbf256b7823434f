//! The declared pools, and where they lie.

use super::super::seen::MemberPool;
use super::super::status::Undeclared;
use super::{View, few};
use crate::finding::{Findings, Rule, rules};
use crate::manager::lxd::preseed::source_on_record;

/// Where LXD keeps the files that it makes pools in, of the snap and of the package.
const LOOP_FILES: [&str; 2] = ["/var/snap/lxd/common/lxd/disks/", "/var/lib/lxd/disks/"];

rules! {
pub(super) static POOL_MISSING: Rule = Rule::error(
    "L016",
    "pool-missing",
    "A pool that was declared after the founding is in no living cluster until somebody makes it: a seed makes pools on its own disks alone. Volumes \
     that were prepared for it on the members lie unused.",
);

pub(super) static POOL_OF_ANOTHER_DRIVER: Rule = Rule::error(
    "L017",
    "pool-of-another-driver",
    "A pool keeps its driver for life. A host that joins is given a source for the declared one, and is refused by the cluster.",
);

pub(super) static POOL_IN_TROUBLE: Rule = Rule::error(
    "L018",
    "pool-in-trouble",
    "That a pool is `Created` says that the cluster has it. Whether it can be used on a member shows in asking the member for its space.",
);

pub(super) static POOL_ON_ANOTHER_SOURCE: Rule = Rule::error(
    "L019",
    "pool-on-another-source",
    "The pool does not lie on the volume that is declared for it, so what the profile says of its disks, mirrors and sizes is not true. Of a block \
     device LXD puts down the zpool or volume group that it made there, which has the pool's name. Of btrfs it puts down a UUID, which only the machine \
     could tell; so of btrfs on a device no more is judged than that it is one.",
);

pub(super) static POOL_ON_LOOP_FILE: Rule = Rule::error(
    "L020",
    "pool-on-loop-file",
    "Without a source LXD makes a file on the system's disk and the pool in it, at most 30 GB, and says nothing. It is slower, no mirror of the \
     profile protects it, and an installation of the system erases it.",
);

pub(super) static POOL_NOT_DECLARED: Rule = Rule::warning(
    "L022",
    "pool-not-declared",
    "A pool that no profile declares has no source for the next host: the first boot of a host that joins stops, since LXD would make a loop file \
     there.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    let Some(found) = &view.seen.cluster else {
        return;
    };
    let mut judged: Vec<&str> = Vec::new();
    for pool in &view.wish.cluster.pools {
        let (name, place) = (pool.name.as_str(), view.places.pool(&pool.name));
        let declared = pool.driver.word();
        match found.pools.iter().find(|known| known.name == name) {
            None => {
                let message = format!("the cluster {} has no pool {name}", view.name());
                findings.add(
                    &POOL_MISSING,
                    place,
                    message,
                    "to make it on every member: lxseed apply",
                );
            }
            Some(known) if known.driver != declared => {
                let message = format!("the pool {name} is {}, and {declared} is declared", known.driver);
                let help =
                    "declare the driver that it has; or empty it and take it out, and make it anew: lxseed apply";
                findings.add(&POOL_OF_ANOTHER_DRIVER, place, message, help);
            }
            Some(known) if known.status != "Created" => {
                let message = format!("LXD says of the pool {name}: {}", known.status.to_lowercase());
                let help = format!("see why on a member: lxc storage show {name} --target MEMBER; then: lxseed apply");
                findings.add(&POOL_IN_TROUBLE, place, message, help);
            }
            Some(_) => judged.push(name),
        }
    }
    for host in view.members().filter(|host| host.server().is_some()) {
        let own = found.member_pools.iter().filter(|own| own.member == host.name());
        let own: Vec<&MemberPool> = own.filter(|own| judged.contains(&own.pool.as_str())).collect();
        troubles(view, host.host.name.as_str(), &own, findings);
        for own in own {
            source(view, own, findings);
        }
    }
    for pool in &view.status.undeclared {
        if let Undeclared::Pool { name, driver } = pool {
            undeclared(view, name, driver, findings);
        }
    }
}

/// What a member says of its pools is said once, however many it has.
fn troubles(view: &View<'_>, host: &str, own: &[&MemberPool], findings: &mut Findings) {
    let troubled: Vec<(&str, &str)> = own
        .iter()
        .filter_map(|own| Some((own.pool.as_str(), own.trouble.as_deref()?)))
        .collect();
    let Some((_, why)) = troubled.first() else {
        return;
    };
    let pools: Vec<&str> = troubled.iter().map(|(pool, _)| *pool).collect();
    let message = format!("{} cannot be used on {host}: LXD there {why}", few(&pools));
    let help = format!("see on {host} whether its disks are there: lsblk, and journalctl -u snap.lxd.daemon");
    let finding = findings.add(&POOL_IN_TROUBLE, view.places.host(host), message, help);
    for pool in pools {
        finding.also(view.places.pool(pool), "declared");
    }
}

fn is_loop_file(source: &str) -> bool {
    LOOP_FILES.iter().any(|folder| source.starts_with(folder))
}

fn source(view: &View<'_>, own: &MemberPool, findings: &mut Findings) {
    let cluster = view.wish.cluster;
    let pool = cluster.pools.iter().find(|pool| pool.name == own.pool);
    let host = cluster.hosts.iter().find(|host| host.name.as_str() == own.member);
    let (Some(pool), Some(host)) = (pool, host) else {
        return;
    };
    // Not told, which is said above.
    if own.source.is_empty() {
        return;
    }
    let place = view.places.host(&own.member);
    let (rule, message) = match source_on_record(pool, host) {
        _ if is_loop_file(&own.source) => (
            &POOL_ON_LOOP_FILE,
            format!(
                "the pool {} of {} is a file on the system's disk: {}",
                own.pool, own.member, own.source
            ),
        ),
        Some(expected) if expected != own.source => (
            &POOL_ON_ANOTHER_SOURCE,
            format!(
                "the pool {} of {} lies on {}; of the declared volume {} LXD would have put down {expected}",
                own.pool, own.member, own.source, pool.volume
            ),
        ),
        // A folder, where a device is declared.
        None if own.source.starts_with('/') && !own.source.starts_with("/dev/") => (
            &POOL_ON_ANOTHER_SOURCE,
            format!(
                "the pool {} of {} lies in the folder {}, and not on the declared volume {}",
                own.pool, own.member, own.source, pool.volume
            ),
        ),
        _ => return,
    };
    let help = format!(
        "what is on it has to be moved first: lxc storage volume list {} shows that; a member's pool is made anew with the member",
        own.pool
    );
    findings
        .add(rule, place, message, help)
        .also(view.places.pool(&own.pool), "declared");
}

fn undeclared(view: &View<'_>, name: &str, driver: &str, findings: &mut Findings) {
    let found = view.seen.cluster.iter().flat_map(|cluster| &cluster.member_pools);
    let in_files: Vec<&str> = found
        .filter(|own| own.pool == name && is_loop_file(&own.source))
        .map(|own| own.member.as_str())
        .collect();
    let in_files = match in_files.is_empty() {
        true => String::new(),
        false => format!(", in a file on the system's disk of {}", few(&in_files)),
    };
    let message = format!(
        "the cluster {} has a pool {name}, {driver}{in_files}, which is not declared",
        view.name()
    );
    let help = format!("declare it, with a volume on every host; or, once it is empty: lxc storage delete {name}");
    findings.add(&POOL_NOT_DECLARED, view.places.cluster, message, help);
}
