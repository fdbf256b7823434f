//! Every mistake is refused with its place and what to do, word for word, and a refused build changes nothing.
//!
//! A case is a shipped site with an edit. What `lxseed check` says to it stands in `tests/mistakes/NAME.stderr`; after a
//! change on purpose, `LXSEED_BLESS=1 cargo test --test mistakes` writes these files anew, and they are reviewed like code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::{Run, Site, assert_same_text, assert_same_tree, lxseed, root, tree};

const CLUSTER: &str = "lab/cluster.yaml";
const DISKS: &str = "lab/disks/three-drives.yaml";
const NODE1: &str = "lab/hosts/node1.yaml";
const NODE2: &str = "lab/hosts/node2.yaml";

/// One edit of a file of the site.
enum Edit {
    /// Text that occurs once, and what stands there instead.
    Replace(&'static str, &'static str, &'static str),
    /// A file with this text.
    Text(&'static str, &'static str),
    /// A file with these bytes.
    Bytes(&'static str, fn() -> Vec<u8>),
    /// A file of this many zeros that take no room.
    Sparse(&'static str, u64),
    Remove(&'static str),
}

use Edit::{Bytes, Remove, Replace, Sparse, Text};

/// A name, and the edits of `profiles/lab` or `profiles/rack` that make the mistake.
struct Case(&'static str, &'static [Edit]);

const LAB: &[Case] = &[
    Case(
        "unknown-key",
        &[Replace(CLUSTER, "  gateway:", "  gatway:")],
    ),
    Case(
        "unknown-key-far-off",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "disks: three-drives\ncolour: red",
        )],
    ),
    Case(
        "duplicate-key",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "disks: three-drives\ndisks: other",
        )],
    ),
    Case(
        "duplicate-key-in-a-chosen-name",
        &[Replace(
            CLUSTER,
            "  data2: {driver: zfs}",
            "  data1: {driver: zfs}",
        )],
    ),
    Case(
        "wrong-type",
        &[Replace(
            CLUSTER,
            "nameservers: [192.168.10.1]",
            "nameservers: 192.168.10.1",
        )],
    ),
    Case(
        "number-for-text",
        &[Replace(CLUSTER, "ubuntu: \"18.04\"", "ubuntu: 18.04")],
    ),
    Case(
        "boolean-for-mapping",
        &[Replace(CLUSTER, "lxd: {channel: 5.0/stable}", "lxd: true")],
    ),
    Case(
        "number-too-large",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "disks: three-drives\ngeneration: 99999999999",
        )],
    ),
    Case(
        "key-not-text",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "disks: three-drives\n12: x",
        )],
    ),
    Case(
        "missing-key",
        &[Replace(NODE1, "disks: three-drives\n", "")],
    ),
    Case(
        "missing-keys-in-two-files",
        &[
            Replace(NODE1, "disks: three-drives\n", ""),
            Replace(CLUSTER, "bootstrap: node1\n", ""),
        ],
    ),
    Case(
        "two-mistakes-in-two-files",
        &[
            Replace(NODE1, "address: 192.168.10.11", "address: 192.168.11.11"),
            Replace(CLUSTER, "driver: zfs}\n  data2", "driver: zsf}\n  data2"),
        ],
    ),
    Case(
        "invalid-mac",
        &[Replace(NODE1, "52:54:00:12:34:56", "52:54:00:12:34")],
    ),
    Case(
        "invalid-address",
        &[Replace(NODE1, "192.168.10.11", "192.168.10.11/24")],
    ),
    Case(
        "invalid-subnet",
        &[Replace(CLUSTER, "192.168.10.0/24", "192.168.10.1/24")],
    ),
    Case(
        "invalid-size",
        &[Replace(
            DISKS,
            "2:1:0\", min_size: 900GB",
            "2:1:0\", min_size: 900",
        )],
    ),
    Case("empty-text", &[Replace(NODE1, "S3Z9NB0K100001", "\"\"")]),
    Case(
        "duplicate-host",
        &[Replace(NODE2, "name: node2", "name: node1")],
    ),
    Case(
        "duplicate-mac-in-another-spelling",
        &[Replace(NODE2, "52:54:00:12:34:57", "5254.0012.3456")],
    ),
    Case(
        "unusable-mac",
        &[Replace(NODE2, "52:54:00:12:34:57", "53:54:00:12:34:57")],
    ),
    Case(
        "duplicate-address",
        &[Replace(NODE2, "192.168.10.12", "192.168.10.11")],
    ),
    Case(
        "duplicate-disk",
        &[Replace(NODE2, "S3Z9NB0K100002", "s3z9nb0k100001")],
    ),
    Case(
        "duplicate-bay",
        &[Replace(DISKS, "scsi-0:2:2:0", "scsi-0:2:1:0")],
    ),
    Case(
        "address-outside-subnet",
        &[Replace(NODE1, "192.168.10.11", "192.168.11.11")],
    ),
    Case(
        "address-of-the-other-family",
        &[Replace(NODE1, "192.168.10.11", "\"fd00::11\"")],
    ),
    Case(
        "address-reserved",
        &[
            Replace(NODE1, "192.168.10.11", "192.168.10.255"),
            Replace(NODE2, "192.168.10.12", "192.168.10.0"),
        ],
    ),
    Case(
        "address-is-gateway",
        &[Replace(NODE1, "192.168.10.11", "192.168.10.1")],
    ),
    Case(
        "gateway-outside-subnet",
        &[Replace(
            CLUSTER,
            "gateway: 192.168.10.1",
            "gateway: 192.168.1.1",
        )],
    ),
    Case(
        "unusable-subnet",
        &[Replace(CLUSTER, "192.168.10.0/24", "169.254.0.0/16")],
    ),
    Case(
        "fan-underlay",
        &[Replace(CLUSTER, "192.168.10.0/24", "192.168.10.0/25")],
    ),
    Case(
        "invalid-domain",
        &[Replace(
            CLUSTER,
            "  overlay: fan",
            "  search: [\"a b\"]\n  overlay: fan",
        )],
    ),
    Case(
        "unknown-choice",
        &[Replace(CLUSTER, "overlay: fan ", "overlay: fans ")],
    ),
    Case(
        "unknown-disks",
        &[Replace(NODE1, "three-drives", "three-drive")],
    ),
    Case("no-disks-profile", &[Remove(DISKS)]),
    Case(
        "slot-not-found",
        &[Replace(NODE1, "os: {serial", "oss: {serial")],
    ),
    Case(
        "slot-two-ways",
        &[Replace(
            NODE1,
            "{serial: S3Z9NB0K100001}",
            "{serial: S3Z9NB0K100001, wwn: \"0x5000c500\"}",
        )],
    ),
    Case(
        "disk-in-two-volumes",
        &[Replace(DISKS, "device: d2", "device: d1")],
    ),
    Case(
        "os-disk-used-for-data",
        &[Replace(DISKS, "device: d2", "device: os")],
    ),
    Case(
        "device-path-as-slot",
        &[Replace(DISKS, "device: d2", "device: /dev/sda")],
    ),
    Case(
        "device-path-as-way",
        &[Replace(
            NODE1,
            "serial: S3Z9NB0K100001",
            "by_path: /dev/sda",
        )],
    ),
    Case(
        "stable-path-as-way",
        &[Replace(
            NODE1,
            "serial: S3Z9NB0K100001",
            "by_id: /dev/disk/by-id/ata-X_1",
        )],
    ),
    Case(
        "partition-as-disk",
        &[Replace(
            NODE1,
            "serial: S3Z9NB0K100001",
            "by_id: ata-X_1-part1",
        )],
    ),
    Case(
        "invalid-wwn-and-hctl",
        &[
            Replace(NODE1, "serial: S3Z9NB0K100001", "wwn: 5000c500"),
            Replace(NODE2, "serial: S3Z9NB0K100002", "hctl: \"0:0:1\""),
        ],
    ),
    Case(
        "mirror-of-one",
        &[Replace(DISKS, "{device: d2}", "{mirror: [d2]}")],
    ),
    Case(
        "volume-of-two-kinds",
        &[Replace(
            DISKS,
            "{device: d2}",
            "{device: d2, mirror: [d1, d2]}",
        )],
    ),
    Case("volume-of-no-kind", &[Replace(DISKS, "{device: d2}", "{}")]),
    Case(
        "size-bounds",
        &[Replace(
            DISKS,
            "2:1:0\", min_size: 900GB",
            "2:1:0\", min_size: 900GB, max_size: 800GB",
        )],
    ),
    Case(
        "wipe-mismatch",
        &[
            Replace(
                NODE1,
                "{serial: S3Z9NB0K100001}",
                "{serial: S3Z9NB0K100001, wipe: OTHER}",
            ),
            Replace(DISKS, "2:1:0\", min_size: 900GB", "2:1:0\", wipe: X"),
        ],
    ),
    Case(
        "pool-without-volume",
        &[Replace(
            CLUSTER,
            "  data2: {driver: zfs}",
            "  data3: {driver: zfs}",
        )],
    ),
    Case(
        "volume-in-two-pools",
        &[Replace(
            CLUSTER,
            "  data2: {driver: zfs}",
            "  data2: {driver: zfs, volume: data1}",
        )],
    ),
    Case(
        "zfs-mirror-with-another-driver",
        &[
            Replace(
                CLUSTER,
                "  data2: {driver: zfs}",
                "  data2: {driver: btrfs}",
            ),
            Replace(DISKS, "{device: d2}", "{zfs_mirror: [d2, d3]}"),
            Replace(DISKS, "slots:  ", "slots:\n  d3: {by_path: x}\n#  "),
        ],
    ),
    Case(
        "two-bootstrap-hosts",
        &[Replace(
            CLUSTER,
            "bootstrap: node1",
            "bootstrap: [node1, node2]",
        )],
    ),
    Case(
        "no-bootstrap-host",
        &[Replace(CLUSTER, "bootstrap: node1\n", "")],
    ),
    Case(
        "unknown-bootstrap-host",
        &[Replace(CLUSTER, "bootstrap: node1", "bootstrap: nod1")],
    ),
    Case("no-hosts", &[Remove(NODE1), Remove(NODE2)]),
    Case(
        "no-pools",
        &[Replace(
            CLUSTER,
            "pools:\n  data1: {driver: zfs}\n  data2: {driver: zfs}",
            "pools: {}",
        )],
    ),
    Case(
        "generation-zero",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "disks: three-drives\ngeneration: 0",
        )],
    ),
    Case(
        "duplicate-cluster",
        &[Text("other/cluster.yaml", "name: lab\n")],
    ),
    Case(
        "duplicate-disks",
        &[Text(
            "lab/disks/copy.yaml",
            "name: three-drives\nos: {slot: os}\nvolumes: {data1: {device: d1}, data2: {device: d2}}\n",
        )],
    ),
    Case(
        "unknown-release",
        &[Replace(CLUSTER, "\"18.04\"", "\"20.04\"")],
    ),
    Case(
        "unknown-channel",
        &[Replace(CLUSTER, "5.0/stable", "7.0/stable")],
    ),
    Case(
        "channel-without-a-track",
        &[Replace(CLUSTER, "5.0/stable", "stable")],
    ),
    Case(
        "channel-too-new",
        &[Replace(CLUSTER, "5.0/stable", "latest/stable")],
    ),
    Case(
        "zfs-with-5.21-on-the-ga-kernel",
        &[
            Replace(CLUSTER, "5.0/stable", "5.21/stable"),
            Replace(CLUSTER, "kernel: hwe ", "kernel: ga "),
        ],
    ),
    Case(
        "no-way-in",
        &[Replace(
            CLUSTER,
            "  ssh_authorized_keys:\n    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq replace-me@desk\n",
            "",
        )],
    ),
    Case(
        "invalid-user",
        &[Replace(CLUSTER, "user: ops", "user: lxd")],
    ),
    Case(
        "cut-ssh-key",
        &[Replace(CLUSTER, "GPOq replace", "GPO replace")],
    ),
    Case(
        "ssh-key-of-a-security-token",
        &[Replace(
            CLUSTER,
            "- ssh-ed25519 ",
            "- sk-ssh-ed25519@openssh.com ",
        )],
    ),
    Case(
        "weak-password-hash",
        &[Replace(
            CLUSTER,
            "user: ops",
            "user: ops\n  password_hash: \"$1$abc$def\"",
        )],
    ),
    Case(
        "damaged-client-certificate",
        &[Replace(
            CLUSTER,
            "user: ops",
            "user: ops\n  lxd_certificates: {desk: nonsense}",
        )],
    ),
    Case(
        "client-certificate-named-like-a-host",
        &[Replace(
            CLUSTER,
            "user: ops",
            "user: ops\n  lxd_certificates: {node1: nonsense}",
        )],
    ),
    Case(
        "private-key",
        &[Replace(
            CLUSTER,
            "user: ops",
            "user: ops\n  lxd_certificates:\n    desk: |\n      -----BEGIN EC PRIVATE KEY-----\n      c2VjcmV0IHNlY3JldA==\n      -----END EC PRIVATE KEY-----",
        )],
    ),
    Case(
        "plain-password",
        &[Replace(
            CLUSTER,
            "user: ops",
            "user: ops\n  password: hunter2",
        )],
    ),
    Case(
        "trust-password",
        &[Replace(
            CLUSTER,
            "bootstrap: node1",
            "bootstrap: node1\ncluster_password: hunter2",
        )],
    ),
    Case(
        "host-that-leaves-the-tree",
        &[Replace(NODE1, "name: node1", "name: ../x")],
    ),
    Case(
        "reserved-host-name",
        &[Replace(NODE1, "name: node1", "name: none")],
    ),
    Case(
        "host-name-of-digits",
        &[Replace(NODE1, "name: node1", "name: \"127\"")],
    ),
    Case(
        "invalid-label",
        &[Replace(
            CLUSTER,
            "  data2: {driver: zfs}",
            "  mirror2: {driver: zfs, volume: data2}",
        )],
    ),
    Case(
        "control-characters",
        &[Replace(
            NODE1,
            "name: node1",
            "name: \"a\\e[31mred\\u202e\"",
        )],
    ),
    Case("empty-file", &[Text(NODE2, "")]),
    Case("comments-only", &[Text(NODE2, "# name: node2\n")]),
    Case(
        "not-utf8",
        &[Bytes(NODE2, || b"name: node2\ndisks: caf\xe9\n".to_vec())],
    ),
    Case(
        "utf16",
        &[Bytes(NODE2, || b"\xff\xfen\0a\0m\0e\0".to_vec())],
    ),
    Case("three-gigabytes", &[Sparse(NODE2, 3 << 30)]),
    Case("alias-bomb", &[Bytes(NODE2, alias_bomb)]),
    Case("merge-bomb", &[Bytes(NODE2, merge_bomb)]),
    Case("deep-nesting", &[Bytes(NODE2, || vec![b'['; 100_000])]),
    Case(
        "deep-nesting-in-blocks",
        &[Bytes(NODE2, || b"- ".repeat(100_000))],
    ),
    Case(
        "tab-for-indentation",
        &[Text(NODE2, "name: node2\n\tdisks: three-drives\n")],
    ),
    Case(
        "unclosed-bracket",
        &[Text(NODE2, "name: node2\nslots: [a\nnetwork: {}\n")],
    ),
    Case("unknown-tag", &[Text(NODE2, "name: !secret node2\n")]),
    Case("document-that-is-a-list", &[Text(NODE2, "- name: node2\n")]),
    Case(
        "two-clusters-in-a-file",
        &[Text("b/cluster.yaml", "name: b\n---\nname: c\n")],
    ),
    Case(
        "hosts-without-a-cluster",
        &[Text("b/hosts/x.yaml", "name: x\n")],
    ),
    Case("secret-in-site", &[Text("lab/lxseed.secret", "x")]),
    Case(
        "unknown-allow",
        &[Replace(CLUSTER, "two-members:", "two-member:")],
    ),
    Case(
        "allow-of-an-error",
        &[Replace(
            CLUSTER,
            "two-members:",
            "duplicate-mac: no\n  two-members:",
        )],
    ),
    Case(
        "windows-line-ends",
        &[Bytes(NODE2, || {
            b"name: node2\r\ndisks: three-drives\r\nnetwerk: {}\r\n".to_vec()
        })],
    ),
    Case(
        "wide-characters-before",
        &[Replace(
            NODE1,
            "disks: three-drives",
            "\"名前\": 1\ndisks: three-drives",
        )],
    ),
];

const RACK: &[Case] = &[Case(
    "host-name-longer-than-md-allows",
    &[Replace(
        "rack/hosts/rack-c.yaml",
        "name: rack-c",
        "name: rack-c-with-a-name-of-thirty",
    )],
)];

/// Sites that are legal but rarely meant: they build, with a warning.
const WARNINGS: &[Case] = &[
    Case(
        "warn-two-members",
        &[Replace(
            CLUSTER,
            "allow:\n  two-members: the lab has two machines, and both are backed up\n",
            "",
        )],
    ),
    Case(
        "warn-one-member",
        &[
            Remove(NODE2),
            Replace(CLUSTER, "two-members:", "one-member: a start\n  #"),
        ],
    ),
    Case("warn-one-member-unsaid", &[Remove(NODE2)]),
    Case(
        "warn-unused-allow",
        &[Replace(
            CLUSTER,
            "two-members:",
            "zfs-on-md: \"no\"\n  two-members:",
        )],
    ),
    Case(
        "warn-kernel-below-documented",
        &[Replace(CLUSTER, "kernel: hwe ", "kernel: ga ")],
    ),
    Case(
        "warn-unstable-channel",
        &[Replace(CLUSTER, "5.0/stable", "5.0/edge")],
    ),
    Case(
        "warn-stray-file",
        &[
            Text("lab/host/node3.yaml", "name: node3\n"),
            Text("lab/hosts/node4.yml", "name: node4\n"),
        ],
    ),
    Case(
        "warn-unused-volume",
        &[
            Replace(
                DISKS,
                "  data2: {device: d2}",
                "  data2: {device: d2}\n  spare: {device: d3}",
            ),
            Replace(
                DISKS,
                "  d2: {by_path",
                "  d3: {by_path: x}\n  d2: {by_path",
            ),
        ],
    ),
    Case(
        "warn-zfs-on-md",
        &[
            Replace(DISKS, "{device: d2}", "{mirror: [d2, d3]}"),
            Replace(
                DISKS,
                "  d2: {by_path",
                "  d3: {by_path: x}\n  d2: {by_path",
            ),
        ],
    ),
];

/// 9^9 items out of a few hundred bytes.
fn alias_bomb() -> Vec<u8> {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{items}]\n");
    }
    text.into_bytes()
}

/// The same with merged mappings.
fn merge_bomb() -> Vec<u8> {
    let mut text = String::from("a0: &a0 {k: x}\n");
    for level in 1..30 {
        let from = level - 1;
        text += &format!(
            "a{level}: &a{level} {{x{level}: *a{from}, y{level}: *a{from}, z{level}: *a{from}}}\n"
        );
    }
    text.into_bytes()
}

impl Case {
    fn site(&self, shipped: &str) -> Site {
        let mut site = Site::new();
        for entry in walkdir::WalkDir::new(root().join("profiles").join(shipped)) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(root().join("profiles")).unwrap();
                site = site.bytes(below, &fs::read(entry.path()).unwrap());
            }
        }
        for edit in self.1 {
            site = match edit {
                Replace(path, from, to) => site.replace(path, from, to),
                Text(path, text) => site.file(path, text),
                Bytes(path, bytes) => site.bytes(path, &bytes()),
                Sparse(path, size) => {
                    fs::File::create(site.path().join(path))
                        .unwrap()
                        .set_len(*size)
                        .unwrap();
                    site
                }
                Remove(path) => {
                    fs::remove_file(site.path().join(path)).unwrap();
                    site
                }
            };
        }
        site
    }

    fn expect(&self, run: &Run) {
        let path = root()
            .join("tests/mistakes")
            .join(format!("{}.stderr", self.0));
        if std::env::var_os("LXSEED_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &run.stderr).unwrap();
        }
        let expected =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_same_text(self.0, &expected, &run.stderr);
    }
}

/// Every finding has a place and a help line; the place is `file:line:column`.
fn assert_placed_and_helped(run: &Run) {
    let findings = run.stderr.matches("error[").count() + run.stderr.matches("warning[").count();
    assert!(findings > 0, "nothing was found:\n{run}");
    assert_eq!(run.stderr.matches("= help: ").count(), findings, "{run}");
    let places = run
        .stderr
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--> "));
    let well_formed = places.filter(|place| {
        let mut parts = place.rsplitn(3, ':');
        let numbers = parts
            .by_ref()
            .take(2)
            .all(|number| number.parse::<u32>().is_ok_and(|number| number > 0));
        numbers && parts.next().is_some_and(|path| path.starts_with("site"))
    });
    assert_eq!(well_formed.count(), findings, "{run}");
}

#[test]
fn every_mistake_is_refused_word_for_word_and_changes_nothing() {
    for (shipped, cases) in [("lab", LAB), ("rack", RACK)] {
        // A tree of the good site stands in out/; no refused build may touch it.
        let good = Case("good", &[]).site(shipped);
        good.build().expect_exit(0);
        let before = tree(&good.out());
        for case in cases {
            let site = case.site(shipped);
            let check = site.check().expect_exit(1);
            case.expect(&check);
            assert_placed_and_helped(&check);
            assert_eq!(check.stdout, "", "{check}");
            let build = lxseed(
                ["build", "site", "-o"]
                    .map(std::ffi::OsString::from)
                    .into_iter()
                    .chain([good.out().into_os_string()]),
            )
            .dir(site.parent())
            .run()
            .expect_exit(1);
            assert!(build.stderr.ends_with("nothing was written\n"), "{build}");
            assert_same_tree(&before, &tree(&good.out()));
        }
        let beside: Vec<_> = fs::read_dir(good.parent())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            beside
                .iter()
                .all(|name| !name.to_string_lossy().contains("stage")),
            "{beside:?}"
        );
    }
}

#[test]
fn warnings_are_shown_and_the_site_is_built() {
    for case in WARNINGS {
        let site = case.site("lab");
        let check = site.check().expect_exit(0);
        case.expect(&check);
        site.build().expect_exit(0);
    }
}

#[test]
fn the_shipped_sites_have_no_findings() {
    let check = lxseed(["check", "profiles"]).run().expect_exit(0);
    check
        .expect_stderr("")
        .expect_stdout("profiles: 2 clusters, 5 hosts: no findings\n");
}

#[test]
fn no_secret_of_a_profile_is_shown() {
    for case in LAB
        .iter()
        .filter(|case| ["private-key", "plain-password", "trust-password"].contains(&case.0))
    {
        let run = case.site("lab").check();
        for secret in ["hunter2", "c2VjcmV0"] {
            assert!(!run.stderr.contains(secret), "{run}");
        }
    }
}

#[test]
fn every_rule_has_a_case_and_every_expectation_is_used() {
    let names: BTreeSet<String> = LAB
        .iter()
        .chain(RACK)
        .chain(WARNINGS)
        .map(|case| format!("{}.stderr", case.0))
        .collect();
    let mut reported = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/mistakes")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(names.contains(&name), "{name} belongs to no case");
        let text = fs::read_to_string(&path).unwrap();
        for rule in lxseed::check::rules() {
            if text.contains(&format!("[{}]: ", rule.code)) {
                reported.insert(rule.code);
            }
        }
    }
    // A file that cannot be opened and a folder that loops need a file system of their own: see `unreadable_files`.
    let missing: Vec<_> = lxseed::check::rules()
        .into_iter()
        .map(|rule| rule.code)
        .filter(|code| !reported.contains(code))
        .collect();
    assert!(missing.is_empty(), "no case breaks {missing:?}");
}

#[test]
fn what_is_not_a_file_is_not_waited_for() {
    let site = Case("fifo", &[Remove(NODE2)]).site("lab");
    let fifo = site.path().join(NODE2);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let run = site.check().expect_exit(1);
    assert!(run.stderr.contains("is not a regular file"), "{run}");
    std::os::unix::fs::symlink("/dev/zero", site.path().join("lab/hosts/zero.yaml")).unwrap();
    let run = site.check().expect_exit(1);
    assert!(
        run.stderr.contains("hosts/zero.yaml is not a regular file"),
        "{run}"
    );
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
