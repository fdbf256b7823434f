//! The secret file: who may have access to it, and how a new one comes to be.

use std::fs::{File, Metadata, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::error::SecretError;
use super::secret::{MAX_TEXT_BYTES, SiteSecret};
use crate::{git, interrupt};

const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;
const ROOT: u32 = 0;

/// A secret file that was opened and found to be private.
#[derive(Debug)]
pub(super) struct PrivateFile {
    file: File,
    /// Where it really lies, all links resolved.
    pub(super) real: Utf8PathBuf,
}

impl PrivateFile {
    /// Opens the file and checks the opened file, not its name: what is read is what was checked.
    pub(super) fn open(path: &Utf8Path) -> Result<Self, SecretError> {
        // Without NONBLOCK, opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::open(path.as_std_path(), flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(rustix::io::Errno::NOENT) => {
                return Err(SecretError::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(SecretError::io("open", path)(error.into())),
        };
        let metadata = file.metadata().map_err(SecretError::io("look at", path))?;
        check(path, &metadata, geteuid().as_raw())?;
        let real = path.canonicalize_utf8().map_err(SecretError::io("look at", path))?;
        refuse_tracked(path, &real)?;
        Ok(Self { file, real })
    }

    /// The content, or as much of it as shows that it is too much.
    pub(super) fn read(self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        read_bounded(self.file).map_err(SecretError::io("read", &self.real))
    }
}

/// Reads at most one byte more than a secret text may have.
pub(super) fn read_bounded(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Room for everything from the start: a growing vector would leave pieces of the secret in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_TEXT_BYTES + 64));
    source.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Refuses a file that git tracks, or may track: whoever wrote the history knows what is in it. `real` is the file
/// without links and from the root on.
fn refuse_tracked(path: &Utf8Path, real: &Utf8Path) -> Result<(), SecretError> {
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Ok(());
    };
    let (path, folder, name) = (path.to_owned(), folder.to_owned(), name.to_owned());
    match git::tracked(&folder, &name) {
        Ok(None) => Ok(()),
        Ok(Some(files)) if files.is_empty() => Ok(()),
        Ok(Some(_)) => Err(SecretError::Tracked { path, folder, name }),
        Err(reason) => Err(SecretError::TrackedPerhaps {
            path,
            folder,
            reason: reason.to_string(),
        }),
    }
}

fn check(path: &Utf8Path, metadata: &Metadata, user: u32) -> Result<(), SecretError> {
    let path = || path.to_owned();
    if !metadata.is_file() {
        return Err(SecretError::NotRegular { path: path() });
    }
    let owner = metadata.uid();
    if owner != user && owner != ROOT {
        return Err(SecretError::ForeignOwner {
            path: path(),
            owner,
            user,
        });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SecretError::OpenToOthers { path: path(), mode });
    }
    Ok(())
}

/// Writes the secret as a new file. Returns `false`, and leaves the file alone, if one is there already.
pub(super) fn write_new(path: &Utf8Path, secret: &SiteSecret) -> Result<bool, SecretError> {
    let folder = folder(path);
    let failed = |error| SecretError::io("write", path)(error);
    let real = folder.canonicalize_utf8().map_err(failed)?;
    // It would be refused by the next run.
    refuse_tracked(path, &real.join(path.file_name().unwrap_or_default()))?;
    let prefix = format!("{}.", path.file_name().unwrap_or_default());
    // A signal waits until the secret has its name, or is gone.
    let _working = interrupt::working();
    // Complete before it has its name: whoever sees the file sees all of it.
    let mut staged = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(Permissions::from_mode(OWNER_ONLY))
        .tempfile_in(folder)
        .map_err(failed)?;
    // The umask may have taken more bits away.
    let set = staged.as_file().set_permissions(Permissions::from_mode(OWNER_ONLY));
    let found = staged.as_file().metadata().map_err(failed)?.mode();
    if set.is_err() || found & 0o7777 != OWNER_ONLY {
        return Err(SecretError::NoModes { path: path.to_owned() });
    }
    staged.write_all(secret.to_text().expose()).map_err(failed)?;
    staged.as_file().sync_all().map_err(failed)?;
    let written = match staged.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed(error.error)),
    };
    // Also when another process was first: what is derived from its secret must not outlive it in a power cut.
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(SecretError::io("write to disk", folder))?;
    Ok(written)
}

/// The folder a path names a file in.
pub(super) fn folder(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(folder) if folder.as_str().is_empty() => Utf8Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::{chown, symlink};

    use super::*;
    use crate::trust::testing::{Folder, LINE, have, run, run_git, secret};

    fn refusal(path: &Utf8Path) -> SecretError {
        PrivateFile::open(path).unwrap_err()
    }

    #[test]
    fn only_the_owner_may_have_access() {
        let folder = Folder::new();
        for mode in [0o600, 0o400, 0o700] {
            let path = folder.write("good", LINE, mode);
            assert_eq!(
                PrivateFile::open(&path).unwrap().read().unwrap().as_slice(),
                LINE.as_bytes()
            );
            std::fs::remove_file(path).unwrap();
        }
        for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666, 0o1777] {
            let path = folder.write("bad", LINE, mode);
            assert_eq!(
                refusal(&path).to_string(),
                format!("{path} is open to other users (mode {mode:04o}); run: chmod 600 {path}")
            );
            // The advice helps.
            run("chmod", &["600", path.as_str()]);
            assert!(PrivateFile::open(&path).is_ok());
        }
    }

    #[test]
    fn the_owner_must_be_the_user_or_root() {
        let folder = Folder::new();
        let path = folder.write("file", LINE, 0o600);
        let metadata = path.metadata().unwrap();
        let owner = metadata.uid();
        assert!(check(&path, &metadata, owner).is_ok());
        // Root's file is everybody's to trust, another user's is not.
        assert_eq!(check(&path, &metadata, owner + 1).is_ok(), owner == ROOT);
        if geteuid().is_root() {
            chown(&path, Some(12345), None).unwrap();
            assert_eq!(
                refusal(&path).to_string(),
                format!(
                    "{path} belongs to user 12345, who can replace it; if you trust its content, run: chown 0 {path}"
                )
            );
        }
    }

    #[test]
    fn a_link_counts_as_what_it_leads_to() {
        let folder = Folder::new();
        let target = folder.write("target", LINE, 0o600);
        let link = folder.path().join("link");
        symlink(&target, &link).unwrap();
        let file = PrivateFile::open(&link).unwrap();
        assert_eq!(file.real, target);
        assert_eq!(file.read().unwrap().as_slice(), LINE.as_bytes());
        folder.write("target", LINE, 0o644);
        assert!(matches!(refusal(&link), SecretError::OpenToOthers { .. }));
        std::fs::remove_file(target).unwrap();
        assert!(matches!(refusal(&link), SecretError::NotFound { .. }));
    }

    #[test]
    fn other_kinds_of_files_are_refused_without_waiting() {
        let folder = Folder::new();
        let subfolder = folder.make("folder");
        let pipe = folder.path().join("pipe");
        run("mkfifo", &["-m", "600", pipe.as_str()]);
        for path in [subfolder.as_path(), &pipe, Utf8Path::new("/dev/null")] {
            assert!(matches!(refusal(path), SecretError::NotRegular { .. }), "{path}");
        }
    }

    #[test]
    fn a_tracked_file_is_refused() {
        if !have("git") {
            return;
        }
        let folder = Folder::new();
        let git = |arguments: &[&str]| run_git(folder.path(), arguments);
        git(&["init", "-q"]);
        folder.make("deep down");
        let path = folder.write("deep down/[s]*", LINE, 0o600);
        let other = folder.write("deep down/s", LINE, 0o600);
        git(&["add", "deep down/s"]);
        // A pattern would match the other file.
        assert!(PrivateFile::open(&path).is_ok());
        git(&["add", ":(literal)deep down/[s]*"]);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        for path in [&path, &link, &other] {
            assert!(matches!(refusal(path), SecretError::Tracked { .. }), "{path}");
        }
        let message = refusal(&link).to_string();
        let (_, command) = message.split_once("run: ").unwrap();
        let (command, rest) = command.split_once("; ").unwrap();
        assert!(message.starts_with(&format!("git tracks {link}, ")), "{message}");
        assert!(rest.contains("make a new secret"), "{message}");
        // The advice helps.
        run(
            "sh",
            &[
                "-c",
                &format!("unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE; GIT_LITERAL_PATHSPECS=1 {command} -q"),
            ],
        );
        assert!(PrivateFile::open(&path).is_ok());
    }

    #[test]
    fn reading_ends_at_the_bound() {
        let endless = std::io::repeat(b'#');
        assert_eq!(read_bounded(endless).unwrap().len(), MAX_TEXT_BYTES + 1);
    }

    #[test]
    fn a_new_file_is_private_and_complete() {
        let folder = Folder::new();
        let path = folder.path().join("lxseed.secret");
        assert!(write_new(&path, &secret()).unwrap());
        assert_eq!(path.metadata().unwrap().mode(), 0o100600);
        assert_eq!(std::fs::read(&path).unwrap(), secret().to_text().expose());
        assert_eq!(folder.path().read_dir_utf8().unwrap().count(), 1);
    }

    #[test]
    fn whatever_has_the_name_stays() {
        let folder = Folder::new();
        let file = folder.write("file", "mine", 0o644);
        assert!(!write_new(&file, &secret()).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

        let link = folder.path().join("link");
        symlink("gone", &link).unwrap();
        assert!(!write_new(&link, &secret()).unwrap());
        assert!(!write_new(&folder.make("folder"), &secret()).unwrap());
        assert_eq!(folder.path().read_dir_utf8().unwrap().count(), 3);
        assert!(!folder.path().join("gone").exists());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = Folder::new();
        let path = folder.path().join("gone/lxseed.secret");
        let error = write_new(&path, &secret()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {path}: ")), "{error}");
    }
}
