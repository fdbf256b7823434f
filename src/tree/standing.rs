//! The tree that stands in the output folder, as its manifest and the file system have it.

use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;

use super::error::OutputError;
use super::fault::{self, Fault};
use super::guard::{self, Contents};
use super::manifest::Manifest;
use super::place::Place;
use super::stage::FOLDER_MODE;
use crate::trust::Veil;

/// What stands in an output folder. Whoever only compares reads it without a lock and writes nothing.
#[derive(Debug)]
pub struct Standing {
    pub(super) contents: Contents,
    /// Where it lies now; nothing if there is none.
    pub(super) folder: Option<Utf8PathBuf>,
    /// What digests of secret files are under.
    pub(super) veil: Option<Veil>,
}

/// What became of some files of the tree since they were built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No build wrote them.
    Absent,
    /// They are as they were built.
    Whole,
    /// These are not; paths are relative to the output folder.
    Damaged(Vec<(Utf8PathBuf, Fault)>),
}

impl Standing {
    /// Reads what stands in `target`.
    ///
    /// # Errors
    /// If a build would refuse to replace it.
    pub fn read(target: &Utf8Path) -> Result<Self, OutputError> {
        Self::at(&Place::locate(target)?)
    }

    pub(super) fn at(place: &Place) -> Result<Self, OutputError> {
        Ok(Self {
            contents: guard::inspect(place)?,
            folder: place.standing(),
            veil: None,
        })
    }

    /// With the veil lifted, secret files are compared by their quick digests.
    #[must_use]
    pub fn veiled_by(mut self, veil: Veil) -> Self {
        self.veil = Some(veil);
        self
    }

    /// What the last build wrote, if there was one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.contents.manifest.as_deref()
    }

    /// How files stand: those of these paths, or every file below the folders of these paths. Each is read and digested, for
    /// a modification time can be set by anybody.
    #[must_use]
    pub fn state(&self, paths: &[impl AsRef<Utf8Path>]) -> State {
        let (Some(manifest), Some(folder)) = (self.manifest(), &self.folder) else {
            return State::Absent;
        };
        let (mut faults, mut absent) = (Vec::new(), Vec::new());
        for path in paths {
            let path = path.as_ref();
            let files = &manifest.files[manifest.below(path)];
            if files.is_empty() {
                absent.push((path.to_owned(), Fault::Missing));
            }
            faults.extend(fault::faults(folder, files, self.veil.as_ref()));
        }
        if absent.len() == paths.len() {
            return State::Absent;
        }
        faults.extend(absent);
        if faults.is_empty() {
            State::Whole
        } else {
            State::Damaged(faults)
        }
    }

    /// What is wrong with the tree's own files and with its folders, the top being the empty path.
    #[must_use]
    pub fn own_faults(&self) -> Vec<(Utf8PathBuf, Fault)> {
        let (Some(manifest), Some(root)) = (self.manifest(), &self.folder) else {
            return Vec::new();
        };
        let (mut faults, folders) = rayon::join(
            || manifest.own().faults(root),
            || folder_faults(root, manifest),
        );
        if !self.contents.keep.contains(&".gitignore") {
            faults.push((".gitignore".into(), Fault::Missing));
        }
        faults.extend(folders);
        faults
    }

    /// The files below a folder, as the last build wrote them.
    pub fn paths(&self, folder: &Utf8Path) -> impl Iterator<Item = &Utf8Path> {
        let manifest = self.manifest();
        let files = manifest.map_or(&[][..], |m| &m.files[m.below(folder)]);
        files.iter().map(|entry| &*entry.path)
    }

    /// Whether the last build wrote a secret into that file.
    #[must_use]
    pub fn is_secret(&self, path: &Utf8Path) -> bool {
        self.manifest()
            .and_then(|m| m.position(path.as_str()).map(|at| m.files[at].secret))
            .unwrap_or(false)
    }

    /// The bytes of a file as it stands, whether or not it is what was built. It may hold a secret.
    ///
    /// # Errors
    /// If it cannot be read, or is no plain file.
    pub fn bytes(&self, path: &Utf8Path) -> io::Result<Vec<u8>> {
        let root = self.folder.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let full = root.join(path);
        if !fs::symlink_metadata(&full)?.is_file() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        fs::read(full)
    }
}

/// The folders that are gone, or that others than the owner may look into.
fn folder_faults(root: &Utf8Path, manifest: &Manifest) -> Vec<(Utf8PathBuf, Fault)> {
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
