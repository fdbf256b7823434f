//! Whether an image is the user's alone: keys shall be written into it.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::media::MediaError;

/// Locks an image that shall be changed in place, for as long as it is open, and refuses one that others could read the
/// keys from: another user's, one with a second name, one that somebody has open.
///
/// # Errors
/// Which of these it is, or that another lxseed is at work on it.
pub(crate) fn claim(image: &File) -> Result<(), MediaError> {
    let no = |why: String| {
        Err(MediaError::Malformed(format!(
            "{why}: change a copy of your own, or write one with -o"
        )))
    };
    let found = image.metadata()?;
    if found.uid() != geteuid().as_raw() {
        return no(format!(
            "it belongs to another user (number {}), who could read the keys",
            found.uid()
        ));
    }
    if found.nlink() != 1 {
        return no(format!(
            "it has {} names (hard links), and under each of them the keys could be read",
            found.nlink()
        ));
    }
    match rustix::fs::flock(image, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(MediaError::Malformed(
                "another program is at work on it and has locked it: wait for its end".to_owned(),
            ));
        }
        // A file system that knows no locks.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    // A program that only looked at it, such as one of ours that was just killed, is gone in a moment.
    for _ in 0..PATIENCE {
        if opened_by((found.dev(), found.ino())).is_none() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    match opened_by((found.dev(), found.ino())) {
        Some(process) => no(format!("process {process} has it open and could read the keys")),
        None => Ok(()),
    }
}

/// Tenths of a second in which others may close it.
const PATIENCE: usize = 10;

/// Another process that has the file open. Of other users' processes only root can tell.
fn opened_by(file: (u64, u64)) -> Option<u32> {
    let own = std::process::id();
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let process: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        (process != own).then_some(process)
    });
    for process in processes {
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            // Follows the link to the very file.
            let found = std::fs::metadata(descriptor.path());
            if found.is_ok_and(|found| (found.dev(), found.ino()) == file) {
                return Some(process);
            }
        }
    }
    None
}
