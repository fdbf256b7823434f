//! The tree as a whole: coreutils on its sums, the manifest against the file system, and the same bytes everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::built::{SITES, build, built};
use crate::support::{Run, assert_same_text, assert_same_tree, lxseed_through, temp_dir, tool, tree};

fn sha256sum(out: &Path) -> Run {
    Run::of(
        Command::new("sha256sum")
            .args(["-c", "--quiet", "--strict", "SHA256SUMS"])
            .env("LC_ALL", "C")
            .current_dir(out),
    )
}

#[test]
fn sha256sum_accepts_every_tree() {
    for site in built() {
        sha256sum(&site.out).expect_exit(0).expect_stdout("").expect_stderr("");
    }
}

/// A file that is in no list would be one that nobody can check.
#[test]
fn every_file_is_in_the_sums_and_in_the_manifest() {
    for site in built() {
        let sums = fs::read_to_string(site.out.join("SHA256SUMS")).unwrap();
        let summed: Vec<&str> = sums
            .lines()
            .map(|line| line.split_once("  ").expect("two blanks").1)
            .collect();
        // The one file that no build makes: it keeps the folder in git, and the tree out of it.
        let mut files: Vec<String> = tree(&site.out).into_iter().map(|entry| entry.path).collect();
        files.retain(|path| !path.ends_with('/') && path != ".gitignore");
        let without = |names: &[&str]| sorted(files.iter().map(String::as_str).filter(|path| !names.contains(path)));
        assert_same_text("SHA256SUMS", &without(&["SHA256SUMS"]), &sorted(summed.into_iter()));
        let manifest = manifest(&site.out);
        let named = sorted(manifest.keys().map(String::as_str));
        assert_same_text("manifest.json", &without(&["SHA256SUMS", "manifest.json"]), &named);
    }
}

/// A line for each path, in order.
fn sorted<'a>(paths: impl Iterator<Item = &'a str>) -> String {
    let mut lines: Vec<String> = paths.map(|path| format!("{path}\n")).collect();
    lines.sort();
    lines.concat()
}

/// The manifest's entry of each file, by path.
fn manifest(out: &Path) -> BTreeMap<String, Json> {
    let manifest: Json = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().expect("manifest.json has a list of files");
    files
        .iter()
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file.clone()))
        .collect()
}

#[test]
fn the_manifest_says_what_is_on_disk() {
    for site in built() {
        let manifest = manifest(&site.out);
        let mut secrets = 0;
        for entry in tree(&site.out) {
            let path = &entry.path;
            if path.ends_with('/') {
                assert_eq!(entry.mode & 0o077, 0, "{path} is open to others: {:o}", entry.mode);
                continue;
            }
            let Some(said) = manifest.get(path) else {
                continue;
            };
            assert_eq!(said["mode"], Json::from(format!("{:04o}", entry.mode)), "{path}");
            assert_eq!(said["size"], Json::from(entry.bytes.len()), "{path}");
            let secret = said["secret"].as_bool().unwrap();
            let keys = entry.bytes.windows(11).any(|bytes| bytes == b"PRIVATE KEY")
                || path.ends_with("/user-data")
                // user-data is in it, compressed.
                || path.ends_with("/seed.iso")
                // It may hold the administrator's password hash.
                || path.ends_with("/preseed.cfg");
            assert_eq!(secret, keys, "{path}: secret or not");
            if secret {
                assert_eq!(entry.mode, 0o600, "{path} is secret");
                secrets += 1;
            }
        }
        assert!(secrets > 0, "no file is said to be secret");
    }
}

#[test]
fn the_same_secret_gives_the_same_tree_anywhere() {
    let Some(faketime) = tool("faketime") else {
        return;
    };
    let faketime = faketime.to_str().unwrap();
    let date = "2031-02-03 04:05:06";
    // The oracle is alive: a program started this way does see another date.
    let run = Run::of(Command::new(faketime).args([date, "date", "-u", "+%Y"])).expect_exit(0);
    assert_eq!(run.stdout, "2031\n");

    for site in SITES {
        let expected = tree(&build(site).out);
        for (umask, locale, zone) in [
            ("077", "tr_TR.UTF-8", "Pacific/Kiritimati"),
            ("000", "C", "America/Anchorage"),
        ] {
            let dir = temp_dir();
            let home = dir.path().join("home");
            let out = dir.path().join("another folder/with blanks/tree");
            fs::create_dir(&home).unwrap();
            fs::create_dir_all(out.parent().unwrap()).unwrap();
            let shell = format!("umask {umask}; exec \"$@\"");
            let starter = ["sh", "-c", &shell, "sh", faketime, date];
            let run = lxseed_through(&starter, [Path::new("build"), Path::new(site), Path::new("-o"), &out]);
            run.env("LC_ALL", locale)
                .env("TZ", zone)
                .env("HOME", &home)
                .run()
                .expect_exit(0);
            assert_same_tree(&expected, &tree(&out));
            assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was left in HOME");
        }
    }
}

/// The site is read from another folder under another name, which must leave no trace in what comes out.
#[test]
fn where_the_profiles_lie_leaves_no_trace() {
    for site in SITES {
        let expected = tree(&build(site).out);
        let copy = crate::support::Site::copy_of(site);
        copy.build().expect_exit(0);
        assert_same_tree(&expected, &tree(&copy.out()));
    }
}

#[test]
fn sha256sum_is_alive() {
    let site = build(SITES[0]);
    let victim = tree(&site.out)
        .into_iter()
        .map(|entry| entry.path)
        .find(|path| path.ends_with("/user-data"))
        .unwrap();
    let mut bytes = fs::read(site.out.join(&victim)).unwrap();
    bytes.push(b'\n');
    fs::write(site.out.join(&victim), bytes).unwrap();
    let run = sha256sum(&site.out).expect_exit(1);
    assert_eq!(run.stdout, format!("{victim}: FAILED\n"));
}
