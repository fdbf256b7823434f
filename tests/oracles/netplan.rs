//! netplan: Debian's generator for every network-config, and bionic's own table of keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_yaml::{Mapping, Value};

use crate::built::{built, hosts};
use crate::support::{Run, temp_dir, tool};

/// What netplan generates below `dir` from one NoCloud network-config.
///
/// NoCloud's file is the bare document; cloud-init puts it below `network:` into a file of /etc/netplan.
fn generate(netplan: &Path, dir: &Path, network_config: &[u8]) -> Run {
    let text = std::str::from_utf8(network_config).unwrap();
    let folder = dir.join("etc/netplan");
    fs::create_dir_all(&folder).unwrap();
    let wrapped = text.lines().fold("network:\n".to_owned(), |wrapped, line| {
        format!("{wrapped}  {line}\n")
    });
    let file = folder.join("50-cloud-init.yaml");
    fs::write(&file, wrapped).unwrap();
    // Later netplans warn of any other mode.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    Run::of(Command::new(netplan).arg(dir))
}

/// The text of all networkd files below `dir`.
fn networkd(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir.join("run/systemd/network")).unwrap() {
        text.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    text
}

fn mapping<'a>(value: Option<&'a Value>, what: &str) -> &'a Mapping {
    value
        .and_then(Value::as_mapping)
        .unwrap_or_else(|| panic!("{what} is no mapping: {value:?}"))
}

fn text<'a>(value: Option<&'a Value>, what: &str) -> &'a str {
    value
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{what} is no text: {value:?}"))
}

#[test]
fn netplan_makes_of_every_network_config_what_was_meant() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    let sites = built();
    for host in hosts(&sites) {
        let dir = temp_dir();
        let run = generate(&netplan, dir.path(), &host.read("network-config")).expect_exit(0);
        // 0.36 knows no other way to say it: a default route needs 0.103, and netplan since then warns of these keys.
        let said: Vec<&str> = run
            .stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        for line in said {
            let known = line.contains("`gateway4` has been deprecated")
                || line.contains("`gateway6` has been deprecated")
                || line.starts_with("See the 'Default routes'");
            assert!(known, "{}: netplan says {line:?}", host.name);
        }
        let generated = networkd(dir.path());
        let config = host.yaml("network-config");
        for (name, device) in mapping(config.get("ethernets"), "ethernets") {
            let what = format!("{}: {name:?}", host.name);
            let mac = text(
                device
                    .get("match")
                    .and_then(|found| found.get("macaddress")),
                &what,
            );
            assert!(
                generated.contains(&format!("MACAddress={mac}\n")),
                "{what}: {mac} is not in\n{generated}"
            );
            let addresses = device.get("addresses").and_then(Value::as_sequence);
            assert!(
                addresses.is_some_and(|addresses| !addresses.is_empty()),
                "{what}: no address"
            );
            for address in addresses.into_iter().flatten() {
                let address = text(Some(address), &what);
                assert!(
                    generated.contains(&format!("Address={address}\n")),
                    "{what}: {address} is not in\n{generated}"
                );
            }
        }
    }
}

/// The keys that netplan 0.36.1 knows, which is what 18.04 came with. Anything else is fatal there, since cloud-init
/// hands a version 2 document through as it is.
#[test]
fn only_keys_of_netplan_0_36_are_used() {
    const TOP: &[&str] = &["version", "renderer", "ethernets"];
    const ETHERNET: &[&str] = &[
        "accept-ra",
        "addresses",
        "dhcp-identifier",
        "dhcp4",
        "dhcp6",
        "gateway4",
        "gateway6",
        "macaddress",
        "match",
        "mtu",
        "nameservers",
        "optional",
        "renderer",
        "routes",
        "routing-policy",
        "set-name",
        "wakeonlan",
    ];
    const MATCH: &[&str] = &["driver", "macaddress", "name"];
    const NAMESERVERS: &[&str] = &["addresses", "search"];
    let within = |value: Option<&Value>, known: &[&str], what: &str| {
        for key in mapping(value, what).keys() {
            let key = text(Some(key), what);
            assert!(
                known.contains(&key),
                "{what}: netplan 0.36 has no key {key:?}"
            );
        }
    };
    let sites = built();
    for host in hosts(&sites) {
        let config = host.yaml("network-config");
        within(Some(&config), TOP, &host.name);
        // Any other version, or one in quotes, crashes 18.2 before there is a network.
        assert_eq!(
            config.get("version"),
            Some(&Value::from(2)),
            "{}",
            host.name
        );
        for device in mapping(config.get("ethernets"), "ethernets").values() {
            within(Some(device), ETHERNET, &host.name);
            within(device.get("match"), MATCH, &host.name);
            if device.get("nameservers").is_some() {
                within(device.get("nameservers"), NAMESERVERS, &host.name);
            }
            for route in device
                .get("routes")
                .and_then(Value::as_sequence)
                .into_iter()
                .flatten()
            {
                assert_ne!(
                    route.get("to"),
                    Some(&Value::from("default")),
                    "{}: needs netplan 0.103",
                    host.name
                );
            }
        }
    }
}

#[test]
fn netplan_is_alive() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    for (what, text) in [
        (
            "an unknown key",
            "version: 2\nethernets: {nic0: {bogus: 1}}\n",
        ),
        (
            "an address without a prefix length",
            "version: 2\nethernets: {nic0: {addresses: [192.168.10.11]}}\n",
        ),
        // What PyYAML and then netplan make of 52:54:00:12:34:56 without quotes.
        (
            "a MAC that became a number",
            "version: 2\nethernets: {nic0: {match: {macaddress: 41135085296}}}\n",
        ),
    ] {
        let dir = temp_dir();
        let run = generate(&netplan, dir.path(), text.as_bytes());
        assert!(
            run.code != 0 && !run.stderr.is_empty(),
            "{what} was accepted:\n{run}"
        );
    }
}
