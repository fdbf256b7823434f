//! Source files and places in them.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Serialize;

use crate::budget::MAX_SITE_BYTES;
use crate::foreign;

/// The largest profile that is read: one that takes up all that a site may.
pub(crate) const MAX_FILE_BYTES: u64 = MAX_SITE_BYTES;

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A stretch of bytes in one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// The alias (`*name`) that brings the stretch to where it is used, first and past-the-last byte in the same file.
    /// A stretch that is written where it is used has none.
    via: Option<(u32, u32)>,
}

impl Span {
    /// Where the value is used: the alias if there is one, else where it is written.
    #[must_use]
    pub fn used(self) -> Self {
        let (start, end) = self.via.unwrap_or((self.start, self.end));
        Self {
            file: self.file,
            start,
            end,
            via: None,
        }
    }

    /// Where the value is written, if that is another place than where it is used.
    #[must_use]
    pub fn anchored(self) -> Option<Self> {
        self.via.map(|_| Self { via: None, ..self })
    }

    /// The same stretch, brought to its place by an alias.
    pub(crate) fn through(self, alias: Self) -> Self {
        Self {
            via: Some((alias.start, alias.end)),
            ..self
        }
    }

    /// Both stretches and what is between them, of one file.
    pub(crate) fn reach(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            ..self
        }
    }

    /// Whether this stretch, as it is written, lies within another.
    pub(crate) fn is_within(self, other: Self) -> bool {
        self.file == other.file && other.start <= self.start && self.end <= other.end
    }

    /// The place between this stretch's first byte and what is before it.
    pub(crate) fn before(self) -> Self {
        Self {
            end: self.start,
            ..self
        }
    }

    /// The place so many bytes behind this stretch's first, if the stretch is that long.
    pub(crate) fn inside(self, bytes: usize) -> Option<Self> {
        let at = self.start.checked_add(u32::try_from(bytes).ok()?)?;
        (at <= self.end).then_some(Self {
            start: at,
            end: at,
            ..self
        })
    }

    /// The place between this stretch's last byte and what is behind it.
    pub(crate) fn behind(self) -> Self {
        Self {
            start: self.end,
            ..self
        }
    }

    /// The stretch as a range of bytes.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Line and column, both from 1, as editors count them; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(rename = "Place")] // as the published schema of reports calls it
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// The path as the user would type it: the site's folder as given, then the way below it.
    pub path: Utf8PathBuf,
    /// Its text; empty if the file could not be read.
    pub text: String,
    /// Where its lines start, found when first asked for: most files are never reported on.
    lines: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// Line and column of a byte of the text.
    #[must_use]
    pub fn place(&self, at: usize) -> Position {
        let at = floor_boundary(&self.text, at);
        let line = self.line(at);
        let start = self.lines()[line - 1];
        Position {
            line,
            column: self.text[start..at].trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }

    /// The line, from 1, that a byte of the text is in.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines().partition_point(|start| *start <= at)
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// All files of a run; spans point into it.
#[derive(Debug, Default)]
pub struct Sources(Vec<SourceFile>);

impl Sources {
    /// Adds a file and returns its index.
    pub(crate) fn add(&mut self, path: Utf8PathBuf, text: String) -> FileId {
        // More than 2^32 files cannot be in a site: the file system walk would have ended long before.
        let id = FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(SourceFile {
            path,
            text,
            lines: OnceLock::new(),
        });
        id
    }

    /// The file behind an index that this collection gave out.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.0[id.0 as usize]
    }

    /// Every file, in the order they were read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.0.iter()
    }
}

impl FileId {
    /// The very start of the file, for findings about the file as a whole.
    pub(crate) fn start(self) -> Span {
        self.span(0, 0)
    }

    /// A stretch of this file. Files are at most [`MAX_FILE_BYTES`] long, so offsets fit.
    pub(crate) fn span(self, start: usize, end: usize) -> Span {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            file: self,
            start: narrow(start),
            end: narrow(end),
            via: None,
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Why a file could not be taken as text.
#[derive(Debug)]
pub(crate) enum FileTrouble {
    Io(std::io::Error),
    NotAFile,
    TooLarge(u64),
    NotUtf8 { valid_up_to: usize, prefix: String },
}

impl FileTrouble {
    /// The text that can be read all the same, once.
    pub(crate) fn take_prefix(&mut self) -> String {
        match self {
            Self::NotUtf8 { prefix, .. } => std::mem::take(prefix),
            _ => String::new(),
        }
    }
}

/// Reads a file as UTF-8 text, never more than [`MAX_FILE_BYTES`] of it. `site` is the site's folder, without links: a
/// file that lies elsewhere is refused. Its name was looked at before, but may be another file's by now.
pub(crate) fn read_text(path: &Utf8Path, site: &Path) -> Result<String, FileTrouble> {
    let file = foreign::open(path, false).map_err(|error| {
        // A pipe or a device could block or never end.
        if foreign::is_not_plain(&error) {
            FileTrouble::NotAFile
        } else {
            FileTrouble::Io(error)
        }
    })?;
    if leads_out(&file, site) {
        return Err(FileTrouble::Io(std::io::Error::other(
            "it was swapped for a link to a place outside the site",
        )));
    }
    let metadata = file.metadata().map_err(FileTrouble::Io)?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(FileTrouble::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    // The file may grow while it is read; the bound holds all the same.
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(FileTrouble::Io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FileTrouble::TooLarge(bytes.len() as u64));
    }
    decode(bytes)
}

/// Whether an open file lies outside the site. Without /proc that cannot be said, and its name has to do.
fn leads_out(file: &File, site: &Path) -> bool {
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    place.is_ok_and(|place| !place.starts_with(site))
}

/// Bytes as UTF-8 text.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, FileTrouble> {
    String::from_utf8(bytes).map_err(|error| {
        let valid_up_to = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(valid_up_to);
        FileTrouble::NotUtf8 {
            valid_up_to,
            prefix: String::from_utf8(bytes).unwrap_or_default(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Between the look at a name and the opening of the file its owner may put a link there.
    #[test]
    fn the_opened_file_is_looked_at_and_not_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
        let site = top.join("site");
        std::fs::create_dir_all(site.join("hosts")).unwrap();
        std::fs::write(top.join("shadow"), "root:$6$...").unwrap();
        std::fs::write(site.join("hosts/a.yaml"), "name: a").unwrap();
        for (link, to, leads_out) in [
            ("b.yaml", "a.yaml", false),
            ("c.yaml", site.join("hosts/a.yaml").as_str(), false),
            ("d.yaml", "../../shadow", true),
            ("e.yaml", top.join("shadow").as_str(), true),
            ("f.yaml", "/proc/self/status", true),
        ] {
            let link = site.join("hosts").join(link);
            std::os::unix::fs::symlink(to, &link).unwrap();
            assert_eq!(read_text(&link, site.as_std_path()).is_err(), leads_out, "{to}");
        }
    }
}
