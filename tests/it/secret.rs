//! One site has one secret, and nobody brings another.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Run, SECRET, Site, lxseed, temp_dir, tool};

const PLAIN: &str = "profiles/lab";

/// A repository, or none, with one cluster in `profiles/lab` and another in `profiles/rack`.
fn desk(repository: bool) -> tempfile::TempDir {
    let desk = temp_dir();
    let copied = Command::new("cp")
        .args(["-r", "profiles"])
        .arg(desk.path())
        .current_dir(crate::support::root())
        .status();
    assert!(copied.unwrap().success());
    if repository {
        git(desk.path(), &["init", "-q"]);
    }
    desk
}

#[track_caller]
fn git(folder: &Path, args: &[&str]) {
    let run = Run::of(
        Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", folder),
    );
    run.expect_exit(0);
}

fn run(folder: &Path, args: &[&str]) -> Run {
    lxseed(args).dir(folder).without_secret().run()
}

/// Every secret below a folder.
fn secrets(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.file_name().is_some_and(|name| name == "lxseed.secret"))
        .map(|path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// From wherever and of whatever part of the site: the same secret, and no `out/` among the profiles.
#[test]
fn a_build_from_another_folder_makes_no_second_secret() {
    for repository in [false, true] {
        if repository && tool("git").is_none() {
            return;
        }
        for made_first in [false, true] {
            let desk = desk(repository);
            let top = desk.path();
            if made_first {
                run(top, &["build", "profiles"]).expect_exit(0);
            }
            for (folder, args, better) in [
                ("profiles/lab", vec!["build", "."], "../../out"),
                ("profiles", vec!["build", "lab"], "../out"),
                ("profiles", vec!["build", "."], "../out"),
                ("", vec!["build", "profiles/lab", "-o", "profiles/lab/out"], "out"),
                ("", vec!["build", "profiles", "-o", "profiles/out"], "out"),
                ("", vec!["build", "profiles", "--check", "-o", "profiles/out"], "out"),
            ] {
                let refused = run(&top.join(folder), &args).expect_exit(1);
                let advice = format!("as a part of it: build beside it, with -o {better}\n");
                assert!(refused.stderr.ends_with(&advice), "{advice}\n{refused}");
            }
            // The advice helps, and the keys are the same whoever builds.
            run(&top.join("profiles/lab"), &["build", ".", "-o", "../../lab"]).expect_exit(0);
            run(&top.join("profiles"), &["build", "lab", "-o", "../lab2"]).expect_exit(0);
            run(top, &["build", "profiles"]).expect_exit(0);
            let refused = run(&top.join("profiles/lab"), &["secret", "new"]).expect_exit(1);
            assert!(
                refused.stderr.contains("is the secret of every site below it"),
                "{refused}"
            );
            assert_eq!(secrets(top), ["lxseed.secret"]);
            for out in ["lab", "lab2"] {
                let certificate = |out: &str| fs::read(top.join(out).join("lab/cluster.crt")).unwrap();
                assert_eq!(certificate(out), certificate("out"));
            }
        }
    }
}

/// Puts a file into the history as a pull request would, and merges it.
fn pull_request(top: &Path, more: &[(&str, &str)]) {
    fs::create_dir(top.join("sub")).unwrap();
    let copied = Command::new("cp")
        .args(["-r", "profiles/lab", "sub/lab"])
        .current_dir(top)
        .status();
    assert!(copied.unwrap().success());
    for (path, text) in [("sub/lxseed.secret", SECRET)].iter().chain(more) {
        let path = top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    git(top, &["add", "--all"]);
    git(top, &["commit", "-q", "-m", "sub"]);
    // As a checkout under umask 077 has it, or after the advice for another umask was followed.
    fs::set_permissions(top.join("sub/lxseed.secret"), fs::Permissions::from_mode(0o600)).unwrap();
}

const LOOK_ALIKE: [(&str, &str); 5] = [
    ("sub/HEAD", "ref: refs/heads/main\n"),
    ("sub/config", "[core]\n\tbare = true\n\trepositoryformatversion = 0\n"),
    ("sub/objects/info/keep", ""),
    ("sub/refs/heads/keep", ""),
    ("sub/packed-refs", ""),
];

/// Its name, what it does, and what is said then.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

#[test]
fn a_secret_that_a_pull_request_brings_is_never_taken() {
    if tool("git").is_none() {
        return;
    }
    let damages: [Damage<'_>; 5] = [
        ("nothing", &|_| {}, "git tracks "),
        (
            "core.bare",
            &|top| git(top, &["config", "core.bare", "true"]),
            "git tracks ",
        ),
        (
            "core.worktree",
            &|top| git(top, &["config", "core.worktree", "/usr"]),
            "git tracks ",
        ),
        (
            "index",
            &|top| fs::write(top.join(".git/index"), "damaged").unwrap(),
            "git cannot say whether it tracks ",
        ),
        (
            "HEAD",
            &|top| fs::write(top.join(".git/HEAD"), "").unwrap(),
            "git cannot say whether it tracks ",
        ),
    ];
    // Outside of the repository, and nobody else's.
    let elsewhere = temp_dir();
    let out = elsewhere.path().join("out");
    let out = out.to_str().unwrap();
    for (what, damage, words) in damages {
        for more in [&[][..], &LOOK_ALIKE] {
            let desk = desk(true);
            let top = desk.path();
            pull_request(top, more);
            damage(top);
            for args in [
                &["build", "sub/lab", "-o", out][..],
                &["build", "lab", "-o", out],
                &["build", "sub/lab", "-o", out, "--secret-file", "sub/lxseed.secret"],
                &["secret", "fingerprint", "sub/lab"],
            ] {
                let folder = if args[1] == "lab" {
                    top.join("sub")
                } else {
                    top.to_owned()
                };
                let refused = run(&folder, args).expect_exit(1);
                assert!(refused.stderr.contains(words), "{what} {args:?}\n{refused}");
                assert!(!refused.stderr.contains(" is open to other users"), "{refused}");
            }
            let checked = run(top, &["secret", "fingerprint", "sub/lab"]);
            assert_eq!(checked.stdout, "", "{checked}");
        }
    }
}

#[test]
fn without_git_a_work_tree_may_track_anything() {
    let desk = desk(false);
    let top = desk.path();
    let without_git = |args: &[&str]| {
        let none = top.join("empty");
        fs::create_dir_all(&none).unwrap();
        lxseed(args).dir(top).without_secret().env("PATH", none).run()
    };
    // Outside of any repository nobody has to be asked.
    without_git(&["build", "profiles"]).expect_exit(0);
    without_git(&["build", "profiles"]).expect_exit(0);
    assert_eq!(secrets(top), ["lxseed.secret"]);
    // A link to a repository elsewhere, as a linked work tree has it.
    fs::write(top.join(".git"), "gitdir: /nowhere\n").unwrap();
    let refused = without_git(&["build", "profiles"]).expect_exit(1);
    assert!(
        refused.stderr.contains("git cannot say whether it tracks ")
            && refused.stderr.contains("(it is not installed)"),
        "{refused}"
    );
    // Nor is one made that would be refused the next time.
    fs::remove_file(top.join("lxseed.secret")).unwrap();
    fs::remove_dir_all(top.join("out")).unwrap();
    without_git(&["build", "profiles"]).expect_exit(1);
    assert_eq!(secrets(top), [""; 0]);
    // One that was named from outside is none of git's business.
    lxseed(["build", "profiles"])
        .dir(top)
        .env("PATH", top.join("empty"))
        .run()
        .expect_exit(0);
}

#[test]
fn what_a_secret_command_leaves_behind_is_not_waited_for() {
    let site = Site::copy_of(PLAIN);
    let began = std::time::Instant::now();
    let command = format!("printf '%s' '{}'; sleep 600 & exit 0", SECRET.trim());
    lxseed(["secret", "fingerprint", "site", "--secret-command", &command])
        .dir(site.parent())
        .without_secret()
        .run_detached()
        .expect_exit(0);
    assert!(began.elapsed().as_secs() < 60);
}

#[test]
fn no_program_is_given_the_secret() {
    let desk = desk(false);
    let top = desk.path();
    if tool("git").is_none() {
        return;
    }
    git(top, &["init", "-q"]);
    fs::create_dir(top.join("bin")).unwrap();
    let script = "#!/bin/sh\nenv >>\"${0%/*}/../said\"\nexec /usr/bin/env -u PATH PATH=/usr/bin:/bin git \"$@\"\n";
    fs::write(top.join("bin/git"), script).unwrap();
    fs::set_permissions(top.join("bin/git"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", top.join("bin").display());
    lxseed(["build", "profiles"])
        .dir(top)
        .env("PATH", path)
        .run()
        .expect_exit(0);
    let said = fs::read_to_string(top.join("said")).unwrap();
    assert!(
        said.contains("GIT_OPTIONAL_LOCKS") && !said.contains("LXSEED_SECRET"),
        "{said}"
    );
}
