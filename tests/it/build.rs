//! `lxseed build` and `lxseed secret` as a user meets them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Entry, Run, Site, assert_same_tree, lxseed, tree};

const NODE1: &str = "lab/hosts/node1.yaml";
const NODE2: &str = "lab/hosts/node2.yaml";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The names of the files that differ between two trees.
fn changed(before: &[Entry], after: &[Entry]) -> BTreeSet<String> {
    let differs = |one: &[Entry], other: &[Entry]| {
        one.iter()
            .filter(|entry| !other.contains(entry))
            .map(|entry| entry.path.clone())
            .collect::<BTreeSet<_>>()
    };
    let mut names = differs(before, after);
    names.extend(differs(after, before));
    // These two follow from all others.
    names.remove("manifest.json");
    names.remove("SHA256SUMS");
    names
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn git(dir: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(args);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    assert!(git.output().unwrap().status.success(), "git {args:?}");
}

/// `lxseed ARGS` beside the site, with no secret given.
fn bare(site: &Site, args: &[&str]) -> Run {
    lxseed(args).dir(site.parent()).without_secret().run()
}

#[test]
fn the_first_build_makes_the_secret_and_says_so() {
    let site = Site::copy_of("profiles");
    let secret = site.parent().join("lxseed.secret");
    let first = bare(&site, &["build", "site"]).expect_exit(0);
    assert!(
        first
            .stderr
            .contains("lxseed.secret. Every key is derived from it: back it up"),
        "{first}"
    );
    assert_eq!(mode(&secret), 0o600);
    let tree_then = tree(&site.out());
    let second = bare(&site, &["build", "site"]).expect_exit(0);
    second.expect_stderr("");
    assert_same_tree(&tree_then, &tree(&site.out()));
    // A site below the site takes the same one, from wherever it is asked.
    bare(&site, &["build", "site/lab", "-o", "other"]).expect_exit(0);
    let key = |out: &str| fs::read(site.parent().join(out).join("lab/cluster.crt")).unwrap();
    assert_eq!(key("out"), key("other"));
    assert!(!site.path().join("lxseed.secret").exists());
}

#[test]
fn the_summary_is_aligned_and_names_every_host() {
    let run = Site::copy_of("profiles").build().expect_exit(0);
    run.expect_stdout(
        "lab: Ubuntu 18.04 hwe, LXD 5.0/stable, 2 members, pools data1 zfs, data2 zfs\n\
         \x20 node1 192.168.10.11 52:54:00:12:34:56 bootstrap data1 device, data2 device\n\
         \x20 node2 192.168.10.12 52:54:00:12:34:57 joins     data1 device, data2 device\n\
         rack: Ubuntu 18.04 hwe, LXD 5.0/stable, 3 members, pools data1 btrfs, data2 zfs, archive lvm\n\
         \x20 rack-a 10.20.1.1 52:54:00:20:00:01 bootstrap data1 mirror, data2 zfs_mirror, bulk mirror\n\
         \x20 rack-b 10.20.1.2 52:54:00:20:00:02 joins     data1 mirror, data2 zfs_mirror, bulk mirror\n\
         \x20 rack-c 10.20.1.3 52:54:00:20:00:03 joins     data1 mirror, data2 zfs_mirror, bulk mirror\n\
         out written: 2 clusters, 5 hosts, 51 files; site secret SECRET from LXSEED_SECRET\n"
            .replace("SECRET ", &format!("{} ", fingerprint()))
            .as_str(),
    );
}

fn fingerprint() -> String {
    lxseed(["secret", "fingerprint"])
        .run()
        .expect_exit(0)
        .stdout
        .trim_end()
        .to_owned()
}

#[test]
fn a_host_that_is_gone_vanishes_and_keep_files_stay() {
    let site = Site::copy_of("profiles");
    fs::create_dir(site.out()).unwrap();
    fs::write(site.out().join(".gitkeep"), "keep me").unwrap();
    site.build().expect_exit(0);
    let site = site.replace(
        "rack/cluster.yaml",
        "bootstrap: rack-a",
        "allow: {two-members: test}\nbootstrap: rack-a",
    );
    fs::remove_file(site.path().join("rack/hosts/rack-c.yaml")).unwrap();
    site.build().expect_exit(0);
    assert!(!site.out().join("rack/rack-c").exists());
    assert!(site.out().join("rack/rack-b/user-data").exists());
    assert_eq!(fs::read_to_string(site.out().join(".gitkeep")).unwrap(), "keep me");
}

/// What the bootstrap host is told and no other: `alone` and the clients, which no joiner's seed may change with.
#[test]
fn alone_and_the_clients_stand_in_the_bootstrap_hosts_script() {
    let told = |site: &Site| {
        site.build().expect_exit(0);
        ["node1", "node2"].map(|host| {
            let path = site.out().join("lab").join(host).join("lxseed-firstboot");
            let text = fs::read_to_string(path).unwrap();
            let lines = text.lines().take_while(|line| !line.starts_with("# ---- "));
            let lines = lines.filter(|line| line.starts_with("ALONE=") || line.starts_with("CLIENTS="));
            lines.collect::<Vec<_>>().join(" ")
        })
    };
    let site = Site::copy_of("tests/good/client-certificates");
    assert_eq!(
        told(&site),
        [
            "ALONE='' CLIENTS=('lxseed-desk' 'desk' 'ci.runner_1')",
            "ALONE='' CLIENTS=()"
        ]
    );
    let others = |site: &Site| {
        let mut entries = tree(&site.out());
        entries.retain(|entry| entry.path.starts_with("lab/node2/"));
        entries
    };
    let before = others(&site);
    let site = site.replace(
        "cluster.yaml",
        "bootstrap: node1",
        "bootstrap: {alone: true, host: node1}",
    );
    assert_eq!(
        told(&site),
        [
            "ALONE='yes' CLIENTS=('lxseed-desk' 'desk' 'ci.runner_1')",
            "ALONE='' CLIENTS=()"
        ]
    );
    assert_same_tree(&before, &others(&site));
    let said = site.build().expect_exit(0);
    assert!(said.stdout.contains(" bootstrap, alone "), "{said}");
    let site = site.replace("cluster.yaml", "alone: true", "alone: false");
    assert_eq!(
        told(&site),
        [
            "ALONE='' CLIENTS=('lxseed-desk' 'desk' 'ci.runner_1')",
            "ALONE='' CLIENTS=()"
        ]
    );
}

#[test]
fn a_new_generation_changes_one_host_and_who_trusts_it() {
    let site = Site::copy_of("profiles");
    site.build().expect_exit(0);
    let before = tree(&site.out());
    let site = site.replace(NODE2, "disks: three-drives", "disks: three-drives\ngeneration: 2");
    site.build().expect_exit(0);
    assert_eq!(
        changed(&before, &tree(&site.out())),
        names(&[
            "lab/known_hosts",
            "lab/node1/meta-data",
            "lab/node1/seed.iso",
            "lab/node1/user-data",
            "lab/node2/meta-data",
            "lab/node2/seed.iso",
            "lab/node2/server.crt",
            "lab/node2/user-data",
        ])
    );
}

#[test]
fn only_one_host_is_written_anew() {
    let site = Site::copy_of("profiles");
    site.build().expect_exit(0);
    let before = tree(&site.out());
    let site = site
        .replace(NODE1, "52:54:00:12:34:56", "52:54:00:12:34:57")
        .replace(NODE2, "52:54:00:12:34:57", "52:54:00:12:34:56")
        .replace("rack/hosts/rack-a.yaml", "52:54:00:20:00:01", "52:54:00:20:00:02")
        .replace("rack/hosts/rack-b.yaml", "52:54:00:20:00:02", "52:54:00:20:00:01");
    let only = |what: &str| lxseed(["build", "site", "--only", what]).dir(site.parent()).run();
    only("lab/node2").expect_exit(0);
    let of_node2 = names(&[
        "lab/node2/meta-data",
        "lab/node2/network-config",
        "lab/node2/preseed.cfg",
        "lab/node2/seed.iso",
        "lab/node2/user-data",
    ]);
    assert_eq!(changed(&before, &tree(&site.out())), of_node2);
    only("lab").expect_exit(0);
    let mut of_lab = of_node2;
    of_lab.extend(names(&[
        "lab/node1/meta-data",
        "lab/node1/network-config",
        "lab/node1/preseed.cfg",
        "lab/node1/seed.iso",
        "lab/node1/user-data",
    ]));
    assert_eq!(changed(&before, &tree(&site.out())), of_lab);
    // What is kept has to be what was built.
    fs::write(site.out().join("rack/rack-b/lxd-preseed.yaml"), "edited").unwrap();
    let run = only("lab").expect_exit(1);
    assert!(run.stderr.contains("rack/rack-b/lxd-preseed.yaml"), "{run}");
    site.build().expect_exit(0);
    let whole = Site::copy_of(site.path());
    whole.build().expect_exit(0);
    assert_same_tree(&tree(&whole.out()), &tree(&site.out()));
}

#[test]
fn only_one_host_can_be_the_first_build() {
    let site = Site::copy_of("profiles");
    let only = |what: &str| {
        let args = ["build", "site", "--only", what];
        lxseed(args).dir(site.parent()).run().expect_exit(0)
    };
    let run = only("lab/node2");
    assert!(run.stdout.contains("out written: 1 cluster, 1 host, 12 files"), "{run}");
    assert!(!site.out().join("lab/node1").exists() && !site.out().join("rack").exists());
    only("lab");
    only("rack");
    let whole = Site::copy_of("profiles");
    whole.build().expect_exit(0);
    assert_same_tree(&tree(&whole.out()), &tree(&site.out()));
}

#[test]
fn what_only_names_has_to_exist() {
    let site = Site::copy_of("profiles");
    for (what, said) in [
        ("labb", "did you mean `lab`?"),
        ("xyz", "the clusters are lab, rack"),
        ("lab/x", "its hosts are node1, node2"),
        ("lab/node1/x", "did you mean `node1`?"),
        ("lab/xyz", "its hosts are"),
    ] {
        let run = lxseed(["build", "site", "--only", what])
            .dir(site.parent())
            .run()
            .expect_exit(2);
        assert!(run.stderr.contains(said), "{run}");
    }
    assert!(!site.out().exists());
}

#[test]
fn the_secret_comes_from_where_it_is_said_to_be() {
    let site = Site::copy_of("profiles");
    let file = site.parent().join("own.secret");
    bare(&site, &["secret", "new", "--secret-file", "own.secret"]).expect_exit(0);
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(&file).unwrap();
    bare(&site, &["build", "site", "--secret-file", "own.secret"])
        .expect_exit(0)
        .expect_stderr("");
    let by_file = tree(&site.out());
    bare(&site, &["build", "site", "--secret-command", "cat own.secret"])
        .expect_exit(0)
        .expect_stderr("");
    assert_same_tree(&by_file, &tree(&site.out()));
    lxseed(["build", "site"])
        .dir(site.parent())
        .env("LXSEED_SECRET", &text)
        .run()
        .expect_exit(0)
        .expect_stderr("");
    assert_same_tree(&by_file, &tree(&site.out()));
    // None of the three left a default file behind.
    assert!(!site.parent().join("lxseed.secret").exists());

    let again = bare(&site, &["secret", "new", "--secret-file", "own.secret"]).expect_exit(1);
    assert!(again.stderr.contains("never overwritten"), "{again}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    let other = lxseed(["build", "site"]).dir(site.parent()).run().expect_exit(0);
    assert!(other.stderr.contains("every host has new keys"), "{other}");
}

#[test]
fn a_secret_that_is_not_private_or_not_whole_is_refused() {
    let site = Site::copy_of("profiles");
    bare(&site, &["secret", "new", "--secret-file", "s"]).expect_exit(0);
    let text = fs::read_to_string(site.parent().join("s")).unwrap();
    let line = text.lines().last().unwrap().to_owned();
    let hex = line.split(' ').nth(2).unwrap().to_owned();
    let refused = |run: Run, code: i32, said: &str| {
        let run = run.expect_exit(code);
        assert!(run.stderr.contains(said), "{run}");
        assert!(!run.stderr.contains(&hex[..16]), "{run}");
        assert!(!site.out().exists(), "{run}");
    };
    fs::set_permissions(site.parent().join("s"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(bare(&site, &["build", "site", "--secret-file", "s"]), 1, "chmod 600 s");
    refused(bare(&site, &["build", "site", "--secret-file", "gone"]), 1, "gone");
    refused(
        bare(
            &site,
            &["build", "site", "--secret-file", "s", "--secret-command", "cat s"],
        ),
        2,
        "--secret-command",
    );
    refused(
        bare(&site, &["build", "site", "--secret-command", "echo no; exit 3"]),
        1,
        "3",
    );
    let cut = format!("{}\n", &line[..line.len() - 4]);
    for wrong in ["", "x", cut.as_str()] {
        refused(
            lxseed(["build", "site"])
                .dir(site.parent())
                .env("LXSEED_SECRET", wrong)
                .run(),
            1,
            "LXSEED_SECRET",
        );
    }
    let typo = line.replacen(&hex[..1], if hex.starts_with('0') { "1" } else { "0" }, 1);
    refused(
        lxseed(["build", "site"])
            .dir(site.parent())
            .env("LXSEED_SECRET", typo)
            .run(),
        1,
        "LXSEED_SECRET",
    );
}

#[test]
fn a_lost_secret_does_not_silently_become_a_new_one() {
    let site = Site::copy_of("profiles");
    bare(&site, &["build", "site"]).expect_exit(0);
    let before = tree(&site.out());
    fs::rename(site.parent().join("lxseed.secret"), site.parent().join("moved")).unwrap();
    let run = bare(&site, &["build", "site"]).expect_exit(1);
    assert!(
        run.stderr.contains("put it back or name it with --secret-file"),
        "{run}"
    );
    assert!(!site.parent().join("lxseed.secret").exists());
    assert_same_tree(&before, &tree(&site.out()));
}

#[test]
fn a_target_that_is_not_ours_or_not_private_is_refused() {
    let site = Site::copy_of("profiles");
    let out = site.out();
    fs::create_dir(&out).unwrap();
    fs::write(out.join("thesis.tex"), "mine").unwrap();
    let run = bare(&site, &["build", "site"]).expect_exit(1);
    assert!(
        run.stderr.contains("was not written by lxseed and holds thesis.tex"),
        "{run}"
    );
    assert_eq!(fs::read_to_string(out.join("thesis.tex")).unwrap(), "mine");
    // A refused build makes no secret either.
    assert!(!site.parent().join("lxseed.secret").exists());
    fs::remove_file(out.join("thesis.tex")).unwrap();

    site.build().expect_exit(0);
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    let run = site.build().expect_exit(1);
    assert!(run.stderr.contains("chmod 700 out"), "{run}");
    fs::set_permissions(&out, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(out.join("lab/notes.txt"), "mine").unwrap();
    let run = site.build().expect_exit(1);
    assert!(run.stderr.contains("lab/notes.txt"), "{run}");
}

#[test]
fn git_gets_neither_the_tree_nor_the_secret() {
    let site = Site::copy_of("profiles");
    git(site.parent(), &["init", "-q"]);
    let run = bare(&site, &["build", "site"]).expect_exit(0);
    assert!(
        run.stderr
            .contains("git does not ignore it yet: add `lxseed.secret` to .gitignore"),
        "{run}"
    );
    git(site.parent(), &["add", "-f", "out/lab/node1/user-data"]);
    let run = bare(&site, &["build", "site"]).expect_exit(1);
    assert!(run.stderr.contains("git rm -r --cached"), "{run}");
    git(site.parent(), &["rm", "-q", "-r", "--cached", "out"]);
    bare(&site, &["build", "site"]).expect_exit(0);
    git(site.parent(), &["add", "lxseed.secret"]);
    let run = bare(&site, &["build", "site"]).expect_exit(1);
    assert!(run.stderr.contains("rm --cached lxseed.secret"), "{run}");
}

/// Every private key of a tree: the bodies of the PEM blocks in user-data, plain and in base64.
fn private_keys(entries: &[Entry]) -> Vec<String> {
    let mut keys = Vec::new();
    for entry in entries.iter().filter(|entry| entry.path.ends_with("user-data")) {
        let document: serde_yaml::Value = serde_yaml::from_slice(&entry.bytes).unwrap();
        let ssh = document["ssh_keys"]["ed25519_private"].as_str().unwrap();
        keys.push(ssh.lines().nth(2).unwrap().to_owned());
        for file in document["write_files"].as_sequence().unwrap() {
            if file["path"].as_str().unwrap().ends_with(".key") {
                assert_eq!(file["permissions"], "0600");
                keys.push(file["content"].as_str().unwrap()[60..120].to_owned());
            }
        }
    }
    keys
}

#[test]
fn keys_stand_in_user_data_and_nowhere_else() {
    let site = Site::copy_of("profiles");
    let run = site.build().expect_exit(0);
    let entries = tree(&site.out());
    let keys = private_keys(&entries);
    // Per host its LXD and SSH keys, per cluster the cluster's own on the bootstrap host.
    assert_eq!(keys.len(), 5 * 2 + 2);
    let secret = crate::support::SECRET
        .lines()
        .find(|line| line.starts_with("lxseed-secret-1"))
        .unwrap();
    let hex = secret.split(' ').nth(2).unwrap();
    for entry in &entries {
        let text = String::from_utf8_lossy(&entry.bytes);
        assert!(!text.contains(hex), "{} holds the site secret", entry.path);
        let expected = if entry.path.ends_with("user-data") {
            0o600
        } else {
            entry.mode
        };
        assert_eq!(entry.mode, expected, "{}", entry.path);
        if entry.mode != 0o600 {
            assert!(!text.contains("PRIVATE KEY"), "{}", entry.path);
            assert!(keys.iter().all(|key| !text.contains(key)), "{} holds a key", entry.path);
        }
    }
    for key in keys.iter().map(String::as_str).chain([hex]) {
        assert!(
            !run.stdout.contains(key) && !run.stderr.contains(key),
            "a key was printed"
        );
    }
    // A host's files hold that host's own keys only, and the cluster's own stands on the bootstrap host alone.
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn ten_thousand_hosts_in_one_file_with_anchors_and_merges_pass() {
    let mut hosts = String::new();
    for n in 0..10_000_u32 {
        let (high, low) = (n / 250, n % 250 + 1);
        writeln!(
            hosts,
            "---\n\
             name: h{n:05}\n\
             disks: d\n\
             network: {{mac: \"52:54:01:00:{high:02x}:{low:02x}\", address: 10.1.{high}.{low}}}\n\
             slots:\n\
             \x20 os: {{serial: s{n}}}\n\
             \x20 a: {{<<: &bay {{min_size: 1TB}}, serial: a{n}}}\n\
             \x20 b: {{<<: *bay, serial: b{n}}}",
        )
        .unwrap();
    }
    let site = Site::new()
        .file(
            "c/cluster.yaml",
            "name: c\n\
             ubuntu: \"18.04\"\n\
             bootstrap: h00000\n\
             network: {subnet: 10.1.0.0/16, gateway: 10.1.255.1, nameservers: [10.1.255.1]}\n\
             pools: {data1: {driver: btrfs}}\n\
             admin:\n\
             \x20 user: ops\n\
             \x20 ssh_authorized_keys:\n\
             \x20   - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq desk\n",
        )
        .file(
            "c/disks/d.yaml",
            "name: d\nos: {slot: os}\nvolumes: {data1: {mirror: [a, b]}}\n",
        )
        .file("c/hosts/all.yaml", &hosts);
    site.check()
        .expect_stderr("")
        .expect_exit(0)
        .expect_stdout("site: 1 cluster, 10000 hosts: no findings\n");
}

#[test]
fn help_fits_a_terminal_and_names_every_command() {
    for args in [
        &["--help"][..],
        &["check", "--help"],
        &["build", "--help"],
        &["secret", "new", "--help"],
    ] {
        let run = lxseed(args).run().expect_exit(0);
        assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{run}");
    }
    let run = lxseed(["--help"]).run();
    for command in ["check", "build", "secret"] {
        assert!(run.stdout.contains(command), "{run}");
    }
    lxseed(["biuld"]).run().expect_exit(2);
    lxseed(["build", "--only"]).run().expect_exit(2);
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_build() {
    let site = Site::copy_of("profiles");
    let script = format!("{} build site | true", env!("CARGO_BIN_EXE_lxseed"));
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .current_dir(site.parent())
        .env("LXSEED_SECRET", crate::support::SECRET)
        .status()
        .unwrap();
    assert!(status.success());
    assert!(site.out().join("manifest.json").is_file());
}
