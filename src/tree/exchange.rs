//! Replaces the old tree by the staged one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, fsync, renameat_with, syncfs};
use rustix::io::Errno;

use super::error::{OutputError, trying};
use super::target::Target;

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
pub(super) fn sync_tree(folder: &fs::File, before: Before<'_>) -> io::Result<()> {
    before(Step::SyncTree)?;
    syncfs(folder.file()).map_err(|e| {
        let path = folder.path().display();
        trying(format_args!("failed to sync the file system of {path}"), e)
    })
}

/// Makes the rename itself durable.
pub(super) fn sync_parent(target: &Target, before: Before<'_>) -> io::Result<()> {
    let synced = before(Step::SyncParent)
        .and_then(|()| fs::File::open(target.parent.as_std_path()))
        .and_then(|opened| fsync(opened.file()).map_err(io::Error::from));
    let shown = &target.shown;
    synced.map_err(|e| {
        trying(
            format_args!("{shown} holds the new tree, which a power cut may undo"),
            e,
        )
    })
}

/// Renames the staged tree to the target and returns where the old one lies now, if there was one.
pub(super) fn replace(
    staged: &Utf8Path,
    target: &Target,
    exists: bool,
    before: Before<'_>,
) -> Result<Option<Utf8PathBuf>, OutputError> {
    let real = &target.real;
    let shown = &target.shown;
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::ResourceBusy => OutputError::MountPoint(shown.clone()),
        io::ErrorKind::CrossesDevices => OutputError::Unmovable(shown.clone()),
        _ => trying(format_args!("failed to put the new tree in the place of {shown}"), e).into(),
    };
    if !exists {
        let moved = before(Step::MoveIn).and_then(|()| rename(staged, real, RenameFlags::NOREPLACE));
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
    let backup = target.backup_path();
    before(Step::MoveAway)
        .and_then(|()| rename(real, &backup, RenameFlags::empty()))
        .map_err(failed)?;
    if let Err(e) = before(Step::MoveIn).and_then(|()| rename(staged, real, RenameFlags::empty())) {
        // Should this fail as well, the next build finds the old tree under its backup name and does the same.
        let _ = rename(&backup, real, RenameFlags::empty());
        return Err(failed(e));
    }
    Ok(Some(backup))
}

fn rename(from: &Utf8Path, to: &Utf8Path, flags: RenameFlags) -> io::Result<()> {
    Ok(renameat_with(CWD, from.as_str(), CWD, to.as_str(), flags)?)
}

/// A file system that knows no such flag says EINVAL (NFS, FUSE, some overlays), a kernel or a sandbox the others.
fn unsupported(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Puts back a tree that a build renamed before it died. Call under the lock.
pub(super) fn repair(target: &Target) -> io::Result<()> {
    match target.existing() {
        Some(folder) if folder == target.backup_path() => fs::rename(&folder, &target.real),
        _ => Ok(()),
    }
}

/// Deletes what dead builds left beside the target. Call under the lock, and after [`repair`]: a tree that has
/// the backup name now was replaced.
pub(super) fn clean(target: &Target) -> io::Result<()> {
    let backup = target.backup_path();
    for entry in fs::read_dir(&target.parent)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if (target.is_staging(&name) || backup.file_name() == Some(&name)) && entry.file_type()?.is_dir() {
            delete(&target.parent.join(name))?;
        }
    }
    Ok(())
}

/// Deletes a tree, even one that its owner made read-only: it was replaced, and holds keys.
pub(super) fn delete(tree: &Utf8Path) -> io::Result<()> {
    remove(tree).or_else(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => open_up(tree.as_std_path()).and_then(|()| remove(tree)),
        _ => Err(e),
    })
}

/// The `.gitignore` goes last: a deletion that is cut short leaves nothing for git to add.
fn remove(tree: &Utf8Path) -> io::Result<()> {
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != ".gitignore" {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(tree)
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
