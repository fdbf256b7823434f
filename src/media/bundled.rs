//! Files that go onto a medium from where they lie, without ever being in memory as a whole: a snap has a hundred
//! megabytes.

use std::io;

use camino::Utf8PathBuf;
use md5::Digest as _;

use crate::foreign;
use crate::hex;
use crate::model::Cluster;
use crate::tree::Entry;

/// The folder of a cluster's snaps, beside those of its hosts. No host has an underscore in its name.
pub const SNAPS: &str = "lxd_snaps";

/// A file that goes onto a medium.
#[derive(Clone, Debug)]
pub struct BundledFile {
    /// Where it lies.
    pub source: Utf8PathBuf,
    /// What it is, its path being the one on the medium.
    pub entry: Entry,
    /// Its MD5, in hexadecimal.
    pub(super) md5: String,
}

impl BundledFile {
    /// Reads a file that shall be at `path` of a medium, from beginning to end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: Utf8PathBuf, source: Utf8PathBuf) -> io::Result<Self> {
        let file = foreign::open(&source, false)?;
        let mut md5 = md5::Md5::new();
        let entry = Entry::read_from(path, file, 0o644, |piece| md5.update(piece))?;
        Ok(Self {
            source,
            entry,
            md5: hex::encode(&md5.finalize()),
        })
    }

    /// The snaps of a cluster with their assertions, at `folder`; none if its machines get them from the store.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn snaps(cluster: &Cluster, folder: &camino::Utf8Path) -> io::Result<Vec<Self>> {
        let files = cluster.snaps.iter().flat_map(|snap| {
            let at = |extension| folder.join(format!("{}.{extension}", snap.stem()));
            [(at("assert"), &snap.assertion), (at("snap"), &snap.snap)]
        });
        files.map(|(path, source)| Self::read(path, source.clone())).collect()
    }
}
