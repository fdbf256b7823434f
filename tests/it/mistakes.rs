//! Every mistake is reported with its place and what to do, word for word, and a refused build changes nothing.
//!
//! A case is a folder `tests/mistakes/NAME`. `site` holds the files in which it differs from the good site that it is
//! based on, which is `tests/mistakes/base/one-cluster` unless the case's file `base` says otherwise: first a folder
//! below `tests`, then a line `without FILE` for each file that the case lacks. What `lxseed check site` says to the
//! whole stands in `stderr`. After a change on purpose, `LXSEED_BLESS=1 cargo test --test it mistakes` writes that
//! anew, and it is reviewed like code.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::{Run, Site, assert_same_tree, diff, lxseed, root, tree};
use lxseed::finding::Severity;
use rayon::prelude::*;

/// A case's name, and what is added to its site.
type Made = (&'static str, fn(&Path));

/// What a repository cannot hold.
const MADE: &[Made] = &[
    ("made-three-gigabytes", |site| {
        let file = fs::File::create(site.join("hosts/node4.yaml")).unwrap();
        file.set_len(3 << 30).unwrap();
    }),
    ("made-pipe", |site| {
        let path = site.join("hosts/node4.yaml");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }),
    ("made-socket", |site| {
        fs::remove_file(site.join("disks/model.yaml")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            site.join("disks/model.yaml"),
            rustix::fs::FileType::Socket,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
    }),
    ("made-link-out-of-site", |site| {
        symlink("/etc/passwd", site.join("hosts/node4.yaml")).unwrap();
    }),
    ("made-link-to-nothing", |site| {
        symlink("node5.yaml", site.join("hosts/node4.yaml")).unwrap();
        symlink("ops@desk.4711:1780000000", site.join("hosts/.#hosts.yaml")).unwrap();
        symlink("/nowhere/notes", site.join("notes")).unwrap();
    }),
    ("made-link-loop", |site| {
        symlink("..", site.join("hosts/again")).unwrap();
    }),
    ("made-100000-brackets", |site| {
        fs::write(site.join("hosts/node4.yaml"), vec![b'['; 100_000]).unwrap();
    }),
    ("made-100000-dashes", |site| {
        fs::write(site.join("hosts/node4.yaml"), b"- ".repeat(100_000)).unwrap();
    }),
    ("made-3000-keys", |site| {
        let path = site.join("cluster.yaml");
        let key = "    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2a";
        let mut text = fs::read_to_string(&path).unwrap();
        for at in 0..3000 {
            // Four characters of the key itself count up.
            let digits: String = [at / 1000, at / 100 % 10, at / 10 % 10, at % 10]
                .iter()
                .map(|digit| char::from(b'0' + u8::try_from(*digit).unwrap()))
                .collect();
            text += &format!("{key}{digits} desk{at}@example\n");
        }
        fs::write(path, text).unwrap();
    }),
    ("made-name-not-utf8", |site| {
        let name = OsStr::from_bytes(b"hosts/caf\xe9.yaml");
        fs::write(site.join(name), "name: node4\n").unwrap();
    }),
];

/// Values that stand in some of the sites in the place of secrets.
const SECRETS: [&str; 2] = ["hunter2", "c2VjcmV0"];

/// The site that a case changes, unless its file `base` names another.
const BASE: &str = "mistakes/base/one-cluster";

struct Case {
    name: String,
    /// The base under the case's own files, in a temporary folder.
    site: Site,
}

fn folder() -> PathBuf {
    root().join("tests/mistakes")
}

fn cases() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "base")
        .collect();
    names.sort_unstable();
    for (made, _) in MADE {
        assert!(names.iter().any(|name| name == made), "{made} has no folder");
    }
    names
}

impl Case {
    fn new(name: &str) -> Self {
        let own = folder().join(name);
        let says = fs::read_to_string(own.join("base")).unwrap_or_else(|_| BASE.to_owned());
        let mut says = says.lines();
        let base = root().join("tests").join(says.next().unwrap());
        let mut site = Site::copy_of(&base);
        for line in says {
            let without = line.strip_prefix("without ").expect("`without FILE`");
            let file = site.path().join(without);
            fs::remove_file(&file).unwrap();
            // Git keeps no empty folder, so no case ever had one.
            let _ = fs::remove_dir(file.parent().unwrap());
        }
        if own.join("site").is_dir() {
            for entry in tree(&own.join("site")) {
                let same = fs::read(base.join(&entry.path)).is_ok_and(|bytes| bytes == entry.bytes);
                assert!(!same, "{name}: {} is as in its base", entry.path);
            }
            site = site.overlay(own.join("site"));
        }
        if let Some((_, make)) = MADE.iter().find(|(made, _)| *made == name) {
            make(&site.path());
        }
        Self {
            name: name.to_owned(),
            site,
        }
    }

    /// What is wrong with what `check` and `build` do; nothing if they do as they should.
    fn trouble(&self, out: &Path) -> Option<String> {
        let check = self.site.check();
        let path = folder().join(&self.name).join("stderr");
        if std::env::var_os("LXSEED_BLESS").is_some() {
            fs::write(&path, &check.stderr).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if check.stderr != expected {
            return Some(format!("(- expected, + actual)\n{}", diff(&expected, &check.stderr)));
        }
        let refused = expected.contains("error[");
        if check.code != i32::from(refused) || (refused && !check.stdout.is_empty()) {
            return Some(format!("not the exit code or standard output it should have:\n{check}"));
        }
        if let Some(secret) = SECRETS.iter().find(|secret| expected.contains(**secret)) {
            return Some(format!("{secret} is shown"));
        }
        if let Some(why) = unplaced(&check) {
            return Some(why);
        }
        // A warning is no reason not to build.
        let own = crate::support::temp_dir();
        let target = if refused {
            out.to_owned()
        } else {
            own.path().join("out")
        };
        let args = [OsStr::new("build"), OsStr::new("site"), OsStr::new("-o")];
        let build = lxseed(args.into_iter().chain([target.as_os_str()]))
            .dir(self.site.parent())
            .run();
        let as_it_should = build.code == check.code && (!refused || build.stderr.ends_with("nothing was written\n"));
        (!as_it_should).then(|| format!("the build does not do as the check says:\n{build}"))
    }
}

/// Every finding has a place, `file:line:column`, and a help.
fn unplaced(run: &Run) -> Option<String> {
    let lines = || run.stderr.lines().map(str::trim_start);
    let count = |start: &[&str]| {
        lines()
            .filter(|line| start.iter().any(|start| line.starts_with(start)))
            .count()
    };
    let findings = count(&["error[", "warning["]);
    let helps = count(&["= help: ", "help: "]);
    let places = lines().filter_map(|line| line.strip_prefix("--> "));
    let well_formed = places.filter(|place| {
        let mut parts = place.rsplitn(3, ':');
        let numbers = parts
            .by_ref()
            .take(2)
            .all(|number| number.parse::<u32>().is_ok_and(|number| number > 0));
        numbers && parts.next().is_some_and(|path| path.starts_with("site"))
    });
    let well_formed = well_formed.count();
    (findings == 0 || helps != findings || well_formed != findings)
        .then(|| format!("{findings} findings, {helps} with help, {well_formed} with a place:\n{run}"))
}

#[test]
fn every_mistake_is_reported_word_for_word_and_changes_nothing() {
    // A tree of a good site stands in out/; no refused build may touch it.
    let good = Site::copy_of("profiles/lab");
    good.build().expect_exit(0);
    let before = tree(&good.out());
    let cases = cases();
    let troubles: Vec<String> = cases
        .par_iter()
        .filter_map(|name| {
            let trouble = Case::new(name).trouble(&good.out())?;
            Some(format!("---- {name}\n{trouble}\n"))
        })
        .collect();
    assert!(
        troubles.is_empty(),
        "{} of {} cases:\n{}",
        troubles.len(),
        cases.len(),
        troubles.concat()
    );
    assert_same_tree(&before, &tree(&good.out()));
    let beside: BTreeSet<_> = fs::read_dir(good.parent())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(beside, ["out", "site"].map(Into::into).into());
}

/// Rules that are broken for some days only; the tests of their modules say when it is.
const AT_A_CERTAIN_TIME: &[&str] = &["A015"];

#[test]
fn every_rule_is_broken_by_a_case() {
    let cases = cases();
    let texts: String = cases
        .iter()
        .map(|name| fs::read_to_string(folder().join(name).join("stderr")).unwrap())
        .collect();
    let missing: Vec<_> = lxseed::check::rules()
        .into_iter()
        .filter(|rule| !AT_A_CERTAIN_TIME.contains(&rule.code))
        .filter(|rule| {
            let level = match rule.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            !texts.contains(&format!("{level}[{}]: ", rule.code))
        })
        .map(|rule| format!("{} {}", rule.code, rule.slug))
        .collect();
    assert!(missing.is_empty(), "no case breaks {missing:#?}");
    assert!(cases.len() >= 150, "there are {} cases", cases.len());
}

#[test]
fn the_shipped_sites_have_no_findings() {
    let check = lxseed(["check", "profiles"]).run().expect_exit(0);
    check
        .expect_stderr("")
        .expect_stdout("profiles: 2 clusters, 5 hosts: no findings\n");
}

#[test]
fn a_missing_site_is_said_to_be_missing() {
    let empty = Site::new();
    let run = empty.check().expect_exit(1);
    assert!(run.stderr.contains("site holds no cluster.yaml"), "{run}");
    fs::remove_dir(empty.path()).unwrap();
    let run = empty.check().expect_exit(1);
    assert!(
        run.stderr.contains("there is no folder site") && run.stderr.ends_with("\n1 error\n"),
        "{run}"
    );
    assert!(!Path::new(&empty.out()).exists());
}
