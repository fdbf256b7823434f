//! `manifest.json` and `SHA256SUMS` as texts.
//!
//! Writing to a `String` cannot fail, so what `write!` returns is left aside here.

use std::fmt::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ClusterAbout, Entry, HostAbout, MANIFEST, Manifest, SUMS, path_fault};
use crate::hex;
use crate::tree::{Fault, OutputError};

/// The manifest's format number: it grows when a reader of the old one would misread the new.
const FORMAT: u64 = 3;
/// The first in which the XXH3 of a secret file is veiled.
const VEILED: u64 = 3;
const GENERATOR: &str = "lxseed";

/// How manifests write a host; format 1 knew its name only.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum HostForm {
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

/// Why a `manifest.json` is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tree) enum Unreadable {
    Foreign,
    Newer(u64),
    Damaged,
}

impl Unreadable {
    /// What a user is told of the tree at `path`; nothing if it is none of ours.
    pub(in crate::tree) fn error(self, path: &Utf8Path) -> Option<OutputError> {
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
    /// Reads what [`to_json`](Self::to_json) wrote, of this format or an earlier one.
    pub(in crate::tree) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Header {
            generator: String,
            format: u64,
        }
        let header = || match serde_json::from_slice::<Header>(text) {
            Ok(header) if header.generator != GENERATOR => Err(Unreadable::Foreign),
            Ok(header) if header.format > FORMAT => Err(Unreadable::Newer(header.format)),
            Ok(header) => Ok(header.format),
            Err(_) => Err(Unreadable::Foreign),
        };
        // As it was written it tells at once what it is; looking for that in 20 MB would take as long as reading them.
        let format = if text.starts_with(head().as_bytes()) {
            FORMAT
        } else {
            header()?
        };
        let read = by_lines(text).map_or_else(|| serde_json::from_slice(text), Ok);
        let Ok(mut manifest): Result<Self, _> = read else {
            header()?;
            return Err(Unreadable::Damaged);
        };
        if format < VEILED {
            let secrets = manifest.files.iter_mut().filter(|entry| entry.secret);
            secrets.for_each(|entry| entry.xxh3 = None);
        }
        // What is carried over is found by these paths, and what is said of it stands in the next manifest: both are held to what a
        // build writes.
        let as_written = |entry: &Entry| {
            path_fault(&entry.path).is_none() && hex::decode(&entry.sha256, &mut [0; 32]).is_some()
        };
        let whole = manifest.files.par_iter().all(as_written)
            && manifest
                .files
                .is_sorted_by(|a, b| a.path.as_str() < b.path.as_str());
        if whole {
            Ok(manifest)
        } else {
            Err(Unreadable::Damaged)
        }
    }

    /// The text of `manifest.json`: one file a line, so that a diff of two trees reads well.
    #[must_use]
    pub fn to_json(&self) -> String {
        /// So many lines at a time are worth a thread.
        const LINES: usize = 2048;
        let mut text = head();
        for (key, value) in [
            ("version", &self.version),
            ("program", &self.program),
            ("secret", &self.secret_fingerprint),
        ] {
            text.extend(["  \"", key, "\": "]);
            quoted(&mut text, value);
            text.push_str(",\n");
        }
        text.push_str("  \"clusters\": ");
        list(&mut text, &self.clusters, 2, cluster);
        text.push_str(FILES);
        let chunks = self.files.par_chunks(LINES).map(|files| {
            let mut text = String::with_capacity(files.len() * 300);
            items_of_list(&mut text, files, 2, file);
            text
        });
        let chunks: Vec<String> = chunks.collect();
        text.reserve_exact(chunks.iter().map(|chunk| chunk.len() + 1).sum::<usize>() + 16);
        for (at, chunk) in chunks.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            text.push_str(chunk);
        }
        end_of_list(&mut text, &self.files, 2);
        text.push_str(END);
        text
    }

    /// The texts of both of the tree's own files.
    pub(in crate::tree) fn own(&self) -> Own {
        let manifest = self.to_json();
        let before = self
            .files
            .partition_point(|entry| entry.path.as_str() < MANIFEST);
        let (before, after) = self.files.split_at(before);
        // A digest of twenty megabytes, and what does not wait for it.
        let (sha256, (mut sums, after)) = rayon::join(
            || hex::encode(&Sha256::digest(&manifest)),
            || (sums(before), sums(after)),
        );
        sums.extend([&*sha256, "  ", MANIFEST, "\n", &*after]);
        Own { manifest, sums }
    }
}

/// What lists all files of a tree, and what lists their sums.
pub(in crate::tree) struct Own {
    /// The text of [`MANIFEST`].
    pub(in crate::tree) manifest: String,
    /// The text of [`SUMS`], as `sha256sum -c` reads it: every file but itself, so the manifest too.
    pub(in crate::tree) sums: String,
}

impl Own {
    /// What is wrong with the two as they stand below `root`.
    pub(in crate::tree) fn faults(&self, root: &Utf8Path) -> Vec<(Utf8PathBuf, Fault)> {
        [(MANIFEST, &self.manifest), (SUMS, &self.sums)]
            .into_par_iter()
            .filter_map(|(name, text)| {
                let fault = Entry::of_own(name, text).fault(root, None)?;
                Some((name.into(), fault))
            })
            .collect()
    }
}

fn sums(files: &[Entry]) -> String {
    let length = files
        .iter()
        .map(|entry| entry.path.as_str().len() + entry.sha256.len() + 3);
    let mut text = String::with_capacity(length.sum());
    for entry in files {
        text.extend([&*entry.sha256, "  ", entry.path.as_str(), "\n"]);
    }
    text
}

/// How the list of files begins, and what follows it.
const FILES: &str = ",\n  \"files\": [";
const END: &str = "\n}\n";

/// A manifest as it was written, with one file a line, read on all cores; nothing if it is not as it was written.
fn by_lines(text: &[u8]) -> Option<Manifest> {
    let text = std::str::from_utf8(text).ok()?;
    let (front, files) = text.split_once(FILES)?;
    let mut manifest: Manifest = serde_json::from_str(&[front, FILES, "]", END].concat()).ok()?;
    let files = files.strip_prefix('\n')?.strip_suffix(END)?;
    let lines: Vec<&str> = files.strip_suffix("\n  ]")?.split('\n').collect();
    let last = lines.len() - 1;
    let entries = lines.par_iter().enumerate().map(|(at, line)| {
        let line = match at == last {
            true => line,
            false => line.strip_suffix(',')?,
        };
        serde_json::from_str(line).ok()
    });
    manifest.files = entries.collect::<Option<_>>()?;
    Some(manifest)
}

fn cluster(text: &mut String, cluster: &ClusterAbout) {
    let ClusterAbout {
        name,
        shared,
        inputs,
        hosts,
    } = cluster;
    for (key, value) in [
        ("{\"name\": ", name),
        (", \"shared\": ", shared),
        (", \"inputs\": ", inputs),
    ] {
        text.push_str(key);
        quoted(text, value);
    }
    text.push_str(", \"hosts\": ");
    list(text, hosts, 4, |text, HostAbout { name, inputs }| {
        text.push_str("{\"name\": ");
        quoted(text, name);
        text.push_str(", \"inputs\": ");
        quoted(text, inputs);
        text.push('}');
    });
    text.push('}');
}

fn file(text: &mut String, entry: &Entry) {
    let Entry {
        path,
        size,
        mode,
        sha256,
        xxh3,
        secret,
    } = entry;
    text.push_str("{\"path\": ");
    quoted(text, path.as_str());
    let _ = write!(
        text,
        ", \"size\": {size}, \"mode\": \"{mode:04o}\", \"sha256\": \""
    );
    text.push_str(sha256);
    if let Some(xxh3) = xxh3 {
        text.extend(["\", \"xxh3\": \"", &hex::encode(&xxh3.to_be_bytes())]);
    }
    text.extend(["\", \"secret\": ", if *secret { "true}" } else { "false}" }]);
}

/// What every manifest of this format begins with.
fn head() -> String {
    format!("{{\n  \"generator\": \"{GENERATOR}\",\n  \"format\": {FORMAT},\n")
}

/// A JSON string.
fn quoted(text: &mut String, value: &str) {
    // What lxseed writes needs no escape; making a value of each of many thousand names would be most of the work.
    if value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    {
        text.extend(["\"", value, "\""]);
    } else {
        let _ = write!(text, "{}", Value::from(value));
    }
}

/// A list with one item a line; `indent` is that of the line the list begins in.
fn list<T>(text: &mut String, items: &[T], indent: usize, write_item: impl Fn(&mut String, &T)) {
    text.push('[');
    items_of_list(text, items, indent, write_item);
    end_of_list(text, items, indent);
}

fn items_of_list<T>(
    text: &mut String,
    items: &[T],
    indent: usize,
    write_item: impl Fn(&mut String, &T),
) {
    for (at, item) in items.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(text, "{comma}\n{:1$}", "", indent + 2);
        write_item(text, item);
    }
}

fn end_of_list<T>(text: &mut String, items: &[T], indent: usize) {
    if !items.is_empty() {
        let _ = write!(text, "\n{:indent$}", "");
    }
    text.push(']');
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Utf8PathBuf, D::Error> {
    String::deserialize(deserializer).map(Utf8PathBuf::from)
}

pub(super) fn hex128<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u128>, D::Error> {
    deserializer.deserialize_str(Digits {
        what: "32 hexadecimal digits",
        read: |text| {
            let mut bytes = [0; 16];
            hex::decode(text, &mut bytes).map(|()| Some(u128::from_be_bytes(bytes)))
        },
    })
}

pub(super) fn octal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
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
    use crate::tree::manifest::About;
    use crate::tree::manifest::tests::sample;

    #[test]
    fn the_text_is_fixed() {
        let mut manifest = sample();
        manifest.files.truncate(2);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"{{
  "generator": "lxseed",
  "format": 3,
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
    {{"path": "lab/node1", "size": 9, "mode": "0600", "sha256": "{}", "secret": true}}
  ]
}}
"#,
            manifest.files[0].sha256,
            manifest.files[0].xxh3.unwrap(),
            manifest.files[1].sha256,
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
    fn a_manifest_reads_the_same_however_it_is_laid_out() {
        let manifest = sample();
        let text = manifest.to_json();
        assert_eq!(by_lines(text.as_bytes()).as_ref(), Some(&manifest));
        let value: Value = serde_json::from_str(&text).unwrap();
        for text in [value.to_string(), format!("{value:#}"), format!("{text}\n")] {
            assert_eq!(by_lines(text.as_bytes()), None);
            assert_eq!(Manifest::parse(text.as_bytes()).as_ref(), Ok(&manifest));
        }
        // A line that is cut, joined or doubled is no line.
        let end = "false},\n    {";
        for (from, to) in [
            (end, "false}\n    {"),
            (end, "false,\n    {"),
            (end, "false},\n\n    {"),
            (end, "false}, {"),
        ] {
            let text = text.replacen(from, to, 1);
            assert_eq!(by_lines(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn many_lines_are_written_as_few() {
        let mut manifest = sample();
        let one = manifest.files[0].clone();
        let path = |at| format!("lab/{at:05}").into();
        let files = (0..5000).map(|at| Entry {
            path: path(at),
            ..one.clone()
        });
        manifest.set_files(files.collect());
        let text = manifest.to_json();
        assert_eq!(by_lines(text.as_bytes()).as_ref(), Some(&manifest));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["files"].as_array().map(Vec::len), Some(5000));
        assert_eq!(text.matches("},\n    {\"path\"").count(), 4999);
    }

    #[test]
    fn sums_are_in_the_order_of_paths() {
        let mut manifest = sample();
        let one = manifest.files[0].clone();
        let files = ["rack/x", "lab/x", "manifest.json-", "manifest"].map(|path| Entry {
            path: path.into(),
            ..one.clone()
        });
        manifest.set_files(files.into());
        let own = manifest.own();
        let paths: Vec<&str> = own.sums.lines().map(|line| &line[66..]).collect();
        let expected = [
            "lab/x",
            "manifest",
            "manifest.json",
            "manifest.json-",
            "rack/x",
        ];
        assert_eq!(paths, expected);
        let line = format!(
            "{}  manifest.json\n",
            hex::encode(&Sha256::digest(&own.manifest))
        );
        assert!(own.sums.contains(&line), "{}", own.sums);
    }

    #[test]
    fn what_was_not_veiled_before_is_not_taken_for_veiled() {
        let entry = |secret| {
            format!(
                r#"{{"path": "{secret}", "size": 1, "mode": "0600", "sha256": "{:064x}", "xxh3": "{:032x}", "secret": {secret}}}"#,
                4, 5
            )
        };
        let text = format!(
            r#"{{"generator": "lxseed", "format": 2, "version": "0.1.0", "secret": "5f1d", "clusters": [], "files": [{}, {}]}}"#,
            entry(false),
            entry(true)
        );
        let files = Manifest::parse(text.as_bytes()).unwrap().files;
        assert_eq!([files[0].xxh3, files[1].xxh3], [Some(5), None]);
    }

    #[test]
    fn the_formats_before_are_still_read() {
        let text = r#"{"generator": "lxseed", "format": 1, "version": "0.1.0", "secret": "5f1d", "clusters": [{"name": "lab", "hosts": ["node1"]}], "files": []}"#;
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let lab = manifest.cluster("lab").unwrap();
        assert_eq!((&*lab.hosts[0].name, &*lab.hosts[0].inputs), ("node1", ""));
        assert_eq!((&*lab.inputs, &*manifest.program), ("", ""));
        assert!(manifest.cluster("rack").is_none());
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
