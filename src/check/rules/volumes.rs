//! Volumes: made of disks of their own, and what the pools sit on.

use std::collections::{HashMap, HashSet};

use super::disk_names::is_kernel_name;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView, volume_slots, volumes};
use crate::finding::Edit;
use crate::model::Driver;
use crate::profile::{Pool, Spanned, Volume, did_you_mean, entries, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &OS_DISK_USED_FOR_DATA,
    &DISK_IN_TWO_VOLUMES,
    &MIRROR_NOT_OF_TWO,
    &VOLUME_KIND,
    &POOL_WITHOUT_VOLUME,
    &VOLUME_IN_TWO_POOLS,
    &ZFS_MIRROR_DRIVER,
    &ZFS_ON_MD,
    &UNUSED_VOLUME,
    &UNEVEN_REDUNDANCY,
    &ZPOOL_WITHOUT_POOL,
    &REFUSED_POOL_NAME,
];

static OS_DISK_USED_FOR_DATA: Check = Check::error(
    "D008",
    "os-disk-used-for-data",
    os_disk_used_for_data,
    "The installer erases the system disk; a volume on it would be built over the running system.",
)
.example(
    &[
        Edit::Replace("disks/model.yaml", "mirror: [a1, a2]", "mirror: [a1, os]"),
        Edit::Replace("hosts/hosts.yaml", ", a2: {serial: WD-A200001}", ""),
        Edit::Replace("hosts/hosts.yaml", ", a2: {serial: WD-A200002}", ""),
        Edit::Replace("hosts/hosts.yaml", ", a2: {serial: WD-A200003}", ""),
    ],
    &[],
);

fn os_disk_used_for_data(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        let Some(os) = disks.os.as_ref().and_then(|os| os.value.slot.as_ref()) else {
            continue;
        };
        for (name, volume) in volumes(disks) {
            for slot in volume_slots(&volume.value).filter(|slot| slot.value == os.value) {
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

static DISK_IN_TWO_VOLUMES: Check = Check::error(
    "D009",
    "disk-in-two-volumes",
    disk_in_two_volumes,
    "A disk that is a whole member of two volumes would be written by both; a mirror over one disk twice is no mirror.",
)
.example(
    &[
        Edit::Replace("disks/model.yaml", "zfs_mirror: [b1, b2]", "zfs_mirror: [b1, b1]"),
        Edit::Replace(
            "disks/model.yaml",
            "  b2: {by_path: \"pci-0000:00:17.0-ata-5\", min_size: 900GB}\n",
            "",
        ),
    ],
    &[],
);

fn disk_in_two_volumes(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        let mut first_use: HashMap<&str, Span> = HashMap::new();
        // What a volume of two kinds is made of is not known yet.
        for (_, volume) in volumes(disks).filter(|(_, volume)| kinds(&volume.value) < 2) {
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

static MIRROR_NOT_OF_TWO: Check = Check::error(
    "D010",
    "mirror-not-of-two",
    mirror_not_of_two,
    "A mirror has two disks: with one there is nothing to survive on, and lxseed builds no wider ones.",
)
.example(
    &[
        Edit::Replace("disks/model.yaml", "zfs_mirror: [b1, b2]", "zfs_mirror: [b1]"),
        Edit::Replace(
            "disks/model.yaml",
            "  b2: {by_path: \"pci-0000:00:17.0-ata-5\", min_size: 900GB}\n",
            "",
        ),
    ],
    &[],
);

fn mirror_not_of_two(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for (name, volume) in volumes(disks) {
            for (kind, list) in [
                ("mirror", &volume.value.mirror),
                ("zfs_mirror", &volume.value.zfs_mirror),
            ] {
                let Some(list) = list.as_ref().filter(|_| !volume.value.unread.key(kind)) else {
                    continue;
                };
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

static VOLUME_KIND: Check = Check::error(
    "D011",
    "volume-kind",
    volume_kind,
    "A volume is one thing: a device, an md mirror, or a zpool with a mirror. It is built as what it is said to be.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "data1: {mirror: [a1, a2]}",
        "data1: {device: a1, mirror: [a1, a2]}",
    )],
    &[],
);

/// How many kinds a volume is said to be.
fn kinds(volume: &Volume) -> usize {
    let kinds = [
        volume.device.is_some(),
        volume.mirror.is_some(),
        volume.zfs_mirror.is_some(),
    ];
    kinds.into_iter().filter(|given| *given).count()
}

fn volume_kind(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for (name, volume) in volumes(disks) {
            let given = kinds(&volume.value);
            // The key of its kind may be what was reported.
            let unread = volume.value.unread.any(&["device", "mirror", "zfs_mirror"]);
            if given != 1 && !(given == 0 && unread) {
                let message = format!(
                    "volume {} has {given} kinds, and it needs exactly one",
                    quoted(&name.value)
                );
                let help = "write `device: slot`, `mirror: [slot, slot]` or `zfs_mirror: [slot, slot]`";
                report.add(name.span, message, help).label("needs exactly one kind");
            }
        }
    }
}

/// The pools of a cluster, each with the volume it sits on and the place that names that. Where it sits may have been
/// reported; such a pool is passed over.
fn pools<'a>(cluster: &ClusterView<'a>) -> impl Iterator<Item = PoolView<'a>> {
    let pools = cluster.profile().and_then(|profile| profile.pools.as_ref());
    let known = entries(pools)
        .iter()
        .filter(|(_, pool)| sits_somewhere_known(&pool.value));
    known.map(|(name, pool)| PoolView {
        name,
        pool: &pool.value,
        volume: pool.value.volume.as_ref().unwrap_or(name),
    })
}

fn sits_somewhere_known(pool: &Pool) -> bool {
    pool.volume.is_some() || !pool.unread.key("volume")
}

/// The place of `pools:`, where every pool and what it sits on is known.
fn known_pools(cluster: &ClusterView<'_>) -> Option<Span> {
    let pools = cluster.profile()?.pools.as_ref()?;
    let mut all = pools.value.iter();
    (pools.value.is_whole() && all.all(|(_, pool)| sits_somewhere_known(&pool.value))).then_some(pools.span)
}

/// A volume as a disks profile writes it.
type Entry = (Spanned<String>, Spanned<Volume>);

struct PoolView<'a> {
    name: &'a Spanned<String>,
    pool: &'a Pool,
    /// What it sits on, where it is written: as `volume:`, or as the pool's own name.
    volume: &'a Spanned<String>,
}

static POOL_WITHOUT_VOLUME: Check = Check::error(
    "D014",
    "pool-without-volume",
    pool_without_volume,
    "Every member has every pool, so every host needs the volume that a pool sits on. LXD would silently make a loop file on the system disk \
     for a member without a source.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "  data2: {driver: zfs}\n",
        "  data2: {driver: zfs}\n  archive: {driver: btrfs}\n",
    )],
    &[
        Edit::Replace(
            "cluster.yaml",
            "  data2: {driver: zfs}\n",
            "  data2: {driver: zfs}\n  archive: {driver: btrfs, volume: bulk}\n",
        ),
        Edit::Replace("disks/model.yaml", "slots:\n", "  bulk: {device: c1}\nslots:\n  c1: {hctl: \"0:0:6:0\", min_size: 900GB}\n"),
    ],
);

fn pool_without_volume(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let wanted: Vec<&str> = pools(cluster).map(|pool| pool.volume.value.as_str()).collect();
        for PoolView { name, volume, .. } in pools(cluster) {
            let mut reported = HashSet::new();
            for host in &cluster.hosts {
                let Some(disks) = host.disks else { continue };
                let Some(volumes) = &disks.value.volumes else {
                    continue;
                };
                if volumes.value.may_have(&volume.value) || !reported.insert(disks.span) {
                    continue;
                }
                // What another pool sits on was not meant.
                let known = volumes.value.iter().map(|(known, _)| known);
                let mut free = known.clone().filter(|known| !wanted.contains(&known.value.as_str()));
                let similar = did_you_mean(&volume.value, free.clone().map(|known| known.value.as_str()));
                let help = match similar {
                    Some(similar) => format!("did you mean `{similar}`?"),
                    None => format!(
                        "add volume `{}` to the disks profile, or write `volume:` in the pool",
                        volume.value
                    ),
                };
                let finding = report.add(
                    volume.span,
                    format!(
                        "pool {} needs volume {}, which {} does not have",
                        quoted(&name.value),
                        quoted(&volume.value),
                        host.label()
                    ),
                    help,
                );
                finding.label("sits on this volume").on(host.label());
                match similar.and_then(|similar| free.find(|known| known.value == similar)) {
                    Some(similar) => finding
                        .also(similar.span, "no pool sits on this one")
                        .fix(volume.span, scalar(&similar.value)),
                    None => finding.also(volumes.span, "it is not among these volumes"),
                };
            }
        }
    }
}

static VOLUME_IN_TWO_POOLS: Check = Check::error(
    "D015",
    "volume-in-two-pools",
    volume_in_two_pools,
    "LXD gives a pool its source as a whole; the second pool would find it taken.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "  data2: {driver: zfs}\n",
        "  data2: {driver: zfs}\n  archive: {driver: zfs, volume: data2}\n",
    )],
    &[],
);

fn volume_in_two_pools(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let wanted: HashSet<&str> = pools(cluster).map(|pool| pool.volume.value.as_str()).collect();
        let mut first_use: HashMap<&str, Span> = HashMap::new();
        for PoolView { name, volume, .. } in pools(cluster) {
            let Some(&first) = first_use.get(volume.value.as_str()) else {
                first_use.insert(&volume.value, volume.span);
                continue;
            };
            // A volume of the pool's own name that nothing else sits on is what was meant.
            let own = cluster
                .hosts
                .iter()
                .flat_map(|host| host.volumes())
                .find(|(known, _)| known.value == name.value && !wanted.contains(name.value.as_str()));
            let help = match own {
                Some((own, _)) => format!("did you mean `{}`?", own.value),
                None => "give each pool a volume of its own".to_owned(),
            };
            let finding = report.add(
                volume.span,
                format!("two pools sit on volume {}", quoted(&volume.value)),
                help,
            );
            finding.label("used again here").also(first, "first used here");
            if let Some((own, _)) = own {
                finding.fix(volume.span, scalar(&own.value));
            }
        }
    }
}

/// Each pool with the volumes it sits on, one per disks profile.
fn pools_and_volumes<'a>(site: &SiteView<'a>) -> Vec<(PoolView<'a>, &'a Spanned<Driver>, &'a Entry)> {
    let mut found = Vec::new();
    for cluster in &site.clusters {
        for disks in &cluster.folder.disks {
            for pool in pools(cluster) {
                let volumes = disks.value.volumes.as_ref();
                let volume = volumes.and_then(|volumes| volumes.value.get(&pool.volume.value));
                if let (Some(driver), Some(volume)) = (&pool.pool.driver, volume) {
                    found.push((pool, driver, volume));
                }
            }
        }
    }
    found
}

static ZFS_MIRROR_DRIVER: Check = Check::error(
    "D016",
    "zfs-mirror-driver",
    zfs_mirror_driver,
    "A zfs_mirror volume is a zpool, which no other driver of LXD can use.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "data2: {driver: zfs}",
        "data2: {driver: lvm}",
    )],
    &[],
);

fn zfs_mirror_driver(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pool, driver, (at, volume)) in pools_and_volumes(site) {
        if volume.value.zfs_mirror.is_some() && driver.value != Driver::Zfs {
            report
                .add(
                    driver.span,
                    format!(
                        "pool {} has driver {}, but its volume is a zpool",
                        quoted(&pool.name.value),
                        driver.value.word()
                    ),
                    "write `driver: zfs`, or make the volume a `mirror`",
                )
                .label("not zfs")
                .also(at.span, "a zfs_mirror")
                .fix(driver.span, Driver::Zfs.word());
        }
    }
}

static ZFS_ON_MD: Check = Check::warning(
    "D017",
    "zfs-on-md",
    zfs_on_md,
    "ZFS over an md mirror sees one disk: it finds a rotten block by its checksum but has no second copy to mend it from. A zfs_mirror has.",
)
.example(
    &[Edit::Replace("cluster.yaml", "data1: {driver: btrfs}", "data1: {driver: zfs}")],
    &[],
);

fn zfs_on_md(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pool, driver, (at, volume)) in pools_and_volumes(site) {
        if volume.value.mirror.is_some() && driver.value == Driver::Zfs {
            report
                .add(
                    driver.span,
                    format!("pool {} is ZFS on an md mirror", quoted(&pool.name.value)),
                    "make the volume a `zfs_mirror`, or use another driver",
                )
                .label("ZFS cannot mend what md hides")
                .also(at.span, "an md mirror");
        }
    }
}

static UNUSED_VOLUME: Check = Check::warning(
    "D018",
    "unused-volume",
    unused_volume,
    "A volume that no pool sits on is built and then not used; most likely the pool has another name.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "slots:\n",
        "  bulk: {device: c1}\nslots:\n  c1: {hctl: \"0:0:6:0\", min_size: 900GB}\n",
    )],
    &[],
);

/// The volumes of a cluster's disks profiles that no pool sits on, with the place of `pools:`. What is most likely
/// meant by a pool that has no volume is reported there.
fn without_pool<'a>(cluster: &ClusterView<'a>) -> Vec<(Span, &'a Entry)> {
    let Some(span) = known_pools(cluster) else {
        return Vec::new();
    };
    let used: Vec<&str> = pools(cluster).map(|pool| pool.volume.value.as_str()).collect();
    let mut found = Vec::new();
    for disks in &cluster.folder.disks {
        let is_named = cluster
            .hosts
            .iter()
            .any(|host| host.disks.is_some_and(|own| own.span == disks.span));
        let known: HashSet<&str> = volumes(&disks.value).map(|(name, _)| name.value.as_str()).collect();
        let wanting = used.iter().copied().filter(|name| !known.contains(name));
        for volume in volumes(&disks.value) {
            let name = volume.0.value.as_str();
            let is_meant = is_named && did_you_mean(name, wanting.clone()).is_some();
            if !used.contains(&name) && !is_meant {
                found.push((span, volume));
            }
        }
    }
    found
}

fn unused_volume(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pools, (name, volume)) in site.clusters.iter().flat_map(without_pool) {
        if volume.value.zfs_mirror.is_none() {
            report
                .add(
                    name.span,
                    format!("no pool sits on volume {}", quoted(&name.value)),
                    "add a pool to cluster.yaml, or take the volume out",
                )
                .label("not used")
                .also(pools, "it is not among these pools");
        }
    }
}

static UNEVEN_REDUNDANCY: Check = Check::warning(
    "D028",
    "uneven-redundancy",
    uneven_redundancy,
    "A pool has one name on all members, and who puts an instance there expects the same of each: on a mirror it outlives a disk, on a single \
     device it does not, unless the device is itself a mirror of a RAID controller.",
)
.example(
    &[
        Edit::Write(
            "disks/small.yaml",
            "name: small\nos: {slot: os}\nvolumes: {data1: {device: a1}, data2: {zfs_mirror: [b1, b2]}}\n",
        ),
        Edit::Replace(
            "hosts/hosts.yaml",
            "disks: model\nnetwork: {mac: \"52:54:00:aa:00:03\"",
            "disks: small\nnetwork: {mac: \"52:54:00:aa:00:03\"",
        ),
        Edit::Replace(
            "hosts/hosts.yaml",
            "slots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}",
            "slots:\n  os: {serial: SSD-300003}\n  a1: {serial: WD-A100003}\n  b1: {serial: WD-B100003}\n  b2: {serial: WD-B200003}",
        ),
    ],
    &[],
);

fn uneven_redundancy(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        for pool in pools(cluster) {
            let mut mirrored = None;
            let mut single: Vec<(&str, Span)> = Vec::new();
            for host in &cluster.hosts {
                let volume = host.volumes().find(|(name, _)| name.value == pool.volume.value);
                let Some((name, volume)) = volume else {
                    continue;
                };
                if volume.value.mirror.is_some() || volume.value.zfs_mirror.is_some() {
                    mirrored.get_or_insert((host.label(), name.span));
                } else if volume.value.device.is_some() && !single.iter().any(|(_, span)| *span == name.span) {
                    single.push((host.label(), name.span));
                }
            }
            let Some((other, mirror)) = mirrored else {
                continue;
            };
            for (host, span) in single {
                report
                    .add(
                        span,
                        format!(
                            "pool {} lies on a single device on {host} and on a mirror on {other}",
                            quoted(&pool.name.value)
                        ),
                        format!(
                            "mirror it on all members, or say why in cluster.yaml: `allow: {{{}: \"why\"}}`",
                            report.rule.slug
                        ),
                    )
                    .label("a single device")
                    .also(mirror, "a mirror");
            }
        }
    }
}

static ZPOOL_WITHOUT_POOL: Check = Check::error(
    "D031",
    "zpool-without-pool",
    zpool_without_pool,
    "A zfs_mirror volume is a zpool that has the name of its pool in LXD; without one it has no name, and the first boot cannot make it.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "slots:\n",
        "  bulk: {zfs_mirror: [c1, c2]}\nslots:\n  c1: {hctl: \"0:0:6:0\", min_size: 900GB}\n  c2: {hctl: \"0:0:7:0\", min_size: 900GB}\n",
    )],
    &[
        Edit::Replace(
            "disks/model.yaml",
            "slots:\n",
            "  bulk: {zfs_mirror: [c1, c2]}\nslots:\n  c1: {hctl: \"0:0:6:0\", min_size: 900GB}\n  c2: {hctl: \"0:0:7:0\", min_size: 900GB}\n",
        ),
        Edit::Replace(
            "cluster.yaml",
            "  data2: {driver: zfs}\n",
            "  data2: {driver: zfs}\n  archive: {driver: zfs, volume: bulk}\n",
        ),
    ],
);

fn zpool_without_pool(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (pools, (name, volume)) in site.clusters.iter().flat_map(without_pool) {
        if volume.value.zfs_mirror.is_some() {
            report
                .add(
                    name.span,
                    format!("no pool sits on zpool {}, so it has no name", quoted(&name.value)),
                    "add a pool with `driver: zfs` to cluster.yaml, or take the volume out",
                )
                .label("a zpool of no pool")
                .also(pools, "it is not among these pools");
        }
    }
}

static REFUSED_POOL_NAME: Check = Check::error(
    "D033",
    "refused-pool-name",
    refused_pool_name,
    "LXD makes of a pool of driver zfs a zpool of its name, and of one of driver lvm a volume group. zpool takes no name that begins with mirror, \
     raidz or spare or with c and a digit, as old disks were called, and not `log` (zpool_name_valid and pool_namecheck of OpenZFS 0.7 and 0.8). \
     A volume group is a folder in /dev, and vgcreate takes no name that is there already: names of disks, terminals and other devices.",
)
.example(
    &[
        Edit::Replace("cluster.yaml", "data2: {driver: zfs}", "mirror2: {driver: zfs, volume: data2}"),
    ],
    &[
        Edit::Replace("cluster.yaml", "data1: {driver: btrfs}", "mirror1: {driver: btrfs, volume: data1}"),
        Edit::Replace("cluster.yaml", "data2: {driver: zfs}", "logs: {driver: zfs, volume: data2}"),
    ],
);

/// Why zpool does not take the name for a pool.
fn refused_by_zpool(name: &str) -> Option<String> {
    let word = ["mirror", "raidz", "spare"]
        .iter()
        .find(|word| name.starts_with(**word));
    if let Some(word) = word {
        return Some(format!("ZFS takes no name that begins with `{word}`"));
    }
    if name == "log" {
        return Some("ZFS reserves the word".to_owned());
    }
    let mut letters = name.bytes();
    let is_like_a_disk = letters.next() == Some(b'c') && letters.next().is_some_and(|byte| byte.is_ascii_digit());
    is_like_a_disk.then(|| "ZFS takes no name of c and a digit".to_owned())
}

/// Names in /dev of a server, also of devices that not every machine has.
const DEVICES: &[&str] = &[
    "autofs",
    "block",
    "bsg",
    "btrfs-control",
    "bus",
    "cachefiles",
    "cdrom",
    "cdrw",
    "char",
    "console",
    "core",
    "cpu",
    "cpu_dma_latency",
    "crash",
    "cuse",
    "disk",
    "dma_heap",
    "dri",
    "dvd",
    "dvdrw",
    "ecryptfs",
    "fd",
    "full",
    "fuse",
    "hpet",
    "hugepages",
    "hwrng",
    "infiniband",
    "initctl",
    "input",
    "kfd",
    "kmsg",
    "kvm",
    "lightnvm",
    "log",
    "loop-control",
    "mapper",
    "mcelog",
    "md",
    "mem",
    "memory_bandwidth",
    "megaraid_sas_ioctl_node",
    "mqueue",
    "mpt2ctl",
    "mpt3ctl",
    "mptctl",
    "net",
    "network_latency",
    "network_throughput",
    "null",
    "nvram",
    "port",
    "ppp",
    "psaux",
    "ptmx",
    "pts",
    "random",
    "raw",
    "rfkill",
    "rtc",
    "shm",
    "snapshot",
    "snd",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "ttyprintk",
    "uhid",
    "uinput",
    "urandom",
    "usb",
    "userio",
    "vcs",
    "vcsa",
    "vcsu",
    "vfio",
    "vga_arbiter",
    "vhci",
    "vhost-net",
    "vhost-vsock",
    "vmci",
    "vsock",
    "watchdog",
    "xen",
    "zero",
    "zfs",
];

/// Devices that are counted, and what is before the number.
const COUNTED_DEVICES: &[&str] = &[
    "cec", "dm-", "fb", "gpiochip", "hidraw", "i2c-", "ipmi", "loop", "lp", "md", "media", "mei", "nbd", "parport",
    "pmem", "pps", "ptp", "ram", "rtc", "sg", "sr", "tpm", "tpmrm", "tty", "ttys", "uio", "usbmon", "vcs", "vcsa",
    "vcsu", "video", "watchdog", "zd", "zram",
];

/// Why vgcreate does not take the name for a volume group.
fn refused_by_vgcreate(name: &str) -> Option<String> {
    let counted = COUNTED_DEVICES.iter().any(|device| {
        let number = name.strip_prefix(device);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let is_there = counted || DEVICES.contains(&name) || is_kernel_name(name);
    is_there.then(|| format!("LVM takes no name that is in /dev, and /dev/{name} is a device"))
}

fn refused_pool_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        for PoolView { name, pool, .. } in pools(cluster) {
            let Some(driver) = &pool.driver else { continue };
            let refused = match driver.value {
                Driver::Zfs => refused_by_zpool(&name.value),
                Driver::Lvm => refused_by_vgcreate(&name.value),
                Driver::Btrfs | Driver::Dir => None,
            };
            let Some(why) = refused else { continue };
            // What it sits on keeps its name.
            let help = match &pool.volume {
                Some(_) => "give the pool another name, such as `data1`".to_owned(),
                None => format!(
                    "give the pool another name and write which volume it sits on: `data1: {{driver: {}, volume: {}}}`",
                    driver.value.word(),
                    name.value
                ),
            };
            report
                .add(
                    name.span,
                    format!(
                        "{} cannot be the name of a pool of driver {}: {why}",
                        quoted(&name.value),
                        driver.value.word()
                    ),
                    help,
                )
                .label(why)
                .also(driver.span, "the driver");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{refused_by_vgcreate, refused_by_zpool};

    #[test]
    fn zpool_refuses_some_names() {
        for name in [
            "mirror", "mirror1", "mirrored", "raidz", "raidz2", "spare", "spares", "log", "c0", "c0t0d0", "c1-data",
        ] {
            assert!(refused_by_zpool(name).is_some(), "{name}");
        }
        for name in [
            "logs", "log1", "cache", "special", "dedup", "draid", "c", "cd1", "cold", "raid", "data1", "d-mirror",
        ] {
            assert_eq!(refused_by_zpool(name), None, "{name}");
        }
    }

    #[test]
    fn vgcreate_refuses_what_is_in_dev() {
        for name in [
            "disk", "mapper", "net", "log", "null", "snapshot", "zfs", "sda", "sdb1", "nvme0n1", "md0", "dm-0",
            "loop1", "tty1", "shm", "pts",
        ] {
            assert!(refused_by_vgcreate(name).is_some(), "{name}");
        }
        for name in [
            "disks",
            "data1",
            "vg0",
            "ubuntu-vg",
            "mirror",
            "raidz",
            "c0",
            "sd",
            "loop",
            "nvme",
            "logs",
            "ram",
            "network",
        ] {
            assert_eq!(refused_by_vgcreate(name), None, "{name}");
        }
    }
}
