//! The `lxseed` command: parse, run, print one error, exit.

mod cli;
mod commands;
mod terminal;

use std::process::ExitCode;

use clap::Parser;
use terminal::printer::Printer;

fn main() -> ExitCode {
    let mut printer = Printer::default();
    let code = run(&mut printer);
    match printer.failure() {
        None => code,
        Some(error) => {
            printer.note(format_args!("error: not everything could be written: {error}"));
            // What went wrong before says more.
            if code == ExitCode::SUCCESS {
                ExitCode::FAILURE
            } else {
                code
            }
        }
    }
}

fn run(printer: &mut Printer) -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are errors to the parser, too.
        Err(error) => {
            if let Err(unwritten) = error.print() {
                printer.fail(unwritten);
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match commands::run(cli, printer) {
        Ok(commands::Outcome::Done) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Findings) => ExitCode::from(1),
        Ok(commands::Outcome::OutOfDate) => ExitCode::from(3),
        Err(error) => {
            printer.note(format_args!("error: {error}"));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
