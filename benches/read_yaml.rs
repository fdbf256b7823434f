//! `read-yaml SITE`: only loads every profile of a site with the fastest Rust reader that was measured (yaml_serde), on
//! all cores. A floor for `lxseed check`, which reads the same and then thinks about it.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use rayon::prelude::*;
use serde::Deserialize as _;
use walkdir::WalkDir;

fn main() {
    let site = std::env::args().nth(1).unwrap();
    let files: Vec<_> = WalkDir::new(site)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    let documents: usize = files
        .par_iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let documents = serde_yaml::Deserializer::from_str(&text);
            documents
                .map(|document| serde_yaml::Value::deserialize(document).unwrap())
                .filter(|value| !value.is_null())
                .count()
        })
        .sum();
    assert!(documents > 0);
}
