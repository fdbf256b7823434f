//! Serial numbers, World Wide Names, host:channel:target:lun.

use super::by_id::bus_of;
use super::{Fault, count, is_digits, is_kernel_name, is_number, is_uuid, normal, other_kind, without_label};
use crate::check::rules::disk_refs::is_hex;
use crate::model::FindBy;

pub(super) fn serial(text: &str) -> Option<Fault> {
    let lower = text.to_ascii_lowercase();
    if is_kernel_name(text) {
        return Some(Fault::new("the kernel hands these names out anew at each boot"));
    }
    if let Some(digits) = lower.strip_prefix("0x") {
        // The serial number of an SD card or eMMC.
        let of_card = is_hex(digits) && digits.len() == 8;
        return (!of_card).then(|| {
            Fault::new("0x is before a World Wide Name of 16 or 32 digits, or the 8 digits of a memory card")
                .elsewhere(text)
        });
    }
    if let Some(number) = without_label(text) {
        let fault = Fault::new("it begins with the words of a label");
        return Some(fault.elsewhere(number).meaning(FindBy::Serial, number));
    }
    if lower.starts_with("naa.") || lower.starts_with("t10.") || NVME_KINDS.iter().any(|kind| lower.starts_with(kind)) {
        return Some(
            Fault::new("it is a name of another kind, not a serial number").meaning_of(normal(FindBy::Wwn, text)),
        );
    }
    if let Some((bus, _)) = bus_of(&lower) {
        let rest = text.get(bus.len() + 1..).unwrap_or_default();
        let fault = Fault::new(format!("`{bus}-` is the bus, and begins a name below /dev/disk/by-id"));
        if bus == "wwn" {
            return Some(fault.meaning_of(normal(FindBy::Wwn, text)));
        }
        return Some(
            fault
                .meaning(FindBy::ById, format!("{bus}-{rest}"))
                .meaning(FindBy::Serial, rest),
        );
    }
    if let Some((by @ (FindBy::ByPath | FindBy::Hctl), value)) = other_kind(text) {
        return Some(Fault::new("it says where a disk is, not which").meaning(by, value));
    }
    let is_mac = text.split(':').count() == 6 && text.split(':').all(|pair| pair.len() == 2 && is_hex(pair));
    is_mac.then(|| Fault::new("it is the address of a network card"))
}

/// What an NVMe disk's World Wide Name begins with.
pub(super) const NVME_KINDS: [&str; 3] = ["eui.", "nvme.", "uuid."];

pub(super) fn wwn(text: &str) -> Option<Fault> {
    let why = wrong_name(text)?;
    let fault = Fault::new(why).meaning_of(normal(FindBy::Wwn, text));
    if fault.meant.is_some() {
        return Some(fault);
    }
    Some(match other_kind(text) {
        Some((by, value)) if by != FindBy::Wwn => fault.meaning(by, value),
        _ => fault,
    })
}

/// Why it is no World Wide Name as udev or the kernel writes one.
pub(super) fn wrong_name(text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let whole = is_hex(digits) && matches!(digits.len(), 16 | 32);
        return (!whole).then(|| format!("behind 0x are 16 or 32 hexadecimal digits, {}", count(digits)));
    }
    if let Some(digits) = text.strip_prefix("eui.") {
        let whole = is_hex(digits) && matches!(digits.len(), 16 | 32);
        return (!whole).then(|| format!("behind eui. are 16 or 32 hexadecimal digits, {}", count(digits)));
    }
    if let Some(uuid) = text.strip_prefix("uuid.") {
        return (!is_uuid(uuid)).then(|| "behind uuid. are 32 hexadecimal digits in five groups".to_owned());
    }
    if let Some(parts) = text.strip_prefix("nvme.") {
        return (!is_nvme_name(parts)).then(|| {
            "behind nvme. are vendor, serial number, model and namespace in hexadecimal, as in nvme.8086-4254-494e-00000001".to_owned()
        });
    }
    if text.starts_with("t10.") {
        return Some("udev shows no name of the kind t10. here".to_owned());
    }
    Some("a World Wide Name starts with 0x, eui., nvme. or uuid.".to_owned())
}

/// `VVVV-SERIAL-MODEL-NNNNNNNN`: vendor, the bytes of serial number and model, namespace.
fn is_nvme_name(parts: &str) -> bool {
    let parts: Vec<&str> = parts.split('-').collect();
    let [vendor, serial, model, namespace] = parts[..] else {
        return false;
    };
    parts.iter().all(|part| is_hex(part))
        && vendor.len() == 4
        && namespace.len() == 8
        && serial.len() % 2 == 0
        && model.len() % 2 == 0
        && serial.len() <= 40
        && model.len() <= 80
}

pub(super) fn hctl(text: &str) -> Option<Fault> {
    if is_hctl(text) {
        return None;
    }
    let zeros = numbers(text).is_some();
    let why = if zeros {
        "the kernel writes the numbers without leading zeros"
    } else {
        "it is four numbers, host:channel:target:lun"
    };
    Some(Fault::new(why).meaning_of(normal(FindBy::Hctl, text)).elsewhere(text))
}

/// The four numbers of host:channel:target:lun, however they are written.
pub(in crate::check::rules) fn numbers(text: &str) -> Option<[u64; 4]> {
    let parts: Vec<u64> = text
        .split(':')
        .map(|part| part.parse().ok().filter(|_| is_digits(part)))
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

pub(super) fn is_hctl(text: &str) -> bool {
    text.split(':').count() == 4 && text.split(':').all(is_number)
}
