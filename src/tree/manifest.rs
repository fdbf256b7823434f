//! What a build wrote, file by file, and its two texts: `manifest.json` and `SHA256SUMS`.

use std::io;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};

use crate::chunks::each_chunk;
use crate::hex;
use crate::seed::File;
use crate::trust::SiteSecret;

/// The name of the manifest, at the top of the tree.
pub const MANIFEST: &str = "manifest.json";
/// The name of the checksum list, at the top of the tree.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The manifest's format number: it grows when a reader of the old one would misread the new.
pub(super) const FORMAT: u64 = 5;
const GENERATOR: &str = "lxseed";
/// The first format whose trees carry an authentication code.
const FIRST_WITH_MAC: u64 = 5;

/// What surrounds the authentication code, the manifest's last line: it covers every byte before it.
const MAC_HEAD: &str = ",\n  \"mac\": \"";
const MAC_TAIL: &str = "\"\n}\n";

/// A build as its manifest describes it, without the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// A digest of the program that wrote the tree.
    pub program: String,
    /// Tells one site secret from another without giving anything of it away.
    pub secret_fingerprint: String,
    /// The clusters in the tree.
    pub clusters: Vec<ClusterInfo>,
}

/// One cluster of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// The cluster's name, which is its folder's name.
    pub name: String,
    /// A digest of all that its files follow from; empty if they were not all built from the same, or by the formats
    /// before.
    #[serde(default)]
    pub digest: String,
    /// The names of its hosts, which are their folders' names.
    #[serde(deserialize_with = "host_names")]
    pub hosts: Vec<String>,
}

/// Formats 2 and 3 wrote a digest beside each host's name.
fn host_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Host {
        Name(String),
        Former { name: String },
    }
    let hosts = Vec::<Host>::deserialize(deserializer)?;
    let name = |host| match host {
        Host::Name(name) | Host::Former { name } => name,
    };
    Ok(hosts.into_iter().map(name).collect())
}

/// The manifest of a build: every file but the manifest, the checksum list and the user's keep files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    generator: String,
    format: u64,
    /// The version of lxseed that built the tree.
    pub version: String,
    /// A digest of the very program that did.
    #[serde(default)]
    pub program: String,
    /// The fingerprint of the site secret that the keys in the tree come from.
    #[serde(rename = "secret")]
    pub secret_fingerprint: String,
    /// The clusters, by name, and their hosts, by name.
    pub clusters: Vec<ClusterInfo>,
    /// The files in the order of their paths' bytes.
    pub files: Vec<Entry>,
}

/// Who wrote a tree's manifest, as far as a site secret can tell. What it says of files proves something only if a
/// build did: whoever can alter a file can alter an unkeyed digest, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A build with this secret.
    Build,
    /// Perhaps a build, and perhaps anybody: the formats before the fifth carry no authentication code.
    Unknown,
    /// No build with this secret.
    Other,
}

/// One file of the tree. Formats 2 and 3 had another digest beside SHA-256, which is not read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the output folder, of normal components only.
    pub path: Utf8PathBuf,
    /// In bytes.
    pub size: u64,
    /// The permission bits, such as 0600.
    #[serde(with = "octal")]
    pub mode: u32,
    /// Lower-case hexadecimal. It is there for secret files too: whoever cannot read the file cannot guess it either,
    /// since what makes it secret is a key of 256 bits, and a digest of that helps no search.
    pub sha256: String,
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

impl Manifest {
    /// The manifest of these files.
    pub(super) fn new(info: BuildInfo, mut files: Vec<Entry>) -> Self {
        let BuildInfo {
            program,
            secret_fingerprint,
            mut clusters,
        } = info;
        for cluster in &mut clusters {
            cluster.hosts.sort_unstable();
        }
        clusters.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        files.sort_unstable_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
        Self {
            generator: GENERATOR.to_owned(),
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program,
            secret_fingerprint,
            clusters,
            files,
        }
    }

    /// The manifest of files that go somewhere else than into a tree.
    #[must_use]
    pub fn describe(info: BuildInfo, files: &[File], more: impl Iterator<Item = Entry>) -> Self {
        Self::new(info, files.iter().map(Entry::of_file).chain(more).collect())
    }

    /// Reads what [`to_json`](Self::to_json) wrote; nothing if it is damaged or newer.
    #[must_use]
    pub fn of_medium(text: &[u8]) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// Reads what [`to_json`](Self::to_json) wrote, of this format or an earlier one.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let manifest = match serde_json::from_slice::<Self>(text) {
            Ok(manifest) if manifest.generator == GENERATOR && manifest.format <= FORMAT => manifest,
            _ => return Err(why_unreadable(text)),
        };
        // Files are kept by these paths, and what is said of them is copied into the next manifest: both are held to
        // what a build writes.
        let as_written =
            |entry: &Entry| path_fault(&entry.path).is_none() && hex::decode(&entry.sha256, &mut [0; 32]).is_some();
        let whole = manifest.files.iter().all(as_written)
            && manifest.files.is_sorted_by(|a, b| a.path.as_str() < b.path.as_str());
        if whole { Ok(manifest) } else { Err(Unreadable::Damaged) }
    }

    /// The text of `manifest.json`: one file a line, so that a diff of two trees reads well.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut text, ItemPerLine::default());
        #[expect(
            clippy::expect_used,
            reason = "strings and numbers, written to memory: nothing of that can fail"
        )]
        {
            self.serialize(&mut writer).expect("a manifest is JSON");
            text.push(b'\n');
            String::from_utf8(text).expect("serde_json writes UTF-8")
        }
    }

    /// The same with an authentication code at its end, for a tree.
    pub(super) fn to_authentic_json(&self, secret: &SiteSecret) -> String {
        let mut text = self.to_json();
        let end = text.trim_end_matches(['\n', '}']).len();
        text.truncate(end);
        let mac = hex::encode(&secret.manifest_mac(text.as_bytes()));
        text + MAC_HEAD + &mac + MAC_TAIL
    }

    /// Who wrote this manifest, whose text this is.
    pub(super) fn author(&self, text: &[u8], secret: &SiteSecret) -> Author {
        if is_authentic(text, secret) {
            Author::Build
        } else if self.format < FIRST_WITH_MAC {
            Author::Unknown
        } else {
            Author::Other
        }
    }

    /// The text of `SHA256SUMS`, as `sha256sum -c` reads it: every file but itself, so the manifest too, whose text has
    /// this digest.
    pub(super) fn sums(&self, manifest: &[u8; 32]) -> String {
        let manifest = hex::encode(manifest);
        let mut lines: Vec<(&str, &str)> = self
            .files
            .iter()
            .map(|entry| (entry.path.as_str(), &*entry.sha256))
            .collect();
        let at = lines.partition_point(|(path, _)| *path < MANIFEST);
        lines.insert(at, (MANIFEST, &manifest));
        let lines = lines.iter().flat_map(|(path, sha256)| [*sha256, "  ", *path, "\n"]);
        lines.collect()
    }

    /// A path that is listed twice, if any is.
    pub(super) fn repeated(&self) -> Option<&Utf8Path> {
        self.files
            .windows(2)
            .find(|pair| pair[0].path.as_str() == pair[1].path.as_str())
            .map(|pair| &*pair[0].path)
    }

    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&ClusterInfo> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }

    /// The file of that path.
    pub(super) fn entry(&self, path: &Utf8Path) -> Option<&Entry> {
        let order = |entry: &Entry| entry.path.as_str().cmp(path.as_str());
        let at = self.files.binary_search_by(order).ok()?;
        Some(&self.files[at])
    }

    /// Every folder of the tree but the top, relative to it, in the order of their paths' bytes.
    pub(super) fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = Vec::new();
        let mut previous = "";
        for entry in &self.files {
            let path = entry.path.as_str();
            // Files of a folder are neighbours, so what this path shares with the one before is known already.
            let shared = path.bytes().zip(previous.bytes()).take_while(|(a, b)| a == b).count();
            let slashes = path.bytes().enumerate().skip(shared);
            folders.extend(slashes.filter(|(_, byte)| *byte == b'/').map(|(at, _)| &path[..at]));
            previous = path;
        }
        folders.sort_unstable();
        folders.dedup();
        folders
    }

    /// Indices in [`Self::files`] of the file of that path, or every file below the folder of that path.
    pub(super) fn below(&self, prefix: &Utf8Path) -> Range<usize> {
        let from = |bound: &str| self.files.partition_point(|entry| entry.path.as_str() < bound);
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
    /// The entry of a file.
    pub(super) fn of_file(file: &File) -> Self {
        let content = &file.content;
        Self {
            path: file.path.clone(),
            size: content.bytes().len() as u64,
            mode: content.mode(),
            sha256: hex::encode(&content.sha256()),
            secret: content.is_secret(),
        }
    }

    /// The entry of a file that is no secret, read to its end; it may be of any size. `also` is given every
    /// chunk of it.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read_from(
        path: Utf8PathBuf,
        source: impl io::Read,
        mode: u32,
        mut also: impl FnMut(&[u8]),
    ) -> io::Result<Self> {
        let mut sha256 = Sha256::new();
        let size = each_chunk(source, |chunk| {
            sha256.update(chunk);
            also(chunk);
        })?;
        Ok(Self {
            path,
            size,
            mode,
            sha256: hex::encode(&sha256.finalize()),
            secret: false,
        })
    }
}

/// Whether a build with this secret wrote this text of a manifest.
fn is_authentic(text: &[u8], secret: &SiteSecret) -> bool {
    let split = || {
        let text = text.strip_suffix(MAC_TAIL.as_bytes())?;
        let (text, mac) = text.split_at_checked(text.len().checked_sub(2 * 32)?)?;
        let mut found = [0; 32];
        hex::decode(str::from_utf8(mac).ok()?, &mut found)?;
        Some((text.strip_suffix(MAC_HEAD.as_bytes())?, found))
    };
    split().is_some_and(|(text, found)| {
        let expected = secret.manifest_mac(text);
        // How long it takes must not tell how much of a guess is right.
        expected.iter().zip(found).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    })
}

/// The reason why a text is no manifest of a known format.
fn why_unreadable(text: &[u8]) -> Unreadable {
    #[derive(Deserialize)]
    struct Header {
        generator: String,
        format: u64,
    }
    match serde_json::from_slice::<Header>(text) {
        Ok(header) if header.generator != GENERATOR => Unreadable::Foreign,
        Ok(header) if header.format > FORMAT => Unreadable::Newer(header.format),
        Ok(_) => Unreadable::Damaged,
        Err(_) => Unreadable::Foreign,
    }
}

/// Breaks lines down to the items of the manifest's lists, so that each of them is one line.
#[derive(Default)]
struct ItemPerLine {
    depth: usize,
}

impl ItemPerLine {
    /// How deep the lists lie whose items begin a line each: the manifest itself, and its clusters and files.
    const BROKEN: usize = 2;

    fn open(&mut self, writer: &mut (impl io::Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn item(&self, writer: &mut (impl io::Write + ?Sized), first: bool) -> io::Result<()> {
        let comma = if first { "" } else { "," };
        match (self.depth <= Self::BROKEN, first) {
            (true, _) => write!(writer, "{comma}\n{:1$}", "", 2 * self.depth),
            (false, true) => Ok(()),
            (false, false) => writer.write_all(b", "),
        }
    }

    fn close(&mut self, writer: &mut (impl io::Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < Self::BROKEN {
            write!(writer, "\n{:1$}", "", 2 * self.depth)?;
        }
        writer.write_all(bracket)
    }
}

impl Formatter for ItemPerLine {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Permission bits as four octal digits.
mod octal {
    use serde::de::{Deserialize, Deserializer, Error, Unexpected};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{mode:04o}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        (digits && text.len() == 4 && text.starts_with('0'))
            .then(|| u32::from_str_radix(&text, 8).ok())
            .flatten()
            .ok_or_else(|| {
                let expected = &"four octal digits of permission bits";
                D::Error::invalid_value(Unexpected::Str(&text), expected)
            })
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
        Entry::of_file(&file)
    }

    fn entry(path: &str) -> Entry {
        Entry {
            mode: 0o600,
            ..of_text(path, path)
        }
    }

    fn sample() -> Manifest {
        let info = BuildInfo {
            program: "c0de".into(),
            secret_fingerprint: "5f1d".into(),
            clusters: vec![
                ClusterInfo {
                    name: "rack".into(),
                    ..ClusterInfo::default()
                },
                ClusterInfo {
                    name: "lab".into(),
                    digest: "1a".into(),
                    hosts: vec!["node2".into(), "node\"1".into()],
                },
            ],
        };
        let files = ["lab-a/x", "lab/node10/a", "lab/node1/b", "lab/node1", "lab0"].map(|path| Entry {
            secret: true,
            ..entry(path)
        });
        let mut manifest = Manifest::new(info, files.into());
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
        let info = BuildInfo {
            program: String::new(),
            secret_fingerprint: String::new(),
            clusters: vec![],
        };
        assert_eq!(
            Manifest::new(info, files).folders(),
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

    #[test]
    fn the_text_is_fixed() {
        let mut manifest = sample();
        manifest.files.truncate(2);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"{{
  "generator": "lxseed",
  "format": 5,
  "version": "{version}",
  "program": "c0de",
  "secret": "5f1d",
  "clusters": [
    {{"name": "lab", "digest": "1a", "hosts": ["node\"1", "node2"]}},
    {{"name": "rack", "digest": "", "hosts": []}}
  ],
  "files": [
    {{"path": "lab-a/x", "size": 7, "mode": "0644", "sha256": "{}", "secret": false}},
    {{"path": "lab/node1", "size": 9, "mode": "0600", "sha256": "{}", "secret": true}}
  ]
}}
"#,
            manifest.files[0].sha256, manifest.files[1].sha256,
        );
        assert_eq!(manifest.to_json(), expected);
        assert_eq!(Manifest::parse(expected.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn sums_are_in_the_order_of_paths() {
        let mut manifest = sample();
        manifest.files = ["lab/x", "manifest", "manifest.json-", "rack/x"].map(entry).into();
        let sums = manifest.sums(&[0xab; 32]);
        let paths: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
        let expected = ["lab/x", "manifest", "manifest.json", "manifest.json-", "rack/x"];
        assert_eq!(paths, expected);
        assert!(sums.contains(&format!("{}  manifest.json\n", "ab".repeat(32))));
    }

    #[test]
    fn the_formats_before_are_still_read() {
        let text = r#"{"generator": "lxseed", "format": 1, "version": "0.1.0", "secret": "5f1d", "clusters": [{"name": "lab", "hosts": ["node1"]}], "files": []}"#;
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let lab = manifest.cluster("lab").unwrap();
        assert_eq!((&*lab.hosts[0], &*lab.digest), ("node1", ""));
        assert_eq!(manifest.program, "");
        assert!(manifest.cluster("rack").is_none());
        let sha256 = "5f".repeat(32);
        let text = format!(
            r#"{{"generator": "lxseed", "format": 3, "version": "0.1.0", "program": "c0de", "secret": "5f1d", "clusters": [{{"name": "lab", "shared": "5a", "inputs": "1a", "hosts": [
      {{"name": "node1", "inputs": "3c"}}
    ]}}], "files": [
    {{"path": "lab/a", "size": 1, "mode": "0600", "sha256": "{sha256}", "xxh3": "000102030405060708090a0b0c0d0e0f", "secret": true}}
  ]}}"#
        );
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.files[0].sha256, sha256);
        let lab = manifest.cluster("lab").unwrap();
        assert_eq!((&*lab.hosts[0], &*lab.digest), ("node1", ""));
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
