//! Asking git, read-only, about a folder and what is in it. Folders are given without links and from the root on.

use std::process::Command;
use std::time::Duration;
use std::{env, fmt, io};

use camino::Utf8Path;

use crate::child::{self, Ended, Limit};

/// Nothing where there is no repository to ask about.
pub(crate) type Answer<T> = Result<Option<T>, NoAnswer>;

/// Why git gives no answer although there is a repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It is not installed.
    NoGit,
    /// Its own words.
    Reason(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGit => f.write_str("it is not installed"),
            Self::Reason(reason) => f.write_str(reason),
        }
    }
}

/// An answer takes milliseconds; on a disk that is asleep, or over a network, seconds. A pipe among git's files never
/// ends. The largest answer names every file of a tree that is tracked.
const LIMIT: Limit = Limit {
    time: Duration::from_secs(if cfg!(test) { 3 } else { 15 }),
    stdout: 64 << 20,
};

/// The files that git tracks at the path `name` of a folder and below it, each from the folder on.
pub(crate) fn tracked(folder: &Utf8Path, name: &str) -> Answer<Vec<String>> {
    // A name may hold what git takes for a pattern.
    let literal = format!(":(literal){name}");
    let Some(listed) = ask(folder, &["ls-files", "-z", "--", &literal])? else {
        return Ok(None);
    };
    if !listed.status.success() {
        return Err(reason(&listed));
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    let names = listed.split_terminator('\0').map(str::to_owned);
    Ok(Some(names.collect()))
}

/// Whether git would leave the path `name` of a folder alone.
pub(crate) fn ignores(folder: &Utf8Path, name: &str) -> Answer<bool> {
    // check-ignore knows no patterns and refuses every `:(...)`; a name that begins so must not look like one.
    let path = format!("./{name}");
    let Some(answer) = ask(folder, &["check-ignore", "--quiet", "--", &path])? else {
        return Ok(None);
    };
    match answer.status.code() {
        Some(0) => Ok(Some(true)),
        Some(1) => Ok(Some(false)),
        _ => Err(reason(&answer)),
    }
}

fn ask(folder: &Utf8Path, question: &[&str]) -> Answer<Ended> {
    let Some(top) = work_tree(folder) else {
        return Ok(None);
    };
    // Which repository is asked is not left to git: it would take files that lie in the folder itself for a bare one,
    // and the repository's own settings (core.worktree, core.bare) for where its files lie.
    let mut git = command(folder, &[]);
    git.args(["--git-dir", top.join(".git").as_str(), "--work-tree", top.as_str()]);
    match child::run(git.args(question), LIMIT) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NoAnswer::NoGit),
        Err(error) => Err(NoAnswer::Reason(error.to_string())),
    }
}

/// Git's own words for what kept it from answering.
fn reason(answer: &Ended) -> NoAnswer {
    let text = String::from_utf8_lossy(&answer.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or("no reason given");
    NoAnswer::Reason(line.trim_start_matches("fatal: ").to_owned())
}

/// The work tree that a folder lies in. Looking is a hundredth of starting a program. Git takes a `.git` file for a link
/// to a repository, and passes over a `.git` folder without a HEAD.
fn work_tree(folder: &Utf8Path) -> Option<&Utf8Path> {
    folder.ancestors().find(|folder| {
        let git = folder.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    })
}

/// A git command in a folder, with nothing on its standard input, that answers about that folder and about no other.
pub(crate) fn command(folder: &Utf8Path, question: &[&str]) -> Command {
    let mut git = child::command("git");
    // A hook runs with GIT_DIR, GIT_INDEX_FILE and more set for another repository or another index than is asked
    // about.
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        git.env_remove(name);
    }
    git
        // Git stops at mount points unless told otherwise, and would not see a repository above one.
        .env("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        // A checkout of another user (a container running as root) is refused since git 2.35.2. The questions only
        // read, and the one setting that would run a program of the repository's choice for them is off.
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false"])
        .args(["-c", "safe.bareRepository=explicit", "-C"])
        .arg(folder)
        .args(question);
    git
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Command, NoAnswer, Utf8Path, ignores};
    use crate::trust::testing::{Folder, have, run_git};

    fn tracks(folder: &Utf8Path, name: &str) -> bool {
        matches!(super::tracked(folder, name), Ok(Some(files)) if !files.is_empty())
    }

    #[test]
    fn git_is_asked_about_the_right_file() {
        if !have("git") {
            return;
        }
        let folder = Folder::new();
        let path = folder.path();
        assert!(!tracks(path, "a"));
        assert_eq!(ignores(path, "a"), Ok(None));

        run_git(path, &["init", "-q"]);
        folder.write("a", "", 0o600);
        folder.write(".gitignore", "b\n", 0o644);
        assert!(!tracks(path, "a"));
        assert_eq!(ignores(path, "a"), Ok(Some(false)));
        assert_eq!(ignores(path, "b"), Ok(Some(true)));

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
            assert_eq!(ignores(path, name), Ok(Some(false)), "{name}");
            folder.write(name, "", 0o600);
            run_git(path, &["add", "-f", &format!(":(literal){name}")]);
            assert!(tracks(path, name), "{name}");
        }
    }

    #[test]
    fn what_lies_in_a_repository_does_not_mislead() {
        if !have("git") {
            return;
        }
        // Each with what a pull request, or somebody who may write to .git, would put there.
        let tricks: [&dyn Fn(&Utf8Path); 4] = [
            &|top| {
                for folder in ["sub/objects", "sub/refs"] {
                    std::fs::create_dir_all(top.join(folder)).unwrap();
                }
                std::fs::write(top.join("sub/HEAD"), "ref: refs/heads/main\n").unwrap();
                std::fs::write(top.join("sub/config"), "[core]\n\tbare = true\n").unwrap();
            },
            &|top| run_git(top, &["config", "core.bare", "true"]),
            &|top| run_git(top, &["config", "core.worktree", "/usr"]),
            &|top| std::fs::write(top.join("sub/.gitignore"), "*\n").unwrap(),
        ];
        for trick in tricks {
            let folder = Folder::new();
            let path = folder.path();
            run_git(path, &["init", "-q"]);
            folder.make("sub");
            folder.write("sub/a", "", 0o600);
            run_git(path, &["add", "sub/a"]);
            trick(path);
            assert!(tracks(&path.join("sub"), "a"));
            assert!(!tracks(&path.join("sub"), "b"));
            assert!(matches!(ignores(&path.join("sub"), "b"), Ok(Some(_))));
        }
    }

    #[test]
    fn a_repository_that_does_not_answer_is_no_answer() {
        if !have("git") {
            return;
        }
        for (name, damage) in [("HEAD", "damaged"), ("index", "damaged"), ("config", "[")] {
            let folder = Folder::new();
            let path = folder.path();
            run_git(path, &["init", "-q"]);
            let file = path.join(".git").join(name);
            let _ = std::fs::remove_file(&file);
            crate::trust::testing::run("mkfifo", &[file.as_str()]);
            let began = std::time::Instant::now();
            assert!(matches!(super::tracked(path, "a"), Err(NoAnswer::Reason(_))), "{name}");
            assert!(began.elapsed().as_secs() < 20, "{name}");
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, damage).unwrap();
            assert!(matches!(super::tracked(path, "a"), Err(NoAnswer::Reason(_))), "{name}");
        }
    }

    // Inside a hook, git's own variables point at the repository that the hook is of. A test cannot set variables of
    // its own process, so this one runs the others in a second process that has them.
    #[test]
    fn a_hook_does_not_mislead() {
        let program = std::env::current_exe().unwrap();
        let folder = Folder::new();
        let mut tests = Command::new(program);
        tests.args(["--exact", "git::tests::git_is_asked_about_the_right_file"]);
        tests.args(["git::tests::a_name_is_no_pattern"]);
        tests
            .env("GIT_DIR", folder.path().join("elsewhere"))
            .env("GIT_WORK_TREE", folder.path());
        tests
            .env("GIT_INDEX_FILE", folder.path().join("index"))
            .env("GIT_GLOB_PATHSPECS", "1");
        let output = tests.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains(" 2 passed;"), "{printed}");
        assert_eq!(folder.path().read_dir_utf8().unwrap().count(), 0);
    }
}
