//! Disks: found by something that stays, each in one place only.

use std::collections::{HashMap, HashSet};

use super::view::{HostView, SiteView, SlotView, volume_slots, volumes};
use super::{Check, Report};
use crate::finding::Rule;
use crate::model::FindBy;
use crate::profile::{did_you_mean, quoted};
use crate::source::Span;

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &UNKNOWN_DISKS,
        run: unknown_disks,
    },
    Check {
        rule: &UNSTABLE_DEVICE,
        run: unstable_device,
    },
    Check {
        rule: &INVALID_DISK_ID,
        run: invalid_disk_id,
    },
    Check {
        rule: &SLOT_NOT_FOUND,
        run: slot_not_found,
    },
    Check {
        rule: &SLOT_TWO_WAYS,
        run: slot_two_ways,
    },
    Check {
        rule: &UNUSED_SLOT,
        run: unused_slot,
    },
    Check {
        rule: &DUPLICATE_DISK,
        run: duplicate_disk,
    },
    Check {
        rule: &SIZE_BOUNDS,
        run: size_bounds,
    },
    Check {
        rule: &WIPE_MISMATCH,
        run: wipe_mismatch,
    },
];

static UNKNOWN_DISKS: Rule = Rule::error(
    "D001",
    "unknown-disks",
    "A host names the disks profile of its model; without it nothing is known about its disks.",
);

fn unknown_disks(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in site
        .clusters
        .iter()
        .filter(|cluster| !cluster.folder.disks_incomplete)
    {
        let known: Vec<&str> = cluster
            .folder
            .disks
            .iter()
            .filter_map(|disks| Some(disks.value.name.as_ref()?.value.as_str()))
            .collect();
        for host in cluster.hosts.iter().filter(|host| host.disks.is_none()) {
            let Some(name) = &host.host().disks else {
                continue;
            };
            let help = match did_you_mean(&name.value, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => {
                    "write one in disks/ beside the cluster.yaml".to_owned()
                }
                None => format!("the disks profiles here are {}", known.join(", ")),
            };
            report
                .add(
                    name.span,
                    format!("there is no disks profile {}", quoted(&name.value)),
                    help,
                )
                .label("no such disks profile");
        }
    }
}

static UNSTABLE_DEVICE: Rule = Rule::error(
    "D002",
    "unstable-device",
    "Names such as /dev/sda are handed out in the order disks answer, which changes with a cable, a stick or a kernel: what is the data disk \
     today is the system disk tomorrow. A disk is found by what is part of it or of its bay.",
);

fn unstable_device(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut check = |text: &str, span: Span| {
        let Some(name) = text.strip_prefix("/dev/") else {
            return;
        };
        let (message, help) = match name.strip_prefix("disk/").and_then(|link| link.split_once('/')) {
            Some((kind @ ("by-id" | "by-path"), id)) => {
                let key = kind.replace('-', "_");
                (format!("{} is a path, and `{key}` takes the name alone", quoted(text)), format!("write `{key}: {id}` in `slots:`"))
            }
            _ => (
                format!("{} is not a stable name of a disk", quoted(text)),
                "name a slot, and say in `slots:` how it is found: by_id, serial, wwn, by_path or hctl".to_owned(),
            ),
        };
        report
            .add(span, message, help)
            .label("names a device by its path");
    };
    for disks in site.disks() {
        let os = disks.os.as_ref().and_then(|os| os.value.slot.as_ref());
        let data = volumes(disks).flat_map(|(_, volume)| volume_slots(&volume.value));
        for slot in os.into_iter().chain(data) {
            check(&slot.value, slot.span);
        }
    }
    for_each_way(site, |_, text, span| check(text, span));
}

/// Every way of finding a disk that is written anywhere, once.
fn for_each_way(site: &SiteView<'_>, mut visit: impl FnMut(FindBy, &str, Span)) {
    for (_, slot) in site.written_slots() {
        for (by, value) in super::view::ways(&slot.value) {
            visit(by, &value.value, value.span);
        }
    }
}

static INVALID_DISK_ID: Rule = Rule::error(
    "D003",
    "invalid-disk-id",
    "The value is compared with what udev knows about a disk, so it has to be written as udev writes it: one name without slashes below \
     /dev/disk/by-id or by-path, a serial number, `0x…` for a World Wide Name, host:channel:target:lun. A partition is not a disk.",
);

fn invalid_disk_id(site: &SiteView<'_>, report: &mut Report<'_>) {
    for_each_way(site, |by, text, span| {
        // Reported as an unstable device name already.
        if text.starts_with("/dev/") {
            return;
        }
        let is_partition = text
            .rsplit_once("-part")
            .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let hex = |digits: &str| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let why = match by {
            _ if text.len() > 200 || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "it has characters that no disk's name has"
            }
            FindBy::ById | FindBy::ByPath if text.contains('/') => {
                "it is one name, without slashes"
            }
            FindBy::ById | FindBy::ByPath if is_partition => {
                "it is a partition, and a slot is a whole disk"
            }
            FindBy::Wwn
                if !(text.strip_prefix("0x").is_some_and(hex)
                    || text.starts_with("eui.")
                    || text.starts_with("nvme.")
                    || text.starts_with("uuid.")) =>
            {
                "a World Wide Name starts with 0x, eui., nvme. or uuid."
            }
            FindBy::Hctl
                if text.split(':').count() != 4
                    || !text
                        .split(':')
                        .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) =>
            {
                "it is four numbers, host:channel:target:lun"
            }
            _ => return,
        };
        let help = "write it as `udevadm info --query=property /dev/DISK` or `ls -l /dev/disk/*/` shows it on the machine";
        report
            .add(
                span,
                format!("{} cannot be a disk's {}: {why}", quoted(text), by.word()),
                help,
            )
            .label(why);
    });
}

/// The slots that a host's system and volumes use, each with the place that asks for it.
fn used_slots<'a>(host: &HostView<'a>) -> Vec<(&'a str, Span, &'a str)> {
    let os = host
        .disks
        .and_then(|disks| disks.value.os.as_ref()?.value.slot.as_ref())
        .map(|slot| (&*slot.value, slot.span, "the system"));
    let volumes = host.volumes().flat_map(|(name, volume)| {
        volume_slots(&volume.value)
            .into_iter()
            .map(|slot| (&*slot.value, slot.span, &*name.value))
            .collect::<Vec<_>>()
    });
    os.into_iter().chain(volumes).collect()
}

static SLOT_NOT_FOUND: Rule = Rule::error(
    "D004",
    "slot-not-found",
    "Every slot that the system or a volume uses needs one way to find its disk, in the disks profile if it is the same on every machine of \
     the model, on the host if it differs.",
);

fn slot_not_found(site: &SiteView<'_>, report: &mut Report<'_>) {
    for host in site.hosts() {
        for (slot, asked, user) in used_slots(host) {
            if slot.starts_with("/dev/")
                || host
                    .slots
                    .get(slot)
                    .is_some_and(|view| !view.ways.is_empty())
            {
                continue;
            }
            let help = match did_you_mean(
                slot,
                host.slots.keys().copied().filter(|name| *name != slot),
            ) {
                Some(near) => format!(
                    "did you mean `{near}`? or add `slots: {{{slot}: {{serial: …}}}}` to the host"
                ),
                None => format!(
                    "add `slots: {{{slot}: {{serial: …}}}}` to the host, or a way to find it to the disks profile"
                ),
            };
            let message = format!(
                "nothing says how {} finds slot {} of {user}",
                host.label(),
                quoted(slot)
            );
            report
                .add(asked, message, help)
                .label("the slot is used here")
                .also(host.document.span, "this host has no way to find it");
        }
    }
}

static SLOT_TWO_WAYS: Rule = Rule::error(
    "D005",
    "slot-two-ways",
    "If two ways to find a disk disagree, one of the two is wrong, and nobody can say which: the guard would have to stop the machine.",
);

fn slot_two_ways(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, slot) in site.written_slots() {
        if let [(first, first_value), (second, value), ..] =
            super::view::ways(&slot.value).as_slice()
        {
            report
                .add(
                    value.span,
                    format!(
                        "slot {} is found both by {} and by {}",
                        quoted(&name.value),
                        first.word(),
                        second.word()
                    ),
                    "keep one way; min_size and max_size can stand beside it",
                )
                .label("a second way")
                .also(first_value.span, "one way");
        }
    }
}

static UNUSED_SLOT: Rule = Rule::error(
    "D006",
    "unused-slot",
    "A slot on a host that neither the system nor a volume uses is a misspelt name: the slot that was meant would be found in another way or \
     not at all.",
);

fn unused_slot(site: &SiteView<'_>, report: &mut Report<'_>) {
    for host in site.hosts().filter(|host| host.disks.is_some()) {
        let used: Vec<&str> = used_slots(host)
            .into_iter()
            .map(|(slot, ..)| slot)
            .collect();
        for (name, _) in host
            .host()
            .slots
            .iter()
            .flat_map(|slots| slots.value.iter())
        {
            if !used.contains(&name.value.as_str()) {
                let help = match did_you_mean(&name.value, used.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the slots of its disks profile are {}", used.join(", ")),
                };
                let message = format!(
                    "nothing on {} uses slot {}",
                    host.label(),
                    quoted(&name.value)
                );
                report
                    .add(name.span, message, help)
                    .label("not used by the disks profile");
            }
        }
    }
}

static DUPLICATE_DISK: Rule = Rule::error(
    "D007",
    "duplicate-disk",
    "One disk is in one machine and in one slot. A serial number, World Wide Name or by-id name that stands twice was copied from the wrong \
     line, and a bay (by_path, hctl) can be one slot of a machine only.",
);

fn duplicate_disk(site: &SiteView<'_>, report: &mut Report<'_>) {
    // An identity of the disk itself counts over the whole site, one of the bay within its host.
    let mut first_use: HashMap<(&str, String, usize), (Span, String)> = HashMap::new();
    let mut told: HashSet<(Span, Span)> = HashSet::new();
    for (at, host) in site.hosts().enumerate() {
        for (name, slot) in &host.slots {
            for (by, value) in &slot.ways {
                let scope = if matches!(by, FindBy::ByPath | FindBy::Hctl) {
                    at + 1
                } else {
                    0
                };
                let key = (by.word(), value.value.to_ascii_lowercase(), scope);
                let here = format!("slot {} of {}", quoted(name), host.label());
                if let Some((first, there)) = first_use.get(&key) {
                    // In a disks profile that many hosts share, it is one mistake.
                    if *first != value.span && !told.insert((*first, value.span)) {
                        continue;
                    }
                    report
                        .add(
                            value.span,
                            format!(
                                "{here} and {there} are the same disk, {} {}",
                                by.word(),
                                quoted(&value.value)
                            ),
                            "read the value off the disk in that slot",
                        )
                        .label("used again here")
                        .also(*first, "first used here");
                } else {
                    first_use.insert(key, (value.span, here));
                }
            }
        }
    }
}

static SIZE_BOUNDS: Rule = Rule::error(
    "D012",
    "size-bounds",
    "No disk is at least as large as min_size and at most as large as a smaller max_size.",
);

fn size_bounds(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut seen = Vec::new();
    for slot in site.hosts().flat_map(|host| host.slots.values()) {
        let SlotView {
            min_size: Some(min),
            max_size: Some(max),
            ..
        } = slot
        else {
            continue;
        };
        // A disks profile is shared by many hosts, and its mistake is one mistake.
        if min.value > max.value && !seen.contains(&(min.span, max.span)) {
            seen.push((min.span, max.span));
            report
                .add(
                    max.span,
                    "max_size is smaller than min_size",
                    "swap them, or leave one out",
                )
                .label("smaller than min_size")
                .also(min.span, "min_size");
        }
    }
}

static WIPE_MISMATCH: Rule = Rule::error(
    "D013",
    "wipe-mismatch",
    "`wipe` lets data on one very disk be overwritten, so it names that disk by its serial number and stands on the host that holds it. If the \
     slot is found by another serial number, the permission can never apply.",
);

fn wipe_mismatch(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for (_, slot) in disks.slots.iter().flat_map(|slots| slots.value.iter()) {
            if let Some(wipe) = &slot.value.wipe {
                let message = "a disks profile cannot allow data to be overwritten";
                report
                    .add(
                        wipe.span,
                        message,
                        "write `wipe` on the host that holds the disk",
                    )
                    .label("belongs on a host");
            }
        }
    }
    for slot in site.hosts().flat_map(|host| host.slots.values()) {
        let serial = slot.ways.iter().find(|(by, _)| *by == FindBy::Serial);
        if let (Some(wipe), Some((_, serial))) = (slot.wipe, serial)
            && wipe.value != serial.value
        {
            report
                .add(
                    wipe.span,
                    "`wipe` names another disk than the slot",
                    "write the serial number of the disk whose data may go",
                )
                .label("another serial number")
                .also(serial.span, "the slot's disk");
        }
    }
}
