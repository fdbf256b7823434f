//! Files in an ext4 file system that nobody mounts, by the programs of e2fsprogs.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::process::Command;
use std::time::Duration;

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::disk::Root;
use crate::child::{self, Limit};
use crate::foreign;
use crate::hex;
use crate::media::{DAY, MediaError, path_of};
use crate::trust::SecretBytes;

/// One question about a file, or a file of a seed.
const QUESTION: Limit = Limit {
    time: Duration::from_secs(60),
    stdout: 64 << 20,
};
/// A walk through the file system, or through a file as large as a snap.
const WORK: Limit = Limit {
    time: Duration::from_secs(30 * 60),
    stdout: 64 << 20,
};

/// A file or folder, as debugfs tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: String,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) size: u64,
}

/// A file to write.
pub(super) struct New<'a> {
    /// Below the root, without a slash at its beginning.
    pub(super) path: &'a Utf8Path,
    pub(super) mode: u32,
    pub(super) bytes: Bytes<'a>,
}

/// Where the bytes of a new file are.
pub(super) enum Bytes<'a> {
    Here(&'a [u8]),
    /// In a file, whose SHA-256 this is.
    At(&'a Utf8Path, &'a str),
}

/// The file system.
#[derive(Debug)]
pub(super) struct Ext4 {
    /// As e2fsprogs take it: the disk and how far in.
    device: String,
}

impl Ext4 {
    /// The root file system of the disk that `path` leads to.
    pub(super) fn of(path: &str, root: &Root) -> Self {
        Self {
            device: format!("{path}?offset={}", root.offset),
        }
    }

    /// Refuses a file system that does not hold together.
    pub(super) fn check(&self) -> Result<(), MediaError> {
        let output = child::run(command("e2fsck").args(["-fn", &self.device]), WORK)
            .map_err(|error| not_there(error, "e2fsck"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said
            .lines()
            .find(|line| !line.starts_with("Pass ") && !line.trim().is_empty());
        Err(MediaError::Malformed(format!(
            "its file system is damaged, e2fsck says: {}",
            first.unwrap_or("nothing")
        )))
    }

    /// What is at a path, if anything is.
    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>, MediaError> {
        let (said, complaint) = self.ask(&format!("stat \"/{path}\""))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if said.is_empty() {
            return if complaint.contains("File not found") {
                Ok(None)
            } else {
                Err(failed(&complaint))
            };
        }
        let value = |name: &str| {
            let (_, rest) = said.split_once(name)?;
            rest.split_whitespace().next()
        };
        let number = |name: &str| value(name).and_then(|value| value.parse::<u32>().ok());
        let stat = || {
            Some(Stat {
                kind: value("Type:")?.to_owned(),
                mode: u32::from_str_radix(value("Mode:")?, 8).ok()?,
                owner: (number("User:")?, number("Group:")?),
                size: value("Size:")?.parse().ok()?,
            })
        };
        stat().map(Some).ok_or_else(|| failed(&said))
    }

    /// The bytes of a file, if it is there and no larger than `limit`.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Option<SecretBytes>, MediaError> {
        match self.stat(path)? {
            Some(stat) if stat.kind == "regular" && stat.size <= limit => {}
            _ => return Ok(None),
        }
        let (bytes, _) = self.ask(&format!("cat \"/{path}\""))?;
        Ok(Some(SecretBytes::new(bytes)))
    }

    /// The SHA-256 of a file of any size, if it is there.
    pub(super) fn digest(&self, path: &str) -> Result<Option<String>, MediaError> {
        if self.stat(path)?.is_none_or(|stat| stat.kind != "regular") {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        let mut debugfs = command("debugfs");
        debugfs.args(["-R", &format!("cat \"/{path}\""), &self.device]);
        child::stream(&mut debugfs, WORK.time, |piece| {
            digest.update(piece);
            Ok(())
        })
        .map_err(|error| not_there(error, "debugfs"))?;
        Ok(Some(hex::encode(&digest.finalize())))
    }

    /// Writes files and the folders they need, and reads every one of them back. What is there already is not replaced.
    pub(super) fn write(&self, files: &[New<'_>], private: &Utf8Path) -> Result<(), MediaError> {
        let mut script = format!("set_current_time @{}\n", DAY.epoch());
        let folders: BTreeSet<&Utf8Path> = files
            .iter()
            .flat_map(|file| file.path.ancestors().skip(1))
            .filter(|folder| *folder != "")
            .collect();
        let mode_of = |folder: &Utf8Path| if folder == private { 0o700 } else { 0o755 };
        let mut made = Vec::new();
        // Outer ones come first.
        for folder in folders {
            match self.stat(folder.as_str())? {
                Some(stat) if stat.kind == "directory" => continue,
                Some(_) => return Err(failed(&format!("/{folder} is no folder"))),
                None => {}
            }
            script += &format!("mkdir \"/{folder}\"\n");
            script += &fields(folder, 0o040_000 | mode_of(folder));
            made.push(folder);
        }
        // debugfs reads from paths alone: memory has one, and leaves nothing behind.
        let mut held = Vec::new();
        for file in files {
            let source = match &file.bytes {
                Bytes::Here(bytes) => by_number(child::in_memory(bytes)?, &mut held),
                // No name of the user's has to be quoted then.
                Bytes::At(path, _) => by_number(foreign::open(path, false)?, &mut held),
            };
            // Older ones take a plain name only.
            let (folder, name) = parts(file.path);
            script += &format!("cd \"/{folder}\"\nwrite \"{source}\" \"{name}\"\n");
            script += &fields(file.path, 0o100_000 | file.mode);
        }
        self.carry_out(&script)?;
        drop(held);
        let root = (0, 0);
        for folder in made {
            let stat = self.stat(folder.as_str())?;
            let fits =
                stat.is_some_and(|stat| stat.kind == "directory" && stat.mode == mode_of(folder) && stat.owner == root);
            if !fits {
                return Err(MediaError::NotReadBack(format!("/{folder}")));
            }
        }
        for file in files {
            let digest = match &file.bytes {
                Bytes::Here(bytes) => hex::encode(&Sha256::digest(bytes)),
                Bytes::At(_, digest) => (*digest).to_owned(),
            };
            let stat = self.stat(file.path.as_str())?;
            let fits = stat.is_some_and(|stat| stat.mode == file.mode && stat.owner == root);
            if !fits || self.digest(file.path.as_str())? != Some(digest) {
                return Err(MediaError::NotReadBack(format!("/{}", file.path)));
            }
        }
        Ok(())
    }

    /// One question, answered on standard output; the complaints come second.
    fn ask(&self, question: &str) -> Result<(Vec<u8>, String), MediaError> {
        let output = child::run(command("debugfs").args(["-R", question, &self.device]), QUESTION)
            .map_err(|error| not_there(error, "debugfs"))?;
        Ok((output.stdout, complaints(&output.stderr)))
    }

    /// Commands that change the file system. debugfs ends well whatever happens, so its complaints are what counts.
    fn carry_out(&self, script: &str) -> Result<(), MediaError> {
        let mut debugfs = command("debugfs");
        debugfs
            .args(["-w", "-f", "-", &self.device])
            .stdin(child::input(script.as_bytes())?);
        let output = child::run(&mut debugfs, WORK).map_err(|error| not_there(error, "debugfs"))?;
        let complaints = complaints(&output.stderr);
        if complaints.is_empty() {
            return Ok(());
        }
        Err(failed(&complaints))
    }
}

/// Owner and mode of what was just made.
fn fields(path: &Utf8Path, mode: u32) -> String {
    format!(
        "set_inode_field \"/{path}\" mode 0{mode:o}\nset_inode_field \"/{path}\" uid 0\nset_inode_field \"/{path}\" gid 0\n"
    )
}

fn parts(path: &Utf8Path) -> (&str, &str) {
    path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()))
}

/// The path by which another program finds a file for as long as it is held.
fn by_number(file: File, held: &mut Vec<File>) -> String {
    let path = path_of(&file);
    held.push(file);
    path
}

fn command(program: &str) -> Command {
    let mut command = child::command(program);
    // Debian keeps them where only root's PATH leads.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("DEBUGFS_PAGER", "__none__");
    command
}

/// Standard error without the program's name and version.
fn complaints(stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let lines = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("debugfs 1."));
    lines.collect::<Vec<_>>().join("; ")
}

fn failed(said: &str) -> MediaError {
    MediaError::Tool {
        program: "debugfs",
        said: said.to_owned(),
    }
}

fn not_there(error: io::Error, program: &'static str) -> MediaError {
    MediaError::not_started(error, program, "writes into the image", "e2fsprogs")
}
