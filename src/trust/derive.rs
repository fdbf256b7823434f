//! One key per purpose, cluster, host and generation, all from the site secret (HKDF-SHA512, RFC 5869).

use hkdf::Hkdf;
use sha2::Sha512;

/// What derived bytes are for. Two purposes never give related bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    LxdServerKey,
    LxdServerSerial,
    LxdClusterKey,
    LxdClusterSerial,
    DeskKey,
    DeskSerial,
    SshHostKey,
    SecretFingerprint,
    TreeManifest,
}

/// Whom derived bytes belong to. A cluster's own key has an empty `host`, which no host can be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) cluster: &'a str,
    pub(super) host: &'a str,
    /// 1 at first; a higher number replaces the keys of this subject and of no other.
    pub(super) generation: u32,
}

// Part of every derivation: a later scheme gets a new tag and cannot repeat bytes of this one.
const SCHEME: &str = "lxseed-derive-1";

// RFC 5869, 2.3: at most 255 blocks of the hash can be taken.
const MAX_OUTPUT: usize = 255 * 64;

impl Purpose {
    /// These words are in the derivation: changing one changes every key of that purpose.
    fn label(self) -> &'static str {
        match self {
            Self::LxdServerKey => "lxd-server-p256-key",
            Self::LxdServerSerial => "lxd-server-serial",
            Self::LxdClusterKey => "lxd-cluster-p256-key",
            Self::LxdClusterSerial => "lxd-cluster-serial",
            Self::DeskKey => "lxd-desk-p256-key",
            Self::DeskSerial => "lxd-desk-serial",
            Self::SshHostKey => "ssh-ed25519-host-key",
            Self::SecretFingerprint => "secret-fingerprint",
            Self::TreeManifest => "tree-manifest-mac",
        }
    }
}

impl Subject<'_> {
    /// Fills `out` with the bytes of this subject for one purpose.
    pub(super) fn derive<const N: usize>(&self, key: &[u8], purpose: Purpose, out: &mut [u8; N]) {
        let fields = [
            self.cluster.as_bytes(),
            self.host.as_bytes(),
            &self.generation.to_be_bytes(),
        ];
        derive(key, purpose, &fields, out);
    }
}

/// Fills `out` from the key, the purpose and the fields.
// The bytes go to the caller's array because a returned one would be moved, and moving leaves a copy nobody wipes.
pub(super) fn derive<const N: usize>(key: &[u8], purpose: Purpose, fields: &[&[u8]], out: &mut [u8; N]) {
    const { assert!(N <= MAX_OUTPUT) };
    let info = info(purpose, fields);
    #[expect(
        clippy::expect_used,
        reason = "the only error is a length above MAX_OUTPUT, ruled out at compile time"
    )]
    Hkdf::<Sha512>::new(None, key)
        .expand(&info, out)
        .expect("the length is within RFC 5869");
}

/// Each part behind its length, so that ("ab", "c") and ("a", "bc") differ.
fn info(purpose: Purpose, fields: &[&[u8]]) -> Vec<u8> {
    let mut info = Vec::new();
    let heads = [SCHEME.as_bytes(), purpose.label().as_bytes()];
    for part in heads.iter().chain(fields) {
        info.extend_from_slice(&(part.len() as u64).to_be_bytes());
        info.extend_from_slice(part);
    }
    info
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PURPOSES: [Purpose; 9] = [
        Purpose::LxdServerKey,
        Purpose::LxdServerSerial,
        Purpose::LxdClusterKey,
        Purpose::LxdClusterSerial,
        Purpose::DeskKey,
        Purpose::DeskSerial,
        Purpose::SshHostKey,
        Purpose::SecretFingerprint,
        Purpose::TreeManifest,
    ];

    fn bytes(key: &[u8], purpose: Purpose, cluster: &str, host: &str, generation: u32) -> [u8; 32] {
        let mut out = [0; 32];
        let subject = Subject {
            cluster,
            host,
            generation,
        };
        subject.derive(key, purpose, &mut out);
        out
    }

    #[test]
    fn everything_that_goes_in_separates() {
        let mut seen = HashSet::new();
        let mut count = 0;
        for key in [[1; 32], [2; 32]] {
            for purpose in PURPOSES {
                for (cluster, host) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("c", "ab")] {
                    for generation in [1, 2, 256, 0x0100_0000] {
                        seen.insert(bytes(&key, purpose, cluster, host, generation));
                        count += 1;
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_length_cannot_pass_for_content() {
        let whole = info(Purpose::SshHostKey, &[b"ab", b"c"]);
        assert_ne!(whole, info(Purpose::SshHostKey, &[b"a", b"bc"]));
        assert_ne!(whole, info(Purpose::SshHostKey, &[b"abc"]));
        assert_ne!(whole, info(Purpose::SshHostKey, &[b"ab", b"c", b""]));
        let mut hidden = b"ab".to_vec();
        hidden.extend_from_slice(&1u64.to_be_bytes());
        hidden.push(b'c');
        assert_ne!(whole, info(Purpose::SshHostKey, &[&hidden]));
    }
}
