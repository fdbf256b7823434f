//! Ctrl-C and its like.

use std::io::IsTerminal as _;
use std::sync::mpsc;
use std::{fs, io, process, thread};

use lxseed::interrupt::abandon;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::printer::Printer;

/// From now on a signal that asks the program to end removes what is half done, and the exit status is 128 and the
/// signal's number, as shells count. Where no thread can be had, it ends the program as it is.
pub(crate) fn watch() {
    let (ready, wait) = mpsc::channel();
    let watcher = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let ignored = ignored();
        let asked = [SIGHUP, SIGINT, SIGTERM]
            .into_iter()
            .filter(|signal| ignored & bit(*signal) == 0);
        let signals = Signals::new(asked);
        // Whoever began without a watcher need not wait for one.
        let _ = ready.send(());
        if let Some(signal) = signals.ok().and_then(|mut signals| signals.forever().next()) {
            end(signal);
        }
    });
    if watcher.is_ok() {
        let _ = wait.recv();
    }
}

fn end(signal: i32) -> ! {
    let found = abandon();
    let mut printer = Printer::default();
    if io::stderr().is_terminal() {
        // Of the progress that is shown.
        printer.styled_note("\r\x1b[2K");
    }
    printer.note(match found.written {
        true => "interrupted: the output is written",
        false => "interrupted: the output is as it was",
    });
    for path in found.left {
        printer.note(format_args!(
            "note: {path} is left unfinished and may hold keys: remove it"
        ));
    }
    process::exit(128 + signal)
}

/// The signals that whoever started the program wants ignored, as nohup does.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}
