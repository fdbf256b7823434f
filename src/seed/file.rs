//! One file of the output tree, before it is on disk.

use camino::Utf8PathBuf;
use sha2::{Digest, Sha256};

use crate::trust::SecretBytes;

/// What a file holds. The kind decides the mode, so a secret cannot end up readable by others.
#[derive(Clone, Debug)]
pub enum Content {
    /// Anybody may read it: mode 0644.
    Public(Vec<u8>),
    /// Anybody may read and run it: mode 0755.
    Script(Vec<u8>),
    /// Holds key material: mode 0600, and never printed, compared or diffed in the open.
    Secret(SecretBytes),
}

/// One file to write, its path relative to the output folder.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative, of normal components only: it is built from checked names.
    pub path: Utf8PathBuf,
    /// What to write.
    pub content: Content,
}

impl Content {
    /// The bytes to write, secret or not.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Public(bytes) | Self::Script(bytes) => bytes,
            Self::Secret(bytes) => bytes.expose(),
        }
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Public(bytes) | Self::Script(bytes) => Sha256::digest(bytes).into(),
            Self::Secret(bytes) => *bytes.sha256(),
        }
    }

    /// The permission bits of the file.
    #[must_use]
    pub fn mode(&self) -> u32 {
        match self {
            Self::Public(_) => 0o644,
            Self::Script(_) => 0o755,
            Self::Secret(_) => 0o600,
        }
    }

    /// Whether the bytes are key material.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}
