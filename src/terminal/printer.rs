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
        if !self.out_is_closed && write!(anstream::stdout(), "{lines}").is_err() {
            self.out_is_closed = true;
        }
    }

    /// Lines for standard error as they are.
    pub(crate) fn styled_note(&mut self, lines: &str) {
        // There is nobody left to tell if even standard error is closed.
        let _: io::Result<()> = write!(anstream::stderr(), "{lines}");
    }
}
