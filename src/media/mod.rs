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
pub mod sums;
#[cfg(test)]
mod testing;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::target::{self, Date};

pub use error::MediaError;
pub(crate) use inspect::seed_image_in;
pub use inspect::{SeedImage, folder_seed, is_seed_image, seed_image};
pub use seed_summary::SeedSummary;
pub(crate) use seed_summary::summary_of;

/// The day of every date on an image, so that the same input gives the same bytes: when the first release that lxseed
/// installs came out.
const DAY: Date = target::ALL[0].released;

/// A path by which another program finds the very file that is open here, for as long as it is.
fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// Read at a time for a digest: as much as fits into the processor's own memory.
const BLOCK: usize = 256 << 10;

/// The lower-case hexadecimal SHA-256 of a file from its beginning on, wherever others are reading it.
pub(crate) fn digest(file: &File) -> io::Result<String> {
    digest_while(file, || Ok(()))
}

/// The same, as long as `go_on` says so.
fn digest_while(file: &File, go_on: impl Fn() -> io::Result<()>) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    loop {
        go_on()?;
        let read = file.read_at(&mut block, at)?;
        if read == 0 {
            return Ok(hex::encode(&digest.finalize()));
        }
        digest.update(&block[..read]);
        at += read as u64;
    }
}
