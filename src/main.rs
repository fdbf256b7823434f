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
        Err(error) => return usage(&error, printer),
    };
    match commands::run(cli, printer) {
        Ok(commands::Outcome::Done) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Findings) => ExitCode::from(1),
        Ok(commands::Outcome::OutOfDate) => ExitCode::from(3),
        Ok(commands::Outcome::NobodyAnswers) => ExitCode::from(4),
        Err(error) => {
            printer.note(format_args!("error: {error}"));
            for line in error.details() {
                printer.note(format_args!("  {line}"));
            }
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

/// Shows what is wrong with the command line, or the help and the version, which are errors to the parser, too. An
/// argument is repeated in it, and a file's name could bring sequences for the terminal.
fn usage(error: &clap::Error, printer: &mut Printer) -> ExitCode {
    let harmless = std::env::args_os().all(|arg| !arg.to_string_lossy().chars().any(char::is_control));
    if harmless {
        if let Err(unwritten) = error.print() {
            printer.fail(unwritten);
        }
    } else {
        for line in error.render().to_string().lines() {
            printer.note(line);
        }
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
