//! What a run shows of itself while it works.

use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on a terminal: what is being done, how many hosts are done and how fast. Nothing in a pipe.
pub(crate) struct Progress(ProgressBar);

/// How often the line is drawn at least, so that a long step does not look like a hang.
const TICK: Duration = Duration::from_millis(100);

impl Progress {
    /// Begins with a step that has no count.
    pub(crate) fn new(step: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let progress = Self(bar);
        progress.style("{spinner} {msg} {elapsed}");
        progress.0.set_message(step);
        // What redraws it is a thread, and indicatif panics where there is none.
        if !progress.0.is_hidden() && thread::Builder::new().spawn(|| {}).is_ok() {
            progress.0.enable_steady_tick(TICK);
        }
        progress
    }

    fn style(&self, template: &str) {
        // The templates are constants; a bar that cannot be styled is shown plain.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }

    /// The next step, which has no count.
    pub(crate) fn step(&self, step: &'static str) {
        self.style("{spinner} {msg} {elapsed}");
        self.0.set_message(step);
    }

    /// The next step, which goes from host to host.
    pub(crate) fn hosts(&self, step: &'static str, hosts: usize) {
        self.0.set_length(hosts as u64);
        self.0.reset();
        self.style("{spinner} {msg} [{bar:30}] {pos}/{len} hosts, {per_sec:.0}, {eta} left");
        self.0.set_message(step);
    }

    /// One more.
    pub(crate) fn host_done(&self) {
        self.0.inc(1);
    }

    /// Takes the line away while something else is printed.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    /// Takes the line away for good.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
