//! The numbers a disk carries: one that its maker gave it, and the same number behind its different names.

use std::collections::{HashMap, HashSet};

use super::disk_refs::{
    DiskRef, disk_refs, for_each_way, is_hex, is_placeholder, is_wwn, placeholder, serial_in_name, tail,
};
use super::slots::wipe_parts;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
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
     `ata-MODEL_SERIAL` and `nvme-MODEL_SERIAL` end with the serial number. One disk cannot be in two slots, whichever of its names is written.",
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

/// A number that the disk carries.
#[derive(PartialEq)]
enum Number {
    WorldWideName(String),
    /// Serial number, with the model before it and an underscore between where udev joins them.
    Serial(String),
}

fn number(by: FindBy, value: &str) -> Option<Number> {
    let lower = value.to_ascii_lowercase();
    let wwn = |text: &str| Number::WorldWideName(text.strip_prefix("0x").unwrap_or(text).to_owned());
    match by {
        FindBy::Wwn => Some(wwn(&lower)),
        FindBy::Serial => Some(Number::Serial(lower)),
        FindBy::ById => {
            let naa = lower.strip_prefix("scsi-3");
            if let Some(name) = lower.strip_prefix("wwn-") {
                Some(wwn(name))
            } else if let Some(naa) = naa.filter(|naa| is_hex(naa) && matches!(naa.len(), 16 | 32)) {
                // Page 83 of SCSI's vital product data, identifier of type 3 (NAA).
                Some(wwn(naa))
            } else {
                let name = serial_in_name(&lower)?;
                Some(if is_wwn(name) {
                    wwn(name)
                } else {
                    Number::Serial(name.to_owned())
                })
            }
        }
        FindBy::ByPath | FindBy::Hctl => None,
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
        let Some(own) = number(here.by, here.value) else {
            continue;
        };
        let key = match &own {
            Number::WorldWideName(name) => (true, name.clone()),
            Number::Serial(serial) if tail(serial).len() < TELLING_SERIAL => continue,
            Number::Serial(serial) => (false, tail(serial).to_owned()),
        };
        let others = known.entry(key).or_default();
        let same = others.iter().find(|(other, there)| {
            // The same name twice is reported as that.
            let same_name = there.by == here.by && there.value.eq_ignore_ascii_case(here.value);
            let same_disk = match (&own, other) {
                (Number::Serial(a), Number::Serial(b)) => same_serial(a, b),
                _ => true,
            };
            !same_name && same_disk
        });
        if let Some((_, there)) = same
            && reported.insert((there.span, here.span))
        {
            let message = format!(
                "{} and {} are the same disk: {} {} is {} {}",
                here.place(),
                there.place(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disk_has_many_names() {
        let same = |a: (FindBy, &str), b: (FindBy, &str)| match (number(a.0, a.1), number(b.0, b.1)) {
            (Some(Number::Serial(a)), Some(Number::Serial(b))) => same_serial(&a, &b),
            (a, b) => a.is_some() && a == b,
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
        ] {
            assert!(same(a, b) && same(b, a), "{a:?} {b:?}");
        }
        for (a, b) in [
            ((ById, "ata-WDC_WD40_WD-A1"), (Serial, "D-A1")),
            ((ById, "ata-WDC_X_0001"), (ById, "ata-HGST_Y_0001")),
            ((ById, "wwn-0x5000c500a1b2c301"), (Wwn, "0x5000c500a1b2c302")),
            // Volumes of one RAID controller have the first half of their names in common.
            ((Wwn, "0x600508b1001c0001"), (Wwn, "0x600508b1001c00010000000000000002")),
        ] {
            assert!(!same(a, b), "{a:?} {b:?}");
        }
    }
}
