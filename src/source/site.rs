//! Which files make up a site.

use camino::{Utf8Path, Utf8PathBuf};
use walkdir::WalkDir;

/// What a file of a site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Cluster,
    Disks,
    Host,
}

/// The files of one site, each with the folder of the cluster it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// (folder of the cluster below the site, role, path), sorted by path.
    pub(crate) files: Vec<(Utf8PathBuf, Role, Utf8PathBuf)>,
    /// YAML files at places nothing is read from: most likely a mistake.
    pub(crate) stray: Vec<Utf8PathBuf>,
    /// A secret file inside the site, which a profile folder must never hold.
    pub(crate) secrets: Vec<Utf8PathBuf>,
    /// What the walk itself stumbled over.
    pub(crate) errors: Vec<(Utf8PathBuf, String)>,
}

/// Walks the site's folder. Symbolic links are followed, loops are reported by the walk; the order is by name.
pub(crate) fn layout(site: &Utf8Path) -> Layout {
    let mut layout = Layout::default();
    for entry in WalkDir::new(site)
        .follow_links(true)
        .max_depth(16)
        .sort_by_file_name()
    {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error
                    .path()
                    .and_then(Utf8Path::from_path)
                    .unwrap_or(site)
                    .to_owned();
                let message = error
                    .io_error()
                    .map_or_else(|| "the folders form a loop".to_owned(), ToString::to_string);
                layout.errors.push((path, message));
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let Some(path) = Utf8Path::from_path(entry.path()) else {
            let shown = Utf8PathBuf::from(entry.path().to_string_lossy().into_owned());
            layout
                .errors
                .push((shown, "the file's name is not UTF-8".to_owned()));
            continue;
        };
        if path.file_name() == Some("lxseed.secret") {
            layout.secrets.push(path.to_owned());
            continue;
        }
        let hidden = path
            .strip_prefix(site)
            .is_ok_and(|below| below.components().any(|c| c.as_str().starts_with('.')));
        if hidden || !matches!(path.extension(), Some("yaml" | "yml")) {
            continue;
        }
        match role(path) {
            Some((folder, role)) => layout
                .files
                .push((folder.to_owned(), role, path.to_owned())),
            None => layout.stray.push(path.to_owned()),
        }
    }
    layout.files.sort_by(|a, b| a.2.cmp(&b.2));
    layout
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
