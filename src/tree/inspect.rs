//! A finished tree held against its own manifest, by whoever only reads it.

use camino::{Utf8Path, Utf8PathBuf};

use super::error::OutputError;
use super::fault::Fault;
use super::fs::Folder;
use super::guard::{self, unlisted};
use super::manifest::{Author, MANIFEST, Manifest};
use super::verify::{file_faults, own_faults};
use crate::trust::SiteSecret;

/// A tree, looked through. Unlike [`ExistingTree`](super::ExistingTree) it may lie anywhere and hold more than a build
/// would replace.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The manifest that the build wrote.
    pub manifest: Manifest,
    /// Who wrote the manifest, where there was a secret to tell by.
    pub author: Option<Author>,
    /// Faults of its files, by path.
    pub faults: Vec<(Utf8PathBuf, Fault)>,
    /// Files and folders that no build wrote.
    pub extra: Vec<String>,
}

/// The tree of ours that a folder is, or lies in, if it does. The folder is given without links and from the root on.
///
/// # Errors
/// If there is a manifest of ours that is of no use.
pub fn root_above(folder: &Utf8Path) -> Result<Option<&Utf8Path>, OutputError> {
    for root in folder.ancestors() {
        let folder = match Folder::open(root) {
            // A folder above that only shows what one knows the name of is no tree of ours.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => continue,
            folder => folder?,
        };
        if manifest(&folder)?.is_some() {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// Reads a tree's manifest; nothing if there is none of ours.
fn manifest(root: &Folder) -> Result<Option<(Manifest, Vec<u8>)>, OutputError> {
    let text = match root.read(MANIFEST) {
        Ok(text) => text.expose().to_vec(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match Manifest::parse(&text) {
        Ok(manifest) => Ok(Some((manifest, text))),
        Err(why) => guard::error(why, root.path()).map_or(Ok(None), Err),
    }
}

/// Checks every file of a tree, and with a secret who wrote its manifest; nothing if it is no tree of ours.
///
/// # Errors
/// If the manifest is of no use, or the tree cannot be read.
pub fn inspect(root: &Utf8Path, secret: Option<&SiteSecret>) -> Result<Option<Inspected>, OutputError> {
    let root = Folder::open_named(root)?;
    let Some((manifest, text)) = manifest(&root)? else {
        return Ok(None);
    };
    let mut faults = file_faults(&root, &manifest.files);
    faults.extend(own_faults(&root, &manifest));
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    let extra = unlisted(&root, &manifest)?;
    Ok(Some(Inspected {
        author: secret.map(|secret| manifest.author(&text, secret)),
        manifest,
        faults,
        extra,
    }))
}

/// Makes sure that files below the root of a tree are what was built, and with a secret that a build with it wrote the
/// tree's manifest. The paths count from the root.
///
/// # Errors
/// If they are not, or the tree's manifest is of no use.
pub fn as_built(root: &Utf8Path, paths: &[Utf8PathBuf], secret: Option<&SiteSecret>) -> Result<(), OutputError> {
    let opened = Folder::open(root)?;
    let Some((manifest, text)) = manifest(&opened)? else {
        return Ok(());
    };
    if let Some(secret) = secret {
        let path = root.join(MANIFEST);
        let fingerprint = secret.fingerprint();
        match manifest.author(&text, secret) {
            Author::Build => {}
            Author::Unknown => return Err(OutputError::Unproven(path)),
            Author::Other => return Err(OutputError::NotOurs { path, fingerprint }),
        }
    }
    for path in paths {
        let entry = manifest.entry(path);
        if let Some(fault) = entry.and_then(|entry| entry.fault(&opened)) {
            return Err(OutputError::NotAsBuilt {
                path: root.join(path),
                fault,
            });
        }
    }
    Ok(())
}
