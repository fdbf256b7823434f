//! lxseed: from host and disk profiles to machines that install Ubuntu 18.04 unattended and come up as one LXD cluster.
//!
//! Data flows one way: [`source`] reads text, [`profile`] is what a user may write, [`check`] finds what is wrong with it,
//! [`model`] is what is known to be true, [`render`] turns the model into bytes, [`media`] makes images of them and [`output`]
//! puts them on disk. [`contract`] holds what the outside world promises, [`trust`] the secret and what is derived from it, [`report`] how findings look,
//! [`schema`] what an editor is told of profiles, [`phases`] where the time goes.

pub mod check;
pub mod contract;
pub mod finding;
mod git;
mod gzip;
mod hex;
pub mod media;
pub mod model;
pub mod output;
pub mod phases;
mod pieces;
pub mod profile;
pub mod render;
pub mod report;
pub mod schema;
mod snap;
pub mod source;
pub mod trust;

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
