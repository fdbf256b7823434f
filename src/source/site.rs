//! Which files make up a site, and their text: from a folder, or from memory.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::file::{FileTrouble, decode, read_text};
use super::secrets::{begins_with_private_key, holds_site_secret};
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
    /// YAML files at places nothing is read from, and files in hosts/ and disks/ that are called otherwise: most likely a
    /// mistake.
    pub(crate) stray: Vec<Utf8PathBuf>,
    /// The bytes of stray files that are in memory.
    memory: Vec<(Utf8PathBuf, Vec<u8>)>,
    /// Snaps and their assertions, sorted by path.
    pub(crate) snaps: Vec<SnapFile>,
    /// A secret file inside the site, which a profile folder must never hold.
    pub(crate) secrets: Vec<Utf8PathBuf>,
    /// Other files that hold a private key.
    pub(crate) private_keys: Vec<Utf8PathBuf>,
    /// Links of profiles that lead to nothing, each with what it names.
    pub(crate) links_to_nothing: Vec<(Utf8PathBuf, String)>,
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
                layout.not_walked(site, &error);
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
            // What a version control or a build keeps is not the site's, and there may be very much of it.
            if entry.depth() > 0 && (path.file_name().is_some_and(|name| HISTORIES.contains(&name)) || is_built(path)) {
                walk.skip_current_dir();
            }
            continue;
        }
        let size = || entry.metadata().map_or(0, |metadata| metadata.len());
        if is_snap(path) {
            if let Err(why) = budget.snap(size()) {
                return over(why);
            }
            layout.snaps.push(SnapFile::on_disk(path.to_owned()));
        } else if let Some((folder, role)) = layout.sort_in(site, path, entry.file_type().is_file()) {
            if let Err(why) = budget.profile(size()) {
                return over(why);
            }
            found.push((folder, role, path.to_owned()));
        } else if entry.file_type().is_file() {
            layout.look_into(path, &beginning(path));
        }
    }
    layout.files = read_profiles(site, found);
    layout.sort();
    layout
}

/// The texts of what the walk has found.
fn read_profiles(site: &Utf8Path, found: Vec<(Utf8PathBuf, Role, Utf8PathBuf)>) -> Vec<ProfileFile> {
    let real = site.as_std_path().canonicalize().unwrap_or_else(|_| site.into());
    found
        .into_par_iter()
        .map(|(folder, role, path)| ProfileFile {
            text: read_text(&path, &real),
            folder,
            role,
            path,
        })
        .collect()
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
        if matches!(content, Content::LinkOut) {
            layout.links_out.push(path);
            continue;
        }
        let place = layout.sort_in(site, &path, true);
        let text = match content {
            Content::Bytes(bytes) if place.is_none() => {
                layout.look_into(&path, &bytes[..bytes.len().min(BEGINNING)]);
                layout.memory.push((path, bytes));
                continue;
            }
            Content::Bytes(bytes) => decode(bytes),
            Content::Unreadable(why) => Err(FileTrouble::Io(why.into())),
            Content::LinkOut => continue,
        };
        if let Some((folder, role)) = place {
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
    /// The text of a stray file that a profile names.
    pub(crate) fn text_of_stray(&self, site: &Utf8Path, path: &Utf8Path) -> Result<String, FileTrouble> {
        if let Some((_, bytes)) = self.memory.iter().find(|(known, _)| known == path) {
            return decode(bytes.clone());
        }
        let real = site.as_std_path().canonicalize().unwrap_or_else(|_| site.into());
        read_text(path, &real)
    }

    /// The order must not depend on the file system's.
    fn sort(&mut self) {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.snaps.sort_by(|a, b| a.path().cmp(b.path()));
    }

    /// Notes what the walk could not enter or follow: a link that leads to nothing only where it would be read.
    fn not_walked(&mut self, site: &Utf8Path, error: &walkdir::Error) {
        let path = error.path().and_then(Utf8Path::from_path).unwrap_or(site).to_owned();
        if let Some(target) = nowhere(&path) {
            if is_meant(site, &path) {
                self.links_to_nothing.push((path, target));
            }
            return;
        }
        let message = error
            .io_error()
            .map_or_else(|| "the folders form a loop".to_owned(), ToString::to_string);
        self.errors.push((path, message));
    }

    /// The cluster's folder and the role of a profile; what is no profile is noted or passed over.
    fn sort_in(&mut self, site: &Utf8Path, path: &Utf8Path, is_regular: bool) -> Option<(Utf8PathBuf, Role)> {
        if path.file_name() == Some("lxseed.secret") {
            self.secrets.push(path.to_owned());
            return None;
        }
        match place(site, path) {
            Place::Profile(folder, role) => return Some((folder.to_owned(), role)),
            Place::Stray => self.stray.push(path.to_owned()),
            Place::BesideProfiles if is_regular => self.stray.push(path.to_owned()),
            Place::BesideProfiles | Place::Elsewhere => {}
        }
        None
    }

    /// Notes a file, of which this is the beginning, that is no profile and holds a private key.
    fn look_into(&mut self, path: &Utf8Path, beginning: &[u8]) {
        if holds_site_secret(beginning) {
            if !self.secrets.iter().any(|known| known == path) {
                self.secrets.push(path.to_owned());
            }
        } else if begins_with_private_key(beginning) {
            self.private_keys.push(path.to_owned());
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

/// Folders of version controls.
const HISTORIES: &[&str] = &[".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", ".pijul"];

/// Whether a folder is what a build has written, keys and all.
fn is_built(folder: &Utf8Path) -> bool {
    ["manifest.json", "SHA256SUMS"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

/// How much of a file that is no profile is looked at, and how large one is at most whose beginning may be a key.
const BEGINNING: usize = 64 * 1024;

/// The beginning of a small file; nothing if it is large or cannot be read, which is no matter of ours.
fn beginning(path: &Utf8Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        if metadata.is_file() && metadata.len() <= BEGINNING as u64 {
            file.take(BEGINNING as u64).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// What a link names that leads to nothing.
fn nowhere(path: &Utf8Path) -> Option<String> {
    let target = path.read_link().ok()?;
    let is_there = path.as_std_path().try_exists().unwrap_or(true);
    (!is_there).then(|| target.to_string_lossy().into_owned())
}

/// Whether something at this path would be read or told of. An editor's lock is a link to nothing.
fn is_meant(site: &Utf8Path, path: &Utf8Path) -> bool {
    let is_folder = matches!(path.file_name(), Some("hosts" | "disks"));
    is_folder || is_snap(path) || !matches!(place(site, path), Place::Elsewhere)
}

/// What a path in a site is for.
enum Place<'a> {
    /// A profile, with the folder of its cluster.
    Profile(&'a Utf8Path, Role),
    /// A YAML file that is read from nowhere.
    Stray,
    /// Another file where profiles are, which may have been meant for one.
    BesideProfiles,
    Elsewhere,
}

fn place<'a>(site: &Utf8Path, path: &'a Utf8Path) -> Place<'a> {
    let below = path.strip_prefix(site).unwrap_or(path);
    let is_hidden = |name: &str| name.starts_with('.');
    let folders = below.parent().into_iter().flat_map(Utf8Path::components);
    let (Some(name), false) = (path.file_name(), folders.map(|c| c.as_str()).any(is_hidden)) else {
        return Place::Elsewhere;
    };
    let beside = matches!(path.parent().and_then(Utf8Path::file_name), Some("hosts" | "disks"));
    if is_left_over(name) {
        return Place::Elsewhere;
    }
    if is_hidden(name) {
        return if beside {
            Place::BesideProfiles
        } else {
            Place::Elsewhere
        };
    }
    match role(path) {
        Some((folder, role)) => Place::Profile(folder, role),
        None if is_yaml(path) => Place::Stray,
        None if beside && !is_document(name) => Place::BesideProfiles,
        None => Place::Elsewhere,
    }
}

/// What editors, file managers and version controls leave behind or look for.
fn is_left_over(name: &str) -> bool {
    const ENDS: &[&str] = &[
        "~",
        ".swp",
        ".swo",
        ".swn",
        ".swx",
        ".un~",
        ".bak",
        ".bk",
        ".backup",
        ".orig",
        ".rej",
        ".old",
        ".save",
        ".tmp",
        ".temp",
        ".part",
        ".autosave",
        ".kate-swp",
        ".dpkg-old",
        ".dpkg-dist",
        ".dpkg-new",
        ".rpmsave",
        ".rpmnew",
        ".license",
        ".lock",
        ".lnk",
        ".iml",
    ];
    const STARTS: &[&str] = &[
        ".#",
        "._",
        ".~",
        "~$",
        ".git",
        ".hg",
        ".svn",
        ".nfs",
        ".fuse_hidden",
        ".goutputstream-",
        ".syncthing",
        ".st",
        "___jb_",
        ".keep",
        ".yamllint",
        ".prettier",
        ".editorconfig",
        ".pre-commit",
        ".sops",
        ".envrc",
        ".dir-locals",
        ".nojekyll",
        ".rsync",
    ];
    const NAMES: &[&str] = &[
        ".keep",
        ".hgkeep",
        ".empty",
        ".placeholder",
        ".dummy",
        ".DS_Store",
        ".directory",
        ".localized",
        ".project",
        ".vimrc",
        ".exrc",
        "Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "4913",
        "keep",
        "empty",
    ];
    ENDS.iter().any(|end| name.ends_with(end))
        || STARTS.iter().any(|start| name.starts_with(start))
        || NAMES.contains(&name)
        || name.len() > 1 && name.starts_with('#') && name.ends_with('#')
}

/// Texts and pictures for people.
fn is_document(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "md", "markdown", "rst", "adoc", "asciidoc", "org", "html", "htm", "pdf", "odt", "docx", "png", "jpg", "jpeg",
        "gif", "svg", "webp", "drawio",
    ];
    const STEMS: &[&str] = &[
        "readme",
        "liesmich",
        "lisezmoi",
        "leeme",
        "leggimi",
        "notes",
        "note",
        "license",
        "licence",
        "copying",
        "notice",
        "codeowners",
        "owners",
        "makefile",
        "justfile",
        "changelog",
        "contributing",
    ];
    let lower = name.to_ascii_lowercase();
    let (stem, ending) = (lower.split('.').next().unwrap_or_default(), lower.rsplit_once('.'));
    let is_text = ending.is_none_or(|(_, ending)| !["yaml", "yml", "json"].contains(&ending));
    ending.is_some_and(|(_, ending)| ENDINGS.contains(&ending)) || is_text && STEMS.contains(&stem)
}

fn is_yaml(path: &Utf8Path) -> bool {
    path.extension()
        .is_some_and(|ending| ["yaml", "yml"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(name: &str) -> &'static str {
        let path = Utf8Path::new("site").join(name);
        match place(Utf8Path::new("site"), &path) {
            Place::Profile(..) => "profile",
            Place::Stray | Place::BesideProfiles => "told",
            Place::Elsewhere => "passed over",
        }
    }

    #[test]
    fn a_file_that_may_be_a_profile_is_told() {
        for name in [
            "cluster.yaml",
            "hosts/a1.yaml",
            "disks/a1.yaml",
            "b/hosts/A1.yaml",
            "hosts/readme.yaml",
        ] {
            assert_eq!(sorted(name), "profile", "{name}");
        }
        for name in [
            "hosts/a1.yml",
            "hosts/a1.YAML",
            "hosts/a1.Yaml",
            "hosts/a1.yaml.txt",
            "hosts/a1.json",
            "hosts/a1",
            "hosts/.a1.yaml",
            "hosts/.a1",
            "disks/model.YML",
            "disks/model",
            "hosts/a1.txt",
            "hosts/a1.yaml ",
            "hosts/a1.ymal",
            "hosts/a1.yaml.disabled",
            "hosts/a1.yaml.j2",
            "hosts/a1.toml",
            "hosts/a1,yaml",
            "hosts/readme.json",
            "Cluster.YAML",
            "cluster.yml",
            "hosts/rack/a1.yaml",
            "hosts/hosts.csv",
            "a1.yaml",
        ] {
            assert_eq!(sorted(name), "told", "{name}");
        }
        for name in [
            "hosts/.#a1.yaml",
            "hosts/#a1.yaml#",
            "hosts/a1.yaml~",
            "hosts/.a1.yaml.swp",
            "hosts/a1.yaml.bak",
            "hosts/a1.yaml.orig",
            "hosts/README",
            "hosts/README.md",
            "hosts/Readme.txt",
            "hosts/README.de.md",
            "hosts/.gitkeep",
            "hosts/.keep",
            "hosts/.gitignore",
            "hosts/.DS_Store",
            "hosts/._a1.yaml",
            "hosts/rack.png",
            "hosts/notes.txt",
            "hosts/LICENSE",
            "hosts/.a1.yaml.un~",
            "README.md",
            "notes.txt",
            "inventory.csv",
            ".gitlab-ci.yml",
            ".github/workflows/ci.yaml",
            "hosts/.vscode/settings.json",
            "site.json",
            "hosts/rack/photo.png",
            ".yamllint.yaml",
            ".a.yaml",
            "hosts/old/a1.txt",
        ] {
            assert_eq!(sorted(name), "passed over", "{name}");
        }
    }
}
