//! Is a file that stands what was built?

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};
use zeroize::Zeroize;

use super::manifest::Entry;
use super::stage::open_folder;
use crate::hex;
use crate::trust::{SecretBytes, Veil};

/// Nearly every file of a tree fits, and is read in one go.
const BUFFER: usize = 128 * 1024;

thread_local! {
    /// Made once: clearing one for each file costs as much as reading the file.
    static SPACE: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// How a file or folder of a tree is not what was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Something of another kind has its name.
    Kind,
    /// It cannot be read.
    Unreadable,
    /// It has other permission bits.
    Mode {
        /// Those it has.
        found: u32,
        /// Those it was built with.
        built: u32,
    },
    /// It has other bytes.
    Altered,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Kind => f.write_str("is of another kind"),
            Self::Unreadable => f.write_str("cannot be read"),
            Self::Mode { found, built } => write!(f, "has mode {found:04o} instead of {built:04o}"),
            Self::Altered => f.write_str("was altered"),
        }
    }
}

/// What is wrong with the files of these entries, which are neighbours, as they stand below `root`. A folder's path is
/// followed once for all its files.
pub(super) fn faults(
    root: &Utf8Path,
    entries: &[Entry],
    veil: Option<&Veil>,
) -> Vec<(Utf8PathBuf, Fault)> {
    let mut faults = Vec::new();
    for files in entries.chunk_by(|a, b| a.path.parent() == b.path.parent()) {
        let folder = files[0].path.parent().map(|path| root.join(path));
        let folder = folder.and_then(|folder| open_folder(&folder).ok());
        faults.extend(files.iter().filter_map(|entry| {
            let fault = match (&folder, entry.path.file_name()) {
                (Some(folder), Some(name)) => entry.fault_of(open(folder, name), veil),
                _ => entry.fault(root, veil),
            }?;
            Some((entry.path.clone(), fault))
        }));
    }
    faults
}

/// Opens a file only to read it. A pipe or a link may lie where the file was: neither is waited for or followed.
fn open(folder: impl AsFd, path: &str) -> Result<File, Fault> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    // The owner may read without its being noted, which would be a write for every file.
    let opened = match openat(&folder, path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(&folder, path, flags, Mode::empty()),
        opened => opened,
    };
    opened.map(File::from).map_err(|errno| match errno {
        Errno::NOENT => Fault::Missing,
        Errno::LOOP => Fault::Kind,
        _ => Fault::Unreadable,
    })
}

impl Entry {
    /// What is wrong with this file as it stands below `root`, if anything is.
    pub(super) fn fault(&self, root: &Utf8Path, veil: Option<&Veil>) -> Option<Fault> {
        self.fault_of(open(CWD, root.join(&self.path).as_str()), veil)
    }

    fn fault_of(&self, opened: Result<File, Fault>, veil: Option<&Veil>) -> Option<Fault> {
        let same = opened.and_then(|file| self.fits(file)).and_then(|file| {
            let same = match self.veiled(veil) {
                Some(xxh3) => self.digest(file).map(|digest| digest == xxh3),
                None => self.sha256(file).map(|sha256| sha256 == self.sha256),
            };
            same.map_err(|_| Fault::Unreadable)
        });
        match same {
            Err(fault) => Some(fault),
            Ok(same) => (!same).then_some(Fault::Altered),
        }
    }

    /// XXH3 of the file's bytes.
    fn digest(&self, file: File) -> io::Result<u128> {
        if self.size <= BUFFER as u64 {
            let mut digest = xxh3_128(&[]);
            self.pieces(file, |whole| digest = xxh3_128(whole))?;
            return Ok(digest);
        }
        let mut digest = Xxh3Default::new();
        self.pieces(file, |piece| digest.update(piece))?;
        Ok(digest.digest128())
    }

    /// SHA-256 of the file's bytes.
    fn sha256(&self, file: File) -> io::Result<String> {
        let mut digest = Sha256::new();
        self.pieces(file, |piece| digest.update(piece))?;
        Ok(hex::encode(&digest.finalize()))
    }

    /// Gives away the file's bytes, none beyond the size it was built with, in pieces of [`BUFFER`], and wipes what was secret.
    fn pieces(&self, file: File, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        SPACE.with_borrow_mut(|space| {
            let mut file = file.take(self.size);
            let mut used = 0;
            let read = loop {
                match fill(&mut file, space) {
                    Ok(count) => {
                        used = used.max(count);
                        if count > 0 {
                            take(&space[..count]);
                        }
                        if count < space.len() {
                            break Ok(());
                        }
                    }
                    Err(error) => {
                        used = space.len();
                        break Err(error);
                    }
                }
            };
            if self.secret {
                space[..used].zeroize();
            }
            read
        })
    }

    /// The bytes of this file as it stands below `root`, or nothing if it is not what was built.
    pub(super) fn read_unaltered(&self, root: &Utf8Path) -> Option<SecretBytes> {
        let opened = open(CWD, root.join(&self.path).as_str());
        let file = opened.and_then(|file| self.fits(file)).ok()?;
        // Room for all at once: a vector that grows would leave copies of a secret behind.
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(usize::try_from(self.size).ok()?)
            .ok()?;
        let read = file.take(self.size).read_to_end(&mut bytes);
        let bytes = SecretBytes::new(bytes);
        read.ok()?;
        (hex::encode(&Sha256::digest(bytes.expose())) == self.sha256).then_some(bytes)
    }

    /// The file, if it is of the right kind, size and mode.
    fn fits(&self, file: File) -> Result<File, Fault> {
        let found = file.metadata().map_err(|_| Fault::Unreadable)?;
        let mode = found.permissions().mode() & 0o7777;
        if !found.is_file() {
            Err(Fault::Kind)
        } else if mode != self.mode {
            Err(Fault::Mode {
                found: mode,
                built: self.mode,
            })
        } else if found.len() != self.size {
            Err(Fault::Altered)
        } else {
            Ok(file)
        }
    }
}

/// Reads until there is no more, or no more room.
fn fill(file: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < space.len() {
        match file.read(&mut space[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
