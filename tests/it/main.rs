//! The integration tests, a module a subject. They are one program, because each would link the whole library anew.
//!
//! `cargo nextest run -E 'test(golden)'` runs one module, as does `cargo test --test it golden`. With `LXSEED_BLESS=1`
//! the tests of `golden`, `living`, `mistakes`, `reports` and `schema` write the files that they compare with, which are then
//! reviewed like code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and tells what it did"
)]

mod build;
mod ci_recipes;
mod cloud;
mod cloud_config;
mod dependencies;
mod desk;
mod edit;
mod foreign;
mod forged;
mod formed;
mod fuzz;
#[path = "../../benches/generator.rs"]
mod generator;
mod golden;
mod good;
mod incremental;
mod kills;
mod layout;
mod living;
mod media;
mod mistakes;
mod mutants;
mod networks;
mod offline;
mod one_finding;
mod oracles;
mod people;
mod properties;
mod readme;
mod reports;
mod schema;
mod secret;
mod show;
mod support;
mod thousand;
