//! What can go wrong with the output folder, and what to do about it.

use std::fmt::Display;
use std::io;

use camino::Utf8PathBuf;
use thiserror::Error;

use super::fault::Fault;
use super::parents::Stranger;

/// Why a tree was not written. Unless a message says otherwise, the output folder is as it was.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The path ends in nothing a folder could be named by.
    #[error("`{0}` does not name a folder: give the folder to write, such as out")]
    NoName(Utf8PathBuf),
    /// Only the output folder itself is created, never the folders above it: a mistyped path would make a tree
    /// elsewhere.
    #[error("{parent} is not a folder, so {path} cannot be made in it: create {parent} first or correct the path")]
    NoParent {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The folder it would lie in.
        parent: Utf8PathBuf,
    },
    /// Something else has that name.
    #[error("{0} is not a folder: move it away or choose another output folder")]
    NotAFolder(Utf8PathBuf),
    /// One file was to be written, and something else has that name.
    #[error("{path} {why}")]
    NotAFile {
        /// The file to write.
        path: Utf8PathBuf,
        /// The reason, and what to do about it.
        why: &'static str,
    },
    /// A file of a tree is not what the build wrote.
    #[error("{path} {fault} since it was built: build again")]
    NotAsBuilt {
        /// The file.
        path: Utf8PathBuf,
        /// How it differs.
        fault: Fault,
    },
    /// Somebody else wrote the manifest, or somebody with another secret.
    #[error(
        "{path} was not written by a build with this secret ({fingerprint}), so nothing shows that the files are what was built: \
         build again, or name the secret that they were built with by --secret-file"
    )]
    NotOurs {
        /// The manifest.
        path: Utf8PathBuf,
        /// The fingerprint of the secret at hand.
        fingerprint: String,
    },
    /// The manifest is of a format without an authentication code.
    #[error("{0} is of an earlier lxseed and does not show who wrote it: build again")]
    Unproven(Utf8PathBuf),
    /// A symbolic link that leads nowhere.
    #[error("{0} is a link to a folder that does not exist: create that folder or remove the link")]
    DanglingLink(Utf8PathBuf),
    /// A folder that must not be replaced under the user's feet.
    #[error("{path} is {what}, and a build replaces its output folder: choose a folder of its own, such as {path}/out")]
    Precious {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// Which folder it is.
        what: &'static str,
    },
    /// A mount point cannot be renamed.
    #[error("{0} is a mount point, which no rename can replace: choose a folder below it, such as {0}/out")]
    MountPoint(Utf8PathBuf),
    /// On an overlay file system a folder of a lower layer is made of two, and renaming it fails with EXDEV.
    #[error(
        "{0} cannot be renamed, as a folder that came with a container image cannot: \
         choose a folder that is made by the build, such as {0}/new"
    )]
    Unmovable(Utf8PathBuf),
    /// The folder holds files and no manifest of ours.
    #[error(
        "{path} was not written by lxseed and holds {entries}: \
         nothing of it was touched; choose an empty or a new folder"
    )]
    Foreign {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The first few names in it.
        entries: String,
    },
    /// The manifest is of a later format than this program knows.
    #[error(
        "{path} was written by a newer lxseed (manifest format {format}; this one knows up to {known}): \
         build with that version, or move {path} away"
    )]
    Newer {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The format number found.
        format: u64,
        /// The highest format number this program knows.
        known: u64,
    },
    /// The manifest is ours, and does not hold together.
    #[error(
        "{0}/manifest.json is damaged, so it cannot be told which files are generated: move {0} away and build again"
    )]
    Damaged(Utf8PathBuf),
    /// A tree of ours with something else in it.
    #[error("{path} holds {entries}, which no build wrote and the next one would delete: move that out of {path}")]
    Extra {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The first few paths in it.
        entries: String,
    },
    /// Others than the owner can look into a tree that holds secrets.
    #[error("{path} holds secrets and others may look into it (mode {mode:04o}): run `chmod 700 {path}`")]
    Exposed {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Git tracks a file of the tree, so the next commit would carry secrets.
    #[error("git tracks {file}, and a build writes secrets there: run `git rm -r --cached -- {path}` and commit that")]
    Tracked {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// One tracked file below it.
        file: String,
    },
    /// The folder's own `.gitignore` lets the tree be added.
    #[error("git does not ignore what a build writes into {0}, secrets included: add a line `*` to {0}/.gitignore")]
    NotIgnored(Utf8PathBuf),
    /// There is a repository, and git does not answer.
    #[error("git cannot say whether it tracks {path} ({reason}): make `git status` work there, or build elsewhere")]
    Git {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// What git said.
        reason: String,
    },
    /// The lock is held.
    #[error("another lxseed build is writing {0}: wait for it to end, then build again")]
    Busy(Utf8PathBuf),
    /// The folder beside which the new tree is staged takes no files.
    #[error(
        "nothing can be written into {parent}, where {path} lies ({error}): make it writable or choose an output folder elsewhere"
    )]
    ReadOnly {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The folder it lies in.
        parent: Utf8PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A path that rendering must never produce.
    #[error("`{path}` cannot be a file of the tree, because {why}: this is a mistake in lxseed, please report it")]
    Path {
        /// The path, relative to the output folder.
        path: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A file that was as it was built is not any more.
    #[error("{0} changed while the build ran: leave it alone and build again")]
    Altered(Utf8PathBuf),
    /// Others can rename the output folder away.
    #[error(
        "{path} would lie in {folder}, which others can change ({stranger}), and so put a tree of their own in its place: \
         {}choose an output folder elsewhere",
        mend(folder, stranger)
    )]
    Shared {
        /// The output folder as it was given.
        path: Utf8PathBuf,
        /// The folder that it lies in, or one above.
        folder: Utf8PathBuf,
        /// Who can change that.
        stranger: Stranger,
    },
    /// Something lies where the lock or the tree before has to be.
    #[error("{0} is in the way, and no lxseed of yours made it: move it away, or choose an output folder elsewhere")]
    InTheWay(Utf8PathBuf),
    /// FAT, and what other systems share, know no permissions.
    #[error(
        "{0} lies on a file system that does not keep the permissions of files, so everybody could read the keys: \
         choose an output folder elsewhere"
    )]
    NoModes(Utf8PathBuf),
    /// The staging folder's name is another folder's by now.
    #[error(
        "somebody put something else in the place of the new tree of {0} while the build ran: \
         look who can write to the folder that it lies in, and build again"
    )]
    Swapped(Utf8PathBuf),
    /// The file system is full, or a quota is used up.
    #[error("no space is left for the new tree ({0}): free some there and build again")]
    Full(io::Error),
    /// Any other refusal of the file system; the text names the file.
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// What helps against a stranger in a folder, if anything does.
fn mend(folder: &Utf8PathBuf, stranger: &Stranger) -> String {
    match stranger {
        Stranger::Owner(_) => "run lxseed as that user, or ".to_owned(),
        Stranger::User(_) => format!("run `setfacl -b {folder}`, or "),
        Stranger::Everybody | Stranger::Group(_) => format!("run `chmod go-w {folder}`, or "),
    }
}

/// Puts what was tried in front of an error of a bare system call, which names no file.
pub(super) fn trying(what: impl Display, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// The first few of many names, for a message: file names come from anywhere, so control characters are escaped.
pub(super) fn first_few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
