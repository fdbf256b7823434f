//! Asking git, read-only, about a folder.

use std::env;
use std::process::{Command, Stdio};

use camino::Utf8Path;

/// Whether git would find a repository from a folder, which is given without links and from the root on. Looking is a hundredth
/// of starting a program. Git takes a `.git` file for a link to a repository, and passes over a `.git` folder without a HEAD.
pub(crate) fn has_repository(folder: &Utf8Path) -> bool {
    folder.ancestors().any(|folder| {
        let git = folder.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    })
}

/// A git command in a folder, with nothing on its standard input, that answers about that folder and about no other.
pub(crate) fn command(folder: &Utf8Path, question: &[&str]) -> Command {
    let mut git = Command::new("git");
    // A hook runs with GIT_DIR, GIT_INDEX_FILE and more set for another repository or another index than is asked about.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_"))
    {
        git.env_remove(name);
    }
    git.env("LC_ALL", "C")
        // Git stops at mount points unless told otherwise, and would not see a repository above one.
        .env("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        // A checkout of another user (a container running as root) is refused since git 2.35.2. The questions only read,
        // and the one setting that would run a program of the repository's choice for them is off.
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C"])
        .arg(folder)
        .args(question)
        .stdin(Stdio::null());
    git
}
