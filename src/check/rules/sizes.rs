//! Sizes: guards that some disk can pass, and that mean what was meant.

use std::collections::HashSet;

use super::disk_names::fault;
use super::release;
use crate::check::registry::{Check, Report};
use crate::check::view::{SiteView, SlotView};
use crate::finding::Edit;
use crate::model::{ByteSize, FindBy};
use crate::profile::{Spanned, quoted};

pub(super) static CHECKS: &[&Check] = &[
    &SIZE_BOUNDS,
    &MIRROR_SIZES_DISJOINT,
    &OS_DISK_TOO_SMALL,
    &BAY_WITHOUT_SIZE,
    &IMPLAUSIBLE_SIZE,
    &EXACT_SIZE,
];

/// The two guards of a slot, where both are given.
fn bounds<'a>(slot: &SlotView<'a>) -> Option<(&'a Spanned<ByteSize>, &'a Spanned<ByteSize>)> {
    Some((slot.min_size?, slot.max_size?))
}

static SIZE_BOUNDS: Check = Check::error(
    "D012",
    "size-bounds",
    size_bounds,
    "No disk is at least as large as min_size and at most as large as a smaller max_size.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\", min_size: 1.1TB, max_size: 900GB",
    )],
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\", min_size: 900GB, max_size: 1.1TB",
    )],
);

fn size_bounds(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for slot in site.hosts().flat_map(|host| host.slots.values()) {
        let Some((min, max)) = bounds(slot) else {
            continue;
        };
        // A disks profile is shared by many hosts, and its mistake is one mistake.
        if min.value > max.value && reported.insert((min.span, max.span)) {
            let finding = report.add(
                max.span,
                format!("max_size {} is smaller than min_size {}", max.value, min.value),
                "swap them, or leave one out",
            );
            finding.label("smaller than min_size").also(min.span, "min_size");
            // A change is suggested only if both values are written here.
            let in_place = min.span.anchored().is_none() && max.span.anchored().is_none();
            if min.span.file == max.span.file && in_place {
                finding
                    .fix(min.span, max.value.to_string())
                    .fix(max.span, min.value.to_string());
            }
        }
    }
}

static MIRROR_SIZES_DISJOINT: Check = Check::error(
    "D019",
    "mirror-sizes-disjoint",
    mirror_sizes_disjoint,
    "A mirror is made of two disks of one size: md and ZFS use of each what the smaller one has. If the guards of its two slots leave no size that \
     both can have, one of the guards belongs to another slot.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-5\", min_size: 900GB",
        "ata-5\", max_size: 500GB",
    )],
    &[],
);

fn mirror_sizes_disjoint(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for host in site.hosts() {
        for (name, volume) in host.volumes() {
            let mirrors = [&volume.value.mirror, &volume.value.zfs_mirror];
            for list in mirrors.into_iter().flatten() {
                let [a, b] = list.value.as_slice() else {
                    continue;
                };
                for (small, large) in [(a, b), (b, a)] {
                    let slot = |name: &Spanned<String>| host.slots.get(name.value.as_str());
                    let (Some(max), Some(min)) = (
                        slot(small).and_then(|slot| slot.max_size),
                        slot(large).and_then(|slot| slot.min_size),
                    ) else {
                        continue;
                    };
                    // A slot twice in one mirror is reported as such.
                    let apart = max.value < min.value && small.value != large.value;
                    if apart && reported.insert((max.span, min.span)) {
                        let message = format!(
                            "the two disks of {} cannot be of one size: {} has at most {}, {} at least {}",
                            quoted(&name.value),
                            quoted(&small.value),
                            max.value,
                            quoted(&large.value),
                            min.value
                        );
                        report
                            .add(
                                max.span,
                                message,
                                "write the same guards for both slots, or mirror another pair",
                            )
                            .label("smaller than the other disk")
                            .also(min.span, "larger than the one disk")
                            .also(list.span, "they are a mirror");
                    }
                }
            }
        }
    }
}

static OS_DISK_TOO_SMALL: Check = Check::error(
    "D022",
    "os-disk-too-small",
    os_disk_too_small,
    "A server installation takes about 2.5 GB, the second kernel and the snaps of LXD with their base another 1 GB: on less than 4 GB the \
     installation or the first boot stops for want of room.",
)
.example(
    &[Edit::Replace("disks/model.yaml", "max_size: 300GB", "max_size: 3GB")],
    &[],
);

fn os_disk_too_small(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for cluster in &site.clusters {
        let release = cluster.profile().and_then(release::release);
        let Some(release) = release else { continue };
        for host in &cluster.hosts {
            for wanted in host.used.iter().filter(|wanted| wanted.is_system()) {
                let slot = host.slots.get(wanted.slot.value.as_str());
                let Some(max) = slot.and_then(|slot| slot.max_size) else {
                    continue;
                };
                if max.value.bytes() < release.smallest_system_disk && reported.insert(max.span) {
                    let message = format!(
                        "a system disk of at most {} is too small for Ubuntu {}",
                        max.value, release.version
                    );
                    report
                        .add(
                            max.span,
                            message,
                            "the system needs 4GB at least, and 20GB to live with",
                        )
                        .label("too small")
                        .also(wanted.slot.span, "the system's slot");
                }
            }
        }
    }
}

static BAY_WITHOUT_SIZE: Check = Check::warning(
    "D027",
    "bay-without-size",
    bay_without_size,
    "A bay (by_path, hctl) holds whatever disk was put into it. With min_size or max_size the first boot sees that it is another than was meant; \
     without, a disk is taken for it as soon as it is blank.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\"",
    )],
    &[],
);

fn bay_without_size(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for host in site.hosts() {
        for wanted in host.used.iter() {
            let Some(slot) = host.slots.get(wanted.slot.value.as_str()) else {
                continue;
            };
            let guarded = slot.min_size.is_some() || slot.max_size.is_some() || slot.incomplete;
            for (by, value) in &slot.ways {
                let is_bay = matches!(by, FindBy::ByPath | FindBy::Hctl);
                // What is no bay at all is reported as that.
                if is_bay && !guarded && fault(*by, &value.value).is_none() && reported.insert(value.span) {
                    report
                        .add(
                            value.span,
                            format!(
                                "slot {} takes a disk of any size that is in {} {}",
                                quoted(&wanted.slot.value),
                                by.word(),
                                quoted(&value.value)
                            ),
                            "write `min_size:` or `max_size:` beside it, for example `min_size: 900GB` for a disk of 1 TB",
                        )
                        .label("a bay, and whatever is in it");
                }
            }
        }
    }
}

static IMPLAUSIBLE_SIZE: Check = Check::warning(
    "D029",
    "implausible-size",
    implausible_size,
    "There is no single disk of 200 TB, and no data disk below 1 GB: most likely the unit is wrong, and no disk will fit.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\", min_size: 900TB",
    )],
    &[],
);

const LARGEST_DISK: u64 = 200_000_000_000_000;
const SMALLEST_DISK: u64 = 1_000_000_000;

fn implausible_size(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, slot) in site.written_slots() {
        let too_large = slot.value.min_size.as_ref();
        let too_large = too_large.filter(|min| min.value.bytes() > LARGEST_DISK);
        let too_small = slot.value.max_size.as_ref();
        let too_small = too_small.filter(|max| max.value.bytes() < SMALLEST_DISK);
        let (size, why, key, from, to) = match (too_large, too_small) {
            (Some(min), _) => (min, "no disk is as large as", "min_size", 'T', "G"),
            (None, Some(max)) => (max, "no data disk is as small as", "max_size", 'M', "G"),
            (None, None) => continue,
        };
        let shown = size.value.to_string();
        let suggestion = shown.contains(from).then(|| shown.replace(from, to));
        let help = match &suggestion {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => "write the unit of the disk's label".to_owned(),
        };
        let finding = report.add(size.span, format!("{why} {key} {shown}"), help);
        finding.label("most likely the wrong unit");
        if let Some(suggestion) = suggestion {
            finding.fix(size.span, suggestion);
        }
    }
}

static EXACT_SIZE: Check = Check::warning(
    "D030",
    "exact-size",
    exact_size,
    "A disk sold as 1 TB has 1,000,204,886,016 bytes, not 1,000,000,000,000 (the makers' common rule, IDEMA LBA1-03), and a volume of a RAID \
     controller a little less than its disks. Equal bounds therefore fit no disk, or the one model that has exactly that many bytes.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\", min_size: 1TB, max_size: 1TB",
    )],
    &[Edit::Replace(
        "disks/model.yaml",
        "ata-4\", min_size: 900GB",
        "ata-4\", min_size: 900GB, max_size: 1.1TB",
    )],
);

fn exact_size(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for slot in site.hosts().flat_map(|host| host.slots.values()) {
        let Some((min, max)) = bounds(slot) else {
            continue;
        };
        if min.value == max.value && reported.insert((min.span, max.span)) {
            report
                .add(
                    max.span,
                    format!("only a disk of exactly {} bytes fits", max.value.bytes()),
                    "leave some room, for example a tenth below and above what is on the disk's label",
                )
                .label("max_size")
                .also(min.span, "the same as min_size");
        }
    }
}
