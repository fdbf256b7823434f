//! One file that holds keys: whole and 0600 at its path, or not there at all.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::TempPath;

use super::error::{OutputError, trying};
use crate::interrupt::{self, Unfinished};

/// A file in the making. Dropped before [`commit`](Self::commit) it leaves no trace; where the file system can do so
/// (ext4, xfs, btrfs, tmpfs), neither does a process that is killed, because the file has no name until it is whole.
#[derive(Debug)]
pub struct AtomicFile {
    target: Utf8PathBuf,
    file: File,
    /// The name it has while it is made, where it needs one.
    named: Option<TempPath>,
    /// What a signal has to remove, where it has a name.
    noted: Option<Unfinished>,
}

impl AtomicFile {
    /// Begins a file. What is at `target` stays until the commit.
    ///
    /// # Errors
    /// If there is something that `ours` does not know as of our own making, or the folder cannot be written.
    pub fn begin(target: &Utf8Path, ours: impl FnOnce(&Utf8Path) -> bool) -> Result<Self, OutputError> {
        refuse(target, ours)?;
        let folder = folder_of(target);
        if !folder.exists() {
            return Err(OutputError::NotAFile {
                path: target.to_owned(),
                why: "cannot be written: its folder is not there",
            });
        }
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let failed = |error: io::Error| trying(format_args!("{target} cannot be written"), error);
        let (file, named) = match rustix::fs::open(folder.as_str(), flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => (File::from(file), None),
            // No such feature there; whatever else is wrong shows again.
            Err(_) => {
                let named = tempfile::Builder::new()
                    .prefix(".lxseed-")
                    .tempfile_in(folder)
                    .map_err(failed)?;
                let (file, path) = named.into_parts();
                (file, Some(path))
            }
        };
        let noted = named.as_ref().map(|named| {
            let path = Utf8PathBuf::from(named.to_string_lossy().into_owned());
            let again = path.clone();
            interrupt::unfinished(path, move || match std::fs::remove_file(&again) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
        });
        Ok(Self {
            target: target.to_owned(),
            file,
            named,
            noted,
        })
    }

    /// The file, open for reading and writing.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The folder that it will be in.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        folder_of(&self.target)
    }

    /// Refuses a disk that has no room for so many bytes more.
    ///
    /// # Errors
    /// If there is less, or the free space cannot be read.
    pub fn check_space(&self, bytes: u64) -> Result<(), OutputError> {
        let target = &self.target;
        let failed = |error: io::Error| trying(format_args!("{target} cannot be written"), error);
        let disk = rustix::fs::fstatvfs(&self.file).map_err(|error| failed(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes {
            return Err(failed(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "{} MB are needed there, and {} MB are free",
                    bytes.div_ceil(1_000_000),
                    free / 1_000_000
                ),
            ))
            .into());
        }
        Ok(())
    }

    /// Gives the file its name, durably.
    ///
    /// # Errors
    /// If that fails; what was there before is there still.
    pub fn commit(self) -> Result<(), OutputError> {
        let target = &self.target;
        let failed = |error: io::Error| trying(format_args!("{target} cannot be written"), error);
        self.file.sync_all().map_err(failed)?;
        let _working = interrupt::working();
        if let Some(named) = self.named {
            named.persist(target).map_err(|error| failed(error.error))?;
            drop(self.noted);
            interrupt::written();
            return Ok(());
        }
        let link = |name: &Utf8Path| {
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            rustix::fs::linkat(CWD, unnamed, CWD, name.as_str(), AtFlags::SYMLINK_FOLLOW)
        };
        match link(target) {
            Err(rustix::io::Errno::EXIST) => {
                // A link never replaces; a rename does.
                let random = tempfile::Builder::new()
                    .prefix(".lxseed-")
                    .make_in(folder_of(target), |path| {
                        let path =
                            Utf8Path::from_path(path).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
                        Ok(link(path)?)
                    })
                    .map_err(failed)?;
                random
                    .into_temp_path()
                    .persist(target)
                    .map_err(|error| failed(error.error))?;
            }
            linked => linked.map_err(|error| failed(error.into()))?,
        }
        interrupt::written();
        Ok(())
    }
}

fn refuse(target: &Utf8Path, ours: impl FnOnce(&Utf8Path) -> bool) -> Result<(), OutputError> {
    let no = |why| {
        Err(OutputError::NotAFile {
            path: target.to_owned(),
            why,
        })
    };
    if target.file_name().is_none() {
        return no("does not name a file: give the file to write");
    }
    match target.symlink_metadata() {
        // A file among the devices would fill the machine's memory.
        Err(_) if is_of_devices(folder_of(target)) => no(
            "is no device of this machine; write a file elsewhere, look at it with `lxseed inspect`, and copy it to the medium with dd",
        ),
        Err(_) => Ok(()),
        Ok(meta) if meta.is_dir() => no("is a folder: give the file to write"),
        Ok(meta) if !meta.is_file() => {
            no("is not a plain file: write a file, look at it with `lxseed inspect`, and copy it to the medium with dd")
        }
        Ok(_) if ours(target) => Ok(()),
        Ok(_) => no("is there already and is not known to be of lxseed's making: move it away or choose another name"),
    }
}

fn is_of_devices(folder: &Utf8Path) -> bool {
    folder
        .canonicalize_utf8()
        .is_ok_and(|folder| folder.starts_with("/dev") && !folder.starts_with("/dev/shm"))
}

fn folder_of(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(folder) if folder != "" => folder,
        _ => Utf8Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

    use fs_err as fs;

    use super::*;
    use crate::tree::tests::{Fixture, message};

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let fixture = Fixture::new();
        let target = fixture.path("lab.iso");
        let begun = AtomicFile::begin(&target, |_| false).unwrap();
        begun.file().write_all(b"half").unwrap();
        let mut text = [0; 4];
        begun.file().read_exact_at(&mut text, 0).unwrap();
        assert_eq!(text, *b"half");
        drop(begun);
        assert_eq!(fixture.beside(), [] as [&str; 0]);
        for text in ["one", "two"] {
            let begun = AtomicFile::begin(&target, |_| true).unwrap();
            begun.file().write_all(text.as_bytes()).unwrap();
            begun.commit().unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
            let mode = fs::metadata(&target).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
            assert_eq!(fixture.beside(), ["lab.iso"]);
        }
    }

    #[test]
    fn what_is_not_ours_is_not_replaced() {
        let fixture = Fixture::new();
        fs::write(fixture.path("thesis.pdf"), "mine").unwrap();
        fs::create_dir(fixture.path("folder")).unwrap();
        fs::os::unix::fs::symlink("thesis.pdf", fixture.path("link")).unwrap();
        for (name, why) in [
            ("thesis.pdf", "is there already"),
            ("folder", "is a folder"),
            ("link", "is not a plain file"),
            ("no/lab.iso", "cannot be written"),
            ("..", "does not name a file"),
            ("/dev/sdzz", "is no device of this machine"),
        ] {
            let text = message(AtomicFile::begin(&fixture.path(name), |_| false).map(drop));
            assert!(text.contains(why), "{name}: {text}");
        }
        assert!(message(AtomicFile::begin("/dev/null".into(), |_| true).map(drop)).contains("dd"));
        assert_eq!(fs::read_to_string(fixture.path("thesis.pdf")).unwrap(), "mine");
    }
}
