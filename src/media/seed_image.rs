//! A NoCloud seed as an image: cloud-init looks for a volume labelled `cidata` at every boot.

use std::collections::BTreeMap;
use std::io::Cursor;

use flate2::Compression;

use super::iso9660::{Image, Member, Names};
use super::{MediaError, fat, iso9660};
use crate::encoding;
use crate::seed::{Content, File};
use crate::trust::SecretBytes;

/// cloud-init 18.2 and its ds-identify know this spelling alone; `CIDATA` came with 19.1.
pub const LABEL: &str = "cidata";

/// The name that `build` gives to the image.
pub const ISO: &str = "seed.iso";

/// What a seed is made of. Without the first two it is none; the third is optional to cloud-init.
pub const FILES: [&str; 3] = [USER_DATA, "meta-data", "network-config"];

/// The one that holds keys, and nearly all of the bytes.
const USER_DATA: &str = "user-data";

/// No seed is larger: cloud-init has no limit of its own, but what is larger is not a seed of ours.
pub(super) const MAX_BYTES: u32 = 64 << 20;

/// The file system of an image. cloud-init looks at no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ISO 9660 with Joliet and Rock Ridge: for virtual media, CDs and sticks. Nobody edits it, so its user-data is
    /// packed.
    Iso,
    /// FAT, for a stick whose files shall be changeable.
    Fat,
}

/// The files of one seed.
#[derive(Debug)]
pub struct Seed {
    /// In the order of [`FILES`].
    files: Vec<(&'static str, SecretBytes)>,
}

impl Seed {
    /// Takes the seed's files out of what was read or rendered.
    ///
    /// # Errors
    /// If user-data or meta-data is missing, or cloud-init would not take user-data for one.
    pub fn new(mut take: impl FnMut(&str) -> Result<Option<SecretBytes>, MediaError>) -> Result<Self, MediaError> {
        let mut files = Vec::with_capacity(FILES.len());
        for name in FILES {
            match take(name)? {
                Some(bytes) => files.push((name, bytes)),
                None if name == "network-config" => {}
                None => {
                    return Err(MediaError::Malformed(format!(
                        "there is no {name}, so it is not a seed: cloud-init wants user-data and meta-data"
                    )));
                }
            }
        }
        let seed = Self { files };
        if !seed
            .file(USER_DATA)
            .is_some_and(|bytes| bytes.starts_with(b"#cloud-config\n"))
        {
            return Err(MediaError::Malformed(
                "user-data does not begin with the line #cloud-config, so cloud-init would pass it over".to_owned(),
            ));
        }
        Ok(seed)
    }

    /// The bytes of one of its files.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bytes)| bytes.expose())
    }

    /// Every file of it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, bytes.expose()))
    }

    /// Writes the image and reads it back. The same files give the same bytes.
    ///
    /// # Errors
    /// If the files do not fit, or the image does not hold what it should.
    pub fn image(&self, format: Format) -> Result<SecretBytes, MediaError> {
        let packed = self
            .file(USER_DATA)
            .filter(|_| format == Format::Iso)
            .map(pack)
            .transpose()?;
        let files: Vec<(&str, &[u8])> = self
            .files()
            .map(|(name, bytes)| match (name, &packed) {
                (USER_DATA, Some(packed)) => (name, packed.expose()),
                _ => (name, bytes),
            })
            .collect();
        let mut image = match format {
            Format::Iso => {
                let members: Vec<Member<'_>> = files
                    .iter()
                    .map(|&(name, bytes)| Member {
                        name,
                        private: name == USER_DATA,
                        bytes,
                    })
                    .collect();
                iso9660::write(LABEL, &members)?
            }
            Format::Fat => fat::write(LABEL, &files)?,
        };
        let compared = match format {
            Format::Iso => compare_iso(&files, &image),
            Format::Fat => compare_fat(&files, &mut image),
        };
        let image = SecretBytes::new(image);
        compared?;
        Ok(image)
    }
}

/// Packs user-data by gzip, which cloud-init has unpacked by itself since long before 18.2, and unpacks it again to see
/// that nothing is lost.
fn pack(user_data: &[u8]) -> Result<SecretBytes, MediaError> {
    let packed = SecretBytes::new(encoding::gzip(user_data, Compression::fast()));
    match encoding::gunzip(packed.expose(), user_data.len() as u64 + 1).map(SecretBytes::new) {
        Ok(again) if again.expose() == user_data => Ok(packed),
        _ => Err(MediaError::NotReadBack("user-data, packed".to_owned())),
    }
}

/// Under all three sets of names there are these files and no others.
fn compare_iso(files: &[(&str, &[u8])], bytes: &[u8]) -> Result<(), MediaError> {
    let mut image = Image::open(Cursor::new(bytes))?;
    if image.blocks as usize * 2048 != bytes.len() {
        return Err(MediaError::NotReadBack("its size is wrong".to_owned()));
    }
    for names in [Names::RockRidge, Names::Joliet, Names::Plain] {
        if !image.has(names) {
            return Err(MediaError::NotReadBack(format!("it has no {names:?} names")));
        }
        let mut found = BTreeMap::new();
        for node in image.list(&image.root(names).clone(), names)? {
            let name = match names {
                Names::Plain => node.name.to_ascii_lowercase().replace('_', "-"),
                _ => node.name.clone(),
            };
            found.insert(name, image.bytes_of(&node)?);
        }
        compare(files, &image.label, &found)?;
    }
    Ok(())
}

fn compare_fat(files: &[(&str, &[u8])], bytes: &mut [u8]) -> Result<(), MediaError> {
    let (label, found) = fat::read(bytes, MAX_BYTES.into())?;
    let found: Vec<_> = found
        .into_iter()
        .map(|(name, bytes)| (name, SecretBytes::new(bytes)))
        .collect();
    let found = found
        .iter()
        .map(|(name, bytes)| (name.clone(), bytes.expose()))
        .collect();
    compare(files, &label, &found)
}

fn compare(files: &[(&str, &[u8])], label: &str, found: &BTreeMap<String, &[u8]>) -> Result<(), MediaError> {
    let same = files.iter().all(|(name, bytes)| found.get(*name) == Some(bytes));
    if label != LABEL || !same || found.len() != files.len() {
        return Err(MediaError::NotReadBack(format!(
            "label {label}, files {}",
            found.keys().cloned().collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(())
}

/// A file of an image as it is in the tree.
///
/// # Errors
/// If it is damaged.
pub(super) fn plain(name: &str, bytes: SecretBytes) -> Result<SecretBytes, MediaError> {
    match name {
        USER_DATA if bytes.expose().starts_with(&[0x1f, 0x8b]) => encoding::gunzip(bytes.expose(), MAX_BYTES.into())
            .map(SecretBytes::new)
            .map_err(|_| MediaError::Malformed("its user-data is damaged".to_owned())),
        _ => Ok(bytes),
    }
}

/// The image beside the seed's own files in the tree.
///
/// # Errors
/// If the files of this host are no seed, or the image does not read back.
pub fn iso_beside(files: &[File]) -> Result<File, MediaError> {
    let seed = Seed::new(|name| {
        let file = files.iter().find(|file| file.path.file_name() == Some(name));
        Ok(file.map(|file| SecretBytes::new(file.content.bytes().to_vec())))
    })?;
    let folder = files
        .first()
        .and_then(|file| file.path.parent())
        .unwrap_or_else(|| "".into());
    Ok(File {
        path: folder.join(ISO),
        content: Content::Secret(seed.image(Format::Iso)?),
    })
}
