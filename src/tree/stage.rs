//! A build in progress: the staging folder beside the target, and its way into place.

use std::collections::HashSet;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rayon::prelude::*;
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, fadvise, linkat, openat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::error::{OutputError, trying};
use super::exchange::{self, Before, Step};
use super::guard::{self, Contents};
use super::lock::Lock;
use super::manifest::{About, Entry, MANIFEST, Manifest, SUMS, path_fault};
use super::place::{Place, SUFFIX};
use super::standing::{Standing, State};
use crate::phases::{Phase, Phases};
use crate::seed::File;
use crate::trust::Veil;

/// Folders hold secret files, so only their owner looks into them.
pub(super) const FOLDER_MODE: u32 = 0o700;
/// Hides a tree from git where the user has no `.gitignore` of their own in it.
const GITIGNORE: &[u8] = b"*\n!.gitignore\n";
/// Hides a staging folder from git, this very file included.
const STAGING_GITIGNORE: &[u8] = b"*\n";

/// A build in progress. Until [`commit`](Self::commit) puts it in place, the target is as it was; dropped before that, in
/// an error or a panic, it leaves no trace. Threads may write and keep at the same time.
#[derive(Debug)]
pub struct Stage {
    // Dropped in this order: the staging folder goes while the lock is held.
    staging: TempDir,
    folder: Utf8PathBuf,
    opened: fs::File,
    place: Place,
    standing: Standing,
    folders: Mutex<HashSet<Utf8PathBuf>>,
    /// What was written into the staging folder.
    written: Mutex<Vec<Entry>>,
    /// What stands in the target and stays, by its place in the manifest that stands there.
    kept: Mutex<Vec<usize>>,
    phases: Arc<Phases>,
    _lock: Lock,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// How many files the tree has, the manifest and the checksum list left out.
    pub files: usize,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Whether anything was replaced. If not, the very same tree stood there already and still stands.
    pub changed: bool,
    /// Files that the manifest before did not list.
    pub added: usize,
    /// Files that it listed with other bytes or another mode.
    pub updated: usize,
    /// Files that it listed and that are gone.
    pub removed: usize,
    /// The old tree, secrets included, if it could not be deleted. The next build tries again.
    pub leftover: Option<Utf8PathBuf>,
}

impl Committed {
    /// Of a build that found its tree in place.
    fn unchanged(manifest: &Manifest) -> Self {
        Self {
            files: manifest.files.len(),
            bytes: manifest.files.iter().map(|entry| entry.size).sum(),
            changed: false,
            added: 0,
            updated: 0,
            removed: 0,
            leftover: None,
        }
    }
}

impl Stage {
    /// Begins a build of `target`: takes the lock, asks every [`guard`](super::guard()), clears away what killed builds left
    /// and makes the staging folder. Before the guards have agreed nothing is written but the lock file, which is gone
    /// again when this fails.
    ///
    /// # Errors
    /// If the target must not be replaced, another build of it is running, or the folder it lies in cannot be written.
    pub fn begin(target: &Utf8Path) -> Result<Self, OutputError> {
        let place = Place::locate(target)?;
        let lock = Lock::take(&place)?;
        // What is read before the lock is taken may be replaced by the build that held it.
        let mut standing = Standing::at(&place)?;
        exchange::repair(&place)?;
        standing.folder = place.standing();
        exchange::clean(&place)?;
        let staging = tempfile::Builder::new()
            .prefix(&place.staging_prefix())
            .rand_bytes(SUFFIX)
            .permissions(PermissionsExt::from_mode(FOLDER_MODE))
            .tempdir_in(&place.parent)
            .map_err(|e| {
                trying(
                    format_args!("failed to create a folder in {}", place.parent),
                    e,
                )
            })?;
        let folder =
            Utf8PathBuf::try_from(staging.path().to_path_buf()).map_err(|e| e.into_io_error())?;
        fs::set_permissions(&folder, PermissionsExt::from_mode(FOLDER_MODE))?;
        let opened = fs::File::open(folder.as_std_path())?;
        create(&folder.join(".gitignore"), STAGING_GITIGNORE, 0o644)?;
        Ok(Self {
            opened,
            staging,
            folder,
            place,
            standing,
            folders: Mutex::default(),
            written: Mutex::default(),
            kept: Mutex::default(),
            phases: Arc::default(),
            _lock: lock,
        })
    }

    /// Counts the time of hashing, writing and everything after it there.
    #[must_use]
    pub fn timed_by(mut self, phases: Arc<Phases>) -> Self {
        self.phases = phases;
        self
    }

    /// Lifts the veil from the digests of secret files that stand, and puts it over those of new ones.
    #[must_use]
    pub fn veiled_by(mut self, veil: Veil) -> Self {
        self.standing = self.standing.veiled_by(veil);
        self
    }

    /// The tree that stands there now.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Writes one file. If the very same stands in the target, it is not written but kept.
    ///
    /// # Errors
    /// If the path leaves the tree, belongs to the tree's own files or was written before, or if writing fails.
    pub fn write(&self, file: &File) -> Result<(), OutputError> {
        let content = &file.content;
        let veil = self.standing.veil.as_ref();
        let entry = self.phases.time(Phase::Hash, || Entry::of_file(file, veil));
        if let (Some(manifest), Some(root)) = (self.standing.manifest(), &self.standing.folder)
            && let Some(at) = manifest.position(file.path.as_str())
            && manifest.files[at] == entry
            && self
                .phases
                .time(Phase::Compare, || entry.fault(root, veil))
                .is_none()
        {
            locked(&self.kept).push(at);
            return Ok(());
        }
        self.phases.time(Phase::Write, || {
            self.put(&file.path, content.bytes(), content.mode())
        })?;
        locked(&self.written).push(entry);
        Ok(())
    }

    /// Carries files over from the tree that stands: those of these paths, or every file below the folders of these paths. Only
    /// if all of them are as they were built, or none is carried over.
    pub fn keep(&self, paths: &[impl AsRef<Utf8Path>]) -> State {
        let state = self
            .phases
            .time(Phase::Compare, || self.standing.state(paths));
        if let (State::Whole, Some(manifest)) = (&state, self.standing.manifest()) {
            let mut kept = locked(&self.kept);
            for path in paths {
                kept.extend(manifest.below(path.as_ref()));
            }
        }
        state
    }

    /// Puts the tree in place, durably, and deletes the one it replaces. If the same tree stands there already, byte for
    /// byte and mode for mode, it is left alone.
    ///
    /// # Errors
    /// If the old tree must not be replaced after all, or writing, syncing or renaming fails. The old tree stands then,
    /// unless the message says otherwise.
    pub fn commit(self, about: About) -> Result<Committed, OutputError> {
        self.commit_asking(about, &|_| Ok(()))
    }

    /// [`commit`](Self::commit), asking before each step.
    pub(super) fn commit_asking(
        mut self,
        about: About,
        before: Before<'_>,
    ) -> Result<Committed, OutputError> {
        let phases = Arc::clone(&self.phases);
        let written = std::mem::take(&mut *locked(&self.written));
        let kept = std::mem::take(&mut *locked(&self.kept));
        let manifest = phases.time(Phase::Manifest, || self.manifest(about, written, &kept));
        if let Some(path) = manifest.repeated() {
            return Err(twice(path));
        }
        // Every file was compared when it was kept, and the manifest is the very one that stands.
        let same = self.standing.contents.manifest.as_ref();
        if same.is_some_and(|standing| Arc::ptr_eq(standing, &manifest))
            && phases.time(Phase::Compare, || self.standing.own_faults().is_empty())
        {
            return Ok(Committed::unchanged(&manifest));
        }

        // The user may have put something into the target while the build ran.
        let exists = self.place.real.is_dir();
        let standing = if exists {
            phases.time(Phase::Compare, || {
                guard::contents(&self.place, &self.place.real, &self.standing.contents)
            })?
        } else {
            Contents::default()
        };
        // One is work for the kernel, the other the writing of two long texts on one core.
        let (linked, done) = rayon::join(
            || {
                before(Step::Link)?;
                phases.time(Phase::Link, || self.link(kept))
            },
            || {
                phases.time(Phase::Manifest, || self.write_own(&manifest, before))?;
                Ok::<_, OutputError>(summary(standing.manifest.as_deref(), &manifest))
            },
        );
        linked?;
        let mut done = done?;
        before(Step::KeepFiles)?;
        self.carry_keep_files(&standing.keep)?;
        phases.time(Phase::Sync, || exchange::sync_tree(&self.opened, before))?;
        let old = phases.time(Phase::Exchange, || {
            let old = exchange::replace(&self.folder, &self.place, exists, before)?;
            exchange::sync_parent(&self.place, before)?;
            Ok::<_, OutputError>(old)
        })?;
        if let Some(old) = old {
            // One attempt is enough, and its outcome is told.
            self.staging.disable_cleanup(true);
            let deleted = phases.time(Phase::Delete, || {
                before(Step::DeleteOld).and_then(|()| exchange::delete(&old))
            });
            done.leftover = deleted.is_err().then_some(old);
        }
        // Two lists of every file, and nobody waits for their being given back.
        let replaced = self.standing.contents.manifest.take();
        rayon::spawn(move || drop((manifest, replaced, standing)));
        Ok(done)
    }

    /// The manifest of what was written and what was kept. Where that is the tree that stands, it is that tree's own: a copy
    /// of it is most of the memory of a build that writes nothing.
    fn manifest(&self, about: About, written: Vec<Entry>, kept: &[usize]) -> Arc<Manifest> {
        let Some(standing) = &self.standing.contents.manifest else {
            return Arc::new(Manifest::new(about, written));
        };
        let mut manifest = Manifest::new(about, Vec::new());
        let all_kept = || {
            let mut missing = vec![true; standing.files.len()];
            kept.len() == missing.len() && kept.iter().all(|at| std::mem::take(&mut missing[*at]))
        };
        if written.is_empty() && manifest.describes_like(standing) && all_kept() {
            return Arc::clone(standing);
        }
        let kept = kept.iter().map(|at| standing.files[*at].clone());
        manifest.set_files(written.into_iter().chain(kept).collect());
        Arc::new(manifest)
    }

    fn write_own(&self, manifest: &Manifest, before: Before<'_>) -> io::Result<()> {
        let own = manifest.own();
        before(Step::WriteManifest)?;
        create(&self.folder.join(MANIFEST), own.manifest.as_bytes(), 0o644)?;
        before(Step::WriteSums)?;
        create(&self.folder.join(SUMS), own.sums.as_bytes(), 0o644)
    }

    /// Links what is kept into the staging folder, and copies what cannot be linked.
    fn link(&self, mut kept: Vec<usize>) -> Result<(), OutputError> {
        let files = self.standing.manifest().map_or(&[][..], |m| &m.files);
        // In the order of the manifest the files of a folder are neighbours.
        kept.sort_unstable();
        let kept: Vec<&Entry> = kept.iter().map(|at| &files[*at]).collect();
        let folders: Vec<_> = kept
            .chunk_by(|a, b| a.path.parent() == b.path.parent())
            .collect();
        let old = &self.place.real;
        folders.par_iter().try_for_each(|files| {
            self.make_parents(&files[0].path)?;
            // Opened once: the way to a folder is most of the way to a file in it.
            let folder = files[0].path.parent().unwrap_or(Utf8Path::new(""));
            let [from, to] = [old, &self.folder].map(|tree| open_folder(&tree.join(folder)).ok());
            files.iter().try_for_each(|entry| {
                let linked = match (&from, &to, entry.path.file_name()) {
                    (Some(from), Some(to), Some(name)) => {
                        linkat(from, name, to, name, AtFlags::empty())
                    }
                    _ => Err(Errno::NOENT),
                };
                // Not every file system has links, and not every file may be linked (fs.protected_hardlinks).
                match linked {
                    Ok(()) => Ok(()),
                    Err(Errno::EXIST) => Err(twice(&entry.path)),
                    Err(_) => match entry.read_unaltered(old) {
                        Some(bytes) => self.put(&entry.path, bytes.expose(), entry.mode),
                        None => Err(OutputError::Altered(self.place.shown.join(&entry.path))),
                    },
                }
            })
        })
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
            new.mode(FOLDER_MODE)
                .create(&full)
                .map_err(|e| match e.kind() {
                    io::ErrorKind::AlreadyExists => twice(folder),
                    _ => trying(format_args!("failed to create directory `{full}`"), e).into(),
                })?;
            // A umask may have taken something away; nearly none does, and looking is a tenth of setting.
            if fs::symlink_metadata(&full)?.permissions().mode() & 0o7777 != FOLDER_MODE {
                fs::set_permissions(&full, PermissionsExt::from_mode(FOLDER_MODE))?;
            }
            made.insert(folder.to_path_buf());
        }
        Ok(())
    }

    /// The user's files at the top come along with content, mode and, where links work, everything else. The staging
    /// folder's own `.gitignore` is replaced in a rename, so that at no instant there is none.
    fn carry_keep_files(&self, keep: &[&str]) -> io::Result<()> {
        let fresh = self.folder.join(".carried");
        for name in keep {
            let old = self.place.real.join(name);
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

/// A folder to name files in, without reading it.
pub(super) fn open_folder(path: &Utf8Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    openat(CWD, path.as_str(), flags, Mode::empty())
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

/// Files of this size, in bytes, begin their way to the disk when they are written, while the next ones are made. The kernel
/// would leave them in memory until they are synced, and the disk idle: that was a tenth of a build. It is done by
/// `POSIX_FADV_DONTNEED`, which starts to write what is dirty without waiting; what is being written stays in memory, for the
/// next build reads it. Of smaller files, with their calls for the disk, more is lost than won.
const WRITTEN_AT_ONCE: usize = 16 << 10;

/// Writes a new file. It has exactly this mode, whatever the umask is.
fn create(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    if bytes.len() >= WRITTEN_AT_ONCE {
        // Advice: if it is not taken, syncing takes longer.
        let _ = fadvise(file.file(), 0, None, Advice::DontNeed);
    }
    // A umask takes bits away and never adds one. Looking is a tenth of setting, which is a change of its own to the file.
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        file.set_permissions(PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}

/// Counts what is different from the build before. Both lists are in the order of their paths, and are walked side by side.
fn summary(old: Option<&Manifest>, new: &Manifest) -> Committed {
    let mut done = Committed {
        changed: true,
        ..Committed::unchanged(new)
    };
    let mut old = old
        .map_or(&[][..], |manifest| &manifest.files)
        .iter()
        .peekable();
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
