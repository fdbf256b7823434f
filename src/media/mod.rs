//! Media: the seed as an image a machine finds by its label, and install media for a fleet.

pub mod baked;
pub mod carried;
mod error;
mod facts;
mod fat;
mod inspect;
mod iso9660;
mod packed;
pub mod seed;

pub use error::MediaError;
pub use facts::Facts;
pub use inspect::{SeedImage, folder_seed, is_seed_image, seed_image};
