//! What lxseed is made of, held against deny.toml.
//!
//! cargo-deny does the same and more, with the newest advisories, in the workflow and in `tests/run long`. It takes many
//! minutes to compile and a network to run, so what every run of the tests can look at is looked at here.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Run, root};

fn deny_toml() -> String {
    fs::read_to_string(root().join("deny.toml")).unwrap()
}

/// The texts in quotes of a list of deny.toml.
fn list(text: &str, head: &str) -> Vec<String> {
    let (_, list) = text.split_once(&format!("\n{head} = [")).unwrap();
    let (list, _) = list.split_once("\n]").unwrap_or_else(|| list.split_once(']').unwrap());
    let lines = list.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned))
        .collect()
}

/// What must not be there.
fn banned(text: &str) -> Vec<String> {
    let (_, list) = text.split_once("\ndeny = [").unwrap();
    let names = list.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \""));
    names.map(|line| line.split('"').next().unwrap().to_owned()).collect()
}

/// The programs that deny.toml lets a banned one in for.
fn wrappers(text: &str, banned: &str) -> Vec<String> {
    let line = text
        .lines()
        .find(|line| line.contains(&format!("{{ crate = \"{banned}\"")));
    let (_, names) = line.unwrap().split_once("wrappers = [").unwrap_or_default();
    names.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The names of the packages that need a package.
fn dependents(metadata: &Value, name: &str) -> Vec<String> {
    let id = |package: &&Value| package["name"] == name;
    let ids = metadata["packages"].as_array().unwrap().iter().filter(id);
    let ids: Vec<&Value> = ids.map(|package| &package["id"]).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
    let needs = |node: &&Value| {
        node["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .any(|id| ids.contains(&id))
    };
    let needing: Vec<&Value> = nodes.filter(needs).map(|node| &node["id"]).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.filter(|package| needing.contains(&&package["id"]));
    packages
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Every package that is part of the program, its tests or its build on Linux, and who needs whom.
fn metadata() -> Value {
    let words = [
        "metadata",
        "--locked",
        "--offline",
        "--format-version",
        "1",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ];
    let said = Run::of(Command::new(env!("CARGO")).args(words).current_dir(root())).expect_exit(0);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Whether a licence expression (SPDX) can be met by what is allowed.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    // The older way to write OR, and parentheses as words of their own.
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let (met, rest) = any_of(&words, allowed);
    assert!(rest.is_empty(), "{expression}");
    met
}

fn any_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = all_of(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (other, behind) = all_of(more, allowed);
        (met, rest) = (met | other, behind);
    }
    (met, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (other, behind) = one(more, allowed);
        (met, rest) = (met & other, behind);
    }
    (met, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", more @ ..] => match any_of(more, allowed) {
            (met, [")", behind @ ..]) => (met, behind),
            (_, rest) => panic!("no closing parenthesis before {rest:?}"),
        },
        [name, "WITH", exception, behind @ ..] => (allowed.contains(&format!("{name} WITH {exception}")), behind),
        [name, behind @ ..] => (allowed.iter().any(|known| known == name), behind),
        [] => panic!("an expression ends too early"),
    }
}

#[test]
fn licences_sources_and_bans_are_kept() {
    let text = deny_toml();
    let (allowed, banned) = (list(&text, "allow"), banned(&text));
    assert!(
        allowed.contains(&"MIT".to_owned()) && banned.contains(&"cc".to_owned()),
        "{allowed:?} {banned:?}"
    );
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only/MIT", true),
        ("(MIT OR GPL-3.0-only) AND Zlib", true),
        ("MIT AND GPL-3.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
    let mut wrong = Vec::new();
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        match package["license"].as_str() {
            Some(license) if is_met(license, &allowed) => {}
            license => wrong.push(format!("{name}: licence {license:?}")),
        }
        match package["source"].as_str() {
            None if name == "lxseed" => {}
            Some("registry+https://github.com/rust-lang/crates.io-index") => {}
            source => wrong.push(format!("{name}: from {source:?}")),
        }
        if banned.iter().any(|banned| banned == name) {
            let wrappers = wrappers(&text, name);
            let needing = dependents(&metadata, name);
            if needing.iter().any(|needing| !wrappers.contains(needing)) || needing.is_empty() {
                wrong.push(format!("{name}: banned, and needed by {needing:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
