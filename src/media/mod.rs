//! Media: the seed as an image a machine finds by its label, and install media for a fleet.

pub mod baked;
pub mod carried;
pub mod cloud;
mod error;
mod facts;
mod fat;
mod inspect;
mod iso9660;
mod packed;
pub mod seed;

/// The day of 18.04's release, in seconds: for every date that another program writes, so that the same input gives the same
/// bytes.
const EPOCH: &str = "1524700800";

pub use error::MediaError;
pub use facts::Facts;
pub use inspect::{SeedImage, folder_seed, is_seed_image, seed_image};
