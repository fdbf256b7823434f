//! qcow2, which qemu-img turns into a plain disk and back.

use std::time::Duration;

use crate::child::{self, Ended, Limit};
use crate::media::MediaError;

/// What a qcow2 image begins with.
pub(super) const MAGIC: &[u8] = b"QFI\xfb";

/// Converts an image; both are paths. The same input gives the same bytes.
pub(super) fn convert(from: (&str, &str), to: (&str, &str)) -> Result<(), MediaError> {
    let output = qemu_img(&["convert", "-f", from.1, "-O", to.1, from.0, to.0])?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(&output.stderr))
}

/// How many bytes the data of a qcow2 image takes.
pub(super) fn needs(path: &str) -> Result<u64, MediaError> {
    #[derive(serde::Deserialize)]
    struct Measured {
        required: u64,
    }
    let output = qemu_img(&["measure", "-f", "qcow2", "-O", "qcow2", "--output=json", path])?;
    if !output.status.success() {
        return Err(failed(&output.stderr));
    }
    serde_json::from_slice(&output.stdout)
        .map(|measured: Measured| measured.required)
        .map_err(|_| failed(b"its answer cannot be read"))
}

/// It packs some gigabytes.
const LIMIT: Limit = Limit {
    time: Duration::from_secs(60 * 60),
    stdout: 1 << 20,
};

fn qemu_img(words: &[&str]) -> Result<Ended, MediaError> {
    let output = child::run(child::command("qemu-img").args(words), LIMIT);
    output.map_err(|error| MediaError::not_started(error, "qemu-img", "reads and writes qcow2", "qemu-utils"))
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
