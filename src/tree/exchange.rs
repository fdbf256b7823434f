//! Putting a staged tree in the place of the old one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use rustix::fs::{CWD, RenameFlags, fsync, renameat_with, syncfs};
use rustix::io::Errno;

use super::error::{OutputError, trying};
use super::place::Place;

/// What a commit does, in this order but for the two ways of replacing, and for links that are made while the manifest is
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Link,
    WriteManifest,
    WriteSums,
    KeepFiles,
    SyncTree,
    /// The old tree and the new one change places.
    Exchange,
    /// Where the file system cannot exchange: the old tree steps aside.
    MoveAside,
    /// The new tree takes a place that is free.
    MoveIn,
    SyncParent,
    DeleteOld,
}

/// Asked before each step. Tests make a step fail or end the process there; otherwise it says yes.
pub(super) type Before<'a> = &'a (dyn Fn(Step) -> io::Result<()> + Sync);

/// Makes everything written below `folder` durable, with one call for the whole file system: 60,000 calls of `fsync` take
/// over half a minute. Running out of space may show only here, as a file system may choose blocks as late as this. `folder`
/// was opened before anything was written: a disk's error is told to who had a file open when it happened.
pub(super) fn sync_tree(folder: &fs::File, before: Before<'_>) -> io::Result<()> {
    before(Step::SyncTree)?;
    syncfs(folder.file()).map_err(|e| {
        let path = folder.path().display();
        trying(format_args!("failed to sync the file system of {path}"), e)
    })
}

/// Makes the rename itself durable.
pub(super) fn sync_parent(place: &Place, before: Before<'_>) -> io::Result<()> {
    let synced = before(Step::SyncParent)
        .and_then(|()| fs::File::open(place.parent.as_std_path()))
        .and_then(|opened| fsync(opened.file()).map_err(io::Error::from));
    let shown = &place.shown;
    synced.map_err(|e| {
        trying(
            format_args!("{shown} holds the new tree, which a power cut may undo"),
            e,
        )
    })
}

/// Puts the staged tree in place and returns where the old one lies now, if there was one.
pub(super) fn replace(
    staged: &Utf8Path,
    place: &Place,
    exists: bool,
    before: Before<'_>,
) -> Result<Option<Utf8PathBuf>, OutputError> {
    let real = &place.real;
    let shown = &place.shown;
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::ResourceBusy => OutputError::MountPoint(shown.clone()),
        io::ErrorKind::CrossesDevices => OutputError::Unmovable(shown.clone()),
        _ => trying(
            format_args!("failed to put the new tree in the place of {shown}"),
            e,
        )
        .into(),
    };
    if !exists {
        let moved =
            before(Step::MoveIn).and_then(|()| rename(staged, real, RenameFlags::NOREPLACE));
        // Without NOREPLACE a plain rename does: it replaces an empty folder at most.
        let moved = moved.or_else(|e| {
            if unsupported(&e) {
                rename(staged, real, RenameFlags::empty())
            } else {
                Err(e)
            }
        });
        return moved.map(|()| None).map_err(failed);
    }
    match before(Step::Exchange).and_then(|()| rename(staged, real, RenameFlags::EXCHANGE)) {
        Ok(()) => return Ok(Some(staged.to_path_buf())),
        Err(e) if unsupported(&e) => {}
        Err(e) => return Err(failed(e)),
    }
    let aside = place.aside();
    before(Step::MoveAside)
        .and_then(|()| rename(real, &aside, RenameFlags::empty()))
        .map_err(failed)?;
    if let Err(e) = before(Step::MoveIn).and_then(|()| rename(staged, real, RenameFlags::empty())) {
        // Should this fail as well, the next build finds the old tree aside and does the same.
        let _ = rename(&aside, real, RenameFlags::empty());
        return Err(failed(e));
    }
    Ok(Some(aside))
}

fn rename(from: &Utf8Path, to: &Utf8Path, flags: RenameFlags) -> io::Result<()> {
    Ok(renameat_with(CWD, from.as_str(), CWD, to.as_str(), flags)?)
}

/// A file system that knows no such flag says EINVAL (NFS, FUSE, some overlays), a kernel or a sandbox the others.
fn unsupported(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Puts a tree back that a build moved aside before it died. Call under the lock.
pub(super) fn repair(place: &Place) -> io::Result<()> {
    match place.standing() {
        Some(folder) if folder == place.aside() => fs::rename(&folder, &place.real),
        _ => Ok(()),
    }
}

/// Deletes what dead builds left beside the target. Call under the lock, and after [`repair`]: a tree that lies aside now
/// is one whose successor stands.
pub(super) fn clean(place: &Place) -> io::Result<()> {
    let aside = place.aside();
    for entry in fs::read_dir(&place.parent)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if (place.is_staging(&name) || aside.file_name() == Some(&name))
            && entry.file_type()?.is_dir()
        {
            delete(&place.parent.join(name))?;
        }
    }
    Ok(())
}

/// Deletes a tree, even one that its owner made read-only: it was replaced, and holds keys.
pub(super) fn delete(tree: &Utf8Path) -> io::Result<()> {
    let delete = || {
        remove(tree).or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => {
                open_up(tree.as_std_path()).and_then(|()| remove(tree))
            }
            _ => Err(e),
        })
    };
    // Who deletes a folder may have to wait for the disk: ext4 mounted with `discard` and without a journal tells the disk of
    // each freed block and waits for its answer. So more threads delete than there are cores.
    let threads = rayon::current_num_threads() * THREADS_PER_CORE;
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(delete),
        Err(_) => delete(),
    }
}

/// Beyond it nothing is gained.
const THREADS_PER_CORE: usize = 4;

/// The `.gitignore` goes last: a deletion that is cut short leaves nothing for git to add. Folders are emptied side by side,
/// for that is most of the work after a build that links nearly everything.
fn remove(tree: &Utf8Path) -> io::Result<()> {
    let (clusters, files) = listed(tree.as_std_path())?;
    let mut below = Vec::new();
    for cluster in &clusters {
        let (hosts, own) = listed(cluster)?;
        below.extend(hosts);
        own.iter().try_for_each(fs::remove_file)?;
    }
    below.par_iter().try_for_each(fs::remove_dir_all)?;
    clusters.iter().try_for_each(fs::remove_dir)?;
    let is_last = |file: &&PathBuf| file.ends_with(".gitignore");
    files
        .iter()
        .filter(|file| !is_last(file))
        .try_for_each(fs::remove_file)?;
    fs::remove_dir_all(tree)
}

/// What is in a folder: folders, and the rest.
fn listed(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut rest) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        } else {
            rest.push(entry.path());
        }
    }
    Ok((folders, rest))
}

/// Lets the owner delete from every folder of the tree.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, PermissionsExt::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
