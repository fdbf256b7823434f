//! What is this file?

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::iso9660::Image;
use super::seed_image::{self, Format, Seed};
use super::seed_summary::SeedSummary;
use super::{MediaError, fat};
use crate::foreign;
use crate::hex;
use crate::trust::SecretBytes;

/// A seed image, read.
#[derive(Debug)]
pub struct SeedImage {
    /// Its file system.
    pub format: Format,
    /// Its volume label, which should be `cidata`.
    pub label: String,
    /// Which program prepared it, as far as the format says that.
    pub preparer: String,
    /// Its size, in bytes.
    pub size: u64,
    /// What it is for.
    pub summary: SeedSummary,
    /// Every file, with size and SHA-256.
    pub files: Vec<(&'static str, usize, String)>,
    /// Paths of files that are no part of a seed.
    pub others: Vec<String>,
}

/// Reads a file that should be a seed image.
///
/// # Errors
/// If it is none, or a damaged one.
pub fn seed_image(path: &Utf8Path) -> Result<SeedImage, MediaError> {
    // The caller names the path.
    seed_image_in(foreign::open(path, false)?)
}

pub(crate) fn seed_image_in(mut file: File) -> Result<SeedImage, MediaError> {
    let size = file.metadata()?.len();
    let format = format_of(&mut file)?;
    let (label, preparer, seed, mut others) = match format {
        Some(Format::Iso) => {
            let mut image = Image::open(file)?;
            if image.label != seed_image::LABEL && image.find("user-data")?.is_none() {
                return Err(MediaError::Malformed(format!(
                    "an ISO 9660 image labelled `{}`, neither a seed nor an install medium that was baked",
                    image.label.escape_debug()
                )));
            }
            let seed = Seed::new(|name| {
                Ok(match image.find(name)? {
                    Some(node) if !node.is_folder => {
                        let bytes = SecretBytes::new(image.read(&node, seed_image::MAX_BYTES)?);
                        Some(seed_image::plain(name, bytes)?)
                    }
                    _ => None,
                })
            })?;
            let paths = image.files()?.into_iter().map(|(path, _)| path).collect();
            (image.label, image.preparer, seed, paths)
        }
        Some(Format::Fat) => {
            if size > u64::from(seed_image::MAX_BYTES) {
                return Err(MediaError::Malformed(format!(
                    "a FAT image of {size} bytes is too large for a seed"
                )));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            let (label, mut files) = fat::read(&mut bytes, seed_image::MAX_BYTES.into())?;
            let seed = Seed::new(|name| {
                let found = files.iter().position(|(known, _)| known == name);
                Ok(found.map(|at| SecretBytes::new(files.swap_remove(at).1)))
            });
            // Wiped with the value.
            drop(SecretBytes::new(bytes));
            let paths: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
            (label, String::new(), seed?, paths)
        }
        None => {
            return Err(MediaError::Malformed(
                "it is neither a folder that lxseed built nor an ISO 9660 or FAT image".to_owned(),
            ));
        }
    };
    others.retain(|path| !seed_image::FILES.contains(&path.as_str()));
    Ok(SeedImage {
        format: format.unwrap_or(Format::Iso),
        label,
        preparer,
        size,
        summary: seed.summary()?,
        files: seed
            .files()
            .map(|(name, bytes)| (name, bytes.len(), hex::encode(&Sha256::digest(bytes))))
            .collect(),
        others,
    })
}

/// Which file system begins here, if it is one of ours.
fn format_of<S: Read + Seek>(source: &mut S) -> Result<Option<Format>, MediaError> {
    let mut read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        source.seek(SeekFrom::Start(at))?;
        Ok::<_, MediaError>(source.read_exact(&mut bytes).is_ok().then_some(bytes))
    };
    // ECMA-119: "CD001" after the type of the first volume descriptor.
    if read(16 * 2048 + 1, 5)?.is_some_and(|magic| magic == b"CD001") {
        return Ok(Some(Format::Iso));
    }
    let boot = read(0, 512)?;
    let fat = boot
        .is_some_and(|sector| matches!(sector[0], 0xeb | 0xe9) && sector[510..] == [0x55, 0xaa] && sector[38] == 0x29);
    source.seek(SeekFrom::Start(0))?;
    Ok(fat.then_some(Format::Fat))
}

/// Whether these bytes begin like an image that lxseed may have made: what may be overwritten.
#[must_use]
pub fn is_seed_image(path: &Utf8Path) -> bool {
    seed_image(path).is_ok_and(|image| image.label == seed_image::LABEL)
}

/// The seed that lies in a folder as files.
///
/// # Errors
/// If it is none, or cannot be read.
pub fn folder_seed(folder: &Utf8Path) -> Result<Seed, MediaError> {
    Seed::new(
        |name| match foreign::read(&folder.join(name), seed_image::MAX_BYTES.into()) {
            Ok(bytes) => Ok(Some(SecretBytes::new(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(MediaError::Malformed(format!("{name}: {error}"))),
        },
    )
}
