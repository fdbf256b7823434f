//! What the tests of this module share.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::SiteSecret;

/// The key of the secret that all pinned values belong to.
pub(super) const KEY_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The secret line of that key.
pub(super) const LINE: &str = "lxseed-secret-1 2026-11-23 \
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f cdb0375e";

/// The secret that all pinned values belong to.
pub(crate) fn secret() -> SiteSecret {
    SiteSecret::parse(LINE).unwrap()
}

/// A folder that goes away with the value, by its canonical path.
pub(crate) struct Folder {
    _owner: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let owner = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(owner.path()).unwrap();
        let path = path.canonicalize_utf8().unwrap();
        Self { _owner: owner, path }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// A folder below, made with everything above it.
    pub(crate) fn make(&self, below: &str) -> Utf8PathBuf {
        let path = self.path.join(below);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A file below with these permission bits.
    pub(crate) fn write(&self, below: &str, text: &str, mode: u32) -> Utf8PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.join(below);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

/// Whether a tool these tests compare with is on PATH. A missing one skips the test, which CI does not accept.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn have(tool: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$1\" >/dev/null", "sh", tool])
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is not on PATH");
        eprintln!("skipped: {tool} is not on PATH");
    }
    found
}

/// Runs a tool that must succeed and returns what it printed.
pub(crate) fn run(tool: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool);
    command.args(arguments);
    succeed(command)
}

/// Runs git in a folder, and there alone: in a hook, a plain `git add` would change the repository of the hook.
pub(crate) fn run_git(folder: &Utf8Path, arguments: &[&str]) {
    succeed(crate::git::command(folder, arguments));
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
