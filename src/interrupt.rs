//! What must not be left behind when a signal ends the program.
//!
//! Whoever writes holds [`working`] while he does; what he has not finished is noted with [`unfinished`]. A signal's
//! thread calls [`abandon`]: it waits for the step that is being taken, lets nobody take another, and removes what is
//! unfinished.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use camino::Utf8PathBuf;

static GATE: RwLock<()> = RwLock::new(());
static UNFINISHED: Mutex<Vec<Noted>> = Mutex::new(Vec::new());
static WRITTEN: AtomicBool = AtomicBool::new(false);
static NEXT: AtomicU64 = AtomicU64::new(0);

struct Noted {
    number: u64,
    path: Utf8PathBuf,
    remove: Box<dyn FnMut() -> io::Result<()> + Send>,
}

/// The right to take a step that a signal must not cut in two. No thread may ask for it while it has it.
pub(crate) fn working() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Says that from now on what was to be written is in its place. Call it within the step that put it there.
pub(crate) fn written() {
    WRITTEN.store(true, Ordering::SeqCst);
}

/// A file or folder that is not finished; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Unfinished(u64);

/// Notes what a signal has to remove, and how. The path is for messages.
pub(crate) fn unfinished(path: Utf8PathBuf, remove: impl FnMut() -> io::Result<()> + Send + 'static) -> Unfinished {
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    noted().push(Noted {
        number,
        path,
        remove: Box::new(remove),
    });
    Unfinished(number)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        noted().retain(|noted| noted.number != self.0);
    }
}

fn noted() -> MutexGuard<'static, Vec<Noted>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a signal found.
#[derive(Debug)]
pub struct Abandoned {
    /// Whether what was to be written is in its place.
    pub written: bool,
    /// What could not be removed; it may hold keys.
    pub left: Vec<Utf8PathBuf>,
}

/// Stops whoever is writing, for good, and removes what is unfinished. The program has to end after this.
#[must_use]
pub fn abandon() -> Abandoned {
    // Never given back: whoever wants to take a further step waits until the program has ended.
    std::mem::forget(GATE.write().unwrap_or_else(PoisonError::into_inner));
    let mut left = Vec::new();
    for noted in noted().iter_mut() {
        if (noted.remove)().is_err() {
            left.push(noted.path.clone());
        }
    }
    Abandoned {
        written: WRITTEN.load(Ordering::SeqCst),
        left,
    }
}
