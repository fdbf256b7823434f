//! What a manifest says of secret files beside their SHA-256.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::derive::{Purpose, derive};
use super::{SecretBytes, SiteSecret};

/// Hides digests that are quick to take and can be turned round. A manifest may be shown to anybody, and a file is public but
/// for its keys: of a digest that is no one-way function they could be told in part. Whoever has the site secret lifts
/// the veil, to others each digest is random bits.
pub struct Veil(SecretBytes);

impl SiteSecret {
    /// The veil of a site.
    #[must_use]
    pub fn veil(&self) -> Veil {
        let mut key = Zeroizing::new([0; 32]);
        derive(self.key(), Purpose::Veil, &[], &mut key);
        Veil(SecretBytes::new(key.to_vec()))
    }
}

impl Veil {
    /// What lies over the digest of a file with this SHA-256, by exclusive or: no two files have the same.
    #[must_use]
    pub fn over(&self, sha256: &str) -> u128 {
        // Expanded only, with a key that is ready: every secret file of a tree is asked for at every build.
        let mut mask = [0; 16];
        #[expect(
            clippy::expect_used,
            reason = "the key is as long as a digest, and one block is taken"
        )]
        Hkdf::<Sha256>::from_prk(self.0.expose())
            .map(|key| key.expand(sha256.as_bytes(), &mut mask))
            .expect("RFC 5869, 2.3, asks for a key of a digest's length")
            .expect("RFC 5869, 2.3, gives 255 blocks");
        u128::from_be_bytes(mask)
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil")
    }
}

#[cfg(test)]
mod tests {
    use crate::trust::testing::secret;

    #[test]
    fn every_file_has_a_veil_of_its_own() {
        let veil = secret().veil();
        assert_eq!(veil.over("ab"), secret().veil().over("ab"));
        assert_ne!(veil.over("ab"), veil.over("ac"));
        assert_eq!(format!("{veil:?}"), "Veil");
    }
}
