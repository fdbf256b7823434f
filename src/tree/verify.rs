//! Holds files and folders on disk against what a manifest says of them.

use std::io::{self, Read as _};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustix::fs::FileType;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::fs::{Expected, FOLDER_MODE, Folder};
use super::manifest::{Entry, MANIFEST, Manifest, SUMS};
use crate::hex;
use crate::trust::SecretBytes;

/// The tree's own files may be read by anybody.
pub(super) const OWN_MODE: u32 = 0o644;

/// What files are read into to be digested, a piece at a time: one for many files, for to wipe it takes as long as to digest
/// a file of this size.
type Buffer = Zeroizing<[u8; 16 << 10]>;

fn buffer() -> Buffer {
    Zeroizing::new([0; 16 << 10])
}

impl Entry {
    /// Compares this file below `root` with its entry.
    pub(super) fn fault(&self, root: &Folder) -> Option<Fault> {
        self.fault_through(root, &mut buffer())
    }

    fn fault_through(&self, root: &Folder, buffer: &mut Buffer) -> Option<Fault> {
        match self.digest(root, buffer) {
            Ok(sha256) => (hex::encode(&sha256) != self.sha256).then_some(Fault::Altered),
            Err(fault) => Some(fault),
        }
    }

    fn expected(&self) -> Expected {
        Expected {
            mode: self.mode,
            size: Some(self.size),
            one_name: self.secret,
        }
    }

    /// SHA-256 of the file, if it is of the right kind, size and mode.
    fn digest(&self, root: &Folder, buffer: &mut Buffer) -> Result<[u8; 32], Fault> {
        let mut file = root.open_plain(&self.path, self.expected())?.take(self.size);
        let mut digest = Sha256::new();
        loop {
            match file.read(&mut buffer[..]) {
                Ok(0) => return Ok(digest.finalize().into()),
                Ok(count) => digest.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Fault::Unreadable),
            }
        }
    }

    /// The bytes of this file below `root`, if they are what was built.
    pub(super) fn read(&self, root: &Folder) -> Result<SecretBytes, Fault> {
        let bytes = root.read_plain(&self.path, self.expected())?;
        if hex::encode(bytes.sha256()) == self.sha256 {
            Ok(bytes)
        } else {
            Err(Fault::Altered)
        }
    }
}

/// Faults of the files of these entries below `root`, in their order.
pub(super) fn file_faults(root: &Folder, entries: &[Entry]) -> Vec<(Utf8PathBuf, Fault)> {
    entries
        .par_iter()
        .map_init(buffer, |buffer, entry| {
            Some((entry.path.clone(), entry.fault_through(root, buffer)?))
        })
        .flatten()
        .collect()
}

/// Faults of the manifest and the checksum list themselves. The list has the manifest's digest, so it shows of a
/// manifest of any format whether it is as it was written.
pub(super) fn own_faults(root: &Folder, manifest: &Manifest) -> Vec<(Utf8PathBuf, Fault)> {
    let expected = Expected {
        mode: OWN_MODE,
        size: None,
        one_name: false,
    };
    let [text, sums] = [MANIFEST, SUMS].map(|name| root.read_plain(Utf8Path::new(name), expected));
    let altered = match (&text, &sums) {
        (Ok(text), Ok(sums)) => altered(sums.expose(), manifest.sums(text.sha256()).as_bytes()),
        _ => None,
    };
    let faults = [(MANIFEST, text.err()), (SUMS, sums.err())]
        .into_iter()
        .filter_map(|(name, fault)| Some((name.into(), fault?)));
    faults
        .chain(altered.map(|name| (name.into(), Fault::Altered)))
        .collect()
}

/// Name of the altered one of the two: the manifest, if its digest is all that differs.
fn altered(sums: &[u8], expected: &[u8]) -> Option<&'static str> {
    if sums == expected {
        return None;
    }
    let is_manifest = |line: &[u8]| line.ends_with(format!("  {MANIFEST}").as_bytes());
    let others = |text| {
        let lines = <[u8]>::split(text, |byte| *byte == b'\n');
        lines.filter(|line| !is_manifest(line)).collect::<Vec<_>>()
    };
    Some(if others(sums) == others(expected) {
        MANIFEST
    } else {
        SUMS
    })
}

/// The folders that are missing, or that others than the owner may look into. The top is the empty path.
pub(super) fn folder_faults(root: &Folder, manifest: &Manifest) -> Vec<(Utf8PathBuf, Fault)> {
    let fault = |folder: &str| match root.stat(if folder.is_empty() { "." } else { folder }) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some(Fault::Missing),
        Err(_) => Some(Fault::Unreadable),
        Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::Directory => Some(Fault::Kind),
        Ok(found) => {
            let mode = found.st_mode & 0o7777;
            (mode != FOLDER_MODE).then_some(Fault::Mode {
                found: mode,
                built: FOLDER_MODE,
            })
        }
    };
    let mut folders = manifest.folders();
    folders.push("");
    folders
        .par_iter()
        .filter_map(|folder| fault(folder).map(|fault| (folder.into(), fault)))
        .collect()
}
