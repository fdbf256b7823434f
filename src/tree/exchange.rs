//! Replaces the old tree by the staged one.

use std::io;

use rustix::fs::{RenameFlags, fsync, renameat_with, syncfs};
use rustix::io::Errno;

use super::error::{OutputError, trying};
use super::fs::Folder;
use super::target::{Target, Temporary};

/// What a commit does, in this order but for the two ways of replacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Link,
    WriteManifest,
    WriteSums,
    KeepFiles,
    SyncTree,
    /// The old tree and the new one are exchanged.
    Exchange,
    /// Where the file system cannot exchange: the old tree is renamed.
    MoveAway,
    /// The new tree is renamed to the target, which does not exist.
    MoveIn,
    SyncParent,
    DeleteOld,
}

/// Asked before each step. Tests make a step fail or end the process there; otherwise it says yes.
pub(super) type Before<'a> = &'a (dyn Fn(Step) -> io::Result<()> + Sync);

/// Makes everything written below `folder` durable, with one call for the whole file system: 60,000 calls of `fsync`
/// take over half a minute. Running out of space may show only here, as a file system may choose blocks as late as
/// this. `folder` was opened before anything was written: a disk's error is reported to whoever had a file open when it
/// happened.
pub(super) fn sync_tree(folder: &Folder, before: Before<'_>) -> io::Result<()> {
    before(Step::SyncTree)?;
    syncfs(folder).map_err(|e| {
        let path = folder.path();
        trying(format_args!("failed to sync the file system of {path}"), e)
    })
}

/// Makes the rename itself durable.
pub(super) fn sync_parent(target: &Target, before: Before<'_>) -> io::Result<()> {
    let synced = before(Step::SyncParent).and_then(|()| fsync(&target.folder).map_err(io::Error::from));
    let shown = &target.shown;
    synced.map_err(|e| {
        trying(
            format_args!("{shown} holds the new tree, which a power cut may undo"),
            e,
        )
    })
}

/// Renames the staged tree to the target and returns the name that the old one has now, if there was one.
pub(super) fn replace(
    staged: (&str, &Folder),
    target: &Target,
    exists: bool,
    before: Before<'_>,
) -> Result<Option<String>, OutputError> {
    let (name, folder) = staged;
    let shown = &target.shown;
    // A rename takes names, so it is looked whose they are, before and after.
    let ours = |name: &str| {
        let swapped = || OutputError::Swapped(shown.clone());
        target.folder.has(name, folder).then_some(()).ok_or_else(swapped)
    };
    ours(name)?;
    let old = rename_in(name, target, exists, before)?;
    ours(&target.name)?;
    Ok(old)
}

fn rename_in(staged: &str, target: &Target, exists: bool, before: Before<'_>) -> Result<Option<String>, OutputError> {
    let shown = &target.shown;
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::ResourceBusy => OutputError::MountPoint(shown.clone()),
        io::ErrorKind::CrossesDevices => OutputError::Unmovable(shown.clone()),
        _ => trying(format_args!("failed to put the new tree in the place of {shown}"), e).into(),
    };
    let rename = |from: &str, to: &str, flags| rename(&target.folder, from, to, flags);
    if !exists {
        let moved = before(Step::MoveIn).and_then(|()| rename(staged, &target.name, RenameFlags::NOREPLACE));
        // Without NOREPLACE a plain rename does: it replaces an empty folder at most.
        let moved = moved.or_else(|e| {
            if unsupported(&e) {
                rename(staged, &target.name, RenameFlags::empty())
            } else {
                Err(e)
            }
        });
        return moved.map(|()| None).map_err(failed);
    }
    match before(Step::Exchange).and_then(|()| rename(staged, &target.name, RenameFlags::EXCHANGE)) {
        Ok(()) => return Ok(Some(staged.to_owned())),
        Err(e) if unsupported(&e) => {}
        Err(e) => return Err(failed(e)),
    }
    // A plain rename replaces an empty folder at most, and nothing has such a name by chance.
    let backup = before(Step::MoveAway)
        .and_then(|()| {
            target.temporary(Temporary::Backup, |name| {
                rename(&target.name, name, RenameFlags::empty())
            })
        })
        .map_err(failed)?;
    if let Err(e) = before(Step::MoveIn).and_then(|()| rename(staged, &target.name, RenameFlags::empty())) {
        // Should this fail as well, the next build finds the old tree under its backup name and does the same.
        let _ = rename(&backup, &target.name, RenameFlags::empty());
        return Err(failed(e));
    }
    Ok(Some(backup))
}

fn rename(folder: &Folder, from: &str, to: &str, flags: RenameFlags) -> io::Result<()> {
    Ok(renameat_with(folder, from, folder, to, flags)?)
}

/// A file system that knows no such flag says EINVAL (NFS, FUSE, some overlays), a kernel or a sandbox the others.
fn unsupported(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Puts back a tree that a build renamed before it died. Call under the lock.
pub(super) fn repair(target: &Target) -> io::Result<()> {
    if target.folder.stat(&target.name).is_ok() {
        return Ok(());
    }
    match target.backup() {
        Some(backup) => rename(&target.folder, &backup, &target.name, RenameFlags::empty()),
        None => Ok(()),
    }
}

/// Deletes what dead builds of this user left beside the target. Call under the lock, and after [`repair`]: a tree that
/// has a backup's name now was replaced.
pub(super) fn clean(target: &Target) -> io::Result<()> {
    for (name, _) in target.folder.entries()? {
        let ours = name.to_str().is_ok_and(|name| {
            [Temporary::Staging, Temporary::Backup]
                .iter()
                .any(|kind| target.is_temporary(*kind, name))
                && target.folder.has_own_folder(name)
        });
        if ours {
            target.folder.delete(&name)?;
        }
    }
    Ok(())
}
