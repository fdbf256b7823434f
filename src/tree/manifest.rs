//! What a build wrote, file by file.

mod text;

use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::hex;
use crate::seed::File;
use crate::trust::Veil;

/// The name of the manifest, at the top of the tree.
pub const MANIFEST: &str = "manifest.json";
/// The name of the checksum list, at the top of the tree.
pub(super) const SUMS: &str = "SHA256SUMS";

/// What a build is of, for the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// A digest of the program that wrote the tree.
    pub program: String,
    /// Tells one site secret from another without giving anything of it away.
    pub secret_fingerprint: String,
    /// The clusters in the tree.
    pub clusters: Vec<ClusterAbout>,
}

/// One cluster of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ClusterAbout {
    /// The cluster's name, which is its folder's name.
    pub name: String,
    /// A digest of what all its hosts follow from.
    #[serde(default)]
    pub shared: String,
    /// A digest of all that the files of the cluster as a whole follow from.
    #[serde(default)]
    pub inputs: String,
    /// Its hosts.
    pub hosts: Vec<HostAbout>,
}

/// One host of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "text::HostForm")]
pub struct HostAbout {
    /// The host's name, which is its folder's name.
    pub name: String,
    /// A digest of all that its files follow from.
    pub inputs: String,
}

/// What a build wrote: every file but the manifest, the checksum list and the user's keep files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// The version of lxseed that built the tree.
    pub version: String,
    /// A digest of the very program that did.
    #[serde(default)]
    pub program: String,
    /// Which site secret the keys in the tree come from.
    #[serde(rename = "secret")]
    pub secret_fingerprint: String,
    /// The clusters, by name, and their hosts, by name.
    pub clusters: Vec<ClusterAbout>,
    /// The files in the order of their paths' bytes.
    pub files: Vec<Entry>,
}

/// One file of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Relative to the output folder, of normal components only.
    #[serde(deserialize_with = "text::path")]
    pub path: Utf8PathBuf,
    /// In bytes.
    pub size: u64,
    /// The permission bits, such as 0600.
    #[serde(deserialize_with = "text::octal")]
    pub mode: u32,
    /// Lower-case hexadecimal. It stands here for secret files too: whoever cannot read the file cannot guess it either,
    /// since what makes it secret is a key of 256 bits, and a digest of that helps no search.
    pub sha256: String,
    /// XXH3 with 128 bits, by which a build finds files that were altered. Who alters them on purpose can as well alter the
    /// manifest, so a digest without a secret proves no more than this one, and this one costs a tenth. A secret file's is
    /// [veiled](Veil), for XXH3 can be turned round; without the site secret there is none, and SHA-256 has to do.
    #[serde(default, deserialize_with = "text::hex128")]
    pub xxh3: Option<u128>,
    /// Whether the file holds key material.
    pub secret: bool,
}

impl Manifest {
    /// The manifest of these files.
    pub(super) fn new(about: About, files: Vec<Entry>) -> Self {
        let About {
            program,
            secret_fingerprint,
            mut clusters,
        } = about;
        for cluster in &mut clusters {
            cluster.hosts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        clusters.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut manifest = Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program,
            secret_fingerprint,
            clusters,
            files: Vec::new(),
        };
        manifest.set_files(files);
        manifest
    }

    /// Replaces the list of files.
    pub(super) fn set_files(&mut self, mut files: Vec<Entry>) {
        files.sort_unstable_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
        self.files = files;
    }

    /// Whether two manifests say the same of everything but files.
    pub(super) fn describes_like(&self, other: &Self) -> bool {
        let Self {
            version,
            program,
            secret_fingerprint,
            clusters,
            files: _,
        } = self;
        *version == other.version
            && *program == other.program
            && *secret_fingerprint == other.secret_fingerprint
            && *clusters == other.clusters
    }

    /// A path that stands there twice, if any does.
    pub(super) fn repeated(&self) -> Option<&Utf8Path> {
        self.files
            .windows(2)
            .find(|pair| pair[0].path.as_str() == pair[1].path.as_str())
            .map(|pair| &*pair[0].path)
    }

    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&ClusterAbout> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }

    /// Where in [`Self::files`] the file of that path is.
    pub(super) fn position(&self, path: &str) -> Option<usize> {
        self.files
            .binary_search_by(|entry| entry.path.as_str().cmp(path))
            .ok()
    }

    /// Every folder of the tree but the top, relative to it, in the order of their paths' bytes.
    pub(super) fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = Vec::new();
        let mut previous = "";
        for entry in &self.files {
            let path = entry.path.as_str();
            // Files of a folder are neighbours, so what this path shares with the one before is known already.
            let shared = path
                .bytes()
                .zip(previous.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            let slashes = path.bytes().enumerate().skip(shared);
            folders.extend(
                slashes
                    .filter(|(_, byte)| *byte == b'/')
                    .map(|(at, _)| &path[..at]),
            );
            previous = path;
        }
        folders.sort_unstable();
        folders.dedup();
        folders
    }

    /// Where in [`Self::files`] the file of that path is, or every file below the folder of that path.
    pub(super) fn below(&self, prefix: &Utf8Path) -> Range<usize> {
        let from = |bound: &str| {
            self.files
                .partition_point(|entry| entry.path.as_str() < bound)
        };
        let exact = from(prefix.as_str());
        if self
            .files
            .get(exact)
            .is_some_and(|entry| entry.path.as_str() == prefix.as_str())
        {
            return exact..exact + 1;
        }
        // The files of a folder are neighbours: their paths begin with its name and '/', and '0' comes right after '/'.
        from(&format!("{prefix}/"))..from(&format!("{prefix}0"))
    }
}

impl Entry {
    /// What one of the tree's own files is to be. No manifest lists them, and nobody asks for this SHA-256.
    fn of_own(name: &str, text: &str) -> Self {
        Self {
            path: name.into(),
            size: text.len() as u64,
            mode: 0o644,
            sha256: String::new(),
            xxh3: Some(xxh3_128(text.as_bytes())),
            secret: false,
        }
    }

    /// What the manifest says of a file.
    pub(super) fn of_file(file: &File, veil: Option<&Veil>) -> Self {
        let content = &file.content;
        let mut entry = Self {
            path: file.path.clone(),
            size: content.bytes().len() as u64,
            mode: content.mode(),
            sha256: hex::encode(&content.sha256()),
            xxh3: Some(xxh3_128(content.bytes())),
            secret: content.is_secret(),
        };
        entry.xxh3 = entry.veiled(veil);
        entry
    }

    /// A secret file's XXH3 under the veil, or from under it: the way there is the way back. Nothing without a veil.
    pub(super) fn veiled(&self, veil: Option<&Veil>) -> Option<u128> {
        if self.secret {
            Some(self.xxh3? ^ veil?.over(&self.sha256))
        } else {
            self.xxh3
        }
    }
}

/// Why a path cannot be one of the tree's, if it cannot.
pub(super) fn path_fault(path: &Utf8Path) -> Option<&'static str> {
    let path = path.as_str();
    let top = path.split('/').next().unwrap_or(path);
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("it is not a plain relative path")
    } else if path.contains(|c: char| c.is_control() || c == '\\') {
        // sha256sum would read an escape there.
        Some("it holds a control character or a backslash")
    } else if top == MANIFEST || top == SUMS || top.starts_with('.') {
        Some("the top of the tree keeps that name for itself")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::seed::Content;

    fn of_text(path: &str, text: &str) -> Entry {
        let file = File {
            path: path.into(),
            content: Content::Public(text.into()),
        };
        Entry::of_file(&file, None)
    }

    fn entry(path: &str) -> Entry {
        Entry {
            mode: 0o600,
            ..of_text(path, path)
        }
    }

    pub(super) fn sample() -> Manifest {
        let host = |name: &str, inputs: &str| HostAbout {
            name: name.into(),
            inputs: inputs.into(),
        };
        let about = About {
            program: "c0de".into(),
            secret_fingerprint: "5f1d".into(),
            clusters: vec![
                ClusterAbout {
                    name: "rack".into(),
                    ..ClusterAbout::default()
                },
                ClusterAbout {
                    name: "lab".into(),
                    shared: "5a".into(),
                    inputs: "1a".into(),
                    hosts: vec![host("node2", "2b"), host("node\"1", "3c")],
                },
            ],
        };
        let files = [
            "lab-a/x",
            "lab/node10/a",
            "lab/node1/b",
            "lab/node1",
            "lab0",
        ]
        .map(|path| Entry {
            secret: true,
            xxh3: None,
            ..entry(path)
        });
        let mut manifest = Manifest::new(about, files.into());
        manifest.files[0] = Entry {
            mode: 0o644,
            ..entry("lab-a/x")
        };
        manifest
    }

    #[test]
    fn folders_are_named_once_and_in_order() {
        let files = ["a-b/x", "a/b/c/x", "a/b/y", "a/b0/z", "d"];
        let files = files.map(entry).into();
        let about = About {
            program: String::new(),
            secret_fingerprint: String::new(),
            clusters: vec![],
        };
        assert_eq!(
            Manifest::new(about, files).folders(),
            ["a", "a-b", "a/b", "a/b/c", "a/b0"]
        );
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(
            of_text("a", "abc").sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_prefix_is_of_whole_components() {
        let manifest = sample();
        let below = |prefix: &str| {
            manifest.files[manifest.below(prefix.into())]
                .iter()
                .map(|e| e.path.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(below("lab"), ["lab/node1", "lab/node1/b", "lab/node10/a"]);
        assert_eq!(below("lab/node10"), ["lab/node10/a"]);
        assert_eq!(below("lab-a"), ["lab-a/x"]);
        assert_eq!(below("lab0"), ["lab0"]);
        assert_eq!(below("la"), [] as [&str; 0]);
        assert_eq!(below("lab/node2"), [] as [&str; 0]);
    }

    #[test]
    fn paths_cannot_leave_the_tree() {
        let bad = [
            "",
            "/",
            "/etc/x",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\nb",
            "a\\b",
            "manifest.json",
            "SHA256SUMS",
            ".gitignore",
            ".keep",
            "manifest.json/x",
            ".git/hooks/x",
            "a\0b",
        ];
        for path in bad {
            assert!(path_fault(path.into()).is_some(), "{path:?}");
        }
        for path in [
            "a",
            "lab/node1/user-data",
            "lab/manifest.json",
            "lab/.hidden",
            "lab/..a",
            "läb/x y",
        ] {
            assert_eq!(path_fault(path.into()), None, "{path}");
        }
    }
}
