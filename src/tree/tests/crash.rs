//! Builds that are killed, that fail, or that run in a process of their own.

use std::env;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

use super::*;

const STEPS: [Step; 10] = [
    Step::Link,
    Step::WriteManifest,
    Step::WriteSums,
    Step::KeepFiles,
    Step::SyncTree,
    Step::Exchange,
    Step::MoveAway,
    Step::MoveIn,
    Step::SyncParent,
    Step::DeleteOld,
];

/// How the one tree replaces the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    FirstBuild,
    Exchange,
    Fallback,
}

impl Way {
    const ALL: [Self; 3] = [Self::FirstBuild, Self::Exchange, Self::Fallback];

    /// Whether a commit of this way comes past the step.
    fn takes(self, step: Step) -> bool {
        match step {
            Step::Exchange => self != Self::FirstBuild,
            Step::MoveAway => self == Self::Fallback,
            Step::MoveIn => self != Self::Exchange,
            Step::DeleteOld => self != Self::FirstBuild,
            _ => true,
        }
    }
}

/// What a child process is to do, in its environment.
const TARGET: &str = "LXSEED_TEST_TARGET";
const GENERATION: &str = "LXSEED_TEST_GENERATION";
const DIE_AT: &str = "LXSEED_TEST_DIE_AT";
/// Keep this instead of writing everything.
const KEEP: &str = "LXSEED_TEST_KEEP";
const FALLBACK: &str = "LXSEED_TEST_FALLBACK";

#[test]
#[ignore = "run by the other tests in a process of its own"]
fn child() {
    let Ok(target) = env::var(TARGET) else {
        return;
    };
    let target = Utf8Path::new(&target);
    let generation = env::var(GENERATION).unwrap().parse().unwrap();
    let die_at = env::var(DIE_AT).unwrap_or_default();
    let die_if = |here: &str| {
        if die_at == here {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    };
    let staged = match env::var(KEEP) {
        Ok(prefix) => Stage::begin(target).inspect(|stage| assert_eq!(stage.keep(&[&prefix]), State::Whole)),
        Err(_) => stage_generation(target, generation),
    };
    let stage = match staged {
        Ok(stage) => stage,
        Err(e) => panic!("child: {e}"),
    };
    die_if("Staged");
    let before = |step: Step| {
        die_if(&format!("{step:?}"));
        if step == Step::Exchange && env::var_os(FALLBACK).is_some() {
            Err(Errno::INVAL.into())
        } else {
            Ok(())
        }
    };
    if let Err(e) = stage.commit_asking(build_info(), &secret(), &before) {
        panic!("child: {e}");
    }
}

/// The child test above as a command, behind a shell line that ends in running it.
pub(in crate::tree) fn command(shell: &str, target: &Utf8Path, generation: u32) -> Command {
    let test = format!("{}::child", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new("sh");
    command
        .args(["-c", shell, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", &test])
        .env(TARGET, target)
        .env(GENERATION, generation.to_string())
        .stdin(Stdio::null());
    command
}

fn killed_at(target: &Utf8Path, generation: u32, step: &str, way: Way) {
    let mut command = command("exec \"$@\"", target, generation);
    command.env(DIE_AT, step);
    if way == Way::Fallback {
        command.env(FALLBACK, "1");
    }
    let status: ExitStatus = command.output().unwrap().status;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(
        signal,
        Some(Signal::KILL.as_raw()),
        "the child was to die at {step}: {status}"
    );
}

fn succeeds(mut command: Command) -> Output {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done
}

#[test]
fn a_build_killed_at_any_step_leaves_the_old_tree_or_the_new_one() {
    let names = ["Staged".to_owned()].into_iter().map(|name| (name, true));
    for way in Way::ALL {
        let steps = STEPS.iter().map(|step| (format!("{step:?}"), way.takes(*step)));
        for (step, _) in names.clone().chain(steps).filter(|(_, taken)| *taken) {
            let fixture = Fixture::new();
            let target = fixture.target();
            if way != Way::FirstBuild {
                build_generation(&target, 1).unwrap();
            }
            killed_at(&target, 2, &step, way);

            let is_new = matches!(&*step, "SyncParent" | "DeleteOld");
            let between = way == Way::Fallback && step == "MoveIn";
            assert_eq!(
                target.exists(),
                is_new || (way != Way::FirstBuild && !between),
                "{way:?} {step}"
            );
            guard(&target).unwrap();
            // A build that does not even commit clears up, and puts a tree back that was renamed.
            drop(fixture.begin());
            match (is_new, way) {
                (true, _) => assert_whole(&target, 2),
                (false, Way::FirstBuild) => assert!(!target.exists()),
                (false, _) => assert_whole(&target, 1),
            }
            assert_eq!(
                fixture.beside(),
                if target.exists() { vec!["out"] } else { vec![] },
                "{way:?} {step}"
            );

            build_generation(&target, 3).unwrap();
            assert_whole(&target, 3);
            assert_eq!(fixture.beside(), ["out"], "{way:?} {step}");
        }
    }
}

#[test]
fn a_build_killed_twice_recovers() {
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    // The second build puts the tree back, stages again, and dies at the same point.
    killed_at(&target, 2, "MoveIn", Way::Fallback);
    killed_at(&target, 3, "MoveIn", Way::Fallback);
    assert!(!target.exists());
    let stage = fixture.begin();
    assert!(
        stage
            .existing()
            .manifest()
            .unwrap()
            .files
            .iter()
            .any(|entry| entry.path.starts_with("lab/node10"))
    );
    drop(stage);
    assert_whole(&target, 1);
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn a_tree_renamed_behind_a_link_is_put_back() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("disk/trees")).unwrap();
    symlink("disk/trees", fixture.target()).unwrap();
    build_generation(&fixture.target(), 1).unwrap();
    killed_at(&fixture.target(), 2, "MoveIn", Way::Fallback);
    assert!(!fixture.path("disk/trees").exists());
    guard(&fixture.target()).unwrap();
    drop(fixture.begin());
    assert_whole(&fixture.path("disk/trees"), 1);
}

#[test]
fn a_step_that_fails_leaves_the_old_tree_and_no_trace() {
    for way in Way::ALL {
        for step in STEPS.into_iter().filter(|step| way.takes(*step)) {
            if (way, step) == (Way::Fallback, Step::Exchange) {
                continue;
            }
            let fixture = Fixture::new();
            let target = fixture.target();
            if way != Way::FirstBuild {
                build_generation(&target, 1).unwrap();
            }
            let before = |at: Step| match at {
                at if at == step => Err(Errno::IO.into()),
                Step::Exchange if way == Way::Fallback => Err(Errno::INVAL.into()),
                _ => Ok(()),
            };
            let result = stage_generation(&target, 2)
                .unwrap()
                .commit_asking(build_info(), &secret(), &before);
            match step {
                Step::DeleteOld => {
                    let leftover = result.unwrap().leftover.unwrap();
                    assert_whole(&leftover, 1);
                    assert_whole(&target, 2);
                    drop(fixture.begin());
                }
                Step::SyncParent => {
                    assert!(message(result).contains("holds the new tree, which a power cut may undo"));
                    assert_whole(&target, 2);
                    drop(fixture.begin());
                }
                _ => {
                    assert!(message(result).contains("Input/output error"), "{way:?} {step:?}");
                    match way {
                        Way::FirstBuild => assert!(!target.exists()),
                        _ => assert_whole(&target, 1),
                    }
                }
            }
            assert_eq!(
                fixture.beside(),
                if target.exists() { vec!["out"] } else { vec![] },
                "{way:?} {step:?}"
            );
        }
    }
}

#[test]
fn a_file_system_without_exchange_gets_two_renames() {
    let fixture = Fixture::new();
    let target = fixture.target();
    fs::create_dir(&target).unwrap();
    fs::write(target.join(".keep"), "kept").unwrap();
    for errno in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
        let generation = errno.raw_os_error().unsigned_abs();
        let steps = Mutex::new(Vec::new());
        let before = |step| {
            steps.lock().unwrap().push(step);
            if step == Step::Exchange {
                Err(errno.into())
            } else {
                Ok(())
            }
        };
        stage_generation(&target, generation)
            .unwrap()
            .commit_asking(build_info(), &secret(), &before)
            .unwrap();
        let steps = steps.into_inner().unwrap();
        assert_eq!(steps, STEPS);
        assert_sums_hold(&target);
        assert!(target.join(format!("lab/node{generation}0")).is_dir());
        assert_eq!(fs::read_to_string(target.join(".keep")).unwrap(), "kept");
        assert_eq!(fixture.beside(), ["out"]);
    }
    // The same without NOREPLACE, for a target that is new.
    let first = fixture.path("first");
    let before = |step| {
        if step == Step::MoveIn {
            Err(Errno::INVAL.into())
        } else {
            Ok(())
        }
    };
    stage_generation(&first, 1)
        .unwrap()
        .commit_asking(build_info(), &secret(), &before)
        .unwrap();
    assert_whole(&first, 1);
}

#[test]
fn a_folder_that_only_the_rename_finds_fixed_is_named() {
    let fixture = Fixture::new();
    build_generation(&fixture.target(), 1).unwrap();
    for (errno, text) in [
        (Errno::BUSY, "is a mount point"),
        (Errno::XDEV, "cannot be renamed, as"),
    ] {
        let before = |step| {
            if step == Step::Exchange {
                Err(errno.into())
            } else {
                Ok(())
            }
        };
        let result = stage_generation(&fixture.target(), 2)
            .unwrap()
            .commit_asking(build_info(), &secret(), &before);
        assert!(message(result).contains(text));
    }
    assert_whole(&fixture.target(), 1);
}

#[test]
fn the_umask_does_not_matter() {
    for umask in ["000", "077", "777"] {
        let fixture = Fixture::new();
        for generation in [1, 2] {
            succeeds(command(
                &format!("umask {umask}; exec \"$@\""),
                &fixture.target(),
                generation,
            ));
            assert_whole(&fixture.target(), generation);
        }
        assert_eq!(fixture.beside(), ["out"]);
    }
}

#[test]
fn a_second_process_is_told_to_wait() {
    let fixture = Fixture::new();
    let held = fixture.begin();
    let done = command("exec \"$@\"", &fixture.target(), 1).output().unwrap();
    assert!(!done.status.success());
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(
        said.contains(&format!("another lxseed build is writing {}", fixture.target())),
        "{said}"
    );
    drop(held);
    succeeds(command("exec \"$@\"", &fixture.target(), 1));
    assert_whole(&fixture.target(), 1);
}

/// A name space of its own, in which a small file system can be mounted without a trace.
const MOUNTED: &str = "mount -t tmpfs -o size=200k,mode=700 tmpfs \"$ROOM\" &&";

/// Whether such a name space is allowed here. Where it must be, in continuous integration, its lack is a failure.
fn can_mount() -> bool {
    let allowed = Command::new("unshare")
        .args(["-rm", "true"])
        .output()
        .is_ok_and(|done| done.status.success());
    assert!(
        allowed || env::var_os("CI").is_none(),
        "no mount name space can be made here"
    );
    allowed
}

fn in_room(fixture: &Fixture, shell: &str) -> Output {
    let room = fixture.path("room");
    fs::create_dir(&room).unwrap();
    let inner = command(shell, &room.join("out"), 1);
    let mut outer = Command::new("unshare");
    outer
        .arg("-rm")
        .arg(inner.get_program())
        .args(inner.get_args())
        .env("ROOM", &room)
        .stdin(Stdio::null());
    inner.get_envs().for_each(|(name, value)| {
        outer.env(name, value.unwrap());
    });
    outer.output().unwrap()
}

#[test]
fn a_file_system_that_fills_up_keeps_the_old_tree() {
    if !can_mount() {
        return;
    }
    let fixture = Fixture::new();
    let shell = format!(
        "{MOUNTED} \"$@\" >/dev/null && cp -a \"$ROOM/out\" \"$ROOM/../before\" && \
         {{ dd if=/dev/zero of=\"$ROOM/filler\" bs=4k 2>/dev/null; true; }} && \
         ! {GENERATION}=2 \"$@\" && cp -a \"$ROOM/out\" \"$ROOM/../after\" && ls -A \"$ROOM\" >\"$ROOM/../names\""
    );
    let done = in_room(&fixture, &shell);
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("no space is left for the new tree ("), "{said}");
    assert_whole(&fixture.path("before"), 1);
    assert_whole(&fixture.path("after"), 1);
    assert_eq!(fs::read_to_string(fixture.path("names")).unwrap(), "filler\nout\n");
}

/// With fs.protected_hardlinks set, as it is everywhere by now, a file of another user that one may read and not write
/// cannot be linked. In a name space of its own, root has no more rights than that over the files of other users.
#[test]
fn what_cannot_be_linked_is_copied() {
    let protected = fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|set| set.trim() == "1");
    if !protected || !rustix::process::geteuid().is_root() || !can_mount() {
        return;
    }
    let fixture = Fixture::new();
    let target = fixture.target();
    build_generation(&target, 1).unwrap();
    fs::write(target.join(".keep"), "kept").unwrap();
    fs::set_permissions(target.join(".keep"), PermissionsExt::from_mode(0o604)).unwrap();
    for theirs in [".keep", "lab/node1/run.sh"] {
        fs::os::unix::fs::chown(target.join(theirs), Some(65534), Some(65534)).unwrap();
    }
    let before = snapshot(&target);
    let mut keep = Command::new("unshare");
    let inner = command("exec \"$@\"", &target, 2);
    keep.arg("-r").arg(inner.get_program()).args(inner.get_args());
    keep.env(TARGET, &target).env(GENERATION, "2").env(KEEP, "lab/node1");
    succeeds(keep);
    let after = snapshot(&target);
    let linked = |path: &str| before[path].0 == after[path].0;
    assert!(linked("lab/node1/user-data") && linked(".gitignore"));
    assert!(!linked("lab/node1/run.sh") && !linked(".keep"));
    for path in ["lab/node1/run.sh", ".keep"] {
        assert_eq!(
            (before[path].1, &before[path].2),
            (after[path].1, &after[path].2),
            "{path}"
        );
    }
    assert!(!after.contains_key("lab/known_hosts"));
    assert_sums_hold(&target);
    assert_eq!(fixture.beside(), ["out"]);
}

#[test]
fn a_mounted_target_is_refused() {
    if !can_mount() {
        return;
    }
    let fixture = Fixture::new();
    let done = in_room(
        &fixture,
        "mkdir \"$ROOM/out\" && mount --bind \"$ROOM/out\" \"$ROOM/out\" && \"$@\"",
    );
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("is a mount point, which no rename can replace"), "{said}");
}
