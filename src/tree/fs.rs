//! Files and folders with exactly the mode they shall have, and reading what may have been tampered with.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;

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

/// Reads a plain file that has this mode and, where it is known, this size. A pipe or a link may lie where the file was:
/// neither is waited for or followed. The bytes are wiped when dropped, for they may be secret.
pub(super) fn read_plain(
    path: &Utf8Path,
    mode: u32,
    size: Option<u64>,
) -> Result<SecretBytes, Fault> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::os::unix::fs::OpenOptionsExt::custom_flags(
        std::fs::OpenOptions::new().read(true),
        flags.bits().cast_signed(),
    )
    .open(path)
    .map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NOENT.raw_os_error() => Fault::Missing,
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => Fault::Kind,
        _ => Fault::Unreadable,
    })?;
    let found = file.metadata().map_err(|_| Fault::Unreadable)?;
    let found_mode = found.permissions().mode() & 0o7777;
    if !found.is_file() {
        return Err(Fault::Kind);
    }
    if found_mode != mode {
        return Err(Fault::Mode {
            found: found_mode,
            built: mode,
        });
    }
    if size.is_some_and(|size| size != found.len()) {
        return Err(Fault::Altered);
    }
    // Room for all at once: a vector that grows would leave copies of a secret behind.
    let mut bytes = Vec::new();
    let room = usize::try_from(found.len()).map_err(|_| Fault::Unreadable)?;
    bytes
        .try_reserve_exact(room)
        .map_err(|_| Fault::Unreadable)?;
    let read = file.take(found.len()).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    read.map(|_| bytes).map_err(|_| Fault::Unreadable)
}
