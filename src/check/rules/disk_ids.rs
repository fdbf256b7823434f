//! What identifies a disk: written as udev writes it, of a whole disk that stays, and each disk once.

use std::collections::{HashMap, HashSet};

use super::disk_names::{Fault, fault, is_kernel_name, numbers};
use super::disk_refs::{DiskRef, disk_refs, for_each_way, placeholder};
use super::release::release;
use super::slots::wipe_fault;
use crate::check::registry::{Check, Report};
use crate::check::view::{SiteView, uses, ways};
use crate::finding::{Edit, Finding};
use crate::model::FindBy;
use crate::profile::quoted;
use crate::profile::scalar;
use crate::source::Span;
use crate::target::{self, Udev};

pub(super) static CHECKS: &[&Check] = &[
    &UNSTABLE_DEVICE,
    &INVALID_DISK_ID,
    &DUPLICATE_DISK,
    &NOT_A_WHOLE_DISK,
    &REMOVABLE_DISK,
    &NEWER_UDEV_NAME,
];

static UNSTABLE_DEVICE: Check = Check::error(
    "D002",
    "unstable-device",
    unstable_device,
    "Names such as /dev/sda are handed out in the order disks answer, which changes with a cable, a stick or a kernel: what is the data disk \
     today is the system disk tomorrow. A disk is found by what is part of it or of its bay.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "by_path: \"pci-0000:00:17.0-ata-4\"",
        "by_path: /dev/sdb",
    )],
    &[],
);

fn unstable_device(site: &SiteView<'_>, report: &mut Report<'_>) {
    for disks in site.disks() {
        for wanted in uses(disks) {
            if wanted.slot.value.starts_with("/dev/") {
                unstable(site, None, &wanted.slot.value, wanted.slot.span, report);
            }
        }
    }
    for_each_way(site, |by, text, span| {
        // What is made on disks is reported as that.
        let is_layer = by == FindBy::ById && text.starts_with("dm-");
        if device_path(text).is_some() || (is_kernel_name(text) && !is_layer) {
            unstable(site, Some(by), text, span, report);
        }
    });
}

/// What is behind `/dev/`, also where its first slash was forgotten.
fn device_path(text: &str) -> Option<&str> {
    text.strip_prefix("/dev/").or_else(|| text.strip_prefix("dev/"))
}

/// Reports a path given as a slot's name or as a way of finding a disk, or a name of the kernel's.
fn unstable(site: &SiteView<'_>, by: Option<FindBy>, text: &str, span: Span, report: &mut Report<'_>) {
    let label = "names a device by its path";
    let link = device_path(text).and_then(|name| name.strip_prefix("disk/")?.split_once('/'));
    let meant = match link {
        Some(("by-id", id)) => Some((FindBy::ById, id)),
        Some(("by-path", id)) => Some((FindBy::ByPath, id)),
        _ => None,
    };
    let Some((key, id)) = meant else {
        let message = format!("{} is not a stable name of a disk", quoted(text));
        let help = "name a slot, and say in `slots:` how it is found: by_id, serial, wwn, by_path or hctl";
        let finding = report.add(span, message, help);
        finding.label(if device_path(text).is_some() {
            label
        } else {
            "the kernel hands these names out anew at each boot"
        });
        return;
    };
    // The name may be that of a partition, or one that this udev does not make.
    let (key, id) = match fault(key, id) {
        Some(fault) => fault.meant.unwrap_or((key, id.to_owned())),
        None => (key, id.to_owned()),
    };
    let message = format!("{} is a path, and `{}` takes the name alone", quoted(text), key.word());
    let finding = report.add(span, message, format!("write `{}: {id}` in `slots:`", key.word()));
    finding.label(label);
    if let Some(by) = by {
        rewrite(site, finding, by, span, key, &id);
    }
}

/// The edit that makes of one key and its value others.
fn rewrite(site: &SiteView<'_>, finding: &mut Finding, by: FindBy, span: Span, key: FindBy, value: &str) {
    if key != by {
        let Some(place) = key_before(site, by, span) else {
            return;
        };
        finding.fix(place, key.word());
    }
    finding.fix(span, scalar(value));
}

/// Where the key is written that a value belongs to: directly before it.
fn key_before(site: &SiteView<'_>, by: FindBy, span: Span) -> Option<Span> {
    if span.anchored().is_some() {
        return None;
    }
    let text = site.sources.file(span.file).text.get(..span.start as usize)?;
    let key = text.trim_end_matches([' ', '\t']).strip_suffix(':')?;
    let key = key.trim_end_matches(['"', '\'', ' ']);
    let before = key.strip_suffix(by.word())?;
    let starts_there = before.is_empty() || before.ends_with([' ', '\t', '\n', '{', ',', '"', '\'']);
    starts_there.then(|| span.file.span(before.len(), key.len()))
}

static INVALID_DISK_ID: Check = Check::error(
    "D003",
    "invalid-disk-id",
    invalid_disk_id,
    "The value is compared with what udev knows about a disk, so it has to be written as udev writes it: one name without slashes below \
     /dev/disk/by-id or by-path that begins with its bus, a serial number without the words of a label, `0x…` with 16 or 32 digits for a World \
     Wide Name, host:channel:target:lun without leading zeros. udev has letters, digits and `#+-.:=@_` in a name, and an underscore for whatever \
     else the disk says (systemd 237). `wipe` is such a serial number. A partition is not a disk.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "pci-0000:00:17.0-ata-4",
        "pci-0000:00:17.0-ata-4-part1",
    )],
    &[],
);

fn invalid_disk_id(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (_, slot) in site.written_slots() {
        for (by, value) in ways(&slot.value) {
            let text = value.value.as_str();
            // Reported otherwise already.
            if device_path(text).is_some() || is_kernel_name(text) || placeholder(by, text).is_some() {
                continue;
            }
            let Some(Fault { why, meant, help }) = fault(by, text) else {
                continue;
            };
            // Another way beside it is reported, too, and a key cannot be there twice.
            let meant = meant.filter(|(key, _)| *key == by || !ways(&slot.value).any(|(own, _)| own == *key));
            let message = format!("{} cannot be a disk's {}: {why}", quoted(text), by.word());
            let help = match (&meant, help) {
                (Some((key, value)), None) if *key == by => format!("write `{value}`"),
                (Some((key, value)), None) => format!("write `{}: {value}`", key.word()),
                (Some((key, value)), Some(help)) => format!("{help}: `{}: {value}`", key.word()),
                (None, Some(help)) => help.to_owned(),
                (None, None) => {
                    "write it as `udevadm info --query=property /dev/DISK` or `ls -l /dev/disk/*/` shows it on the machine"
                        .to_owned()
                }
            };
            let finding = report.add(value.span, message, help);
            finding.label(why);
            if let Some((key, meant)) = meant {
                rewrite(site, finding, by, value.span, key, &meant);
            }
        }
    }
    // What lets a disk be overwritten is written by the person alone, so there is no edit.
    for (_, slot) in site.written_slots() {
        let Some(wipe) = &slot.value.wipe else { continue };
        if let Some(Fault { why, .. }) = wipe_fault(&wipe.value) {
            let message = format!("{} cannot be a disk's serial number: {why}", quoted(&wipe.value));
            let help = "write it as the machine's message prints it, or as `serial:` of the slot has it";
            report.add(wipe.span, message, help).label(why);
        }
    }
}

static DUPLICATE_DISK: Check = Check::error(
    "D007",
    "duplicate-disk",
    duplicate_disk,
    "One disk is in one machine and in one slot. A serial number, World Wide Name or by-id name that stands twice was copied from the wrong \
     line, and a bay (by_path, hctl) can be one slot of a machine only.",
)
.example(
    &[Edit::Replace("hosts/hosts.yaml", "WD-A100002", "WD-A100001")],
    &[],
);

/// The value in the form in which two of one disk are equal.
fn comparable(by: FindBy, value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    match by {
        FindBy::Hctl => numbers(value).map_or(lower, |numbers| format!("{numbers:?}")),
        FindBy::ByPath => {
            // A virtio disk has two paths, and a newer udev says which disk of the port it is.
            let path = lower.strip_prefix("virtio-").unwrap_or(&lower);
            let port = path
                .strip_suffix(".0")
                .filter(|_| path.contains("-ata-"))
                .unwrap_or(path);
            port.to_owned()
        }
        FindBy::ById | FindBy::Serial | FindBy::Wwn => lower,
    }
}

fn duplicate_disk(site: &SiteView<'_>, report: &mut Report<'_>) {
    // An identity of the disk itself counts over the whole site, one of the bay within its host.
    let mut first_use: HashMap<(FindBy, String, usize), DiskRef<'_>> = HashMap::new();
    let mut reported: HashSet<(Span, Span)> = HashSet::new();
    let mut shared: Vec<(DiskRef<'_>, DiskRef<'_>, usize)> = Vec::new();
    for (at, here) in disk_refs(site) {
        // "None" twice says nothing about the two disks but that they have no number.
        if placeholder(here.by, here.value).is_some() {
            continue;
        }
        let scope = if matches!(here.by, FindBy::ByPath | FindBy::Hctl) {
            at + 1
        } else {
            0
        };
        let key = (here.by, comparable(here.by, here.value), scope);
        let Some(there) = first_use.get(&key).copied() else {
            first_use.insert(key, here);
            continue;
        };
        if there.span == here.span {
            // In a disks profile that many hosts share, it is one mistake.
            match shared.iter_mut().find(|(first, ..)| first.span == here.span) {
                Some((_, _, hosts)) => *hosts += 1,
                None => shared.push((there, here, 2)),
            }
            continue;
        }
        if !reported.insert((there.span, here.span)) {
            continue;
        }
        let message = format!(
            "{} and {} are the same disk, {} {}",
            here.place_beside(&there, site.sources),
            there.place_beside(&here, site.sources),
            here.by.word(),
            quoted(here.value)
        );
        let help = match here.by {
            FindBy::Serial => {
                "read the value off the disk in that slot; where a controller gives all its volumes one serial number, find them by wwn or by_id"
            }
            FindBy::ByPath | FindBy::Hctl => "give each slot a bay of its own",
            FindBy::ById | FindBy::Wwn => "read the value off the disk in that slot",
        };
        report
            .add(here.span, message, help)
            .label("used again here")
            .also(there.span, "first used here")
            .on(here.host.label());
    }
    for (first, second, hosts) in shared {
        of_many_hosts(&first, &second, hosts, report);
    }
}

/// Reports what one disk has alone, in a disks profile of several hosts.
fn of_many_hosts(first: &DiskRef<'_>, second: &DiskRef<'_>, hosts: usize, report: &mut Report<'_>) {
    let (slot, key) = (first.slot, first.by.word());
    let message = format!(
        "slot {} of {hosts} hosts is the same disk, {key} {}",
        quoted(slot),
        quoted(first.value)
    );
    let help = format!(
        "one disk alone has it: write `{slot}: {{{key}: …}}` in `slots:` of each host, or find the disk by its bay here (by_path, hctl)"
    );
    let place = |disk: &DiskRef<'_>| disk.host.document.span;
    report
        .add(first.span, message, help)
        .label(format!("the same for {hosts} hosts"))
        .also(place(first), "a host of this disks profile")
        .also(place(second), "another");
}

static NOT_A_WHOLE_DISK: Check = Check::error(
    "D020",
    "not-a-whole-disk",
    not_a_whole_disk,
    "Device-mapper volumes (dm-…), md arrays (md-…) and LVM's physical volumes (lvm-pv-uuid-…) have names below /dev/disk/by-id, too, but they \
     are made on disks, and only exist once they are made. lxseed makes its own of blank disks.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{by_id: \"md-name-node1:data1\"}",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{by_id: ata-WDC_WD1003FBYZ_WD-A100001}",
    )],
);

fn not_a_whole_disk(site: &SiteView<'_>, report: &mut Report<'_>) {
    const LAYERS: [(&str, &str); 3] = [
        ("dm-", "a device-mapper volume"),
        ("md-", "an md array"),
        ("lvm-pv-uuid-", "a physical volume of LVM"),
    ];
    for_each_way(site, |by, text, span| {
        let layer = LAYERS.iter().find(|(prefix, _)| text.starts_with(prefix));
        if let (FindBy::ById, Some((_, what))) = (by, layer) {
            report
                .add(
                    span,
                    format!("{} is {what}, not a disk", quoted(text)),
                    "write a name that starts with ata-, nvme-, scsi- or wwn-; `ls -l /dev/disk/by-id` on the machine shows them",
                )
                .label(*what);
        }
    });
}

static REMOVABLE_DISK: Check = Check::error(
    "D021",
    "removable-disk",
    removable_disk,
    "A pool must not lie on what falls out of its socket: the first boot stops at a data disk that is on USB. The system may be on USB, or in a port \
     that calls itself removable, where its slot names the very disk, by `by_id`, `serial` or `wwn`: a path on USB is whatever is plugged in there, \
     and the installer erases it. The medium that the machine is installed from is never taken.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "pci-0000:00:17.0-ata-5",
        "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0",
    )],
    &[],
);

fn removable_disk(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    for host in site.hosts() {
        for wanted in host.used.iter() {
            let ways = host.slots.get(wanted.slot.value.as_str());
            for (by, value) in ways.into_iter().flat_map(|slot| &slot.ways) {
                let on_usb = match by {
                    FindBy::ById => !wanted.is_system() && value.value.starts_with("usb-"),
                    FindBy::ByPath => value.value.split('-').any(|part| part == "usb"),
                    FindBy::Serial | FindBy::Wwn | FindBy::Hctl => false,
                };
                if on_usb && fault(*by, &value.value).is_none() && reported.insert((value.span, wanted.slot.span)) {
                    report
                        .add(
                            value.span,
                            format!("{} of {} is on USB", quoted(&value.value), wanted.user()),
                            if wanted.is_system() {
                                "name the disk itself, by `by_id`, `serial` or `wwn`: whatever is plugged in there would be erased"
                            } else {
                                "use a disk that is built into the machine"
                            },
                        )
                        .label("on USB")
                        .also(
                            wanted.slot.span,
                            if wanted.is_system() {
                                "used for the system here"
                            } else {
                                "used for data here"
                            },
                        );
                }
            }
        }
    }
}

static NEWER_UDEV_NAME: Check = Check::warning(
    "D032",
    "newer-udev-name",
    newer_udev_name,
    "A live system of today shows names that the machines' udev (systemd 237) does not make, so the first boot would find no disk by them: by-path \
     `…-ata-1.0` came with systemd 246 (systemd#15537) and is `…-ata-1` before, by-id `nvme-MODEL_SERIAL_1` with the namespace at its end came with \
     254 (systemd#26814) and is `nvme-MODEL_SERIAL` before.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "pci-0000:00:17.0-ata-4",
        "pci-0000:00:17.0-ata-4.0",
    )],
    &[],
);

/// The name that this udev has for a disk, where a newer one's is written; nothing at all if it has none.
fn older_name(by: FindBy, text: &str, udev: &Udev) -> Option<Option<String>> {
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match by {
        FindBy::ByPath if !udev.ata_device_in_path => {
            let (_, device) = text.rsplit_once("-ata-")?;
            let (port, number) = device.split_once('.')?;
            let bus = text.strip_suffix(number)?.strip_suffix('.')?;
            // Behind a port multiplier all disks had one name.
            (is_number(port) && is_number(number)).then(|| (number == "0").then(|| bus.to_owned()))
        }
        FindBy::ById if !udev.nvme_namespace_in_id => {
            let (name, namespace) = text.rsplit_once('_')?;
            let has_serial = name.strip_prefix("nvme-")?.contains('_');
            (has_serial && is_number(namespace)).then(|| Some(name.to_owned()))
        }
        _ => None,
    }
}

fn newer_udev_name(site: &SiteView<'_>, report: &mut Report<'_>) {
    // A model of disks may serve clusters of several releases.
    let releases = site.profiles().filter_map(release);
    let oldest = releases.min_by_key(|release| release.udev.version);
    let oldest = oldest.unwrap_or_else(target::newest);
    for_each_way(site, |by, text, span| {
        let Some(older) = older_name(by, text, &oldest.udev) else {
            return;
        };
        let message = format!("Ubuntu {} has no {} {}", oldest.version, by.word(), quoted(text));
        let help = match &older {
            Some(older) => format!("write `{older}`"),
            None => "find the disk by its serial number".to_owned(),
        };
        let finding = report.add(span, message, help);
        finding.label("a newer udev's name");
        if let Some(older) = older {
            finding.fix(span, scalar(&older));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::bionic::BIONIC;

    #[test]
    fn names_of_a_newer_udev_are_known() {
        let path = |text| older_name(FindBy::ByPath, text, &BIONIC.udev);
        assert_eq!(
            path("pci-0000:00:17.0-ata-1.0"),
            Some(Some("pci-0000:00:17.0-ata-1".to_owned()))
        );
        assert_eq!(path("pci-0000:00:17.0-ata-1.3"), Some(None));
        assert_eq!(path("pci-0000:00:17.0-ata-1"), None);
        assert_eq!(path("pci-0000:03:00.0-scsi-0:2:1:0"), None);
        let id = |text| older_name(FindBy::ById, text, &BIONIC.udev);
        assert_eq!(
            id("nvme-Micron_7450_232942_1"),
            Some(Some("nvme-Micron_7450_232942".to_owned()))
        );
        for text in [
            "nvme-MODEL_1",
            "nvme-1_000",
            "nvme-SAMSUNG_X_S439NA0M400001",
            "ata-A_B_1",
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }
}
