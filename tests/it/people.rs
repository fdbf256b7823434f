//! What people write of themselves and of their machines, by the kind of mistake: each case is one edit of a good site,
//! and one finding at its place or none. `mistakes` shows a case of each kind word for word.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::check_files;
use lxseed::finding::Severity;
use lxseed::source::Content;

use crate::support::{NOW, Site, root};

const CLUSTER: &str = "cluster.yaml";
const HOSTS: &str = "hosts/hosts.yaml";

/// The site's files with texts replaced in them, and files written anew.
fn site(replace: &[(&str, &str, &str)], write: &[(&str, &str)]) -> Vec<(Utf8PathBuf, Content)> {
    let read = |path: &str| fs::read_to_string(root().join("tests/mistakes/base/one-cluster").join(path)).unwrap();
    let mut files: Vec<(String, String)> = [CLUSTER, "disks/model.yaml", HOSTS]
        .into_iter()
        .map(|path| (path.to_owned(), read(path)))
        .collect();
    for (path, from, to) in replace {
        let (_, text) = files.iter_mut().find(|(known, _)| known == path).unwrap();
        assert!(text.contains(from), "{from}");
        *text = text.replace(from, to);
    }
    files.extend(
        write
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
    );
    let files = files.into_iter();
    files
        .map(|(path, text)| (Utf8Path::new("site").join(path), Content::Bytes(text.into_bytes())))
        .collect()
}

/// What is found: code, severity, and file.
fn found(files: Vec<(Utf8PathBuf, Content)>) -> Vec<(&'static str, Severity, String)> {
    let checked = check_files("site".into(), files, NOW);
    let found = checked.findings().iter().map(|finding| {
        let file = &checked.sources().file(finding.primary.span.file).path;
        (finding.rule.code, finding.rule.severity, file.to_string())
    });
    found.collect()
}

#[track_caller]
fn one_error(files: Vec<(Utf8PathBuf, Content)>, file: &str, what: &str) {
    let found = found(files);
    let as_it_should = matches!(found.as_slice(), [(_, Severity::Error, at)] if *at == format!("site/{file}"));
    assert!(as_it_should, "{what}: {found:?}");
}

#[track_caller]
fn nothing(files: Vec<(Utf8PathBuf, Content)>, what: &str) {
    assert_eq!(found(files), [], "{what}");
}

#[test]
fn what_was_not_filled_in_is_one_error() {
    for value in [
        "TODO",
        "FIXME",
        "CHANGEME",
        "tbd",
        "\"$SERIAL\"",
        "\"${DMI}\"",
        "\"%%X%%\"",
        "\"{{ x }}\"",
        "\"<serial>\"",
        "\"@SERIAL@\"",
        "__SERIAL__",
        "\"-\"",
        "\"--\"",
        "\"0\"",
        "\"00\"",
        "\"00000000\"",
        "\"........\"",
        "xxxxxxxx",
        "XXXX-XXXX",
        "\"????\"",
        "\"?\"",
        "\"(none)\"",
        "Chassis Serial Number",
        "To Be Filled By O.E.M.",
        "Default string",
        "System Serial Number",
        "\"N/A\"",
        "unknown",
        "serial",
        "\"123456789\"",
        "\"52:54:00:aa:00:01\"",
        "52-54-00-AA-00-01",
        "5254.00aa.0001",
        "525400AA0001",
        "your-serial-number",
    ] {
        one_error(site(&[(HOSTS, "WD-A100001", value)], &[]), HOSTS, value);
        let dmi = format!("name: node1\ndmi_serial: {value}\n");
        one_error(site(&[(HOSTS, "name: node1\n", &dmi)], &[]), HOSTS, value);
    }
    for (path, from, to) in [
        (CLUSTER, "user: ops", "user: \"{{ user }}\""),
        (CLUSTER, "name: lab", "name: CHANGEME"),
        (CLUSTER, "gateway: 192.168.10.1", "gateway: <gateway>"),
        (CLUSTER, "subnet: 192.168.10.0/24", "subnet: \"${SUBNET}\""),
        (CLUSTER, "overlay: fan", "overlay: TODO"),
        (HOSTS, "name: node3", "name: TODO"),
        (HOSTS, "address: 192.168.10.13", "address: \"{{ address }}\""),
        (HOSTS, "\"52:54:00:aa:00:03\"", "<mac>"),
        (HOSTS, "{serial: WD-A100003}", "{by_id: ata-MODEL_SERIAL}"),
    ] {
        one_error(site(&[(path, from, to)], &[]), path, to);
    }
    for value in [
        "CZJ1234567",
        "\"7\"",
        "\"000012345\"",
        "VMware-42 3a 1b",
        "S4EVNX0N123456",
        "JX00-11",
        "WD-WCC7K0XXXA1",
    ] {
        let dmi = format!("name: node1\ndmi_serial: {value}\n");
        nothing(site(&[(HOSTS, "name: node1\n", &dmi)], &[]), value);
    }
}

#[test]
fn the_samples_of_lxseed_are_none_of_yours() {
    const OWN: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk";
    const SAMPLE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq";
    for comment in ["", " replace-me@desk", " ops@desk", " eve"] {
        let key = format!("{SAMPLE}{comment}");
        one_error(site(&[(CLUSTER, OWN, &key)], &[]), CLUSTER, comment);
    }
    // The profiles as they are shipped, and the same with a name on the key, which somebody has then looked at.
    let shipped = |from: &str, to: &str| -> Vec<(Utf8PathBuf, Content)> {
        let files = [
            "cluster.yaml",
            "disks/three-drives.yaml",
            "hosts/node1.yaml",
            "hosts/node2.yaml",
        ];
        let read = |path| fs::read_to_string(root().join("profiles/lab").join(path)).unwrap();
        files
            .map(|path| {
                (
                    Utf8Path::new("site").join(path),
                    Content::Bytes(read(path).replace(from, to).into_bytes()),
                )
            })
            .into()
    };
    nothing(shipped("", ""), "as shipped");
    one_error(shipped("replace-me@desk", "eve@desk"), CLUSTER, "another comment");
    let own = found(shipped("52:54:00:12:34", "3c:ec:ef:12:34"));
    assert_eq!(own.len(), 3, "the key and both disks are still the sample's: {own:?}");
}

#[test]
fn a_file_that_is_not_read_is_told() {
    for path in [
        "hosts/b4.YAML",
        "hosts/b4.yaml.txt",
        "hosts/b4.json",
        "hosts/b4",
        "hosts/.b4.yaml",
        "hosts/b4.yml",
        "disks/m2.YAML",
        "disks/m2",
        "hosts/b4.yaml.disabled",
        "hosts/b4.txt",
        "cluster.yml",
        "Cluster.yaml",
        "node4.yaml",
    ] {
        let found = found(site(&[], &[(path, "name: node4\n")]));
        assert_eq!(found, [("S006", Severity::Warning, format!("site/{path}"))], "{path}");
    }
    for path in [
        "hosts/hosts.yaml~",
        "hosts/.hosts.yaml.swp",
        "hosts/#hosts.yaml#",
        "hosts/README",
        "hosts/README.md",
        "hosts/.gitkeep",
        "hosts/.gitignore",
        "hosts/hosts.yaml.bak",
        "hosts/hosts.yaml.orig",
        "hosts/.DS_Store",
        "README.md",
        "notes.txt",
        "site.json",
        ".gitlab-ci.yml",
    ] {
        nothing(site(&[], &[(path, "name: node4\n")]), path);
    }
}

/// A tree that was built into the site's own folder is full of keys, and none of them is a profile's.
#[test]
fn what_a_build_has_written_is_not_looked_into() {
    let key = format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        "c2VjcmV0".repeat(8)
    );
    let site = Site::copy_of("tests/mistakes/base/one-cluster")
        .file("out/SHA256SUMS", "")
        .file("out/lab/node1/user-data", &key)
        .file("out/lab/node1/lxd-preseed.yaml", "config: {}\n");
    let told = site.check().expect_exit(1);
    assert!(
        told.stderr.contains("a private key: site/out/lab/node1/user-data"),
        "{told}"
    );
    site.file("out/manifest.json", "{}")
        .check()
        .expect_exit(0)
        .expect_stderr("");
}

#[test]
fn names_and_networks_that_mean_something_else() {
    for name in ["0x1f", "0xabc", "\"0x0\"", "\"017\"", "\"12\"", "\"1.2\""] {
        one_error(
            site(&[(HOSTS, "name: node3", &format!("name: {name}"))], &[]),
            HOSTS,
            name,
        );
        one_error(
            site(&[(CLUSTER, "name: lab", &format!("name: {name}"))], &[]),
            CLUSTER,
            name,
        );
    }
    for name in ["x1f", "\"0b11\"", "\"1e3\"", "\"3com\"", "0xg"] {
        nothing(site(&[(HOSTS, "name: node3", &format!("name: {name}"))], &[]), name);
    }
    for net in ["192.0.2.", "198.51.100.", "203.0.113.", "192.0.0.", "169.254.7."] {
        let files = site(&[(CLUSTER, "192.168.10.", net), (HOSTS, "192.168.10.", net)], &[]);
        one_error(files, CLUSTER, net);
    }
    for domain in ["192.168.10.1", "\"fd00::53\"", "\"1.2.3\"", "\"10\"", "192.168.10.0/24"] {
        let search = format!("  search: [{domain}]\n  overlay");
        one_error(site(&[(CLUSTER, "  overlay", &search)], &[]), CLUSTER, domain);
    }
    for mac in [
        "aa:bb:cc:dd:ee:ff",
        "00:11:22:33:44:55",
        "de:ad:be:ef:00:01",
        "AA-BB-CC-DD-EE-01",
        "0011.2233.4455",
        "02:02:02:02:02:02",
    ] {
        one_error(site(&[(HOSTS, "52:54:00:aa:00:03", mac)], &[]), HOSTS, mac);
    }
}
