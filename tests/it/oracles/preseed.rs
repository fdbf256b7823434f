//! preseed.cfg: debconf's own reader, and the script in it before shellcheck and two shells.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::built::{Host, built, hosts};
use crate::support::{Run, temp_dir, tool};

/// Every answer by its question, continuation lines joined as the installer joins them.
fn answers(host: &Host) -> BTreeMap<String, String> {
    let text = String::from_utf8(host.read("preseed.cfg")).unwrap();
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            (
                words[1].to_owned(),
                words.get(3).copied().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// Its exit code says little: misspelt types and wrong booleans are warnings, if anything.
#[test]
fn debconf_takes_every_line_without_a_word() {
    let Some(program) = tool("debconf-set-selections") else {
        return;
    };
    let sites = built();
    let check = |path: &Path| Run::of(Command::new(&program).arg("-c").arg(path));
    for host in hosts(&sites) {
        check(&host.file("preseed.cfg"))
            .expect_exit(0)
            .expect_stdout("")
            .expect_stderr("");
    }
    let dir = temp_dir();
    let wrong = dir.path().join("wrong.cfg");
    std::fs::write(&wrong, "d-i partman/confirm strng true\n").unwrap();
    assert!(!check(&wrong).stderr.is_empty(), "debconf is not alive");
}

/// Until early_command has resolved the slot there is no disk by that name, so no other one can be meant.
#[test]
fn no_disk_is_named_before_it_is_found() {
    let sites = built();
    for host in hosts(&sites) {
        let answers = answers(&host);
        let disk = &answers["partman-auto/disk"];
        assert!(disk.starts_with("/dev/lxseed/"), "{disk}");
        assert_eq!(disk, &answers["grub-installer/bootdev"]);
        for (question, answer) in &answers {
            let others = ["/dev/sd", "/dev/vd", "/dev/nvme", "/dev/md", "/dev/disk"];
            let named = others.iter().any(|name| answer.contains(name));
            assert!(!named || question.ends_with("_command"), "{question}: {answer}");
        }
        assert!(answers["partman/early_command"].ends_with("lxseed-installer disk"));
    }
}

#[test]
fn the_packages_are_what_the_volumes_need_and_never_ifupdown() {
    let sites = built();
    let mut with_md = 0;
    for host in hosts(&sites) {
        let answers = answers(&host);
        let packages: Vec<&str> = answers["pkgsel/include"].split(' ').collect();
        for package in ["cloud-init", "snapd", "openssh-server"] {
            assert!(packages.contains(&package), "{packages:?}");
        }
        assert!(!packages.contains(&"ifupdown"));
        let script = String::from_utf8(host.read("lxseed-firstboot")).unwrap();
        let kinds = script.lines().find(|l| l.starts_with("VOLUME_KINDS=")).unwrap();
        assert_eq!(packages.contains(&"mdadm"), kinds.contains("'mirror'"));
        assert_eq!(packages.contains(&"zfsutils-linux"), kinds.contains("'zfs_mirror'"));
        with_md += usize::from(packages.contains(&"mdadm"));
        let hwe = script.contains(
            "
KERNEL='hwe'
",
        );
        let kernel = answers.get("base-installer/kernel/altmeta");
        assert_eq!(kernel.map(String::as_str), hwe.then_some("hwe-18.04"));
    }
    assert!(with_md > 0);
}

/// The script as the installer unpacks it.
fn script(host: &Host) -> Vec<u8> {
    let command = answers(host)["preseed/early_command"].clone();
    let printf = command
        .split_once("; ")
        .and_then(|(_, rest)| rest.split_once(" >/var/run/lxseed-installer"))
        .unwrap()
        .0
        .to_owned();
    let output = Command::new("sh").args(["-c", &printf]).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", host.name);
    output.stdout
}

#[test]
fn the_script_in_it_is_clean() {
    let sites = built();
    for host in hosts(&sites) {
        let dir = temp_dir();
        let path = dir.path().join("installer");
        let script = script(&host);
        std::fs::write(&path, &script).unwrap();
        let path = path.to_str().unwrap();
        for shell in ["dash", "bash"] {
            let Some(shell) = tool(shell) else { return };
            Run::of(Command::new(shell).args(["-n", path]))
                .expect_exit(0)
                .expect_stderr("");
        }
        // The rest of it is the same on every host, and what is in quotes is another oracle's.
        if !["node1", "2019-01-01"].contains(&host.name.as_str()) {
            continue;
        }
        let Some(shellcheck) = tool("shellcheck") else {
            return;
        };
        // busybox has `local`; the library of debconf is in the installer alone.
        let args = ["--norc", "--shell=sh", "--exclude=SC3043,SC1091,SC2016", path];
        Run::of(Command::new(shellcheck).args(args))
            .expect_exit(0)
            .expect_stdout("");
        let text = String::from_utf8(script).unwrap();
        assert!(text.contains(&format!("\nHOST='{}'\n", host.name)), "{text}");
    }
}
