//! How a file or folder of a tree is not what was built.

use std::fmt;

/// How a file or folder of a tree is not what was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Something of another kind has its name.
    Kind,
    /// It cannot be read.
    Unreadable,
    /// It has other permission bits.
    Mode {
        /// Those it has.
        found: u32,
        /// Those it was built with.
        built: u32,
    },
    /// It has another name, by which it can be read and changed from elsewhere.
    Names,
    /// It has other bytes.
    Altered,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Kind => f.write_str("is of another kind"),
            Self::Unreadable => f.write_str("cannot be read"),
            Self::Mode { found, built } => write!(f, "has mode {found:04o} instead of {built:04o}"),
            Self::Names => f.write_str("has a second name elsewhere (a hard link)"),
            Self::Altered => f.write_str("was altered"),
        }
    }
}
