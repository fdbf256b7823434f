//! Two questions to git, if it is installed.

use std::process::Stdio;

use camino::Utf8Path;

use crate::git;

/// Whether git tracks the file `name` of a folder without links. No git, no repository and a repository git will not read
/// all mean no.
pub(super) fn tracks(folder: &Utf8Path, name: &str) -> bool {
    if !git::has_repository(folder) {
        return false;
    }
    // A name may hold what git takes for a pattern.
    let literal = format!(":(literal){name}");
    status(folder, &["ls-files", "--error-unmatch", "--", &literal]) == Some(0)
}

/// Whether git would leave the file `name` of a folder alone; nothing if no repository is there or git is not
/// installed.
pub(super) fn ignores(folder: &Utf8Path, name: &str) -> Option<bool> {
    // check-ignore knows no patterns and refuses every `:(...)`; a name that begins so must not look like one.
    let path = format!("./{name}");
    match status(folder, &["check-ignore", "-q", "--", &path])? {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}

fn status(folder: &Utf8Path, arguments: &[&str]) -> Option<i32> {
    let mut git = git::command(folder, arguments);
    git.stdout(Stdio::null()).stderr(Stdio::null());
    git.status().ok()?.code()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;
    use crate::trust::testing::{Folder, have, run_git};

    #[test]
    fn git_is_asked_about_the_right_file() {
        if !have("git") {
            return;
        }
        let folder = Folder::new();
        let path = folder.path();
        assert!(!tracks(path, "a"));
        assert_eq!(ignores(path, "a"), None);

        run_git(path, &["init", "-q"]);
        folder.write("a", "", 0o600);
        folder.write(".gitignore", "b\n", 0o644);
        assert!(!tracks(path, "a"));
        assert_eq!(ignores(path, "a"), Some(false));
        assert_eq!(ignores(path, "b"), Some(true));

        run_git(path, &["add", "a"]);
        assert!(tracks(path, "a"));
        assert!(!tracks(path, "b"));
        assert!(!tracks(&path.join("gone"), "a"));
    }

    #[test]
    fn a_name_is_no_pattern() {
        if !have("git") {
            return;
        }
        let folder = Folder::new();
        let path = folder.path();
        run_git(path, &["init", "-q"]);
        folder.write("a", "", 0o600);
        run_git(path, &["add", "a"]);
        for name in ["*", "[a]", "?", ":(top)a", ":!b"] {
            assert!(!tracks(path, name), "{name}");
            assert_eq!(ignores(path, name), Some(false), "{name}");
            folder.write(name, "", 0o600);
            run_git(path, &["add", "-f", &format!(":(literal){name}")]);
            assert!(tracks(path, name), "{name}");
        }
    }

    // Inside a hook, git's own variables point at the repository that the hook is of. A test cannot set variables of
    // its own process, so this one runs the others in a second process that has them.
    #[test]
    fn a_hook_does_not_mislead() {
        let program = std::env::current_exe().unwrap();
        let folder = Folder::new();
        let mut tests = Command::new(program);
        tests.args([
            "--exact",
            "trust::git::tests::git_is_asked_about_the_right_file",
        ]);
        tests.args(["trust::git::tests::a_name_is_no_pattern"]);
        tests
            .env("GIT_DIR", folder.path().join("elsewhere"))
            .env("GIT_WORK_TREE", folder.path());
        tests
            .env("GIT_INDEX_FILE", folder.path().join("index"))
            .env("GIT_GLOB_PATHSPECS", "1");
        let output = tests.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && printed.contains(" 2 passed;"),
            "{printed}"
        );
        assert_eq!(folder.path().read_dir_utf8().unwrap().count(), 0);
    }
}
