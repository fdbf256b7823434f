//! The layout of the source holds what docs/architecture.md says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `src`, its path relative to it.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&top, &mut files);
    files.sort();
    let texts = files.iter().map(|path| {
        let name = path.strip_prefix(&top).unwrap().to_str().unwrap();
        (name.to_owned(), fs::read_to_string(path).unwrap())
    });
    texts.collect()
}

/// The lines that the program is made of: no comments and no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines().enumerate();
    lines
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// A release is a value in `target/`, and its installer a room of its own. What a profile says in a rule's example
/// names one, too.
#[test]
fn a_release_is_named_in_its_rooms_alone() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("target/") || name.starts_with("installer/debian/") {
            continue;
        }
        for (at, line) in code(&text) {
            let example = line
                .replace("ubuntu: \\\"18.04\\\"", "")
                .replace("\"\\\"18.04\\\"\", \"18.04\"", "");
            if [
                "18.04",
                "bionic",
                "partman",
                "netcfg/",
                "grub-installer",
                "debian-installer/",
            ]
            .iter()
            .any(|word| example.to_lowercase().contains(word))
            {
                found.push(format!("{name}:{at}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The rooms in the order in which data flows, from the ground up: each uses what is before it, none what is after it.
const ROOMS: &[&str] = &[
    "target",
    "budget",
    "encoding",
    "chunks",
    "hex",
    "interrupt",
    "child",
    "foreign",
    "git",
    "shell",
    "trust",
    "model",
    "yaml",
    "snap",
    "source",
    "finding",
    "profile",
    "check",
    "manager",
    "seed",
    "cluster",
    "report",
    "tree",
    "media",
    "installer",
];

#[test]
fn no_room_uses_one_above_it() {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in sources() {
        let room = name.split(['/', '.']).next().unwrap().to_owned();
        if ["commands", "terminal", "main", "cli", "lib", "fuzzing"].contains(&room.as_str()) {
            continue;
        }
        assert!(place(&room).is_some(), "{name}: a room that the list above has not");
        for (_, line) in code(&text) {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
                let used = used.unwrap_or_default();
                if place(used).is_some() && used != room {
                    uses.entry(room.clone()).or_default().insert(used.to_owned());
                }
            }
        }
    }
    for (room, used) in &uses {
        for used in used {
            assert!(place(used) < place(room), "{room} uses {used}, which is above it");
        }
    }
}
