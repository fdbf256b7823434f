//! What a tree goes through from its first build on, on a real file system.

#![allow(clippy::unwrap_used)]

mod bench;
pub(super) mod crash;

use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rayon::prelude::*;

pub(super) use bench::{Bench, message, snapshot};
use bench::{
    about, assert_sums_hold, assert_whole, build_generation, generation, mode, paths,
    stage_generation,
};

use super::exchange::Step;
use super::*;

#[test]
fn a_first_build_makes_the_whole_tree() {
    let bench = Bench::new();
    let done = build_generation(&bench.target(), 1).unwrap();
    assert_whole(&bench.target(), 1);
    assert_eq!(bench.beside(), ["out"]);
    let bytes = generation(1)
        .iter()
        .map(|file| file.content.bytes().len() as u64)
        .sum();
    let expected = Committed {
        files: 4,
        bytes,
        changed: true,
        added: 4,
        updated: 0,
        removed: 0,
        leftover: None,
    };
    assert_eq!(done, expected);
    assert_eq!(
        fs::read_to_string(bench.path("out/.gitignore")).unwrap(),
        "*\n!.gitignore\n"
    );
    let text = fs::read_to_string(bench.path("out/manifest.json")).unwrap();
    assert!(
        text.contains("\"mode\": \"0600\"") && !text.contains(bench.root.as_str()),
        "{text}"
    );
    assert_eq!(bench.begin().standing().manifest().unwrap().files.len(), 4);
}

#[test]
fn a_tree_without_files_is_a_tree() {
    let bench = Bench::new();
    let stage = bench.begin();
    assert!(stage.standing().manifest().is_none());
    stage.commit(about()).unwrap();
    assert_eq!(
        paths(&bench.target()),
        [".gitignore", "SHA256SUMS", "manifest.json"]
    );
    assert_sums_hold(&bench.target());
}

#[test]
fn a_rebuild_replaces_what_changed_and_drops_stale_hosts() {
    let bench = Bench::new();
    bench.build(&[("lab/node1/a", "1"), ("lab/node2/a", "1"), ("lab/z", "1")]);
    let done = bench.commit(&[("lab/node1/a", "2"), ("lab/z", "1"), ("lab/new", "1")]);
    assert_eq!(
        (done.added, done.updated, done.removed, done.changed),
        (1, 1, 1, true)
    );
    let expected = [
        ".gitignore",
        "SHA256SUMS",
        "lab",
        "lab/new",
        "lab/node1",
        "lab/node1/a",
        "lab/z",
        "manifest.json",
    ];
    assert_eq!(paths(&bench.target()), expected);
    assert_eq!(
        fs::read_to_string(bench.path("out/lab/node1/a")).unwrap(),
        "2"
    );
    assert_sums_hold(&bench.target());
    assert_eq!(bench.beside(), ["out"]);
}

#[test]
fn an_identical_rebuild_touches_nothing() {
    let bench = Bench::new();
    build_generation(&bench.target(), 1).unwrap();
    let before = snapshot(&bench.target());
    let done = build_generation(&bench.target(), 1).unwrap();
    let expected = Committed {
        files: 4,
        bytes: done.bytes,
        changed: false,
        added: 0,
        updated: 0,
        removed: 0,
        leftover: None,
    };
    assert_eq!(done, expected);
    assert_eq!(snapshot(&bench.target()), before);
    assert_eq!(bench.beside(), ["out"]);
}

#[test]
fn any_damage_to_the_tree_is_a_difference() {
    let bench = Bench::new();
    let target = bench.target();
    build_generation(&target, 1).unwrap();
    let set_mode = |path: &str, mode| {
        fs::set_permissions(target.join(path), PermissionsExt::from_mode(mode)).unwrap()
    };
    let damages: [&dyn Fn(); 11] = [
        &|| fs::write(target.join("lab/known_hosts"), "node1 ssh-ed25519 AAAB\n").unwrap(),
        &|| fs::write(target.join("lab/node1/user-data"), "").unwrap(),
        &|| fs::remove_file(target.join("lab/node1/run.sh")).unwrap(),
        &|| set_mode("lab/node1/user-data", 0o644),
        &|| set_mode("lab/node1", 0o755),
        &|| set_mode("", 0o500),
        &|| set_mode("lab", 0o500),
        &|| set_mode("manifest.json", 0o600),
        &|| fs::remove_file(target.join("SHA256SUMS")).unwrap(),
        &|| fs::remove_file(target.join(".gitignore")).unwrap(),
        &|| {
            fs::rename(target.join("lab/known_hosts"), bench.path("aside")).unwrap();
            symlink(bench.path("aside"), target.join("lab/known_hosts")).unwrap();
        },
    ];
    for (i, damage) in damages.iter().enumerate() {
        damage();
        let done = build_generation(&target, 1).unwrap();
        assert!(done.changed && done.leftover.is_none(), "{i}");
        assert_whole(&target, 1);
    }
    // What a link led to is the user's.
    assert_eq!(
        fs::read_to_string(bench.path("aside")).unwrap(),
        "node1 ssh-ed25519 AAAA\n"
    );
}

#[test]
fn another_secret_or_host_list_is_a_difference() {
    let bench = Bench::new();
    bench.build(&[("lab/a", "1")]);
    let mut other = about();
    other.clusters[0].hosts.reverse();
    let again = |about: About| {
        let stage = bench.begin();
        stage.write(&Bench::public("lab/a", "1")).unwrap();
        stage.commit(about).unwrap()
    };
    assert!(
        !again(other.clone()).changed,
        "the order of hosts is not part of a tree"
    );
    other.clusters[0].hosts.pop();
    assert!(again(other.clone()).changed);
    other.secret_fingerprint = "0000".into();
    assert!(again(other).changed);
}

#[test]
fn keep_files_survive_with_bytes_and_mode() {
    let bench = Bench::new();
    let target = bench.target();
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(target.join(".gitignore"), "# mine\n*\n").unwrap();
    fs::write(target.join(".keep"), [0, 255]).unwrap();
    fs::set_permissions(target.join(".keep"), PermissionsExt::from_mode(0o640)).unwrap();
    for n in [1, 2, 2, 3] {
        build_generation(&target, n).unwrap();
        assert_eq!(
            fs::read_to_string(target.join(".gitignore")).unwrap(),
            "# mine\n*\n"
        );
        assert_eq!(fs::read(target.join(".keep")).unwrap(), [0, 255]);
        assert_eq!(mode(target.join(".keep")), 0o640);
        assert_eq!(mode(&target), 0o700);
    }
    assert!(
        !fs::read_to_string(target.join("manifest.json"))
            .unwrap()
            .contains("keep")
    );
    assert_sums_hold(&target);
}

#[test]
fn a_kept_folder_without_gitignore_still_ignores_itself() {
    let bench = Bench::new();
    fs::create_dir(bench.target()).unwrap();
    fs::write(bench.path("out/.gitkeep"), "").unwrap();
    bench.build(&[("lab/a", "1")]);
    assert_eq!(
        fs::read_to_string(bench.path("out/.gitignore")).unwrap(),
        "*\n!.gitignore\n"
    );
    assert_eq!(paths(&bench.target())[1], ".gitkeep");
}

#[test]
fn a_linked_target_is_replaced_behind_its_link() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("disk/trees")).unwrap();
    symlink("disk/trees", bench.target()).unwrap();
    for n in [1, 2] {
        build_generation(&bench.target(), n).unwrap();
        assert!(bench.target().is_symlink());
        assert_whole(&bench.path("disk/trees"), n);
    }
    assert_eq!(bench.beside(), ["disk", "out"]);
    assert_eq!(
        paths(&bench.path("disk"))
            .iter()
            .filter(|path| !path.starts_with("trees"))
            .count(),
        0
    );
}

#[test]
fn an_error_or_a_panic_leaves_no_trace() {
    let bench = Bench::new();
    build_generation(&bench.target(), 1).unwrap();
    let before = snapshot(&bench.target());
    drop(stage_generation(&bench.target(), 2).unwrap());
    assert_eq!(bench.beside(), ["out"]);
    let panicked = std::panic::catch_unwind(|| {
        let stage = stage_generation(&bench.target(), 2).unwrap();
        (0..8).into_par_iter().for_each(|i| {
            stage
                .write(&Bench::secret(&format!("lab/{i}"), "x"))
                .unwrap();
            assert!(i != 5, "a worker fails");
        });
    });
    assert!(panicked.is_err());
    assert_eq!(bench.beside(), ["out"]);
    assert_eq!(snapshot(&bench.target()), before);
    build_generation(&bench.target(), 2).unwrap();
}

#[test]
fn paths_that_leave_the_tree_or_meet_are_refused() {
    let bench = Bench::new();
    let stage = bench.begin();
    let write = |path: &str| stage.write(&Bench::public(path, "x"));
    for path in [
        "../x",
        "/etc/x",
        "a/../../x",
        "",
        "a/",
        "manifest.json",
        ".gitignore",
    ] {
        assert!(message(write(path)).contains("please report it"), "{path}");
    }
    write("lab/a").unwrap();
    for path in ["lab/a", "lab", "lab/a/b"] {
        assert!(
            message(write(path)).contains("twice, or as a file and as a folder"),
            "{path}"
        );
    }
    drop(stage);
    assert_eq!(bench.beside(), [] as [&str; 0]);
}

#[test]
fn what_the_user_adds_during_a_build_stops_the_commit() {
    let bench = Bench::new();
    build_generation(&bench.target(), 1).unwrap();
    let stage = stage_generation(&bench.target(), 2).unwrap();
    fs::write(bench.path("out/lab/notes"), "mine").unwrap();
    assert!(message(stage.commit(about())).contains("holds lab/notes, which no build wrote"));
    assert_eq!(
        fs::read_to_string(bench.path("out/lab/notes")).unwrap(),
        "mine"
    );
    assert_eq!(bench.beside(), ["out"]);
}

#[test]
fn a_target_that_comes_or_goes_during_a_build_is_met() {
    let bench = Bench::new();
    let stage = stage_generation(&bench.target(), 1).unwrap();
    fs::create_dir(bench.target()).unwrap();
    stage.commit(about()).unwrap();
    assert_whole(&bench.target(), 1);
    // What was to be kept of the old tree is gone with it.
    let stage = stage_generation(&bench.target(), 2).unwrap();
    fs::remove_dir_all(bench.target()).unwrap();
    assert!(message(stage.commit(about())).contains("known_hosts changed while the build ran"));
    assert_eq!(bench.beside(), [] as [&str; 0]);
    // A tree that shares nothing with it does not need it.
    bench.build(&[("lab/other", "1")]);
    let stage = stage_generation(&bench.target(), 2).unwrap();
    fs::remove_dir_all(bench.target()).unwrap();
    stage.commit(about()).unwrap();
    assert_whole(&bench.target(), 2);
    fs::remove_dir_all(bench.target()).unwrap();
    let stage = stage_generation(&bench.target(), 3).unwrap();
    let late = |step| {
        if step == Step::MoveIn {
            fs::write(bench.target(), "mine")
        } else {
            Ok(())
        }
    };
    assert!(
        message(stage.commit_asking(about(), &late))
            .contains("failed to put the new tree in the place of")
    );
    assert_eq!(fs::read_to_string(bench.target()).unwrap(), "mine");
}

#[test]
fn what_is_kept_is_linked_and_the_rest_is_gone() {
    let bench = Bench::new();
    build_generation(&bench.target(), 1).unwrap();
    let before = snapshot(&bench.target());
    let stage = bench.begin();
    assert_eq!(stage.keep(&["lab/node1"]), State::Whole);
    assert_eq!(stage.keep(&["lab/known_hosts"]), State::Whole);
    stage
        .write(&Bench::public("lab/node2/meta-data", "2"))
        .unwrap();
    let done = stage.commit(about()).unwrap();
    assert_eq!((done.added, done.updated, done.removed), (1, 0, 1));
    let after = snapshot(&bench.target());
    for path in ["lab/node1/user-data", "lab/node1/run.sh", "lab/known_hosts"] {
        assert_eq!(
            after[path], before[path],
            "{path} is linked, not written again"
        );
    }
    assert_sums_hold(&bench.target());
    // Everything kept and nothing else is the same tree.
    let stage = bench.begin();
    assert_eq!(stage.keep(&["lab"]), State::Whole);
    assert!(!stage.commit(about()).unwrap().changed);
    assert_eq!(snapshot(&bench.target()), after);
    // All of what is asked for, or nothing.
    let stage = bench.begin();
    let missing = vec![("lab/gone".into(), Fault::Missing)];
    assert_eq!(
        stage.keep(&["lab/node1", "lab/gone"]),
        State::Damaged(missing)
    );
    assert_eq!(stage.keep(&["lab"]), State::Whole);
    assert!(!stage.commit(about()).unwrap().changed);
    // The same file twice is a mistake, kept or written.
    let stage = bench.begin();
    stage.keep(&["lab/node1"]);
    stage.keep(&["lab/node1/run.sh"]);
    assert!(message(stage.commit(about())).contains("twice"));
    let stage = bench.begin();
    stage.keep(&["lab/node1"]);
    stage
        .write(&Bench::public("lab/node1/run.sh", "2"))
        .unwrap();
    assert!(message(stage.commit(about())).contains("twice"));
    assert_eq!(snapshot(&bench.target()), after);
}

#[test]
fn the_same_bytes_are_not_written_again() {
    let bench = Bench::new();
    bench.build(&[("lab/a", "1"), ("lab/b", "1")]);
    let before = snapshot(&bench.target());
    let done = bench.commit(&[("lab/a", "1"), ("lab/b", "2")]);
    assert_eq!((done.added, done.updated, done.changed), (0, 1, true));
    let after = snapshot(&bench.target());
    assert_eq!(after["lab/a"], before["lab/a"]);
    assert_ne!(after["lab/b"].0, before["lab/b"].0);
    assert_sums_hold(&bench.target());
}

#[test]
fn what_was_altered_is_not_kept_and_what_was_never_built_neither() {
    let bench = Bench::new();
    let target = bench.target();
    assert_eq!(bench.begin().keep(&["lab"]), State::Absent);
    build_generation(&target, 1).unwrap();
    for prefix in [
        "lab/node",
        "lab/node2",
        "",
        "lab/",
        "../out/lab",
        "/",
        "manifest.json",
    ] {
        let stage = bench.begin();
        assert_eq!(stage.keep(&[prefix]), State::Absent, "{prefix}");
    }
    let file = target.join("lab/node1/user-data");
    let bytes = fs::read(&file).unwrap();
    let mode = Fault::Mode {
        found: 0o644,
        built: 0o600,
    };
    let damages: [(&dyn Fn(), Fault); 6] = [
        (
            &|| fs::write(&file, bytes.to_ascii_uppercase()).unwrap(),
            Fault::Altered,
        ),
        (
            &|| fs::write(&file, "longer than before: #cloud-config").unwrap(),
            Fault::Altered,
        ),
        (
            &|| fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap(),
            mode,
        ),
        (&|| fs::remove_file(&file).unwrap(), Fault::Missing),
        (
            &|| {
                fs::remove_file(&file).unwrap();
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    file.as_str(),
                    rustix::fs::FileType::Fifo,
                    0o600.into(),
                    0,
                )
                .unwrap();
            },
            Fault::Kind,
        ),
        (
            &|| {
                fs::rename(&file, bench.path("aside")).unwrap();
                symlink(bench.path("aside"), &file).unwrap();
            },
            Fault::Kind,
        ),
    ];
    for (damage, fault) in damages {
        damage();
        let damaged = State::Damaged(vec![("lab/node1/user-data".into(), fault)]);
        assert_eq!(bench.begin().keep(&["lab/node1"]), damaged);
        assert_eq!(Standing::read(&target).unwrap().state(&["lab"]), damaged);
        build_generation(&target, 1).unwrap();
        assert_whole(&target, 1);
    }
    assert_eq!(Standing::read(&target).unwrap().own_faults(), []);
}

#[test]
fn the_trees_own_faults_are_named() {
    let bench = Bench::new();
    let target = bench.target();
    build_generation(&target, 1).unwrap();
    fs::remove_file(target.join(".gitignore")).unwrap();
    fs::write(target.join("SHA256SUMS"), "").unwrap();
    fs::set_permissions(target.join("lab"), PermissionsExt::from_mode(0o755)).unwrap();
    let named: Vec<String> = Standing::read(&target)
        .unwrap()
        .own_faults()
        .into_iter()
        .map(|(path, fault)| format!("{path} {fault}"))
        .collect();
    assert_eq!(
        named,
        [
            "SHA256SUMS was altered",
            ".gitignore is missing",
            "lab has mode 0755 instead of 0700"
        ]
    );
}

#[test]
fn builders_at_once_end_in_one_whole_tree() {
    let bench = Bench::new();
    let target = bench.target();
    std::thread::scope(|scope| {
        for n in 1..=4 {
            let target = &target;
            scope.spawn(move || {
                let mut built = 0;
                while built < 5 {
                    match build_generation(target, n) {
                        Ok(_) => built += 1,
                        Err(OutputError::Busy(_)) => std::thread::yield_now(),
                        Err(e) => panic!("{e}"),
                    }
                }
            });
        }
    });
    let text = fs::read_to_string(target.join("manifest.json")).unwrap();
    let n = (1..=4)
        .find(|n| text.contains(&format!("lab/node{n}0/")))
        .unwrap();
    assert_whole(&target, n);
    assert_eq!(bench.beside(), ["out"]);
}

#[test]
fn a_full_disk_is_said_plainly() {
    let bench = Bench::new();
    build_generation(&bench.target(), 1).unwrap();
    for step in [Step::WriteManifest, Step::SyncTree] {
        for number in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            let full = |at| {
                if at == step {
                    Err(io::Error::from(number))
                } else {
                    Ok(())
                }
            };
            let text = message(
                stage_generation(&bench.target(), 2)
                    .unwrap()
                    .commit_asking(about(), &full),
            );
            assert!(
                text.starts_with("no space is left for the new tree ("),
                "{text}"
            );
            assert!(
                text.ends_with("): free some there and build again"),
                "{text}"
            );
        }
    }
    assert_whole(&bench.target(), 1);
}
