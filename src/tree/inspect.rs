//! A finished tree held against its own manifest, by whoever only reads it.

use std::io::{self, Read};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::Xxh3Default;

use super::error::OutputError;
use super::fault::Fault;
use super::guard::unlisted;
use super::manifest::{About, Entry, MANIFEST, Manifest};
use crate::hex;
use crate::pieces::each_piece;
use crate::seed::File;

/// A tree, looked through. Unlike [`Standing`](super::Standing) it may lie anywhere and hold more than a build would replace.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What the build wrote.
    pub manifest: Manifest,
    /// What is not as it was built, by path.
    pub faults: Vec<(Utf8PathBuf, Fault)>,
    /// What no build wrote.
    pub extra: Vec<String>,
}

impl Manifest {
    /// The manifest of files that go somewhere else than into a tree.
    #[must_use]
    pub fn describe(about: About, files: &[File], carried: impl Iterator<Item = Entry>) -> Self {
        let entries = files.iter().map(|file| Entry::of_file(file, None));
        Self::new(about, entries.chain(carried).collect())
    }

    /// What [`to_json`](Self::to_json) wrote; nothing if it is damaged or newer.
    #[must_use]
    pub fn of_medium(text: &[u8]) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Entry {
    /// What the manifest says of a file that is no secret, read to its end; it may be of any size. `also` is given every
    /// piece of it.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(
        path: Utf8PathBuf,
        source: impl Read,
        mode: u32,
        mut also: impl FnMut(&[u8]),
    ) -> io::Result<Self> {
        let (mut sha256, mut xxh3) = (Sha256::new(), Xxh3Default::new());
        let size = each_piece(source, |piece| {
            sha256.update(piece);
            xxh3.update(piece);
            also(piece);
        })?;
        Ok(Self {
            path,
            size,
            mode,
            sha256: hex::encode(&sha256.finalize()),
            xxh3: Some(xxh3.digest128()),
            secret: false,
        })
    }
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
        Err(why) => why.error(root).map_or(Ok(None), Err),
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
    let mut faults: Vec<(Utf8PathBuf, Fault)> = manifest
        .files
        .par_iter()
        .filter_map(|entry| {
            entry
                .fault(root, None)
                .map(|fault| (entry.path.clone(), fault))
        })
        .collect();
    faults.extend(manifest.own().faults(root));
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
            let at = manifest.position(below.join(name).as_str());
            if let Some(fault) = at.and_then(|at| manifest.files[at].fault(root, None)) {
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
