//! How profiles refer to disks, and what can be read from such a reference alone.

use crate::check::view::{ClusterView, HostView, SiteView, ways};
use crate::model::FindBy;
use crate::profile::quoted;
use crate::source::{Sources, Span};

/// Every way of finding a disk that is written anywhere, once.
pub(super) fn for_each_way(site: &SiteView<'_>, mut visit: impl FnMut(FindBy, &str, Span)) {
    for (_, slot) in site.written_slots() {
        for (by, value) in ways(&slot.value) {
            visit(by, &value.value, value.span);
        }
    }
}

/// A way of finding a disk that a slot of a host has.
#[derive(Clone, Copy)]
pub(super) struct DiskRef<'a> {
    pub(super) by: FindBy,
    pub(super) value: &'a str,
    pub(super) span: Span,
    pub(super) slot: &'a str,
    pub(super) host: &'a HostView<'a>,
    cluster: &'a ClusterView<'a>,
}

impl DiskRef<'_> {
    /// Whether both are ways of finding the disk of one slot.
    pub(super) fn is_of_same_slot(&self, other: &DiskRef<'_>) -> bool {
        std::ptr::eq(self.host, other.host) && self.slot == other.slot
    }

    /// The slot, for messages that name another one, too: where two hosts have one name, by cluster or file.
    pub(super) fn place_beside(&self, other: &DiskRef<'_>, sources: &Sources) -> String {
        let cluster = |disk: &DiskRef<'_>| {
            disk.cluster
                .profile()
                .and_then(|profile| Some(profile.name.as_ref()?.value.clone()))
        };
        let host = self.host.label();
        let host = if std::ptr::eq(self.host, other.host) || host != other.host.label() {
            host.to_owned()
        } else if let Some(name) = cluster(self).filter(|_| cluster(self) != cluster(other)) {
            format!("{name}/{host}")
        } else {
            let file = sources.file(self.host.document.span.file);
            let line = file.place(self.host.document.span.used().start as usize).line;
            format!("{host} ({}:{line})", file.path)
        };
        format!("slot {} of {host}", quoted(self.slot))
    }
}

/// Every way of finding a disk that a host has, from its own profile or its disks profile; with the number of the host.
pub(super) fn disk_refs<'a>(site: &'a SiteView<'a>) -> impl Iterator<Item = (usize, DiskRef<'a>)> {
    let hosts = site
        .clusters
        .iter()
        .flat_map(|cluster| cluster.hosts.iter().map(move |host| (cluster, host)));
    hosts.enumerate().flat_map(|(at, (cluster, host))| {
        host.slots.iter().flat_map(move |(name, slot)| {
            slot.ways.iter().map(move |(by, value)| {
                let disk = DiskRef {
                    by: *by,
                    value: &value.value,
                    span: value.span,
                    slot: name,
                    host,
                    cluster,
                };
                (at, disk)
            })
        })
    })
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What firmware shows in place of a serial number, in lower case.
const PLACEHOLDERS: [&str; 16] = [
    "none",
    "n/a",
    "unknown",
    "undefined",
    "unspecified",
    "not specified",
    "not available",
    "not applicable",
    "default string",
    "default_string",
    "serial number",
    "serial",
    "system serial number",
    "to be filled by o.e.m.",
    "to_be_filled_by_o.e.m.",
    "o.e.m.",
];

/// The number within the value that no maker gave a disk, if it is one.
pub(super) fn placeholder(by: FindBy, text: &str) -> Option<&str> {
    let number = match by {
        FindBy::Serial => text,
        FindBy::Wwn => ["0x", "eui."]
            .iter()
            .find_map(|kind| text.strip_prefix(kind))
            .unwrap_or(text),
        FindBy::ById => serial_in_name(text).map(|name| tail(name).trim_start_matches("eui."))?,
        FindBy::ByPath | FindBy::Hctl => return None,
    };
    is_placeholder(number).then_some(number)
}

pub(super) fn is_placeholder(number: &str) -> bool {
    let lower = number.to_ascii_lowercase();
    let mut characters = lower.chars();
    let first = characters.next();
    let all_same = lower.len() >= 4 && characters.all(|c| Some(c) == first);
    let counts = lower.len() >= 8
        && ["0123456789abcdef", "1234567890abcdef", "123456789abcdef"]
            .iter()
            .any(|row| row.starts_with(&lower) || lower.starts_with(row));
    all_same || counts || PLACEHOLDERS.contains(&lower.as_str())
}

/// Model and serial number within a name below by-id that holds them.
pub(super) fn serial_in_name(name: &str) -> Option<&str> {
    if let Some(name) = name.strip_prefix("usb-") {
        // Target and unit are at the end.
        return Some(
            name.rsplit_once('-')
                .filter(|(_, unit)| unit.contains(':'))
                .map_or(name, |(name, _)| name),
        );
    }
    let buses = [
        "ata-",
        "nvme-",
        "virtio-",
        "mmc-",
        "scsi-S",
        "scsi-s",
        "scsi-0ATA_",
        "scsi-0ata_",
        "scsi-1ATA_",
        "scsi-1ata_",
    ];
    buses.iter().find_map(|bus| name.strip_prefix(bus))
}

/// What follows the last underscore: the serial number or its end.
pub(super) fn tail(serial: &str) -> &str {
    serial.rsplit('_').next().unwrap_or(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_serial_numbers() {
        for text in [
            "None",
            "Default string",
            "To Be Filled By O.E.M.",
            "00000000",
            "xxxxxxxxxx",
            "0123456789ABCDEF",
            "0123456789",
            "1234567890",
            "123456789ABCDEF01",
        ] {
            assert!(placeholder(FindBy::Serial, text).is_some(), "{text}");
        }
        for text in ["null", "on", "000", "190", "S3Z9NB0K100001", "12345", "ZZZ1", ""] {
            assert_eq!(placeholder(FindBy::Serial, text), None, "{text}");
        }
        assert!(placeholder(FindBy::Wwn, "0x0000000000000000").is_some());
        assert!(placeholder(FindBy::Wwn, "eui.0000000000000000").is_some());
        assert!(placeholder(FindBy::ById, "ata-SSD_64GB_00000000").is_some());
        assert!(placeholder(FindBy::ById, "nvme-eui.0000000000000000").is_some());
        assert_eq!(placeholder(FindBy::ById, "ata-SSD_64GB_AA01"), None);
        assert_eq!(placeholder(FindBy::ByPath, "0000"), None);
    }
}
