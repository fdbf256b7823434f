//! `cargo run --release --example generate-site -- HOSTS FOLDER`: a site of that many hosts, for benchmarks.

#![allow(clippy::print_stderr, reason = "a tool for developers")]

mod generator;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [hosts, folder] = arguments.as_slice() else {
        eprintln!("usage: generate-site HOSTS FOLDER");
        return ExitCode::from(2);
    };
    let Some(hosts) = hosts.parse().ok().filter(|hosts| *hosts >= 3) else {
        eprintln!("generate-site: {hosts} is not a number of hosts; the smallest site has 3");
        return ExitCode::from(2);
    };
    match generator::write_site(Path::new(folder), hosts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate-site: {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}
