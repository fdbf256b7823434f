//! Builds that are killed, starved of space or doubled: whatever happens, the tree is the old one or the new one,
//! whole.
//!
//! `LXSEED_KILLS=500` sets how many builds are killed, `LXSEED_SEED` repeats the instants of an earlier run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::generator;
use crate::support::{Entry, SECRET, lxseed, lxseed_through, skip, temp_dir, tool, tree};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Two sites that differ in every way a build can: hosts that stay, change, come and go.
struct Room {
    dir: TempDir,
    trees: [Vec<Entry>; 2],
}

const SITES: [&str; 2] = ["one", "two"];

impl Room {
    fn new() -> Self {
        let dir = temp_dir();
        for site in SITES {
            generator::write_site(&dir.path().join(site), 9).unwrap();
        }
        // In one cluster a single host changes; the other gets another user and loses a host.
        let cluster = dir.path().join("two").join(generator::cluster_name(1));
        edit(&cluster.join("cluster.yaml"), "user: ops", "user: admin");
        let rack = cluster.join("hosts/rack01.yaml");
        edit(&rack, "52:54:00", "52:54:01");
        let text = fs::read_to_string(&rack).unwrap();
        let (kept, _) = text.rsplit_once("---\n").unwrap();
        fs::write(&rack, kept).unwrap();
        let host = format!("{}.yaml", generator::host_name(0, 2));
        let host = dir
            .path()
            .join("two")
            .join(generator::cluster_name(0))
            .join("hosts")
            .join(host);
        edit(&host, "52:54:00", "52:54:01");
        let trees = SITES.map(|site| {
            let out = format!("{site}-expected");
            lxseed(["build", site, "-o", &out]).dir(dir.path()).run().expect_exit(0);
            let tree = tree(&dir.path().join(&out));
            fs::remove_dir_all(dir.path().join(out)).unwrap();
            tree
        });
        Self { dir, trees }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn out(&self) -> PathBuf {
        self.path().join("out")
    }

    /// `lxseed build SITE`, ready to be started.
    fn build(&self, site: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lxseed"));
        command
            .args(["build", site])
            .current_dir(self.path())
            .env("LXSEED_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Which site's tree stands; `None` if there is none at all. Panics if it is neither, or a mixture.
    fn stands(&self, when: &str) -> Option<usize> {
        if !self.out().exists() {
            return None;
        }
        let found = tree(&self.out());
        let which = self.trees.iter().position(|tree| *tree == found);
        assert!(
            which.is_some(),
            "{when}: the tree is neither the old nor the new one: {:?}",
            found.iter().map(|entry| &entry.path).collect::<Vec<_>>()
        );
        which
    }

    /// What lies beside the sites and the tree.
    fn leftovers(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "out" && !SITES.contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }
}

/// Replaces every `from` by `to`.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}", path.display());
    fs::write(path, text.replace(from, to)).unwrap();
}

/// xorshift64* (Marsaglia 2003; Vigna 2016).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = match std::env::var("LXSEED_SEED") {
            Ok(seed) => seed.parse().expect("LXSEED_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1,
        };
        eprintln!("LXSEED_SEED={seed}");
        Self(seed)
    }

    /// At least 0 and less than 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn a_build_killed_at_any_instant_leaves_the_old_tree_or_the_new_one() {
    let kills: usize = match std::env::var("LXSEED_KILLS") {
        Ok(kills) => kills.parse().expect("LXSEED_KILLS is a number"),
        Err(_) => 40,
    };
    let room = Room::new();
    let mut random = Random::new();
    let begin = Instant::now();
    assert!(room.build("one").status().unwrap().success());
    let mut whole = begin.elapsed();
    fs::remove_dir_all(room.out()).unwrap();

    let (mut died, mut replaced, mut dirty) = (0, 0, 0);
    let mut stood = None;
    for at in 0..kills {
        // The other site mostly, for a build of the same one may change nothing.
        let site = match stood {
            Some(site) if random.next() < 0.9 => 1 - site,
            _ => usize::from(random.next() < 0.5),
        };
        let mut child = room.build(SITES[site]).spawn().unwrap();
        // A little beyond the end, which is told apart only then; every other one in the last part, where trees change
        // places.
        let share = if at % 2 == 0 {
            random.next()
        } else {
            0.6 + 0.4 * random.next()
        };
        std::thread::sleep(whole.mul_f64(share * 1.1));
        // SIGKILL; it is not an error if the build has ended.
        child.kill().unwrap();
        let ended = child.wait().unwrap().success();
        died += usize::from(!ended);
        // How long a build takes changes with what else the machine does.
        whole = whole.mul_f64(if ended { 0.85 } else { 1.05 });

        let now = room.stands(&format!("kill {at}"));
        assert!(stood.is_none() || now.is_some(), "kill {at}: the tree is gone");
        assert!(now == stood || now == Some(site), "kill {at}: a third tree");
        replaced += usize::from(now != stood);
        dirty += usize::from(!room.leftovers().is_empty());
        stood = now;
        if at % 8 == 7 || at + 1 == kills {
            let site = usize::from(random.next() < 0.5);
            let run = room.build(SITES[site]).output().unwrap();
            assert!(
                run.status.success(),
                "after kill {at}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
            assert_eq!(room.stands("after a whole build"), Some(site));
            assert_eq!(room.leftovers(), [""; 0], "after kill {at}");
            stood = Some(site);
        }
    }
    eprintln!(
        "{kills} builds: {died} died, {replaced} had replaced the tree, {dirty} left something for the next to clean"
    );
    assert!(died > 0, "no build was hit");
}

/// Ctrl-C and its like remove what is half done, say so, and end with the status that shells give them.
#[test]
fn a_signal_at_any_instant_leaves_no_key_behind() {
    const SIGNALS: [(i32, Signal); 3] = [(130, Signal::INT), (143, Signal::TERM), (129, Signal::HUP)];
    let rounds: usize = std::env::var("LXSEED_KILLS").map_or(30, |kills| kills.parse().unwrap());
    let room = Room::new();
    let mut random = Random::new();
    let begin = Instant::now();
    assert!(room.build("one").status().unwrap().success());
    let mut whole = begin.elapsed();
    let (mut hit, mut replaced, mut stood) = (0, 0, Some(0));
    for at in 0..rounds {
        let site = stood.map_or(0, |site| 1 - site);
        let (code, signal) = SIGNALS[at % SIGNALS.len()];
        let child = room.build(SITES[site]).spawn().unwrap();
        // Before the program has begun, a signal ends it as it ends any.
        std::thread::sleep(whole.mul_f64(0.05 + 1.0 * random.next()));
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let _ = kill_process(pid, signal);
        let run = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let now = room.stands(&format!("signal {at}"));
        assert!(now == stood || now == Some(site), "signal {at}: a third tree");
        assert_eq!(room.leftovers(), [""; 0], "signal {at}: {said}");
        match run.status.code() {
            Some(0) => assert_eq!(now, Some(site)),
            Some(ended) => {
                hit += 1;
                replaced += usize::from(now != stood);
                assert_eq!(ended, code, "{said}");
                let words = match now == stood {
                    true => "interrupted: the output is as it was\n",
                    false => "interrupted: the output is written\n",
                };
                assert_eq!(said, words, "signal {at}");
            }
            None => {}
        }
        whole = whole.mul_f64(if run.status.success() { 0.85 } else { 1.05 });
        stood = now;
    }
    eprintln!("{rounds} builds: {hit} ended by a signal, {replaced} of them with the new tree");
    assert!(hit > rounds / 4, "few builds were hit");
}

/// What whoever starts the program wants ignored is ignored: nohup.
#[test]
fn an_ignored_signal_stays_ignored() {
    let room = Room::new();
    let mut command = Command::new("sh");
    let script = "trap '' HUP; \"$0\" build one & pid=$!; for i in 1 2 3 4 5 6 7 8 9 10; do kill -HUP $pid; sleep 0.05; done; wait $pid";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_lxseed")])
        .current_dir(room.path());
    let run = command.env("LXSEED_SECRET", SECRET).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(room.stands("after nohup"), Some(0));
}

#[test]
fn two_builds_at_once_end_in_one_whole_tree() {
    let room = Room::new();
    let (mut done, mut refused) = (0, 0);
    for round in 0..6 {
        let children: Vec<_> = SITES
            .iter()
            .chain(&SITES)
            .map(|site| room.build(site).spawn().unwrap())
            .collect();
        for child in children {
            let run = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&run.stderr).into_owned();
            if run.status.success() {
                done += 1;
            } else {
                assert!(
                    said.contains("another lxseed build is writing out: wait for it to end, then build again"),
                    "{said}"
                );
                refused += 1;
            }
        }
        assert!(room.stands(&format!("round {round}")).is_some());
        assert_eq!(room.leftovers(), [""; 0]);
    }
    eprintln!("{done} done, {refused} refused");
    assert!(done >= 6);
}

/// Runs a shell script in a mount name space of its own, in the room; `$LXSEED` is the binary.
fn in_name_space(room: &Room, script: &str) -> Option<String> {
    let allowed = Command::new("unshare").args(["-rm", "true"]).output();
    if !allowed.is_ok_and(|run| run.status.success()) {
        skip("no mount name space can be made here");
        return None;
    }
    let run = Command::new("unshare")
        .args(["-rm", "sh", "-euc", script])
        .current_dir(room.path())
        .env("LXSEED", env!("CARGO_BIN_EXE_lxseed"))
        .env("LXSEED_SECRET", SECRET)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script}\n{said}");
    Some(said)
}

#[test]
fn a_full_disk_keeps_the_old_tree() {
    let room = Room::new();
    fs::create_dir(room.path().join("small")).unwrap();
    // Room for one tree and a part of another; the copy behind it outlives the name space.
    let bytes: usize = room.trees[0].iter().map(|entry| entry.bytes.len() + 4096).sum();
    let script = format!(
        "mount -t tmpfs -o size={},mode=700 tmpfs small
        \"$LXSEED\" build one -o small/out
        ! \"$LXSEED\" build two -o small/out
        cp -a small/out out
        echo \"left: $(ls -A small)\"",
        bytes + bytes / 4
    );
    let Some(said) = in_name_space(&room, &script) else {
        return;
    };
    assert!(said.contains("no space is left for the new tree ("), "{said}");
    assert!(said.contains("): free some there and build again"), "{said}");
    assert_eq!(room.stands("on a full disk"), Some(0));
    assert!(said.contains("left: out\n"), "{said}");
}

/// A limit of processes, as in a container, may leave room for no further thread.
#[test]
fn where_no_thread_can_be_had_one_does_all_the_work() {
    let room = Room::new();
    let mut starter = vec!["prlimit", "--nproc=1:1"];
    // Root has no such limit.
    if rustix::process::geteuid().is_root() {
        let owned = Command::new("chown")
            .args(["-R", "12345:12345"])
            .arg(room.path())
            .status();
        assert!(owned.unwrap().success());
        starter.splice(0..0, ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]);
        let mut try_it = Command::new(starter[0]);
        try_it
            .args(&starter[1..4])
            .arg(env!("CARGO_BIN_EXE_lxseed"))
            .arg("--version");
        if !try_it.output().is_ok_and(|run| run.status.success()) {
            skip("another user cannot start the program here");
            return;
        }
    }
    for args in [
        &["check", "one"][..],
        &["build", "one"],
        &["build", "one", "--check"],
        &["build", "one", "-j", "8"],
    ] {
        let run = lxseed_through(&starter, args).dir(room.path()).run().expect_exit(0);
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
    assert_eq!(room.stands("without a thread"), Some(0));
}

/// FAT, exFAT, SMB and drvfs take every chmod and keep none.
#[test]
fn where_permissions_are_not_kept_no_key_is_written() {
    if tool("bindfs").is_none() {
        return;
    }
    let room = Room::new();
    for folder in ["behind", "open"] {
        fs::create_dir(room.path().join(folder)).unwrap();
    }
    for (permissions, kept) in [("0755", "no"), ("0600:u+X", "no"), ("a+", "yes")] {
        let script = format!(
            "bindfs -p {permissions} --chmod-{} behind open
            trap 'umount open' EXIT
            said=$(\"$LXSEED\" build one -o open/out 2>&1) && kept=yes || kept=no
            echo \"$said\"
            test $kept = {kept}
            (cd open && unset LXSEED_SECRET && \"$LXSEED\" secret new) || echo none is made
            echo \"left: $(ls -A open)\"",
            if kept == "yes" { "normal" } else { "ignore" },
        );
        let Some(said) = in_name_space(&room, &script) else {
            return;
        };
        if kept == "no" {
            let words = "open/out lies on a file system that does not keep the permissions of files, so everybody could read the keys: ";
            assert!(said.contains(words), "{said}");
            // Where all files are 0600 that is what the secret's file shall be.
            assert!(said.contains("left: \n") || permissions != "0755", "{said}");
            assert!(said.contains("none is made") || permissions != "0755", "{said}");
        } else {
            assert!(said.contains("left: lxseed.secret\nout\n"), "{said}");
        }
        let _ = fs::remove_file(room.path().join("behind/lxseed.secret"));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_said_so() {
    let room = Room::new();
    assert!(room.build("one").status().unwrap().success());
    let script = "mount --bind . /mnt && mount -o remount,ro,bind /mnt && cd /mnt
        ! \"$LXSEED\" build two
        \"$LXSEED\" build one --check
        \"$LXSEED\" build two --check | tail -n 1 | grep -qx 'out is out of date: [0-9]* files would be written anew'
        \"$LXSEED\" diff one";
    let Some(said) = in_name_space(&room, script) else {
        return;
    };
    assert!(
        said.contains("nothing can be written into /mnt, where out lies (read-only filesystem"),
        "{said}"
    );
    assert!(
        said.contains("make it writable or choose an output folder elsewhere"),
        "{said}"
    );
    assert!(said.contains("out is up to date"), "{said}");
    assert_eq!(room.stands("in a read-only folder"), Some(0));
    assert_eq!(room.leftovers(), [""; 0]);
}
