//! The numbers a disk carries: one that its maker gave it, and the same number behind its different names.

use std::collections::{HashMap, HashSet};

use super::disk_names::is_name_of_digits;
use super::disk_refs::{DiskRef, disk_refs, for_each_way, is_hex, is_placeholder, placeholder, serial_in_name, tail};
use super::slots::wipe_parts;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::hex;
use crate::model::FindBy;
use crate::profile::quoted;
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[&PLACEHOLDER_SERIAL, &DISK_FOUND_TWO_WAYS];

static PLACEHOLDER_SERIAL: Check = Check::error(
    "D023",
    "placeholder-serial",
    placeholder_serial,
    "Where a maker left the serial number out, firmware shows a placeholder. It is the same on every such disk, so it finds none of them for \
     certain, and as `wipe` it would let any of them be overwritten.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "WD-A100001",
        "\"0123456789ABCDEF\"",
    )],
    &[],
);

fn placeholder_serial(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut tell = |text: &str, span: Span, what: &str| {
        let message = format!("{} is a placeholder, not the {what} of one disk", quoted(text));
        let help =
            "find the disk by its bay instead (by_path or hctl, with min_size or max_size), or by another of its names";
        report.add(span, message, help).label("the same on every such disk");
    };
    for_each_way(site, |by, text, span| {
        if let Some(number) = placeholder(by, text) {
            let what = if by == FindBy::Wwn {
                "World Wide Name"
            } else {
                "serial number"
            };
            tell(number, span, what);
        }
    });
    for (_, slot) in site.written_slots() {
        if let Some(wipe) = &slot.value.wipe
            && is_placeholder(wipe_parts(&wipe.value).0)
        {
            tell(wipe_parts(&wipe.value).0, wipe.span, "serial number");
        }
    }
}

static DISK_FOUND_TWO_WAYS: Check = Check::error(
    "D024",
    "disk-found-two-ways",
    disk_found_two_ways,
    "udev names a disk in several ways that hold the same number: by-id `wwn-0x5000…` and `scsi-35000…` are the World Wide Name, by-id \
     `ata-MODEL_SERIAL` and `nvme-MODEL_SERIAL` end with the serial number, and a SAS disk's serial number is its World Wide Name, with a 3 \
     before it or without. One disk cannot be in two slots, whichever of its names is written.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "WD-A200001}",
        "WD-A200001}, b1: {by_id: ata-WDC_WD1003FBYZ_WD-A100001}",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "WD-A200001}",
        "WD-A200001}, b1: {by_id: ata-WDC_WD1003FBYZ_WD-A300001}",
    )],
);

/// A number that the disk carries, in lower case.
#[derive(Debug, PartialEq)]
pub(super) enum Number {
    WorldWideName(String),
    /// Serial number, with the model before it and an underscore between where udev joins them.
    Serial(String),
}

impl Number {
    /// Whether both are of one disk.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Serial(a), Self::Serial(b)) => same_serial(a, b),
            (a, b) => a == b,
        }
    }

    /// What all numbers of one disk have in common, if it tells the disk.
    pub(super) fn key(&self) -> Option<(bool, String)> {
        match self {
            Self::WorldWideName(name) => Some((true, name.clone())),
            Self::Serial(serial) if tail(serial).len() < TELLING_SERIAL => None,
            Self::Serial(serial) => Some((false, tail(serial).to_owned())),
        }
    }
}

/// The numbers of the disk that a way of finding it tells.
pub(super) fn numbers(by: FindBy, value: &str) -> Vec<Number> {
    let lower = value.to_ascii_lowercase();
    match by {
        FindBy::Wwn => names(&lower),
        FindBy::Serial => vec![serial_or_name(&lower)],
        FindBy::ById => {
            let name = lower.strip_prefix("wwn-").or_else(|| {
                let name = lower.strip_prefix("nvme-")?;
                ["eui.", "nvme.", "uuid."]
                    .iter()
                    .any(|kind| name.starts_with(kind))
                    .then_some(name)
            });
            // Page 83 of SCSI's vital product data, identifier of type 3 (NAA).
            let naa = lower
                .strip_prefix("scsi-3")
                .filter(|naa| is_hex(naa) && matches!(naa.len(), 16 | 32));
            match (name.or(naa), serial_in_name(&lower)) {
                (Some(name), _) => names(name),
                (None, Some(name)) => vec![serial_or_name(name)],
                (None, None) => Vec::new(),
            }
        }
        FindBy::ByPath | FindBy::Hctl => Vec::new(),
    }
}

/// A World Wide Name, and the serial number where the kernel has made the name of it.
fn names(name: &str) -> Vec<Number> {
    let mut all = vec![Number::WorldWideName(
        name.strip_prefix("0x").unwrap_or(name).to_owned(),
    )];
    if let Some(serial) = name.strip_prefix("nvme.").and_then(|parts| parts.split('-').nth(1)) {
        let mut bytes = vec![0; serial.len() / 2];
        let text = hex::decode(serial, &mut bytes).and_then(|()| String::from_utf8(bytes).ok());
        all.extend(text.map(|text| Number::Serial(text.trim().to_ascii_lowercase())));
    }
    all
}

/// A SAS disk's ID_SERIAL is its World Wide Name with a 3 before it, its ID_SERIAL_SHORT the name alone; some makers of SATA
/// disks print the name as serial number, too.
fn serial_or_name(serial: &str) -> Number {
    let end = tail(serial);
    let digits = end
        .strip_prefix('3')
        .filter(|digits| is_name_of_digits(digits))
        .unwrap_or(end);
    if is_name_of_digits(digits) {
        Number::WorldWideName(digits.to_owned())
    } else {
        Number::Serial(serial.to_owned())
    }
}

fn same_serial(a: &str, b: &str) -> bool {
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short)
            .is_some_and(|model| model.is_empty() || model.ends_with('_'))
    };
    ends(a, b) || ends(b, a)
}

/// Shorter serial numbers may be those of two makers.
const TELLING_SERIAL: usize = 6;

fn disk_found_two_ways(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut known: HashMap<(bool, String), Vec<(Number, DiskRef<'_>)>> = HashMap::new();
    let mut reported: HashSet<(Span, Span)> = HashSet::new();
    for (_, here) in disk_refs(site) {
        if placeholder(here.by, here.value).is_some() {
            continue;
        }
        for own in numbers(here.by, here.value) {
            let Some(key) = own.key() else { continue };
            let others = known.entry(key).or_default();
            let same = others.iter().find(|(other, there)| {
                // The same name twice is reported as that.
                let same_name = there.by == here.by && there.value.eq_ignore_ascii_case(here.value);
                !same_name && !here.is_of_same_slot(there) && own.is_same(other)
            });
            if let Some((_, there)) = same
                && reported.insert((there.span, here.span))
            {
                let message = format!(
                    "{} and {} are the same disk: {} {} is {} {}",
                    here.place_beside(there, site.sources),
                    there.place_beside(&here, site.sources),
                    here.by.word(),
                    quoted(here.value),
                    there.by.word(),
                    quoted(there.value)
                );
                report
                    .add(here.span, message, "read the value off the disk in that slot")
                    .label("the same disk by another name")
                    .also(there.span, "first used here");
            }
            if !others.iter().any(|(_, there)| there.span == here.span) {
                others.push((own, here));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disk_has_many_names() {
        let same = |a: (FindBy, &str), b: (FindBy, &str)| {
            let of_b = numbers(b.0, b.1);
            numbers(a.0, a.1).iter().any(|a| of_b.iter().any(|b| a.is_same(b)))
        };
        use FindBy::{ById, Serial, Wwn};
        for (a, b) in [
            ((ById, "wwn-0x5000C500a1b2c301"), (Wwn, "0x5000c500a1b2c301")),
            ((ById, "scsi-35000c500a1b2c301"), (Wwn, "0x5000c500a1b2c301")),
            ((ById, "nvme-eui.0025385"), (Wwn, "eui.0025385")),
            ((ById, "ata-WDC_WD40_WD-A1"), (Serial, "WD-A1")),
            ((ById, "ata-WDC_WD40_WD-A1"), (Serial, "WDC_WD40_WD-A1")),
            ((ById, "nvme-SAMSUNG_X_S439"), (Serial, "s439")),
            ((ById, "scsi-SATA_WDC_WD40_WD-A1"), (ById, "ata-WDC_WD40_WD-A1")),
            ((ById, "scsi-1ATA_WDC_WD40_WD-A1"), (Serial, "WD-A1")),
            // SAS disks.
            ((Serial, "35000c500a1b2c3d4"), (Wwn, "0x5000c500a1b2c3d4")),
            ((Serial, "5000C500A1B2C3D4"), (Wwn, "0x5000c500a1b2c3d4")),
            ((Serial, "35000c500a1b2c3d4"), (ById, "scsi-35000c500a1b2c3d4")),
            ((Serial, "35000c500a1b2c3d4"), (Serial, "5000c500a1b2c3d4")),
            (
                (Serial, "36848f690e6d2f70024a1b2c3d4e5f607"),
                (ById, "wwn-0x6848f690e6d2f70024a1b2c3d4e5f607"),
            ),
            // SATA disks whose makers print the name.
            (
                (ById, "ata-KINGSTON_SA400_50026B778212ABCD"),
                (Wwn, "0x50026b778212abcd"),
            ),
            (
                (ById, "ata-KINGSTON_SA400_50026B778212ABCD"),
                (Serial, "50026B778212ABCD"),
            ),
            ((ById, "usb-SanDisk_Ultra_4C530001-0:0"), (Serial, "4C530001")),
            ((ById, "mmc-DG4064_0x5b3f1b8d"), (Serial, "0x5b3f1b8d")),
            ((Wwn, "nvme.8086-50484d4238-494e54454c-00000001"), (Serial, "PHMB8")),
            (
                (ById, "nvme-nvme.8086-50484d4238-494e54454c-00000001"),
                (ById, "nvme-INTEL_PHMB8"),
            ),
        ] {
            assert!(same(a, b) && same(b, a), "{a:?} {b:?}");
        }
        for (a, b) in [
            ((ById, "ata-WDC_WD40_WD-A1"), (Serial, "D-A1")),
            ((ById, "ata-WDC_X_0001"), (ById, "ata-HGST_Y_0001")),
            ((Serial, "35000c500a1b2c3d4"), (Wwn, "0x5000c500a1b2c3d5")),
            ((ById, "wwn-0x5000c500a1b2c301"), (Wwn, "0x5000c500a1b2c302")),
            // Volumes of one RAID controller have the first half of their names in common.
            ((Wwn, "0x600508b1001c0001"), (Wwn, "0x600508b1001c00010000000000000002")),
        ] {
            assert!(!same(a, b), "{a:?} {b:?}");
        }
    }
}
