//! user-data as an image carries it: in gzip, which cloud-init has unpacked by itself since long before 18.2.

use std::cell::RefCell;

use super::MediaError;
use crate::gzip::{self, Packer};
use crate::trust::SecretBytes;

/// A line that is longer is a script, packed in members of gzip. The last of them is what all hosts have in common.
const SCRIPT: usize = 4096;

/// What is shorter is stored: the tables of a compressor take longer to clear than that is to pack.
const WORTH_PACKING: usize = 2048;

/// In lines that hold these there is a secret: `-----BEGIN EC PRIVATE` in base64 is the second.
const SECRETS: [&str; 3] = [
    "PRIVATE KEY",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRF",
    "hashed_passwd",
];

/// Packs user-data, its keys as they are: a compressor would leave copies of them in memory. Every piece is unpacked again to
/// see that nothing is lost, what all hosts have in common when it is packed.
///
/// # Errors
/// If a piece does not unpack to what it was.
pub(super) fn pack(user_data: &str) -> Result<SecretBytes, MediaError> {
    TOOLS.with_borrow_mut(|tools| tools.pack(user_data))
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::new(Tools::new());
}

/// What is dear to make and is used for one seed after the other.
struct Tools {
    quick: Packer,
    /// What was packed last of what is likely the same for the next host, and the member that it gave.
    shared: (Vec<u8>, Vec<u8>),
}

impl Tools {
    fn new() -> Self {
        Self {
            quick: Packer::quick(),
            shared: (Vec::new(), Vec::new()),
        }
    }

    fn pack(&mut self, user_data: &str) -> Result<SecretBytes, MediaError> {
        /// More than what packing adds to what cannot be packed.
        const ROOM: usize = 4096;
        // At its full size at once: a vector that grows leaves copies behind, too.
        let mut packed = Vec::with_capacity(user_data.len() + ROOM);
        let bytes = user_data.as_bytes();
        let (mut from, mut at) = (0, 0);
        for line in user_data.split_inclusive('\n') {
            let end = at + line.len();
            if SECRETS.iter().any(|sign| line.contains(sign)) {
                self.append_own(&bytes[from..at], &mut packed)?;
                append_stored(&bytes[at..end], &mut packed)?;
                from = end;
            } else if let Some(shared) = begin_of_shared(line) {
                self.append_own(&bytes[from..at + shared], &mut packed)?;
                self.append_shared(&bytes[at + shared..end], &mut packed)?;
                from = end;
            }
            at = end;
        }
        self.append_own(&bytes[from..], &mut packed)?;
        Ok(SecretBytes::new(packed))
    }

    /// Appends a member for what is a host's own and no secret, if there is any.
    fn append_own(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), MediaError> {
        if bytes.len() < WORTH_PACKING {
            return append_stored(bytes, to);
        }
        let begin = to.len();
        self.quick.append(bytes, to);
        compare(&to[begin..], bytes)
    }

    /// Appends a member for what is likely the same as for the host before, and is then not packed again.
    fn append_shared(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), MediaError> {
        let (last, member) = &mut self.shared;
        if last != bytes {
            last.clear();
            member.clear();
            self.quick.append(bytes, member);
            compare(member, bytes)?;
            last.extend(bytes);
        }
        to.extend(&*member);
        Ok(())
    }
}

fn append_stored(bytes: &[u8], to: &mut Vec<u8>) -> Result<(), MediaError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let begin = to.len();
    gzip::append_stored(bytes, to);
    compare(&to[begin..], bytes)
}

/// Where in a line that carries a script the part begins that does not differ from host to host. It follows from the line
/// alone, so an image does not depend on which host was packed before.
fn begin_of_shared(line: &str) -> Option<usize> {
    (line.len() > SCRIPT)
        .then(|| line.rfind(gzip::BEGIN_IN_BASE64))
        .flatten()
}

fn compare(members: &[u8], bytes: &[u8]) -> Result<(), MediaError> {
    match gzip::unpacked(members, bytes.len() as u64 + 1).map(SecretBytes::new) {
        Ok(again) if again.expose() == bytes => Ok(()),
        _ => Err(MediaError::NotReadBack("user-data, packed".to_owned())),
    }
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
            let encode = |bytes| base64::engine::general_purpose::STANDARD.encode(bytes);
            let own = encode(gzip::member_before_others(host.as_bytes()));
            // What does not pack, so that the line is a long one.
            let constant: Vec<u8> = (0..9000_u64)
                .flat_map(|n| (n * n * n).to_le_bytes())
                .collect();
            let constant = encode(gzip::member(&constant));
            format!("#cloud-config\n\"content\": \"{own}{constant}\"\nend\n")
        };
        let texts = [
            script("a"),
            script(&"another ".repeat(99)),
            script("a"),
            "b".repeat(20_000),
        ];
        let packed = texts.each_ref().map(|text| pack(text).unwrap());
        assert!(packed[0].expose() == packed[2].expose());
        for (text, packed) in texts.iter().zip(&packed) {
            assert!(unpack(packed, 1 << 20).unwrap().unwrap().expose() == text.as_bytes());
        }
        assert!(packed[0].expose().len() < texts[0].len() * 4 / 5);
        // However long what is a host's own, what follows it is packed the same.
        let [one, other] = [&packed[0], &packed[1]].map(|packed| packed.expose());
        let same = one.iter().rev().zip(other.iter().rev());
        assert!(same.take_while(|(a, b)| a == b).count() > 4096);
    }

    #[test]
    fn what_unpacks_to_something_else_is_refused() {
        let mut members = gzip::member(b"one");
        assert!(compare(&members, b"one").is_ok());
        for other in [&b"on"[..], b"ones", b"two", b""] {
            assert!(compare(&members, other).is_err(), "{other:?}");
        }
        members.pop();
        assert!(compare(&members, b"one").is_err());
        assert!(compare(b"", b"one").is_err());
    }

    #[test]
    fn keys_are_not_compressed() {
        let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n";
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let text = format!(
            "#cloud-config\n{}\n\"content\": \"{key}\"\n\"a\": \"-----BEGIN OPENSSH PRIVATE KEY-----\"\n\"hashed_passwd\": \"$6$salt\"\n",
            "p".repeat(7000)
        );
        let packed = pack(&text).unwrap();
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
