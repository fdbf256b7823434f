//! Sources of the site secret, as messages name them.

use std::fmt;

use camino::Utf8PathBuf;

/// Where a secret came from; `Display` fits into a sentence and shows nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file that was there.
    File(Utf8PathBuf),
    /// The output of `--secret-command`.
    Command,
    /// `LXSEED_SECRET`.
    Variable,
    /// A file that this run made.
    Created(Utf8PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{path}"),
            Self::Command => f.write_str("--secret-command"),
            Self::Variable => f.write_str("LXSEED_SECRET"),
            Self::Created(path) => write!(f, "{path} (new)"),
        }
    }
}
