//! netplan: Debian's generator for every network-config, and bionic's own table of keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_yaml::{Mapping, Value};

use super::built::{Built, Host, build, built, hosts};
use crate::support::{Run, temp_dir, tool};

/// What netplan generates below `dir` from one NoCloud network-config.
///
/// NoCloud's file is the bare document; cloud-init puts it below `network:` into a file of /etc/netplan.
fn generate(netplan: &Path, dir: &Path, network_config: &[u8]) -> Run {
    let text = std::str::from_utf8(network_config).unwrap();
    let folder = dir.join("etc/netplan");
    fs::create_dir_all(&folder).unwrap();
    let wrapped = text
        .lines()
        .fold("network:\n".to_owned(), |wrapped, line| format!("{wrapped}  {line}\n"));
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

/// The sites whose hosts have one card; `networks` looks at all others.
fn one_card() -> [Built; 2] {
    [build("profiles"), build("tests/oracles/nasty")]
}

#[test]
fn netplan_makes_of_every_network_config_what_was_meant() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    let sites = one_card();
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
            let mac = text(device.get("match").and_then(|found| found.get("macaddress")), &what);
            assert!(
                generated.contains(&format!("MACAddress={mac}\n")),
                "{what}: {mac} is not in\n{generated}"
            );
            // It reaches networkd as it is, with the sign that inverts it.
            assert!(
                generated.contains("\nDriver=!802.1Q*\n"),
                "{what}: VLANs fit\n{generated}"
            );
            // Under another name the card would not be found where it cannot be renamed.
            assert!(!generated.contains("\nName="), "{what}: bound to a name\n{generated}");
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
    const TOP: &[&str] = &["version", "renderer", "ethernets", "bonds", "bridges", "vlans"];
    const ANY: &[&str] = &[
        "accept-ra",
        "addresses",
        "dhcp-identifier",
        "dhcp4",
        "dhcp6",
        "gateway4",
        "gateway6",
        "macaddress",
        "mtu",
        "nameservers",
        "optional",
        "renderer",
        "routes",
        "routing-policy",
    ];
    const ETHERNET: &[&str] = &["match", "set-name", "wakeonlan"];
    const BOND: &[&str] = &["interfaces", "parameters"];
    const BRIDGE: &[&str] = BOND;
    const VLAN: &[&str] = &["id", "link"];
    const BOND_PARAMETERS: &[&str] = &[
        "mode",
        "lacp-rate",
        "mii-monitor-interval",
        "min-links",
        "transmit-hash-policy",
        "primary",
    ];
    const BRIDGE_PARAMETERS: &[&str] = &["forward-delay", "stp"];
    const ROUTE: &[&str] = &["from", "metric", "on-link", "scope", "table", "to", "type", "via"];
    const MATCH: &[&str] = &["driver", "macaddress", "name"];
    const NAMESERVERS: &[&str] = &["addresses", "search"];
    let within = |value: Option<&Value>, known: &[&str], what: &str| {
        for key in mapping(value, what).keys() {
            let key = text(Some(key), what);
            assert!(known.contains(&key), "{what}: netplan 0.36 has no key {key:?}");
        }
    };
    let sites = built();
    for host in hosts(&sites) {
        let config = host.yaml("network-config");
        within(Some(&config), TOP, &host.name);
        // Any other version, or one in quotes, crashes 18.2 before there is a network.
        assert_eq!(config.get("version"), Some(&Value::from(2)), "{}", host.name);
        let kinds = [
            ("ethernets", ETHERNET, &[][..]),
            ("bonds", BOND, BOND_PARAMETERS),
            ("bridges", BRIDGE, BRIDGE_PARAMETERS),
            ("vlans", VLAN, &[]),
        ];
        let devices = kinds.into_iter().flat_map(|(kind, own, parameters)| {
            let devices = config.get(kind).and_then(Value::as_mapping).into_iter().flatten();
            devices.map(move |(_, device)| (device, [ANY, own].concat(), parameters))
        });
        for (device, keys, parameters) in devices {
            within(Some(device), &keys, &host.name);
            for (key, known) in [
                ("match", MATCH),
                ("nameservers", NAMESERVERS),
                ("parameters", parameters),
            ] {
                if device.get(key).is_some() {
                    within(device.get(key), known, &host.name);
                }
            }
            for route in device.get("routes").and_then(Value::as_sequence).into_iter().flatten() {
                within(Some(route), ROUTE, &host.name);
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

/// The command of bootcmd that has a file laid beside netplan's, as its words.
fn narrowing(host: &Host) -> Vec<String> {
    let user_data = host.yaml("user-data");
    let commands = user_data.get("bootcmd").and_then(Value::as_sequence);
    let words = commands
        .into_iter()
        .flatten()
        .filter_map(Value::as_sequence)
        .map(|words| words.iter().map(|word| text(Some(word), "a word")));
    words
        .map(|words| words.map(ToOwned::to_owned).collect::<Vec<_>>())
        .find(|words| words.iter().any(|word| word.contains("systemd-networkd")))
        .unwrap_or_else(|| panic!("{}: nothing narrows the match", host.name))
}

/// networkd reads it only under the name of the file that netplan makes, and it must say nothing but what narrows the
/// match.
#[test]
fn what_narrows_the_match_lies_beside_netplans_file() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    let sites = one_card();
    for host in hosts(&sites) {
        let dir = temp_dir();
        generate(&netplan, dir.path(), &host.read("network-config")).expect_exit(0);
        let files: Vec<_> = fs::read_dir(dir.path().join("run/systemd/network"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let [file] = &files[..] else {
            panic!("{}: {files:?}", host.name);
        };
        let words = narrowing(&host);
        let place = format!("file=/etc/systemd/network/{file}.d/lxseed.conf\n");
        assert!(words[2].starts_with(&place), "{}: {words:?}", host.name);
        let config = host.yaml("network-config");
        let card = mapping(config.get("ethernets"), "ethernets").values().next();
        let mac = card
            .and_then(|card| card.get("match"))
            .and_then(|found| found.get("macaddress"));
        assert_eq!(words[4], text(mac, &host.name), "{}", host.name);
        assert_eq!(words[5], "[Match]\nPath=?*", "{}", host.name);
    }
}

/// Cards as the kernel and udev show them to bootcmd: name, hardware address, what udev notes.
type Cards<'a> = &'a [(&'a str, &'a str, &'a str)];

/// What bootcmd leaves below /etc/systemd/network of these files, and how often it has networkd start anew, where there are
/// these cards.
fn narrowed(words: &[String], cards: Cards<'_>, before: Option<&str>, files: &[&str]) -> Option<(Vec<String>, usize)> {
    let unshare = tool("unshare")?;
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("cards")).unwrap();
    for (name, address, notes) in cards {
        let card = at("cards").join(name);
        fs::create_dir_all(&card).unwrap();
        // A card in a bond shows the bond's address first.
        let (shown, own) = address.split_once(' ').unwrap_or((address, ""));
        fs::write(card.join("address"), format!("{shown}\n")).unwrap();
        if !own.is_empty() {
            fs::create_dir(card.join("bonding_slave")).unwrap();
            fs::write(card.join("bonding_slave/perm_hwaddr"), format!("{own}\n")).unwrap();
        }
        fs::write(card.join("notes"), notes).unwrap();
    }
    fs::create_dir(at("bin")).unwrap();
    for (name, script) in [
        (
            "udevadm",
            "[ \"$1 $2\" = \"info --query=property\" ] && cat \"${3#--path=}/notes\"",
        ),
        ("systemctl", "echo \"$*\" >>/etc/restarts"),
    ] {
        fs::write(at("bin").join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(at("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let place = |file: &str| at(&format!("etc/systemd/network/10-netplan-{file}.network.d/lxseed.conf"));
    fs::create_dir_all(at("etc")).unwrap();
    for file in files.iter().filter(|_| before.is_some()) {
        fs::create_dir_all(place(file).parent().unwrap()).unwrap();
        fs::write(place(file), before.unwrap_or_default()).unwrap();
    }
    Run::of(
        Command::new(unshare)
            .args(["--map-root-user", "--mount", "dash", "-euc"])
            .arg(
                "mount -t tmpfs none /sys
                mkdir -p /sys/class/net
                cp -r \"$1/cards/.\" /sys/class/net
                mount --bind \"$1/etc\" /etc
                PATH=$1/bin:/usr/bin:/bin
                shift
                exec \"$@\"",
            )
            .arg("dash")
            .arg(dir.path())
            .args(words),
    )
    .expect_exit(0)
    .expect_stderr("");
    let restarts = fs::read_to_string(at("etc/restarts")).unwrap_or_default();
    assert!(
        restarts.lines().all(|line| line == "try-restart systemd-networkd"),
        "{restarts}"
    );
    let left = files
        .iter()
        .map(|file| fs::read_to_string(place(file)).unwrap_or_default());
    Some((left.collect(), restarts.lines().count()))
}

/// A card in a bond is found by the address that is its own, and each entry gets the place of its own card.
#[test]
fn each_card_of_a_bond_is_narrowed_to_its_place() {
    let sites = [build("tests/oracles/wired")];
    let hosts = hosts(&sites);
    let host = hosts.iter().find(|host| host.name == "node1").unwrap();
    let words = narrowing(host);
    let placed = |path: &str| format!("ID_NET_DRIVER=ixgbe\nID_PATH={path}\nID_PATH_TAG=x\n");
    let (a, b) = ("52:54:00:12:34:56", "52:54:00:12:34:57");
    let [left, right] = ["pci-0000:03:00.0", "pci-0000:03:00.1"].map(placed);
    let text = |path: &str| format!("[Match]\nPath={path}\n");
    let both = vec![text("pci-0000:03:00.0"), text("pci-0000:03:00.1")];
    let enslaved = format!("{a} {b}");
    let first = format!("{a} {a}");
    for (what, cards, before, after) in [
        (
            "before there is a bond",
            vec![("eno1", a, &*left), ("eno2", b, &*right)],
            None,
            (both.clone(), 1),
        ),
        (
            "in the bond, whose address both show, and a VLAN and a bridge on it",
            vec![
                ("bond0", a, "ID_NET_DRIVER=bonding\n"),
                ("br0", a, "ID_NET_DRIVER=bridge\n"),
                ("eno1", &first, &left),
                ("eno2", &enslaved, &right),
                ("vlan12", a, "ID_NET_DRIVER=802.1Q VLAN Support\n"),
            ],
            None,
            (both, 1),
        ),
        (
            "a card in another place than before",
            vec![("eno1", a, &*right)],
            Some("[Match]\nPath=pci-0000:03:00.0\n"),
            (vec![text("pci-0000:03:00.1"), text("pci-0000:03:00.0")], 1),
        ),
        (
            "a later boot, and one card is out",
            vec![("eno1", &*first, &*left)],
            Some("[Match]\nPath=pci-0000:03:00.0\n"),
            (vec![text("pci-0000:03:00.0"); 2], 0),
        ),
        (
            "a card without a place",
            vec![("eno1", a, "")],
            None,
            (vec![String::new(); 2], 0),
        ),
    ] {
        let Some(found) = narrowed(&words, &cards, before, &["link-a", "link-b"]) else {
            return;
        };
        assert_eq!(found, after, "{what}");
    }
}

/// A card that udev knows no place of would fit no more and have no network.
#[test]
fn the_match_is_narrowed_once_and_for_a_card_with_a_place() {
    let sites = [build("profiles")];
    let hosts = hosts(&sites);
    let host = &hosts[0];
    let mac = &narrowing(host)[4];
    let placed = "ID_NET_DRIVER=e1000e\nID_PATH=pci-0000:03:00.0\nID_PATH_TAG=pci-0000_03_00_0\n";
    let text = "[Match]\nPath=?*\n";
    let other = ("eno1", "52:54:00:ff:ff:ff", placed);
    for (what, cards, before, after) in [
        (
            "a card and a VLAN on it",
            &[
                ("eno2", &**mac, placed),
                ("eno2.100", mac, "ID_NET_DRIVER=802.1Q VLAN Support\n"),
                other,
            ][..],
            None,
            (text, 1),
        ),
        (
            "a VLAN that comes before its card",
            &[("a", &**mac, ""), ("eno2", mac, placed)],
            None,
            (text, 1),
        ),
        ("a second boot", &[("eno2", &**mac, placed)], Some(text), (text, 0)),
        (
            "what a power cut leaves",
            &[("eno2", &**mac, placed)],
            Some(""),
            (text, 1),
        ),
        (
            "a card without a place",
            &[("eno2", &**mac, "ID_NET_DRIVER=odd\nID_PATH_TAG=odd\n"), other],
            None,
            ("", 0),
        ),
        ("no card of this address", &[other], None, ("", 0)),
        ("no card at all", &[], None, ("", 0)),
    ] {
        let Some((files, restarts)) = narrowed(&narrowing(host), cards, before, &["lan"]) else {
            return;
        };
        assert_eq!((&*files[0], restarts), after, "{what}");
    }
}

#[test]
fn netplan_is_alive() {
    let Some(netplan) = tool("netplan-generate") else {
        return;
    };
    for (what, text) in [
        ("an unknown key", "version: 2\nethernets: {nic0: {bogus: 1}}\n"),
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
        assert!(run.code != 0 && !run.stderr.is_empty(), "{what} was accepted:\n{run}");
    }
}
