//! Holds every byte that ships against programs that are not ours: cloud-init's own schema, three builds of PyYAML,
//! netplan, shellcheck, bash and dash, openssl, OpenSSH and coreutils.
//!
//! The shipped sites are built, and `tests/oracles/nasty`, whose values are as awkward as the profile format lets them
//! be. Each oracle is also fed something wrong, because one that accepts everything proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "oracles/built.rs"]
mod built;
#[path = "oracles/cloud_init.rs"]
mod cloud_init;
#[path = "oracles/netplan.rs"]
mod netplan;
#[path = "oracles/preseed.rs"]
mod preseed;
#[path = "oracles/reports.rs"]
mod reports;
#[path = "oracles/scripts.rs"]
mod scripts;
#[path = "oracles/tls.rs"]
mod tls;
#[path = "oracles/tree.rs"]
mod tree;
#[path = "oracles/yaml.rs"]
mod yaml;
