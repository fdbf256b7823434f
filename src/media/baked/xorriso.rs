//! The one outside program: xorriso, which knows how to add files to an image and keep every way in which it boots.

use std::io;
use std::process::{Command, Stdio};

use super::spill::Spill;
use crate::media::MediaError;
use crate::render::medium::FOLDER;

/// The first release that repeats an image's boot equipment when it adds to it (`-boot_image any replay`).
const OLDEST: [u32; 3] = [1, 5, 0];
/// The day of 18.04's release, for every date that xorriso writes: the same input gives the same bytes.
const EPOCH: &str = "1524700800";
const DAY: &str = "2018042600000000";

fn xorriso() -> Command {
    let mut command = Command::new("xorriso");
    command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Adds files to an image, or replaces them. Secret ones are readable by root alone once it is mounted.
pub(super) fn write(image: &str, files: &[(String, &[u8], bool)]) -> Result<(), MediaError> {
    check_version()?;
    let spill = Spill::new()?;
    let top = spill.folder();
    let mut command = xorriso();
    command.args([
        "-no_rc",
        "-abort_on",
        "FAILURE",
        "-return_with",
        "FAILURE",
        "32",
    ]);
    command.args(["-report_about", "SORRY", "-dev", &format!("stdio:{image}")]);
    command.args(["-boot_image", "any", "replay", "-padding", "included"]);
    command.args(["-overwrite", "on"]);
    // Folders are mapped whole: a fleet's files are too many for a command line.
    let mut mapped: Vec<&str> = Vec::new();
    for (path, bytes, secret) in files {
        spill.write(path, bytes, if *secret { 0o400 } else { 0o444 })?;
        let whole = path.starts_with(FOLDER) && path[FOLDER.len()..].starts_with('/');
        let map = if whole { FOLDER } else { path.as_str() };
        if !mapped.contains(&map) {
            mapped.push(map);
        }
    }
    let on_medium: Vec<String> = mapped.iter().map(|path| format!("/{path}")).collect();
    for (path, to) in mapped.iter().zip(&on_medium) {
        command.args(["-map", top.join(path).as_str(), to]);
    }
    for action in [
        &["-chown_r", "0"][..],
        &["-chgrp_r", "0"],
        &["-alter_date_r", "b", DAY],
    ] {
        command.args(action).args(&on_medium).arg("--");
    }
    command.args(["-commit", "-end"]);
    let output = command.output().map_err(not_there)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .find(|line| line.contains("FAILURE") || line.contains("FATAL") || line.contains("SORRY"))
        .unwrap_or("it did not say why")
        .trim();
    Err(MediaError::Malformed(format!("xorriso failed: {said}")))
}

fn not_there(error: io::Error) -> MediaError {
    match error.kind() {
        io::ErrorKind::NotFound => MediaError::Malformed(
            "xorriso is not installed, and it is what writes the image: apt-get install xorriso"
                .to_owned(),
        ),
        _ => error.into(),
    }
}

/// Refuses a program that is too old.
pub(super) fn check_version() -> Result<(), MediaError> {
    let output = xorriso().arg("-version").output().map_err(not_there)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("xorriso version"))
        .map(|rest| rest.trim_start_matches([' ', ':']).trim())
        .unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let found: [u32; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    if found < OLDEST {
        return Err(MediaError::Malformed(format!(
            "xorriso is {}, and 1.5.0 or later is needed to keep the ways in which the image boots",
            if version.is_empty() {
                "of an unknown version"
            } else {
                version
            }
        )));
    }
    Ok(())
}
