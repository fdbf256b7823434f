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

pub mod check;
mod child;
mod chunks;
mod encoding;
pub mod finding;
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

/// The way in for the fuzz targets, to what is not public.
#[doc(hidden)]
pub mod fuzzing {
    use crate::snap::{Claims, NoMeta, SnapFile};

    /// Reads the bytes as a snap, and as the assertions of one; tells whether a text in them was understood.
    pub fn snap(bytes: &[u8]) -> bool {
        let snap = SnapFile::in_memory("a.snap".into(), bytes.to_vec());
        let description = snap.examine().map(|found| &found.meta);
        let described = match description {
            Ok(Err(NoMeta::Damaged(why))) => why.contains("cannot be read"),
            Ok(meta) => meta.is_ok(),
            Err(_) => false,
        };
        described | Claims::read(bytes).is_ok()
    }
}
