//! preseed.cfg: debconf's own reader, and the script in it before shellcheck and two shells.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::built::{Host, build, built, hosts};
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
        .split_once("umask 077; ")
        .and_then(|(_, rest)| rest.split_once(" >/var/run/lxseed-installer"))
        .unwrap()
        .0
        .to_owned();
    let output = Command::new("sh").args(["-c", &printf]).output().unwrap();
    assert!(output.status.success(), "{}: {output:?}", host.name);
    output.stdout
}

/// One card of a bond, with the VLAN's tag; and no gateway for netcfg where it would ask for another one.
#[test]
fn the_installer_is_on_one_card() {
    let sites = built();
    let mut seen = 0;
    for host in hosts(&sites) {
        let answers = answers(&host);
        let answer = |question: &str| answers.get(question).map(String::as_str);
        let text = String::from_utf8(script(&host)).unwrap();
        let in_cluster = host.cluster.file_name().unwrap().to_str().unwrap();
        let (vlan, gateway, mac) = match (in_cluster, &*host.name) {
            ("bonded", "node1") => (Some("12"), "10.12.0.1", "52:54:00:12:34:56"),
            ("bonded", "node2") => (Some("12"), "10.12.0.1", "52:54:00:aa:12:02"),
            ("outside", "edge1") => (None, "none", "52:54:00:aa:05:01"),
            _ => {
                assert!(answer("netcfg/vlan_id").is_none() && answer("netcfg/get_gateway") != Some("none"));
                continue;
            }
        };
        seen += 1;
        assert_eq!(answer("netcfg/vlan_id"), vlan, "{}", host.name);
        assert_eq!(answer("netcfg/get_gateway"), Some(gateway), "{}", host.name);
        assert!(
            text.contains(&format!("\nMAC='{mac}'\n")) || text.contains(&format!("\nMAC={mac}\n")),
            "{text}"
        );
    }
    assert_eq!(seen, 3);
}

/// netcfg takes no gateway outside the subnet. Its routes come once it has set the address, and only then.
#[test]
fn a_gateway_outside_the_subnet_gets_its_routes_in_the_installer() {
    let Some(dash) = tool("dash") else { return };
    let sites = [build("tests/oracles/wired")];
    let hosts = hosts(&sites);
    let host = hosts.iter().find(|host| host.name == "edge1").unwrap();
    let command = answers(host)["preseed/early_command"].clone();
    let (routes, _) = command.split_once(" & umask 077; ").unwrap();
    let dir = temp_dir();
    // What ends the loop is the end of the installer; here it is the stand-in for `sleep`, at the fourth round.
    let stand_ins = "
        cd \"$1\"
        sleep() { echo round >>rounds; [ \"$(wc -l <rounds)\" -lt 5 ]; }
        ip() {
            case \"$*\" in
            '-o addr show')
                echo '1: lo    inet 127.0.0.1/8 scope host lo'
                [ \"$(wc -l <rounds)\" -lt 3 ] || echo '2: eno1    inet 10.30.5.2/29 brd 10.30.5.7 scope global eno1'
                ;;
            'route show') cat table 2>/dev/null ;;
            'route add default'*) echo default >table; echo \"$*\" >>asked ;;
            *) echo \"$*\" >>asked ;;
            esac
        }
    ";
    Run::of(
        Command::new(dash)
            .arg("-c")
            .arg(format!("{stand_ins}\n{routes}"))
            .arg("dash")
            .arg(dir.path()),
    );
    let asked = std::fs::read_to_string(dir.path().join("asked")).unwrap();
    assert_eq!(
        asked,
        "route add 172.31.1.1 dev eno1\nroute add default via 172.31.1.1 dev eno1\n"
    );
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
