//! The site secret and its text.

use std::fmt;

use sha2::{Digest, Sha256};
use time::Date;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use zeroize::Zeroizing;

use super::SecretBytes;
use super::derive::{Purpose, derive};
use super::error::{SecretError, SecretTextError};
use crate::hex;

/// The largest text that is taken for a secret. What lxseed writes is under 500 bytes; the rest is room for comments.
pub(super) const MAX_TEXT_BYTES: usize = 64 * 1024;

const KEY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
const FAMILY: &str = "lxseed-secret-";
const VERSION: &str = "lxseed-secret-1";
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const HEAD: &str = "\
# lxseed: the secret of a site. Every key and certificate of its hosts is derived from the last line.
# Keep it private: mode 600, not in git, not in a profile folder. Whoever has it can pose as any of the hosts.
# Back it up: without it the same keys cannot be made again, and every host has to be installed anew.
";

/// 32 random bytes from which every key of a site is derived, and the day they were made (UTC), from which the
/// validity of certificates counts. Wiped from memory when dropped; `Debug` shows the fingerprint only, and there is
/// no `Display`.
pub struct SiteSecret {
    // On the heap, so that moving a SiteSecret does not leave copies behind. Always KEY_BYTES long.
    key: SecretBytes,
    created: Date,
}

impl SiteSecret {
    /// A new secret from the system's random numbers.
    ///
    /// # Errors
    /// If the year of `created` is not from 2020 to 2100, or the system gives no random bytes.
    pub fn generate(created: Date) -> Result<Self, SecretError> {
        if !plausible(created) {
            return Err(SecretError::CreationDate { date: created });
        }
        let mut key = vec![0; KEY_BYTES];
        let filled = getrandom::fill(&mut key);
        // Under the wrapper before anything can return: what was written so far is wiped on an error too.
        let key = SecretBytes::new(key);
        filled.map_err(SecretError::Random)?;
        Ok(Self { key, created })
    }

    /// Reads what [`SiteSecret::to_text`] wrote. Blank lines, comment lines, CRLF and space around a line are
    /// skipped.
    ///
    /// # Errors
    /// [`SecretError::Text`], which names the line and what is wrong with it but shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        read(text).map_err(SecretError::Text)
    }

    /// The text of a secret file: comments and one line `lxseed-secret-1 DATE KEY CHECKSUM`, each ending in LF.
    #[must_use]
    pub fn to_text(&self) -> SecretBytes {
        let line = Zeroizing::new(self.line());
        let checksum = hex::encode(&checksum(&line));
        SecretBytes::new([HEAD, &line, " ", &checksum, "\n"].concat().into_bytes())
    }

    /// The day the secret was made, UTC.
    #[must_use]
    pub fn created(&self) -> Date {
        self.created
    }

    /// 16 hexadecimal digits that tell secrets apart and may be shown: they are derived for this purpose alone, so
    /// they say nothing about any key. The creation date is in it because certificates depend on it as well.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut bytes = [0; 8];
        let day = day(self.created);
        derive(self.key(), Purpose::SecretFingerprint, &[day.as_bytes()], &mut bytes);
        hex::encode(&bytes)
    }

    /// The authentication code of a tree's manifest: without this secret nobody can make one that fits.
    #[must_use]
    pub fn manifest_mac(&self, text: &[u8]) -> [u8; 32] {
        // HKDF's second step is HMAC-SHA512 over what follows, under a key that is for nothing else.
        let mut mac = [0; 32];
        derive(self.key(), Purpose::TreeManifest, &[&Sha256::digest(text)], &mut mac);
        mac
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.expose()
    }

    // The secret line without its checksum.
    fn line(&self) -> String {
        let key = Zeroizing::new(hex::encode(self.key()));
        [VERSION, " ", &day(self.created), " ", &key].concat()
    }
}

impl fmt::Debug for SiteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteSecret({})", self.fingerprint())
    }
}

/// [`SiteSecret::parse`] with the bare reason, for callers that know where the text came from.
pub(super) fn read(text: &str) -> Result<SiteSecret, SecretTextError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(SecretTextError::TooLarge { limit: MAX_TEXT_BYTES });
    }
    let mut found: Option<(usize, &str)> = None;
    for (index, raw) in text.lines().enumerate() {
        let (line, content) = (index + 1, raw.trim());
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if !content.starts_with(FAMILY) {
            return Err(SecretTextError::ForeignLine { line });
        }
        if let Some((first, _)) = found {
            return Err(SecretTextError::SeveralSecretLines { first, second: line });
        }
        found = Some((line, content));
    }
    let (line, content) = found.ok_or(SecretTextError::NoSecretLine)?;
    read_line(line, content)
}

fn read_line(line: usize, content: &str) -> Result<SiteSecret, SecretTextError> {
    let mut parts = content.split_whitespace();
    if parts.next() != Some(VERSION) {
        return Err(SecretTextError::UnknownVersion { line });
    }
    let (Some(date), Some(key_text), Some(checksum_text), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SecretTextError::Parts { line });
    };
    let created = Date::parse(date, DAY)
        .ok()
        // The parser also takes other spellings of a date (a sign); only ours has a matching checksum.
        .filter(|created| plausible(*created) && day(*created) == date)
        .ok_or(SecretTextError::Date { line })?;
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    hex::decode(key_text, &mut key).ok_or(SecretTextError::Key { line })?;
    let mut expected = [0; CHECKSUM_BYTES];
    hex::decode(checksum_text, &mut expected).ok_or(SecretTextError::ChecksumForm { line })?;
    let secret = SiteSecret {
        key: SecretBytes::new(std::mem::take(&mut *key)),
        created,
    };
    if checksum(&Zeroizing::new(secret.line())) != expected {
        return Err(SecretTextError::Checksum { line });
    }
    Ok(secret)
}

// Against cut and mistyped lines, not against forgery: whoever can change the file can change the key.
fn checksum(line: &str) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(line.as_bytes());
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    checksum
}

fn day(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

// A clock that was never set must not decide how long certificates are valid.
fn plausible(date: Date) -> bool {
    (2020..=2100).contains(&date.year())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::macros::date;

    use super::*;
    use crate::trust::testing::{KEY_HEX, LINE, secret};

    fn problem(text: &str) -> SecretTextError {
        let error = SiteSecret::parse(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        for word in text
            .split_whitespace()
            .filter(|word| word.len() >= 8 && *word != VERSION)
        {
            assert!(!shown.contains(word), "the message repeats the text: {shown}");
        }
        match error {
            SecretError::Text(problem) => problem,
            other => panic!("not about the text: {other}"),
        }
    }

    #[test]
    fn the_text_comes_back() {
        let secret = SiteSecret::generate(date!(2026 - 11 - 23)).unwrap();
        let text = secret.to_text();
        let text = str::from_utf8(text.expose()).unwrap();
        let again = SiteSecret::parse(text).unwrap();
        assert_eq!(again.key(), secret.key());
        assert_eq!(again.created(), date!(2026 - 11 - 23));
        assert_eq!(again.to_text().expose(), text.as_bytes());
        assert!(text.is_ascii() && text.ends_with('\n') && text.lines().all(|line| line.len() <= 120));
        assert!(text.len() < 500);
    }

    #[test]
    fn the_format_is_what_it_was() {
        let text = secret().to_text();
        let text = str::from_utf8(text.expose()).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, [LINE]);
        assert_eq!(SiteSecret::parse(LINE).unwrap().key(), secret().key());
        assert_eq!(secret().fingerprint(), "1cbc2f78bbf7a8d4");
    }

    #[test]
    fn two_secrets_differ() {
        let made = || SiteSecret::generate(date!(2026 - 11 - 23)).unwrap();
        let (a, b) = (made(), made());
        assert_ne!(a.key(), b.key());
        assert_ne!(a.fingerprint(), b.fingerprint());
        let other_day = SiteSecret {
            key: a.key.clone(),
            created: date!(2026 - 11 - 24),
        };
        assert_ne!(a.fingerprint(), other_day.fingerprint());
    }

    #[test]
    fn what_surrounds_the_line_does_not_matter() {
        for text in [
            format!("{LINE}\n"),
            format!("{LINE}\r\n"),
            format!("# a\r\n\r\n   \t\r\n  # b\r\n\t {LINE} \t\r\n# c\r\n\r\n"),
            LINE.replace(' ', "  \t"),
        ] {
            assert_eq!(SiteSecret::parse(&text).unwrap().key(), secret().key(), "{text}");
        }
    }

    #[test]
    fn each_defect_has_its_message() {
        use SecretTextError as E;
        let parts: Vec<&str> = LINE.split(' ').collect();
        let with = |at: usize, value: &str| {
            let mut parts = parts.clone();
            parts[at] = value;
            parts.join(" ")
        };
        assert_eq!(problem(""), E::NoSecretLine);
        assert_eq!(problem("# only\n\n# comments\n"), E::NoSecretLine);
        assert_eq!(problem(&format!("# one line: {LINE}")), E::NoSecretLine);
        assert_eq!(
            problem(&format!("{LINE}\n# x\n{LINE}\n")),
            E::SeveralSecretLines { first: 1, second: 3 }
        );
        assert_eq!(
            problem(&format!("# x\npassw0rd-of-mine\n{LINE}")),
            E::ForeignLine { line: 2 }
        );
        assert_eq!(problem(&format!("\u{feff}{LINE}")), E::ForeignLine { line: 1 });
        assert_eq!(problem(&LINE.to_uppercase()), E::ForeignLine { line: 1 });
        assert_eq!(problem(&with(0, "lxseed-secret-2")), E::UnknownVersion { line: 1 });
        assert_eq!(problem(&with(0, "lxseed-secret-")), E::UnknownVersion { line: 1 });
        assert_eq!(problem(&parts[..3].join(" ")), E::Parts { line: 1 });
        assert_eq!(problem(&format!("\n{LINE} more-than-four")), E::Parts { line: 2 });
        for day in [
            "2026-02-29",
            "2019-12-31",
            "2101-01-01",
            "26-11-23",
            "2026-1-23",
            "+2026-11-23",
            "23.11.2026",
        ] {
            assert_eq!(problem(&with(1, day)), E::Date { line: 1 }, "{day}");
        }
        assert_eq!(problem(&with(2, &KEY_HEX[1..])), E::Key { line: 1 });
        assert_eq!(problem(&with(2, &format!("{KEY_HEX}00"))), E::Key { line: 1 });
        assert_eq!(problem(&with(2, &KEY_HEX.replace("0a", "0A"))), E::Key { line: 1 });
        assert_eq!(problem(&with(2, &KEY_HEX.replace("0a", "é"))), E::Key { line: 1 });
        assert_eq!(problem(&with(3, &parts[3][..7])), E::ChecksumForm { line: 1 });
        assert_eq!(problem(&with(3, "0000000z")), E::ChecksumForm { line: 1 });
        assert_eq!(problem(&with(3, "00000000")), E::Checksum { line: 1 });
        assert_eq!(problem(&with(1, "2026-11-24")), E::Checksum { line: 1 });
        let padding = "# padding\n".repeat(MAX_TEXT_BYTES / 10 + 1);
        assert_eq!(problem(&format!("{padding}{LINE}")), E::TooLarge { limit: 65536 });
    }

    #[test]
    fn any_single_change_is_noticed() {
        let original = LINE.as_bytes();
        for at in 0..original.len() {
            for replacement in [b'0', b'7', b'f', b' '] {
                let mut changed = original.to_vec();
                changed[at] = replacement;
                if changed != original {
                    let text = String::from_utf8(changed).unwrap();
                    assert!(SiteSecret::parse(&text).is_err(), "change at {at} went unnoticed");
                }
            }
            assert!(SiteSecret::parse(&LINE[..at]).is_err(), "cut at {at} went unnoticed");
        }
    }

    #[test]
    fn the_date_must_be_plausible() {
        for date in [date!(2019 - 12 - 31), date!(1970 - 01 - 01), date!(2101 - 01 - 01)] {
            let error = SiteSecret::generate(date).unwrap_err();
            assert!(matches!(error, SecretError::CreationDate { .. }), "{error}");
        }
        for date in [date!(2020 - 01 - 01), date!(2100 - 12 - 31)] {
            let text = SiteSecret::generate(date).unwrap().to_text();
            let text = str::from_utf8(text.expose()).unwrap();
            assert_eq!(SiteSecret::parse(text).unwrap().created(), date);
        }
    }

    #[test]
    fn debug_shows_the_fingerprint_only() {
        assert_eq!(
            format!("{:?}", secret()),
            format!("SiteSecret({})", secret().fingerprint())
        );
    }
}
