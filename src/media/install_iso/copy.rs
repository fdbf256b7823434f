//! Copies an image, and tells on the way what its SHA-256 is.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::media::{digest_while, path_of};

/// At a time; the way to see that it shall end is not long.
const STEP: u64 = 32 << 20;

/// The bytes of `source` are copied to `target`, which is empty, until `stop` says otherwise. Returns the lower-case
/// hexadecimal SHA-256 of what `source` holds.
///
/// # Errors
/// If reading or writing fails, or it was stopped.
pub(super) fn copy(source: &File, target: &File, stop: &AtomicBool) -> io::Result<String> {
    let length = source.metadata()?.len();
    match rustix::fs::fallocate(target, FallocateFlags::empty(), 0, length.max(1)) {
        // Where it is not known beforehand it shows later.
        Err(error) if !matches!(error, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            return Err(error.into());
        }
        _ => {}
    }
    std::thread::scope(|scope| {
        // Each reads for itself: the kernel can then copy without the bytes passing through here.
        let digest = std::thread::Builder::new().spawn_scoped(scope, || digest_while(source, || stopped(stop)))?;
        // The disk writes while the digest is still worked out; the last sync of all has little left to do.
        let copied = bytes(source, target, length, stop).and_then(|()| target.sync_data());
        if copied.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        let digest = digest.join().map_err(|_| io::Error::other("it could not be read"));
        copied?;
        digest?
    })
}

fn stopped(stop: &AtomicBool) -> io::Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::other("it was stopped"));
    }
    Ok(())
}

fn bytes(source: &File, mut target: &File, length: u64, stop: &AtomicBool) -> io::Result<()> {
    // With a place of its own: whoever else reads the image moves the other one's.
    let source = File::open(path_of(source))?;
    let mut at = 0;
    while at < length {
        stopped(stop)?;
        match io::copy(&mut (&source).take(STEP.min(length - at)), &mut target)? {
            0 => return Err(io::Error::other("it became shorter while it was read")),
            copied => at += copied,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::FileExt as _;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::hex;

    #[test]
    fn everything_is_copied_until_it_is_stopped() {
        let source = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 253) as u8).collect();
        source.write_all_at(&bytes, 0).unwrap();
        let target = tempfile::tempfile().unwrap();
        let digest = copy(&source, &target, &AtomicBool::new(false)).unwrap();
        assert_eq!(digest, hex::encode(&Sha256::digest(&bytes)));
        assert_eq!(target.metadata().unwrap().len(), bytes.len() as u64);
        let mut read = vec![0; bytes.len()];
        target.read_exact_at(&mut read, 0).unwrap();
        assert!(read == bytes);
        let stop = AtomicBool::new(true);
        assert!(copy(&source, &tempfile::tempfile().unwrap(), &stop).is_err());
    }
}
