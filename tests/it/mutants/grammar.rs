//! What a value of each key can be, said a second time: by patterns, without a look at how `check` does it.
//!
//! Many slips give another value of the same kind, which nobody but the machine can tell: another digit of a serial
//! number, another model of a disk, another free address, another letter in the body of a key. What a pattern refuses
//! here, `check` has to refuse.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::characters::Slip;

/// `LABEL`s are names of pools, volumes, slots and disks profiles.
const LABEL: &str = "[a-z][a-z0-9_-]{0,23}";
const NAME: &str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const HEX16: &str = "(?:[0-9a-f]{16}|[0-9a-f]{32})";
/// What udev writes in a name.
const PLAIN: &str = "[A-Za-z0-9#+.:=@_-]";

fn patterns() -> HashMap<&'static str, String> {
    let uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    let nvme = "[0-9a-f]{4}-([0-9a-f]{2}){0,20}-([0-9a-f]{2}){0,40}-[0-9a-f]{8}";
    let kinds = format!("eui\\.{HEX16}|uuid\\.{uuid}|nvme\\.{nvme}");
    // Model and serial number have at most 61 characters together; a newer udev's namespace comes on top.
    let by_id = [
        format!("ata-{PLAIN}+_{PLAIN}+"),
        format!("nvme-(?:{kinds}|{PLAIN}+_{PLAIN}+)"),
        format!("scsi-(?:3{HEX16}|2[0-9a-f]+|[018S]{PLAIN}+)"),
        format!("wwn-0x{HEX16}"),
        format!("usb-{PLAIN}+_{PLAIN}+-[0-9]+:[0-9]+"),
        format!("virtio-{PLAIN}{{1,20}}"),
        format!("mmc-{PLAIN}+_0x[0-9a-f]{{8}}"),
        format!("(?:ieee1394|memstick|cciss|ccw)-{PLAIN}+"),
    ];
    let n = "(?:0|[1-9][0-9]{0,9})";
    let pci = "pci-[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\\.[0-7]";
    let address = "0x[0-9a-f]{16}";
    let lun = format!("lun-(?:{n}|{address})");
    let at_controller = [
        format!("ata-{n}(?:\\.{n})?"),
        format!("scsi-{n}:{n}:{n}:{n}"),
        format!("nvme-{n}"),
        format!("sas-(?:phy{n}|exp{address}-phy{n}|{address})-{lun}"),
        format!("fc-{address}-{lun}"),
        format!("usb-0:{n}(?:\\.{n})*:{n}\\.{n}-scsi-{n}:{n}:{n}:{n}"),
        format!("cciss-disk{n}"),
    ]
    .join("|");
    let firmware = format!("(?:platform|acpi|xen)-{PLAIN}+");
    let by_path = format!("(?:virtio-)?(?:(?:{pci}-)*{pci}(?:-(?:{at_controller}))?|{firmware})");
    HashMap::from([
        ("by_id", by_id.join("|")),
        ("by_path", by_path),
        ("serial", format!("(?:{PLAIN}|/)+")),
        ("wipe", format!("(?:{PLAIN}|/)+")),
        ("wwn", format!("0x(?i:{HEX16})|(?:eui|uuid|nvme)\\.(?i:{HEX16}|{uuid}|{nvme})")),
        ("hctl", format!("{n}:{n}:{n}:{n}")),
        ("min_size", "[0-9]+(?:\\.[0-9]+)? *[kMGT]i?B".to_owned()),
        ("max_size", "[0-9]+(?:\\.[0-9]+)? *[kMGT]i?B".to_owned()),
        ("mac", "[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:\\.[0-9A-Fa-f]{4}){2}".to_owned()),
        ("name", NAME.to_owned()),
        ("bootstrap", NAME.to_owned()),
        ("disks", LABEL.to_owned()),
        ("slot", LABEL.to_owned()),
        ("volume", LABEL.to_owned()),
        ("device", LABEL.to_owned()),
        ("mirror", LABEL.to_owned()),
        ("zfs_mirror", LABEL.to_owned()),
        ("reinstall", "[0-9a-f]{8}".to_owned()),
        ("formed", "[0-9a-f]{16}".to_owned()),
        ("spares", NAME.to_owned()),
        ("user", "[a-z_][a-z0-9_-]{0,31}".to_owned()),
        ("password_hash", "\\$6\\$[A-Za-z0-9./]{1,16}\\$[A-Za-z0-9./]{86}|\\$5\\$[A-Za-z0-9./]{1,16}\\$[A-Za-z0-9./]{43}".to_owned()),
        // sshd and cloud-init take several blanks for one.
        ("ssh_authorized_keys", "ssh-ed25519 +AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}(?: .*)?|(?:ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) +AAAA[A-Za-z0-9+/]+={0,2}(?: .*)?".to_owned()),
        // DNS does not tell the cases apart.
        ("search", format!("(?i:(?:{NAME}\\.)*{NAME})")),
        ("subnet", "[0-9A-Fa-f.:]+/[0-9]{1,3}".to_owned()),
        ("to", "[0-9A-Fa-f.:]+/[0-9]{1,3}".to_owned()),
        ("mode", "balance-rr|active-backup|balance-xor|broadcast|802\\.3ad|balance-tlb|balance-alb".to_owned()),
        ("lacp_rate", "slow|fast".to_owned()),
        ("transmit_hash_policy", "(?:layer2|encap2)(?:\\+3)?|(?:layer3|encap3)\\+4".to_owned()),
        ("bridge", "br[a-z0-9-]{0,13}".to_owned()),
        ("runcmd", "before|after".to_owned()),
        ("ubuntu", "18\\.04".to_owned()),
        ("kernel", "ga|hwe".to_owned()),
        ("driver", "zfs|btrfs|lvm|dir".to_owned()),
        ("overlay", "fan|bridge|none".to_owned()),
        ("channel", "(?:4\\.0|5\\.0|5\\.21)/(?:stable|candidate|beta|edge)".to_owned()),
    ])
}

static PATTERNS: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    let anchored = |(key, pattern): (&'static str, String)| {
        let regex = Regex::new(&format!("^(?:{pattern})$")).unwrap_or_else(|error| panic!("{key}: {error}"));
        (key, regex)
    };
    patterns().into_iter().map(anchored).collect()
});

/// Keys whose values name something else of the site: no other text is as good.
const REFERENCES: [&str; 7] = ["bootstrap", "disks", "slot", "volume", "device", "mirror", "zfs_mirror"];

/// Whether the slip cannot be meant.
pub(crate) fn is_wrong(slip: &Slip) -> bool {
    let text = slip.text.as_str();
    match slip.key.as_str() {
        // Reasons are prose, and a certificate is what it is signed to be; what of it can be told is tested where it is read.
        _ if slip.above == "allow" => false,
        "address" | "gateway" | "nameservers" | "via" => text.parse::<std::net::IpAddr>().is_err(),
        _ if slip.above == "networks" => text.parse::<std::net::IpAddr>().is_err(),
        _ if slip.above == "links" => !PATTERNS["mac"].is_match(text),
        "host" if slip.above == "bootstrap" => true,
        key if REFERENCES.contains(&key) => !slip.is_a_name,
        _ if slip.above == "lxd_certificates" => is_cut(slip),
        _ if slip.above == "retired" => !is_fingerprint(text),
        key => PATTERNS.get(key).is_some_and(|pattern| !pattern.is_match(text)),
    }
}

/// Whether base64 between the lines of a certificate has lost or got characters, or has others.
fn is_cut(slip: &Slip) -> bool {
    // What is around it stays behind.
    let from_begin = slip.text.lines().skip_while(|line| !line.starts_with("-----BEGIN"));
    let body: String = from_begin
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    let strange = body
        .trim_end_matches('=')
        .bytes()
        .any(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(&byte));
    strange || !body.len().is_multiple_of(4)
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether there is a pattern for it, or it is known why there is none.
pub(crate) fn is_known(slip: &Slip) -> bool {
    const OTHERS: [&str; 6] = ["address", "gateway", "nameservers", "host", "dmi_serial", "snaps"];
    let key = slip.key.as_str();
    ["allow", "lxd_certificates", "retired"].contains(&slip.above.as_str())
        || OTHERS.contains(&key)
        || PATTERNS.contains_key(key)
}

/// Whether the values of the good sites fit: a pattern that refuses what is right proves nothing.
pub(crate) fn fits(slip: &Slip) -> bool {
    PATTERNS
        .get(slip.key.as_str())
        .is_none_or(|pattern| pattern.is_match(&slip.original))
}
