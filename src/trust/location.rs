//! Where the secret file is looked for, and where a new one goes.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::geteuid;

use super::error::SecretError;

pub(super) const FILE_NAME: &str = "lxseed.secret";

/// A site folder, and the folders above it that may hold its secret.
#[derive(Debug)]
pub(super) struct Surroundings {
    site: Utf8PathBuf,
    // From the site's parent upwards; never empty.
    search: Vec<Utf8PathBuf>,
    // Further upwards, to the root.
    beyond: Vec<Utf8PathBuf>,
    default: Utf8PathBuf,
}

impl Surroundings {
    /// Looks at the file system once: links are resolved, so that "above" means the same for every way to name the
    /// site.
    pub(super) fn new(site: &Utf8Path, cwd: &Utf8Path) -> Result<Self, SecretError> {
        let canonical = |path: &Utf8Path| path.canonicalize_utf8().map_err(SecretError::io("open", path));
        let cwd = canonical(cwd)?;
        let site = whole_site(&canonical(site)?);
        let parent = match site.parent() {
            Some(parent) => parent.to_owned(),
            None => return Err(SecretError::NoFolderAbove { site }),
        };
        let cwd = Some(cwd).filter(|cwd| parent.starts_with(cwd));
        let repository = repository(&site)?.filter(|top| parent.starts_with(top));

        // Both are the parent or above it, so the shorter one is the higher one.
        let above = [cwd.as_ref(), repository.as_ref()].into_iter().flatten();
        let boundary = above.min_by_key(|path| path.as_str().len()).unwrap_or(&parent);
        let above = parent.ancestors().map(Utf8Path::to_owned);
        let (search, beyond) = above.partition(|folder| folder.starts_with(boundary));
        let default = cwd.or(repository).unwrap_or(parent).join(FILE_NAME);
        Ok(Self {
            site,
            search,
            beyond,
            default,
        })
    }

    /// Where a new secret file goes.
    pub(super) fn default_file(&self) -> &Utf8Path {
        &self.default
    }

    /// The nearest existing file. Beyond the work tree and the current folder only a file of the user's own counts: one
    /// that somebody else put into /tmp is none of this site's.
    pub(super) fn existing_file(&self) -> Result<Option<Utf8PathBuf>, SecretError> {
        for folder in &self.search {
            let file = folder.join(FILE_NAME);
            if present(&file)? {
                return Ok(Some(file));
            }
        }
        Ok(nearest_own(self.beyond.iter().map(|folder| &**folder)))
    }

    /// Refuses a secret file at the top of the site.
    pub(super) fn refuse_secret_in_site(&self) -> Result<(), SecretError> {
        let file = self.site.join(FILE_NAME);
        if present(&file)? {
            Err(self.inside(&file))
        } else {
            Ok(())
        }
    }

    /// Refuses a file that really lies in the site, however it was named.
    pub(super) fn refuse_inside(&self, named: &Utf8Path, real: &Utf8Path) -> Result<(), SecretError> {
        if real.starts_with(&self.site) {
            Err(self.inside(named))
        } else {
            Ok(())
        }
    }

    fn inside(&self, file: &Utf8Path) -> SecretError {
        SecretError::InsideSite {
            path: file.to_owned(),
            better: self.default.clone(),
        }
    }
}

/// The nearest secret file of the user's own in the folders above one, which is given from the root on.
#[must_use]
pub fn above(folder: &Utf8Path) -> Option<Utf8PathBuf> {
    nearest_own(folder.ancestors().skip(1))
}

fn nearest_own<'a>(mut folders: impl Iterator<Item = &'a Utf8Path>) -> Option<Utf8PathBuf> {
    let user = geteuid().as_raw();
    folders.find_map(|folder| {
        let file = folder.join(FILE_NAME);
        let own = file
            .symlink_metadata()
            .is_ok_and(|found| found.uid() == user && !found.is_dir());
        own.then_some(file)
    })
}

/// The folder that commands read profiles from where none is named.
const SITE: &str = "profiles";

/// The site that a folder is a part of: the folder of one cluster, named by itself, in `profiles`. The folder is given
/// without links and from the root on.
#[must_use]
pub fn whole_site(folder: &Utf8Path) -> Utf8PathBuf {
    let above = folder.parent().filter(|above| above.file_name() == Some(SITE));
    let is_part = above.is_some() && folder.join("cluster.yaml").symlink_metadata().is_ok();
    above.filter(|_| is_part).unwrap_or(folder).to_owned()
}

/// The folder at or above `site` that holds `.git`, which is a file in a linked work tree.
fn repository(site: &Utf8Path) -> Result<Option<Utf8PathBuf>, SecretError> {
    for folder in site.ancestors() {
        if present(&folder.join(".git"))? {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

// A link counts even if it leads nowhere, and a folder that cannot be searched is an error: going on would find or
// make another secret than the one that is meant.
fn present(path: &Utf8Path) -> Result<bool, SecretError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(SecretError::io("look at", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::trust::testing::{Folder, LINE};

    fn default_file(site: &Utf8Path, cwd: &Utf8Path) -> Utf8PathBuf {
        Surroundings::new(site, cwd).unwrap().default_file().to_owned()
    }

    fn existing_file(site: &Utf8Path, cwd: &Utf8Path) -> Option<Utf8PathBuf> {
        Surroundings::new(site, cwd).unwrap().existing_file().unwrap()
    }

    #[test]
    fn a_new_file_goes_to_the_current_folder_above_the_site() {
        let folder = Folder::new();
        let site = folder.make("a/b/site");
        folder.make("a/.git");
        assert_eq!(
            default_file(&site, &folder.path().join("a/b")),
            folder.path().join("a/b/lxseed.secret")
        );
        assert_eq!(default_file(&site, folder.path()), folder.path().join("lxseed.secret"));
    }

    #[test]
    fn else_to_the_top_of_the_work_tree() {
        let folder = Folder::new();
        let site = folder.make("top/a/site");
        let inside = folder.make("top/a/site/lab");
        let elsewhere = folder.make("other");
        // A linked work tree has a file there.
        folder.write("top/.git", "gitdir: /somewhere\n", 0o644);
        for cwd in [&site, &inside, &elsewhere] {
            assert_eq!(default_file(&site, cwd), folder.path().join("top/lxseed.secret"));
        }
    }

    #[test]
    fn else_beside_the_site() {
        let folder = Folder::new();
        let site = folder.make("a/site");
        let beside = folder.make("a/site-2");
        for cwd in [&site, &beside] {
            assert_eq!(default_file(&site, cwd), folder.path().join("a/lxseed.secret"));
        }
        // The top of a work tree that is the site itself is no place for it.
        folder.make("a/site/.git");
        assert_eq!(default_file(&site, &site), folder.path().join("a/lxseed.secret"));
    }

    #[test]
    fn the_nearest_file_up_to_the_boundary_is_found() {
        let folder = Folder::new();
        let site = folder.make("a/b/c/site");
        let (top, a, c) = (folder.path(), folder.path().join("a"), folder.path().join("a/b/c"));
        assert_eq!(existing_file(&site, top), None);

        let highest = folder.write("lxseed.secret", LINE, 0o600);
        assert_eq!(existing_file(&site, top).as_ref(), Some(&highest));
        assert_eq!(existing_file(&site, &a).as_ref(), Some(&highest));
        assert_eq!(existing_file(&site, &site).as_ref(), Some(&highest));
        if geteuid().is_root() {
            // Beyond the current folder a stranger's is nobody's business; in it the user is told.
            std::os::unix::fs::chown(&highest, Some(12345), None).unwrap();
            assert_eq!(existing_file(&site, &a), None);
            assert_eq!(existing_file(&site, top).as_ref(), Some(&highest));
        }
        std::fs::remove_file(&highest).unwrap();
        let highest = folder.write("lxseed.secret", LINE, 0o600);

        let middle = folder.write("a/lxseed.secret", LINE, 0o600);
        assert_eq!(existing_file(&site, top).as_ref(), Some(&middle));
        assert_eq!(existing_file(&site, &a).as_ref(), Some(&middle));
        assert_eq!(existing_file(&site, &c).as_ref(), Some(&middle));
        std::fs::remove_file(highest).unwrap();
        folder.make("a/.git");
        assert_eq!(existing_file(&site, &c).as_ref(), Some(&middle));
        assert_eq!(existing_file(&site, &site).as_ref(), Some(&middle));

        let nearest = folder.write("a/b/c/lxseed.secret", LINE, 0o600);
        assert_eq!(existing_file(&site, top).as_ref(), Some(&nearest));
    }

    /// Whoever works on one cluster of `profiles` works on the same site as whoever builds all of it.
    #[test]
    fn a_cluster_in_profiles_has_the_secret_of_the_whole() {
        let folder = Folder::new();
        let site = folder.make("a/profiles/dell");
        let profiles = folder.path().join("a/profiles");
        folder.write("a/profiles/dell/cluster.yaml", "", 0o644);
        let file = folder.path().join("a/lxseed.secret");
        for cwd in [&site, &profiles, &folder.path().join("a")] {
            for site in [&site, &profiles] {
                assert_eq!(&default_file(site, cwd), &file);
            }
        }
        folder.write("a/lxseed.secret", LINE, 0o600);
        folder.write("a/profiles/lxseed.secret", LINE, 0o600);
        let found = Surroundings::new(&site, &site).unwrap();
        assert_eq!(found.existing_file().unwrap(), Some(file));
        assert!(found.refuse_secret_in_site().is_err());
    }

    #[test]
    fn what_is_found_is_where_a_new_one_would_go() {
        let folder = Folder::new();
        let site = folder.make("a/b/site");
        let cwds = [
            folder.path().to_owned(),
            folder.path().join("a"),
            folder.path().join("a/b"),
            site.clone(),
        ];
        for repository in ["", "a/.git"] {
            if !repository.is_empty() {
                folder.make(repository);
            }
            for cwd in &cwds {
                let file = default_file(&site, cwd);
                std::fs::write(&file, LINE).unwrap();
                assert_eq!(existing_file(&site, cwd).as_ref(), Some(&file), "{repository} {cwd}");
                std::fs::remove_file(&file).unwrap();
            }
        }
    }

    #[test]
    fn links_to_the_site_are_resolved_first() {
        let folder = Folder::new();
        folder.make("real/site");
        std::os::unix::fs::symlink("real/site", folder.path().join("link")).unwrap();
        let link = folder.path().join("link");
        assert_eq!(default_file(&link, &link), folder.path().join("real/lxseed.secret"));
    }

    #[test]
    fn a_dangling_link_is_found() {
        let folder = Folder::new();
        let site = folder.make("site");
        let link = folder.path().join("lxseed.secret");
        std::os::unix::fs::symlink("gone", &link).unwrap();
        assert_eq!(existing_file(&site, folder.path()), Some(link));
    }

    #[test]
    fn odd_sites_are_errors() {
        let folder = Folder::new();
        let gone = folder.path().join("gone");
        let error = Surroundings::new(&gone, folder.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot open {gone}: ")), "{error}");
        let error = Surroundings::new(Utf8Path::new("/"), folder.path()).unwrap_err();
        assert!(matches!(error, SecretError::NoFolderAbove { .. }), "{error}");
    }
}
