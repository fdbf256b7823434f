//! `manifest.json` and `SHA256SUMS`: what a build wrote.

use std::fmt::{self, Write as _};
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::error::OutputError;
use crate::hex;

/// The name of the manifest, at the top of the tree.
pub const MANIFEST: &str = "manifest.json";
/// The name of the checksum list, at the top of the tree.
pub(super) const SUMS: &str = "SHA256SUMS";
/// The manifest's format number: it grows when a reader of the old one would misread the new.
pub(super) const FORMAT: u64 = 2;
const GENERATOR: &str = "lxseed";

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
#[serde(from = "HostForm")]
pub struct HostAbout {
    /// The host's name, which is its folder's name.
    pub name: String,
    /// A digest of all that its files follow from.
    pub inputs: String,
}

/// How manifests write a host; format 1 knew its name only.
#[derive(Deserialize)]
#[serde(untagged)]
enum HostForm {
    Name(String),
    Whole { name: String, inputs: String },
}

impl From<HostForm> for HostAbout {
    fn from(form: HostForm) -> Self {
        match form {
            HostForm::Name(name) => Self {
                name,
                ..Self::default()
            },
            HostForm::Whole { name, inputs } => Self { name, inputs },
        }
    }
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
    #[serde(deserialize_with = "path")]
    pub path: Utf8PathBuf,
    /// In bytes.
    pub size: u64,
    /// The permission bits, such as 0600.
    #[serde(deserialize_with = "octal")]
    pub mode: u32,
    /// Lower-case hexadecimal. It stands here for secret files too: whoever cannot read the file cannot guess it either,
    /// since what makes it secret is a key of 256 bits, and a digest of that helps no search.
    pub sha256: String,
    /// XXH3 with 128 bits, by which a build finds files that were altered. Who alters them on purpose can as well alter the
    /// manifest, so a digest without a secret proves no more than this one, and this one costs a tenth.
    #[serde(default, deserialize_with = "hex128")]
    pub xxh3: u128,
    /// Whether the file holds key material.
    pub secret: bool,
}

/// Why a `manifest.json` is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Foreign,
    Newer(u64),
    Damaged,
}

impl Unreadable {
    /// What a user is told of the tree at `path`; nothing if it is none of ours.
    pub(super) fn error(self, path: &Utf8Path) -> Option<OutputError> {
        match self {
            Self::Foreign => None,
            Self::Damaged => Some(OutputError::Damaged(path.to_owned())),
            Self::Newer(format) => Some(OutputError::Newer {
                path: path.to_owned(),
                format,
                known: FORMAT,
            }),
        }
    }
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

    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Header {
            generator: String,
            format: u64,
        }
        let header = || match serde_json::from_slice::<Header>(text) {
            Ok(header) if header.generator != GENERATOR => Err(Unreadable::Foreign),
            Ok(header) if header.format > FORMAT => Err(Unreadable::Newer(header.format)),
            Ok(_) => Ok(()),
            Err(_) => Err(Unreadable::Foreign),
        };
        // As it was written it tells at once what it is; looking for that in 20 MB would take as long as reading them.
        if !text.starts_with(head().as_bytes()) {
            header()?;
        }
        let manifest: Self = match serde_json::from_slice(text) {
            Ok(manifest) => manifest,
            Err(_) => {
                header()?;
                return Err(Unreadable::Damaged);
            }
        };
        // What is carried over is found by these paths, so they are held to what a build writes.
        let whole = manifest
            .files
            .iter()
            .all(|entry| path_fault(&entry.path).is_none())
            && manifest
                .files
                .is_sorted_by(|a, b| a.path.as_str() < b.path.as_str());
        if whole {
            Ok(manifest)
        } else {
            Err(Unreadable::Damaged)
        }
    }

    /// A path that stands there twice, if any does.
    pub(super) fn repeated(&self) -> Option<&Utf8Path> {
        self.files
            .windows(2)
            .find(|pair| pair[0].path.as_str() == pair[1].path.as_str())
            .map(|pair| &*pair[0].path)
    }

    /// The text of `manifest.json`: one file a line, so that a diff of two trees reads well.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Writing to a string cannot fail.
        let mut text = String::with_capacity(1024 + self.files.len() * 300);
        let _ = write!(
            text,
            "{}  \"version\": {},\n  \"program\": {},\n  \"secret\": {},\n  \"clusters\": ",
            head(),
            Quoted(&self.version),
            Quoted(&self.program),
            Quoted(&self.secret_fingerprint),
        );
        list(&mut text, &self.clusters, 2, |text, cluster| {
            let ClusterAbout {
                name,
                shared,
                inputs,
                hosts,
            } = cluster;
            let _ = write!(
                text,
                "{{\"name\": {}, \"shared\": {}, \"inputs\": {}, \"hosts\": ",
                Quoted(name),
                Quoted(shared),
                Quoted(inputs),
            );
            list(text, hosts, 4, |text, HostAbout { name, inputs }| {
                let _ = write!(
                    text,
                    "{{\"name\": {}, \"inputs\": {}}}",
                    Quoted(name),
                    Quoted(inputs)
                );
            });
            text.push('}');
        });
        text.push_str(",\n  \"files\": ");
        list(&mut text, &self.files, 2, |text, entry| {
            let Entry {
                path,
                size,
                mode,
                sha256,
                xxh3,
                secret,
            } = entry;
            let path = Quoted(path.as_str());
            let _ = write!(
                text,
                "{{\"path\": {path}, \"size\": {size}, \"mode\": \"{mode:04o}\", \"sha256\": \"{sha256}\", \
                 \"xxh3\": \"{xxh3:032x}\", \"secret\": {secret}}}"
            );
        });
        text.push_str("\n}\n");
        text
    }

    /// The text of `SHA256SUMS`, as `sha256sum -c` reads it: every file but itself, so the manifest too.
    pub(super) fn sums(&self, manifest: &Entry) -> String {
        let mut lines: Vec<_> = self
            .files
            .iter()
            .chain([manifest])
            .map(|entry| (entry.path.as_str(), &entry.sha256))
            .collect();
        lines.sort_unstable();
        lines
            .into_iter()
            .fold(String::new(), |mut text, (path, sha256)| {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{sha256}  {path}");
                text
            })
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
    /// What the manifest says of these bytes.
    pub(super) fn of(path: &Utf8Path, bytes: &[u8], mode: u32, secret: bool) -> Self {
        let size = bytes.len() as u64;
        Self {
            path: path.to_path_buf(),
            size,
            mode,
            sha256: hex::encode(&Sha256::digest(bytes)),
            xxh3: xxh3_128(bytes),
            secret,
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

/// What every manifest of this format begins with.
fn head() -> String {
    format!("{{\n  \"generator\": \"{GENERATOR}\",\n  \"format\": {FORMAT},\n")
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What lxseed writes needs no escape; making a value of each of many thousand names would be most of the work.
        if self
            .0
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
        {
            write!(f, "\"{}\"", self.0)
        } else {
            Value::from(self.0).fmt(f)
        }
    }
}

/// A list with one item a line; `indent` is that of the line the list begins in.
fn list<T>(text: &mut String, items: &[T], indent: usize, write_item: impl Fn(&mut String, &T)) {
    text.push('[');
    for (at, item) in items.iter().enumerate() {
        // Writing to a string cannot fail.
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(text, "{comma}\n{:1$}", "", indent + 2);
        write_item(text, item);
    }
    if !items.is_empty() {
        let _ = write!(text, "\n{:indent$}", "");
    }
    text.push(']');
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Utf8PathBuf, D::Error> {
    String::deserialize(deserializer).map(Utf8PathBuf::from)
}

fn hex128<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    deserializer.deserialize_str(Digits {
        what: "32 hexadecimal digits",
        read: |text| {
            let mut bytes = [0; 16];
            hex::decode(text, &mut bytes).map(|()| u128::from_be_bytes(bytes))
        },
    })
}

fn octal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_str(Digits {
        what: "four octal digits of permission bits",
        read: |text| match text.as_bytes() {
            [b'0', rest @ ..] if rest.len() == 3 => rest.iter().try_fold(0, |bits, digit| {
                matches!(digit, b'0'..=b'7').then(|| bits << 3 | u32::from(digit - b'0'))
            }),
            _ => None,
        },
    })
}

/// A number written as text, read where it lies: a tree has ten of them a host.
struct Digits<T> {
    what: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Digits<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(path: &str) -> Entry {
        Entry::of(path.into(), path.as_bytes(), 0o600, true)
    }

    fn sample() -> Manifest {
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
        let mut files: Vec<Entry> = [
            "lab-a/x",
            "lab/node10/a",
            "lab/node1/b",
            "lab/node1",
            "lab0",
        ]
        .map(entry)
        .into();
        files[0].mode = 0o644;
        files[0].secret = false;
        Manifest::new(about, files)
    }

    #[test]
    fn the_text_is_fixed() {
        let mut manifest = sample();
        manifest.files.truncate(2);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"{{
  "generator": "lxseed",
  "format": 2,
  "version": "{version}",
  "program": "c0de",
  "secret": "5f1d",
  "clusters": [
    {{"name": "lab", "shared": "5a", "inputs": "1a", "hosts": [
      {{"name": "node\"1", "inputs": "3c"}},
      {{"name": "node2", "inputs": "2b"}}
    ]}},
    {{"name": "rack", "shared": "", "inputs": "", "hosts": []}}
  ],
  "files": [
    {{"path": "lab-a/x", "size": 7, "mode": "0644", "sha256": "{}", "xxh3": "{:032x}", "secret": false}},
    {{"path": "lab/node1", "size": 9, "mode": "0600", "sha256": "{}", "xxh3": "{:032x}", "secret": true}}
  ]
}}
"#,
            manifest.files[0].sha256,
            manifest.files[0].xxh3,
            manifest.files[1].sha256,
            manifest.files[1].xxh3,
        );
        assert_eq!(manifest.to_json(), expected);
        assert_eq!(Manifest::parse(expected.as_bytes()).unwrap(), manifest);
        let empty = Manifest::new(
            About {
                program: String::new(),
                secret_fingerprint: String::new(),
                clusters: vec![],
            },
            vec![],
        );
        assert_eq!(Manifest::parse(empty.to_json().as_bytes()).unwrap(), empty);
    }

    #[test]
    fn the_format_before_is_still_read() {
        let text = r#"{"generator": "lxseed", "format": 1, "version": "0.1.0", "secret": "5f1d", "clusters": [{"name": "lab", "hosts": ["node1"]}], "files": []}"#;
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let lab = manifest.cluster("lab").unwrap();
        assert_eq!((&*lab.hosts[0].name, &*lab.hosts[0].inputs), ("node1", ""));
        assert_eq!((&*lab.inputs, &*manifest.program), ("", ""));
        assert!(manifest.cluster("rack").is_none());
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
            Entry::of("a".into(), b"abc", 0o644, false).sha256,
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

    #[test]
    fn no_text_makes_the_reader_panic() {
        let text = sample().to_json();
        for cut in 0..text.len() {
            assert!(
                Manifest::parse(&text.as_bytes()[..cut]).is_err() || text[cut..].trim().is_empty(),
                "{cut}"
            );
        }
    }
}
