//! What can go wrong with an image.

use std::io;

use thiserror::Error;

/// Why an image was not made or not read.
#[derive(Debug, Error)]
pub enum MediaError {
    /// Too much, or names that the format does not take.
    #[error("the image cannot hold this: {0}")]
    TooMuch(&'static str),
    /// What was written is not what was meant.
    #[error(
        "the image does not read back as what was written ({0}): this is a mistake in lxseed, please report it"
    )]
    NotReadBack(String),
    /// Not an image of this kind, or a damaged one.
    #[error("{0}")]
    Malformed(String),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl MediaError {
    /// Why a program could not be started: `does` says what it is for, `package` what brings it on Debian and Ubuntu.
    pub(super) fn not_there(error: io::Error, program: &str, does: &str, package: &str) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Malformed(format!(
                "{program} is not installed, and it is what {does}: apt-get install {package}"
            )),
            _ => error.into(),
        }
    }
}
