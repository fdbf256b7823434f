//! user-data as an image carries it: in gzip, which cloud-init has unpacked by itself since long before 18.2.

use std::cell::RefCell;

use super::MediaError;
use crate::gzip::{self, Quick};
use crate::trust::SecretBytes;

/// A line that is longer is a script. Whole pieces of this size at its end are what all hosts have in common.
const CHUNK: usize = 4096;

/// In lines that hold these there is a secret: `-----BEGIN EC PRIVATE` in base64 is the second.
const SECRETS: [&str; 3] = [
    "PRIVATE KEY",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRF",
    "hashed_passwd",
];

/// Packs user-data, its keys as they are: a compressor would leave copies of them in memory.
pub(super) fn pack(user_data: &str) -> SecretBytes {
    /// More than what packing adds to what cannot be packed.
    const ROOM: usize = 4096;
    // At its full size at once: a vector that grows leaves copies behind, too.
    let mut packed = Vec::with_capacity(user_data.len() + ROOM);
    let mut quick = Quick::new();
    let (mut from, mut at) = (0, 0);
    let bytes = user_data.as_bytes();
    for line in user_data.split_inclusive('\n') {
        let end = at + line.len();
        let shared = line.len() / CHUNK * CHUNK;
        if SECRETS.iter().any(|sign| line.contains(sign)) {
            quick.append(&bytes[from..at], &mut packed);
            gzip::append_stored(line.as_bytes(), &mut packed);
            from = end;
        } else if shared > 0 {
            quick.append(&bytes[from..end - shared], &mut packed);
            append_shared(&bytes[end - shared..end], &mut quick, &mut packed);
            from = end;
        }
        at = end;
    }
    quick.append(&bytes[from..], &mut packed);
    SecretBytes::new(packed)
}

thread_local! {
    /// What was packed last, and the member that it gave.
    static LAST: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Appends a member for what is likely the same as for the host before, and is then not packed again.
fn append_shared(bytes: &[u8], quick: &mut Quick, to: &mut Vec<u8>) {
    LAST.with_borrow_mut(|(last, member)| {
        if last != bytes {
            member.clear();
            quick.append(bytes, member);
            bytes.clone_into(last);
        }
        to.extend(&*member);
    });
}

/// What [`pack`] packed, or nothing if these bytes are not packed.
///
/// # Errors
/// If it is damaged.
pub(super) fn unpack(bytes: &SecretBytes, limit: u32) -> Result<Option<SecretBytes>, MediaError> {
    if !bytes.expose().starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    gzip::unpacked(bytes.expose(), limit.into())
        .map(|bytes| Some(SecretBytes::new(bytes)))
        .map_err(|_| MediaError::Malformed("its user-data is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine as _;

    use super::*;

    #[test]
    fn what_was_packed_before_changes_nothing() {
        let script = |host: &str| {
            format!(
                "#cloud-config\n{host}{}\nend\n",
                "0123456789ab".repeat(1000)
            )
        };
        let texts = [
            script("a"),
            script("other"),
            script("a"),
            "b".repeat(20_000),
        ];
        let packed = texts.each_ref().map(|text| pack(text));
        assert!(packed[0].expose() == packed[2].expose());
        for (text, packed) in texts.iter().zip(packed) {
            assert!(unpack(&packed, 1 << 20).unwrap().unwrap().expose() == text.as_bytes());
        }
    }

    #[test]
    fn keys_are_not_compressed() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n";
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let text = format!(
            "#cloud-config\n{}\n\"content\": \"{key}\"\n\"a\": \"-----BEGIN OPENSSH PRIVATE KEY-----\"\n\"hashed_passwd\": \"$6$salt\"\n",
            "p".repeat(7000)
        );
        let packed = pack(&text);
        let holds = |sign: &str| {
            let mut windows = packed.expose().windows(sign.len());
            windows.any(|window| window == sign.as_bytes())
        };
        assert!(holds(&key) && holds("OPENSSH PRIVATE KEY") && holds("$6$salt"));
        assert!(!holds("pppppppp") && packed.expose().len() < 700);
        let same = unpack(&packed, 1 << 20).unwrap().unwrap();
        assert_eq!(same.expose(), text.as_bytes());
        let plain = SecretBytes::new(b"#cloud-config\n".to_vec());
        assert!(unpack(&plain, 99).unwrap().is_none());
        assert!(unpack(&SecretBytes::new(vec![0x1f, 0x8b, 8]), 99).is_err());
    }
}
