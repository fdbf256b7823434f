//! The existing tree in the output folder, as its manifest and the file system have it.

use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};

use super::error::OutputError;
use super::fault::Fault;
use super::fs::Folder;
use super::guard::{self, Contents};
use super::manifest::{Author, Entry, MANIFEST, Manifest};
use super::target::Target;
use super::verify::{self, file_faults, folder_faults};
use crate::seed::File;
use crate::trust::{SecretBytes, SiteSecret};

/// The tree in an output folder, if there is one. Whoever only compares reads it without a lock and writes nothing.
#[derive(Debug)]
pub struct ExistingTree {
    pub(super) contents: Contents,
    /// Its folder; nothing if there is no tree.
    pub(super) folder: Option<Folder>,
    /// Faults of its own files and its folders.
    own_faults: Vec<(Utf8PathBuf, Fault)>,
}

/// The state of some files of the tree since they were built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No build wrote them.
    Absent,
    /// They are as they were built.
    Whole,
    /// These are not; paths are relative to the output folder.
    Damaged(Vec<(Utf8PathBuf, Fault)>),
}

/// How a file that a build would write differs from the existing tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The last build did not write it.
    New,
    /// It is not what the last build wrote.
    Damaged(Fault),
    /// The last build wrote other bytes, or another mode.
    Changed,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("was not built yet"),
            Self::Damaged(fault) => fault.fmt(f),
            Self::Changed => f.write_str("would change"),
        }
    }
}

impl ExistingTree {
    /// Reads what is in `target`.
    ///
    /// # Errors
    /// If a build would refuse to replace it.
    pub fn read(target: &Utf8Path) -> Result<Self, OutputError> {
        Self::at(&Target::locate(target)?)
    }

    pub(super) fn at(target: &Target) -> Result<Self, OutputError> {
        let contents = guard::inspect(target)?;
        let folder = target.existing()?;
        let mut own_faults = Vec::new();
        if let (Some(manifest), Some(root)) = (&contents.manifest, &folder) {
            own_faults = verify::own_faults(root, manifest);
            if !contents.keep.contains(&".gitignore") {
                own_faults.push((".gitignore".into(), Fault::Missing));
            }
            own_faults.extend(folder_faults(root, manifest));
        }
        Ok(Self {
            contents,
            folder,
            own_faults,
        })
    }

    /// The manifest of the last build, if there was one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.contents.manifest.as_ref()
    }

    /// The state of files: those of these paths, or every file below the folders of these paths. Each is read and
    /// digested, for a modification time can be set by anybody.
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
            faults.extend(file_faults(folder, files));
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

    /// Faults of the tree's own files and of its folders, the top being the empty path.
    #[must_use]
    pub fn own_faults(&self) -> &[(Utf8PathBuf, Fault)] {
        &self.own_faults
    }

    /// Who wrote the manifest, if there is one.
    #[must_use]
    pub fn author(&self, secret: &SiteSecret) -> Option<Author> {
        let manifest = self.manifest()?;
        Some(manifest.author(&self.contents.text, secret))
    }

    /// Whether the checksum list shows that the manifest was altered after it was written.
    #[must_use]
    pub fn is_manifest_altered(&self) -> bool {
        let altered = |(path, fault): &(Utf8PathBuf, Fault)| path == MANIFEST && *fault == Fault::Altered;
        self.own_faults.iter().any(altered)
    }

    /// How a file that a build would write differs from the existing one; nothing if it is the same, byte for byte.
    #[must_use]
    pub fn difference(&self, file: &File) -> Option<Difference> {
        self.difference_of(&Entry::of_file(file))
    }

    pub(super) fn difference_of(&self, entry: &Entry) -> Option<Difference> {
        let (Some(manifest), Some(root)) = (self.manifest(), &self.folder) else {
            return Some(Difference::New);
        };
        match manifest.entry(&entry.path) {
            None => Some(Difference::New),
            Some(known) if known != entry => Some(Difference::Changed),
            Some(known) => known.fault(root).map(Difference::Damaged),
        }
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
            .and_then(|manifest| manifest.entry(path))
            .is_some_and(|entry| entry.secret)
    }

    /// The bytes of a file as it is now, whether or not it is what was built. It may hold a secret.
    ///
    /// # Errors
    /// If it cannot be read, or is no plain file.
    pub fn bytes(&self, path: &Utf8Path) -> io::Result<SecretBytes> {
        let root = self.folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        root.read(path)
    }
}
