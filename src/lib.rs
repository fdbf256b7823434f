//! lxseed: from host and disk profiles to machines that install Ubuntu 18.04 unattended and come up as one LXD cluster.
//!
//! What is promised is the program: its commands, the files it reads and writes, the codes of its rules. This library
//! is how the program is made. Its items are public for the program itself, for tests and benchmarks, and change with
//! any version.
//!
//! Data flows one way: [`source`] reads text, [`profile`] is what a user may write, [`check`] finds what is wrong with
//! it, [`model`] is what is known to be true, [`seed`] and [`installer`] turn the model into bytes, [`media`] makes
//! images of them and [`tree`] puts them on disk. [`target`] is what the outside world promises, [`trust`] the secret
//! and what is derived from it, [`report`] how findings look. docs/architecture.md has the drawing.

mod budget;
pub mod check;
mod child;
mod chunks;
pub mod cluster;
mod encoding;
pub mod finding;
mod foreign;
#[doc(hidden)]
pub mod fuzzing;
mod git;
mod hex;
pub mod installer;
pub mod interrupt;
mod manager;
pub mod media;
pub mod model;
mod profile;
pub mod report;
pub mod seed;
mod shell;
mod snap;
pub mod source;
pub mod target;
pub mod tree;
pub mod trust;
pub mod yaml;
