//! A target that git would carry into a commit.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::crash::command;
use super::{Fixture, message};
use crate::tree::guard;

fn git(folder: &Utf8Path, arguments: &[&str]) {
    let done = Command::new("git")
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn repository() -> (Fixture, Utf8PathBuf) {
    let fixture = Fixture::new();
    git(&fixture.root, &["init", "--quiet"]);
    let target = fixture.target();
    (fixture, target)
}

#[test]
fn a_tracked_tree_is_refused_and_the_advice_helps() {
    let (fixture, target) = repository();
    fixture.build(&[("lab/node1/user-data", "#")]);
    guard(&target).unwrap();
    git(&fixture.root, &["add", "--force", "out/lab/node1/user-data"]);
    let text = message(guard(&target));
    assert!(text.starts_with("git tracks out/lab/node1/user-data, "), "{text}");
    assert!(text.contains(&format!("`git rm -r --cached -- {target}`")), "{text}");
    git(
        &fixture.root,
        &["rm", "--quiet", "-r", "--cached", "--", target.as_str()],
    );
    guard(&target).unwrap();
}

#[test]
fn a_tree_that_only_the_index_knows_is_refused() {
    let (fixture, target) = repository();
    fs::create_dir_all(target.join("lab")).unwrap();
    fs::write(target.join("lab/old"), "x").unwrap();
    git(&fixture.root, &["add", "out"]);
    fs::remove_dir_all(&target).unwrap();
    assert!(message(guard(&target)).starts_with("git tracks out/lab/old, "));
}

#[test]
fn keep_files_may_be_tracked_but_only_at_the_top() {
    let (fixture, target) = repository();
    fs::create_dir(&target).unwrap();
    fs::write(target.join(".gitignore"), "*\n!.gitignore\n").unwrap();
    git(&fixture.root, &["add", "out"]);
    guard(&target).unwrap();
    fixture.build(&[("lab/a", "1")]);
    fs::write(target.join("lab/.gitkeep"), "").unwrap();
    git(&fixture.root, &["add", "--force", "out/lab/.gitkeep"]);
    fs::remove_file(target.join("lab/.gitkeep")).unwrap();
    assert!(message(guard(&target)).starts_with("git tracks out/lab/.gitkeep, "));
}

#[test]
fn the_tree_is_never_addable() {
    let (fixture, target) = repository();
    fixture.build(&[("lab/a", "1")]);
    git(&fixture.root, &["add", "."]);
    guard(&target).unwrap();
    // Nor is what a killed build leaves.
    let stage = fixture.begin();
    stage.write(&Fixture::secret("lab/a", "2")).unwrap();
    git(&fixture.root, &["add", "."]);
    let listed = Command::new("git")
        .current_dir(&fixture.root)
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
    let (fixture, target) = repository();
    fs::create_dir(&target).unwrap();
    fs::write(target.join(".gitignore"), "*.iso\n").unwrap();
    let text = message(guard(&target));
    assert!(
        text.contains("git does not ignore what a build writes") && text.contains("add a line `*`"),
        "{text}"
    );
    fs::write(fixture.path(".gitignore"), "/out/\n").unwrap();
    guard(&target).unwrap();
}

#[test]
fn names_are_not_patterns() {
    let (fixture, _) = repository();
    fs::write(fixture.path("outside"), "x").unwrap();
    git(&fixture.root, &["add", "outside"]);
    for name in ["out*", ":", ":!out", "[o]utside", "-q"] {
        let target = fixture.path(name);
        guard(&target).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join(".gitignore"), "*\n").unwrap();
        guard(&target).unwrap();
        fs::write(target.join(".gitignore"), "").unwrap();
        assert!(message(guard(&target)).contains("git does not ignore"), "{name}");
    }
}

#[test]
fn a_repository_that_does_not_answer_stops_the_build() {
    let (fixture, target) = repository();
    fs::write(fixture.path(".git/index"), "not an index").unwrap();
    assert!(message(guard(&target)).starts_with("git cannot say whether it tracks "));
    // A folder that is merely called .git is none.
    fs::remove_dir_all(fixture.path(".git")).unwrap();
    fs::create_dir(fixture.path(".git")).unwrap();
    guard(&target).unwrap();
}

#[test]
fn a_target_in_a_repository_of_another_user_is_still_judged() {
    let (fixture, target) = repository();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("x"), "").unwrap();
    git(&fixture.root, &["add", "out"]);
    fs::remove_dir_all(&target).unwrap();
    if rustix::process::geteuid().is_root() {
        fs::os::unix::fs::chown(&fixture.root, Some(65534), Some(65534)).unwrap();
        fs::os::unix::fs::chown(fixture.path(".git"), Some(65534), Some(65534)).unwrap();
    }
    assert!(message(guard(&target)).starts_with("git tracks out/x, "));
}
#[test]
fn a_hook_of_another_repository_does_not_mislead() {
    let (fixture, target) = repository();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("x"), "").unwrap();
    git(&fixture.root, &["add", "out"]);
    fs::remove_dir_all(&target).unwrap();
    fs::create_dir(fixture.path("other")).unwrap();
    git(&fixture.path("other"), &["init", "--quiet"]);
    let mut build = command("exec \"$@\"", &target, 1);
    build
        .env("GIT_DIR", fixture.path("other/.git"))
        .env("GIT_WORK_TREE", fixture.path("other"))
        .env("GIT_INDEX_FILE", fixture.path("other/.git/index"));
    let done = build.output().unwrap();
    let said = String::from_utf8_lossy(&[done.stderr, done.stdout].concat()).into_owned();
    assert!(said.contains("git tracks out/x, "), "{said}");
}

#[test]
fn without_git_there_is_nothing_to_ask() {
    let (fixture, target) = repository();
    let done = command("PATH=/nonexistent exec \"$@\"", &target, 1).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(fixture.path("out/manifest.json").is_file());
}
