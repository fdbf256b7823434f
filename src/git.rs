//! Asking git, read-only, about a folder.

use std::env;
use std::process::{Command, Stdio};

use camino::Utf8Path;

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
