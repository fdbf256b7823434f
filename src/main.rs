//! The `lxseed` command: parse, run, print one error, exit.

mod cli;
mod commands;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut printer = terminal::printer::Printer::default();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &mut printer),
    };
    match commands::run(cli, &mut printer) {
        Ok(commands::Outcome::Done) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Findings) => ExitCode::from(1),
        Ok(commands::Outcome::OutOfDate) => ExitCode::from(3),
        Err(error) => {
            printer.note(format_args!("error: {error}"));
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

/// Shows what is wrong with the command line, or the help. An argument is repeated in it, and a file's name could bring
/// sequences for the terminal.
fn usage(error: &clap::Error, printer: &mut terminal::printer::Printer) -> ExitCode {
    let harmless = std::env::args_os().all(|arg| !arg.to_string_lossy().chars().any(char::is_control));
    if harmless {
        error.exit();
    }
    for line in error.render().to_string().lines() {
        printer.note(line);
    }
    ExitCode::from(2)
}
