//! What can go wrong with secrets and keys. No message ever holds a piece of the secret.

use std::borrow::Cow;
use std::io;

use camino::Utf8PathBuf;
use thiserror::Error;

use super::origin::Origin;

/// Why a text is not a site secret. Lines are counted from 1; the text itself is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretTextError {
    /// More than a secret file can be.
    #[error("it is larger than {limit} bytes, so it is not a secret of lxseed")]
    TooLarge {
        /// The largest size that is read, in bytes.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("it is not text")]
    NotText,
    /// Nothing but comments and blank lines, or nothing at all.
    #[error("it has no secret line; the line that begins with \"lxseed-secret-1\" must be there, on a line of its own")]
    NoSecretLine,
    /// Two secret lines.
    #[error("lines {first} and {second} are both secret lines; keep only the one the hosts were built with")]
    SeveralSecretLines {
        /// The line of the first.
        first: usize,
        /// The line of the second.
        second: usize,
    },
    /// A line that is neither blank nor a comment nor the secret.
    #[error("line {line} is neither a comment nor the secret line; remove it")]
    ForeignLine {
        /// The line.
        line: usize,
    },
    /// `lxseed-secret-N` with an unknown N.
    #[error("line {line} has a version that this lxseed does not know; use the lxseed that wrote it or a newer one")]
    UnknownVersion {
        /// The line.
        line: usize,
    },
    /// Not the four parts.
    #[error(
        "line {line} does not have its four parts (version, date, key, checksum): it is cut or mistyped; copy it again"
    )]
    Parts {
        /// The line.
        line: usize,
    },
    /// The creation date.
    #[error("the date on line {line} is not a day from 2020-01-01 to 2100-12-31; copy it again")]
    Date {
        /// The line.
        line: usize,
    },
    /// The key has the wrong length or other characters.
    #[error("the key on line {line} is not 64 lower-case hexadecimal digits: it is cut or mistyped; copy it again")]
    Key {
        /// The line.
        line: usize,
    },
    /// The checksum has the wrong length or other characters.
    #[error("the checksum on line {line} is not 8 lower-case hexadecimal digits: it is cut or mistyped; copy it again")]
    ChecksumForm {
        /// The line.
        line: usize,
    },
    /// All parts look right, but they do not belong together.
    #[error("the checksum on line {line} does not match: the line is cut or mistyped; copy it again")]
    Checksum {
        /// The line.
        line: usize,
    },
}

/// Why there is no site secret to work with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text of a secret, without saying where it came from.
    #[error("this is not a site secret: {0}")]
    Text(SecretTextError),
    /// The text of a secret from a known place.
    #[error("the secret from {origin} cannot be used: {problem}")]
    Unusable {
        /// Where the text came from.
        origin: Origin,
        /// What is wrong with it.
        problem: SecretTextError,
    },
    /// A usage error.
    #[error("--secret-file and --secret-command were both given; give one of them")]
    TwoSources,
    /// The variable is there, but says nothing.
    #[error("LXSEED_SECRET is set but empty; put the line that begins with \"lxseed-secret-1\" into it, or unset it")]
    EmptyVariable,
    /// A file that was asked for by name.
    #[error("there is no secret file {path}; correct the path, or make a new secret with: lxseed secret new")]
    NotFound {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A folder, a pipe, a device.
    #[error("{path} is not a regular file; the secret must be in one, or behind a symbolic link to one")]
    NotRegular {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Somebody else could replace the file.
    #[error(
        "{path} belongs to user {owner}, who can replace it; if you trust its content, run: chown {user} {}",
        shell_word(.path.as_str())
    )]
    ForeignOwner {
        /// The file.
        path: Utf8PathBuf,
        /// The user id that owns it.
        owner: u32,
        /// The user id that lxseed runs as.
        user: u32,
    },
    /// Group or others may do something with the file.
    #[error(
        "{path} is open to other users (mode {mode:04o}); run: chmod 600 {}",
        shell_word(.path.as_str())
    )]
    OpenToOthers {
        /// The file.
        path: Utf8PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// FAT, and what other systems share, know no permissions.
    #[error(
        "{path} would lie on a file system that does not keep the permissions of files, so everybody could read it: \
         make it elsewhere and name it with --secret-file"
    )]
    NoModes {
        /// The file.
        path: Utf8PathBuf,
    },
    /// The file is in git's index.
    #[error(
        "git tracks {path}, and its history keeps the secret; run: git -C {} rm --cached {}; \
         then delete the file and make a new secret with: lxseed secret new",
        shell_word(.folder.as_str()),
        shell_word(.name)
    )]
    Tracked {
        /// The file as it was named.
        path: Utf8PathBuf,
        /// The folder it really lies in.
        folder: Utf8PathBuf,
        /// Its name there.
        name: String,
    },
    /// The file lies in a work tree of git, and git does not answer.
    #[error(
        "git cannot say whether it tracks {path} ({reason}), and what a repository holds is no secret: \
         make this work: git -C {} status; or move the file out of the repository and name it with --secret-file",
        shell_word(.folder.as_str())
    )]
    TrackedPerhaps {
        /// The file as it was named.
        path: Utf8PathBuf,
        /// The folder it really lies in.
        folder: Utf8PathBuf,
        /// Why git does not answer.
        reason: String,
    },
    /// The secret lies among the profiles.
    #[error(
        "{path} lies in the site folder, and a profile folder must not hold the secret; \
         move it to {better}, or name a file outside with --secret-file"
    )]
    InsideSite {
        /// The file.
        path: Utf8PathBuf,
        /// Where it would be found.
        better: Utf8PathBuf,
    },
    /// The site is the root of the file system.
    #[error("{site} has no folder above it to hold the secret; name a file with --secret-file")]
    NoFolderAbove {
        /// The site folder.
        site: Utf8PathBuf,
    },
    /// `--secret-command` could not be run at all.
    #[error("cannot run --secret-command with sh: {error}")]
    CommandNotRun {
        /// The system's reason.
        error: io::Error,
    },
    /// `--secret-command` failed.
    #[error("--secret-command ended with {how}; run it by hand to see why")]
    CommandFailed {
        /// Exit status or signal.
        how: String,
    },
    /// The creation date of a new secret.
    #[error("a secret cannot be made on {date}: the year must be from 2020 to 2100; set the clock")]
    CreationDate {
        /// The date.
        date: time::Date,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a new secret: {0}")]
    Random(getrandom::Error),
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {error}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

/// Why a key or certificate cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The name does not fit into a certificate.
    #[error("\"{}\" cannot be the name in a certificate: {problem}", .name.escape_debug())]
    Name {
        /// The host or cluster.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The certificate could not be written.
    #[error("cannot make the certificate of {name}: {error}")]
    Certificate {
        /// The host or cluster.
        name: String,
        /// The reason.
        error: rcgen::Error,
    },
    /// The private key could not be written.
    #[error("cannot make the key of {name}")]
    Key {
        /// The host or cluster.
        name: String,
    },
    /// The SSH key could not be written.
    #[error("cannot make the SSH host key of {name}: {error}")]
    Ssh {
        /// The host.
        name: String,
        /// The reason.
        error: ssh_key::Error,
    },
}

impl SecretError {
    /// For `map_err` on an operation with `path`.
    pub(super) fn io(action: &'static str, path: &camino::Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io {
            action,
            path: path.to_owned(),
            error,
        }
    }
}

/// A word as a shell takes it, so that a command in a message can be pasted.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./@%+=:,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn commands_in_messages_can_be_pasted() {
        let command = |path: &str| {
            let error = SecretError::OpenToOthers {
                path: path.into(),
                mode: 0o644,
            };
            let text = error.to_string();
            text.rsplit_once("run: ").unwrap().1.to_owned()
        };
        assert_eq!(command("/s/lxseed.secret"), "chmod 600 /s/lxseed.secret");
        assert_eq!(command("/my lab/x"), "chmod 600 '/my lab/x'");
        assert_eq!(command("/it's/x"), r"chmod 600 '/it'\''s/x'");
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        let error = TrustError::Name {
            name: "a\x1b[2Jb".to_owned(),
            problem: "it is odd",
        };
        assert_eq!(
            error.to_string(),
            "\"a\\u{1b}[2Jb\" cannot be the name in a certificate: it is odd"
        );
    }
}
