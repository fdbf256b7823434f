//! Media: the seed as an image a machine finds by its label, and install media for a fleet.

pub mod bundled;
pub mod cloud_image;
mod error;
mod fat;
mod inspect;
pub mod install_iso;
pub(crate) mod iso9660;
pub mod seed_image;
mod seed_summary;

use std::fs::File;
use std::os::fd::AsRawFd as _;

use crate::target::{self, Date};

pub use error::MediaError;
pub use inspect::{SeedImage, folder_seed, is_seed_image, seed_image};
pub use seed_summary::SeedSummary;

/// The day of every date on an image, so that the same input gives the same bytes: when the first release that lxseed
/// installs came out.
const DAY: Date = target::ALL[0].released;

/// A path by which another program finds the very file that is open here, for as long as it is.
fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}
