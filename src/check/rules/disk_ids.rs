//! What identifies a disk: written as udev writes it, of a whole disk that stays, and each disk once.

use std::collections::{HashMap, HashSet};

use super::disk_refs::{DiskRef, disk_refs, for_each_way, is_hex, is_wwn, placeholder};
use super::release::release;
use crate::check::registry::{Check, Report};
use crate::check::view::{SiteView, uses};
use crate::finding::Edit;
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
            unstable(None, &wanted.slot.value, wanted.slot.span, report);
        }
    }
    for_each_way(site, |by, text, span| {
        unstable(Some(by), text, span, report);
    });
}

/// Reports a path given as a slot's name or as a way of finding a disk.
fn unstable(by: Option<FindBy>, text: &str, span: Span, report: &mut Report<'_>) {
    let Some(name) = text.strip_prefix("/dev/") else {
        return;
    };
    let link = name.strip_prefix("disk/").and_then(|link| link.split_once('/'));
    let label = "names a device by its path";
    match link {
        Some((kind @ ("by-id" | "by-path"), id)) => {
            let key = kind.replace('-', "_");
            let message = format!("{} is a path, and `{key}` takes the name alone", quoted(text));
            let help = format!("write `{key}: {id}` in `slots:`");
            let finding = report.add(span, message, help);
            finding.label(label);
            if by.is_some_and(|by| by.word() == key) {
                finding.fix(span, scalar(id));
            }
        }
        _ => {
            let message = format!("{} is not a stable name of a disk", quoted(text));
            let help = "name a slot, and say in `slots:` how it is found: by_id, serial, wwn, by_path or hctl";
            report.add(span, message, help).label(label);
        }
    }
}

static INVALID_DISK_ID: Check = Check::error(
    "D003",
    "invalid-disk-id",
    invalid_disk_id,
    "The value is compared with what udev knows about a disk, so it has to be written as udev writes it: one name without slashes below \
     /dev/disk/by-id or by-path, a serial number, `0x…` for a World Wide Name, host:channel:target:lun. A partition is not a disk.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "pci-0000:00:17.0-ata-4",
        "pci-0000:00:17.0-ata-4-part1",
    )],
    &[],
);

/// The disk's name, if this is the name of one of its partitions.
fn whole_disk_of(text: &str) -> Option<&str> {
    let (disk, number) = text.rsplit_once("-part")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(disk)
}

fn invalid_disk_id(site: &SiteView<'_>, report: &mut Report<'_>) {
    for_each_way(site, |by, text, span| {
        // Reported otherwise already.
        if text.starts_with("/dev/") || placeholder(by, text).is_some() {
            return;
        }
        let links = matches!(by, FindBy::ById | FindBy::ByPath);
        let mut fixed = None;
        let why = match by {
            _ if text.len() > 200 || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "it has characters that no disk's name has"
            }
            _ if links && text.contains('/') => "it is one name, without slashes",
            _ if links && whole_disk_of(text).is_some() => {
                fixed = whole_disk_of(text).map(str::to_owned);
                "it is a partition, and a slot is a whole disk"
            }
            FindBy::Wwn if !is_wwn(text) => {
                if is_hex(text) && matches!(text.len(), 16 | 32) {
                    fixed = Some(format!("0x{text}"));
                }
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
        let help = match &fixed {
            Some(fixed) => format!("write `{fixed}`"),
            None => {
                "write it as `udevadm info --query=property /dev/DISK` or `ls -l /dev/disk/*/` shows it on the machine"
                    .to_owned()
            }
        };
        let message = format!("{} cannot be a disk's {}: {why}", quoted(text), by.word());
        let finding = report.add(span, message, help);
        finding.label(why);
        if let Some(fixed) = fixed {
            finding.fix(span, scalar(&fixed));
        }
    });
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

fn duplicate_disk(site: &SiteView<'_>, report: &mut Report<'_>) {
    // An identity of the disk itself counts over the whole site, one of the bay within its host.
    let mut first_use: HashMap<(FindBy, String, usize), DiskRef<'_>> = HashMap::new();
    let mut reported: HashSet<(Span, Span)> = HashSet::new();
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
        let key = (here.by, here.value.to_ascii_lowercase(), scope);
        let Some(there) = first_use.get(&key) else {
            first_use.insert(key, here);
            continue;
        };
        // In a disks profile that many hosts share, it is one mistake.
        if there.span != here.span && !reported.insert((there.span, here.span)) {
            continue;
        }
        let message = format!(
            "{} and {} are the same disk, {} {}",
            here.place(),
            there.place(),
            here.by.word(),
            quoted(here.value)
        );
        if there.span == here.span {
            report
                .add(
                    here.span,
                    message,
                    "it names one very disk: write it in `slots:` of the host that has it",
                )
                .label("for every machine of this model")
                .on(here.host_name());
            continue;
        }
        report
            .add(here.span, message, "read the value off the disk in that slot")
            .label("used again here")
            .also(there.span, "first used here")
            .on(here.host_name());
    }
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
                    FindBy::ByPath => value.value.contains("-usb-"),
                    FindBy::Serial | FindBy::Wwn | FindBy::Hctl => false,
                };
                if on_usb && reported.insert((value.span, wanted.slot.span)) {
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
