//! Names below /dev/disk/by-path.

use super::by_id::whole_disk_of;
use super::number::is_hctl;
use super::{Fault, holds, is_digits, is_long, is_number, is_small_hex};
use crate::model::FindBy;

pub(super) fn by_path(text: &str) -> Option<Fault> {
    if text.contains('/') {
        let last = text.rsplit('/').next().unwrap_or(text);
        return Some(Fault::new("it is one name, without slashes").meaning(FindBy::ByPath, last));
    }
    if let Some(disk) = whole_disk_of(text) {
        return Some(Fault::new("it is a partition, and a slot is a whole disk").meaning(FindBy::ByPath, disk));
    }
    if is_on_network(text) {
        return Some(
            Fault::new("it is a disk on the network (iSCSI), and a slot is a disk of the machine")
                .help("name a disk that is built into the machine"),
        );
    }
    let wrong = wrong_part(text)?;
    let fault = Fault::new(wrong).elsewhere(text);
    let lower = text.to_ascii_lowercase();
    if fault.meant.is_none() && holds(FindBy::ByPath, &lower) {
        return Some(Fault::new("udev writes a path in small letters").meaning(FindBy::ByPath, lower));
    }
    let fault = respelled(&lower)
        .into_iter()
        .fold(fault, |fault, path| fault.meaning(FindBy::ByPath, path));
    Some(fault)
}

pub(super) fn is_on_network(path: &str) -> bool {
    path.contains("-iscsi-") || path.starts_with("ip-")
}

/// Other spellings of what may be a path: without the bus, without the domain (0000 on nearly every machine), as other
/// programs and versions write it.
fn respelled(lower: &str) -> Vec<String> {
    let path = lower.strip_prefix("path-").unwrap_or(lower);
    let path = path.replacen("pci_", "pci-", 1).replacen("pci:", "pci-", 1);
    let address = path.strip_prefix("pci-").unwrap_or(&path);
    let mut all = vec![format!("pci-{address}"), format!("pci-0000:{address}"), path.clone()];
    // A word of the bus and its number, written together or apart in another way.
    let mut parts: Vec<String> = address.split('-').map(str::to_owned).collect();
    for part in &mut parts {
        for word in ["ata", "scsi", "nvme"] {
            let number = part
                .strip_prefix(word)
                .map(|number| number.trim_start_matches([':', '_', '.']));
            if let Some(number) = number.filter(|number| number.starts_with(|c: char| c.is_ascii_digit())) {
                *part = format!("{word}-{number}");
            }
        }
        if part.strip_prefix("usbv").is_some_and(is_digits) {
            "usb".clone_into(part);
        }
    }
    let parts = parts.join("-");
    // As it was before systemd 230.
    all.extend(path.split_once("-virtio-pci-virtio").map(|(path, _)| path.to_owned()));
    all.push(format!("pci-{parts}"));
    all.push(format!("pci-0000:{parts}"));
    all
}

/// Why it is not a path that udev makes; nothing if it is one.
pub(super) fn wrong_part(text: &str) -> Option<String> {
    const HEADS: &str = "a path begins with the bus, such as pci-0000:00:17.0";
    // virtio disks have a second name, as they had before systemd 230.
    let text = text
        .strip_prefix("virtio-")
        .filter(|path| path.starts_with("pci-"))
        .unwrap_or(text);
    let mut parts = text.split('-');
    let mut first = true;
    let mut named = false;
    while let Some(part) = parts.next() {
        let mut next = || parts.next().unwrap_or_default();
        let wrong = match part {
            "pci" => {
                let address = next();
                (!is_pci_address(address)).then(|| pci_fault(address))
            }
            // What these are called is up to the firmware.
            "platform" | "acpi" | "xen" | "ccw" | "ccwgroup" | "scm" | "vmbus" | "ap" | "iucv" => {
                named = true;
                next().is_empty().then(|| format!("nothing is behind `{part}-`"))
            }
            _ if first => return Some(HEADS.to_owned()),
            "ata" => {
                let port = next();
                let whole = port
                    .split_once('.')
                    .map_or(is_number(port), |(port, disk)| is_number(port) && is_number(disk));
                (!whole).then(|| "behind `ata-` is the number of the port".to_owned())
            }
            "nvme" => (!is_number(next())).then(|| "behind `nvme-` is the number of the namespace".to_owned()),
            "scsi" => (!is_hctl(next()))
                .then(|| "behind `scsi-` are host, channel, target and lun, as in scsi-0:2:1:0".to_owned()),
            "usb" => (!is_usb(next())).then(|| "behind `usb-` are port and interface, as in usb-0:2:1.0".to_owned()),
            "sas" | "fc" => wrong_sas(part, &mut parts),
            "lun" => (!is_lun(next())).then(|| "behind `lun-` is a number".to_owned()),
            "cciss" => (!next().strip_prefix("disk").is_some_and(is_number))
                .then(|| "behind `cciss-` is the disk, as in cciss-disk0".to_owned()),
            "ieee1394" => (!next().strip_prefix("0x").is_some_and(is_small_hex))
                .then(|| "behind `ieee1394-` is a number with 0x".to_owned()),
            // Of a name that has hyphens itself.
            _ if named && !part.is_empty() => None,
            "" => Some("a part of it is missing: two hyphens, or one at the end".to_owned()),
            _ => Some(format!("a path has no part `{part}`")),
        };
        if wrong.is_some() {
            return wrong;
        }
        first = false;
    }
    None
}

/// A disk of a SAS controller: `phy2-lun-0`, behind an expander `exp0x…-phy2-lun-0`, else `0x…-lun-0`; of a Fibre Channel
/// one, the last of these.
fn wrong_sas<'a>(bus: &str, parts: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let mut part = parts.next().unwrap_or_default();
    if bus == "sas" && part.strip_prefix("exp").is_some_and(is_long) {
        part = parts.next().unwrap_or_default();
        if !part.strip_prefix("phy").is_some_and(is_number) {
            return Some("behind the expander is the phy, as in sas-exp0x500056b36789abff-phy2-lun-0".to_owned());
        }
    } else if !(is_long(part) || bus == "sas" && part.strip_prefix("phy").is_some_and(is_number)) {
        return Some(format!(
            "behind `{bus}-` is the phy or an address of 0x and 16 digits, as in {bus}-0x5000c500a1b2c3d4-lun-0"
        ));
    }
    let lun = parts.next() == Some("lun") && parts.next().is_some_and(is_lun);
    (!lun).then(|| "it ends with `-lun-` and a number".to_owned())
}

fn pci_fault(address: &str) -> String {
    let shape = "domain:bus:device.function";
    match address.matches(':').count() {
        1 => format!("the domain is missing before `{address}`, which is {shape}, as in 0000:00:17.0"),
        _ => format!("`{address}` is no address on the PCI bus, {shape}, as in 0000:00:17.0"),
    }
}

/// Domains have four digits, those of Intel's VMD five. A device number is below 32, a function below 8.
fn is_pci_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '.']).collect();
    let [domain, bus, device, function] = parts[..] else {
        return false;
    };
    text == format!("{domain}:{bus}:{device}.{function}")
        && parts.iter().all(|part| is_small_hex(part))
        && matches!(domain.len(), 4..=8)
        && bus.len() == 2
        && device.len() == 2
        && matches!(device.as_bytes()[0], b'0' | b'1')
        && function.len() == 1
        && matches!(function.as_bytes()[0], b'0'..=b'7')
}

/// `0:2:1.0`: the port, behind hubs `1.4`, then configuration and interface.
fn is_usb(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["0", port, interface] = parts[..] else {
        return false;
    };
    let numbers = |text: &str| text.split('.').all(is_number);
    numbers(port) && numbers(interface) && interface.matches('.').count() == 1
}

/// A number, or one of those from 256 on in the long form.
fn is_lun(text: &str) -> bool {
    is_number(text) || is_long(text)
}
