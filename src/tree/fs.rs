//! Files and folders with exactly the mode they shall have, and reading what may have been tampered with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::trust::SecretBytes;

/// Folders hold secret files, so only their owner looks into them.
pub(super) const FOLDER_MODE: u32 = 0o700;

/// Writes a new file. It has exactly this mode, whatever the umask is.
pub(super) fn create(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    // A umask may have taken bits away; nearly none does, and looking costs less than setting.
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        file.set_permissions(PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}

/// Opens a plain file that has this mode and, where it is known, this size. A pipe or a link may lie where the file
/// was: neither is waited for or followed.
pub(super) fn open_plain(path: &Utf8Path, mode: u32, size: Option<u64>) -> Result<File, Fault> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => Fault::Missing,
        Some(Errno::LOOP) => Fault::Kind,
        _ => Fault::Unreadable,
    })?;
    let metadata = file.metadata().map_err(|_| Fault::Unreadable)?;
    let found = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() {
        Err(Fault::Kind)
    } else if found != mode {
        Err(Fault::Mode { found, built: mode })
    } else if size.is_some_and(|size| size != metadata.len()) {
        Err(Fault::Altered)
    } else {
        Ok(file)
    }
}

/// Reads such a file to its end. The bytes are wiped when dropped, for they may be secret.
pub(super) fn read_plain(path: &Utf8Path, mode: u32, size: Option<u64>) -> Result<SecretBytes, Fault> {
    let read = |file: File| {
        // Room for all at once: a vector that grows would leave copies of a secret behind.
        let size = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = Zeroizing::new(Vec::new());
        bytes.try_reserve_exact(size)?;
        file.take(size as u64).read_to_end(&mut bytes)?;
        io::Result::Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
    };
    read(open_plain(path, mode, size)?).map_err(|_| Fault::Unreadable)
}
