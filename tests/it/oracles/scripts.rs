//! Scripts: shellcheck and the shells themselves, on the files of the tree and on what user-data carries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;
use serde::Deserialize as _;
use serde_yaml::Value;
use walkdir::WalkDir;

use super::built::{Host, build, built, hosts, unpacked};
use crate::support::{Run, assert_same_text, root, temp_dir, tool, tool_of_root};

/// The shell that a file's first line asks for, if it is a script.
fn shell_of(content: &[u8]) -> Option<&'static str> {
    let first = content.split(|byte| *byte == b'\n').next()?;
    let first = std::str::from_utf8(first).ok()?.strip_prefix("#!")?.trim();
    let program = first
        .split([' ', '/'])
        .rfind(|word| !word.is_empty() && !word.starts_with('-'))?;
    match program {
        "bash" => Some("bash"),
        "sh" | "dash" => Some("sh"),
        other => panic!("a script for {other:?}, which no test knows"),
    }
}

/// Every script of one host, by the name it is written under: the tree's files, what user-data carries, and the
/// commands that cloud-init itself hands to a shell.
fn scripts_of(host: &Host) -> BTreeMap<String, Vec<u8>> {
    let mut scripts = BTreeMap::new();
    for entry in fs::read_dir(&host.path).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        if shell_of(&content).is_some() {
            scripts.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), content);
        }
    }
    for file in host.write_files() {
        if shell_of(&file.content).is_some() {
            scripts.insert(format!("user-data:{}", file.path), file.content);
        }
    }
    let user_data = host.yaml("user-data");
    for key in ["bootcmd", "runcmd"] {
        for (at, command) in user_data
            .get(key)
            .and_then(Value::as_sequence)
            .into_iter()
            .flatten()
            .enumerate()
        {
            // A text, or the words of `sh -c TEXT`.
            let words = command.as_sequence();
            let text = match words.map(|words| (words[0].as_str(), words.get(2))) {
                Some((Some("sh"), text)) => text.and_then(Value::as_str),
                _ => command.as_str(),
            };
            if let Some(text) = text {
                scripts.insert(
                    format!("user-data:{key}[{at}]"),
                    format!("#!/bin/sh\n{text}\n").into_bytes(),
                );
            }
        }
    }
    scripts
}

/// Writes the scripts of all hosts below `dir`, one copy of each different text, and returns them with their shell.
fn collect(dir: &Path, hosts: &[Host]) -> Vec<(PathBuf, &'static str)> {
    let mut seen = BTreeMap::new();
    for host in hosts {
        for (name, content) in scripts_of(host) {
            seen.entry(content)
                .or_insert_with(|| format!("{}:{}", host.name, name.replace('/', "_")));
        }
    }
    seen.into_iter()
        .map(|(content, name)| {
            let path = dir.join(name);
            fs::write(&path, &content).unwrap();
            (path, shell_of(&content).unwrap())
        })
        .collect()
}

/// shellcheck's verdict on one script, in the dialect of its shell, at the strictest level.
fn shellcheck(program: &Path, script: &Path, shell: &str, leave_out: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(["--norc", "--severity=style", "--format=gcc", "-s", shell]);
    command.args(leave_out.iter().map(|code| format!("--exclude={code}")));
    Run::of(command.arg(script))
}

/// Whether the shell itself can parse it. Bionic's /bin/sh is dash.
fn parse(shell: &str, script: &Path) -> Run {
    Run::of(
        Command::new(if shell == "sh" { "dash" } else { shell })
            .arg("-n")
            .arg(script),
    )
}

#[test]
fn shellcheck_and_the_shells_accept_every_script_that_ships() {
    let (Some(program), Some(_), Some(_)) = (tool("shellcheck"), tool("bash"), tool("dash")) else {
        return;
    };
    let (site, dir) = ([build("profiles")], temp_dir());
    let scripts = collect(dir.path(), &hosts(&site));
    assert!(!scripts.is_empty(), "no script was found");
    let (mut whole, mut unseen) = (BTreeSet::new(), Vec::new());
    for (script, _) in &scripts {
        // What a machine gets is what stands in the tree (see [`user_data_carries_the_files_beside_it`]), without the
        // comments that shellcheck is told exceptions by. Below their variables the scripts of all hosts are one
        // (see [`scripts_differ_in_their_variables_only`]), for which shellcheck takes half a minute.
        let text = fs::read_to_string(script).unwrap();
        let below = text[variables(&text).len()..].to_owned();
        if !script.to_string_lossy().contains("user-data:_") && whole.insert(below) {
            unseen.push(script);
        }
    }
    scripts.par_iter().for_each(|(script, shell)| {
        if unseen.contains(&script) {
            shellcheck(&program, script, shell, &[])
                .expect_exit(0)
                .expect_stdout("");
        }
        parse(shell, script).expect_exit(0).expect_stderr("");
    });
}

/// What the desk runs on a machine over ssh is no file of a seed.
#[test]
fn shellcheck_and_dash_accept_what_the_desk_runs() {
    let (Some(program), Some(_)) = (tool("shellcheck"), tool("dash")) else {
        return;
    };
    let mut found = 0;
    let (desk, packages) = (root().join("templates/desk"), temp_dir());
    // Beside the first boot; its values stand above it.
    let constant = fs::read_to_string(root().join("templates/packages/packages.sh")).unwrap();
    let whole = format!("#!/bin/sh\nUPGRADE='yes'\nPACKAGES='htop'\n{constant}");
    fs::write(packages.path().join("packages.sh"), whole).unwrap();
    let folders = [desk.as_path(), packages.path()];
    for entry in folders.into_iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let script = entry.unwrap().path();
        shellcheck(&program, &script, "sh", &[])
            .expect_exit(0)
            .expect_stdout("");
        parse("sh", &script).expect_exit(0).expect_stderr("");
        found += 1;
    }
    assert!(found > 0);
}

/// The parts of a script share one set of names, and the later of two functions would take the earlier one's place:
/// `erase` means a disk in one part.
#[test]
fn no_function_of_a_script_is_defined_twice() {
    let (site, dir) = ([build("profiles")], temp_dir());
    let mut functions = 0;
    for (script, _) in collect(dir.path(), &hosts(&site)) {
        let text = fs::read_to_string(&script).unwrap();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            let Some((name, _)) = line.split_once("() {") else {
                continue;
            };
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if is_name {
                functions += 1;
                assert!(seen.insert(name), "{}: {name} twice", script.display());
            }
        }
    }
    assert!(functions > 100, "{functions} functions");
}

/// Below their variables these scripts are the ones above (see [`scripts_differ_in_their_variables_only`]), so
/// shellcheck is spared that part. SC2034 says that the rest does not use them.
#[test]
fn shellcheck_and_the_shells_accept_awkward_values() {
    let (Some(program), Some(_), Some(_)) = (tool("shellcheck"), tool("bash"), tool("dash")) else {
        return;
    };
    let (site, dir) = ([build("tests/oracles/nasty")], temp_dir());
    for (script, shell) in collect(dir.path(), &hosts(&site)) {
        parse(shell, &script).expect_exit(0).expect_stderr("");
        let block = variables(&fs::read_to_string(&script).unwrap());
        fs::write(&script, block).unwrap();
        shellcheck(&program, &script, shell, &["SC2034"])
            .expect_exit(0)
            .expect_stdout("");
    }
}

/// The block of variables at a script's top: everything before the first line that does something.
fn variables(script: &str) -> String {
    let of_block = |line: &&str| {
        let name = line.split('=').next().unwrap();
        let assigns = line.contains('=') && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        line.is_empty() || line.starts_with('#') || line.starts_with("set -") || assigns
    };
    script
        .lines()
        .take_while(of_block)
        .fold(String::new(), |block, line| block + line + "\n")
}

/// What is written once for all machines can be reviewed and tested once for all machines.
#[test]
fn scripts_differ_in_their_variables_only() {
    let sites = built();
    let mut constant: BTreeMap<String, String> = BTreeMap::new();
    for host in hosts(&sites) {
        for (name, content) in scripts_of(&host).into_iter().filter(|(name, _)| !name.contains(':')) {
            let script = String::from_utf8(content).unwrap();
            let below = script[variables(&script).len()..].to_owned();
            assert!(!below.is_empty(), "{}: {name} is nothing but variables", host.name);
            let first = constant.entry(name.clone()).or_insert_with(|| below.clone());
            assert_same_text(&format!("{}: {name} below its variables", host.name), first, &below);
        }
    }
    assert!(!constant.is_empty(), "no script was found");
}

/// Every text of a profile that names a disk reaches bash as it was written, and nothing in it is carried out.
#[test]
fn bash_reads_the_values_that_were_written() {
    let Some(bash) = tool("bash") else { return };
    let (site, dir) = ([build("tests/oracles/nasty")], temp_dir());
    let mut seen = Vec::new();
    for host in hosts(&site) {
        let script = String::from_utf8(host.read("lxseed-firstboot")).unwrap();
        let show = format!("{}printf '%s\\n' \"$HOST\" \"${{SLOT_VALUES[@]}}\"", variables(&script));
        let run = Run::of(Command::new(&bash).args(["-c", &show]).current_dir(dir.path()))
            .expect_exit(0)
            .expect_stderr("");
        let (name, values) = run.stdout.split_once('\n').unwrap();
        assert_eq!(name, host.name);
        seen.extend(values.lines().map(ToOwned::to_owned));
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "something in a value was carried out"
    );
    let mut written = Vec::new();
    for entry in WalkDir::new(root().join("tests/oracles/nasty")) {
        let path = entry.unwrap().into_path();
        if path.is_file() {
            for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(path).unwrap()) {
                disk_ids(&Value::deserialize(document).unwrap(), &mut written);
            }
        }
    }
    for id in &written {
        assert!(seen.contains(id), "{id:?} is in no script; these are: {seen:#?}");
    }
    assert!(
        // What a shell would expand is in no disk's name or number (D003); src/shell.rs tests its quotes with the rest.
        written.iter().any(|id| id.contains("#")),
        "the site has no awkward value"
    );
}

/// Every value by which a profile finds a disk.
fn disk_ids(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Sequence(items) => items.iter().for_each(|item| disk_ids(item, found)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value.as_str()) {
                    (Some("by_id" | "serial" | "wwn" | "by_path" | "hctl"), Some(id)) => found.push(id.to_owned()),
                    _ => disk_ids(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Puts Python's own view of them in the place of the programs within a script.
const PROGRAMS: &str = r#"
import ast, re, sys
print(re.sub(r"(<<'PY'[^\n]*\n)(.*?\n)(PY\n)", lambda found: found[1] + ast.dump(ast.parse(found[2])) + "\n" + found[3],
             open(sys.argv[1]).read(), flags=re.S))
"#;

/// Bash's own view of a script, and Python's of the programs in it, in which comments are none.
fn without_comments(bash: &Path, python: &Path, script: &[u8]) -> Vec<String> {
    let dir = temp_dir();
    let path = dir.path().join("script");
    fs::write(&path, script).unwrap();
    let run = Run::of(Command::new(bash).arg("--pretty-print").arg(path))
        .expect_exit(0)
        .expect_stderr("");
    fs::write(dir.path().join("pretty"), &run.stdout).unwrap();
    let run = Run::of(
        Command::new(python)
            .args(["-c", PROGRAMS])
            .arg(dir.path().join("pretty")),
    )
    .expect_exit(0)
    .expect_stderr("");
    let lines = run.stdout.lines();
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Whether a line is the same, but for a level of indentation within quotes, which is one space on the machine and four
/// for a reader: in a program in Python none may be lost.
fn same_line(carried: &str, beside: &str) -> bool {
    let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
    carried == beside
        || (carried.trim_start_matches(' ') == beside.trim_start_matches(' ') && spaces(carried) == spaces(beside) / 4)
}

/// What a person reads in the tree is what the machine gets: user-data carries the same bytes, and of the script
/// everything but its comments.
#[test]
fn user_data_carries_the_files_beside_it() {
    let (Some(bash), Some(python)) = (tool("bash"), tool("python3")) else {
        return;
    };
    let sites = built();
    for host in hosts(&sites) {
        let carried = host.write_files();
        let mut compared = 0;
        for entry in fs::read_dir(&host.path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if matches!(
                name,
                "user-data" | "meta-data" | "network-config" | "seed.iso" | "preseed.cfg"
            ) {
                continue;
            }
            let content = fs::read(&path).unwrap();
            if shell_of(&content).is_some() {
                continue;
            }
            let same = carried.iter().any(|file| file.content == content);
            assert!(same, "{}: user-data does not carry the bytes of {name}", host.name);
            compared += 1;
        }
        assert!(
            compared >= 2,
            "{}: only {compared} files stand beside user-data",
            host.name
        );
        let scripts = carried.iter().filter(|file| shell_of(&file.content).is_some());
        for script in scripts {
            let name = Path::new(&script.path).file_name().unwrap().to_str().unwrap();
            let beside = host.read(name);
            let carried = without_comments(&bash, &python, &script.content);
            let beside_lines = without_comments(&bash, &python, &beside);
            assert_eq!(
                carried.len(),
                beside_lines.len(),
                "{}: {} is not {name}",
                host.name,
                script.path
            );
            for (ours, beside) in carried.iter().zip(&beside_lines) {
                assert!(
                    same_line(ours, beside),
                    "{}: {}: {ours:?} is not {beside:?}",
                    host.name,
                    script.path
                );
            }
            assert!(
                script.content.len() < beside.len() * 4 / 5,
                "{}: {} has its comments",
                host.name,
                script.path
            );
            assert!(
                script.permissions.starts_with("07"),
                "{}: {} cannot be run",
                host.name,
                script.path
            );
        }
    }
}

#[test]
fn shellcheck_and_the_shells_are_alive() {
    let (Some(program), Some(_), Some(_)) = (tool("shellcheck"), tool("bash"), tool("dash")) else {
        return;
    };
    let dir = temp_dir();
    let path = dir.path().join("script");
    for (text, shell) in [
        ("#!/bin/bash\nrm -rf $1/x\n", "bash"),
        ("#!/bin/sh\nif [[ $1 ]]; then :; fi\n", "sh"),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(shell_of(text.as_bytes()), Some(shell));
        let run = shellcheck(&program, &path, shell, &[]).expect_exit(1);
        assert!(!run.stdout.is_empty(), "{run}");
    }
    for (text, shell) in [("#!/bin/bash\nif true; then\n", "bash"), ("#!/bin/sh\nx=(1 2)\n", "sh")] {
        fs::write(&path, text).unwrap();
        let run = parse(shell, &path).expect_exit(2);
        assert!(!run.stderr.is_empty(), "{run}");
    }
}

/// An LVM physical volume that is all of a volume group's, as its header and its text say it.
fn physical_volume(group: &str, host: &str) -> Vec<u8> {
    const MEMBER: &str = "aaaaaaaabbbbbbbbccccccccdddddddd";
    let text = format!(
        "{group} {{\nid = \"e0e0e0-1111-2222-3333-4444-5555-666666\"\nextent_size = 8192\n}}\n# Generated by LVM2\n\
         contents = \"Text Format Volume Group\"\nversion = 1\ncreation_host = \"{host}\"\t# Linux {host} 4.15.0\n"
    );
    let mut disk = vec![0; 4 << 20];
    let numbers = |numbers: &[u64]| {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
    put(512, b"LABELONE");
    put(512 + 8, &numbers(&[1, 32 << 32]));
    put(512 + 24, b"LVM2 001");
    put(512 + 32, MEMBER.as_bytes());
    // Its size, where its data lies, and where its text does.
    put(512 + 64, &numbers(&[4 << 20, 1 << 20, 0, 0, 0, 4096, 1_044_480, 0, 0]));
    put(4096 + 4, b" LVM2 x[5A%r0N*>");
    put(4096 + 24, &numbers(&[4096, 1_044_480, 512, text.len() as u64]));
    put(4096 + 512, text.as_bytes());
    disk
}

/// Of a zpool, a volume group and a folder LXD has names on record alone, and those are the same on every member: by them the disks of
/// another one would pass for this one's own, and come into the cluster under its name.
#[test]
fn the_pools_of_another_host_are_not_taken_for_this_ones_own() {
    let (Some(bash), Some(mke2fs)) = (tool("bash"), tool_of_root("mke2fs")) else {
        return;
    };
    let (site, dir) = ([build("profiles")], temp_dir());
    let host = hosts(&site)
        .into_iter()
        .find(|host| host.name.ends_with("node1"))
        .unwrap();
    let script = String::from_utf8(host.read("lxseed-firstboot")).unwrap();
    let script = script.replace("SELF=/usr/local/sbin/lxseed-firstboot", "SELF=");
    let run = "set +e; trap - ERR; RUN=. HOST=$1 SLOT_BY[0]=$3 SLOT_DISK=(a '' '')\n\
               look_into() { python3 -IS -c \"$PY_LAYERS\" image >layers || exit 9; }\nnot_as_on_record \"$2\"\n";
    fs::write(dir.path().join("script"), script + "\n" + run).unwrap();
    let image = dir.path().join("image");
    let differs = |name: &str, record: &str, by: &str| {
        let words = ["script", name, record, by];
        let said = Run::of(Command::new(&bash).args(words).current_dir(dir.path())).expect_exit(0);
        said.stdout.trim().to_owned()
    };
    let label = unpacked(&fs::read(root().join("tests/machine/zfs-label.gz")).unwrap());
    let mut zpool = vec![0; 16 << 20];
    for at in [0, 256 << 10, zpool.len() - (512 << 10), zpool.len() - (256 << 10)] {
        zpool[at..at + (256 << 10)].copy_from_slice(&label[..256 << 10]);
    }
    fs::write(&image, zpool).unwrap();
    let of_label = differs("nobody", "data1 zfs data2", "serial");
    assert_eq!(
        of_label, "the pool data1 (zfs data2) is not on its disk",
        "a zpool that another host has used last"
    );
    assert_eq!(differs("vm", "data1 zfs data2", "by_path"), "");
    assert_ne!(differs("vm", "data1 zfs data9", "serial"), "");

    fs::write(&image, physical_volume("data1", "node1")).unwrap();
    assert_eq!(differs("node1", "data1 lvm data1", "by_path"), "");
    assert_ne!(
        differs("node2", "data1 lvm data1", "serial"),
        "",
        "the group of another host"
    );
    assert_ne!(differs("node1", "data1 lvm data", "serial"), "", "another group");

    fs::write(&image, vec![0; 16 << 20]).unwrap();
    assert_ne!(differs("node1", "data1 lvm data1", "serial"), "", "a blank disk");
    Run::of(
        Command::new(&mke2fs)
            .args(["-q", "-F", "-t", "ext4", "-L", "data1"])
            .arg(&image),
    )
    .expect_exit(0);
    let folder = "data1 dir /srv/lxseed/data1/lxd";
    assert_eq!(differs("node1", folder, "serial"), "");
    assert_ne!(
        differs("node1", folder, "by_path"),
        "",
        "a folder on whatever disk is in that place"
    );
    assert_ne!(
        differs("node1", "data1 dir /srv/data1", "serial"),
        "",
        "a folder that lxseed has not made"
    );
    assert_ne!(
        differs("node1", "data9 btrfs 0", "serial"),
        "",
        "a pool that no profile has"
    );
}

/// `lxseed rotate host`: whenever the power goes, LXD starts with one pair, and a second run ends well.
#[test]
fn an_exchange_of_keys_that_is_cut_off_leaves_one_pair() {
    let driver = root().join("tests/oracles/host_keys_cut.sh");
    let run = Run::of(Command::new(driver).arg(root().join("templates/desk/host-keys.sh"))).expect_exit(0);
    let cuts = run.stdout.strip_suffix(" cuts\n").and_then(|cuts| cuts.parse().ok());
    assert!(cuts.is_some_and(|cuts: u32| cuts > 40), "{}", run.stdout);
}
