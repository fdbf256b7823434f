//! Which files make up a site, and their text: from a folder, or from memory.

use std::path::Path;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::file::{FileTrouble, decode, read_text};
use crate::budget::{
    MAX_ALL_SNAPS_BYTES, MAX_SITE_BYTES, MAX_SITE_ENTRIES, MAX_SITE_LINKS, MAX_SNAP_BYTES, MAX_SNAP_FILES,
    MAX_WALK_SECONDS,
};
use crate::snap::{ASSERT, SNAP, SnapFile};

/// What a file of a site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Cluster,
    Disks,
    Host,
}

/// One profile file.
#[derive(Debug)]
pub(crate) struct ProfileFile {
    /// The folder of the cluster it belongs to.
    pub(crate) folder: Utf8PathBuf,
    pub(crate) role: Role,
    pub(crate) path: Utf8PathBuf,
    pub(crate) text: Result<String, FileTrouble>,
}

/// A file that is in memory, or why it cannot be read.
#[derive(Debug)]
pub enum Content {
    /// What is in it.
    Bytes(Vec<u8>),
    /// It is there, but cannot be read.
    Unreadable(std::io::ErrorKind),
    /// It is a link to a place outside the site.
    LinkOut,
}

/// The files of one site.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// The profiles, sorted by path.
    pub(crate) files: Vec<ProfileFile>,
    /// YAML files at places nothing is read from: most likely a mistake.
    pub(crate) stray: Vec<Utf8PathBuf>,
    /// Snaps and their assertions, sorted by path.
    pub(crate) snaps: Vec<SnapFile>,
    /// A secret file inside the site, which a profile folder must never hold.
    pub(crate) secrets: Vec<Utf8PathBuf>,
    /// Links that lead out of the site, which are not followed.
    pub(crate) links_out: Vec<Utf8PathBuf>,
    /// Errors of the walk itself.
    pub(crate) errors: Vec<(Utf8PathBuf, String)>,
    /// There is no such folder.
    pub(crate) missing: bool,
    /// It is more than is read of a site, in words; nothing of it is kept then.
    pub(crate) over_budget: Option<String>,
}

/// What has been seen of a site, held against what is read of one.
struct Budget {
    begun: Instant,
    entries: usize,
    links: usize,
    snaps: usize,
    snap_bytes: u64,
    bytes: u64,
}

impl Budget {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            entries: 0,
            links: 0,
            snaps: 0,
            snap_bytes: 0,
            bytes: 0,
        }
    }

    /// Counts a file or folder; says what is too much.
    fn entry(&mut self, entry: &DirEntry) -> Result<(), String> {
        self.entries += 1;
        self.links += usize::from(entry.path_is_symlink());
        let seconds = Duration::from_secs(MAX_WALK_SECONDS);
        if self.entries > MAX_SITE_ENTRIES {
            return Err(format!(
                "there are more than {MAX_SITE_ENTRIES} files and folders in it"
            ));
        }
        if self.links > MAX_SITE_LINKS {
            return Err(format!(
                "there are more than {MAX_SITE_LINKS} links in it, or links that lead to links"
            ));
        }
        if self.entries.is_multiple_of(256) && self.begun.elapsed() > seconds {
            return Err(format!(
                "looking at what is in it takes longer than {MAX_WALK_SECONDS} seconds"
            ));
        }
        Ok(())
    }

    fn snap(&mut self, size: u64) -> Result<(), String> {
        self.snaps += 1;
        // What is larger is not read.
        self.snap_bytes += if size > MAX_SNAP_BYTES { 0 } else { size };
        if self.snaps > MAX_SNAP_FILES {
            return Err(format!(
                "there are more than {MAX_SNAP_FILES} snaps and assertions in it"
            ));
        }
        if self.snap_bytes > MAX_ALL_SNAPS_BYTES {
            return Err(format!("its snaps have more than {} GiB", MAX_ALL_SNAPS_BYTES >> 30));
        }
        Ok(())
    }

    fn profile(&mut self, size: u64) -> Result<(), String> {
        // One that is too large by itself is not read, and said to be so by itself.
        self.bytes += if size > MAX_SITE_BYTES { 0 } else { size };
        if self.bytes > MAX_SITE_BYTES {
            return Err(format!(
                "its profiles have more than {} MiB together",
                MAX_SITE_BYTES >> 20
            ));
        }
        Ok(())
    }
}

/// Reads a site's folder. Symbolic links within the site are followed, loops are reported by the walk; the order is by
/// name.
pub(crate) fn read_site(site: &Utf8Path) -> Layout {
    let mut layout = Layout {
        missing: !site.is_dir(),
        ..Layout::default()
    };
    if layout.missing {
        return layout;
    }
    let mut found = Vec::new();
    let mut budget = Budget::new();
    let over = |why: String| Layout {
        over_budget: Some(why),
        ..Layout::default()
    };
    let mut walk = WalkDir::new(site)
        .follow_links(true)
        .max_depth(16)
        .sort_by_file_name()
        .into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().and_then(Utf8Path::from_path).unwrap_or(site).to_owned();
                let message = error
                    .io_error()
                    .map_or_else(|| "the folders form a loop".to_owned(), ToString::to_string);
                layout.errors.push((path, message));
                continue;
            }
        };
        if let Err(why) = budget.entry(&entry) {
            return over(why);
        }
        let Some(path) = Utf8Path::from_path(entry.path()) else {
            let shown = Utf8PathBuf::from(entry.path().to_string_lossy().into_owned());
            layout.errors.push((shown, "the file's name is not UTF-8".to_owned()));
            continue;
        };
        let is_folder = entry.file_type().is_dir();
        if leads_out(&entry, site) {
            if is_folder {
                walk.skip_current_dir();
            }
            if is_folder || is_yaml(path) || is_snap(path) {
                layout.links_out.push(path.to_owned());
            }
            continue;
        }
        if is_folder {
            continue;
        }
        let size = || entry.metadata().map_or(0, |metadata| metadata.len());
        if is_snap(path) {
            if let Err(why) = budget.snap(size()) {
                return over(why);
            }
            layout.snaps.push(SnapFile::on_disk(path.to_owned()));
        } else if let Some((folder, role)) = layout.sort_in(site, path) {
            if let Err(why) = budget.profile(size()) {
                return over(why);
            }
            found.push((folder, role, path.to_owned()));
        }
    }
    let real = site.as_std_path().canonicalize().unwrap_or_else(|_| site.into());
    layout.files = found
        .into_par_iter()
        .map(|(folder, role, path)| ProfileFile {
            text: read_text(&path, &real),
            folder,
            role,
            path,
        })
        .collect();
    layout.sort();
    layout
}

/// The same for files that are already in memory; their paths start with the site's.
pub(crate) fn site_of(site: &Utf8Path, files: Vec<(Utf8PathBuf, Content)>) -> Layout {
    let mut layout = Layout::default();
    for (path, content) in files {
        if is_snap(&path) && !matches!(content, Content::LinkOut) {
            layout.snaps.push(match content {
                Content::Bytes(bytes) => SnapFile::in_memory(path, bytes),
                Content::Unreadable(why) => SnapFile::unreadable(path, why),
                Content::LinkOut => continue,
            });
            continue;
        }
        let text = match content {
            Content::Bytes(bytes) => decode(bytes),
            Content::Unreadable(why) => Err(FileTrouble::Io(why.into())),
            Content::LinkOut => {
                layout.links_out.push(path);
                continue;
            }
        };
        if let Some((folder, role)) = layout.sort_in(site, &path) {
            layout.files.push(ProfileFile {
                text,
                folder,
                role,
                path,
            });
        }
    }
    layout.sort();
    layout
}

impl Layout {
    /// The order must not depend on the file system's.
    fn sort(&mut self) {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.snaps.sort_by(|a, b| a.path().cmp(b.path()));
    }

    /// The cluster's folder and the role of a profile; what is no profile is noted or passed over.
    fn sort_in(&mut self, site: &Utf8Path, path: &Utf8Path) -> Option<(Utf8PathBuf, Role)> {
        if path.file_name() == Some("lxseed.secret") {
            self.secrets.push(path.to_owned());
            return None;
        }
        let hidden = path
            .strip_prefix(site)
            .is_ok_and(|below| below.components().any(|c| c.as_str().starts_with('.')));
        if hidden || !is_yaml(path) {
            return None;
        }
        match role(path) {
            Some((folder, role)) => Some((folder.to_owned(), role)),
            None => {
                self.stray.push(path.to_owned());
                None
            }
        }
    }
}

/// Whether the entry is a link to a place outside the site. A profile from outside could otherwise have the excerpts in
/// a report show any file of the machine that checks it.
fn leads_out(entry: &DirEntry, site: &Utf8Path) -> bool {
    if entry.depth() == 0 || !entry.path_is_symlink() {
        return false;
    }
    let real = |path: &Path| path.canonicalize().ok();
    match (real(entry.path()), real(site.as_std_path())) {
        (Some(target), Some(site)) => !target.starts_with(site),
        _ => true,
    }
}

fn is_yaml(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("yaml" | "yml"))
}

fn is_snap(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some(SNAP | ASSERT))
}

fn role(path: &Utf8Path) -> Option<(&Utf8Path, Role)> {
    let folder = path.parent()?;
    if path.file_name() == Some("cluster.yaml") {
        return Some((folder, Role::Cluster));
    }
    if path.extension() != Some("yaml") {
        return None;
    }
    let role = match folder.file_name()? {
        "hosts" => Role::Host,
        "disks" => Role::Disks,
        _ => return None,
    };
    Some((folder.parent()?, role))
}
