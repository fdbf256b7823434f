//! Where the profiles are, from where somebody stands.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::CommandError;

/// A site, and what of it was asked for.
pub(super) struct Found {
    pub(super) site: Utf8PathBuf,
    /// A file or folder in it; findings elsewhere are not for whoever asks.
    pub(super) within: Option<Utf8PathBuf>,
}

/// The folder with the profiles, unless something else is named.
const PROFILES: &str = "profiles";
const CLUSTER: &str = "cluster.yaml";

/// The site that is named, or that the file or folder named is in; without a name `profiles`, here or in a folder
/// above, or the site that this folder is in.
pub(super) fn find(named: Option<&Utf8Path>) -> Result<Found, CommandError> {
    let whole = |site: &Utf8Path| Found {
        site: site.to_owned(),
        within: None,
    };
    let Some(named) = named else {
        let profiles = Utf8Path::new(PROFILES);
        if profiles.is_dir() {
            return Ok(whole(profiles));
        }
        let here = super::current_folder()?;
        let found = above(&here).map(|site| whole(&seen_from(&here, &site)));
        return Ok(found.unwrap_or_else(|| whole(profiles)));
    };
    if named.is_dir() && (holds_cluster(named, 3) || !named.join("..").is_dir()) {
        return Ok(whole(named));
    }
    if !named.exists() {
        return Ok(whole(named));
    }
    let here = super::current_folder()?;
    let around = if named.is_dir() { Some(named) } else { named.parent() };
    let around = here.join(around.unwrap_or(Utf8Path::new("")));
    let asked = here.join(named);
    Ok(match above(&around).filter(|site| asked.starts_with(site)) {
        Some(site) => {
            let shown = seen_from(&here, &site);
            let below = asked.strip_prefix(&site).unwrap_or(named);
            Found {
                within: Some(shown.join(below)),
                site: shown,
            }
        }
        None if named.is_dir() => whole(named),
        None => {
            let message = format!("{named} is a file in no site: there is no {CLUSTER} in its folder or above it");
            return Err(CommandError::Usage(message));
        }
    })
}

/// The site that a folder is in, or that lies beside it or a folder above.
fn above(folder: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut of_cluster = None;
    for folder in folder.ancestors() {
        if folder.file_name() == Some(PROFILES) && holds_cluster(folder, 3) {
            return Some(folder.to_owned());
        }
        // Anybody may have put it into a folder that all can write to, such as /tmp.
        let is_shared = folder
            .metadata()
            .is_ok_and(|folder| folder.permissions().mode() & 0o002 != 0);
        let beside = folder.join(PROFILES);
        if !is_shared && beside.is_dir() && holds_cluster(&beside, 3) {
            return Some(beside);
        }
        if of_cluster.is_none() && folder.join(CLUSTER).is_file() {
            of_cluster = Some(folder);
        }
    }
    // Clusters that lie beside one another are one site.
    let cluster = of_cluster?;
    let beside = |parent: &&Utf8Path| {
        let folders = parent.read_dir_utf8().into_iter().flatten().flatten();
        folders.filter(|entry| entry.path().join(CLUSTER).is_file()).count() > 1
    };
    Some(cluster.parent().filter(beside).unwrap_or(cluster).to_owned())
}

/// Whether there is a cluster.yaml in the folder or at most so many folders below.
fn holds_cluster(folder: &Utf8Path, levels: usize) -> bool {
    if folder.join(CLUSTER).is_file() {
        return true;
    }
    let mut folders = folder.read_dir_utf8().into_iter().flatten().flatten();
    levels > 0
        && folders
            .any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds_cluster(entry.path(), levels - 1))
}

/// A path as somebody in a folder would write it.
fn seen_from(here: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    for (up, folder) in here.ancestors().enumerate() {
        if let Ok(below) = path.strip_prefix(folder) {
            let mut seen: Utf8PathBuf = std::iter::repeat_n("..", up).collect();
            seen.push(below);
            let seen = if below.as_str().is_empty() {
                seen.components().collect()
            } else {
                seen
            };
            return if seen.as_str().is_empty() { ".".into() } else { seen };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_from_where_somebody_stands() {
        let seen = |here: &str, path: &str| seen_from(here.into(), path.into()).into_string();
        assert_eq!(seen("/a/b", "/a/b/profiles"), "profiles");
        assert_eq!(seen("/a/b/c", "/a/b"), "..");
        assert_eq!(seen("/a/b", "/a/b"), ".");
        assert_eq!(seen("/a/b/c/d", "/a/x/y"), "../../../x/y");
    }
}
