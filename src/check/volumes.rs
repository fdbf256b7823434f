//! Volumes: made of disks of their own, and what the pools sit on.

use std::collections::HashMap;

use super::view::{SiteView, volume_slots, volumes};
use super::{Check, Report};
use crate::finding::Rule;
use crate::model::Driver;
use crate::profile::{did_you_mean, quoted};
use crate::source::Span;

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &OS_DISK_USED_FOR_DATA,
        run: os_disk_used_for_data,
    },
    Check {
        rule: &DISK_IN_TWO_VOLUMES,
        run: disk_in_two_volumes,
    },
    Check {
        rule: &MIRROR_NOT_OF_TWO,
        run: mirror_not_of_two,
    },
    Check {
        rule: &VOLUME_KIND,
        run: volume_kind,
    },
    Check {
        rule: &POOL_WITHOUT_VOLUME,
        run: pool_without_volume,
    },
    Check {
        rule: &VOLUME_IN_TWO_POOLS,
        run: volume_in_two_pools,
    },
    Check {
        rule: &ZFS_MIRROR_DRIVER,
        run: zfs_mirror_driver,
    },
    Check {
        rule: &ZFS_ON_MD,
        run: zfs_on_md,
    },
    Check {
        rule: &UNUSED_VOLUME,
        run: unused_volume,
    },
];

static OS_DISK_USED_FOR_DATA: Rule = Rule::error(
    "D008",
    "os-disk-used-for-data",
    "The installer erases the system disk; a volume on it would be built over the running system.",
);

fn os_disk_used_for_data(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        let Some(os) = disks.os.as_ref().and_then(|os| os.value.slot.as_ref()) else {
            continue;
        };
        for (name, volume) in volumes(disks) {
            for slot in volume_slots(&volume.value)
                .into_iter()
                .filter(|slot| slot.value == os.value)
            {
                report
                    .add(
                        slot.span,
                        format!(
                            "volume {} uses the system's disk {}",
                            quoted(&name.value),
                            quoted(&slot.value)
                        ),
                        "use another slot",
                    )
                    .label("used for data here")
                    .also(os.span, "the system's disk");
            }
        }
    }
}

static DISK_IN_TWO_VOLUMES: Rule = Rule::error(
    "D009",
    "disk-in-two-volumes",
    "A disk that is a whole member of two volumes would be written by both; a mirror over one disk twice is no mirror.",
);

fn disk_in_two_volumes(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        let mut first_use: HashMap<&str, Span> = HashMap::new();
        for (_, volume) in volumes(disks) {
            for slot in volume_slots(&volume.value) {
                match first_use.get(slot.value.as_str()) {
                    Some(&first) => {
                        report
                            .add(
                                slot.span,
                                format!("slot {} is used twice", quoted(&slot.value)),
                                "give each volume disks of its own",
                            )
                            .label("used again here")
                            .also(first, "first used here");
                    }
                    None => {
                        first_use.insert(&slot.value, slot.span);
                    }
                }
            }
        }
    }
}

static MIRROR_NOT_OF_TWO: Rule = Rule::error(
    "D010",
    "mirror-not-of-two",
    "A mirror has two disks: with one there is nothing to survive on, and lxseed builds no wider ones.",
);

fn mirror_not_of_two(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for (name, volume) in volumes(disks) {
            for (kind, list) in [
                ("mirror", &volume.value.mirror),
                ("zfs_mirror", &volume.value.zfs_mirror),
            ] {
                let Some(list) = list else { continue };
                if list.value.len() != 2 {
                    let message = format!(
                        "{kind} {} has {} of the two slots a mirror has",
                        quoted(&name.value),
                        list.value.len()
                    );
                    report
                        .add(list.span, message, format!("write `{kind}: [a, b]`"))
                        .label("not two slots");
                }
            }
        }
    }
}

static VOLUME_KIND: Rule = Rule::error(
    "D011",
    "volume-kind",
    "A volume is one thing: a device, an md mirror, or a zpool with a mirror. It is built as what it is said to be.",
);

fn volume_kind(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for (name, volume) in volumes(disks) {
            let kinds = [
                volume.value.device.is_some(),
                volume.value.mirror.is_some(),
                volume.value.zfs_mirror.is_some(),
            ];
            let given = kinds.into_iter().filter(|given| *given).count();
            if given != 1 {
                let message = format!(
                    "volume {} has {given} kinds, and it needs exactly one",
                    quoted(&name.value)
                );
                let help =
                    "write `device: slot`, `mirror: [slot, slot]` or `zfs_mirror: [slot, slot]`";
                report
                    .add(name.span, message, help)
                    .label("needs exactly one kind");
            }
        }
    }
}

static POOL_WITHOUT_VOLUME: Rule = Rule::error(
    "D014",
    "pool-without-volume",
    "Every member has every pool, so every host needs the volume that a pool sits on. LXD would silently make a loop file on the system disk \
     for a member without a source.",
);

fn pool_without_volume(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let pools = cluster.profile().and_then(|profile| profile.pools.as_ref());
        for (name, pool) in pools.into_iter().flat_map(|pools| pools.value.iter()) {
            let (volume, span) = pool
                .value
                .volume
                .as_ref()
                .map_or((&name.value, name.span), |volume| {
                    (&volume.value, volume.span)
                });
            let mut told = Vec::new();
            for host in &cluster.hosts {
                let Some(disks) = host.disks else { continue };
                let known: Vec<&str> = host
                    .volumes()
                    .map(|(known, _)| known.value.as_str())
                    .collect();
                if known.contains(&volume.as_str())
                    || disks.value.volumes.is_none()
                    || told.contains(&disks.span)
                {
                    continue;
                }
                told.push(disks.span);
                let help = match did_you_mean(volume, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "add volume `{volume}` to the disks profile, or write `volume:` in the pool"
                    ),
                };
                report
                    .add(
                        span,
                        format!(
                            "pool {} needs volume {}, which {} does not have",
                            quoted(&name.value),
                            quoted(volume),
                            host.label()
                        ),
                        help,
                    )
                    .label("sits on this volume")
                    .also(disks.span, "this disks profile has no such volume");
            }
        }
    }
}

static VOLUME_IN_TWO_POOLS: Rule = Rule::error(
    "D015",
    "volume-in-two-pools",
    "LXD gives a pool its source as a whole; the second pool would find it taken.",
);

fn volume_in_two_pools(site: &SiteView<'_>, report: &mut Report<'_>) {
    for pools in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.pools.as_ref())
    {
        let mut first_use: HashMap<&str, Span> = HashMap::new();
        for (name, pool) in pools.value.iter() {
            let (volume, span) = pool
                .value
                .volume
                .as_ref()
                .map_or((&name.value, name.span), |volume| {
                    (&volume.value, volume.span)
                });
            match first_use.get(volume.as_str()) {
                Some(&first) => {
                    report
                        .add(
                            span,
                            format!("two pools sit on volume {}", quoted(volume)),
                            "give each pool a volume of its own",
                        )
                        .label("used again here")
                        .also(first, "first used here");
                }
                None => {
                    first_use.insert(volume, span);
                }
            }
        }
    }
}

/// Each pool with the volumes it sits on, one per disks profile in use.
fn pools_and_volumes<'a>(
    site: &'a SiteView<'a>,
) -> Vec<(&'a str, Driver, Span, &'a crate::profile::Volume, Span)> {
    let mut found = Vec::new();
    for cluster in &site.clusters {
        let pools = cluster.profile().and_then(|profile| profile.pools.as_ref());
        for (name, pool) in pools.into_iter().flat_map(|pools| pools.value.iter()) {
            let Some(driver) = &pool.value.driver else {
                continue;
            };
            let volume = pool
                .value
                .volume
                .as_ref()
                .map_or(&name.value, |volume| &volume.value);
            for disks in &cluster.folder.disks {
                if let Some((at, volume)) = disks
                    .value
                    .volumes
                    .as_ref()
                    .and_then(|volumes| volumes.value.get(volume))
                {
                    found.push((
                        &*name.value,
                        driver.value,
                        driver.span,
                        &volume.value,
                        at.span,
                    ));
                }
            }
        }
    }
    found
}

static ZFS_MIRROR_DRIVER: Rule = Rule::error(
    "D016",
    "zfs-mirror-driver",
    "A zfs_mirror volume is a zpool, which no other driver of LXD can use.",
);

fn zfs_mirror_driver(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pool, driver, span, volume, at) in pools_and_volumes(site) {
        if volume.zfs_mirror.is_some() && driver != Driver::Zfs {
            report
                .add(
                    span,
                    format!(
                        "pool {} has driver {}, but its volume is a zpool",
                        quoted(pool),
                        driver.word()
                    ),
                    "write `driver: zfs`, or make the volume a `mirror`",
                )
                .label("not zfs")
                .also(at, "a zfs_mirror");
        }
    }
}

static ZFS_ON_MD: Rule = Rule::warning(
    "D017",
    "zfs-on-md",
    "ZFS over an md mirror sees one disk: it finds a rotten block by its checksum but has no second copy to mend it from. A zfs_mirror has.",
);

fn zfs_on_md(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pool, driver, span, volume, at) in pools_and_volumes(site) {
        if volume.mirror.is_some() && driver == Driver::Zfs {
            report
                .add(
                    span,
                    format!("pool {} is ZFS on an md mirror", quoted(pool)),
                    "make the volume a `zfs_mirror`, or use another driver",
                )
                .label("ZFS cannot mend what md hides")
                .also(at, "an md mirror");
        }
    }
}

static UNUSED_VOLUME: Rule = Rule::warning(
    "D018",
    "unused-volume",
    "A volume that no pool sits on is built and then not used; most likely the pool has another name.",
);

fn unused_volume(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(pools) = cluster.profile().and_then(|profile| profile.pools.as_ref()) else {
            continue;
        };
        let used: Vec<&str> = pools
            .value
            .iter()
            .map(|(name, pool)| {
                pool.value
                    .volume
                    .as_ref()
                    .map_or(&*name.value, |volume| &*volume.value)
            })
            .collect();
        for (name, _) in cluster
            .folder
            .disks
            .iter()
            .flat_map(|disks| disks.value.volumes.iter())
            .flat_map(|volumes| volumes.value.iter())
        {
            if !used.contains(&name.value.as_str()) {
                let help = match did_you_mean(&name.value, used.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "add a pool to cluster.yaml, or take the volume out".to_owned(),
                };
                report
                    .add(
                        name.span,
                        format!("no pool sits on volume {}", quoted(&name.value)),
                        help,
                    )
                    .label("not used");
            }
        }
    }
}
