//! The debian-installer, which 18.04's server image starts.

mod answers;
mod image;
mod medium;
mod menus;
mod questions;

use thiserror::Error;

pub use answers::{ANSWERS, Installer};
pub(crate) use image::any_image;
pub use image::{Source, layout};
pub use medium::{FOLDER, medium};
pub use menus::Menu;
pub use questions::DebconfError;

use crate::shell::ShellError;

/// Answers could not be made.
#[derive(Debug, Error)]
pub enum DebianError {
    /// The script that they carry.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// The answers themselves.
    #[error(transparent)]
    Answers(#[from] DebconfError),
}
