//! Profiles that a verb changes: each file as a whole or not at all.

use std::fs;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::source::SourceFile;
use lxseed::tree::AtomicFile;

use super::CommandError;

/// Puts a new text into the file's place. Mode and links stay, and a file that somebody has changed since it was read does;
/// `undone` says what was not done then.
pub(super) fn replace(file: &SourceFile, text: &str, undone: &str) -> Result<(), CommandError> {
    let path = &file.path;
    let refused = |why: &dyn std::fmt::Display| CommandError::Refused(format!("{path} was not {undone}: {why}"));
    // A link stays one; what it leads to is changed.
    let target = fs::canonicalize(path).map_err(|error| refused(&error))?;
    let target = Utf8PathBuf::from_path_buf(target).map_err(|_| refused(&"its name is not UTF-8"))?;
    let metadata = fs::metadata(&target).map_err(|error| refused(&error))?;
    let new = AtomicFile::begin(&target, |_| true)?;
    let mut made = new.file();
    made.write_all(text.as_bytes()).map_err(|error| refused(&error))?;
    made.set_permissions(metadata.permissions())
        .map_err(|error| refused(&error))?;
    if !is_unchanged(&target, &file.text) {
        return Err(refused(&"it was changed while it was checked; check again"));
    }
    Ok(new.commit()?)
}

fn is_unchanged(path: &Utf8Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}
