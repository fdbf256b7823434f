//! The site secret and everything that is derived from it.

mod redacted;

pub use redacted::SecretBytes;
