//! A build after a build: what is not written again, what is found and repaired, and that in the end it is the same
//! tree.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Run, Site, assert_same_tree, lxseed, tree};
use walkdir::WalkDir;

/// A site of two clusters, built.
fn built() -> Site {
    let site = Site::copy_of("profiles");
    site.build().expect_exit(0);
    site
}

fn run(site: &Site, args: &[&str]) -> Run {
    lxseed(args).dir(site.parent()).run()
}

/// The number of each file's place on disk: it is another one when the file was written anew.
fn places(top: &Path) -> BTreeMap<String, u64> {
    WalkDir::new(top)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let below = entry.path().strip_prefix(top).unwrap();
            (below.to_str().unwrap().to_owned(), entry.metadata().unwrap().ino())
        })
        .collect()
}

/// The files that were written anew, the two that follow from all others left out.
fn written(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    after
        .iter()
        .filter(|(path, place)| before.get(*path) != Some(place))
        .map(|(path, _)| path.clone())
        .filter(|path| path != "manifest.json" && path != "SHA256SUMS")
        .collect()
}

/// Fails unless the tree is the one that a first build would write.
#[track_caller]
fn assert_as_if_new(site: &Site) {
    let fresh = Site::copy_of(site.path());
    fresh.build().expect_exit(0);
    assert_same_tree(&tree(&fresh.out()), &tree(&site.out()));
}

const NODE2: &str = "lab/hosts/node2.yaml";

#[test]
fn nothing_changed_nothing_touched() {
    let site = built();
    let before = places(&site.out());
    let folder = fs::metadata(site.out()).unwrap();
    let again = site.build().expect_exit(0);
    assert!(again.stdout.contains("out is up to date: "), "{again}");
    assert_eq!(again.stderr, "");
    // A touched file, a comment and another order of keys say the same.
    let text = fs::read_to_string(site.path().join(NODE2)).unwrap();
    let site = site.file(NODE2, &format!("# moved to the other rack\n{text}"));
    let site = site.replace(
        "lab/cluster.yaml",
        "ubuntu: \"18.04\"\nkernel: hwe",
        "kernel: hwe\nubuntu: \"18.04\"",
    );
    site.build().expect_exit(0);
    assert_eq!(places(&site.out()), before);
    let now = fs::metadata(site.out()).unwrap();
    assert_eq!((now.ino(), now.mtime()), (folder.ino(), folder.mtime()));
    run(&site, &["build", "site", "--check"]).expect_exit(0);
}

/// A tree that the lxseed before left: its manifest has another digest beside SHA-256, one of each host, and no
/// authentication code. It is ours, and a build makes of it what a first build would.
#[test]
fn a_tree_of_the_format_before_is_kept_and_replaced() {
    let site = built();
    let path = site.out().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = former(&text);
    fs::write(&path, &text).unwrap();
    rewrite_sums(&site.out());
    let inspected = lxseed(["inspect", "out"]).dir(site.parent()).run().expect_exit(1);
    assert_eq!(
        inspected.stderr,
        "manifest.json is of an earlier lxseed and does not show who wrote it: build again\n"
    );
    let before = places(&site.out());
    // Such a manifest vouches for nothing, so there is nothing to keep.
    let only = run(&site, &["build", "site", "--only", "lab/node1"]).expect_exit(1);
    assert!(only.stderr.contains("run a full build, without --only"), "{only}");
    site.build().expect_exit(0);
    assert_eq!(written(&before, &places(&site.out())), [""; 0]);
    assert_as_if_new(&site);
}

/// Gives the checksum list of a tree the digests of its files and of its manifest.
pub(crate) fn rewrite_sums(out: &Path) {
    let sums = out.join("SHA256SUMS");
    let listed = fs::read_to_string(&sums).unwrap();
    let listed: Vec<String> = listed
        .lines()
        .map(|line| {
            let (_, path) = line.split_once("  ").unwrap();
            format!("{}  {path}\n", sha256(&fs::read(out.join(path)).unwrap()))
        })
        .collect();
    fs::write(&sums, listed.concat()).unwrap();
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest as format 3 had it.
pub(crate) fn former(text: &str) -> String {
    let mut manifest: Value = serde_json::from_str(text).unwrap();
    manifest["format"] = 3.into();
    manifest["program"] = "0".repeat(32).into();
    for cluster in manifest["clusters"].as_array_mut().unwrap() {
        let hosts = cluster["hosts"].as_array().unwrap().iter();
        let hosts: Vec<Value> = hosts
            .map(|name| json!({"name": name, "inputs": "1".repeat(32)}))
            .collect();
        let name = cluster["name"].take();
        *cluster = json!({"name": name, "shared": "2".repeat(32), "inputs": "3".repeat(32), "hosts": hosts});
    }
    for file in manifest["files"].as_array_mut().unwrap() {
        file["xxh3"] = "4".repeat(32).into();
    }
    format!("{manifest:#}\n")
}

#[test]
fn one_host_changed_is_one_host_written() {
    let site = built();
    let before = places(&site.out());
    let site = site.replace(NODE2, "S3Z9NB0K100002", "S3Z9NB0K109999");
    site.build().expect_exit(0);
    assert_eq!(
        written(&before, &places(&site.out())),
        [
            "lab/node2/lxseed-firstboot",
            "lab/node2/meta-data",
            "lab/node2/preseed.cfg",
            "lab/node2/seed.iso",
            "lab/node2/user-data"
        ]
    );
    assert_as_if_new(&site);
}

#[test]
fn a_cluster_changed_is_one_cluster_written() {
    let site = built();
    let before = places(&site.out());
    let site = site.replace("lab/cluster.yaml", "overlay: fan", "overlay: bridge");
    site.build().expect_exit(0);
    let written = written(&before, &places(&site.out()));
    assert!(written.iter().all(|path| path.starts_with("lab/node")), "{written:?}");
    assert!(written.contains(&"lab/node1/lxd-preseed.yaml".to_owned()));
    assert_as_if_new(&site);
}

/// Every kind of change: after an incremental build the tree is as if it had never been another.
#[test]
fn it_is_always_as_if_built_for_the_first_time() {
    let change = |path: &str, from: &str, to: &str| {
        let (cluster, path) = path.split_once('/').unwrap();
        let site = Site::copy_of(format!("profiles/{cluster}"));
        site.build().expect_exit(0);
        let site = site.replace(path, from, to);
        site.build().expect_exit(0);
        assert_as_if_new(&site);
        run(&site, &["build", "site", "--check"]).expect_exit(0);
        run(&site, &["diff", "site"]).expect_exit(0);
    };
    change(NODE2, "52:54:00:12:34:57", "52:54:00:20:00:02");
    change(NODE2, "192.168.10.12", "192.168.10.77");
    change(NODE2, "disks: three", "generation: 3\ndisks: three");
    change(
        NODE2,
        "{serial: S3Z9NB0K100002}",
        "{serial: S3Z9NB0K100002}\n  d1: {wipe: WD-A100002}",
    );
    change(NODE2, "name: node2", "name: node7");
    change("lab/cluster.yaml", "bootstrap: node1", "bootstrap: node2");
    change(
        "lab/cluster.yaml",
        "bootstrap: node1",
        "bootstrap: {host: node1, alone: true}",
    );
    change("lab/cluster.yaml", "user: ops", "user: admin");
    change("lab/cluster.yaml", "kernel: hwe", "kernel: ga");
    change("lab/cluster.yaml", "5.0/stable", "5.0/candidate");
    change("lab/cluster.yaml", "name: lab", "name: cellar");
    change(
        "lab/disks/three-drives.yaml",
        "d1: {by_path: \"pci-0000:03:00.0-scsi-0:2:1:0\", min_size: 900GB}",
        "d1: {by_path: \"pci-0000:03:00.0-scsi-0:2:1:0\", min_size: 800GB}",
    );
    change("rack/cluster.yaml", "data1: {driver: btrfs}", "data1: {driver: lvm}");
    change("rack/cluster.yaml", "search: [rack.example.org]", "search: []");
}

#[test]
fn hosts_and_clusters_come_and_go() {
    let site = built();
    let before = places(&site.out());
    fs::remove_dir_all(site.path().join("rack")).unwrap();
    site.build().expect_exit(0);
    assert!(!site.out().join("rack").exists());
    assert_eq!(written(&before, &places(&site.out())), [""; 0]);
    assert_as_if_new(&site);
}

#[test]
fn damage_is_found_and_repaired() {
    let site = built();
    let good = tree(&site.out());
    let out = site.out();
    let seed = out.join("lab/node1/user-data");
    let bytes = fs::read(&seed).unwrap();
    let time = fs::metadata(&seed).unwrap().modified().unwrap();
    // As many bytes as before, and as old as before.
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() = b' ';
    fs::write(&seed, flipped).unwrap();
    fs::File::options()
        .write(true)
        .open(&seed)
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::remove_file(out.join("lab/known_hosts")).unwrap();
    fs::set_permissions(
        out.join("rack/rack-b/lxseed-firstboot"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let check = run(&site, &["build", "site", "--check"]).expect_exit(3);
    assert_eq!(
        check.stdout,
        "lab/known_hosts is missing\n\
         lab/node1/user-data was altered\n\
         rack/rack-b/lxseed-firstboot has mode 0644 instead of 0755\n\
         out is out of date: 3 files would be written anew\n"
    );
    let before = places(&out);
    let repair = site.build().expect_exit(0);
    assert_eq!(
        repair.stderr,
        "note: lab/known_hosts is missing; it is written anew\n\
         note: lab/node1/user-data was altered; it is written anew\n\
         note: rack/rack-b/lxseed-firstboot has mode 0644 instead of 0755; it is written anew\n"
    );
    assert_same_tree(&good, &tree(&out));
    assert_eq!(
        written(&before, &places(&out)),
        ["lab/known_hosts", "lab/node1/user-data", "rack/rack-b/lxseed-firstboot"]
    );
    // The tree's own files are no host's.
    fs::write(out.join("SHA256SUMS"), "").unwrap();
    let check = run(&site, &["build", "site", "--check"]).expect_exit(3);
    assert!(check.stdout.starts_with("SHA256SUMS was altered\n"), "{check}");
    site.build().expect_exit(0);
    assert_same_tree(&good, &tree(&out));
}

#[test]
fn check_names_what_is_out_of_date_and_why() {
    let site = Site::copy_of("profiles");
    let check = |site: &Site| run(site, &["build", "site", "--check"]);
    let expect = |site: &Site, lines: &[&str]| {
        let before = WalkDir::new(site.parent()).into_iter().count();
        let run = check(site).expect_exit(3);
        assert_eq!(run.stdout.lines().collect::<Vec<_>>(), lines);
        assert_eq!(WalkDir::new(site.parent()).into_iter().count(), before);
    };
    expect(&site, &["out is out of date: nothing was built yet"]);
    site.build().expect_exit(0);
    check(&site)
        .expect_exit(0)
        .expect_stdout("out is up to date: 2 clusters, 5 hosts\n");

    let site = site.replace(NODE2, "S3Z9NB0K100002", "S3Z9NB0K109999");
    expect(
        &site,
        &[
            "lab was built from other profiles",
            "lab/node2/lxseed-firstboot would change",
            "lab/node2/meta-data would change",
            "lab/node2/preseed.cfg would change",
            "lab/node2/seed.iso would change",
            "lab/node2/user-data would change",
            "out is out of date: 5 files would be written anew",
        ],
    );
    let site = site.replace(NODE2, "192.168.10.12", "192.168.10.13");
    fs::rename(
        site.path().join("rack/hosts/rack-b.yaml"),
        site.path().join("rack/hosts/rack-d.yaml"),
    )
    .unwrap();
    let site = site.replace("rack/hosts/rack-d.yaml", "rack-b", "rack-d");
    let run = check(&site).expect_exit(3);
    for line in [
        "lab was built from other profiles",
        "lab/known_hosts would change",
        "rack was built from other profiles",
        "rack/rack-d was not built yet",
        "rack/rack-b is in no profile any more",
    ] {
        assert!(run.stdout.lines().any(|found| found == line), "{line}\n{run}");
    }
    // A folder that is new says it for its files.
    assert!(!run.stdout.contains("rack/rack-d/"), "{run}");
    site.build().expect_exit(0);
    check(&site).expect_exit(0);
    let other = fs::read_to_string(crate::support::root().join("tests/it/support/secret-of-the-tests")).unwrap();
    drop(other);
    lxseed(["secret", "new", "--secret-file", "other"])
        .dir(site.parent())
        .run()
        .expect_exit(0);
    let run = lxseed(["build", "site", "--check", "--secret-file", "other"])
        .dir(site.parent())
        .run()
        .expect_exit(3);
    assert!(
        run.stdout
            .starts_with("lab was built with another site secret\nlab/cluster.crt would change\n"),
        "{run}"
    );
    // Without the secret nothing can be said, and none is made.
    let run = lxseed(["build", "site", "--check"])
        .dir(site.parent())
        .without_secret()
        .run()
        .expect_exit(1);
    assert!(run.stderr.contains("put it back"), "{run}");
    assert!(!site.parent().join("lxseed.secret").exists());
}

#[test]
fn another_lxseed_renders_everything_and_keeps_what_is_the_same() {
    let site = built();
    let before = places(&site.out());
    let manifest = site.out().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, former(&text)).unwrap();
    rewrite_sums(&site.out());
    run(&site, &["build", "site", "--check"]).expect_exit(3).expect_stdout(
        "lab was built by another lxseed\nrack was built by another lxseed\n\
             out is out of date: only its manifest.json and SHA256SUMS would be written anew\n",
    );
    run(&site, &["diff", "site"]).expect_exit(0);
    site.build().expect_exit(0);
    assert_eq!(written(&before, &places(&site.out())), [""; 0]);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text);
    run(&site, &["build", "site", "--check"]).expect_exit(0);
}

/// A digest in a manifest that is not as it was written proves nothing.
#[test]
fn a_manifest_that_was_altered_vouches_for_nothing() {
    let site = built();
    let good = tree(&site.out());
    let manifest = site.out().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    // As many lines shorter as the host had files, and without the files.
    let fewer: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("\"path\": \"lab/node2/"))
        .collect();
    fs::write(&manifest, fewer.join("\n")).unwrap();
    fs::remove_dir_all(site.out().join("lab/node2")).unwrap();
    let check = run(&site, &["build", "site", "--check"]).expect_exit(3);
    assert!(check.stdout.contains("lab/node2 was not built yet\n"), "{check}");
    site.build().expect_exit(0);
    assert_same_tree(&good, &tree(&site.out()));
}

/// `--only` leaves a cluster in two states; a whole build finds out, and says up to date again.
#[test]
fn a_cluster_built_in_part_is_looked_at_as_a_whole() {
    let site = built().replace("lab/cluster.yaml", "user: ops", "user: admin");
    run(&site, &["build", "site", "--only", "lab/node1"]).expect_exit(0);
    let check = run(&site, &["build", "site", "--check"]).expect_exit(3);
    assert!(
        check
            .stdout
            .starts_with("lab was built in part, with --only\nlab/node2/"),
        "{check}"
    );
    run(&site, &["build", "site", "--only", "lab/node2"]).expect_exit(0);
    let before = places(&site.out());
    site.build().expect_exit(0);
    assert_eq!(written(&before, &places(&site.out())), [""; 0]);
    run(&site, &["build", "site", "--check"]).expect_exit(0);
    assert_as_if_new(&site);
}

#[test]
fn diff_is_unified_and_shows_no_secret() {
    let site = built();
    run(&site, &["diff", "site"]).expect_exit(0).expect_stdout("");
    let secrets = |site: &Site| -> Vec<String> {
        let seeds = tree(&site.out())
            .into_iter()
            .filter(|entry| entry.mode == 0o600)
            // An image holds the lines of the seed beside it.
            .filter_map(|entry| String::from_utf8(entry.bytes).ok());
        seeds
            .flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>())
            .filter(|line| line.contains("_private\"") || line.contains("\"content\""))
            .map(|line| line.split(": \"").nth(1).unwrap()[..40].to_owned())
            .collect()
    };
    let mut hidden = secrets(&site);
    let site = site.replace(NODE2, "disks: three", "generation: 2\ndisks: three");
    let site = site.replace(NODE2, "S3Z9NB0K100002", "S3Z9NB0K109999");
    fs::write(
        site.out().join("rack/rack-a/user-data"),
        "#cloud-config\npassword: hunter2\n",
    )
    .unwrap();
    let before = tree(&site.out());
    let run_diff = || run(&site, &["diff", "site"]).expect_exit(3);
    let diff = run_diff();
    assert_same_tree(&before, &tree(&site.out()));
    assert_eq!(diff.stderr, "");
    for line in [
        "--- out/lab/node2/lxseed-firstboot",
        "+++ out/lab/node2/lxseed-firstboot (new)",
        "--- out/lab/known_hosts",
        "--- out/lab/node1/user-data",
        "--- out/rack/rack-a/user-data",
        "   \"hostname\": \"rack-a\"",
    ] {
        let trimmed = line.trim_start();
        assert!(
            diff.stdout
                .lines()
                .any(|found| found.trim_start_matches(['+', '-', ' ']) == trimmed.trim_start_matches(['+', '-', ' '])),
            "{line}\n{diff}"
        );
    }
    assert!(
        diff.stdout
            .lines()
            .any(|line| line.starts_with('-') && line.contains("S3Z9NB0K100002")),
        "{diff}"
    );
    assert!(
        diff.stdout
            .lines()
            .any(|line| line.starts_with('+') && line.contains("S3Z9NB0K109999")),
        "{diff}"
    );
    site.build().expect_exit(0);
    hidden.extend(secrets(&site));
    hidden.push("hunter2".to_owned());
    assert!(hidden.len() > 30);
    for secret in hidden {
        assert!(!diff.stdout.contains(&secret), "{secret} is shown");
    }
    run(&site, &["diff", "site"]).expect_exit(0);
}

#[test]
fn diff_names_what_comes_and_goes() {
    let site = built();
    fs::remove_dir_all(site.path().join("rack")).unwrap();
    let site = site.replace(NODE2, "name: node2", "name: node3");
    fs::set_permissions(
        site.out().join("lab/node1/meta-data"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let diff = run(&site, &["diff", "site"]).expect_exit(3);
    for line in [
        "only in the profiles: lab/node3",
        "only in out: lab/node2",
        "only in out: rack",
        "out/lab/node1/meta-data has mode 0600 instead of 0644",
    ] {
        assert!(diff.stdout.lines().any(|found| found == line), "{line}\n{diff}");
    }
    let empty = Site::copy_of("profiles");
    run(&empty, &["diff", "site"])
        .expect_exit(3)
        .expect_stdout("only in the profiles: lab\nonly in the profiles: rack\n");
    lxseed(["diff", "site"])
        .dir(empty.parent())
        .without_secret()
        .run()
        .expect_exit(3)
        .expect_stdout("out: nothing was built yet\n");
    assert_eq!(fs::read_dir(empty.parent()).unwrap().count(), 1);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let site = Site::new();
    crate::generator::write_site(&site.path(), 60).unwrap();
    // Benchmarks shall not measure how findings are drawn.
    site.check()
        .expect_exit(0)
        .expect_stdout("site: 3 clusters, 60 hosts: no findings\n");
    site.build().expect_exit(0);
    let expected = tree(&site.out());
    for jobs in ["1", "2", "7"] {
        let out = format!("out{jobs}");
        run(&site, &["build", "site", "-o", &out, "--jobs", jobs]).expect_exit(0);
        assert_same_tree(&expected, &tree(&site.parent().join(&out)));
        // And neither does it for a build that links nearly everything.
        let again = run(&site, &["build", "site", "-o", &out, "-j", jobs]).expect_exit(0);
        assert!(again.stdout.contains("is up to date"), "{again}");
    }
    run(&site, &["build", "site", "--jobs", "0"]).expect_exit(2);
}

#[test]
fn verbose_tells_what_was_done_and_a_pipe_gets_no_progress() {
    let site = Site::copy_of("profiles");
    let first = run(&site, &["build", "site", "-v"]).expect_exit(0);
    let lines: Vec<&str> = first.stderr.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "2 clusters rendered, 0 unchanged",
            "files: 51 added, 0 updated, 0 removed, 0 unchanged"
        ]
    );
    assert!(
        lines.len() == 3 && lines[2].contains(" s with ") && lines[2].contains(" thread"),
        "{first}"
    );
    assert!(!first.stderr.contains('\x1b') && !first.stderr.contains('\r'));
    let site = site.replace(NODE2, "S3Z9NB0K100002", "S3Z9NB0K109999");
    let second = run(&site, &["build", "site", "-v"]).expect_exit(0);
    assert!(
        second
            .stderr
            .starts_with("1 cluster rendered, 1 unchanged\nfiles: 0 added, 5 updated, 0 removed, 46 unchanged\n"),
        "{second}"
    );
    let quiet = site.build().expect_exit(0);
    assert_eq!(quiet.stderr, "");
}
