//! A build in progress: the staging folder beside the target, and its way into target.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::error::{OutputError, trying};
use super::exchange::{self, Before, Step};
use super::existing::{ExistingTree, State};
use super::fs::{FOLDER_MODE, create};
use super::guard::{self, Contents};
use super::lock::Lock;
use super::manifest::{BuildInfo, Entry, MANIFEST, Manifest, SUMS, path_fault};
use super::target::{SUFFIX, Target};
use super::verify::OWN_MODE;
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
    staging: TempDir,
    folder: Utf8PathBuf,
    opened: fs::File,
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
        let lock = Lock::take(&target)?;
        // What is read before the lock is taken may be replaced by the build that held it.
        let mut existing = ExistingTree::at(&target)?;
        exchange::repair(&target)?;
        existing.folder = target.existing();
        exchange::clean(&target)?;
        let staging = tempfile::Builder::new()
            .prefix(&target.staging_prefix())
            .rand_bytes(SUFFIX)
            .permissions(PermissionsExt::from_mode(FOLDER_MODE))
            .tempdir_in(&target.parent)
            .map_err(|e| trying(format_args!("failed to create a folder in {}", target.parent), e))?;
        let folder = Utf8PathBuf::try_from(staging.path().to_path_buf()).map_err(|e| e.into_io_error())?;
        fs::set_permissions(&folder, PermissionsExt::from_mode(FOLDER_MODE))?;
        let opened = fs::File::open(folder.as_std_path())?;
        create(&folder.join(".gitignore"), STAGING_GITIGNORE, 0o644)?;
        Ok(Self {
            opened,
            staging,
            folder,
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
        let exists = self.target.real.is_dir();
        let replaced = if exists {
            guard::contents(&self.target, &self.target.real)?
        } else {
            Contents::default()
        };
        let mut done = summary(replaced.manifest.as_ref(), &manifest);
        before(Step::Link)?;
        kept.par_iter().try_for_each(|entry| self.link(entry))?;
        before(Step::WriteManifest)?;
        create(&self.folder.join(MANIFEST), text.as_bytes(), OWN_MODE)?;
        before(Step::WriteSums)?;
        let sums = manifest.sums(&Sha256::digest(&text).into());
        create(&self.folder.join(SUMS), sums.as_bytes(), OWN_MODE)?;
        before(Step::KeepFiles)?;
        self.copy_keep_files(&replaced.keep)?;
        exchange::sync_tree(&self.opened, before)?;
        let old = exchange::replace(&self.folder, &self.target, exists, before)?;
        exchange::sync_parent(&self.target, before)?;
        if let Some(old) = old {
            // One attempt is enough, and its outcome is reported.
            self.staging.disable_cleanup(true);
            let deleted = before(Step::DeleteOld).and_then(|()| exchange::delete(&old));
            done.leftover = deleted.is_err().then_some(old);
        }
        Ok(done)
    }

    /// Links a file of the existing tree into the staging folder, or copies it. Not every file system has links, and
    /// not every file may be linked (fs.protected_hardlinks).
    fn link(&self, entry: &Entry) -> Result<(), OutputError> {
        let old = &self.target.real;
        self.make_parents(&entry.path)?;
        match fs::hard_link(old.join(&entry.path), self.folder.join(&entry.path)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(twice(&entry.path)),
            Err(_) => match entry.read(old) {
                Ok(bytes) => self.put(&entry.path, bytes.expose(), entry.mode),
                Err(_) => Err(OutputError::Altered(self.target.shown.join(&entry.path))),
            },
        }
    }

    fn put(&self, path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<(), OutputError> {
        if let Some(why) = path_fault(path) {
            return Err(OutputError::Path {
                path: path.to_string(),
                why,
            });
        }
        self.make_parents(path)?;
        create(&self.folder.join(path), bytes, mode).map_err(|e| match e.kind() {
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
            let full = self.folder.join(folder);
            let mut new = std::fs::DirBuilder::new();
            new.mode(FOLDER_MODE).create(&full).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => twice(folder),
                _ => trying(format_args!("failed to create directory `{full}`"), e).into(),
            })?;
            // A umask may have taken something away; nearly none does, and looking costs less than setting.
            if fs::symlink_metadata(&full)?.permissions().mode() & 0o7777 != FOLDER_MODE {
                fs::set_permissions(&full, PermissionsExt::from_mode(FOLDER_MODE))?;
            }
            made.insert(folder.to_path_buf());
        }
        Ok(())
    }

    /// The user's files at the top come along with content, mode and, where links work, everything else. The staging
    /// folder's own `.gitignore` is replaced in a rename, so that at no instant there is none.
    fn copy_keep_files(&self, keep: &[&str]) -> io::Result<()> {
        let fresh = self.folder.join(".kept");
        for name in keep {
            let old = self.target.real.join(name);
            if fs::hard_link(&old, &fresh).is_err() {
                let mode = fs::symlink_metadata(&old)?.permissions().mode() & 0o7777;
                create(&fresh, &fs::read(&old)?, mode)?;
            }
            fs::rename(&fresh, self.folder.join(name))?;
        }
        if !keep.contains(&".gitignore") {
            create(&fresh, GITIGNORE, 0o644)?;
            fs::rename(&fresh, self.folder.join(".gitignore"))?;
        }
        Ok(())
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
