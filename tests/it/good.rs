//! Good sites, one folder each: nothing is found in them, and they are built, each host with all of its files.
//!
//! They show what is allowed: every driver, kind of volume and way of finding a disk, every combination of kernel and
//! channel, both families of addresses, and YAML as different hands and programs write it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{NOW, lxseed, root, temp_dir};
use camino::Utf8Path;
use rayon::prelude::*;

/// What a host's folder holds at least.
const FILES: [&str; 4] = ["user-data", "meta-data", "network-config", "lxd-preseed.yaml"];

fn sites() -> Vec<PathBuf> {
    // What mistakes are made in is good without them.
    let folders = ["tests/good", "tests/mistakes/base"];
    let mut sites: Vec<PathBuf> = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    sites.sort();
    sites
}

fn trouble(site: &Path) -> Option<String> {
    let (folder, name) = (site.parent().unwrap(), site.file_name().unwrap());
    let check = lxseed(["check".as_ref(), name]).dir(folder).run();
    if check.code != 0 || !check.stderr.is_empty() || !check.stdout.ends_with(": no findings\n") {
        return Some(check.to_string());
    }
    let dir = temp_dir();
    let out = dir.path().join("out");
    let build = lxseed(["build".as_ref(), name, "-o".as_ref(), out.as_os_str()])
        .dir(folder)
        .run();
    if build.code != 0 {
        return Some(build.to_string());
    }
    let model = lxseed::check::check(Utf8Path::from_path(site).unwrap(), NOW)
        .accept()
        .map_err(|error| error.to_string());
    let model = match model {
        Ok(model) => model,
        Err(why) => return Some(why),
    };
    let hosts = model.clusters.iter().flat_map(|cluster| {
        let folder = out.join(cluster.name.as_str());
        cluster.hosts.iter().map(move |host| folder.join(host.name.as_str()))
    });
    let missing = hosts
        .flat_map(|host| FILES.map(|name| host.join(name)))
        .find(|path| !path.is_file());
    missing.map(|path| format!("{} is not built", path.display()))
}

#[test]
fn nothing_is_found_in_a_good_site_and_it_is_built() {
    let sites = sites();
    let troubles: Vec<String> = sites
        .par_iter()
        .filter_map(|site| Some(format!("---- {}\n{}\n", site.display(), trouble(site)?)))
        .collect();
    assert!(troubles.is_empty(), "{}", troubles.concat());
    assert!(sites.len() >= 40, "there are {} sites", sites.len());
}
