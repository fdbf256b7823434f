//! The `lxseed` command: parse, run, print one error, exit.

mod cli;
mod commands;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let mut printer = terminal::printer::Printer::default();
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
