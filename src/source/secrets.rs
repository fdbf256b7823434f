//! Private keys in a text, whatever wraps them.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::GeneralPurposeConfig;

/// Texts that a private key begins with: behind each stands the key itself.
const MARKS: [&str; 8] = [
    // PEM of every kind, OpenSSH's and PGP's included (RFC 7468, RFC 4880 6.2).
    "PRIVATE KEY-----",
    "PRIVATE KEY BLOCK-----",
    "SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY-User-Key-File-",
    "AGE-SECRET-KEY-1",
    "AGE-SECRET-KEY-PQ-1",
    "lxseed-secret-1 ",
    // `openssh-key-v1` in base64, as a body that has lost its first line.
    "b3BlbnNzaC1rZXktdjE",
];
/// `-----BEGIN ` in base64.
const WRAPPED_PEM: &str = "LS0tLS1CRUdJTi";
/// Characters of base64 in which a key's beginning can be told; the shortest key that is common, Ed25519 in PKCS #8,
/// has 64.
const ENOUGH: usize = 60;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Where private keys stand in the text, each from where it begins to where it ends, as far as that can be told.
pub(crate) fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for mark in MARKS {
        for (at, _) in text.match_indices(mark) {
            if holds_a_key(mark, &text[at + mark.len()..]) {
                found.push(extent(text, at));
            }
        }
    }
    found.extend(encoded(text));
    found.sort_by_key(|range| (range.start, range.end));
    // One within another is the same key.
    found.dedup_by(|later, first| {
        let same = later.start < first.end;
        if same {
            first.end = first.end.max(later.end);
        }
        same
    });
    found
}

/// Whether bytes, of a file that may be no text, are or begin with a private key.
pub(crate) fn begins_with_private_key(bytes: &[u8]) -> bool {
    is_private_der(bytes) || !private_keys(&String::from_utf8_lossy(bytes)).is_empty()
}

/// Whether bytes hold the secret of a site.
pub(crate) fn holds_site_secret(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mark = "lxseed-secret-1 ";
    text.match_indices(mark)
        .any(|(at, _)| holds_a_key(mark, &text[at + mark.len()..]))
}

/// Prose may name a mark; a key follows none there.
fn holds_a_key(mark: &str, behind: &str) -> bool {
    // The line breaks of a text in quotes are `\n`, and those of a comment have a sign behind them.
    let behind = behind.trim_start_matches(|c: char| c.is_whitespace() || "#\\\"'>|*".contains(c));
    let behind = behind
        .strip_prefix('n')
        .filter(|_| mark.ends_with('-'))
        .unwrap_or(behind);
    let run = |fits: fn(&u8) -> bool| behind.bytes().take_while(fits).count();
    match mark {
        "lxseed-secret-1 " => behind.starts_with("20") && run(|byte| byte.is_ascii_digit() || *byte == b'-') == 10,
        "PuTTY-User-Key-File-" => behind.starts_with(|c: char| c.is_ascii_digit()),
        _ if mark.starts_with("AGE") => run(u8::is_ascii_alphanumeric) >= 20,
        // Headers such as `Proc-Type: 4,ENCRYPTED` come first in older ones.
        _ => {
            run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)) >= 8
                || ["Proc-Type", "DEK-Info", "Version:", "Comment:", "Subject:"]
                    .iter()
                    .any(|header| behind.starts_with(header))
        }
    }
}

/// The lines of a key whose mark is at that byte.
fn extent(text: &str, at: usize) -> Range<usize> {
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let begin = text[line_start..at].rfind("----").map_or(at, |_| {
        // All dashes and words of its line that belong to the mark.
        text[line_start..at].find("----").map_or(at, |first| line_start + first)
    });
    let behind = &text[at..];
    let line_end = behind.find('\n').unwrap_or(behind.len());
    // A key is a few kilobytes.
    let near = floor(behind, 16 * 1024);
    let end = behind[..near]
        .find("-END ")
        .or_else(|| behind[..near].find("---- END "))
        .map_or(line_end, |last| {
            last + behind[last..].find('\n').unwrap_or(behind.len() - last)
        });
    begin..at + end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Keys in base64 without a line before them that says so: PEM wrapped once more, and bare DER.
fn encoded(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let mut start = 0;
    std::iter::from_fn(move || {
        // From the end of what a key would take at least: nearly everywhere a few bytes tell that none is there.
        while let Some(least) = bytes.get(start..start + ENOUGH) {
            if let Some(other) = least.iter().rposition(|byte| !is_part(byte)) {
                start += other + 1;
                continue;
            }
            let end = bytes[start..]
                .iter()
                .position(|byte| !is_part(byte))
                .map_or(bytes.len(), |run| start + run);
            let run = start..end;
            start = end;
            if is_encoded_key(&text[run.clone()]) {
                return Some(run);
            }
        }
        None
    })
}

fn is_encoded_key(run: &str) -> bool {
    let head = || BASE64.decode(&run[..run.len().min(80) / 4 * 4]).unwrap_or_default();
    if run.starts_with(WRAPPED_PEM) {
        return head().windows(11).any(|bytes| bytes == b"PRIVATE KEY");
    }
    // A sequence of DER of up to 64 KiB begins so.
    run.starts_with('M') && is_private_der(&head())
}

/// Whether DER is a private key: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017, A.1.2), SEC 1 (RFC 5915) or a PKCS #12 file with
/// one. Each is a sequence whose first member is a version; a certificate's is another sequence.
fn is_private_der(bytes: &[u8]) -> bool {
    let body = match bytes {
        [0x30, 0x81, _, body @ ..] | [0x30, 0x82, _, _, body @ ..] => body,
        [0x30, length, body @ ..] if *length < 0x80 => body,
        _ => return false,
    };
    match body {
        // PKCS #8: an algorithm; PKCS #1: the modulus; SEC 1: the key.
        [2, 1, 0 | 1, 0x30, _, 6, ..] | [2, 1, 0 | 1, 0x30, 0x81, _, 6, ..] | [2, 1, 0, 2, 0x81 | 0x82, ..] => true,
        [2, 1, 1, 4, length, ..] => (16..=66).contains(length),
        [2, 1, 3, 0x30, 0x80..=0x84, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const BODY: &str = "MHcCAQEEIFNVd0cFZ8cW4cOnZ4Xm8wVxAQIDBAUGBwgJCgsMDQ4PoAoGCCqGSM49AwEHoUQDQgAE";

    fn pem(label: &str) -> String {
        format!("-----BEGIN {label}-----\n{BODY}\n-----END {label}-----\n")
    }

    #[test]
    fn keys_of_every_kind_are_found() {
        let openssh = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQ";
        for text in [
            pem("PRIVATE KEY"),
            pem("EC PRIVATE KEY"),
            pem("RSA PRIVATE KEY"),
            pem("ENCRYPTED PRIVATE KEY"),
            pem("OPENSSH PRIVATE KEY"),
            pem("PGP PRIVATE KEY BLOCK"),
            pem("RSA PRIVATE KEY").replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n"),
            pem("EC PRIVATE KEY").replace('\n', "\\n"),
            pem("EC PRIVATE KEY").replace('\n', "\n# "),
            pem("EC PRIVATE KEY").replace('\n', " "),
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAA\n".to_owned(),
            "PuTTY-User-Key-File-3: ssh-ed25519\n".to_owned(),
            "AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS".to_owned(),
            "lxseed-secret-1 2026-11-24 00112233".to_owned(),
            openssh.to_owned(),
            BODY.to_owned(),
            format!("key: {BODY}"),
            STANDARD.encode(pem("OPENSSH PRIVATE KEY")),
            STANDARD.encode(pem("PRIVATE KEY")),
            // As `openssl genpkey -algorithm ed25519` writes it.
            "MC4CAQAwBQYDK2VwBCIEIBERERERERERERERERERERERERERERERERERERERERER".to_owned(),
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj".to_owned(),
            "MIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gun".to_owned(),
            "MIGkAgEBBDCvJ0sEEg5CJgkgcrEn8rIvCJ5NjUy0mzyXP0E1bSbZ9fXFJz8wWmD1".to_owned(),
        ] {
            assert_eq!(private_keys(&text).len(), 1, "{text}");
            let within = format!("# caf\u{e9}\nname: a\n# {text}\n");
            assert_eq!(private_keys(&within).len(), 1, "{within}");
            assert!(begins_with_private_key(text.as_bytes()), "{text}");
        }
        assert_eq!(private_keys(&(pem("PRIVATE KEY") + &pem("EC PRIVATE KEY"))).len(), 2);
        assert!(begins_with_private_key(&STANDARD.decode(BODY).unwrap()));
        assert!(begins_with_private_key(b"\x30\x82\x09\x00\x02\x01\x03\x30\x82\x08\xc6"));
    }

    #[test]
    fn what_is_no_private_key_is_passed_over() {
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\nMIHYMIGLAhQjW4CeBfdnqatO1F/P0zXTkS0BKDAFBgMrZXAwDzENMAsGA1UEAwwE\n",
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
            "-----BEGIN CERTIFICATE REQUEST-----\nMIHiMIGJAgEAMCcxJTAjBgNVBAMMHG5vZGUxLmV4YW1wbGUub3JnAAAAAAAAAAAAAAA\n",
            "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gun2VrG\n",
            "never write -----BEGIN OPENSSH PRIVATE KEY----- in here, nor AGE-SECRET-KEY-1\n",
            "the file starts with PuTTY-User-Key-File-N, and lxseed-secret-1 is the kind of the secret",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk",
            "$6$q1w2e3r4t5y6$P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/",
            "ATA-MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM",
            "/dev/disk/by-id/MIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIEMIIE",
        ] {
            assert_eq!(private_keys(text), [], "{text}");
            assert!(!begins_with_private_key(text.as_bytes()), "{text}");
        }
        assert!(!begins_with_private_key(b"\x30\x82\x01\x00\x30\x82\x00\xf0"));
    }

    #[test]
    fn a_key_reaches_from_its_first_line_to_its_last() {
        let text = format!("name: a\n# {}# behind\n", pem("EC PRIVATE KEY"));
        let range = private_keys(&text).remove(0);
        assert!(text[range.clone()].starts_with("-----BEGIN EC"), "{range:?}");
        assert!(
            text[range.clone()].ends_with("-----END EC PRIVATE KEY-----"),
            "{range:?}"
        );
    }
}
