//! Scalars with a syntax of their own.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::trust::DESK_NAME;

/// Hexadecimal digits of a founding's number, as the bootstrap host draws it and the cluster's configuration holds it
/// (`user.lxseed.founding`).
pub(crate) const FOUNDING_DIGITS: usize = 16;

/// Hexadecimal digits of a certificate's fingerprint, its SHA-256, as LXD shows it.
pub(crate) const FINGERPRINT_DIGITS: usize = 64;

/// An Ethernet hardware address. Printed in lower case with colons, as netplan matches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Its spellings as a regular expression, for the schemas.
    pub(crate) const PATTERN: &str = "^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}([.][0-9A-Fa-f]{4}){2})$";

    /// Whether it addresses a group rather than one interface (the lowest bit of the first byte, IEEE 802).
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether it is one that manuals and templates write, and no card has: bytes that count (00:11:22:33:44:55,
    /// aa:bb:cc:dd:ee:01, 02:02:02:02:02:02), or spell a word (de:ad:be:ef).
    #[must_use]
    pub(crate) fn is_sample(self) -> bool {
        const WORDS: [[u8; 4]; 4] = [
            [0xde, 0xad, 0xbe, 0xef],
            [0xca, 0xfe, 0xba, 0xbe],
            [0xde, 0xad, 0xc0, 0xde],
            [0xfe, 0xed, 0xfa, 0xce],
        ];
        let [first, second, ..] = self.0;
        let step = second.wrapping_sub(first);
        // The last byte may count the hosts.
        let counts = self.0[..5].windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
        let in_digits = self.0[..5] == [0x12, 0x34, 0x56, 0x78, 0x90];
        // RFC 7042, 2.1.2.
        let for_manuals = self.0[..5] == [0, 0, 0x5e, 0, 0x53];
        counts || in_digits || for_manuals || self.0.windows(4).any(|bytes| WORDS.iter().any(|word| bytes == word))
    }

    /// Whether it is all zeros, which no interface has.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

impl Mac {
    /// The address that a spelling with other separators, or with none, can only mean.
    pub(crate) fn suggested_by(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !":-. ".contains(*c)).collect();
        // Twelve digits, or a digit may be lost; which one, nobody can tell.
        if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let groups = [&digits[..4], &digits[4..8], &digits[8..]];
        groups.join(".").parse().ok()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Mac {
    type Err = String;

    /// Takes the three usual spellings: `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (separator, width, groups) = match text {
            _ if text.contains(':') => (':', 2, 6),
            _ if text.contains('-') => ('-', 2, 6),
            _ => ('.', 4, 3),
        };
        let parts: Vec<&str> = text.split(separator).collect();
        let well_formed = parts.len() == groups
            && parts
                .iter()
                .all(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !well_formed {
            return Err("it is not six pairs of hexadecimal digits".to_owned());
        }
        let digits = parts.concat();
        let mut bytes = [0_u8; 6];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).map_err(|error| error.to_string())?;
        }
        Ok(Self(bytes))
    }
}

/// A disk size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Its spellings as a regular expression, for the schemas.
    pub(crate) const PATTERN: &str = "^[0-9]+([.][0-9]{1,6})?\\s*(MB|GB|TB|MiB|GiB|TiB)$";

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// The size that a unit in the wrong case can only mean.
    pub(crate) fn suggested_by(text: &str) -> Option<String> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, written) = text.split_at(unit_at);
        let unit = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(written))?.0;
        let suggestion = format!("{}{unit}", number.trim_end());
        suggestion.parse::<Self>().is_ok().then_some(suggestion)
    }

    /// The size that a number without a unit can only mean: so large a number counts bytes.
    pub(crate) fn suggested_for_bytes(number: u64) -> Option<String> {
        let text = Self(number).to_string();
        // What comes out in MB is no round number of anything larger.
        (number >= 1_000_000_000 && !text.ends_with("MB")).then_some(text)
    }
}

/// Units of a size and their bytes, those of a decimal and a binary order side by side, the largest first.
const UNITS: [(&str, u64); 6] = [
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
];

impl fmt::Display for ByteSize {
    /// The shortest spelling that reads back as the same number of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = UNITS
            .iter()
            .filter(|(_, factor)| self.0 >= *factor)
            .flat_map(|unit| (0..=2).map(move |digits| (unit, digits)))
            .find_map(|((unit, factor), digits)| {
                let scale = 10_u128.pow(digits);
                let scaled = (u128::from(self.0) * scale).div_ceil(u128::from(*factor));
                let (whole, rest) = (scaled / scale, scaled % scale);
                let text = match digits {
                    0 => format!("{whole}{unit}"),
                    1 => format!("{whole}.{rest}{unit}"),
                    _ => format!("{whole}.{rest:02}{unit}"),
                };
                (text.parse() == Ok(*self)).then_some(text)
            });
        match short {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}.{:06}MB", self.0 / 1_000_000, self.0 % 1_000_000),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    /// Powers of 1000 as disks are sold (`960GB`), powers of 1024 as systems count them (`1TiB`); a fraction is fine
    /// (`1.92TB`).
    fn from_str(text: &str) -> Result<Self, String> {
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or("it has no unit")?;
        let (number, unit) = text.split_at(split);
        let factor = UNITS
            .iter()
            .find_map(|(known, factor)| (*known == unit.trim_start()).then_some(*factor))
            .ok_or("its unit is none of MB GB TB MiB GiB TiB")?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.len() > 6 || (number.contains('.') && fraction.is_empty()) {
            return Err("it is not a number with a unit".to_owned());
        }
        let whole: u64 = whole.parse().map_err(|_| "it is not a number with a unit")?;
        let parts: u64 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().map_err(|_| "it is not a number with a unit")?
        };
        let scale = 10_u64.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let bytes = whole
            .checked_mul(factor)
            .and_then(|bytes| {
                bytes.checked_add(u64::try_from(u128::from(parts) * u128::from(factor) / u128::from(scale)).ok()?)
            })
            .ok_or("it is larger than any disk")?;
        if bytes == 0 {
            return Err("it is zero".to_owned());
        }
        Ok(Self(bytes))
    }
}

/// The name of a cluster or host: one DNS label in lower case, at most 63 characters.
///
/// It becomes a folder below `out/`, a host name, an LXD member name and a certificate's DNS name, so it is the
/// intersection of what all of those take: letters, digits and inner hyphens. A name of digits only would be taken
/// for an address, as would a hexadecimal number, and LXD reserves `none`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// Which texts are names, as a regular expression for the schemas.
    pub(crate) const PATTERN: &str =
        "^(?!(none|localhost|[0-9]+|0x0*[0-9a-f]{1,8})$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 63 {
            return Err("a name has 1 to 63 characters".to_owned());
        }
        if let Some(c) = text
            .chars()
            .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'))
        {
            return Err(format!(
                "`{}` cannot be in such a name, only lower-case letters, digits and hyphens",
                c.escape_debug()
            ));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err("a name neither starts nor ends with a hyphen".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a name of digits only would be taken for an address".to_owned());
        }
        // glibc's inet_aton: one number of 32 bits, in hexadecimal here.
        let is_hex = |digits: &str| {
            !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                && digits.trim_start_matches('0').len() <= 8
        };
        if text.strip_prefix("0x").is_some_and(is_hex) {
            return Err("a hexadecimal number would be taken for an address".to_owned());
        }
        // LXD: a cluster member cannot be called "none"; "localhost" is the machine itself on every machine. Members and
        // clients share one trust store, and the desk's certificate is in it.
        if matches!(text, "none" | "localhost" | DESK_NAME) {
            return Err("the name is reserved".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_has_three_spellings_and_one_value() {
        let macs = ["52:54:00:12:34:AB", "52-54-00-12-34-ab", "5254.0012.34Ab"];
        for text in macs {
            assert_eq!(
                text.parse::<Mac>().map(|mac| mac.to_string()),
                Ok("52:54:00:12:34:ab".to_owned()),
                "{text}"
            );
        }
        for text in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5g",
            "52:54-00:12:34:56",
            "525400123456",
            "5:2:5:4:0:0",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_manuals_are_known() {
        let sample = |text: &str| text.parse::<Mac>().map(Mac::is_sample);
        for text in [
            "aa:bb:cc:dd:ee:ff",
            "aa:bb:cc:dd:ee:01",
            "AA-BB-CC-DD-EE-FF",
            "00:11:22:33:44:55",
            "0011.2233.4466",
            "22:33:44:55:66:77",
            "00:01:02:03:04:05",
            "0a:0b:0c:0d:0e:0f",
            "a1:b2:c3:d4:e5:f6",
            "12:34:56:78:9a:bc",
            "12:34:56:78:90:ab",
            "66:55:44:33:22:11",
            "fe:dc:ba:98:76:54",
            "02:02:02:02:02:02",
            "aa:aa:aa:aa:aa:aa",
            "00:00:00:00:00:01",
            "00:00:5e:00:53:01",
            "de:ad:be:ef:00:01",
            "02:de:ad:be:ef:07",
            "de:ad:be:ef:ca:fe",
            "ca:fe:ba:be:00:01",
        ] {
            assert_eq!(sample(text), Ok(true), "{text}");
        }
        for text in [
            "52:54:00:12:34:56",
            "52:54:00:aa:bb:cc",
            "02:00:00:00:00:01",
            "00:16:3e:00:00:01",
            "00:1b:21:00:00:01",
            "3c:ec:ef:12:34:56",
            "b8:2a:72:d0:00:01",
            "aa:bb:cc:00:00:01",
            "00:25:90:ab:cd:ef",
        ] {
            assert_eq!(sample(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn sizes_keep_their_unit() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(ByteSize::bytes);
        assert_eq!(bytes("1TB"), Ok(1_000_000_000_000));
        assert_eq!(bytes("1.92TB"), Ok(1_920_000_000_000));
        assert_eq!(bytes("1 TiB"), Ok(1 << 40));
        for text in [
            "",
            "1",
            "1T",
            "TB",
            "1.TB",
            "-1TB",
            "0GB",
            "1e3GB",
            "99999999999999999999TB",
            "20000000000TB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_as_people_write_them() {
        for text in [
            "900GB",
            "1.92TB",
            "1TiB",
            "3.6TiB",
            "256MB",
            "1.5GiB",
            "1.234567MB",
            "0.000001MB",
        ] {
            let size = text.parse::<ByteSize>();
            assert_eq!(size.map(|size| size.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(
            "1000GB".parse::<ByteSize>().map(|size| size.to_string()),
            Ok("1TB".to_owned())
        );
    }

    #[test]
    fn what_can_only_mean_one_thing_is_understood() {
        let mac = |text: &str| Mac::suggested_by(text).map(|mac| mac.to_string());
        for text in [
            "525400AABBCC",
            "52 54 00 aa bb cc",
            "52:54-00.aa:bb:cc",
            "5254:00aa:bbcc",
        ] {
            assert_eq!(mac(text).as_deref(), Some("52:54:00:aa:bb:cc"), "{text}");
        }
        for text in ["", "52:54:0:aa:bb:cc", "52:54:00:aa:bb:cg", "52:54:00:aa:bb:cc:dd"] {
            assert_eq!(mac(text), None, "{text}");
        }
        let size = |text: &str| ByteSize::suggested_by(text);
        assert_eq!(size("960 gb").as_deref(), Some("960GB"));
        assert_eq!(size("1.92tb").as_deref(), Some("1.92TB"));
        assert_eq!(size("1tib").as_deref(), Some("1TiB"));
        for text in ["1T", "960", "gb", "1,9tb", "1 pb"] {
            assert_eq!(size(text), None, "{text}");
        }
        let bytes = |number: u64| ByteSize::suggested_for_bytes(number);
        assert_eq!(bytes(960_000_000_000).as_deref(), Some("960GB"));
        assert_eq!(bytes(1 << 40).as_deref(), Some("1TiB"));
        for number in [0, 960, 1_000_000, 960_197_124_096] {
            assert_eq!(bytes(number), None, "{number}");
        }
    }

    #[test]
    fn names_cannot_leave_the_tree() {
        for text in [
            "../x", "a/b", ".", "", "A", "a_b", "-a", "a-", "é", "a\0", "127", "none", "a b",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        for text in ["0x1f", "0xabc", "0x0", "0x00000000ff", "0xffffffff", "017", "08"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        for text in [
            "node-1",
            "0x",
            "0xg",
            "0x1-f",
            "x1f",
            "1e3",
            "0b11",
            "0x1ffffffff",
            "0x1f-rack",
        ] {
            assert!(text.parse::<Name>().is_ok(), "{text}");
        }
    }
}
