//! Other programs: how every one of them is started.
//!
//! None gets the site secret in its environment, each finds nothing on its standard input but what it is given, speaks
//! English, and is ended when it takes longer or says more than an honest answer does.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;

/// The variable that may hold the site secret.
pub(crate) const SECRET_VARIABLE: &str = "LXSEED_SECRET";

/// What is kept of a standard error: enough for a reason, too little to fill memory.
const MAX_COMPLAINTS: usize = 256 << 10;
/// Read at a time.
const CHUNK: usize = 64 << 10;

/// A program whose answers are read here.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = users_own(program);
    command.env("LC_ALL", "C").env("TZ", "UTC");
    command
}

/// A program of the user's own, which speaks the user's language.
pub(crate) fn users_own(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove(SECRET_VARIABLE).stdin(Stdio::null());
    command
}

/// What a program may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How long it may run.
    pub(crate) time: Duration,
    /// How much it may say on its standard output, in bytes.
    pub(crate) stdout: usize,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The beginning of it.
    pub(crate) stderr: Vec<u8>,
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be started; [`io::ErrorKind::TimedOut`] if it takes longer than it may, and
/// [`io::ErrorKind::FileTooLarge`] if it says more. It is killed then.
pub(crate) fn run(command: &mut Command, limit: Limit) -> io::Result<Ended> {
    let mut stdout = Vec::new();
    let (status, stderr) = stream(command, limit.time, |piece| {
        if stdout.len() + piece.len() > limit.stdout {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it said more than {} bytes", limit.stdout),
            ));
        }
        stdout.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(Ended { status, stdout, stderr })
}

/// The same for one that says any amount, which is passed on piece by piece. Returns its standard error, too.
///
/// # Errors
/// As [`run`], and whatever `take` returns.
pub(crate) fn stream(
    command: &mut Command,
    time: Duration,
    take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let until = Instant::now() + time;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let ended = follow(&mut child, until, take);
    if ended.is_err() {
        // It has ended already, or it is ended now.
        let _: io::Result<()> = child.kill();
        child.wait()?;
    }
    ended
}

fn follow(
    child: &mut Child,
    until: Instant,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut chunk, mut complaints) = (vec![0; CHUNK], Vec::new());
    while out.is_some() || err.is_some() {
        let ready = wait(out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd), until)?;
        if let (true, Some(pipe)) = (ready.0, &mut out) {
            match pipe.read(&mut chunk)? {
                0 => out = None,
                read => take(&chunk[..read])?,
            }
        }
        if let (true, Some(pipe)) = (ready.1, &mut err) {
            match pipe.read(&mut chunk)? {
                0 => err = None,
                read => {
                    let kept = read.min(MAX_COMPLAINTS - complaints.len());
                    complaints.extend_from_slice(&chunk[..kept]);
                }
            }
        }
        // A child of its own that holds the pipes, such as a daemon, is not waited for.
        if !ready.0 && !ready.1 {
            match child.try_wait()? {
                Some(_) => break,
                None if Instant::now() >= until => return Err(late()),
                None => {}
            }
        }
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, complaints));
        }
        if Instant::now() >= until {
            return Err(late());
        }
        // Both pipes are closed, so it is about to end.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn late() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "it did not come to an end in time, and was ended",
    )
}

/// Which of two pipes has something to read or has been closed; neither after at most a quarter of a second.
fn wait(
    out: Option<std::os::fd::BorrowedFd<'_>>,
    err: Option<std::os::fd::BorrowedFd<'_>>,
    until: Instant,
) -> io::Result<(bool, bool)> {
    let left = until
        .saturating_duration_since(Instant::now())
        .min(Duration::from_millis(250));
    let left = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    let mut pipes: Vec<PollFd<'_>> = [out, err]
        .into_iter()
        .flatten()
        .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
        .collect();
    match poll(&mut pipes, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = pipes.iter().map(|pipe| !pipe.revents().is_empty());
    Ok((
        out.is_some() && ready.next().unwrap_or_default(),
        err.is_some() && ready.next().unwrap_or_default(),
    ))
}

/// What a program shall read on its standard input: a file that has no place on any disk, so that nobody waits for
/// anybody.
///
/// # Errors
/// If there is no memory for it.
pub(crate) fn input(bytes: &[u8]) -> io::Result<Stdio> {
    let mut file = in_memory(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// A file that has no place on any disk.
///
/// # Errors
/// If there is no memory for it.
pub(crate) fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("lxseed", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LIMIT: Limit = Limit {
        time: Duration::from_secs(20),
        stdout: 1000,
    };

    fn sh(script: &str) -> Command {
        let mut sh = command("sh");
        sh.args(["-c", script]);
        sh
    }

    #[test]
    fn a_program_is_run_to_its_end() {
        let ended = run(sh("cat; echo no >&2; exit 3").stdin(input(b"said").unwrap()), LIMIT).unwrap();
        assert_eq!((&*ended.stdout, &*ended.stderr), (&b"said"[..], &b"no\n"[..]));
        assert_eq!(ended.status.code(), Some(3));
        // More than a pipe holds, on both.
        let mut size = 0;
        let script = "head -c 1000000 /dev/zero >&2; head -c 3000000 /dev/zero";
        let (status, complaints) = stream(&mut sh(script), LIMIT.time, |piece| {
            size += piece.len();
            Ok(())
        })
        .unwrap();
        assert!(status.success());
        assert_eq!((size, complaints.len()), (3_000_000, MAX_COMPLAINTS));
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let began = Instant::now();
        let short = Limit {
            time: Duration::from_millis(300),
            ..LIMIT
        };
        for script in ["exec sleep 60", "exec >&- 2>&-; exec sleep 60", "exec yes >&2"] {
            let error = run(&mut sh(script), short).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
        }
        let error = run(&mut sh("exec yes"), LIMIT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        // What it leaves behind on its pipes is not waited for.
        let ended = run(&mut sh("echo yes; sleep 60 & exit 0"), LIMIT).unwrap();
        assert_eq!(ended.stdout, b"yes\n");
        assert!(began.elapsed() < Duration::from_secs(15));
        assert_eq!(
            run(&mut command("lxseed-no-such-program"), LIMIT).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    /// A test cannot set variables of its own process, so a second process that has it runs this one.
    #[test]
    fn no_program_gets_the_secret() {
        const AGAIN: &str = "LXSEED_TEST_CHILD";
        if std::env::var_os(AGAIN).is_some() {
            let ended = run(&mut sh("echo \"[$LXSEED_SECRET]\""), LIMIT).unwrap();
            assert_eq!(ended.stdout, b"[]\n");
            return;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "child::tests::no_program_gets_the_secret"]);
        let output = again.env(AGAIN, "1").env(SECRET_VARIABLE, "very").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(" 1 passed;"), "{said}");
    }

    /// Whoever starts a program does it here, or takes the variable away.
    #[test]
    fn there_is_no_other_place_that_starts_programs() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for entry in walkdir::WalkDir::new(top) {
            let path = entry.unwrap().into_path();
            let name = path.to_string_lossy().into_owned();
            if !name.ends_with(".rs")
                || name.ends_with("src/child.rs")
                || name.contains("tests")
                || name.contains("testing")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            assert!(!code.contains("Command::new("), "{name}");
        }
    }
}
