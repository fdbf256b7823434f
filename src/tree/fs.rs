//! Folders that are held open, files with exactly the mode they shall have, and reading what may have been tampered
//! with.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::error::trying;
use super::fault::Fault;
use crate::trust::SecretBytes;

/// Folders hold secret files, so only their owner looks into them.
pub(super) const FOLDER_MODE: u32 = 0o700;

/// A folder that is held open. Whatever is put under its name meanwhile, what is done through it is done in this very
/// folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    opened: Arc<OwnedFd>,
    /// Its name when it was opened, for messages.
    path: Utf8PathBuf,
}

/// What a file has to be before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) mode: u32,
    /// In bytes, where it is known.
    pub(super) size: Option<u64>,
    /// Whether it may have no second name, by which it could be read and changed from elsewhere.
    pub(super) one_name: bool,
}

impl Folder {
    /// Opens a folder, and no link to one.
    pub(super) fn open(path: &Utf8Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::NOFOLLOW)
    }

    /// Opens a folder that the user named, by whatever links.
    pub(super) fn open_named(path: &Utf8Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::empty())
    }

    fn open_with(path: &Utf8Path, flags: OFlags) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | flags;
        let opened = rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty())
            .map_err(|error| trying(format_args!("failed to open folder `{path}`"), error))?;
        Ok(Self {
            opened: Arc::new(opened),
            path: path.to_owned(),
        })
    }

    /// The folder of this name in it; a link to one is refused.
    pub(super) fn folder(&self, name: impl AsRef<Utf8Path>) -> io::Result<Self> {
        let path = self.path.join(name.as_ref());
        let opened = self
            .open_below(name.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|error| trying(format_args!("failed to open folder `{path}`"), error))?;
        Ok(Self {
            opened: Arc::new(opened),
            path,
        })
    }

    /// Its path when it was opened.
    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Opens what is at a path below it, where no part of the path is a link.
    fn open_below(&self, path: &Utf8Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.opened, path.as_str(), flags, Mode::empty(), resolve) {
            // Linux before 5.6, and sandboxes that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(path, flags),
            opened => opened,
        }
    }

    fn open_step_by_step(&self, path: &Utf8Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let Some(name) = path.file_name() else {
            return Err(Errno::INVAL);
        };
        let mut last: Option<OwnedFd> = None;
        for folder in path.parent().into_iter().flat_map(Utf8Path::components) {
            let from = last.as_ref().map_or_else(|| self.opened.as_fd(), AsFd::as_fd);
            last = Some(rustix::fs::openat(from, folder.as_str(), step, Mode::empty())?);
        }
        let from = last.as_ref().map_or_else(|| self.opened.as_fd(), AsFd::as_fd);
        rustix::fs::openat(from, name, flags, Mode::empty())
    }

    /// Writes a new file. It has exactly this mode, whatever the umask is.
    pub(super) fn create(&self, path: impl AsRef<Utf8Path>, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = self.create_empty(path.as_ref(), mode)?;
        let failed = |error| {
            trying(
                format_args!("failed to write `{}`", self.path.join(path.as_ref())),
                error,
            )
        };
        file.write_all(bytes).map_err(failed)?;
        // A umask may have taken bits away; nearly none does, and looking costs less than setting.
        if mode_of(&file.metadata()?) != mode {
            file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }

    fn create_empty(&self, path: &Utf8Path, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.opened, path.as_str(), flags, Mode::from_raw_mode(mode));
        let failed = |error| trying(format_args!("failed to create file `{}`", self.path.join(path)), error);
        Ok(file.map_err(failed)?.into())
    }

    /// Writes a new file that holds no secret, and tells whether the file system keeps the permissions of files.
    pub(super) fn create_probing(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<bool> {
        const OTHER: u32 = 0o600;
        let mut file = self.create_empty(Utf8Path::new(name), OTHER)?;
        file.write_all(bytes)?;
        let keeps = |mode: u32| {
            // An error says the same.
            let set = file.set_permissions(Permissions::from_mode(mode));
            io::Result::Ok(set.is_ok() && mode_of(&file.metadata()?) == mode)
        };
        Ok(keeps(OTHER)? && keeps(mode)?)
    }

    /// Makes a folder that only its owner looks into; nothing if the file system does not keep that.
    pub(super) fn make(&self, path: impl AsRef<Utf8Path>) -> io::Result<bool> {
        let path = path.as_ref();
        let failed = |error| {
            trying(
                format_args!("failed to create directory `{}`", self.path.join(path)),
                error,
            )
        };
        let mode = Mode::from_raw_mode(FOLDER_MODE);
        rustix::fs::mkdirat(&self.opened, path.as_str(), mode).map_err(failed)?;
        let has_mode = || io::Result::Ok(self.stat(path.as_str())?.st_mode & 0o7777 == FOLDER_MODE);
        // A umask may have taken something away; nearly none does, and looking costs less than setting.
        let kept = has_mode()? || {
            let set = rustix::fs::chmodat(&self.opened, path.as_str(), mode, AtFlags::empty());
            set.is_ok() && has_mode()?
        };
        Ok(kept)
    }

    /// What has this name; of a link it is the link itself.
    pub(super) fn stat(&self, path: &str) -> io::Result<Stat> {
        let failed = |error| trying(format_args!("failed to look at `{}`", self.path.join(path)), error);
        rustix::fs::statat(&self.opened, path, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }

    /// Whether the name is that of the folder that was opened as `other`.
    pub(super) fn has(&self, name: &str, other: &Self) -> bool {
        let (Ok(named), Ok(held)) = (self.stat(name), rustix::fs::fstat(&other.opened)) else {
            return false;
        };
        (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
    }

    /// Whether it holds a folder of this name that belongs to the user who runs this.
    pub(super) fn has_own_folder(&self, name: &str) -> bool {
        self.stat(name).is_ok_and(|found| {
            FileType::from_raw_mode(found.st_mode) == FileType::Directory
                && found.st_uid == rustix::process::geteuid().as_raw()
        })
    }

    /// Opens a plain file that is what is expected. A pipe or a link may lie where the file was: neither is waited for
    /// or followed.
    pub(super) fn open_plain(&self, path: &Utf8Path, expected: Expected) -> Result<File, Fault> {
        let file: File = match self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(opened) => opened.into(),
            Err(Errno::NOENT) => return Err(Fault::Missing),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Err(Fault::Kind),
            Err(_) => return Err(Fault::Unreadable),
        };
        let metadata = file.metadata().map_err(|_| Fault::Unreadable)?;
        let (found, built) = (mode_of(&metadata), expected.mode);
        if !metadata.is_file() {
            Err(Fault::Kind)
        } else if found != built {
            Err(Fault::Mode { found, built })
        } else if expected.one_name && metadata.nlink() > 1 {
            Err(Fault::Names)
        } else if expected.size.is_some_and(|size| size != metadata.len()) {
            Err(Fault::Altered)
        } else {
            Ok(file)
        }
    }

    /// Reads such a file to its end. The bytes are wiped when dropped, for they may be secret.
    pub(super) fn read_plain(&self, path: &Utf8Path, expected: Expected) -> Result<SecretBytes, Fault> {
        read_all(self.open_plain(path, expected)?).map_err(|_| Fault::Unreadable)
    }

    /// Reads a plain file of any mode to its end, and waits for nothing.
    pub(super) fn read(&self, path: impl AsRef<Utf8Path>) -> io::Result<SecretBytes> {
        let path = path.as_ref();
        let failed = |error: io::Error| trying(format_args!("failed to read `{}`", self.path.join(path)), error);
        let opened = self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK);
        let file = File::from(opened.map_err(|error| failed(error.into()))?);
        if !file.metadata()?.is_file() {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is no plain file",
            )));
        }
        read_all(file).map_err(failed)
    }

    /// Gives a file of another folder the same path here. Both have one name more then.
    pub(super) fn link(&self, from: &Self, path: &str, to: &str) -> io::Result<()> {
        rustix::fs::linkat(&from.opened, path, &self.opened, to, AtFlags::empty()).map_err(Into::into)
    }

    /// Renames what is in it, in the place of what has the other name.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        rustix::fs::renameat(&self.opened, from, &self.opened, to).map_err(Into::into)
    }

    /// The names in it, each with its kind.
    pub(super) fn entries(&self) -> io::Result<Vec<(CString, FileType)>> {
        let failed = |error| trying(format_args!("failed to read directory `{}`", self.path), error);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.opened).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every file system says.
                FileType::Unknown => match rustix::fs::statat(&self.opened, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => FileType::from_raw_mode(found.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            entries.push((name.to_owned(), kind));
        }
        Ok(entries)
    }

    /// Removes a file; one that is gone already is as good.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.opened, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(trying(
                format_args!("failed to remove `{}`", self.path.join(name)),
                error,
            )),
        }
    }

    /// The same by a name that may be anything but UTF-8.
    fn remove_file(&self, name: &CStr) -> io::Result<()> {
        self.unlink(name, AtFlags::empty())
    }

    fn unlink(&self, name: &CStr, flags: AtFlags) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.opened, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => {
                let path = self.path.join(shown(name));
                Err(trying(format_args!("failed to remove `{path}`"), error))
            }
        }
    }

    /// Removes a folder with all that is in it, even one that its owner made read-only: it was replaced, and holds
    /// keys. Its `.gitignore` goes last: a deletion that is cut short leaves nothing for git to add.
    pub(super) fn delete(&self, name: &CStr) -> io::Result<()> {
        self.remove_folder(name).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                self.open_up(name)?;
                self.remove_folder(name)
            }
            _ => Err(error),
        })
    }

    fn remove_folder(&self, name: &CStr) -> io::Result<()> {
        let folder = match self.folder_of(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        folder.empty()?;
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    /// Removes all that is in it.
    pub(super) fn empty(&self) -> io::Result<()> {
        for (name, kind) in self.entries()? {
            match kind {
                FileType::Directory => self.remove_folder(&name)?,
                _ if *name == *c".gitignore" => {}
                _ => self.remove_file(&name)?,
            }
        }
        self.remove_file(c".gitignore")
    }

    /// Lets the owner delete from every folder below it.
    fn open_up(&self, name: &CStr) -> io::Result<()> {
        let mode = Mode::from_raw_mode(FOLDER_MODE);
        rustix::fs::chmodat(&self.opened, name, mode, AtFlags::empty())?;
        let folder = self.folder_of(name)?;
        for (name, kind) in folder.entries()? {
            if kind == FileType::Directory {
                folder.open_up(&name)?;
            }
        }
        Ok(())
    }

    /// The folder of a name that may be anything but UTF-8.
    fn folder_of(&self, name: &CStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let path = self.path.join(shown(name));
        let opened = rustix::fs::openat(&self.opened, name, flags, Mode::empty())
            .map_err(|error| trying(format_args!("failed to open folder `{path}`"), error))?;
        Ok(Self {
            opened: Arc::new(opened),
            path,
        })
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.as_fd()
    }
}

/// A name as it is shown.
pub(super) fn shown(name: &CStr) -> String {
    OsStr::from_bytes(name.to_bytes()).to_string_lossy().into_owned()
}

fn mode_of(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn read_all(file: File) -> io::Result<SecretBytes> {
    // Room for all at once: a vector that grows would leave copies of a secret behind.
    let size = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(size)?;
    file.take(size as u64).read_to_end(&mut bytes)?;
    Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
}
