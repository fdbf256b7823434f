//! A file of a site that is a snap or its assertions: looked into when it is asked for, once.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use sha3::{Digest as _, Sha3_384};

use super::squashfs::{self, SquashError};
use crate::budget::{MAX_ASSERTION_BYTES, MAX_SNAP_BYTES, MAX_SNAP_META_BYTES};
use crate::chunks::each_chunk;
use crate::foreign;

/// A snap, or its assertions. Nothing is read before it is asked for: a snap has a hundred megabytes.
#[derive(Debug)]
pub(crate) struct SnapFile {
    path: Utf8PathBuf,
    content: Content,
    examined: OnceLock<Result<Examined, String>>,
}

#[derive(Debug)]
enum Content {
    OnDisk,
    InMemory(Vec<u8>),
    Unreadable(io::ErrorKind),
}

/// What a snap is.
#[derive(Debug)]
pub(crate) struct Examined {
    /// In bytes.
    pub(crate) size: u64,
    /// SHA3-384, as assertions write it.
    pub(crate) digest: String,
    /// What it says of itself.
    pub(crate) meta: Result<Meta, NoMeta>,
}

/// Why a snap's own description is not known.
#[derive(Debug)]
pub(crate) enum NoMeta {
    /// It is packed in a way that cannot be unpacked here; nothing is wrong with it.
    Packed(String),
    /// There is none, or it is damaged.
    Damaged(String),
}

/// `meta/snap.yaml`, as far as it matters here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Meta {
    /// Its version, as people say it.
    #[serde(default)]
    version: Option<String>,
    /// The base snap. Without one, the base of an application is `core`.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// The processors it runs on; `all` where it has no programs of its own.
    #[serde(default)]
    pub(crate) architectures: Vec<String>,
}

impl Meta {
    /// The version, as it is written: snapd takes one without quotes, which YAML makes a number of, for its text, too.
    pub(crate) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or_default()
    }
}

trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

impl SnapFile {
    pub(crate) fn on_disk(path: Utf8PathBuf) -> Self {
        Self::new(path, Content::OnDisk)
    }

    pub(crate) fn in_memory(path: Utf8PathBuf, bytes: Vec<u8>) -> Self {
        Self::new(path, Content::InMemory(bytes))
    }

    pub(crate) fn unreadable(path: Utf8PathBuf, why: io::ErrorKind) -> Self {
        Self::new(path, Content::Unreadable(why))
    }

    fn new(path: Utf8PathBuf, content: Content) -> Self {
        Self {
            path,
            content,
            examined: OnceLock::new(),
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    fn open(&self) -> io::Result<Box<dyn Source + '_>> {
        match &self.content {
            Content::OnDisk => Ok(Box::new(foreign::open(&self.path, false)?)),
            Content::InMemory(bytes) => Ok(Box::new(Cursor::new(&**bytes))),
            Content::Unreadable(why) => Err((*why).into()),
        }
    }

    /// The text of a file of assertions.
    pub(crate) fn text(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut source = self.open().map_err(unreadable)?;
        source
            .by_ref()
            .take(MAX_ASSERTION_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_ASSERTION_BYTES {
            return Err("it is far too large to be a file of assertions".to_owned());
        }
        Ok(bytes)
    }

    /// Reads a snap from beginning to end; the second time, what came of the first.
    pub(crate) fn examine(&self) -> Result<&Examined, &str> {
        self.examined
            .get_or_init(|| self.examine_anew().map_err(unreadable))
            .as_ref()
            .map_err(String::as_str)
    }

    fn examine_anew(&self) -> io::Result<Examined> {
        let mut source = self.open()?;
        // A hole of any length costs nothing on a disk, and would be read for hours.
        if source.seek(SeekFrom::End(0))? > MAX_SNAP_BYTES {
            return Err(io::Error::other(format!(
                "it has more than {} MiB",
                MAX_SNAP_BYTES >> 20
            )));
        }
        source.rewind()?;
        let mut digest = Sha3_384::new();
        let size = each_chunk((&mut source).take(MAX_SNAP_BYTES), |chunk| digest.update(chunk))?;
        Ok(Examined {
            size,
            digest: URL_SAFE_NO_PAD.encode(digest.finalize()),
            meta: meta(&mut source),
        })
    }
}

fn unreadable(error: impl std::fmt::Display) -> String {
    format!("it cannot be read: {error}")
}

fn meta(source: &mut (impl Read + Seek)) -> Result<Meta, NoMeta> {
    let bytes = match squashfs::read(source, &["meta", "snap.yaml"], MAX_SNAP_META_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Err(NoMeta::Damaged("there is no meta/snap.yaml in it".to_owned()));
        }
        Err(error @ SquashError::Packed(_)) => return Err(NoMeta::Packed(error.to_string())),
        Err(error) => return Err(NoMeta::Damaged(error.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|_| NoMeta::Damaged("its meta/snap.yaml is not text".to_owned()))?;
    foreign::yaml(&text).map_err(|error| NoMeta::Damaged(format!("its meta/snap.yaml cannot be read: {error}")))
}
