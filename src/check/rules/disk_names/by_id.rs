//! Names below /dev/disk/by-id.

use super::number::{NVME_KINDS, wwn};
use super::{Fault, count, holds, is_digits, is_name_of_digits, is_number, is_uuid, normal};
use crate::check::rules::disk_refs::is_hex;
use crate::model::FindBy;

/// What names below by-id begin with, without the hyphen.
const BUSES: [&str; 11] = [
    "ata", "cciss", "ccw", "ieee1394", "memstick", "mmc", "nvme", "scsi", "usb", "virtio", "wwn",
];

/// Names of what is made on disks, which are reported as such.
const LAYERS: [&str; 3] = ["dm-", "md-", "lvm-pv-uuid-"];

/// The bus and what is behind its hyphen.
pub(super) fn bus_of(text: &str) -> Option<(&'static str, &str)> {
    BUSES.iter().find_map(|bus| {
        let rest = text.strip_prefix(bus)?.strip_prefix('-')?;
        Some((*bus, rest))
    })
}

pub(super) fn by_id(text: &str) -> Option<Fault> {
    if LAYERS.iter().any(|layer| text.starts_with(layer)) {
        return None;
    }
    if text.contains('/') {
        let last = text.rsplit('/').next().unwrap_or(text);
        return Some(Fault::new("it is one name, without slashes").meaning(FindBy::ById, last));
    }
    if let Some(disk) = whole_disk_of(text) {
        return Some(Fault::new("it is a partition, and a slot is a whole disk").meaning(FindBy::ById, disk));
    }
    let Some((bus, rest)) = bus_of(text) else {
        return Some(without_bus(text));
    };
    if rest.is_empty() {
        return Some(Fault::new("nothing is behind the bus"));
    }
    if text.starts_with("virtio-pci-") && holds(FindBy::ByPath, text) {
        return Some(Fault::new("it is a path").meaning(FindBy::ByPath, text));
    }
    if bus != "virtio" && bus_of(rest).is_some() {
        return Some(Fault::new("the bus is there twice").meaning(FindBy::ById, rest));
    }
    match bus {
        "ata" => model_and_serial(bus, rest),
        "nvme" => nvme(rest),
        "scsi" => scsi(rest),
        "usb" => usb(text, rest),
        "virtio" => virtio(rest),
        "wwn" => wwn_link(rest),
        "mmc" | "memstick" => mmc(rest),
        _ => None,
    }
}

/// The disk's name, if this is the name of one of its partitions.
pub(super) fn whole_disk_of(text: &str) -> Option<&str> {
    let (disk, number) = text.rsplit_once("-part")?;
    is_digits(number).then_some(disk)
}

/// An ATA disk has a model of up to 40 characters and a serial number of up to 20 (ATA8-ACS, 7.16), an NVMe disk too
/// (NVMe 1.3, figure 109); udev joins them by an underscore.
fn model_and_serial(bus: &str, rest: &str) -> Option<Fault> {
    const LONGEST_OF_BOTH: usize = 40 + 1 + 20;
    // A newer udev adds the namespace.
    let room = if bus == "nvme" {
        LONGEST_OF_BOTH + 4
    } else {
        LONGEST_OF_BOTH
    };
    if rest.len() > room {
        return Some(Fault::new(format!(
            "a model has at most 40 characters and a serial number 20, and this has {} behind the bus",
            rest.len()
        )));
    }
    let both = rest.rsplit_once('_');
    if both.is_none_or(|(model, serial)| model.is_empty() || serial.is_empty()) {
        let fault = Fault::new(format!(
            "model and serial number are behind the bus: {bus}-MODEL_SERIAL"
        ));
        return Some(if both.is_none() {
            fault.elsewhere(rest).meaning(FindBy::Serial, rest)
        } else {
            fault
        });
    }
    None
}

fn nvme(rest: &str) -> Option<Fault> {
    if NVME_KINDS
        .iter()
        .any(|kind| rest.to_ascii_lowercase().starts_with(kind))
    {
        let Some(faulty) = wwn(rest) else {
            return in_small_letters(rest, FindBy::ById, "nvme-");
        };
        let meant = faulty.meant.map(|(_, value)| format!("nvme-{value}"));
        let fault = Fault::new(faulty.why);
        return Some(match meant {
            Some(meant) => fault.meaning(FindBy::ById, meant),
            None => fault,
        });
    }
    if rest.to_ascii_lowercase().starts_with("0x") {
        return Some(Fault::new("model and serial number are behind the bus: nvme-MODEL_SERIAL").elsewhere(rest));
    }
    model_and_serial("nvme", rest)
}

/// The character behind the hyphen says what kind of number follows: 0 to 3 and 8 of the disk's own designators (SPC-4,
/// 7.8.6), S for vendor, model and serial number.
fn scsi(rest: &str) -> Option<Fault> {
    let lower = rest.to_ascii_lowercase();
    if let Some(name) = lower.strip_prefix("0x") {
        return Some(
            Fault::new("a World Wide Name has `3` here instead of `0x`").meaning(FindBy::ById, format!("scsi-3{name}")),
        );
    }
    if is_name_of_digits(&lower) {
        return Some(
            Fault::new("udev writes a `3` before a World Wide Name here")
                .meaning(FindBy::ById, format!("scsi-3{lower}")),
        );
    }
    if let Some(name) = lower.strip_prefix("naa.") {
        return Some(Fault::new("udev writes `3` for `naa.` here").meaning(FindBy::ById, format!("scsi-3{name}")));
    }
    match rest.as_bytes() {
        [b'3', ..] => {
            let digits = &rest[1..];
            if !is_hex(digits) || !matches!(digits.len(), 16 | 32) {
                return Some(Fault::new(format!(
                    "behind `scsi-3` are the 16 or 32 hexadecimal digits of a World Wide Name, {}",
                    count(digits)
                )));
            }
            in_small_letters(rest, FindBy::ById, "scsi-")
        }
        [b'2', ..] if is_hex(&rest[1..]) => {
            if !matches!(rest.len() - 1, 16 | 24 | 32) {
                return Some(Fault::new(format!(
                    "behind `scsi-2` are the 16, 24 or 32 hexadecimal digits of an EUI-64, {}",
                    count(&rest[1..])
                )));
            }
            in_small_letters(rest, FindBy::ById, "scsi-")
        }
        [b'0'..=b'2' | b'8' | b'S', _, ..] => None,
        _ => Some(
            Fault::new("behind `scsi-` is a digit that says what kind of number follows, or `S`")
                .meaning(FindBy::Serial, rest),
        ),
    }
}

/// `usb-VENDOR_MODEL_SERIAL-0:0`: the end is target and unit.
fn usb(text: &str, rest: &str) -> Option<Fault> {
    let unit = rest.rsplit_once('-').map(|(_, unit)| unit);
    let has_unit = unit
        .and_then(|unit| unit.split_once(':'))
        .is_some_and(|(target, unit)| is_number(target) && is_number(unit));
    if !rest.contains('_') {
        return Some(Fault::new(
            "maker, model and serial number are behind the bus: usb-MAKER_MODEL_SERIAL-0:0",
        ));
    }
    (!has_unit).then(|| {
        Fault::new("udev ends the name of a disk on USB with its unit, mostly `-0:0`")
            .meaning(FindBy::ById, format!("{text}-0:0"))
    })
}

/// A virtio disk has room for 20 characters (VIRTIO_BLK_ID_BYTES).
fn virtio(rest: &str) -> Option<Fault> {
    const ROOM: usize = 20;
    (rest.len() > ROOM).then(|| {
        Fault::new("a virtio disk's serial number has at most 20 characters, and what is behind them is cut off")
            .meaning(FindBy::ById, format!("virtio-{}", rest.get(..ROOM).unwrap_or_default()))
    })
}

/// The kernel shows a card's serial number as 0x and eight digits.
fn mmc(rest: &str) -> Option<Fault> {
    let number = rest.rsplit_once("_0x").filter(|(name, _)| !name.is_empty());
    let whole =
        number.is_some_and(|(_, digits)| is_hex(digits) && digits.len() == 8 && digits == digits.to_ascii_lowercase());
    (!whole).then(|| {
        Fault::new("a card's name ends with its serial number, an underscore, 0x and eight hexadecimal digits")
    })
}

fn wwn_link(rest: &str) -> Option<Fault> {
    let lower = rest.to_ascii_lowercase();
    if NVME_KINDS.iter().any(|kind| lower.starts_with(kind)) {
        let fault = Fault::new("an NVMe disk's name begins with nvme-");
        return Some(fault.meaning(FindBy::ById, format!("nvme-{lower}")));
    }
    let Some(digits) = lower.strip_prefix("0x") else {
        let fault = Fault::new("behind `wwn-` are 0x and 16 or 32 hexadecimal digits");
        return Some(match normal(FindBy::Wwn, rest) {
            Some((FindBy::Wwn, name)) => fault.meaning(FindBy::ById, format!("wwn-{name}")),
            _ => fault,
        });
    };
    if !is_hex(digits) || !matches!(digits.len(), 16 | 32) {
        return Some(Fault::new(format!(
            "behind `wwn-0x` are 16 or 32 hexadecimal digits, {}",
            count(digits)
        )));
    }
    in_small_letters(rest, FindBy::ById, "wwn-")
}

fn in_small_letters(rest: &str, by: FindBy, before: &str) -> Option<Fault> {
    let lower = rest.to_ascii_lowercase();
    (lower != rest)
        .then(|| Fault::new("udev writes hexadecimal digits in small letters").meaning(by, format!("{before}{lower}")))
}

/// A name without a bus that udev knows.
fn without_bus(text: &str) -> Fault {
    let lower = text.to_ascii_lowercase();
    if let Some((bus, _)) = bus_of(&lower) {
        let rest = text.get(bus.len()..).unwrap_or_default();
        return Fault::new(format!("udev writes the bus in small letters, `{bus}-`"))
            .meaning(FindBy::ById, format!("{bus}{rest}"))
            .meaning(FindBy::ById, lower);
    }
    let no_bus = Fault::new("names there begin with ata-, nvme-, scsi-, usb-, virtio-, wwn- or another bus");
    if is_uuid(text) {
        return Fault::new("it is a UUID, which what is written on a disk has, not the disk")
            .help("find the disk by serial, wwn or a name that `ls -l /dev/disk/by-id` shows on the machine");
    }
    let no_bus = no_bus.elsewhere(text);
    if no_bus.meant.is_some() {
        return no_bus;
    }
    // The hyphen behind the bus, mistyped.
    for bus in BUSES {
        let behind = lower.strip_prefix(bus).and(text.get(bus.len()..)).unwrap_or_default();
        if let Some(rest) = behind.strip_prefix(['_', ':', '.', '=', '+']) {
            return no_bus.meaning(FindBy::ById, format!("{bus}-{rest}"));
        }
        let glued = behind.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if glued && matches!(bus, "wwn" | "nvme" | "scsi" | "virtio") {
            return no_bus.meaning(FindBy::ById, format!("{bus}-{behind}"));
        }
    }
    // A letter of the bus, mistyped.
    if let Some((word, rest)) = lower
        .split_once('-')
        .and_then(|(word, _)| Some((word, text.get(word.len() + 1..)?)))
        && let Some(bus) = BUSES
            .iter()
            .find(|bus| bus.len() > 2 && strsim::damerau_levenshtein(bus, word) == 1)
    {
        return no_bus.meaning(FindBy::ById, format!("{bus}-{rest}"));
    }
    if text.starts_with('-') || text.ends_with(['-', '_', ':', '.']) {
        return no_bus;
    }
    no_bus.meaning(FindBy::Serial, text)
}
