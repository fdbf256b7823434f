//! Whether git would carry the tree, and the secrets in it, into a commit.

use super::error::OutputError;
use super::guard::is_keep;
use super::place::Place;
use crate::git;

/// Refuses a target that git tracks anything below but keep files, or that the `.gitignore` found in it lets be added.
/// Without git on the PATH, or outside a work tree, there is nothing to ask.
pub(super) fn check(place: &Place, has_gitignore: bool) -> Result<(), OutputError> {
    let unanswered = |reason| OutputError::Git {
        path: place.shown.clone(),
        reason,
    };
    if git::in_work_tree(&place.parent).map_err(unanswered)? != Some(true) {
        return Ok(());
    }
    let tracked = git::tracked(&place.parent, &place.name).map_err(unanswered)?;
    let of_the_tree = |path: &String| {
        path.strip_prefix(&*place.name)
            .and_then(|p| p.strip_prefix('/'))
            .is_none_or(|p| !is_keep(p))
    };
    if let Some(file) = tracked.into_iter().flatten().find(of_the_tree) {
        return Err(OutputError::Tracked {
            path: place.shown.clone(),
            file,
        });
    }
    if !has_gitignore {
        // The build writes one that ignores the whole tree.
        return Ok(());
    }
    // No such host exists: a .gitignore that hides this path hides whatever a build writes.
    let probe = format!("{}/cluster/host/user-data", place.name);
    match git::ignores(&place.parent, &probe).map_err(unanswered)? {
        Some(false) => Err(OutputError::NotIgnored(place.shown.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use camino::{Utf8Path, Utf8PathBuf};
    use fs_err as fs;

    use crate::tree::guard;
    use crate::tree::tests::crash::command;
    use crate::tree::tests::{Bench, message};

    fn git(folder: &Utf8Path, arguments: &[&str]) {
        let done = Command::new("git")
            .current_dir(folder)
            .env("HOME", folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn repository() -> (Bench, Utf8PathBuf) {
        let bench = Bench::new();
        git(&bench.root, &["init", "--quiet"]);
        let target = bench.target();
        (bench, target)
    }

    #[test]
    fn a_tracked_tree_is_refused_and_the_advice_helps() {
        let (bench, target) = repository();
        bench.build(&[("lab/node1/user-data", "#")]);
        guard(&target).unwrap();
        git(&bench.root, &["add", "--force", "out/lab/node1/user-data"]);
        let text = message(guard(&target));
        assert!(
            text.starts_with("git tracks out/lab/node1/user-data, "),
            "{text}"
        );
        assert!(
            text.contains(&format!("`git rm -r --cached -- {target}`")),
            "{text}"
        );
        git(
            &bench.root,
            &["rm", "--quiet", "-r", "--cached", "--", target.as_str()],
        );
        guard(&target).unwrap();
    }

    #[test]
    fn a_tree_that_only_the_index_knows_is_refused() {
        let (bench, target) = repository();
        fs::create_dir_all(target.join("lab")).unwrap();
        fs::write(target.join("lab/old"), "x").unwrap();
        git(&bench.root, &["add", "out"]);
        fs::remove_dir_all(&target).unwrap();
        assert!(message(guard(&target)).starts_with("git tracks out/lab/old, "));
    }

    #[test]
    fn keep_files_may_be_tracked_but_only_at_the_top() {
        let (bench, target) = repository();
        fs::create_dir(&target).unwrap();
        fs::write(target.join(".gitignore"), "*\n!.gitignore\n").unwrap();
        git(&bench.root, &["add", "out"]);
        guard(&target).unwrap();
        bench.build(&[("lab/a", "1")]);
        fs::write(target.join("lab/.gitkeep"), "").unwrap();
        git(&bench.root, &["add", "--force", "out/lab/.gitkeep"]);
        fs::remove_file(target.join("lab/.gitkeep")).unwrap();
        assert!(message(guard(&target)).starts_with("git tracks out/lab/.gitkeep, "));
    }

    #[test]
    fn the_tree_is_never_addable() {
        let (bench, target) = repository();
        bench.build(&[("lab/a", "1")]);
        git(&bench.root, &["add", "."]);
        guard(&target).unwrap();
        // Nor is what a killed build leaves.
        let stage = bench.begin();
        stage.write(&Bench::secret("lab/a", "2")).unwrap();
        git(&bench.root, &["add", "."]);
        let listed = Command::new("git")
            .current_dir(&bench.root)
            .arg("ls-files")
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&listed.stdout),
            ".out.lxseed-lock\nout/.gitignore\n"
        );
    }

    #[test]
    fn a_gitignore_that_hides_too_little_is_refused() {
        let (bench, target) = repository();
        fs::create_dir(&target).unwrap();
        fs::write(target.join(".gitignore"), "*.iso\n").unwrap();
        let text = message(guard(&target));
        assert!(
            text.contains("git does not ignore what a build writes")
                && text.contains("add a line `*`"),
            "{text}"
        );
        fs::write(bench.path(".gitignore"), "/out/\n").unwrap();
        guard(&target).unwrap();
    }

    #[test]
    fn names_are_not_patterns() {
        let (bench, _) = repository();
        fs::write(bench.path("outside"), "x").unwrap();
        git(&bench.root, &["add", "outside"]);
        for name in ["out*", ":", ":!out", "[o]utside", "-q"] {
            let target = bench.path(name);
            guard(&target).unwrap();
            fs::create_dir(&target).unwrap();
            fs::write(target.join(".gitignore"), "*\n").unwrap();
            guard(&target).unwrap();
            fs::write(target.join(".gitignore"), "").unwrap();
            assert!(
                message(guard(&target)).contains("git does not ignore"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_repository_that_does_not_answer_stops_the_build() {
        let (bench, target) = repository();
        fs::write(bench.path(".git/index"), "not an index").unwrap();
        assert!(message(guard(&target)).starts_with("git cannot say whether it tracks "));
        // A folder that is merely called .git is none.
        fs::remove_dir_all(bench.path(".git")).unwrap();
        fs::create_dir(bench.path(".git")).unwrap();
        guard(&target).unwrap();
    }

    #[test]
    fn a_target_in_a_repository_of_another_user_is_still_judged() {
        let (bench, target) = repository();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "").unwrap();
        git(&bench.root, &["add", "out"]);
        fs::remove_dir_all(&target).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::os::unix::fs::chown(&bench.root, Some(65534), Some(65534)).unwrap();
            fs::os::unix::fs::chown(bench.path(".git"), Some(65534), Some(65534)).unwrap();
        }
        assert!(message(guard(&target)).starts_with("git tracks out/x, "));
    }
    #[test]
    fn a_hook_of_another_repository_does_not_mislead() {
        let (bench, target) = repository();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("x"), "").unwrap();
        git(&bench.root, &["add", "out"]);
        fs::remove_dir_all(&target).unwrap();
        fs::create_dir(bench.path("other")).unwrap();
        git(&bench.path("other"), &["init", "--quiet"]);
        let mut build = command("exec \"$@\"", &target, 1);
        build
            .env("GIT_DIR", bench.path("other/.git"))
            .env("GIT_WORK_TREE", bench.path("other"))
            .env("GIT_INDEX_FILE", bench.path("other/.git/index"));
        let done = build.output().unwrap();
        let said = String::from_utf8_lossy(&[done.stderr, done.stdout].concat()).into_owned();
        assert!(said.contains("git tracks out/x, "), "{said}");
    }

    #[test]
    fn without_git_there_is_nothing_to_ask() {
        let (bench, target) = repository();
        let done = command("PATH=/nonexistent exec \"$@\"", &target, 1)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(bench.path("out/manifest.json").is_file());
    }
}
