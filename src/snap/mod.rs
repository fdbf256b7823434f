//! Snaps as `snap download` leaves them: NAME_REV.snap with what is in it, and NAME_REV.assert with what the store says
//! of it.

mod assertion;
mod file;
mod squashfs;

pub(crate) use assertion::Claims;
pub(crate) use file::{Examined, Meta, NoMeta, SnapFile};

/// What the file of a snap is called.
pub(crate) const SNAP: &str = "snap";
/// What the file of its assertions is called.
pub(crate) const ASSERT: &str = "assert";
