//! What udev makes of a disk's names and numbers, and what somebody meant who wrote another.
//!
//! By the rules and helpers of systemd 237: 60-persistent-storage.rules, ata_id, scsi_id, usb_id and path_id; the kernel's
//! own `wwid` of NVMe namespaces (drivers/nvme/host/core.c). All of it holds for later versions but for what
//! [`Udev`](crate::target::Udev) tells apart.

mod by_id;
mod by_path;
mod number;

use by_id::{bus_of, by_id, whole_disk_of};
use by_path::{by_path, is_on_network, wrong_part};
pub(super) use number::numbers;
use number::{NVME_KINDS, hctl, serial, wrong_name, wwn};

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
mod tests;
