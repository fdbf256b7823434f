//! Where the site secret comes from.

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use time::Date;
use zeroize::Zeroizing;

use super::error::{SecretError, SecretTextError};
use super::file::{self, PrivateFile};
use super::location::Surroundings;
pub use super::location::{above, whole_site};
pub use super::origin::Origin;
use super::secret::{self, MAX_TEXT_BYTES, SiteSecret};
use crate::{child, git};

/// What the user said about the secret. `Debug` shows neither the command nor the variable.
#[derive(Clone, Default)]
pub struct SecretOptions {
    /// `--secret-file`.
    pub file: Option<Utf8PathBuf>,
    /// `--secret-command`, a line for `sh -c`.
    pub command: Option<String>,
    /// The value of `LXSEED_SECRET` if the variable is set, also if it is set to nothing.
    pub variable: Option<String>,
}

/// A secret and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The secret.
    pub secret: SiteSecret,
    /// Its source.
    pub origin: Origin,
}

/// What [`create`] did.
#[derive(Debug)]
pub struct Creation {
    /// The secret that the file now holds. The origin is [`Origin::Created`] if this call made it, and
    /// [`Origin::File`] if the file was there, for example because another process made it at the same moment.
    pub loaded: Loaded,
    /// Whether git is told to ignore the file. Nothing if it does not lie in a repository, or git is not installed.
    pub ignored: Option<bool>,
}

impl fmt::Debug for SecretOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The command may hold a password, and the variable is the secret.
        let hidden = |text: &Option<String>| text.as_ref().map(|_| "[secret]");
        f.debug_struct("SecretOptions")
            .field("file", &self.file)
            .field("command", &hidden(&self.command))
            .field("variable", &hidden(&self.variable))
            .finish()
    }
}

/// The secret of a site: from `--secret-file`, `--secret-command`, `LXSEED_SECRET` or the default file, whichever is
/// there first. The default file is the nearest `lxseed.secret` in the folders above the site; above the highest of
/// these only a file of the user's own is taken: the folder that holds the site, the current folder if the site lies
/// below it, the top of the git work tree the site lies in. `Ok(None)` means that nothing was said and there is no such file: see [`default_location`] and
/// [`create`].
///
/// `cwd` is the current folder; relative paths count from it, as everywhere.
///
/// # Errors
/// If two options contradict each other, a source cannot be used or is not private, or a secret lies in the site
/// folder.
pub fn load(options: &SecretOptions, site: &Utf8Path, cwd: &Utf8Path) -> Result<Option<Loaded>, SecretError> {
    if options.file.is_some() && options.command.is_some() {
        return Err(SecretError::TwoSources);
    }
    let surroundings = Surroundings::new(site, cwd)?;
    // Whatever the source: a site folder is copied and committed, and the file in it would go along.
    surroundings.refuse_secret_in_site()?;
    let loaded = if let Some(named) = &options.file {
        let file = PrivateFile::open(named)?;
        surroundings.refuse_inside(named, &file.real)?;
        from_file(file, named)?
    } else if let Some(line) = &options.command {
        read(&output(line)?, Origin::Command)?
    } else if let Some(text) = &options.variable {
        if text.trim().is_empty() {
            return Err(SecretError::EmptyVariable);
        }
        read(text.as_bytes(), Origin::Variable)?
    } else {
        let Some(path) = surroundings.existing_file()? else {
            return Ok(None);
        };
        let file = PrivateFile::open(&path)?;
        surroundings.refuse_inside(&path, &file.real)?;
        from_file(file, &path)?
    };
    Ok(Some(loaded))
}

/// Where [`load`] finds a new secret file: in the current folder if the site lies below it, else at the top of the
/// git work tree the site lies in, else beside the site folder.
///
/// # Errors
/// If the site folder cannot be found, or is the root of the file system.
pub fn default_location(site: &Utf8Path, cwd: &Utf8Path) -> Result<Utf8PathBuf, SecretError> {
    Ok(Surroundings::new(site, cwd)?.default_file().to_owned())
}

/// Makes a new secret and writes it to `path`, mode 0600, on disk for good when this returns. A file that is there is
/// never overwritten: its secret is loaded instead, so two first builds at the same moment end with one secret.
///
/// # Errors
/// If the file cannot be written, or one is there that [`load`] would refuse.
pub fn create(path: &Utf8Path, created: Date) -> Result<Creation, SecretError> {
    let secret = SiteSecret::generate(created)?;
    let loaded = if file::write_new(path, &secret)? {
        Loaded {
            secret,
            origin: Origin::Created(path.to_owned()),
        }
    } else {
        from_file(PrivateFile::open(path)?, path)?
    };
    let ignored = path
        .file_name()
        .and_then(|name| git::ignores(file::folder(path), name).ok()?);
    Ok(Creation { loaded, ignored })
}

fn from_file(file: PrivateFile, named: &Utf8Path) -> Result<Loaded, SecretError> {
    read(&file.read()?, Origin::File(named.to_owned()))
}

fn read(content: &[u8], origin: Origin) -> Result<Loaded, SecretError> {
    let text = match str::from_utf8(content) {
        Ok(text) => secret::read(text),
        Err(_) if content.len() > MAX_TEXT_BYTES => Err(SecretTextError::TooLarge { limit: MAX_TEXT_BYTES }),
        Err(_) => Err(SecretTextError::NotText),
    };
    match text {
        Ok(secret) => Ok(Loaded { secret, origin }),
        Err(problem) => Err(SecretError::Unusable { origin, problem }),
    }
}

/// How long a program that `--secret-command` left running may hold its standard output once the command has ended.
const LINGER: Duration = Duration::from_secs(2);

/// What the command prints. It may ask on the terminal, so it gets no time limit; its errors go where ours go.
fn output(line: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |error| SecretError::CommandNotRun { error };
    let mut command = child::users_own("sh");
    command.args(["-c", line]).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let read = read_output(&mut child);
    if !matches!(&read, Ok(content) if content.len() <= MAX_TEXT_BYTES) {
        // It may go on printing for ever. If it has ended already there is nothing to kill, which is no error.
        let _ = child.kill();
        child.wait().map_err(failed)?;
        return read.map_err(failed);
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        read.map_err(failed)
    } else {
        Err(SecretError::CommandFailed { how: describe(status) })
    }
}

/// Reads until the output is closed, or is too much, or the command has ended and left it to somebody else.
fn read_output(child: &mut Child) -> io::Result<Zeroizing<Vec<u8>>> {
    const CHUNK: usize = 4096;
    // Room for everything from the start: a growing vector would leave pieces of the secret in freed memory.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_TEXT_BYTES + CHUNK));
    let mut chunk = Zeroizing::new([0; CHUNK]);
    let Some(mut output) = child.stdout.take() else {
        return Ok(content);
    };
    let mut ended = None;
    while content.len() <= MAX_TEXT_BYTES {
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&wait)) {
            Ok(0) => {}
            Ok(_) => match output.read(&mut *chunk)? {
                0 => break,
                read => content.extend_from_slice(&chunk[..read]),
            },
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if child.try_wait()?.is_some() && ended.get_or_insert_with(Instant::now).elapsed() > LINGER {
            break;
        }
    }
    Ok(content)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests;
