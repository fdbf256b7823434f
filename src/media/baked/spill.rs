//! Files for xorriso to take: it reads from paths alone, so keys lie in a folder of their owner for as long as it runs.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::FlockOperation;
use tempfile::TempDir;

use crate::media::MediaError;

const PREFIX: &str = "lxseed-bake-";
const LOCK: &str = "lock";

/// The folder; it goes with the value. A killed process leaves it, and the next one that bakes takes it away.
#[derive(Debug)]
pub(super) struct Spill {
    _folder: TempDir,
    files: Utf8PathBuf,
    /// Held for as long as the folder is in use.
    _lock: File,
}

impl Spill {
    pub(super) fn new() -> Result<Self, MediaError> {
        clear_away();
        // tempfile makes it for its owner alone.
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let top = Utf8PathBuf::try_from(folder.path().to_path_buf())
            .map_err(|error| error.into_io_error())?;
        let lock = fs::File::create(top.join(LOCK))?.into_file();
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)?;
        let files = top.join("files");
        fs::create_dir(&files)?;
        Ok(Self {
            _folder: folder,
            files,
            _lock: lock,
        })
    }

    /// Where the files are.
    pub(super) fn folder(&self) -> &Utf8Path {
        &self.files
    }

    /// Writes one, with the mode that it shall have on the medium.
    pub(super) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), MediaError> {
        let path = self.files.join(name);
        for above in path
            .ancestors()
            .skip(1)
            .take_while(|above| *above != self.files)
        {
            fs::create_dir_all(above)?;
            fs::set_permissions(above, Permissions::from_mode(0o755))?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(())
    }
}

/// Removes what killed processes of this user left. Nothing hangs on it, so errors are passed over.
fn clear_away() {
    let own = rustix::process::geteuid().as_raw();
    let entries = std::fs::read_dir(std::env::temp_dir());
    for entry in entries.into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry
                .metadata()
                .is_ok_and(|meta| meta.is_dir() && meta.uid() == own);
        let stale = ours
            && File::open(entry.path().join(LOCK)).is_ok_and(|lock| {
                rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            });
        if stale {
            let _: io::Result<()> = std::fs::remove_dir_all(entry.path());
        }
    }
}
