//! Values that belong elsewhere: those of lxseed's own examples, and a network card's address in place of a serial number.

use std::collections::HashSet;

use super::load::ClusterFolder;
use super::lower::{Spanned, entries, quoted};
use super::rules::{PLACEHOLDER, SAMPLE};
use super::types::{Admin, Host};
use crate::finding::Findings;
use crate::model::Mac;
use crate::trust::ClientCertificate;

/// Bodies of the SSH keys in profiles/, in README and in the examples of rules.
const SSH_KEYS: [&str; 2] = [
    "AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq",
    "AAAAC3NzaC1lZDI1NTE5AAAAINbHq1a9TfDVOKGxyhLYBQkzwNCVGYjcUWZIK9ZsYd6n",
];
/// The comment that the shipped profiles give it.
const COMMENT: &str = " replace-me@desk";
/// Salts of the password hashes in the examples of rules.
const SALT: &str = "$q1w2e3r4t5y6$";
/// Fingerprint of the certificate in the examples of rules.
const CERTIFICATE: &str = "a0d51c67e6ee8bf0d52e2e8d2914f5073ba3475793366916d8b227260df8d8ae";
/// Serial numbers of the shipped profiles.
const SERIALS: [&str; 8] = [
    "S3Z9NB0K100001",
    "S3Z9NB0K100002",
    "WD-WCC4N0A10001",
    "WD-WCC4N0A10002",
    "WD-WCC4N0A10003",
    "WD-WCC4N0A20001",
    "WD-WCC4N0A20002",
    "WD-WCC4N0A20003",
];
/// Hardware addresses of the shipped profiles' hosts, and of docs/racks.md.
const MACS: [&str; 8] = [
    "52:54:00:12:34:56",
    "52:54:00:12:34:57",
    "52:54:00:20:00:01",
    "52:54:00:20:00:02",
    "52:54:00:20:00:03",
    "52:54:00:20:00:11",
    "52:54:00:20:00:12",
    "52:54:00:20:00:13",
];

/// Reports what was copied from elsewhere.
pub(super) fn copied(folder: &ClusterFolder, findings: &mut Findings) {
    // The shipped profiles are for looking at and fit no machine. As soon as one is meant, its address is there; a host that has
    // none yet cannot be built.
    let is_shipped = macs(folder).all(|mac| MACS.contains(&mac.to_string().as_str()));
    let admin = folder.cluster.as_ref().and_then(|cluster| cluster.value.admin.as_ref());
    if let Some(admin) = admin {
        access(&admin.value, is_shipped, findings);
    }
    let macs: HashSet<String> = macs(folder).map(|mac| digits(&mac.to_string())).collect();
    for host in &folder.hosts {
        for serial in serials(&host.value) {
            let text = &serial.value;
            if !is_shipped && SERIALS.contains(&text.as_str()) {
                let message = format!("{} is the serial number of an example of lxseed's own", quoted(text));
                findings
                    .add(&SAMPLE, serial.span, message, "write the number of the disk or machine")
                    .label("from an example");
            } else if (12..=17).contains(&text.len()) && macs.contains(&digits(text)) {
                let message = format!(
                    "{} is the hardware address of a network card, no serial number",
                    quoted(text)
                );
                let help = "write the number on the disk's or machine's own label";
                findings
                    .add(&PLACEHOLDER, serial.span, message, help)
                    .label("a hardware address");
            }
        }
    }
}

fn macs(folder: &ClusterFolder) -> impl Iterator<Item = Mac> {
    let networks = folder.hosts.iter().filter_map(|host| host.value.network.as_ref());
    networks.flat_map(|network| network.value.macs().map(|(_, mac)| mac.value))
}

fn serials(host: &Host) -> impl Iterator<Item = &Spanned<String>> {
    let of_slots = entries(host.slots.as_ref()).iter();
    of_slots
        .filter_map(|(_, slot)| slot.value.serial.as_ref())
        .chain(&host.dmi_serial)
}

/// The digits of a hardware address, however it is spelled.
fn digits(text: &str) -> String {
    let digits = text.chars().filter(|c| !matches!(c, ':' | '-' | '.'));
    digits.map(|c| c.to_ascii_lowercase()).collect()
}

/// Ways in that are in everybody's hands.
fn access(admin: &Admin, is_shipped: bool, findings: &mut Findings) {
    for key in admin.ssh_authorized_keys.iter().flat_map(|keys| &keys.value) {
        let is_sample = key.value.split_whitespace().any(|word| SSH_KEYS.contains(&word));
        if is_sample && !(is_shipped && key.value.ends_with(COMMENT)) {
            let message =
                "this SSH key is of lxseed's own examples: it locks you out, and lets in whoever has its other half";
            let help = "write your own, the one line of ~/.ssh/id_ed25519.pub (`ssh-keygen -t ed25519` makes one)";
            findings.add(&SAMPLE, key.span, message, help).label("from an example");
        }
    }
    if let Some(hash) = admin.password_hash.as_ref().filter(|hash| hash.value.contains(SALT)) {
        let message = "`password_hash` is of lxseed's own examples: everybody can know the password";
        findings
            .add(&SAMPLE, hash.span, message, "make your own with `openssl passwd -6`")
            .label("from an example");
    }
    for (name, pem) in entries(admin.lxd_certificates.as_ref()) {
        let is_sample = |certificate: &ClientCertificate| certificate.fingerprint() == CERTIFICATE;
        if ClientCertificate::parse(&pem.value).as_ref().is_ok_and(is_sample) {
            let message = format!("client certificate {} is of lxseed's own examples", quoted(&name.value));
            findings
                .add(
                    &SAMPLE,
                    name.span,
                    message,
                    "write that of your desk (~/.config/lxc/client.crt)",
                )
                .label("from an example");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// The shipped profiles and README carry what is looked for, and nothing of the kind that is not.
    #[test]
    fn the_examples_are_known() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        let read = |path: &str| std::fs::read_to_string(root.to_owned() + path).unwrap();
        let carried = [
            "README.md",
            "docs/rules.md",
            "docs/racks.md",
            "profiles/lab/cluster.yaml",
            "profiles/rack/cluster.yaml",
            "profiles/lab/hosts/node1.yaml",
            "profiles/lab/hosts/node2.yaml",
            "profiles/rack/hosts/rack-a.yaml",
            "profiles/rack/hosts/rack-b.yaml",
            "profiles/rack/hosts/rack-c.yaml",
        ];
        let text: String = carried.map(read).concat();
        for value in SSH_KEYS.iter().chain(&SERIALS).chain(&MACS).chain([&SALT, &COMMENT]) {
            assert!(text.contains(value), "{value}");
        }
        for path in &carried[2..] {
            let own = read(path);
            for (at, _) in own.match_indices("ssh-ed25519 ") {
                assert!(SSH_KEYS.iter().any(|key| own[at..].contains(key)), "{path}");
            }
            for serial in own.split("serial: ").skip(1) {
                let serial = serial.split('}').next().unwrap();
                assert!(SERIALS.contains(&serial), "{path}: {serial}");
            }
            for mac in own.split("mac: \"").skip(1) {
                assert!(MACS.contains(&&mac[..17]), "{path}: {mac}");
            }
        }
    }
}
