//! The output tree: staged beside the folder it is for, checked, synced once and exchanged in one rename.
//!
//! [`Stage::begin`] refuses what must not be replaced, [`Stage::write`] and [`Stage::keep`] fill the staging folder, and
//! [`Stage::commit`] puts it in place. At every instant the target holds the old tree or the new one, whole.

mod error;
mod exchange;
mod fault;
mod git;
mod guard;
mod inspect;
mod lock;
mod manifest;
mod place;
mod single;
mod stage;
mod standing;
#[cfg(test)]
mod tests;

pub use error::OutputError;
pub use fault::Fault;
pub use guard::guard;
pub use inspect::{Inspected, as_built, inspect};
pub use manifest::{About, ClusterAbout, Entry, HostAbout, MANIFEST, Manifest};
pub use single::NewFile;
pub use stage::{Committed, Stage};
pub use standing::{Standing, State};
