//! A finished tree held against its own manifest, by whoever only reads it.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::error::OutputError;
use super::fault::Fault;
use super::guard::{self, unlisted};
use super::manifest::{MANIFEST, Manifest};
use super::verify::{file_faults, own_faults};

/// A tree, looked through. Unlike [`ExistingTree`](super::ExistingTree) it may lie anywhere and hold more than a build
/// would replace.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The manifest that the build wrote.
    pub manifest: Manifest,
    /// Faults of its files, by path.
    pub faults: Vec<(Utf8PathBuf, Fault)>,
    /// Files and folders that no build wrote.
    pub extra: Vec<String>,
}

/// Reads a tree's manifest; nothing if there is none of ours.
fn manifest(root: &Utf8Path) -> Result<Option<Manifest>, OutputError> {
    let text = match fs::read(root.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match Manifest::parse(&text) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(why) => guard::error(why, root).map_or(Ok(None), Err),
    }
}

/// Checks every file of a tree; nothing if it is no tree of ours.
///
/// # Errors
/// If the manifest is of no use, or the tree cannot be read.
pub fn inspect(root: &Utf8Path) -> Result<Option<Inspected>, OutputError> {
    let Some(manifest) = manifest(root)? else {
        return Ok(None);
    };
    let mut faults = file_faults(root, &manifest.files);
    faults.extend(own_faults(root, &manifest));
    faults.sort_by(|a, b| a.0.cmp(&b.0));
    let extra = unlisted(root, &manifest)?;
    Ok(Some(Inspected {
        manifest,
        faults,
        extra,
    }))
}

/// Makes sure that files of a folder are what was built, if it lies in a tree of ours.
///
/// # Errors
/// If one is not, or the tree's manifest is of no use.
pub fn as_built(folder: &Utf8Path, names: &[&str]) -> Result<(), OutputError> {
    for root in folder.ancestors() {
        let Some(manifest) = manifest(root)? else {
            continue;
        };
        let below = folder.strip_prefix(root).unwrap_or(folder);
        for name in names {
            let entry = manifest.entry(&below.join(name));
            if let Some(fault) = entry.and_then(|entry| entry.fault(root)) {
                return Err(OutputError::NotAsBuilt {
                    path: folder.join(name),
                    fault,
                });
            }
        }
        break;
    }
    Ok(())
}
