//! Bytes that must reach nothing but a 0600 file.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes: wiped from memory when dropped, and printed by `Debug` as `[secret]` only. There is no `Display`.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over; the caller's copy is moved, not cloned.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. The name is long so that every use is seen in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
