//! The site secret and everything that is derived from it.
//!
//! A site has one secret of 32 random bytes. Every LXD identity, the cluster's own certificate and every SSH host key
//! follow from it and from names, so a build gives the same bytes on any machine and a new host needs no new state.

mod certificate;
mod client_certificate;
mod derive;
mod error;
mod file;
mod location;
mod origin;
mod redacted;
mod secret;
pub mod source;
mod ssh;
#[cfg(test)]
pub(crate) mod testing;

pub use certificate::{DESK_NAME, KeyPair};
pub(crate) use client_certificate::{ClientCertificate, ClientKey};
pub use error::{SecretError, SecretTextError, TrustError};
pub use redacted::SecretBytes;
pub use secret::SiteSecret;
pub use ssh::SshHostKey;
