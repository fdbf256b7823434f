//! A build in progress: the staging folder beside the target, and its way into target.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustix::fs::{FileType, Stat};
use sha2::{Digest, Sha256};

use super::error::{OutputError, trying};
use super::exchange::{self, Before, Step};
use super::existing::{ExistingTree, State};
use super::fs::Folder;
use super::guard::{self, Contents};
use super::lock::Lock;
use super::manifest::{BuildInfo, Entry, MANIFEST, Manifest, SUMS, path_fault};
use super::parents::refuse_strangers;
use super::target::{Target, Temporary};
use super::verify::OWN_MODE;
use crate::interrupt::{self, Unfinished};
use crate::seed::File;
use crate::trust::SiteSecret;

/// Hides a tree from git where the user has no `.gitignore` of their own in it.
const GITIGNORE: &[u8] = b"*\n!.gitignore\n";
/// Hides a staging folder from git, this very file included.
const STAGING_GITIGNORE: &[u8] = b"*\n";

/// A build in progress. Until [`commit`](Self::commit) puts it in target, the target is as it was; dropped before that,
/// in an error or a panic, it leaves no trace. Threads may write and keep at the same time.
#[derive(Debug)]
pub struct Stage {
    // Dropped in this order: the staging folder goes while the lock is held.
    staging: Staging,
    target: Target,
    existing: ExistingTree,
    folders: Mutex<HashSet<Utf8PathBuf>>,
    /// Entries of the files in the staging folder.
    written: Mutex<Vec<Entry>>,
    /// Entries of the files that the new tree keeps of the existing one.
    kept: Mutex<Vec<Entry>>,
    _lock: Lock,
}

/// The outcome of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// How many files the tree has, the manifest and the checksum list left out.
    pub files: usize,
    /// Whether anything was replaced. If not, the very same tree was there already, and still is.
    pub changed: bool,
    /// Files that the manifest before did not list.
    pub added: usize,
    /// Files that it listed with other bytes or another mode.
    pub updated: usize,
    /// Files that it listed and the new one does not.
    pub removed: usize,
    /// The old tree, secrets included, if it could not be deleted. The next build tries again.
    pub leftover: Option<Utf8PathBuf>,
}

impl Committed {
    /// Of a build that found its tree in target.
    fn unchanged(manifest: &Manifest) -> Self {
        Self {
            files: manifest.files.len(),
            changed: false,
            added: 0,
            updated: 0,
            removed: 0,
            leftover: None,
        }
    }
}

impl Stage {
    /// Begins a build of `target`: takes the lock, asks every [`guard`](super::guard()), clears away what killed builds
    /// left and makes the staging folder. Before the guards have agreed nothing is written but the lock file, which is
    /// removed again when this fails.
    ///
    /// # Errors
    /// If the target must not be replaced, another build of it is running, or the folder it lies in cannot be written.
    pub fn begin(target: &Utf8Path) -> Result<Self, OutputError> {
        let target = Target::locate(target)?;
        refuse_strangers(&target)?;
        let lock = {
            let _working = interrupt::working();
            Lock::take(&target)?
        };
        // What is read before the lock is taken may be replaced by the build that held it.
        let mut existing = ExistingTree::at(&target)?;
        exchange::repair(&target)?;
        existing.folder = target.existing()?;
        exchange::clean(&target)?;
        let staging = {
            let _working = interrupt::working();
            Staging::make(&target)?
        };
        Ok(Self {
            staging,
            target,
            existing,
            folders: Mutex::default(),
            written: Mutex::default(),
            kept: Mutex::default(),
            _lock: lock,
        })
    }

    /// The tree that is in the target now.
    #[must_use]
    pub fn existing(&self) -> &ExistingTree {
        &self.existing
    }

    /// Writes one file. If the existing tree has the very same, it is not written but kept.
    ///
    /// # Errors
    /// If the path leaves the tree, belongs to the tree's own files or was written before, or if writing fails.
    pub fn write(&self, file: &File) -> Result<(), OutputError> {
        let content = &file.content;
        let entry = Entry::of_file(file);
        if self.existing.difference_of(&entry).is_none() {
            locked(&self.kept).push(entry);
            return Ok(());
        }
        self.put(&file.path, content.bytes(), content.mode())?;
        locked(&self.written).push(entry);
        Ok(())
    }

    /// Keeps files of the existing tree: those of these paths, or every file below the folders of these paths. Only if
    /// all of them are as they were built, or none is kept.
    pub fn keep(&self, paths: &[impl AsRef<Utf8Path>]) -> State {
        let state = self.existing.state(paths);
        if let (State::Whole, Some(manifest)) = (&state, self.existing.manifest()) {
            let mut kept = locked(&self.kept);
            for path in paths {
                kept.extend_from_slice(&manifest.files[manifest.below(path.as_ref())]);
            }
        }
        state
    }

    /// Replaces the existing tree, durably, and deletes it. The manifest bears the mark of this secret. If the same tree is there already, byte for byte and mode
    /// for mode, it is left alone.
    ///
    /// # Errors
    /// If the old tree must not be replaced after all, or writing, syncing or renaming fails. The old tree is there
    /// then, unless the message says otherwise.
    pub fn commit(self, info: BuildInfo, secret: &SiteSecret) -> Result<Committed, OutputError> {
        self.commit_asking(info, secret, &|_| Ok(()))
    }

    /// [`commit`](Self::commit), asking before each step.
    pub(super) fn commit_asking(
        mut self,
        info: BuildInfo,
        secret: &SiteSecret,
        before: Before<'_>,
    ) -> Result<Committed, OutputError> {
        let written = std::mem::take(&mut *locked(&self.written));
        let kept = std::mem::take(&mut *locked(&self.kept));
        let nothing_written = written.is_empty();
        let files = written.into_iter().chain(kept.iter().cloned()).collect();
        let manifest = Manifest::new(info, files);
        if let Some(path) = manifest.repeated() {
            return Err(twice(path));
        }
        let text = manifest.to_authentic_json(secret);
        // Every file was compared when it was kept, and the manifest lists no other.
        if nothing_written && self.existing.contents.text == text.as_bytes() && self.existing.own_faults().is_empty() {
            return Ok(Committed::unchanged(&manifest));
        }

        // The user may have put something into the target while the build ran.
        let target = &self.target;
        let is_folder = |found: Stat| FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let exists = target.folder.stat(&target.name).is_ok_and(is_folder);
        let old = exists.then(|| target.folder.folder(&target.name)).transpose()?;
        let replaced = match &old {
            Some(old) => guard::contents(target, old)?,
            None => Contents::default(),
        };
        let mut done = summary(replaced.manifest.as_ref(), &manifest);
        before(Step::Link)?;
        kept.par_iter().try_for_each(|entry| self.link(entry, old.as_ref()))?;
        {
            let _working = interrupt::working();
            before(Step::WriteManifest)?;
            self.staging.folder.create(MANIFEST, text.as_bytes(), OWN_MODE)?;
            before(Step::WriteSums)?;
            let sums = manifest.sums(&Sha256::digest(&text).into());
            self.staging.folder.create(SUMS, sums.as_bytes(), OWN_MODE)?;
            before(Step::KeepFiles)?;
            self.copy_keep_files(&replaced.keep, old.as_ref())?;
        }
        exchange::sync_tree(&self.staging.folder, before)?;
        let old = {
            let _working = interrupt::working();
            let old = exchange::replace((&self.staging.name, &self.staging.folder), &self.target, exists, before)?;
            self.staging.replaced(&self.target, old.as_deref());
            interrupt::written();
            old
        };
        exchange::sync_parent(&self.target, before)?;
        if let Some(old) = old {
            // One attempt is enough, and its outcome is reported.
            let deleted = before(Step::DeleteOld).and_then(|()| self.staging.delete());
            done.leftover = deleted.is_err().then(|| self.target.parent.join(old));
            self.staging.forget();
        }
        Ok(done)
    }

    /// Links a file of the existing tree into the staging folder, or copies it. Not every file system has links, and
    /// not every file may be linked (fs.protected_hardlinks).
    fn link(&self, entry: &Entry, old: Option<&Folder>) -> Result<(), OutputError> {
        let altered = || OutputError::Altered(self.target.shown.join(&entry.path));
        let old = old.ok_or_else(altered)?;
        let linked = {
            let _working = interrupt::working();
            self.make_parents(&entry.path)?;
            self.staging.folder.link(old, entry.path.as_str(), entry.path.as_str())
        };
        match linked {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(twice(&entry.path)),
            Err(_) => match entry.read(old) {
                Ok(bytes) => self.put(&entry.path, bytes.expose(), entry.mode),
                Err(_) => Err(altered()),
            },
        }
    }

    fn put(&self, path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<(), OutputError> {
        let _working = interrupt::working();
        if let Some(why) = path_fault(path) {
            return Err(OutputError::Path {
                path: path.to_string(),
                why,
            });
        }
        self.make_parents(path)?;
        self.staging
            .folder
            .create(path, bytes, mode)
            .map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => twice(path),
                _ => e.into(),
            })
    }

    /// Makes the folders that `path` lies in, each once: the lock is held so that no thread meets one half made.
    fn make_parents(&self, path: &Utf8Path) -> Result<(), OutputError> {
        let mut made = locked(&self.folders);
        let above = path.ancestors().skip(1);
        let missing: Vec<_> = above
            .take_while(|folder| *folder != "" && !made.contains(*folder))
            .collect();
        for folder in missing.into_iter().rev() {
            let kept = self.staging.folder.make(folder).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => twice(folder),
                _ => OutputError::from(e),
            })?;
            if !kept {
                return Err(OutputError::NoModes(self.target.shown.clone()));
            }
            made.insert(folder.to_path_buf());
        }
        Ok(())
    }

    /// The user's files at the top come along with content, mode and, where links work, everything else. The staging
    /// folder's own `.gitignore` is replaced in a rename, so that at no instant there is none.
    fn copy_keep_files(&self, keep: &[&str], old: Option<&Folder>) -> io::Result<()> {
        const FRESH: &str = ".kept";
        let new = &self.staging.folder;
        for (name, old) in keep.iter().flat_map(|name| old.map(|old| (name, old))) {
            if new.link(old, name, FRESH).is_err() {
                let mode = old.stat(name)?.st_mode & 0o7777;
                new.create(FRESH, old.read(name)?.expose(), mode)?;
            }
            new.rename(FRESH, name)?;
        }
        if !keep.contains(&".gitignore") {
            new.create(FRESH, GITIGNORE, 0o644)?;
            new.rename(FRESH, ".gitignore")?;
        }
        Ok(())
    }
}

/// The folder that a new tree grows in, deleted when dropped; after the exchange it is the old tree.
#[derive(Debug)]
struct Staging {
    /// The folder that it lies in.
    parent: Folder,
    name: String,
    folder: Folder,
    /// Whether the folder is the target by now, and the name another's.
    is_in_place: bool,
    /// What a signal has to remove; nothing if there is nothing to delete any more.
    noted: Option<Unfinished>,
}

impl Staging {
    fn make(target: &Target) -> Result<Self, OutputError> {
        let parent = target.folder.clone();
        let keeps_modes = AtomicBool::new(true);
        let name = target
            .temporary(Temporary::Staging, |name| {
                keeps_modes.store(parent.make(name)?, Ordering::SeqCst);
                Ok(())
            })
            .map_err(|e| trying(format_args!("failed to create a folder in {}", target.parent), e))?;
        let folder = parent.folder(&name)?;
        let noted = Some(note(&parent, &name, Some(&folder)));
        let made = Self {
            parent,
            name,
            folder,
            is_in_place: false,
            noted,
        };
        // Looked at before a key is written.
        if keeps_modes.into_inner() && made.folder.create_probing(".gitignore", STAGING_GITIGNORE, 0o644)? {
            Ok(made)
        } else {
            Err(OutputError::NoModes(target.shown.clone()))
        }
    }

    /// Says where the old tree lies after the exchange, if there was one.
    fn replaced(&mut self, target: &Target, old: Option<&str>) {
        self.is_in_place = true;
        self.noted = old.map(|old| {
            old.clone_into(&mut self.name);
            note(&target.folder, old, None)
        });
    }

    fn delete(&self) -> io::Result<()> {
        let staged = Some(&self.folder).filter(|_| !self.is_in_place);
        delete(&self.parent, &self.name, staged)
    }

    /// Leaves it where it is.
    fn forget(&mut self) {
        self.noted = None;
    }
}

fn note(parent: &Folder, name: &str, staged: Option<&Folder>) -> Unfinished {
    let path = parent.path().join(name);
    let (parent, name, staged) = (parent.clone(), name.to_owned(), staged.cloned());
    interrupt::unfinished(path, move || delete(&parent, &name, staged.as_ref()))
}

/// Deletes a folder by its name. If the name is another's by now, whatever that is stays, and the staged files go, where
/// the folder lies by now.
fn delete(parent: &Folder, name: &str, staged: Option<&Folder>) -> io::Result<()> {
    match staged {
        Some(staged) if !parent.has(name, staged) => staged.empty(),
        _ => parent.delete(&CString::new(name).map_err(io::Error::other)?),
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.noted.is_some() {
            // The next build tries again.
            let _ = self.delete();
        }
    }
}

/// A thread that panics while it holds one of these locks ends the build: what it left behind is not used.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn twice(path: &Utf8Path) -> OutputError {
    OutputError::Path {
        path: path.to_string(),
        why: "it is written twice, or as a file and as a folder",
    }
}

/// Counts what is different from the build before. Both lists are in the order of their paths, and are walked side by
/// side.
fn summary(old: Option<&Manifest>, new: &Manifest) -> Committed {
    let mut done = Committed {
        changed: true,
        ..Committed::unchanged(new)
    };
    let mut old = old.map_or(&[][..], |manifest| &manifest.files).iter().peekable();
    for entry in &new.files {
        let path = entry.path.as_str();
        while old.next_if(|old| old.path.as_str() < path).is_some() {
            done.removed += 1;
        }
        match old.next_if(|old| old.path.as_str() == path) {
            None => done.added += 1,
            Some(old) if old != entry => done.updated += 1,
            Some(_) => {}
        }
    }
    done.removed += old.count();
    done
}
