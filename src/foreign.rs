//! Files that others made: opened without waiting, read within bounds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use camino::Utf8Path;
use rustix::fs::OFlags;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Opens a plain file, for reading and, if `write` says so, for writing.
///
/// # Errors
/// If it cannot be opened, or is something else: a pipe would keep the reader waiting, and a device would never end.
pub(crate) fn open(path: &Utf8Path, write: bool) -> io::Result<File> {
    // Opening a pipe that nobody writes to would wait for good; for a plain file the flag means nothing.
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| match error.kind() {
            // A folder that shall be written.
            io::ErrorKind::IsADirectory => not_plain(),
            _ => error,
        })?;
    if !file.metadata()?.is_file() {
        return Err(not_plain());
    }
    Ok(file)
}

#[derive(Debug, Error)]
#[error("it is not a plain file")]
struct NotPlain;

fn not_plain() -> io::Error {
    io::Error::other(NotPlain)
}

/// Whether it was refused for what it is.
pub(crate) fn is_not_plain(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NotPlain>())
}

/// The bytes of a plain file.
///
/// # Errors
/// If it cannot be read, is no plain file, or has more than `limit` bytes.
pub(crate) fn read(path: &Utf8Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path, false)?;
    // At its full size at once: a vector that grows leaves copies behind, and it may hold keys.
    let size = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // It may grow while it is read; the bound holds all the same.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads YAML of which no value, no place and no other document is kept than `T` asks for. What aliases repeat may be
/// as long again as the text; a bomb, which multiplies, is stopped early.
///
/// # Errors
/// Why it cannot be read, in the reader's words: they may show what is in the text.
pub(crate) fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let nodes = text.len().saturating_add(1000);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_events: nodes.saturating_mul(2),
            max_nodes: nodes,
            max_aliases: 1000,
            max_anchors: 1000,
            max_recorded_anchor_events: nodes.saturating_mul(2),
            max_recorded_anchor_bytes: text.len().saturating_mul(4).saturating_add(1 << 16),
            max_total_scalar_bytes: text.len().saturating_mul(4).saturating_add(1 << 16),
            max_merge_keys: 1000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: nodes,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.without_snippet().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_a_plain_file_is_opened_and_only_so_much_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| camino::Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
        let pipe = path("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            pipe.as_std_path(),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for (other, write) in [
            (&*pipe, false),
            (&pipe, true),
            (&path(""), false),
            (&path(""), true),
            ("/dev/zero".into(), false),
        ] {
            let error = open(other, write).unwrap_err().to_string();
            assert!(error.contains("not a plain file"), "{other}: {error}");
        }
        let file = path("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert!(read(&file, 4).is_err());
    }

    type Lists = BTreeMap<String, Vec<serde_json::Value>>;

    #[test]
    fn a_bomb_does_not_go_off() {
        let wide = format!("[{}]", vec!["x"; 400].join(","));
        let mut multiplies = format!("a0: &a0 {wide}\n");
        for level in 1..4 {
            let alias = format!("*a{}", level - 1);
            multiplies += &format!("a{level}: &a{level} [{}]\n", vec![&*alias; 400].join(","));
        }
        let long = format!(
            "a: &a [{}]\nb: [{}]\n",
            "x".repeat(100_000),
            vec!["*a"; 20_000].join(",")
        );
        let deep = format!("a: [{}", "[".repeat(120_000));
        let merges = format!(
            "a: &a {{{}}}\n",
            (0..999).map(|n| format!("k{n}: &m{n} {{<<: *a}},")).collect::<String>()
        );
        for text in [multiplies, long, deep, merges] {
            let began = Instant::now();
            assert!(yaml::<Lists>(&text).is_err(), "{}", &text[..60]);
            assert!(began.elapsed() < Duration::from_secs(2), "{}", &text[..60]);
        }
    }

    #[test]
    fn an_honest_text_is_read() {
        let found: Lists = yaml("a: &a [1, x]\nb: *a\n").unwrap();
        assert_eq!(found["a"], found["b"]);
        let found: BTreeMap<String, String> = yaml("version: 1.10\nname: lxd\n").unwrap();
        assert_eq!(found["version"], "1.10");
    }
}
