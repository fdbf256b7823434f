//! One build of a target at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::{OutputError, trying};
use super::fs::Folder;
use super::target::Target;
use crate::interrupt::{self, Unfinished};

/// The right to write a target, given back when dropped.
///
/// The lock is a `flock` on an empty file beside the target: one on the parent would stop builds of two targets in one
/// folder, and one on the target itself is of no use while there is no target and after it was exchanged. The file is
/// removed by who holds the lock. Whoever waited at that moment holds a lock on a file without a name, so the name is
/// looked up again after locking. A killed build leaves the file and no lock on it.
#[derive(Debug)]
pub(super) struct Lock {
    folder: Folder,
    name: String,
    _file: File,
    _noted: Unfinished,
}

impl Lock {
    /// Takes the lock, or fails at once if another build holds it.
    pub(super) fn take(target: &Target) -> Result<Self, OutputError> {
        // Losing the race against a build that is just ending is rare; losing it often means builds that come and go.
        const ATTEMPTS: usize = 100;
        let (folder, name) = (&target.folder, target.lock_name());
        let path = folder.path().join(&name);
        for _ in 0..ATTEMPTS {
            // A pipe that somebody has put there must not be waited for.
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(folder, &*name, flags, Mode::RUSR | Mode::WUSR);
            let file = File::from(opened.map_err(|error| refused(target, &name, error.into()))?);
            let locked = file.metadata()?;
            if !locked.is_file() || locked.uid() != geteuid().as_raw() {
                return Err(OutputError::InTheWay(path));
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(OutputError::Busy(target.shown.clone())),
                Err(e) => return Err(trying(format_args!("failed to lock {path}"), e).into()),
            }
            match rustix::fs::statat(folder, &*name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) if (named.st_dev, named.st_ino) == (locked.dev(), locked.ino()) => {
                    let (again, name_again) = (folder.clone(), name.clone());
                    return Ok(Self {
                        folder: folder.clone(),
                        name,
                        _file: file,
                        _noted: interrupt::unfinished(path, move || again.remove(&name_again)),
                    });
                }
                Err(e) if e != Errno::NOENT => return Err(trying(format_args!("failed to look at {path}"), e).into()),
                _ => {}
            }
        }
        Err(OutputError::Busy(target.shown.clone()))
    }
}

/// The lock is the first thing that is written, so it is here that a folder shows to take nothing.
fn refused(target: &Target, name: &str, error: io::Error) -> OutputError {
    let of_another = |found: rustix::fs::Stat| {
        FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_uid != geteuid().as_raw()
    };
    if target.folder.stat(name).is_ok_and(of_another) {
        return OutputError::InTheWay(target.folder.path().join(name));
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OutputError::ReadOnly {
                path: target.shown.clone(),
                parent: target.parent.clone(),
                // The lock's own name would say nothing to the user.
                error: error.kind().into(),
            }
        }
        _ => trying(
            format_args!("failed to open file `{}`", target.folder.path().join(name)),
            error,
        )
        .into(),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is no harm: the next build locks and removes it.
        let _ = self.folder.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fs_err as fs;

    use super::*;
    use crate::tree::tests::{Fixture, message};

    #[test]
    fn one_holder_at_a_time_and_nothing_left() {
        let fixture = Fixture::new();
        let target = Target::locate(&fixture.target()).unwrap();
        let neighbour = Target::locate(&fixture.path("other")).unwrap();
        let held = Lock::take(&target).unwrap();
        assert!(message(Lock::take(&target)).contains("another lxseed build is writing"));
        drop(Lock::take(&neighbour).unwrap());
        drop(held);
        drop(Lock::take(&target).unwrap());
        assert_eq!(fixture.beside(), [] as [&str; 0]);
    }

    #[test]
    fn the_lock_file_of_a_killed_build_is_taken_over() {
        let fixture = Fixture::new();
        let target = Target::locate(&fixture.target()).unwrap();
        fs::write(fixture.path(&target.lock_name()), "").unwrap();
        drop(Lock::take(&target).unwrap());
        assert_eq!(fixture.beside(), [] as [&str; 0]);
    }

    /// In a folder such as /tmp anybody may put something there first.
    #[test]
    fn what_is_no_lock_of_ours_is_named_and_not_waited_for() {
        let fixture = Fixture::new();
        let target = Target::locate(&fixture.target()).unwrap();
        let path = fixture.path(&target.lock_name());
        let fifo = |kind| rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), kind, 0o666.into(), 0).unwrap();
        let others: [&dyn Fn(); 4] = [
            &|| fifo(FileType::Fifo),
            &|| fs::create_dir(&path).unwrap(),
            &|| fs::os::unix::fs::symlink("elsewhere", &path).unwrap(),
            &|| {
                fs::write(&path, "").unwrap();
                // Whoever is not root has no file of another user to put there.
                let stranger = geteuid().is_root().then_some(12345);
                fs::os::unix::fs::chown(&path, stranger, None).unwrap();
                if stranger.is_none() {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }
            },
        ];
        for put in others {
            put();
            let text = message(Lock::take(&target).map(drop));
            assert!(text.starts_with(&format!("{path} is in the way")), "{text}");
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        assert_eq!(fixture.beside(), [] as [&str; 0]);
    }

    #[test]
    fn many_threads_never_hold_it_together() {
        let fixture = Fixture::new();
        let target = Target::locate(&fixture.target()).unwrap();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Ok(lock) = Lock::take(&target) {
                            assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert_eq!(fixture.beside(), [] as [&str; 0]);
    }
}
