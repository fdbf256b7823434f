//! Whatever is in a profile: no panic, an exit code that means something, and what `check` accepts can be built.

use std::fs;

use crate::support::{NOW, SECRET};
use camino::{Utf8Path, Utf8PathBuf};
use lxseed::seed::{ClusterKeys, HostKeys, Renderer};
use lxseed::trust::SiteSecret;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The files of the rack, the richer of the shipped sites.
fn shipped() -> Vec<(Utf8PathBuf, String)> {
    let top = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/rack");
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(&top).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = Utf8Path::from_path(entry.path()).unwrap();
            files.push((
                path.strip_prefix(&top).unwrap().to_owned(),
                fs::read_to_string(path).unwrap(),
            ));
        }
    }
    files
}

/// One way to spoil a text.
#[derive(Clone, Debug)]
enum Spoil {
    DropLine(prop::sample::Index),
    RepeatLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    Indent(prop::sample::Index),
    Insert(prop::sample::Index, String),
    DropChar(prop::sample::Index),
    ReplaceValue(prop::sample::Index, String),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let index = any::<prop::sample::Index>;
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("~".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("*a".to_owned()),
        Just("\"\"".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("-1".to_owned()),
        Just("&a {<<: *a}".to_owned()),
        Just("!!binary AAAA".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("\"::/0\"".to_owned()),
        Just("\"\\0\"".to_owned()),
        ".{0,12}",
    ];
    prop_oneof![
        index().prop_map(Spoil::DropLine),
        index().prop_map(Spoil::RepeatLine),
        (index(), index()).prop_map(|(a, b)| Spoil::SwapLines(a, b)),
        index().prop_map(Spoil::Indent),
        (index(), ".{1,4}").prop_map(|(at, text)| Spoil::Insert(at, text)),
        index().prop_map(Spoil::DropChar),
        (index(), value).prop_map(|(at, value)| Spoil::ReplaceValue(at, value)),
    ]
}

fn spoiled(text: &str, spoil: &Spoil) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let chars: Vec<char> = text.chars().collect();
    match spoil {
        Spoil::DropLine(at) => {
            lines.remove(at.index(lines.len()));
        }
        Spoil::RepeatLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at].clone());
        }
        Spoil::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
        }
        Spoil::Indent(at) => {
            let at = at.index(lines.len());
            lines[at].insert(0, ' ');
        }
        Spoil::Insert(at, what) => {
            let at = at.index(chars.len());
            return chars[..at]
                .iter()
                .chain(what.chars().collect::<Vec<_>>().iter())
                .chain(&chars[at..])
                .collect();
        }
        Spoil::DropChar(at) => {
            let at = at.index(chars.len());
            return chars[..at].iter().chain(&chars[at + 1..]).collect();
        }
        Spoil::ReplaceValue(at, value) => {
            let at = at.index(lines.len());
            let key = lines[at]
                .split_once(": ")
                .map_or(lines[at].clone(), |(key, _)| format!("{key}: "));
            lines[at] = key + value;
        }
    }
    lines.join("\n") + "\n"
}

/// Checks a site and, if it is accepted, renders every host of it in memory.
fn check_and_render(site: &Utf8Path, renderer: &Renderer, secret: &SiteSecret) -> Result<bool, TestCaseError> {
    let checked = lxseed::check::check(site, NOW);
    let report = lxseed::report::Report::of(&checked, lxseed::report::Options::default());
    for text in lxseed::report::texts(&report) {
        prop_assert!(text.contains("help"), "{text}");
        let plain = anstream::adapter::strip_str(&text).to_string();
        prop_assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?}");
    }
    let errors = checked.count(lxseed::finding::Severity::Error);
    if errors > 0 {
        return Ok(false);
    }
    let site = checked
        .accept()
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    for cluster in &site.clusters {
        let name = cluster.name.as_str();
        let hosts = cluster.hosts.iter().map(|host| HostKeys {
            server: secret.lxd_server(name, host.name.as_str(), host.generation).unwrap(),
            ssh: secret.ssh_host_key(name, host.name.as_str(), host.generation).unwrap(),
        });
        let keys = ClusterKeys {
            spares: cluster
                .spares
                .iter()
                .map(|spare| secret.lxd_server(name, spare.as_str(), 1).unwrap().certificate_pem)
                .collect(),
            cluster: secret.lxd_cluster(name, cluster.generation).unwrap(),
            earlier: None,
            desk: cluster
                .desk
                .map(|generation| secret.lxd_desk(name, generation).unwrap()),
            hosts: hosts.collect(),
        };
        for at in 0..cluster.hosts.len() {
            renderer
                .host(cluster, at, &keys)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }
    Ok(true)
}

fn seed() -> RngSeed {
    let asked = std::env::var("PROPTEST_RNG_SEED").ok();
    RngSeed::Fixed(asked.and_then(|seed| seed.parse().ok()).unwrap_or(1))
}

proptest! {
    // The same cases at every run; PROPTEST_CASES and PROPTEST_RNG_SEED ask for more and for others.
    #![proptest_config(ProptestConfig { rng_seed: seed(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spoiled_site_is_refused_or_built(edits in prop::collection::vec((any::<prop::sample::Index>(), spoil()), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        let site = Utf8Path::from_path(dir.path()).unwrap();
        let mut files = shipped();
        for (file, edit) in &edits {
            let at = file.index(files.len());
            if !files[at].1.trim().is_empty() {
                files[at].1 = spoiled(&files[at].1, edit);
            }
        }
        for (path, text) in &files {
            fs::create_dir_all(site.join(path).parent().unwrap()).unwrap();
            fs::write(site.join(path), text).unwrap();
        }
        let secret = SiteSecret::parse(SECRET).unwrap();
        check_and_render(site, &Renderer::new().unwrap(), &secret)?;
    }

    #[test]
    fn bytes_that_are_no_profile_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempfile::tempdir().unwrap();
        let site = Utf8Path::from_path(dir.path()).unwrap();
        fs::write(site.join("cluster.yaml"), &bytes).unwrap();
        let secret = SiteSecret::parse(SECRET).unwrap();
        let accepted = check_and_render(site, &Renderer::new().unwrap(), &secret)?;
        prop_assert!(!accepted);
    }
}

#[test]
fn the_shipped_site_itself_is_built() {
    let site = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let secret = SiteSecret::parse(SECRET).unwrap();
    let accepted = check_and_render(&site, &Renderer::new().unwrap(), &secret);
    assert!(accepted.unwrap());
}
