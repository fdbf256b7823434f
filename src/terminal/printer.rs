//! The one place that writes to the terminal.

use std::fmt::Display;
use std::io::{self, Write};

use lxseed::report::sanitize;

/// Standard output and standard error, with colour only where a terminal shows it and NO_COLOR does not forbid it.
///
/// A line may hold anything that profiles, files and images hold, so whatever would steer the terminal is shown as an
/// escape. What brings its own colours or lines is for the two functions that say so, and has to be safe already.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    out_is_closed: bool,
    /// Why something could not be written.
    failure: Option<io::Error>,
}

impl Printer {
    /// A line of result.
    pub(crate) fn line(&mut self, line: impl Display) {
        self.styled(&(sanitize(&line.to_string()) + "\n"));
    }

    /// Something about the work, a line for standard error.
    pub(crate) fn note(&mut self, line: impl Display) {
        self.styled_note(&(sanitize(&line.to_string()) + "\n"));
    }

    /// Lines of result as they are. A reader that has closed its end (`| head`) ends the output, not the work.
    pub(crate) fn styled(&mut self, lines: &str) {
        if self.out_is_closed {
            return;
        }
        let mut out = anstream::stdout();
        if let Err(error) = write!(out, "{lines}").and_then(|()| out.flush()) {
            self.out_is_closed = true;
            self.fail(error);
        }
    }

    /// Whether whoever reads the result has closed its end.
    pub(crate) fn is_closed(&self) -> bool {
        self.out_is_closed
    }

    /// Lines for standard error as they are.
    pub(crate) fn styled_note(&mut self, lines: &str) {
        if let Err(error) = write!(anstream::stderr(), "{lines}") {
            self.fail(error);
        }
    }

    /// Notes that something could not be written; the first time tells why.
    pub(crate) fn fail(&mut self, error: io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.failure.get_or_insert(error);
        }
    }

    /// Why not everything was written, if so. A reader that has closed its end wanted no more.
    pub(crate) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
