//! A `#cloud-config` of one's own is added to what lxseed writes, and takes nothing away from it.

use std::fs;

use crate::support::{Site, lxseed};
use serde_yaml::Value;

fn user_data(site: &Site, host: &str) -> Value {
    let out = site.parent().join("out");
    let build = ["build", "site", "-o", "out", "--no-seed-iso"];
    lxseed(build).dir(site.parent()).run().expect_exit(0);
    let text = fs::read_to_string(out.join("lab").join(host).join("user-data")).unwrap();
    fs::remove_dir_all(out).unwrap();
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    serde_yaml::from_str(&text).unwrap()
}

fn list<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document[key].as_sequence().unwrap()
}

#[test]
fn what_is_added_is_there_and_all_else_is_as_without_it() {
    let site = Site::copy_of("tests/good/cloud-config");
    let without = Site::copy_of("tests/mistakes/base/one-cluster");
    let starts = |command: &Value| format!("{command:?}").contains("lxseed-firstboot.service");
    for (host, own, at) in [("node1", 2, 2), ("node2", 2, 0), ("node3", 0, 0)] {
        let (with, before) = (user_data(&site, host), user_data(&without, host));
        for (key, value) in before.as_mapping().unwrap() {
            match key.as_str().unwrap() {
                "runcmd" => {
                    let commands = list(&with, "runcmd");
                    assert_eq!(commands.len(), own + 1, "{host}");
                    assert_eq!(commands.iter().position(starts), Some(at), "{host}");
                    assert_eq!(commands[at], value[0], "{host}");
                }
                "write_files" => {
                    let ours = value.as_sequence().unwrap();
                    let (first, added) = list(&with, "write_files").split_at(ours.len());
                    assert_eq!(first, ours, "{host}");
                    assert_eq!(added.len(), if host == "node3" { 0 } else { 3 });
                }
                _ => assert_eq!(&with[key], value, "{host}: {key:?}"),
            }
        }
        let keys = |document: &Value| document.as_mapping().unwrap().len();
        assert_eq!(
            keys(&with) - keys(&before),
            if host == "node3" { 1 } else { 3 },
            "{host}"
        );
    }
    let with = user_data(&site, "node1");
    assert_eq!(with["mounts"][0][5].as_str(), Some("0"));
}

/// Whoever reviews a change sees what is carried out as root, and on whom.
#[test]
fn the_summary_tells_what_is_carried_out_as_root() {
    let site = Site::copy_of("tests/good/cloud-config");
    let run = lxseed(["check", "site", "--summary"])
        .dir(site.parent())
        .run()
        .expect_exit(0);
    for line in [
        "  as root   cloud/node3.yml on node3: writes no file; runs 0 commands\n",
        "  as root   extra.yaml on node1 node2: writes /etc/smartd.conf /etc/sudoers.d/60-backup /etc/issue.net; runs 2 commands\n",
    ] {
        assert!(run.stdout.contains(line), "{run}");
    }
}

/// A change of the file alone is another seed.
#[test]
fn a_file_that_was_changed_makes_its_hosts_out_of_date() {
    let site = Site::copy_of("tests/good/cloud-config");
    let run = |args: &[&str]| lxseed(args).dir(site.parent()).run();
    run(&["build", "site", "-o", "out"]).expect_exit(0);
    run(&["build", "site", "-o", "out", "--check"]).expect_exit(0);
    let path = site.path().join("cloud/node3.yml");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("is up after", "was up after");
    fs::write(path, text).unwrap();
    let check = run(&["build", "site", "-o", "out", "--check"]).expect_exit(3);
    let told = check.stdout + &check.stderr;
    assert!(
        told.contains("node3/user-data") && !told.contains("node1/user-data"),
        "{told}"
    );
}

/// Settings of a host go before what it shares, key by key; the first boot does not wait for a restart to have them.
#[test]
fn settings_of_the_kernel_are_written_and_set_on_the_first_boot() {
    let site = Site::copy_of("tests/good/sysctl");
    let shared = "fs.inotify.max_user_instances = 1048576\nnet.ipv4.tcp_rmem = 4096 87380 16777216\nkernel.sched_rt_runtime_us = -1\n";
    for (host, wanted) in [
        ("node1", format!("vm.swappiness = 10\n{shared}")),
        (
            "node3",
            format!("vm.swappiness = 0\nnet.bridge.bridge-nf-call-iptables = 0\n{shared}"),
        ),
    ] {
        let document = user_data(&site, host);
        let file = list(&document, "write_files").iter();
        let mut file = file.filter(|file| file["path"].as_str() == Some("/etc/sysctl.d/60-lxseed.conf"));
        assert_eq!(
            file.next().unwrap()["content"].as_str(),
            Some(wanted.as_str()),
            "{host}"
        );
        let start = document["runcmd"][0][2].as_str().unwrap();
        assert!(
            start.starts_with("sysctl -q -e -p /etc/sysctl.d/60-lxseed.conf; systemctl daemon-reload"),
            "{start}"
        );
    }
    let without = user_data(&Site::copy_of("tests/mistakes/base/one-cluster"), "node1");
    assert!(!format!("{without:?}").contains("sysctl"));
}
