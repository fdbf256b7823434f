//! What a tree goes through from its first build on, on a real file system.

#![allow(clippy::unwrap_used)]

pub(super) mod crash;
mod fixture;
mod git;

use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use rayon::prelude::*;

pub(super) use fixture::{Fixture, message, snapshot};
use fixture::{assert_sums_hold, assert_whole, build_generation, build_info, mode, paths, stage_generation};

use super::exchange::Step;
use super::*;
use crate::trust::testing::secret;

#[test]
fn a_first_build_makes_the_whole_tree() {
    let fixture = Fixture::new();
    let done = build_generation(&fixture.target(), 1).unwrap();
    assert_whole(&fixture.target(), 1);
    assert_eq!(fixture.beside(), ["out"]);
    let expected = Committed {
        files: 4,
        changed: true,
        added: 4,
        updated: 0,
        removed: 0,
        leftover: None,
    };
    assert_eq!(done, expected);
    assert_eq!(
        fs::read_to_string(fixture.path("out/.gitignore")).unwrap(),
        "*\n!.gitignore\n"
    );
    let text = fs::read_to_string(fixture.path("out/manifest.json")).unwrap();
    assert!(
        text.contains("\"mode\": \"0600\"") && !text.contains(fixture.root.as_str()),
        "{text}"
    );
    assert_eq!(fixture.begin().existing().manifest().unwrap().files.len(), 4);
}

#[test]
fn a_tree_without_files_is_a_tree() {
    let fixture = Fixture::new();
    let stage = fixture.begin();
    assert!(stage.existing().manifest().is_none());
    stage.commit(build_info(), &secret()).unwrap();
    assert_eq!(paths(&fixture.target()), [".gitignore", "SHA256SUMS", "manifest.json"]);
    assert_sums_hold(&fixture.target());
}

#[test]
fn a_rebuild_replaces_what_changed_and_drops_stale_hosts() {
    let fixture = Fixture::new();
    fixture.build(&[("lab/node1/a", "1"), ("lab/node2/a", "1"), ("lab/z", "1")]);
    let done = fixture.commit(&[("lab/node1/a", "2"), ("lab/z", "1"), ("lab/new", "1")]);
    assert_eq!((done.added, done.updated, done.removed, done.changed), (1, 1, 1, true));
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
    assert_eq!(paths(&fixture.target()), expected);
    assert_eq!(fs::read_to_string(fixture.path("out/lab/node1/a")).unwrap(), "2");
    assert_sums_hold(&fixture.target());
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn an_identical_rebuild_touches_nothing() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    let before = snapshot(&fixture.target());
    let done = build_generation(&fixture.target(), 1).unwrap();
    let expected = Committed {
        files: 4,
        changed: false,
        added: 0,
        updated: 0,
        removed: 0,
        leftover: None,
    };
    assert_eq!(done, expected);
    assert_eq!(snapshot(&fixture.target()), before);
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn any_damage_to_the_tree_is_a_difference() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    let set_mode = |path: &str, mode| fs::set_permissions(target.join(path), PermissionsExt::from_mode(mode)).unwrap();
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
            fs::rename(target.join("lab/known_hosts"), fixture.path("moved")).unwrap();
            symlink(fixture.path("moved"), target.join("lab/known_hosts")).unwrap();
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
        fs::read_to_string(fixture.path("moved")).unwrap(),
        "node1 ssh-ed25519 AAAA\n"
    );
}

#[test]
fn another_secret_or_host_list_is_a_difference() {
    let fixture = Fixture::new();
    fixture.build(&[("lab/a", "1")]);
    let mut other = build_info();
    other.clusters[0].hosts.reverse();
    let again = |info: BuildInfo| {
        let stage = fixture.begin();
        stage.write(&Fixture::public("lab/a", "1")).unwrap();
        stage.commit(info, &secret()).unwrap()
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
    let fixture = Fixture::new();
    let target = fixture.target();
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(target.join(".gitignore"), "# mine\n*\n").unwrap();
    fs::write(target.join(".keep"), [0, 255]).unwrap();
    fs::set_permissions(target.join(".keep"), PermissionsExt::from_mode(0o640)).unwrap();
    for n in [1, 2, 2, 3] {
        build_generation(&target, n).unwrap();
        assert_eq!(fs::read_to_string(target.join(".gitignore")).unwrap(), "# mine\n*\n");
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
    let fixture = Fixture::new();
    fs::create_dir(fixture.target()).unwrap();
    fs::write(fixture.path("out/.gitkeep"), "").unwrap();
    fixture.build(&[("lab/a", "1")]);
    assert_eq!(
        fs::read_to_string(fixture.path("out/.gitignore")).unwrap(),
        "*\n!.gitignore\n"
    );
    assert_eq!(paths(&fixture.target())[1], ".gitkeep");
}

#[test]
fn a_linked_target_is_replaced_behind_its_link() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("disk/trees")).unwrap();
    symlink("disk/trees", fixture.target()).unwrap();
    for n in [1, 2] {
        build_generation(&fixture.target(), n).unwrap();
        assert!(fixture.target().is_symlink());
        assert_whole(&fixture.path("disk/trees"), n);
    }
    assert_eq!(fixture.beside(), ["disk", "out"]);
    assert_eq!(
        paths(&fixture.path("disk"))
            .iter()
            .filter(|path| !path.starts_with("trees"))
            .count(),
        0
    );
}

#[test]
fn an_error_or_a_panic_leaves_no_trace() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    let before = snapshot(&fixture.target());
    drop(stage_generation(&fixture.target(), 2).unwrap());
    assert_eq!(fixture.beside(), ["out"]);
    let panicked = std::panic::catch_unwind(|| {
        let stage = stage_generation(&fixture.target(), 2).unwrap();
        (0..8).into_par_iter().for_each(|i| {
            stage.write(&Fixture::secret(&format!("lab/{i}"), "x")).unwrap();
            assert!(i != 5, "a worker fails");
        });
    });
    assert!(panicked.is_err());
    assert_eq!(fixture.beside(), ["out"]);
    assert_eq!(snapshot(&fixture.target()), before);
    build_generation(&fixture.target(), 2).unwrap();
}

#[test]
fn paths_that_leave_the_tree_or_meet_are_refused() {
    let fixture = Fixture::new();
    let stage = fixture.begin();
    let write = |path: &str| stage.write(&Fixture::public(path, "x"));
    for path in ["../x", "/etc/x", "a/../../x", "", "a/", "manifest.json", ".gitignore"] {
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
    assert_eq!(fixture.beside(), [] as [&str; 0]);
}

#[test]
fn what_the_user_adds_during_a_build_stops_the_commit() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    let stage = stage_generation(&fixture.target(), 2).unwrap();
    fs::write(fixture.path("out/lab/notes"), "mine").unwrap();
    assert!(message(stage.commit(build_info(), &secret())).contains("holds lab/notes, which no build wrote"));
    assert_eq!(fs::read_to_string(fixture.path("out/lab/notes")).unwrap(), "mine");
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn a_target_that_comes_or_goes_during_a_build_is_met() {
    let fixture = Fixture::new();
    let stage = stage_generation(&fixture.target(), 1).unwrap();
    fs::create_dir(fixture.target()).unwrap();
    stage.commit(build_info(), &secret()).unwrap();
    assert_whole(&fixture.target(), 1);
    // What was to be kept of the old tree is gone with it.
    let stage = stage_generation(&fixture.target(), 2).unwrap();
    fs::remove_dir_all(fixture.target()).unwrap();
    assert!(message(stage.commit(build_info(), &secret())).contains("known_hosts changed while the build ran"));
    assert_eq!(fixture.beside(), [] as [&str; 0]);
    // A tree that shares nothing with it does not need it.
    fixture.build(&[("lab/other", "1")]);
    let stage = stage_generation(&fixture.target(), 2).unwrap();
    fs::remove_dir_all(fixture.target()).unwrap();
    stage.commit(build_info(), &secret()).unwrap();
    assert_whole(&fixture.target(), 2);
    fs::remove_dir_all(fixture.target()).unwrap();
    let stage = stage_generation(&fixture.target(), 3).unwrap();
    let late = |step| {
        if step == Step::MoveIn {
            fs::write(fixture.target(), "mine")
        } else {
            Ok(())
        }
    };
    assert!(
        message(stage.commit_asking(build_info(), &secret(), &late))
            .contains("failed to put the new tree in the place of")
    );
    assert_eq!(fs::read_to_string(fixture.target()).unwrap(), "mine");
}

#[test]
fn what_is_kept_is_linked_and_the_rest_is_gone() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    let before = snapshot(&fixture.target());
    let stage = fixture.begin();
    assert_eq!(stage.keep(&["lab/node1"]), State::Whole);
    assert_eq!(stage.keep(&["lab/known_hosts"]), State::Whole);
    stage.write(&Fixture::public("lab/node2/meta-data", "2")).unwrap();
    let done = stage.commit(build_info(), &secret()).unwrap();
    assert_eq!((done.added, done.updated, done.removed), (1, 0, 1));
    let after = snapshot(&fixture.target());
    for path in ["lab/node1/user-data", "lab/node1/run.sh", "lab/known_hosts"] {
        assert_eq!(after[path], before[path], "{path} is linked, not written again");
    }
    assert_sums_hold(&fixture.target());
    // Everything kept and nothing else is the same tree.
    let stage = fixture.begin();
    assert_eq!(stage.keep(&["lab"]), State::Whole);
    assert!(!stage.commit(build_info(), &secret()).unwrap().changed);
    assert_eq!(snapshot(&fixture.target()), after);
    // All of what is asked for, or nothing.
    let stage = fixture.begin();
    let missing = vec![("lab/gone".into(), Fault::Missing)];
    assert_eq!(stage.keep(&["lab/node1", "lab/gone"]), State::Damaged(missing));
    assert_eq!(stage.keep(&["lab"]), State::Whole);
    assert!(!stage.commit(build_info(), &secret()).unwrap().changed);
    // The same file twice is a mistake, kept or written.
    let stage = fixture.begin();
    stage.keep(&["lab/node1"]);
    stage.keep(&["lab/node1/run.sh"]);
    assert!(message(stage.commit(build_info(), &secret())).contains("twice"));
    let stage = fixture.begin();
    stage.keep(&["lab/node1"]);
    stage.write(&Fixture::public("lab/node1/run.sh", "2")).unwrap();
    assert!(message(stage.commit(build_info(), &secret())).contains("twice"));
    assert_eq!(snapshot(&fixture.target()), after);
}

#[test]
fn the_same_bytes_are_not_written_again() {
    let fixture = Fixture::new();
    fixture.build(&[("lab/a", "1"), ("lab/b", "1")]);
    let before = snapshot(&fixture.target());
    let done = fixture.commit(&[("lab/a", "1"), ("lab/b", "2")]);
    assert_eq!((done.added, done.updated, done.changed), (0, 1, true));
    let after = snapshot(&fixture.target());
    assert_eq!(after["lab/a"], before["lab/a"]);
    assert_ne!(after["lab/b"].0, before["lab/b"].0);
    assert_sums_hold(&fixture.target());
}

#[test]
fn what_was_altered_is_not_kept_and_what_was_never_built_neither() {
    let fixture = Fixture::new();
    let target = fixture.target();
    assert_eq!(fixture.begin().keep(&["lab"]), State::Absent);
    build_generation(&target, 1).unwrap();
    for prefix in ["lab/node", "lab/node2", "", "lab/", "../out/lab", "/", "manifest.json"] {
        let stage = fixture.begin();
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
                fs::rename(&file, fixture.path("moved")).unwrap();
                symlink(fixture.path("moved"), &file).unwrap();
            },
            Fault::Kind,
        ),
    ];
    for (damage, fault) in damages {
        damage();
        let damaged = State::Damaged(vec![("lab/node1/user-data".into(), fault)]);
        assert_eq!(fixture.begin().keep(&["lab/node1"]), damaged);
        assert_eq!(ExistingTree::read(&target).unwrap().state(&["lab"]), damaged);
        build_generation(&target, 1).unwrap();
        assert_whole(&target, 1);
    }
    assert!(ExistingTree::read(&target).unwrap().own_faults().is_empty());
}

#[test]
fn the_trees_own_faults_are_named() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    fs::remove_file(target.join(".gitignore")).unwrap();
    fs::write(target.join("SHA256SUMS"), "").unwrap();
    fs::set_permissions(target.join("lab"), PermissionsExt::from_mode(0o755)).unwrap();
    let named = || -> Vec<String> {
        let existing = ExistingTree::read(&target).unwrap();
        let faults = existing.own_faults().iter();
        faults.map(|(path, fault)| format!("{path} {fault}")).collect()
    };
    assert_eq!(
        named(),
        [
            "SHA256SUMS was altered",
            ".gitignore is missing",
            "lab has mode 0755 instead of 0700"
        ]
    );
    build_generation(&target, 1).unwrap();
    let manifest = target.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("c0de", "c0ff")).unwrap();
    assert_eq!(named(), ["manifest.json was altered"]);
    build_generation(&target, 1).unwrap();
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text);
}

/// Somebody who may write beside the target puts a link where the staging folder is: with names instead of descriptors
/// the keys would go where the link leads.
#[test]
fn a_swapped_staging_folder_leads_nowhere() {
    for at in [None, Some(Step::Link), Some(Step::KeepFiles), Some(Step::SyncTree)] {
        let fixture = Fixture::new();
        let target = fixture.target();
        fs::create_dir(fixture.path("trap")).unwrap();
        build_generation(&target, 1).unwrap();
        let swap = || {
            let staging = fixture
                .beside()
                .into_iter()
                .find(|name| name.contains("-stage-"))
                .unwrap();
            fs::rename(fixture.path(&staging), fixture.path("stolen")).unwrap();
            symlink("trap", fixture.path(&staging)).unwrap();
        };
        let stage = fixture.begin();
        if at.is_none() {
            swap();
        }
        stage.write(&Fixture::secret("lab/node1/user-data", "key")).unwrap();
        let before = |step| {
            if Some(step) == at {
                swap();
            }
            Ok(())
        };
        let text = message(stage.commit_asking(build_info(), &secret(), &before));
        assert!(
            text.starts_with("somebody put something else in the place of the new tree of "),
            "{at:?}: {text}"
        );
        assert_whole(&target, 1);
        assert_eq!(paths(&fixture.path("trap")), [""; 0], "{at:?}");
        assert_eq!(paths(&fixture.path("stolen")), [""; 0], "{at:?}: no key stays there");
    }
}

/// A folder of the tree that became a link leads nowhere either.
#[test]
fn a_swapped_folder_of_the_tree_leads_nowhere() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    let existing = ExistingTree::read(&target).unwrap();
    fs::rename(target.join("lab/node1"), fixture.path("stolen")).unwrap();
    symlink("../../stolen", target.join("lab/node1")).unwrap();
    let State::Damaged(faults) = existing.state(&["lab/node1"]) else {
        panic!("nothing was found");
    };
    assert!(faults.iter().all(|(_, fault)| *fault == Fault::Kind), "{faults:?}");
    assert!(existing.bytes("lab/node1/user-data".into()).is_err());
}

#[test]
fn a_second_name_of_a_secret_is_found_and_the_file_written_anew() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    let seed = target.join("lab/node1/user-data");
    fs::hard_link(&seed, fixture.path("kept")).unwrap();
    fs::hard_link(target.join("lab/node1/run.sh"), fixture.path("public")).unwrap();
    let existing = ExistingTree::read(&target).unwrap();
    let found = State::Damaged(vec![("lab/node1/user-data".into(), Fault::Names)]);
    assert_eq!(existing.state(&["lab"]), found);
    assert_eq!(fixture.begin().keep(&["lab"]), found);
    let done = build_generation(&target, 1).unwrap();
    assert!(done.changed);
    fs::write(fixture.path("kept"), "evil").unwrap();
    assert_whole(&target, 1);
    assert!(!build_generation(&target, 1).unwrap().changed);
}

/// Only what a build gave a name of its own to is deleted unasked.
#[test]
fn a_folder_of_the_users_own_beside_the_target_stays() {
    let fixture = Fixture::new();
    let target = fixture.target();
    for name in [".out.lxseed-old", ".out.lxseed-stage", ".out.lxseed-old-mine"] {
        fs::create_dir(fixture.path(name)).unwrap();
        fs::write(fixture.path(name).join("thesis"), "mine").unwrap();
    }
    let fallback = |step| match step {
        Step::Exchange => Err(rustix::io::Errno::INVAL.into()),
        _ => Ok(()),
    };
    for n in 1..=3 {
        let stage = stage_generation(&target, n).unwrap();
        stage.commit_asking(build_info(), &secret(), &fallback).unwrap();
        assert_whole(&target, n);
        let left = [".out.lxseed-old", ".out.lxseed-old-mine", ".out.lxseed-stage", "out"];
        assert_eq!(fixture.beside(), left);
    }
    // Nor is such a name of another user's taken for a tree of ours.
    if rustix::process::geteuid().is_root() {
        fs::remove_dir_all(&target).unwrap();
        for name in [".out.lxseed-old-a1B2c3", ".out.lxseed-stage-a1B2c3"] {
            fs::create_dir(fixture.path(name)).unwrap();
            fs::os::unix::fs::chown(fixture.path(name), Some(12345), None).unwrap();
        }
        build_generation(&target, 1).unwrap();
        assert_eq!(fixture.beside().len(), 6);
    }
}

/// Whoever only looks at a tree waits for no pipe in it.
#[test]
fn pipes_in_a_tree_are_not_waited_for() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    let pipe = |path: &str| {
        fs::remove_file(target.join(path)).unwrap();
        let (path, kind) = (target.join(path), rustix::fs::FileType::Fifo);
        rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), kind, 0o600.into(), 0).unwrap();
    };
    for path in ["lab/node1/user-data", "SHA256SUMS"] {
        pipe(path);
        let found = inspect(&target, None).unwrap().unwrap();
        let mut named = found
            .faults
            .into_iter()
            .map(|(path, fault)| format!("{path} {fault}"))
            .collect::<Vec<_>>();
        // A build refuses what took the place of its own files and no plain file is; the list is one of these.
        named.extend(found.extra);
        assert!(named.contains(&format!("{path} is of another kind")), "{named:?}");
        fs::remove_file(target.join(path)).unwrap();
        build_generation(&target, 1).unwrap();
    }
    pipe("manifest.json");
    assert!(message(inspect(&target, None)).contains("it is no plain file"));
    assert!(message(ExistingTree::read(&target)).contains("was not written by lxseed"));
}

#[test]
fn builders_at_once_end_in_one_whole_tree() {
    let fixture = Fixture::new();
    let target = fixture.target();
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
    let n = (1..=4).find(|n| text.contains(&format!("lab/node{n}0/"))).unwrap();
    assert_whole(&target, n);
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn a_full_disk_is_said_plainly() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    for step in [Step::WriteManifest, Step::SyncTree] {
        for number in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            let full = |at| {
                if at == step {
                    Err(io::Error::from(number))
                } else {
                    Ok(())
                }
            };
            let text = message(stage_generation(&fixture.target(), 2).unwrap().commit_asking(
                build_info(),
                &secret(),
                &full,
            ));
            assert!(text.starts_with("no space is left for the new tree ("), "{text}");
            assert!(text.ends_with("): free some there and build again"), "{text}");
        }
    }
    assert_whole(&fixture.target(), 1);
}
