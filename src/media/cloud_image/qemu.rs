//! qemu-img, which stores a disk as qcow2. It is given disks of our own making alone.

use std::time::Duration;

use crate::child::{self, Ended, Limit};
use crate::media::MediaError;

/// Stores a plain disk in another format; both are paths. The same input gives the same bytes.
pub(super) fn pack(disk: &str, to: &str, format: &str) -> Result<(), MediaError> {
    let output = qemu_img(&["convert", "-f", "raw", "-O", format, disk, to])?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&output.stderr))
}

/// It packs some gigabytes.
const LIMIT: Limit = Limit {
    time: Duration::from_secs(60 * 60),
    stdout: 1 << 20,
};

fn qemu_img(words: &[&str]) -> Result<Ended, MediaError> {
    let output = child::run(child::command("qemu-img").args(words), LIMIT);
    output.map_err(|error| MediaError::not_started(error, "qemu-img", "writes qcow2", "qemu-utils"))
}

fn failed(said: &[u8]) -> MediaError {
    let said = String::from_utf8_lossy(said);
    let first = said.lines().next().unwrap_or("it did not say why");
    let first = first.strip_prefix("qemu-img: ").unwrap_or(first);
    MediaError::Tool {
        program: "qemu-img",
        said: first.to_owned(),
    }
}
