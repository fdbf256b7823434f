//! The README word for word: its three files in an empty folder, then every command in it.

use std::fs;
use std::process::Command;

use crate::support::{Run, lxseed, root, temp_dir, tool};

/// A fenced block: the language behind the fence, and the text.
struct Block {
    language: String,
    /// The last file name in backquotes before the block.
    names: Option<String>,
    text: String,
}

fn blocks() -> Vec<Block> {
    blocks_of("README.md")
}

fn blocks_of(file: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let mut blocks = Vec::new();
    let mut before = String::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let names = before
                    .split('`')
                    .rfind(|word| word.ends_with(".yaml"))
                    .map(str::to_owned);
                open = Some(Block {
                    language: language.to_owned(),
                    names,
                    text: String::new(),
                });
                before.clear();
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => before += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block of {file} is not closed");
    blocks
}

/// Verbs that ask machines, or change what they are.
const ASK_MACHINES: [&str; 10] = [
    "status", "verify", "admit", "return", "retire", "rotate", "plan", "apply", "rescue", "upgrade",
];

#[test]
fn a_newcomer_gets_through_it_in_an_empty_folder() {
    let dir = temp_dir();
    let mut files = 0;
    for block in blocks()
        .iter()
        .filter(|block| block.language == "yaml" && block.names.is_some())
    {
        let path = dir
            .path()
            .join(block.names.as_ref().expect("a file is named before its text"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &block.text).unwrap();
        files += 1;
    }
    assert_eq!(files, 3, "the README promises three files");

    let mut ran = 0;
    for line in blocks()
        .iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| block.text.lines())
    {
        let command = line.split(" #").next().unwrap().trim();
        // This very run is `tests/run`.
        if command.is_empty() || command == "tests/run" {
            continue;
        }
        let args = command
            .strip_prefix("cargo run --release -- ")
            .or_else(|| command.strip_prefix("lxseed "))
            .unwrap_or_else(|| panic!("no test runs `{command}`"));
        // Of those that ask machines, only that they are there.
        let verb = args.split_whitespace().next().unwrap();
        let args = match ASK_MACHINES.contains(&verb) {
            true => format!("{verb} --help"),
            false => args.to_owned(),
        };
        let run = lxseed(args.split_whitespace())
            .dir(dir.path())
            .without_secret()
            .run()
            .expect_exit(0);
        // There is nothing to show when nothing differs.
        assert_eq!(run.stdout.is_empty(), command.contains(" diff "), "{run}");
        ran += 1;
    }
    assert!(ran >= 6, "only {ran} commands of the README were run");
    for file in [
        "manifest.json",
        "SHA256SUMS",
        "lab/known_hosts",
        "lab/cluster.crt",
        "lab/node2/user-data",
    ] {
        assert!(dir.path().join("out").join(file).is_file(), "{file} is not there");
    }
}

#[test]
fn the_rack_of_the_docs_is_checked_built_and_shown() {
    let dir = temp_dir();
    let site = dir.path().join("rack");
    fs::create_dir_all(site.join("hosts")).unwrap();
    fs::create_dir_all(site.join("disks")).unwrap();
    fs::copy(
        root().join("profiles/rack/disks/seven-bays.yaml"),
        site.join("disks/seven-bays.yaml"),
    )
    .unwrap();
    for block in blocks_of("docs/racks.md") {
        fs::write(
            dir.path().join(block.names.expect("a file is named before its text")),
            block.text,
        )
        .unwrap();
    }
    let run = lxseed(["check", "rack"]).dir(dir.path()).run().expect_exit(0);
    assert!(run.stdout.contains("1 cluster, 3 hosts: no findings"), "{run}");
    lxseed(["build", "rack"]).dir(dir.path()).run().expect_exit(0);
    let run = lxseed(["show", "rack/rack-a", "rack"])
        .dir(dir.path())
        .run()
        .expect_exit(0);
    assert!(
        run.stdout.contains("network.bond.transmit_hash_policy  layer3+4"),
        "{run}"
    );
}

#[test]
fn what_comes_out_is_what_the_readme_lists() {
    let dir = temp_dir();
    let out = dir.path().join("out");
    lxseed(["build", "profiles", "-o", out.to_str().unwrap()])
        .run()
        .expect_exit(0);
    let listing = blocks()
        .into_iter()
        .find(|block| block.text.starts_with("out/manifest.json"))
        .unwrap()
        .text;
    let mut names: Vec<String> = fs::read_dir(dir.path().join("out/lab/node1"))
        .unwrap()
        .chain(fs::read_dir(dir.path().join("out/lab")).unwrap())
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        assert!(listing.contains(&name), "the README does not list {name}");
    }
}

/// It takes an hour and fetches what it compares with, so here it is only asked how it is used.
#[test]
fn the_benchmark_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let command = readme.lines().find_map(|line| line.strip_prefix("$ ")).unwrap();
    let mut words = command.split_whitespace();
    let script = root().join(words.next().unwrap());
    let Some(python) = tool("python3") else {
        return;
    };
    let run = Run::of(Command::new(python).arg(script).arg("--help")).expect_exit(0);
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(run.stdout.contains(option), "{option}\n{run}");
    }
}
