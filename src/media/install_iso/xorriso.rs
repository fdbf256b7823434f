//! The one outside program: xorriso, which knows how to add files to an image and keep every way in which it boots.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::process::Command;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::Fleet;
use crate::child::{self, Limit};
use crate::media::bundled::BundledFile;
use crate::media::{DAY, MediaError};

/// The first release that repeats an image's boot equipment when it adds to it (`-boot_image any replay`).
const OLDEST: [u32; 3] = [1, 5, 0];

/// It writes directories and, where they are bundled, snaps of some hundred megabytes.
const LIMIT: Limit = Limit {
    time: Duration::from_secs(30 * 60),
    stdout: 64 << 20,
};

fn xorriso() -> Command {
    let mut command = child::command("xorriso");
    command.env("SOURCE_DATE_EPOCH", DAY.epoch().to_string());
    command
}

/// A file to add, or to replace.
pub(super) struct Addition<'a> {
    /// On the medium, without a slash before it.
    pub(super) path: String,
    pub(super) bytes: Cow<'a, [u8]>,
    /// Secret ones are readable by root alone once the medium is mounted.
    pub(super) secret: bool,
}

/// Makes room for files on an image: afterwards each is there with its name, size and mode, and holds some other file's
/// bytes. So no key passes through another program or lies in a file for it to read. Those bytes come from `filler`,
/// which is at least as large as each of them. What is bundled is no secret, and is there with its own bytes.
pub(super) fn make_room(
    image: &str,
    filler: &Utf8Path,
    files: &[Addition<'_>],
    fleet: &Fleet<'_>,
) -> Result<(), MediaError> {
    let actions = actions(image, filler, files, (fleet.folder, fleet.bundled))?;
    let mut adding = xorriso();
    adding
        .args(["-no_rc", "-options_from_file", "-"])
        .stdin(child::input(actions.as_bytes())?);
    let output = child::run(&mut adding, LIMIT).map_err(not_there)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && version_in(&said) >= Some(OLDEST) {
        return Ok(());
    }
    check_version()?;
    let why = said
        .lines()
        .find(|line| line.contains("FAILURE") || line.contains("FATAL") || line.contains("SORRY"))
        .unwrap_or("it did not say why")
        .trim();
    Err(MediaError::Tool {
        program: "xorriso",
        said: why.to_owned(),
    })
}

/// What xorriso shall do, one action a line.
fn actions(
    image: &str,
    filler: &Utf8Path,
    files: &[Addition<'_>],
    (folder, bundled): (&str, &[BundledFile]),
) -> Result<String, MediaError> {
    let filler = quoted(filler.as_str())?;
    let mut lines = vec![
        "-abort_on FAILURE".to_owned(),
        "-return_with FAILURE 32".to_owned(),
        "-report_about SORRY".to_owned(),
        format!("-dev {}", quoted(&format!("stdio:{image}"))?),
        "-boot_image any replay".to_owned(),
        "-padding included".to_owned(),
        "-overwrite on".to_owned(),
    ];
    for file in files {
        let (path, length) = (quoted(&format!("/{}", file.path))?, file.bytes.len());
        let mode = if file.secret { "0400" } else { "0444" };
        lines.push(format!("-cut_out {filler} 0 {length} {path}"));
        lines.push(format!("-chmod {mode} {path} --"));
    }
    let on_folder = |file: &BundledFile| Utf8Path::new(folder).join(&file.entry.path);
    for file in bundled {
        let source = file.source.canonicalize_utf8()?;
        let path = quoted(&format!("/{}", on_folder(file)))?;
        lines.push(format!("-map {} {path}", quoted(source.as_str())?));
        lines.push(format!("-chmod 0444 {path} --"));
    }
    // What xorriso made on the way takes after the filler's folder.
    let ours = files.iter().map(|file| file.path.clone().into());
    let ours: Vec<Utf8PathBuf> = ours.chain(bundled.iter().map(on_folder)).collect();
    let folders: BTreeSet<&Utf8Path> = ours
        .iter()
        .flat_map(|path| path.ancestors().skip(1))
        .filter(|folder| folder.starts_with(folder))
        .collect();
    for folder in folders {
        lines.push(format!("-chmod 0755 {} --", quoted(&format!("/{folder}"))?));
    }
    let mut tops: Vec<String> = Vec::new();
    for file in files {
        let top = match file.path.split_once('/') {
            Some((top, _)) if top == folder => folder,
            _ => &file.path,
        };
        let top = quoted(&format!("/{top}"))?;
        if !tops.contains(&top) {
            tops.push(top);
        }
    }
    let tops = tops.join(" ");
    for action in ["-chown_r 0", "-chgrp_r 0", &format!("-alter_date_r b {DAY}00000000")] {
        lines.push(format!("{action} {tops} --"));
    }
    // Writes, too, and does not read the image again as -commit does.
    lines.push("-end\n".to_owned());
    Ok(lines.join("\n"))
}

/// One word for xorriso, which knows no escape within quotes.
fn quoted(word: &str) -> Result<String, MediaError> {
    match (word.contains('\''), word.contains('"')) {
        _ if word.contains('\n') => {}
        (false, _) => return Ok(format!("'{word}'")),
        (true, false) => return Ok(format!("\"{word}\"")),
        (true, true) => {}
    }
    Err(MediaError::Malformed(
        "xorriso cannot be told of a path with quotes of both kinds or a line end in it: rename the image".to_owned(),
    ))
}

fn not_there(error: io::Error) -> MediaError {
    MediaError::not_started(error, "xorriso", "writes the image", "xorriso")
}

/// Refuses a program that is too old.
fn check_version() -> Result<(), MediaError> {
    let output = child::run(xorriso().arg("-version"), LIMIT).map_err(not_there)?;
    match version_in(&String::from_utf8_lossy(&output.stdout)) {
        Some(found) if found >= OLDEST => Ok(()),
        found => Err(MediaError::OldProgram {
            program: "xorriso",
            found: found.map_or_else(
                || "of an unknown version".to_owned(),
                |[a, b, c]| format!("{a}.{b}.{c}"),
            ),
            needed: "1.5.0 or later is needed to keep the ways in which the image boots",
        }),
    }
}

/// The first number in a text that begins like a version, such as `xorriso 1.5.4 : RockRidge …`.
fn version_in(text: &str) -> Option<[u32; 3]> {
    let mut words = text
        .lines()
        .find(|line| line.starts_with("xorriso"))?
        .split_whitespace();
    words.find_map(|word| {
        let mut numbers = word.split('.').map(|number| number.parse().ok());
        match std::array::from_fn(|_| numbers.next().flatten()) {
            [Some(a), Some(b), Some(c)] => Some([a, b, c]),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_are_found() {
        for (text, version) in [
            ("xorriso 1.5.4 : RockRidge filesystem manipulator\n", Some([1, 5, 4])),
            ("GNU xorriso 1.5.2\nxorriso version   :  1.4.8\n", Some([1, 4, 8])),
            ("xorriso: not found", None),
            ("", None),
        ] {
            assert_eq!(version_in(text), version, "{text}");
        }
    }

    #[test]
    fn actions_are_whole_words() {
        let file = |path: &str, secret| Addition {
            path: path.to_owned(),
            bytes: Cow::Borrowed(b"12345"),
            secret,
        };
        let files = [file("lxseed/lab/node1/user-data", true), file("md5sum.txt", false)];
        let text = actions("/proc/1/fd/2", "/a b/it's.iso".into(), &files, ("lxseed", &[])).unwrap();
        for line in [
            "-dev 'stdio:/proc/1/fd/2'",
            "-cut_out \"/a b/it's.iso\" 0 5 '/lxseed/lab/node1/user-data'",
            "-chmod 0400 '/lxseed/lab/node1/user-data' --",
            "-chmod 0755 '/lxseed/lab' --",
            "-chown_r 0 '/lxseed' '/md5sum.txt' --",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("12345"));
        assert!(quoted("a'\"").is_err() && quoted("a\nb").is_err());
    }
}
