//! The one place that writes to the terminal.

use std::io::{self, Write};

/// Standard output and standard error, with colour only where a terminal shows it and NO_COLOR does not forbid it.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    out_is_closed: bool,
}

impl Printer {
    /// A line of result. A reader that has gone away (`| head`) ends the output, not the work.
    pub(crate) fn line(&mut self, text: &str) {
        if !self.out_is_closed && writeln!(anstream::stdout(), "{text}").is_err() {
            self.out_is_closed = true;
        }
    }

    /// Several lines of result that bring their own ends.
    pub(crate) fn text(&mut self, lines: &str) {
        if !self.out_is_closed && write!(anstream::stdout(), "{lines}").is_err() {
            self.out_is_closed = true;
        }
    }

    /// Something about the work, for standard error.
    pub(crate) fn note(&mut self, text: &str) {
        // There is nobody left to tell if even standard error is gone.
        let _: io::Result<()> = writeln!(anstream::stderr(), "{text}");
    }
}
