//! The built trees that the oracles are shown, and what stands in them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_yaml::Value;
use tempfile::TempDir;

use crate::support::{lxseed, temp_dir};

/// The sites whose output the oracles judge.
pub(crate) const SITES: [&str; 3] = ["profiles", "tests/oracles/nasty", "tests/oracles/wired"];

/// One built site; the tree goes with the value.
pub(crate) struct Built {
    _dir: TempDir,
    /// The output folder.
    pub(crate) out: PathBuf,
}

/// Every site of [`SITES`], built with the test secret.
pub(crate) fn built() -> Vec<Built> {
    SITES.iter().map(|site| build(site)).collect()
}

/// One site, built with the test secret.
pub(crate) fn build(site: &str) -> Built {
    let dir = temp_dir();
    let out = dir.path().join("out");
    let args = [Path::new("build"), Path::new(site), Path::new("-o"), &out];
    lxseed(args).run().expect_exit(0);
    Built { _dir: dir, out }
}

/// One host's folder.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The folder of its cluster.
    pub(crate) cluster: PathBuf,
}

/// All hosts of all sites; fails if there are fewer than there should be, so that no oracle ends up idle.
pub(crate) fn hosts(sites: &[Built]) -> Vec<Host> {
    let folders = |top: &Path| {
        let entries = fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let mut hosts = Vec::new();
    for site in sites {
        for cluster in folders(&site.out) {
            for path in folders(&cluster) {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                hosts.push(Host {
                    name,
                    path,
                    cluster: cluster.clone(),
                });
            }
        }
    }
    assert!(hosts.len() > sites.len(), "only {} hosts were built", hosts.len());
    hosts
}

impl Host {
    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of one of its files.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.file(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// One of its YAML files as the second reader reads it.
    pub(crate) fn yaml(&self, name: &str) -> Value {
        let value = serde_yaml::from_slice(&self.read(name));
        value.unwrap_or_else(|error| panic!("{}: {error}", self.file(name).display()))
    }

    /// What its user-data writes onto the machine.
    pub(crate) fn write_files(&self) -> Vec<WriteFile> {
        let user_data = self.yaml("user-data");
        let Some(Value::Sequence(items)) = user_data.get("write_files") else {
            panic!("{}: no list of write_files", self.name);
        };
        let text = |item: &Value, key: &str| match item.get(key) {
            Some(Value::String(text)) => text.clone(),
            other => panic!("{}: write_files has {key} = {other:?}", self.name),
        };
        let files: Vec<WriteFile> = items
            .iter()
            .map(|item| {
                let content = text(item, "content");
                WriteFile {
                    path: text(item, "path"),
                    owner: text(item, "owner"),
                    permissions: text(item, "permissions"),
                    // cloud-init's word for plain text is none, and it warns of one that it does not know.
                    content: match item.get("encoding").and_then(Value::as_str) {
                        None => content.into_bytes(),
                        Some("gz+b64") => unpacked(&STANDARD.decode(content).expect("content is base64")),
                        Some(other) => panic!("{}: write_files has encoding {other}", self.name),
                    },
                }
            })
            .collect();
        assert!(!files.is_empty(), "{}: write_files is empty", self.name);
        files
    }
}

pub(super) fn unpacked(members: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut gzip = flate2::read::MultiGzDecoder::new(members);
    gzip.read_to_end(&mut content).expect("content is gzip");
    content
}

/// One entry of `write_files`.
pub(crate) struct WriteFile {
    pub(crate) path: String,
    pub(crate) owner: String,
    pub(crate) permissions: String,
    pub(crate) content: Vec<u8>,
}
