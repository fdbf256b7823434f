//! What ships, byte for byte, for review: `tests/golden` holds the tree of the shipped sites under the tests' own
//! secret.
//!
//! The constant part of the script, and what user-data carries of it, are left out: they stand in `templates/` already.
//! After a change on purpose, `LXSEED_BLESS=1 cargo test --test it golden` writes the files anew, and they are reviewed
//! like code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{assert_same_text, lxseed, root, temp_dir, tree};

/// The part of a file that is worth reviewing; nothing for those that are not.
fn reviewed(path: &str, text: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap();
    match name {
        "known_hosts" | "cluster.crt" | "desk.crt" | "server.crt" | "network-config" | "lxd-preseed.yaml" => {
            Some(text.to_owned())
        }
        // The variables end where the first constant part begins.
        "lxseed-firstboot" => Some(text.split("\n# ---- ").next().unwrap().to_owned()),
        "user-data" => Some(text.lines().map(|line| shorten(line) + "\n").collect()),
        // The script's constant part is long, and one line.
        "preseed.cfg" => Some(
            text.lines()
                .map(|line| line.split("\\n# ---- ").next().unwrap().to_owned() + "\n")
                .collect(),
        ),
        // meta-data follows from user-data and with it from the script, manifest and sums from everything.
        _ => None,
    }
}

/// Long values change with the script or are keys.
fn shorten(line: &str) -> String {
    match line.split_once(": \"") {
        Some((key, value)) if value.len() > 200 => format!("{key}: <left out>"),
        _ => line.to_owned(),
    }
}

fn read(top: &Path) -> BTreeMap<String, String> {
    let files = tree(top)
        .into_iter()
        // The images hold the files beside them, and are held against those by the tests of media.
        .filter(|entry| !entry.path.ends_with('/') && !entry.path.ends_with(".iso"));
    files
        .map(|entry| (entry.path, String::from_utf8(entry.bytes).unwrap()))
        .collect()
}

#[test]
fn the_shipped_sites_give_the_golden_tree() {
    let dir = temp_dir();
    let out = dir.path().join("out");
    lxseed(["build", "profiles", "-o", out.to_str().unwrap()])
        .run()
        .expect_exit(0);
    let built: BTreeMap<String, String> = read(&out)
        .into_iter()
        .filter_map(|(path, text)| Some((path.clone(), reviewed(&path, &text)?)))
        .collect();
    let golden = root().join("tests/golden");
    if std::env::var_os("LXSEED_BLESS").is_some() {
        let _ = fs::remove_dir_all(&golden);
        for (path, text) in &built {
            let path = golden.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let expected = read(&golden);
    let names = |files: &BTreeMap<String, String>| files.keys().map(|name| format!("{name}\n")).collect::<String>();
    assert_same_text("the list of files", &names(&expected), &names(&built));
    for (path, text) in &expected {
        assert_same_text(path, text, &built[path]);
    }
}
