//! Holds files and folders on disk against what a manifest says of them.

use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::fs::{FOLDER_MODE, read_plain};
use super::manifest::{Entry, MANIFEST, Manifest, SUMS};
use crate::hex;
use crate::trust::SecretBytes;

/// The tree's own files may be read by anybody.
pub(super) const OWN_MODE: u32 = 0o644;

impl Entry {
    /// What is wrong with this file below `root`, if anything is.
    pub(super) fn fault(&self, root: &Utf8Path) -> Option<Fault> {
        self.read(root).err()
    }

    /// The bytes of this file below `root`, if they are what was built.
    pub(super) fn read(&self, root: &Utf8Path) -> Result<SecretBytes, Fault> {
        let bytes = read_plain(&root.join(&self.path), self.mode, Some(self.size))?;
        if hex::encode(bytes.sha256()) == self.sha256 {
            Ok(bytes)
        } else {
            Err(Fault::Altered)
        }
    }
}

/// What is wrong with the files of these entries below `root`, in their order.
pub(super) fn file_faults(root: &Utf8Path, entries: &[Entry]) -> Vec<(Utf8PathBuf, Fault)> {
    entries
        .par_iter()
        .filter_map(|entry| Some((entry.path.clone(), entry.fault(root)?)))
        .collect()
}

/// What is wrong with the manifest and the checksum list themselves. The list has the manifest's digest, so it shows of a
/// manifest of any format whether it is as it was written.
pub(super) fn own_faults(root: &Utf8Path, manifest: &Manifest) -> Vec<(Utf8PathBuf, Fault)> {
    let [text, sums] = [MANIFEST, SUMS].map(|name| read_plain(&root.join(name), OWN_MODE, None));
    let altered = match (&text, &sums) {
        (Ok(text), Ok(sums)) => {
            let expected = manifest.sums(&Sha256::digest(text.expose()).into());
            altered(sums.expose(), expected.as_bytes())
        }
        _ => None,
    };
    let faults = [(MANIFEST, text.err()), (SUMS, sums.err())]
        .into_iter()
        .filter_map(|(name, fault)| Some((name.into(), fault?)));
    faults
        .chain(altered.map(|name| (name.into(), Fault::Altered)))
        .collect()
}

/// Which of the two was altered: the manifest, if its digest is all that differs.
fn altered(sums: &[u8], expected: &[u8]) -> Option<&'static str> {
    let differs = |line: &(&[u8], &[u8])| line.0 != line.1;
    let lines = || sums.split(|byte| *byte == b'\n');
    let wanted = || expected.split(|byte| *byte == b'\n');
    let mut different = lines().zip(wanted()).filter(differs).map(|(_, line)| line);
    match (different.next(), different.next()) {
        (None, _) if sums.len() == expected.len() => None,
        (Some(line), None)
            if sums.len() == expected.len()
                && line.ends_with(format!("  {MANIFEST}").as_bytes()) =>
        {
            Some(MANIFEST)
        }
        _ => Some(SUMS),
    }
}

/// The folders that are missing, or that others than the owner may look into. The top is the empty path.
pub(super) fn folder_faults(root: &Utf8Path, manifest: &Manifest) -> Vec<(Utf8PathBuf, Fault)> {
    let fault = |folder: &str| match root.join(folder).symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some(Fault::Missing),
        Err(_) => Some(Fault::Unreadable),
        Ok(found) if !found.is_dir() => Some(Fault::Kind),
        Ok(found) => {
            let mode = found.permissions().mode() & 0o7777;
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
