//! The target of a build: the real folder behind the path that was given, and the names beside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, io};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{AtFlags, CWD, FileType, Stat, StatxAttributes, StatxFlags, statx};

use super::error::{OutputError, trying};
use super::fs::Folder;

/// The user's files at the top of the target, there so that git keeps the folder or leaves the tree alone.
pub(super) const KEEP: [&str; 3] = [".gitignore", ".gitkeep", ".keep"];

/// Whether a path relative to the target is one of [`KEEP`].
pub(super) fn is_keep(path: &str) -> bool {
    KEEP.contains(&path)
}

/// The output folder, whether or not it exists yet.
#[derive(Debug)]
pub(super) struct Target {
    /// As the user gave it, for messages.
    pub(super) shown: Utf8PathBuf,
    /// The folder it lies in, free of symbolic links: a link to a folder stays, the folder behind it is replaced.
    pub(super) parent: Utf8PathBuf,
    /// The same, held open.
    pub(super) folder: Folder,
    /// Its name there.
    pub(super) name: String,
}

/// Folders that no build may replace. They are parameters, as a test cannot set the environment of its process.
struct Precious {
    home: Option<PathBuf>,
    current: Option<PathBuf>,
}

impl Target {
    /// Finds the folder behind `target`. Nothing is written.
    pub(super) fn locate(target: &Utf8Path) -> Result<Self, OutputError> {
        let real = |path: PathBuf| path.canonicalize().ok();
        let precious = Precious {
            home: env::home_dir().and_then(real),
            current: env::current_dir().ok().and_then(real),
        };
        Self::locate_beside(target, &precious)
    }

    fn locate_beside(target: &Utf8Path, precious: &Precious) -> Result<Self, OutputError> {
        let shown = target.to_path_buf();
        let Ok(found) = target.symlink_metadata() else {
            return Self::absent(target);
        };
        if found.is_symlink() && !target.exists() {
            // A build that fell back to two renames and died between them leaves its link dangling. That is repaired.
            let leads_to = Utf8PathBuf::try_from(fs::read_link(target)?).map_err(|e| e.into_io_error())?;
            let target = Self::absent(&target.parent().unwrap_or(target).join(leads_to));
            return match target {
                Ok(target) if target.backup().is_some() => Ok(Self { shown, ..target }),
                _ => Err(OutputError::DanglingLink(shown)),
            };
        }
        if !target.is_dir() {
            return Err(OutputError::NotAFolder(shown));
        }
        let real = canonical(target)?;
        let below = |folder: &Option<PathBuf>| folder.as_deref().is_some_and(|f: &Path| f.starts_with(&real));
        let what = match () {
            () if real == "/" => Some("the root folder"),
            () if below(&precious.home) => Some("the home folder or one above it"),
            () if below(&precious.current) => Some("the current folder or one above it"),
            () => None,
        };
        if let Some(what) = what {
            return Err(OutputError::Precious { path: shown, what });
        }
        if is_mount_point(&real) {
            return Err(OutputError::MountPoint(shown));
        }
        match (real.parent(), real.file_name()) {
            (Some(parent), Some(name)) => Ok(Self {
                folder: Folder::open(parent)?,
                parent: parent.to_path_buf(),
                name: name.to_owned(),
                shown,
            }),
            _ => Err(OutputError::NoName(shown)),
        }
    }

    fn absent(target: &Utf8Path) -> Result<Self, OutputError> {
        let Some(name) = target.file_name() else {
            return Err(OutputError::NoName(target.to_path_buf()));
        };
        let parent = match target.parent() {
            Some(parent) if parent != "" => parent,
            _ => Utf8Path::new("."),
        };
        if !parent.is_dir() {
            return Err(OutputError::NoParent {
                path: target.to_path_buf(),
                parent: parent.to_path_buf(),
            });
        }
        let parent = canonical(parent)?;
        Ok(Self {
            shown: target.to_path_buf(),
            name: name.to_owned(),
            folder: Folder::open(&parent)?,
            parent,
        })
    }

    /// Name of the lock file while a build runs.
    pub(super) fn lock_name(&self) -> String {
        format!(".{}.lxseed-lock", self.name)
    }

    /// A new name beside the target for a folder of this kind, which `make` gives to something.
    pub(super) fn temporary(&self, kind: Temporary, make: impl Fn(&str) -> io::Result<()>) -> io::Result<String> {
        // The paths that are made here are absolute ones; the name alone is what counts.
        let name = |path: &Path| -> io::Result<String> {
            let name = path.file_name().and_then(OsStr::to_str);
            Ok(name.ok_or(io::ErrorKind::InvalidFilename)?.to_owned())
        };
        let made = tempfile::Builder::new()
            .prefix(&self.prefix(kind))
            .rand_bytes(SUFFIX)
            .disable_cleanup(true)
            .make_in("", |path| make(&name(path)?))?;
        name(made.path())
    }

    fn prefix(&self, kind: Temporary) -> String {
        let kind = match kind {
            Temporary::Staging => "stage",
            Temporary::Backup => "old",
        };
        format!(".{}.lxseed-{kind}-", self.name)
    }

    /// Whether a name beside the target is one that a build gave to such a folder. The suffix is checked too: the
    /// staging folders of a target that is itself called `out.lxseed-stage-x` begin like those of `out`.
    pub(super) fn is_temporary(&self, kind: Temporary, name: &str) -> bool {
        name.strip_prefix(&self.prefix(kind))
            .is_some_and(|rest| rest.len() == SUFFIX && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    }

    /// The name of a backup that an interrupted fallback left.
    pub(super) fn backup(&self) -> Option<String> {
        let names = self.folder.entries().ok()?;
        let mut names = names.into_iter().filter_map(|(name, _)| name.into_string().ok());
        names.find(|name| self.is_temporary(Temporary::Backup, name) && self.folder.has_own_folder(name))
    }

    /// The folder that holds the tree now: the target, or the backup that an interrupted fallback left.
    pub(super) fn existing(&self) -> io::Result<Option<Folder>> {
        let is_folder = |found: Stat| FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let name = if self.folder.stat(&self.name).is_ok_and(is_folder) {
            Some(self.name.clone())
        } else {
            self.backup()
        };
        name.map(|name| self.folder.folder(name)).transpose()
    }
}

/// What a build makes beside the target for the time that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporary {
    /// The new tree.
    Staging,
    /// The old tree for an instant, on a file system that cannot exchange two folders.
    Backup,
}

/// Random characters at the end of such a folder's name.
const SUFFIX: usize = 6;

fn canonical(path: &Utf8Path) -> io::Result<Utf8PathBuf> {
    path.canonicalize_utf8()
        .map_err(|e| trying(format_args!("failed to resolve {path}"), e))
}

/// Renaming a mount point fails with EBUSY, from inside a container as well (a volume mounted at the output folder).
/// The attribute is known since Linux 5.8; before that the rename itself is what fails.
fn is_mount_point(path: &Utf8Path) -> bool {
    statx(CWD, path.as_str(), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tree::tests::{Fixture, message};

    fn locate(target: &Utf8Path, home: &Utf8Path, current: &Utf8Path) -> Result<Target, OutputError> {
        let precious = Precious {
            home: Some(home.into()),
            current: Some(current.into()),
        };
        Target::locate_beside(target, &precious)
    }

    #[test]
    fn folders_the_user_is_in_are_refused() {
        let fixture = Fixture::new();
        let home = fixture.path("home/user");
        let work = fixture.path("work/site");
        let elsewhere = fixture.path("elsewhere");
        for folder in [&home, &work, &elsewhere] {
            fs::create_dir_all(folder).unwrap();
        }
        let refused = |target: &Utf8Path| message(locate(target, &home, &work));
        assert!(refused("/".into()).contains("is the root folder"));
        assert!(refused(&home).contains("is the home folder"));
        assert!(refused(home.parent().unwrap()).contains("is the home folder or one above it"));
        assert!(refused(&work).contains("is the current folder"));
        assert!(refused(work.parent().unwrap()).contains("is the current folder or one above it"));
        assert!(refused(&elsewhere.join("../work")).contains("is the current folder or one above it"));
        let located = |target: &Utf8Path| {
            let target = locate(target, &home, &work).unwrap();
            target.parent.join(target.name)
        };
        assert_eq!(located(&elsewhere), elsewhere);
        assert_eq!(located(&work.join("out/")), work.join("out"));
    }

    #[test]
    fn the_target_is_a_folder_or_nothing() {
        let fixture = Fixture::new();
        fs::write(fixture.path("file"), "x").unwrap();
        fs::os::unix::fs::symlink("nowhere", fixture.path("dangling")).unwrap();
        assert!(message(Target::locate(&fixture.path("file"))).contains("is not a folder: move it away"));
        assert!(message(Target::locate(&fixture.path("file/out"))).contains("file is not a folder, so"));
        assert!(message(Target::locate(&fixture.path("no/out"))).contains("no is not a folder, so"));
        assert!(
            message(Target::locate(&fixture.path("dangling"))).contains("is a link to a folder that does not exist")
        );
        assert!(message(Target::locate("".into())).contains("does not name a folder"));
        assert!(message(Target::locate("/proc".into())).contains("is a mount point"));
        assert!(message(Target::locate(".".into())).contains("is the current folder"));
        assert_eq!(Target::locate("out".into()).unwrap().name, "out");
    }

    #[test]
    fn a_staging_folder_of_another_target_is_not_taken_for_ours() {
        let fixture = Fixture::new();
        let target = Target::locate(&fixture.path("out")).unwrap();
        let is_staging = |name| target.is_temporary(Temporary::Staging, name);
        assert!(is_staging(".out.lxseed-stage-a1B2c3"));
        assert!(target.is_temporary(Temporary::Backup, ".out.lxseed-old-a1B2c3"));
        for other in [
            ".out.lxseed-stage-",
            ".out.lxseed-stage-a1B2c3d",
            ".out.lxseed-stage-x.lxse",
            ".out2.lxseed-stage-a1B2c3",
            ".out.lxseed-old-a1B2c3",
            ".out.lxseed-old",
        ] {
            assert!(!is_staging(other), "{other}");
        }
    }
}
