//! SSH host keys from the site secret.

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::certificate::check_name;
use super::derive::{Purpose, Subject};
use super::error::TrustError;
use super::{SecretBytes, SiteSecret};

/// An Ed25519 host key as sshd reads it.
#[derive(Clone, Debug)]
pub struct SshHostKey {
    /// `ssh_host_ed25519_key.pub`, one line without its end: `ssh-ed25519 AAAA... HOST`.
    pub public: String,
    /// `ssh_host_ed25519_key`: one unencrypted `OPENSSH PRIVATE KEY` block with LF line ends.
    pub private: SecretBytes,
}

impl SiteSecret {
    /// The SSH host key of a host. It depends on the secret, the three arguments and nothing else.
    ///
    /// # Errors
    /// [`TrustError::Name`] if the host's name is not a DNS name of at most 64 characters: it is the key's comment.
    pub fn ssh_host_key(&self, cluster: &str, host: &str, generation: u32) -> Result<SshHostKey, TrustError> {
        check_name(host)?;
        let failed = |error| TrustError::Ssh {
            name: host.to_owned(),
            error,
        };
        let mut seed = Zeroizing::new([0; 32]);
        let subject = Subject {
            cluster,
            host,
            generation,
        };
        subject.derive(self.key(), Purpose::SshHostKey, &mut seed);

        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        // The format asks for a number twice before the key, so that decryption with a wrong passphrase
        // is noticed. ssh-keygen draws it; this crate computes it from the key when the key is not encrypted, so the
        // file is always the same.
        let key = PrivateKey::new(pair, host).map_err(failed)?;
        let mut private = key.to_openssh(LineEnding::LF).map_err(failed)?;
        Ok(SshHostKey {
            public: key.public_key().to_openssh().map_err(failed)?,
            private: SecretBytes::new(std::mem::take(&mut *private).into_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;
    use crate::trust::testing::{Folder, have, run, secret};

    fn key(cluster: &str, host: &str, generation: u32) -> SshHostKey {
        secret().ssh_host_key(cluster, host, generation).unwrap()
    }

    fn private(key: &SshHostKey) -> &str {
        str::from_utf8(key.private.expose()).unwrap()
    }

    #[test]
    fn every_call_gives_the_same_bytes() {
        let (first, second) = (key("lab", "node1", 1), key("lab", "node1", 1));
        assert_eq!(first.public, second.public);
        assert_eq!(first.private.expose(), second.private.expose());
    }

    // If this test fails, every known_hosts that was ever written is wrong after the next build.
    #[test]
    fn every_version_gives_the_same_bytes() {
        use sha2::{Digest, Sha256};
        let key = key("lab", "node1", 1);
        assert_eq!(
            key.public,
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILCwDjDz632bw9rBkAWWNU3W3bUxrLP8gzfmr9ETgxGA node1"
        );
        // The whole file, with the number that ssh-keygen would draw.
        let digest = crate::hex::encode(&Sha256::digest(key.private.expose()));
        assert_eq!(
            digest,
            "d254733e06f7d8a555e4ffcfb3ae490fab399cae85df37f8468f98950b9351b3"
        );
    }

    #[test]
    fn everything_that_goes_in_changes_the_key() {
        let other = SiteSecret::generate(time::macros::date!(2026 - 11 - 23)).unwrap();
        let keys = [
            key("lab", "node1", 1),
            key("lab", "node1", 2),
            key("lab", "node2", 1),
            key("lab2", "node1", 1),
            key("ab", "c", 1),
            key("a", "bc", 1),
            other.ssh_host_key("lab", "node1", 1).unwrap(),
        ];
        let blob = |key: &SshHostKey| key.public.split(' ').nth(1).unwrap().to_owned();
        assert_eq!(keys.iter().map(blob).collect::<HashSet<_>>().len(), 7);
    }

    #[test]
    fn the_file_is_plain_pem() {
        let key = key("lab", "node1", 1);
        let text = private(&key);
        assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        assert!(text.ends_with("\n-----END OPENSSH PRIVATE KEY-----\n"));
        assert!(text.is_ascii() && !text.contains('\r'));
        assert!(!key.public.contains('\n'));
        let read = PrivateKey::from_openssh(text).unwrap();
        assert_eq!(read.public_key().to_openssh().unwrap(), key.public);
    }

    #[test]
    fn debug_keeps_the_key_back() {
        let key = key("lab", "node1", 1);
        let shown = format!("{key:?}");
        for line in private(&key).lines().filter(|line| !line.starts_with('-')) {
            assert!(!shown.contains(line));
        }
        assert!(shown.contains("[secret]"));
    }

    #[test]
    fn openssh_reads_it() {
        if !have("ssh-keygen") {
            return;
        }
        let folder = Folder::new();
        let key = key("lab", "node1", 1);
        let file = folder.write("ssh_host_ed25519_key", private(&key), 0o600);
        assert_eq!(run("ssh-keygen", &["-y", "-f", file.as_str()]).trim(), key.public);
    }
}
