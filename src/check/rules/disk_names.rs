//! What udev makes of a disk's names and numbers, and what somebody meant who wrote another.
//!
//! By the rules and helpers of systemd 237: 60-persistent-storage.rules, ata_id, scsi_id, usb_id and path_id; the kernel's
//! own `wwid` of NVMe namespaces (drivers/nvme/host/core.c). All of it holds for later versions but for what
//! [`Udev`](crate::target::Udev) tells apart.

use super::disk_refs::is_hex;
use crate::model::FindBy;

/// What is wrong with a value.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// In a few words.
    pub(super) why: String,
    /// The key and the value that were meant, where there is hardly a doubt.
    pub(super) meant: Option<(FindBy, String)>,
    /// What to do, where it is something particular.
    pub(super) help: Option<&'static str>,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            meant: None,
            help: None,
        }
    }

    /// With what was meant, if that is something udev makes.
    fn meaning(mut self, by: FindBy, value: impl Into<String>) -> Self {
        let value = value.into();
        if self.meant.is_none() && holds(by, &value) {
            self.meant = Some((by, value));
        }
        self
    }

    /// With the key that takes the value as it is, if one does.
    fn elsewhere(self, text: &str) -> Self {
        match other_kind(text) {
            Some((by, value)) => self.meaning(by, value),
            None => self,
        }
    }

    fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

/// Why udev has no such name or number; nothing if it may have.
pub(super) fn fault(by: FindBy, text: &str) -> Option<Fault> {
    if text.len() > LONGEST {
        return Some(Fault::new(format!(
            "it has {} characters, and no disk's name has so many",
            text.len()
        )));
    }
    strange_character(by, text).or_else(|| of_kind(by, text))
}

const LONGEST: usize = 200;

/// Whether udev may have it.
fn holds(by: FindBy, text: &str) -> bool {
    let is_path =
        || !text.contains('/') && whole_disk_of(text).is_none() && !is_on_network(text) && wrong_part(text).is_none();
    !text.is_empty()
        && text.len() <= LONGEST
        && strange(text).is_none()
        && if by == FindBy::ByPath {
            is_path()
        } else {
            of_kind(by, text).is_none()
        }
}

fn of_kind(by: FindBy, text: &str) -> Option<Fault> {
    match by {
        FindBy::ById => by_id(text),
        FindBy::ByPath => by_path(text),
        FindBy::Serial => serial(text),
        FindBy::Wwn => wwn(text),
        FindBy::Hctl => hctl(text),
    }
}

// ---- characters -----------------------------------------------------------------------------------------------------

/// Whether udev leaves the character in a name as it is (`whitelisted_char_for_devnode`); it writes `_` for all others.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c)
}

const QUOTES: [char; 9] = ['"', '\'', '`', '´', '“', '”', '„', '‘', '’'];

/// A character that is in no name or number.
fn strange(text: &str) -> Option<char> {
    // A serial number that sysfs shows as the disk gives it may have a slash; links with one are reported as paths.
    text.chars().find(|c| !is_plain(*c) && *c != '/')
}

fn strange_character(by: FindBy, text: &str) -> Option<Fault> {
    let strange = strange(text)?;
    let shown = match strange {
        ' ' => "a blank".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("the control character `{}`", c.escape_debug()),
        c => format!("`{c}`"),
    };
    let plain = text.trim_matches(|c: char| c.is_whitespace() || c == ',' || c == ';' || QUOTES.contains(&c));
    if text.contains(QUOTES) {
        // Without the opening quote, YAML takes whatever is behind the closing one for a part of the text.
        let up_to_quote = plain.split(QUOTES).next().unwrap_or(plain);
        let fault = Fault::new(format!("it has {shown}, and udev writes no quotes"));
        let fault = fault.help("put the quote that is missing at the other end, or take this one out");
        return Some(fault.meaning(by, up_to_quote));
    }
    let by_label = without_label(text);
    let fault = if by_label.is_some() {
        Fault::new("it begins with the words of a label")
    } else if strange == ',' || strange == ';' {
        Fault::new(format!("it has {shown}, which is punctuation of the line"))
    } else {
        Fault::new(format!("it has {shown}, which is in no disk's name or number"))
    };
    let bare = by_label.unwrap_or(plain);
    Some(if by == FindBy::Hctl || by == FindBy::Wwn {
        fault.meaning_of(normal(by, text))
    } else {
        fault.meaning(by, bare).elsewhere(bare)
    })
}

impl Fault {
    fn meaning_of(self, meant: Option<(FindBy, String)>) -> Self {
        match meant {
            Some((by, value)) => self.meaning(by, value),
            None => self,
        }
    }
}

/// What stands behind the words that a disk's label has before the number.
fn without_label(text: &str) -> Option<&str> {
    const WORDS: [&str; 13] = [
        "serial number",
        "serial no",
        "serial nr",
        "serialnumber",
        "serial",
        "ser. no",
        "ser no",
        "s/n",
        "s.n",
        "sn",
        "wwn",
        "lu wwn",
        "wwid",
    ];
    let lower = text.to_ascii_lowercase();
    let word = WORDS
        .iter()
        .filter(|word| lower.starts_with(**word))
        .max_by_key(|word| word.len())?;
    let behind = text.get(word.len()..)?;
    let number = behind.trim_start_matches(['.', ':', '=', '#', ' ', '\t']);
    // `SN1234` may be a number itself.
    (number.len() < behind.len() && !number.is_empty()).then_some(number)
}

// ---- /dev/disk/by-id ------------------------------------------------------------------------------------------------

/// What names below by-id begin with, without the hyphen.
const BUSES: [&str; 11] = [
    "ata", "cciss", "ccw", "ieee1394", "memstick", "mmc", "nvme", "scsi", "usb", "virtio", "wwn",
];

/// Names of what is made on disks, which are reported as such.
const LAYERS: [&str; 3] = ["dm-", "md-", "lvm-pv-uuid-"];

/// The bus and what is behind its hyphen.
fn bus_of(text: &str) -> Option<(&'static str, &str)> {
    BUSES.iter().find_map(|bus| {
        let rest = text.strip_prefix(bus)?.strip_prefix('-')?;
        Some((*bus, rest))
    })
}

fn by_id(text: &str) -> Option<Fault> {
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
fn whole_disk_of(text: &str) -> Option<&str> {
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

// ---- /dev/disk/by-path ----------------------------------------------------------------------------------------------

fn by_path(text: &str) -> Option<Fault> {
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

fn is_on_network(path: &str) -> bool {
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
fn wrong_part(text: &str) -> Option<String> {
    const HEADS: &str = "a path begins with the bus, such as pci-0000:00:17.0";
    let text = text.strip_prefix("virtio-").unwrap_or(text);
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
            "ieee1394" => (!next().strip_prefix("0x").is_some_and(is_hex))
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

// ---- serial number, World Wide Name, host:channel:target:lun ----------------------------------------------------------

fn serial(text: &str) -> Option<Fault> {
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
const NVME_KINDS: [&str; 3] = ["eui.", "nvme.", "uuid."];

fn wwn(text: &str) -> Option<Fault> {
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
fn wrong_name(text: &str) -> Option<String> {
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

fn hctl(text: &str) -> Option<Fault> {
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
pub(super) fn numbers(text: &str) -> Option<[u64; 4]> {
    let parts: Vec<u64> = text
        .split(':')
        .map(|part| part.parse().ok().filter(|_| is_digits(part)))
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn is_hctl(text: &str) -> bool {
    text.split(':').count() == 4 && text.split(':').all(is_number)
}

// ---- what else it may be ----------------------------------------------------------------------------------------------

/// The value as udev writes it, where it is of this kind but spelled otherwise.
fn normal(by: FindBy, text: &str) -> Option<(FindBy, String)> {
    match by {
        FindBy::Wwn => {
            let text = without_label(text)
                .unwrap_or(text)
                .trim_matches(|c: char| c.is_whitespace() || c == ',' || QUOTES.contains(&c));
            let lower = text.to_ascii_lowercase();
            let name = ["wwn-", "naa.", "nvme-", "scsi-"]
                .iter()
                .find_map(|kind| lower.strip_prefix(kind))
                .unwrap_or(&lower);
            if NVME_KINDS.iter().any(|kind| name.starts_with(kind)) {
                let (kind, digits) = name.split_once('.')?;
                let digits = if kind == "eui" {
                    digits.replace(['-', ':'], "")
                } else {
                    digits.to_owned()
                };
                let name = format!("{kind}.{digits}");
                return wrong_name(&name).is_none().then_some((FindBy::Wwn, name));
            }
            let digits: String = name
                .strip_prefix("0x")
                .unwrap_or(name)
                .replace(['-', ':', ' ', '.'], "");
            let digits = match digits.strip_prefix('3') {
                Some(behind) if matches!(behind.len(), 16 | 32) => behind,
                _ => &digits,
            };
            (is_hex(digits) && matches!(digits.len(), 16 | 32) && !is_uuid(name))
                .then(|| (FindBy::Wwn, format!("0x{digits}")))
        }
        FindBy::Hctl => {
            let inner = text
                .trim()
                .trim_start_matches(['[', '(', '{'])
                .trim_end_matches([']', ')', '}']);
            let inner = inner.trim_matches(|c: char| c == ',' || QUOTES.contains(&c));
            let colons = inner.replace(['-', '.', ',', '/', ' ', '_'], ":");
            let [host, channel, target, lun] = numbers(&colons)?;
            Some((FindBy::Hctl, format!("{host}:{channel}:{target}:{lun}")))
        }
        FindBy::ById | FindBy::ByPath | FindBy::Serial => None,
    }
}

/// The key that takes a value, where its form tells.
fn other_kind(text: &str) -> Option<(FindBy, String)> {
    let lower = text.to_ascii_lowercase();
    if bus_of(&lower).is_some() && !lower.starts_with("wwn-0x") && by_id_as_it_is(text) {
        return Some((FindBy::ById, text.to_owned()));
    }
    if lower.starts_with("pci-")
        || lower.starts_with("platform-")
        || lower.starts_with("acpi-")
        || lower.starts_with("virtio-pci-")
    {
        return wrong_part(text).is_none().then(|| (FindBy::ByPath, text.to_owned()));
    }
    if let Some([host, channel, target, lun]) = numbers(text) {
        return Some((FindBy::Hctl, format!("{host}:{channel}:{target}:{lun}")));
    }
    let has_sign = ["0x", "eui.", "nvme.", "uuid.", "naa.", "wwn-"]
        .iter()
        .any(|sign| lower.starts_with(sign));
    if has_sign || is_name_of_digits(&lower) {
        return normal(FindBy::Wwn, text);
    }
    None
}

fn by_id_as_it_is(text: &str) -> bool {
    // `virtio-pci-…` is a path.
    !text.starts_with("virtio-pci-") && by_id(text).is_none()
}

/// Whether these are most likely the digits of a World Wide Name: of the length, and with the first digit that those of
/// makers (5) and of volumes (6) have.
pub(super) fn is_name_of_digits(text: &str) -> bool {
    is_hex(text) && matches!((text.len(), text.as_bytes()[0]), (16, b'5') | (32, b'6'))
}

/// Hexadecimal digits as the kernel and udev write them.
fn is_small_hex(text: &str) -> bool {
    is_hex(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// 0x and the 16 digits of an address, or of a long number of a unit.
fn is_long(text: &str) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|digits| is_small_hex(digits) && digits.len() == 16)
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number as the kernel prints it: without leading zeros.
fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0')) && text.len() <= 10
}

/// How many digits there are, for a message.
fn count(digits: &str) -> String {
    match digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        Some(strange) => format!("and `{strange}` is none"),
        None => format!("and these are {}", digits.len()),
    }
}

/// Whether it is a name that the kernel hands out in the order in which disks answer.
pub(super) fn is_kernel_name(text: &str) -> bool {
    let counted = |rest: &str| rest.is_empty() || is_digits(rest);
    let lettered = ["sd", "vd", "xvd", "hd"].iter().any(|kind| {
        let rest = text.strip_prefix(kind).unwrap_or_default();
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        matches!(letters, 1..=3) && counted(&rest[letters..])
    });
    let numbered = ["md", "loop", "sr", "sg", "zd", "nbd", "ram", "dm-"]
        .iter()
        .any(|kind| text.strip_prefix(kind).is_some_and(is_digits));
    let parted = [("nvme", ['n', 'p', 'c']), ("mmcblk", ['p', 'p', 'p'])]
        .iter()
        .any(|(kind, marks)| {
            text.strip_prefix(kind)
                .is_some_and(|rest| rest.split(|c| marks.contains(&c)).all(is_digits))
        });
    lettered || numbered || parted
}

#[cfg(test)]
mod tests {
    use super::*;
    use FindBy::{ById, ByPath, Hctl, Serial, Wwn};

    /// Names and numbers as 18.04 shows them on machines of many makes.
    const GOOD: &[(FindBy, &[&str])] = &[
        (
            ById,
            &[
                "ata-WDC_WD10EZEX-00WN4A0_WD-WCC6Y4X12345",
                "ata-ST4000NM0035-1V4107_ZC12ABCD",
                "ata-Samsung_SSD_860_EVO_500GB_S3Z2NB0K123456A",
                "ata-INTEL_SSDSC2KB480G8_PHYF123400AB480BGN",
                "ata-HGST_HUS726T4TALA6L1_V6G1ABCD",
                "ata-SATADOM-SL_3ME3_BCA11706260620123",
                "ata-Micron_5200_MTFDDAK960TDD_18421E4A5B6C",
                "ata-QEMU_HARDDISK_QM00001",
                "ata-VBOX_HARDDISK_VB1a2b3c4d-5e6f7a8b",
                "ata-CT500MX500SSD1_1912E1F1A2B3",
                "ata-TOSHIBA_MG04ACA400N_59E0K1ABCDEF",
                "ata-KINGSTON_SA400S37240G_50026B778212ABCD",
                "ata-0x1F_1e3",
                "ata-X_1",
                "scsi-36848f690e6d2f70024a1b2c3d4e5f607",
                "scsi-3600508b1001c0123456789abcdef0123",
                "scsi-35000c500a1b2c3d4",
                "scsi-35000cca2531a2b3c",
                "scsi-36002248057a1b2c3d4e5f60718293a4b",
                "scsi-14d53465420202020a1b2c3d4e5f60718293a4b5c6d7e8f90",
                "scsi-20004d927fffff800",
                "scsi-SATA_WDC_WD10EZEX-00WN_WD-WCC6Y4X12345",
                "scsi-SSEAGATE_ST4000NM0023_Z1Z0ABCD",
                "scsi-1ATA_WDC_WD1003FBYZ-010FB0_WD-WCAW31234567",
                "scsi-0ATA_SAMSUNG_MZ7LH480_S45PNA0M123456",
                "scsi-0QEMU_QEMU_HARDDISK_drive-scsi0",
                "scsi-0Google_PersistentDisk_data-1",
                "scsi-8INTEL_SSD",
                "wwn-0x5000c500a1b2c3d4",
                "wwn-0x6848f690e6d2f70024a1b2c3d4e5f607",
                "nvme-eui.0025385b71b00001",
                "nvme-eui.00000000000000018ce38e0400123456",
                "nvme-uuid.a1b2c3d4-e5f6-4718-93a4-b5c6d7e8f901",
                "nvme-nvme.8086-50484d4238-494e54454c-00000001",
                "nvme-Samsung_SSD_970_EVO_Plus_500GB_S4EVNF0M123456A",
                "nvme-SAMSUNG_MZQLB1T9HAJR-00007_S439NA0M400001",
                "nvme-INTEL_SSDPE2KX010T8_PHLJ123400AB1P0FGN",
                "nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0",
                "nvme-Micron_7450_MTFDKCB960TFR_232942ABCDEF_1",
                "nvme-1_000",
                "virtio-WD-1-2A",
                "virtio-3f6a51d8-8cb3-4f2a-9",
                "usb-SanDisk_Cruzer_Blade_4C530001270602-0:0",
                "usb-Dell_IDSDM_012345678901-0:0",
                "usb-Generic-_SD_MMC_058F63666433-0:1",
                "mmc-DG4064_0x5b3f1b8d",
                "mmc-SDC_0x00000001",
                "ieee1394-0010b920004a5b6c",
                "cciss-3600508b1001c0123456789abcdef0123",
                "ccw-IBM.750000000DX111.1234.16",
                // Reported as what they are.
                "md-uuid-a1b2c3d4:e5f60718:293a4b5c:6d7e8f90",
                "dm-name-vg0-root",
                "lvm-pv-uuid-3nmV1b-xhcA-q5dS",
            ],
        ),
        (
            ByPath,
            &[
                "pci-0000:00:1f.2-ata-1",
                "pci-0000:00:17.0-ata-12",
                "pci-0000:00:17.0-ata-1.0",
                "pci-0000:03:00.0-scsi-0:2:1:0",
                "pci-0000:02:00.0-sas-phy2-lun-0",
                "pci-0000:02:00.0-sas-exp0x500056b36789abff-phy12-lun-0",
                "pci-0000:02:00.0-sas-0x5000c500a1b2c3d5-lun-0",
                "pci-0000:02:00.0-fc-0x500a09838d12345f-lun-3",
                "pci-0000:02:00.0-fc-0x500a09838d12345f-lun-0x0101000000000000",
                "pci-0000:01:00.0-nvme-1",
                "pci-10000:01:00.0-nvme-1",
                "pci-0000:5d:05.5-pci-10000:01:00.0-nvme-1",
                "pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0",
                "pci-0000:00:14.0-usb-0:1.4.2:1.0-scsi-0:0:0:0",
                "pci-0000:00:04.0",
                "virtio-pci-0000:00:04.0",
                "pci-0000:00:05.0-scsi-0:0:0:1",
                "pci-0000:05:00.0-cciss-disk0",
                "pci-0000:00:1c.0-ieee1394-0x0010b920004a5b6c",
                "platform-80860F14:00",
                "platform-fd500000.pcie-pci-0000:01:00.0-nvme-1",
                "platform-1f2100000.sata-ata-1",
                "acpi-VMBUS:01-scsi-0:0:0:0",
                "acpi-VMBUS:00-vmbus-00000000000088990000000000000000-lun-0",
                "acpi-LNXSYSTM:00-acpi-VMBUS:00-scsi-0:0:0:0",
                "xen-vbd-51712",
                "ccw-0.0.0200",
            ],
        ),
        (
            Serial,
            &[
                "WD-WCC6Y4X12345",
                "S3Z9NB0K100001",
                "PHYF123400AB480BGN",
                "35000c500a1b2c3d4",
                "5000c500a1b2c3d4",
                "36848f690e6d2f70024a1b2c3d4e5f607",
                "WDC_WD10EZEX-00WN4A0_WD-WCC6Y4X12345",
                "0x5b3f1b8d",
                "3f6a51d8-8cb3-4f2a-9",
                "a1b2c3d4-e5f6-4718-93a4-b5c6d7e8f901",
                "S/N/1",
                "SN1234567",
                "SN-1234",
                "SERIAL1",
                "WD/A100002/0a1b2c3d",
                "vol0123456789abcdef0",
                "SanDisk_Cruzer_Blade_4C530001270602-0:0",
                "1e+3",
                ".5",
                "2019-01-01",
                "190:20:30",
                "drive-scsi0",
            ],
        ),
        (
            Wwn,
            &[
                "0x5000c500a1b2c3d4",
                "0x5000C500A1B2C3D4",
                "0x6848f690e6d2f70024a1b2c3d4e5f607",
                "eui.0025385b71b00001",
                "eui.00000000000000018ce38e0400123456",
                "uuid.a1b2c3d4-e5f6-4718-93a4-b5c6d7e8f901",
                "nvme.8086-50484d4238-494e54454c-00000001",
            ],
        ),
        (Hctl, &["0:2:1:0", "10:0:12:0", "0:0:0:4294967295"]),
    ];

    #[test]
    fn what_udev_makes_is_taken() {
        for (by, texts) in GOOD {
            for text in *texts {
                assert_eq!(fault(*by, text), None, "{by:?} {text}");
            }
        }
    }

    /// A value that udev does not make, and the key and value that are offered.
    type Bad = (FindBy, &'static str, Option<(FindBy, &'static str)>);

    #[rustfmt::skip]
    const BAD_IDS: &[Bad] = &[
        (ById, "WD-WCC6Y4X12345", Some((Serial, "WD-WCC6Y4X12345"))),
        (ById, "S3Z9NB0K100001", Some((Serial, "S3Z9NB0K100001"))),
        (ById, "WDC_WD10EZEX_WD-1", Some((Serial, "WDC_WD10EZEX_WD-1"))),
        (ById, "3f6a51d8-8cb3-4f2a-93a4-b5c6d7e8f901", None),
        (ById, "0x5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (ById, "0x5000C500A1B2C3D4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (ById, "5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (ById, "eui.0025385b71b00001", Some((Wwn, "eui.0025385b71b00001"))),
        (ById, "naa.5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (ById, "pci-0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ById, "virtio-pci-0000:00:04.0", Some((ByPath, "virtio-pci-0000:00:04.0"))),
        (ById, "0:2:1:0", Some((Hctl, "0:2:1:0"))),
        (ById, "ATA-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "Ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "NVMe-Micron_1_2", Some((ById, "nvme-Micron_1_2"))),
        (ById, "SCSI-35000C500A1B2C3D4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "SCSI-SATA_WDC_1", Some((ById, "scsi-SATA_WDC_1"))),
        (ById, "WWN-0x5000c500a1b2c3d4", Some((ById, "wwn-0x5000c500a1b2c3d4"))),
        (ById, "WWN-0X5000C500A1B2C3D4", Some((ById, "wwn-0x5000c500a1b2c3d4"))),
        (ById, "wwn-0x5000C500A1B2C3D4", Some((ById, "wwn-0x5000c500a1b2c3d4"))),
        (ById, "wwn-5000c500a1b2c3d4", Some((ById, "wwn-0x5000c500a1b2c3d4"))),
        (ById, "wwn-0x5000c500a1b2c3d", None),
        (ById, "wwn-0x5000c500a1b2c3d45", None),
        (ById, "wwn-0x5000c500a1b2c3dg", None),
        (ById, "wwn-eui.0025385b71b00001", Some((ById, "nvme-eui.0025385b71b00001"))),
        (ById, "ata-WDC_WD10_WD-1-part1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "scsi-35000c500a1b2c3d4-part12", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "by-id/ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "ata_WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "aat-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "nmve-Micron_1_2", Some((ById, "nvme-Micron_1_2"))),
        (ById, "ata-ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ById, "ata-WD-WCC6Y4X12345", Some((Serial, "WD-WCC6Y4X12345"))),
        (ById, "ata-", None),
        (ById, "ata-WDC_", None),
        (ById, "ata-_WD-1", None),
        (ById, "ata-WDC_WD10EZEX-00WN4A0_WD-WCC6Y4X12345WDC_WD10EZEX-00WN4A0_WD-WCC6Y4X12345", None),
        (ById, "scsi-5000c500a1b2c3d4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "scsi-0x5000c500a1b2c3d4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "scsi-naa.5000c500a1b2c3d4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "scsi-35000C500A1B2C3D4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (ById, "scsi-35000c500a1b2c3d", None),
        (ById, "scsi-WD-WCC6Y4X12345", Some((Serial, "WD-WCC6Y4X12345"))),
        (ById, "nvme-eui.0025385b71b0001", None),
        (ById, "nvme-EUI.0025385B71B00001", Some((ById, "nvme-eui.0025385b71b00001"))),
        (ById, "nvme-eui.0025385B71B00001", Some((ById, "nvme-eui.0025385b71b00001"))),
        (ById, "nvme-S439NA0M400001", Some((Serial, "S439NA0M400001"))),
        (ById, "nvme-0025385b71b00001", Some((Serial, "0025385b71b00001"))),
        (ById, "usb-SanDisk_Cruzer_4C530001", Some((ById, "usb-SanDisk_Cruzer_4C530001-0:0"))),
        (ById, "usb-4C530001270602", None),
        (ById, "virtio-3f6a51d8-8cb3-4f2a-93a4-b5c6d7e8f901", Some((ById, "virtio-3f6a51d8-8cb3-4f2a-9"))),
        (ById, "mmc-DG4064_5b3f1b8d", None),
        (ById, "ata-X_1\"", Some((ById, "ata-X_1"))),
        (ById, "ata-X_1\", min_size: 900GB", Some((ById, "ata-X_1"))),
        (ById, "'ata-X_1", Some((ById, "ata-X_1"))),
        (ById, "ata-X_1,", Some((ById, "ata-X_1"))),
        (ById, "ata-X_*", None),
        (ById, "ata-X_$SERIAL", None),
        (ById, "ata-X_{n}", None),
        (ById, "ata-WDC WD10_WD-1", None),
        (ById, " ata-X_1", Some((ById, "ata-X_1"))),
        (ById, "ata-X_é", None),
        (ById, "~", None),
        (ById, "---", None),
    ];

    #[rustfmt::skip]
    const BAD_PATHS: &[Bad] = &[
        (ByPath, "0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "PCI-0000:00:1F.2-ATA-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-0000:00:1F.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci_0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-0000:00:1f.2-ata1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-0000:00:1f.2-ata-x", None),
        (ByPath, "pci-0000:00:1f.2-", None),
        (ByPath, "pci-0000:00:1f.2--ata-1", None),
        (ByPath, "pci-0000:00:1f.2-sata-1", None),
        (ByPath, "pci-0000:00:1f.9-ata-1", None),
        (ByPath, "pci-0000:00:2f.2-ata-1", None),
        (ByPath, "pci-0000:00:1f-ata-1", None),
        (ByPath, "pci-0000:00:1f.2-ata-01", None),
        (ByPath, "ata-1", None),
        (ByPath, "disk", None),
        (ByPath, "slot 3", None),
        (ByPath, "ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (ByPath, "wwn-0x5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (ByPath, "0:2:1:0", Some((Hctl, "0:2:1:0"))),
        (ByPath, "by-path/pci-0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-0000:00:1f.2-ata-1-part2", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "ip-10.0.0.1:3260-iscsi-iqn.2003-01.org:x-lun-0", None),
        (ByPath, "pci-0000:02:00.0-ip-10.0.0.1:3260-iscsi-iqn.2003-01.org:x-lun-0", None),
        (ByPath, "pci-0000:03:00.0-scsi-0:2:1", None),
        (ByPath, "pci-0000:03:00.0-scsi-0:2:01:0", None),
        (ByPath, "pci-0000:02:00.0-sas-phy2", None),
        (ByPath, "pci-0000:02:00.0-sas-0x5000c500a1b2c3d-lun-0", None),
        (ByPath, "pci-0000:00:14.0-usbv2-0:1:1.0-scsi-0:0:0:0", Some((ByPath, "pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0"))),
        (ByPath, "pci-0000:00:04.0-virtio-pci-virtio1", Some((ByPath, "pci-0000:00:04.0"))),
        (ByPath, "pci-0000:00:1f.2-ata-1\"", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (ByPath, "pci-0000:02:00.0-sas-0x5000C500A1B2C3D5-lun-0", Some((ByPath, "pci-0000:02:00.0-sas-0x5000c500a1b2c3d5-lun-0"))),
        (ByPath, "pci-0000:00:1f.2-ata-*", None),
        (ByPath, "pci-0000:00:1f.2,ata-1", None),
    ];

    #[rustfmt::skip]
    const BAD_NUMBERS: &[Bad] = &[
        (Serial, "ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (Serial, "ata-WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "ATA-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (Serial, "nvme-Micron_1_2", Some((ById, "nvme-Micron_1_2"))),
        (Serial, "scsi-35000c500a1b2c3d4", Some((ById, "scsi-35000c500a1b2c3d4"))),
        (Serial, "virtio-WD-1", Some((ById, "virtio-WD-1"))),
        (Serial, "wwn-0x5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Serial, "0x5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Serial, "0x5000c500a1b2c3d", None),
        (Serial, "0x1F", None),
        (Serial, "naa.5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Serial, "eui.0025385b71b00001", Some((Wwn, "eui.0025385b71b00001"))),
        (Serial, "pci-0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (Serial, "0:2:1:0", Some((Hctl, "0:2:1:0"))),
        (Serial, "S/N: WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "S/N:WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "SN:WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "SN WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "Serial No. WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "Serial Number: WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "serial=WD-WCC6Y4", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "WWN: 5000C500A1B2C3D4", Some((Serial, "5000C500A1B2C3D4"))),
        (Serial, "WD-WCC6Y4,", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "WD-WCC6Y4\"", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "WD-WCC6Y4 ", Some((Serial, "WD-WCC6Y4"))),
        (Serial, "WD WCC6Y4", None),
        (Serial, "WD\u{0}1", None),
        (Serial, "sda", None),
        (Serial, "52:54:00:12:34:56", None),
        (Serial, "WD-*", None),
        (Wwn, "5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "0X5000C500A1B2C3D4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "50:00:c5:00:a1:b2:c3:d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "5000C500 A1B2C3D4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "WWN: 5000C500A1B2C3D4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "wwn-0x5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "naa.5000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "35000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "scsi-35000c500a1b2c3d4", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Wwn, "nvme-eui.0025385b71b00001", Some((Wwn, "eui.0025385b71b00001"))),
        (Wwn, "EUI.0025385B71B00001", Some((Wwn, "eui.0025385b71b00001"))),
        (Wwn, "eui.00-25-38-5b-71-b0-00-01", Some((Wwn, "eui.0025385b71b00001"))),
        (Wwn, "0x5000c500a1b2c3d", None),
        (Wwn, "0x5000c500a1b2c3d45", None),
        (Wwn, "0x5000c500a1b2c3d45000c500a1b2c3d412345", None),
        (Wwn, "0x5000c500a1b2c3dg", None),
        (Wwn, "eui.0025385b71b0000", None),
        (Wwn, "nvme.1b36", None),
        (Wwn, "nvme.8086-50484d423-494e-00000001", None),
        (Wwn, "uuid.a1b2c3d4", None),
        (Wwn, "t10.ATA_____WDC", None),
        (Wwn, "ata-WDC_WD10_WD-1", Some((ById, "ata-WDC_WD10_WD-1"))),
        (Wwn, "pci-0000:00:1f.2-ata-1", Some((ByPath, "pci-0000:00:1f.2-ata-1"))),
        (Wwn, "0x5000c500a1b2c3d4\"", Some((Wwn, "0x5000c500a1b2c3d4"))),
        (Hctl, "0:2:01:0", Some((Hctl, "0:2:1:0"))),
        (Hctl, "00:2:1:0", Some((Hctl, "0:2:1:0"))),
        (Hctl, "[0:2:1:0]", Some((Hctl, "0:2:1:0"))),
        (Hctl, "0-2-1-0", Some((Hctl, "0:2:1:0"))),
        (Hctl, "0.2.1.0", Some((Hctl, "0:2:1:0"))),
        (Hctl, "0:2:1", None),
        (Hctl, "0:2:1:0:0", None),
        (Hctl, "0:2:1:", None),
        (Hctl, "0:2:a:0", None),
        (Hctl, "0:2:1:0\"", Some((Hctl, "0:2:1:0"))),
        (Hctl, "pci-0000:03:00.0-scsi-0:2:1:0", Some((ByPath, "pci-0000:03:00.0-scsi-0:2:1:0"))),
    ];

    #[test]
    fn what_udev_does_not_make_is_told_with_what_was_meant() {
        let mut wrong = Vec::new();
        for (by, text, meant) in [BAD_IDS, BAD_PATHS, BAD_NUMBERS].concat() {
            let fault = fault(by, text);
            let meant = meant.map(|(by, value)| (by, value.to_owned()));
            if fault.as_ref().is_none_or(|fault| fault.meant != meant) {
                wrong.push(format!("{by:?} {text:?}: {fault:?}\n"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.concat());
    }

    #[test]
    fn what_the_kernel_calls_a_disk_is_told_from_a_serial_number() {
        for text in [
            "sda",
            "sdab",
            "sda1",
            "vdb",
            "xvda",
            "hda",
            "nvme0",
            "nvme0n1",
            "nvme0n1p2",
            "mmcblk0",
            "mmcblk0p1",
            "md0",
            "md127",
            "dm-3",
            "loop7",
            "sr0",
            "zd0",
        ] {
            assert!(is_kernel_name(text), "{text}");
        }
        for text in [
            "SDA", "sd", "sdabcd", "sda-1", "nvme", "nvmeX", "md", "md-1", "WD-1", "S3Z9", "vda_1", "drive0",
        ] {
            assert!(!is_kernel_name(text), "{text}");
        }
    }
}
