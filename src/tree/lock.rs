//! One build of a target at a time.

use std::io;
use std::os::unix::fs::MetadataExt;

use camino::Utf8PathBuf;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::error::{OutputError, trying};
use super::target::Target;

/// The right to write a target, given back when dropped.
///
/// The lock is a `flock` on an empty file beside the target: one on the parent would stop builds of two targets in one
/// folder, and one on the target itself is of no use while there is no target and after it was exchanged. The file is
/// removed by who holds the lock. Whoever waited at that moment holds a lock on a file without a name, so the name is
/// looked up again after locking. A killed build leaves the file and no lock on it.
#[derive(Debug)]
pub(super) struct Lock {
    path: Utf8PathBuf,
    _file: fs::File,
}

impl Lock {
    /// Takes the lock, or fails at once if another build holds it.
    pub(super) fn take(target: &Target) -> Result<Self, OutputError> {
        // Losing the race against a build that is just ending is rare; losing it often means builds that come and go.
        const ATTEMPTS: usize = 100;
        let path = target.lock();
        for _ in 0..ATTEMPTS {
            let file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
                .map_err(|error| refused(target, error))?;
            match flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(OutputError::Busy(target.shown.clone())),
                Err(e) => return Err(trying(format_args!("failed to lock {path}"), e).into()),
            }
            let locked = file.metadata()?;
            match fs::symlink_metadata(&path) {
                Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Self { path, _file: file });
                }
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Err(OutputError::Busy(target.shown.clone()))
    }
}

/// The lock is the first thing that is written, so it is here that a folder shows to take nothing.
fn refused(target: &Target, error: io::Error) -> OutputError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OutputError::ReadOnly {
                path: target.shown.clone(),
                parent: target.parent.clone(),
                // The lock's own name would say nothing to the user.
                error: error.kind().into(),
            }
        }
        _ => error.into(),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is no harm: the next build locks and removes it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        fs::write(target.lock(), "").unwrap();
        drop(Lock::take(&target).unwrap());
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
