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
    #[error("the image does not read back as what was written ({0}): this is a mistake in lxseed, please report it")]
    NotReadBack(String),
    /// Not an image of this kind, or a damaged one.
    #[error("{0}")]
    Malformed(String),
    /// A program that is needed is not installed.
    #[error("{program} is not installed, and it is what {does}: apt-get install {package}")]
    MissingProgram {
        /// Its name.
        program: &'static str,
        /// What it is for.
        does: &'static str,
        /// What brings it on Debian and Ubuntu.
        package: &'static str,
    },
    /// A program is older than what is needed.
    #[error("{program} is {found}, and {needed}")]
    OldProgram {
        /// Its name.
        program: &'static str,
        /// Its version.
        found: String,
        /// Which version is needed, and what for.
        needed: &'static str,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// Its name.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// There is no room to work in.
    #[error("{0}")]
    NoRoom(String),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl MediaError {
    /// Why a program could not be started: `does` says what it is for, `package` what brings it on Debian and Ubuntu.
    pub(super) fn not_started(
        error: io::Error,
        program: &'static str,
        does: &'static str,
        package: &'static str,
    ) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::MissingProgram { program, does, package },
            _ => error.into(),
        }
    }

    /// Whether it is one of a disk or a quota that is full.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}
