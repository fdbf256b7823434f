//! The threads that work.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rayon::{ThreadBuilder, ThreadPoolBuilder};

use super::CommandError;

/// Starts as many threads as are asked for, or one for each processor. Where the system gives fewer, fewer work; where
/// it gives none, this one does all.
pub(super) fn start(jobs: Option<NonZeroUsize>) -> Result<(), CommandError> {
    let wanted = jobs.or_else(|| thread::available_parallelism().ok());
    // A pool that gets too few threads is an error, and there is no second try. So the threads are there before it.
    let mut waiting = Vec::new();
    for _ in 0..wanted.map_or(1, NonZeroUsize::get) {
        let (send, receive) = mpsc::channel::<ThreadBuilder>();
        let spawned = thread::Builder::new().spawn(move || {
            if let Ok(work) = receive.recv() {
                work.run();
            }
        });
        match spawned {
            Ok(_) => waiting.push(send),
            Err(_) => break,
        }
    }
    let pool = ThreadPoolBuilder::new().num_threads(waiting.len().max(1));
    let built = if waiting.is_empty() {
        pool.use_current_thread().build_global()
    } else {
        let waiting = Mutex::new(waiting);
        let hand_over = |work| {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let sent = next.is_some_and(|thread| thread.send(work).is_ok());
            sent.then_some(()).ok_or_else(|| io::Error::other("a thread has ended"))
        };
        pool.spawn_handler(hand_over).build_global()
    };
    built.map_err(|error| CommandError::Refused(error.to_string()))
}
