//! Holds every byte that ships against programs that are not ours: cloud-init's own schema, three builds of PyYAML,
//! netplan, shellcheck, bash and dash, openssl, OpenSSH and coreutils.
//!
//! The shipped sites are built, and `tests/oracles/nasty`, whose values are as awkward as the profile format lets them
//! be. Each oracle is also fed something wrong, because one that accepts everything proves nothing.

mod built;
mod cloud_init;
mod netplan;
mod preseed;
mod reports;
mod scripts;
mod tls;
mod tree;
mod yaml;
