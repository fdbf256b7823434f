//! The output tree: staged beside the folder it is for, checked, synced once and exchanged in one rename.
//!
//! [`Stage::begin`] refuses what must not be replaced, [`Stage::write`] and [`Stage::keep`] fill the staging folder,
//! and [`Stage::commit`] replaces the old one by it. At every instant the target holds the old tree or the new one,
//! whole.

mod atomic_file;
mod error;
mod exchange;
mod existing;
mod fault;
mod fs;
mod guard;
mod inspect;
mod lock;
mod manifest;
mod parents;
mod stage;
mod target;
#[cfg(test)]
mod tests;
mod verify;

pub use atomic_file::AtomicFile;
pub use error::OutputError;
pub use existing::{Difference, ExistingTree, State};
pub use fault::Fault;
pub use guard::guard;
pub use inspect::{Inspected, as_built, inspect, root_above};
pub use manifest::{Author, BuildInfo, ClusterInfo, Entry, MANIFEST, Manifest};
pub use parents::Stranger;
pub use stage::{Committed, Stage};
