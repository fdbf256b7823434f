//! Where a run's time goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Profiles are read and checked.
    Check,
    /// The tree that stands is compared with what it should be.
    Compare,
    /// Keys and certificates are derived.
    Derive,
    /// Files are rendered, and read back.
    Render,
    /// Rendered files are digested.
    Hash,
    /// Files are written.
    Write,
    /// Unchanged files are linked from the tree before.
    Link,
    /// The manifest is made.
    Manifest,
    /// The new tree is made durable.
    Sync,
    /// The trees change places.
    Exchange,
    /// The tree before is deleted.
    Delete,
}

impl Phase {
    /// All, in the order they begin in.
    pub const ALL: [Self; 11] = [
        Self::Check,
        Self::Compare,
        Self::Derive,
        Self::Render,
        Self::Hash,
        Self::Write,
        Self::Link,
        Self::Manifest,
        Self::Sync,
        Self::Exchange,
        Self::Delete,
    ];

    /// What a person calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "read, check",
            Self::Compare => "compare",
            Self::Derive => "derive",
            Self::Render => "render",
            Self::Hash => "hash",
            Self::Write => "write",
            Self::Link => "link",
            Self::Manifest => "manifest",
            Self::Sync => "sync",
            Self::Exchange => "exchange",
            Self::Delete => "delete old",
        }
    }
}

/// How long each phase took, summed over all threads that were in it.
#[derive(Debug, Default)]
pub struct Phases([AtomicU64; Phase::ALL.len()]);

impl Phases {
    /// Does something and counts its time.
    pub fn time<T>(&self, phase: Phase, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        let nanoseconds = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0[phase as usize].fetch_add(nanoseconds, Ordering::Relaxed);
        done
    }

    /// The time of one phase so far.
    #[must_use]
    pub fn spent(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.0[phase as usize].load(Ordering::Relaxed))
    }
}
