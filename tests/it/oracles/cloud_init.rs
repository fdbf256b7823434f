//! cloud-init: its own schema (22.4.2, as Debian 12 has it), and the contract with 18.2 that no schema checks.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use super::built::{build, built, hosts};
use crate::support::{Run, root, temp_dir, tool};

#[test]
fn schema_accepts_every_user_data() {
    let Some(schema) = tool("cloud-init-schema") else {
        return;
    };
    let sites = built();
    let files = hosts(&sites).into_iter().map(|host| host.file("user-data"));
    Run::of(Command::new(schema).args(files))
        .expect_exit(0)
        .expect_stdout("");
}

/// An image carries user-data in gzip members, one after the other.
#[test]
fn the_user_data_of_an_image_is_unpacked() {
    let (Some(schema), Some(isoinfo)) = (tool("cloud-init-schema"), tool("isoinfo")) else {
        return;
    };
    let (sites, dir) = (built(), temp_dir());
    let hosts = hosts(&sites);
    let files: Vec<_> = (0..hosts.len()).map(|at| dir.path().join(at.to_string())).collect();
    for (host, file) in hosts.iter().zip(&files) {
        let output = Command::new(&isoinfo)
            .args(["-R", "-x", "/user-data", "-i"])
            .arg(host.file("seed.iso"))
            .output()
            .unwrap();
        fs::write(file, output.stdout).unwrap();
    }
    Run::of(Command::new(schema).args(&files))
        .expect_exit(0)
        .expect_stdout("");
    for (host, file) in hosts.iter().zip(&files) {
        let plain = fs::read(file.with_extension("plain")).unwrap();
        assert!(plain == host.read("user-data"), "{}", host.name);
    }
}

/// What the schema must object to, so that its silence above means something.
const WRONG: [(&str, &str); 7] = [
    ("no header", "\"hostname\": \"a\"\n"),
    (
        "an unknown key in a user",
        "#cloud-config\n\"users\": [{\"name\": \"ops\", \"bogus\": \"1\"}]\n",
    ),
    (
        "an empty list of keys",
        "#cloud-config\n\"users\": [{\"name\": \"ops\", \"ssh_authorized_keys\": []}]\n",
    ),
    (
        "an unquoted mode",
        "#cloud-config\n\"write_files\": [{\"path\": \"/a\", \"permissions\": 0644}]\n",
    ),
    ("a number in a command", "#cloud-config\n\"runcmd\": [[\"sleep\", 5]]\n"),
    (
        "a deprecated key",
        "#cloud-config\n\"chpasswd\": {\"list\": [\"a:b\"]}\n",
    ),
    ("a misspelt module", "#cloud-config\n\"write_file\": []\n"),
];

#[test]
fn schema_is_alive() {
    let Some(schema) = tool("cloud-init-schema") else {
        return;
    };
    let dir = temp_dir();
    let files = WRONG.map(|(what, text)| {
        let path = dir.path().join(what.replace(' ', "-"));
        fs::write(&path, text).unwrap();
        path
    });
    let run = Run::of(Command::new(&schema).args(&files)).expect_exit(1);
    for path in &files {
        let said = format!("{}: ", path.display());
        assert!(run.stdout.contains(&said), "nothing was said about {said}\n{run}");
    }
}

/// A machine whose administrator has a password alone.
#[test]
fn schema_accepts_an_administrator_without_keys() {
    let Some(schema) = tool("cloud-init-schema") else {
        return;
    };
    let sites = [build("tests/good/console-login-alone-allowed")];
    for host in hosts(&sites) {
        let user_data = host.yaml("user-data");
        let user = user_data.get("users").and_then(|users| users.get(0));
        let user = user.unwrap_or_else(|| panic!("{}: no user", host.name));
        assert!(user.get("hashed_passwd").is_some(), "{}", host.name);
        assert_eq!(user.get("ssh_authorized_keys"), None, "{}", host.name);
        Run::of(Command::new(&schema).arg(host.file("user-data")))
            .expect_exit(0)
            .expect_stdout("");
    }
}

/// Where the Python packages of cloud-init lie: beside its wrapper.
fn packages(schema: &Path) -> PathBuf {
    let top = schema.canonicalize().unwrap().ancestors().nth(2).unwrap().to_owned();
    top.join("root/usr/lib/python3/dist-packages")
}

/// Every zone that `check` takes is one that cloud-init finds, and it is the machine's then.
#[test]
fn a_time_zone_is_set() {
    let (Some(schema), Some(unshare)) = (tool("cloud-init-schema"), tool("unshare")) else {
        return;
    };
    for (site, zone) in [
        ("tests/good/services", "Europe/Berlin"),
        ("tests/good/services-otherwise", "America/Argentina/ComodRivadavia"),
    ] {
        let sites = [build(site)];
        let etc = temp_dir();
        Run::of(
            Command::new(&unshare)
                .args(["--map-root-user", "--mount", "sh", "-euc"])
                .arg(
                    "mount -t tmpfs none /run
                    mount --bind \"$1\" /etc
                    exec /usr/bin/python3 \"$2\" \"$3\"",
                )
                .arg("sh")
                .arg(etc.path())
                .arg(root().join("tests/oracles/cloud_init_place.py"))
                .arg(hosts(&sites)[0].file("user-data"))
                .env("PYTHONPATH", packages(&schema))
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        )
        .expect_exit(0);
        assert_eq!(
            fs::read_to_string(etc.path().join("timezone")).unwrap(),
            format!("{zone}\n")
        );
        let link = fs::read_link(etc.path().join("localtime")).unwrap();
        assert_eq!(link, Path::new("/usr/share/zoneinfo").join(zone));
    }
}

/// cloud-init opens a file, writes it and only then sets its mode, in 18.2 as in 23.1.2: what closes a key for that
/// instant is its folder.
#[test]
fn a_key_lies_in_a_closed_folder_when_it_is_written() {
    let (Some(schema), Some(unshare)) = (tool("cloud-init-schema"), tool("unshare")) else {
        return;
    };
    let packages = packages(&schema);
    let sites = [build("profiles")];
    for host in hosts(&sites) {
        let etc = temp_dir();
        for name in ["passwd", "group"] {
            fs::copy(Path::new("/etc").join(name), etc.path().join(name)).unwrap();
        }
        let run = Run::of(
            Command::new(&unshare)
                .args(["--map-root-user", "--mount", "--uts", "sh", "-euc"])
                .arg(
                    "for at in /usr/local /var/lib /run; do mount -t tmpfs none $at; done
                    mount --bind \"$1\" /etc
                    exec /usr/bin/python3 \"$2\" \"$3\"",
                )
                .arg("sh")
                .arg(etc.path())
                .arg(root().join("tests/oracles/cloud_init_plants.py"))
                .arg(host.file("user-data"))
                .env("PYTHONPATH", &packages)
                .env("PYTHONDONTWRITEBYTECODE", "1"),
        )
        .expect_exit(0);
        let keys: Vec<&str> = run.stdout.lines().collect();
        assert!(
            keys.contains(&"/etc/lxseed/tls/server.key 0644 0700"),
            "{}: {run}",
            host.name
        );
        for key in keys {
            assert!(key.ends_with(" 0700"), "{}: {key}", host.name);
        }
        let mode = |name: &str| {
            let meta = fs::metadata(etc.path().join("lxseed").join(name)).unwrap();
            meta.permissions().mode() & 0o7777
        };
        assert_eq!(mode("tls/server.key"), 0o600, "{}", host.name);
        assert_eq!(mode("tls"), 0o700, "{}", host.name);
        assert_eq!(mode("."), 0o755, "{}", host.name);
    }
}

/// 18.2 takes user-data for cloud-config only by its first line, ignores it after a byte order mark, and its PyYAML
/// fails on tabs, control characters and anything beyond the Basic Multilingual Plane, even in a comment.
#[test]
fn every_seed_file_is_plain_ascii() {
    let sites = built();
    for host in hosts(&sites) {
        for name in ["user-data", "meta-data", "network-config", "lxd-preseed.yaml"] {
            let bytes = host.read(name);
            let odd = bytes.iter().position(|byte| !matches!(byte, b'\n' | 0x20..=0x7e));
            assert!(
                odd.is_none(),
                "{}/{name}: byte {odd:?} is not printable ASCII",
                host.name
            );
            assert_eq!(bytes.last(), Some(&b'\n'), "{}/{name} ends in a line break", host.name);
        }
        let user_data = host.read("user-data");
        assert!(
            user_data.starts_with(b"#cloud-config\n"),
            "{}: the first line",
            host.name
        );
    }
}

/// Seeds are found by ds-identify only if both files are there, and an instance-id that is not text or empty makes 18.2
/// fail at the second boot.
#[test]
fn meta_data_names_each_machine_once() {
    let sites = built();
    let mut ids = BTreeSet::new();
    for host in hosts(&sites) {
        let meta_data = host.yaml("meta-data");
        assert_eq!(meta_data.get("lxseed-host"), Some(&Value::from(host.name.as_str())));
        let Some(Value::String(id)) = meta_data.get("instance-id") else {
            panic!("{}: no instance-id that is text", host.name);
        };
        assert!(
            !id.is_empty() && ids.insert(id.clone()),
            "{}: instance-id {id:?}",
            host.name
        );
    }
}

/// 18.2 writes files before users exist (any other owner ends the module) and takes a bare number as a decimal mode.
#[test]
fn files_are_roots_and_modes_are_octal_text() {
    let sites = built();
    for host in hosts(&sites) {
        let mut paths = BTreeSet::new();
        for file in host.write_files() {
            let what = format!("{}: {}", host.name, file.path);
            assert_eq!(file.owner, "root:root", "{what}");
            assert!(file.path.starts_with('/'), "{what}");
            assert!(
                file.permissions.len() == 4 && u32::from_str_radix(&file.permissions, 8).is_ok(),
                "{what}"
            );
            if file.content.windows(11).any(|bytes| bytes == b"PRIVATE KEY") {
                assert_eq!(file.permissions, "0600", "{what}");
            }
            assert!(paths.insert(file.path), "{what} is written twice");
        }
    }
}

/// Either way cloud-init keeps a note of the name that it set, which it does not wait for to be on the disk; 18.2 to
/// 22.4.2 die at every boot after a power cut that leaves the note empty.
#[test]
fn cloud_init_does_not_set_the_name() {
    let sites = built();
    for host in hosts(&sites) {
        assert_eq!(host.yaml("meta-data").get("local-hostname"), None);
        let user_data = host.yaml("user-data");
        assert_eq!(user_data.get("preserve_hostname"), Some(&Value::from(true)));
        let said = host.read("user-data");
        assert!(
            said.starts_with(b"#cloud-config\n\"preserve_hostname\": true\n"),
            "a file that is cut off must not lack it"
        );
    }
}

/// Keys that 18.2 does not know, or that mean something else to it (facts: `defer` is ignored, `append` came with 18.5,
/// `lxd` installs the deb, an explicit list of users is needed or `ubuntu` is made).
#[test]
fn nothing_is_used_that_18_2_lacks() {
    let sites = built();
    for host in hosts(&sites) {
        let user_data = host.yaml("user-data");
        for key in [
            "lxd",
            "chpasswd",
            "network",
            "ubuntu_advantage",
            "snap",
            "wireguard",
            "autoinstall",
        ] {
            assert!(user_data.get(key).is_none(), "{}: top-level {key}", host.name);
        }
        assert!(
            matches!(user_data.get("users"), Some(Value::Sequence(users)) if !users.is_empty()),
            "{}",
            host.name
        );
        for item in user_data.get("write_files").and_then(Value::as_sequence).unwrap() {
            assert!(
                item.get("defer").is_none() && item.get("append").is_none(),
                "{}",
                host.name
            );
        }
        // One entry that is no text or list of text, and 18.2 runs no command at all.
        for key in ["runcmd", "bootcmd"] {
            for command in user_data.get(key).and_then(Value::as_sequence).into_iter().flatten() {
                let plain = match command {
                    Value::String(_) => true,
                    Value::Sequence(words) => words.iter().all(Value::is_string),
                    _ => false,
                };
                assert!(plain, "{}: {key} has {command:?}", host.name);
            }
        }
    }
}

/// The folders of a machine that `bootcmd` looks into.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// One to which cloud-init has given the instance `i-2`, and each of whose modules has run for that instance
    /// already.
    fn new() -> Self {
        let machine = Self { dir: temp_dir() };
        for name in MODULES.iter().chain(&["mounts"]) {
            machine.write(&format!("var/lib/cloud/instance/sem/config_{name}"), "");
        }
        machine.write("var/lib/cloud/data/instance-id", "i-2\n");
        machine.write("etc/hostname", "old\n");
        machine.write("var/lib/lxseed/other", "");
        machine.write("bin/hostname", "#!/bin/sh\necho \"$1\" >\"${0%/bin/*}/name\"\n");
        let program = machine.dir.path().join("bin/hostname");
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The entry of `bootcmd` that looks for the seal, with this machine's folders in place of the real ones, twice: a
    /// boot after a boot.
    fn boot(&self, user_data: &Value) {
        let top = self.dir.path().to_str().unwrap();
        let mut entries = user_data["bootcmd"].as_sequence().unwrap().iter();
        let words = entries
            .find(|words| words[2].as_str().is_some_and(|text| text.contains("lxseed/sealed")))
            .and_then(Value::as_sequence)
            .unwrap();
        let words: Vec<String> = words
            .iter()
            .map(|word| word.as_str().unwrap())
            .map(|word| word.replace("/var/", &format!("{top}/var/")))
            .map(|word| word.replace("/etc/", &format!("{top}/etc/")))
            .collect();
        for _ in 0..2 {
            Run::of(
                Command::new(&words[0])
                    .args(&words[1..])
                    .env("PATH", format!("{top}/bin:/usr/bin:/bin")),
            )
            .expect_exit(0)
            .expect_stderr("");
        }
    }

    /// The name in /etc/hostname and the kernel's, and what will not run again.
    fn state(&self) -> (String, Option<String>, Vec<String>) {
        let read = |path: &str| fs::read_to_string(self.dir.path().join(path)).ok();
        let sem = self.dir.path().join("var/lib/cloud/instance/sem");
        let mut passed_over: Vec<String> = fs::read_dir(sem)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.trim_start_matches("config_").to_owned())
            .filter(|name| name != "mounts")
            .collect();
        passed_over.sort();
        (read("etc/hostname").unwrap(), read("name"), passed_over)
    }
}

/// What is planted, in the words of the semaphores, in order.
const MODULES: [&str; 5] = ["runcmd", "scripts_user", "ssh", "users_groups", "write_files"];

/// A power cut may leave anything that was planted empty, so it is planted at every boot until this very seed has been
/// carried out; and a seed that was meant for another machine takes neither name nor accounts from a member.
#[test]
fn a_boot_plants_anew_until_this_instance_is_sealed() {
    let sites = built();
    let host = hosts(&sites).into_iter().find(|host| host.name == "node2").unwrap();
    let user_data = host.yaml("user-data");
    let new = ("node2\n", Some("node2\n"), &MODULES[..0]);
    let sealed = ("old\n", None, &MODULES[..]);
    let others = ("old\n", None, &["ssh", "users_groups"][..]);
    let own = "node2\t192.168.10.12\tlab\t0123456789abcdef\n";
    let cases = [
        ("a first boot", "i-2\n", None, None, new),
        ("sealed", "i-2\n", Some("i-2\n"), Some(own), sealed),
        (
            "sealed, before members were noted",
            "i-2\n",
            Some("i-2\n"),
            None,
            sealed,
        ),
        ("a member, not yet sealed", "i-2\n", None, Some(own), new),
        ("a new seed of a member", "i-2\n", Some("i-1\n"), Some(own), new),
        ("one that begins alike", "i-2\n", Some("i-23\n"), Some(own), new),
        (
            "a member at another address",
            "i-2\n",
            None,
            Some("node2\t10.0.0.9\tlab\t-\n"),
            new,
        ),
        (
            "another host's seed",
            "i-2\n",
            Some("i-1\n"),
            Some("node1\t10.0.0.1\tlab\t-\n"),
            others,
        ),
        (
            "the same in a first boot",
            "i-2\n",
            None,
            Some("node1\t10.0.0.1\tlab\t-\n"),
            others,
        ),
        (
            "another cluster's seed",
            "i-2\n",
            Some("i-1\n"),
            Some("node2\t10.0.0.1\track\t-\n"),
            others,
        ),
        (
            "another host's seed, sealed",
            "i-2\n",
            Some("i-2\n"),
            Some("node1\t10.0.0.1\tlab\t-\n"),
            sealed,
        ),
        ("a seal emptied by a power cut", "i-2\n", Some(""), Some(own), new),
        ("two files emptied by a power cut", "", Some(""), Some(own), new),
        ("three of them", "", Some(""), Some(""), new),
    ];
    for (what, instance, sealed, formed, (file, kernel, passed_over)) in cases {
        let machine = Machine::new();
        machine.write("var/lib/cloud/data/instance-id", instance);
        for (name, text) in [("sealed", sealed), ("formed", formed)] {
            if let Some(text) = text {
                machine.write(&format!("var/lib/lxseed/{name}"), text);
            }
        }
        machine.boot(&user_data);
        let (is_file, is_kernel, is_passed_over) = machine.state();
        assert_eq!(is_file, file, "{what}");
        assert_eq!(is_kernel.as_deref(), kernel, "{what}");
        assert_eq!(is_passed_over, passed_over, "{what}");
    }
    // Nothing at all of lxseed's or cloud-init's is there.
    let machine = Machine::new();
    fs::remove_dir_all(machine.dir.path().join("var/lib/lxseed")).unwrap();
    fs::remove_dir_all(machine.dir.path().join("var/lib/cloud/data")).unwrap();
    machine.boot(&user_data);
    assert_eq!(machine.state().0, "node2\n");
    // The first boot of a member with another host's seed: the modules have not run for this instance.
    let machine = Machine::new();
    fs::remove_dir_all(machine.dir.path().join("var/lib/cloud/instance/sem")).unwrap();
    machine.write("var/lib/lxseed/formed", "node1\t10.0.0.1\tlab\t-\n");
    machine.boot(&user_data);
    assert_eq!(machine.state().2, ["ssh", "users_groups"]);
}

/// apt itself reads what it is given of a proxy, behind what an installer has left.
#[test]
fn apt_takes_the_proxy_and_the_exceptions() {
    let Some(apt) = tool("apt-config") else {
        return;
    };
    let (sites, dir) = ([build("tests/good/proxy")], temp_dir());
    let user_data: Value = serde_yaml::from_slice(&hosts(&sites)[0].read("user-data")).unwrap();
    let written = user_data["write_files"].as_sequence().unwrap().iter();
    let mut files = written.filter(|file| file["path"] == "/etc/apt/apt.conf");
    let conf = dir.path().join("apt.conf");
    fs::write(&conf, files.next().unwrap()["content"].as_str().unwrap()).unwrap();
    let dump = Run::of(Command::new(apt).arg("-c").arg(&conf).arg("dump")).expect_exit(0);
    for line in [
        "Acquire::http::Proxy \"http://192.168.10.1:3128\";",
        "Acquire::https::Proxy \"http://192.168.10.1:3128\";",
        "Acquire::http::Proxy::mirror.lab.internal \"DIRECT\";",
        "Acquire::https::Proxy::192.168.10.2 \"DIRECT\";",
    ] {
        assert!(dump.stdout.contains(line), "{dump}");
    }
}
