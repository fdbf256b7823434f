//! Bytes that must reach nothing but a 0600 file.

use std::fmt;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Secret bytes: wiped from memory when dropped, and printed by `Debug` as `[secret]` only. There is no `Display`.
#[derive(Clone)]
pub struct SecretBytes {
    bytes: Zeroizing<Vec<u8>>,
    sha256: OnceLock<[u8; 32]>,
}

impl SecretBytes {
    /// Takes the bytes over; the caller's copy is moved, not cloned.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
            sha256: OnceLock::new(),
        }
    }

    /// The bytes themselves. The name is long so that every use is seen in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256, taken once however often it is asked for.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        self.sha256.get_or_init(|| Sha256::digest(self.expose()).into())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
