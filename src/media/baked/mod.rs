//! Install media: 18.04's server image with the seeds and answers of a whole fleet.

mod boot;
mod known;
mod menus;
mod source;
mod spill;
mod xorriso;

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::iso9660::Image;
use super::{MediaError, seed};
use crate::hex;
use crate::output::Manifest;
use crate::render::medium::FOLDER;
use crate::render::{Content, File as Rendered};
use crate::trust::SecretBytes;

pub use boot::Boot;
pub use known::Published;
pub use source::Source;

/// The manifest of what lies in the medium's folder.
pub const MANIFEST: &str = "manifest.json";

/// What the installer checks its medium by.
const SUMS: &str = "md5sum.txt";

/// The part of an image that a failed change in place puts back: system area and volume descriptors.
const HEAD: usize = 64 << 10;

/// What is put on a medium.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// What the boot menu calls it, such as `lab (2 machines)`.
    pub title: String,
    /// Further arguments of the kernel, for the installer and the installed system.
    pub kernel_args: String,
    /// The files of the medium's folder, relative to it.
    pub files: &'a [Rendered],
    /// What they are.
    pub manifest: &'a Manifest,
}

/// Copies a source image, and tells on the way what its SHA-256 is.
///
/// # Errors
/// If reading or writing fails.
pub fn copy(source: &Source, target: &File) -> Result<String, MediaError> {
    let mut from = source.file().try_clone()?;
    from.seek(SeekFrom::Start(0))?;
    let reader = source.file();
    std::thread::scope(|scope| {
        // Each reads for itself: the kernel can then copy without the bytes passing through here.
        let digest = scope.spawn(move || {
            let mut digest = Sha256::new();
            let mut block = vec![0; 1 << 20];
            let mut at = 0;
            loop {
                let read = reader.read_at(&mut block, at)?;
                if read == 0 {
                    return Ok::<_, std::io::Error>(hex::encode(&digest.finalize()));
                }
                digest.update(&block[..read]);
                at += read as u64;
            }
        });
        let mut to = target;
        let copied = std::io::copy(&mut from, &mut to);
        let digest = digest
            .join()
            .map_err(|_| MediaError::Malformed("it could not be read".to_owned()))?;
        copied?;
        Ok(digest?)
    })
}

/// Puts a fleet on the image in `file`, which `path` leads to while `file` is open. The image has to be one that
/// [`Source::open`] agreed to. On failure it is what it was before.
///
/// # Errors
/// If xorriso is not there or fails, or what it wrote does not read back.
pub fn bake(file: &File, path: &str, fleet: &Fleet<'_>) -> Result<(), MediaError> {
    let before = file.metadata()?;
    let mut head = vec![0; HEAD];
    file.read_exact_at(&mut head, 0)?;
    // From here on it holds keys.
    file.set_permissions(Permissions::from_mode(0o600))?;
    let baked = bake_or_fail(file, path, fleet);
    if baked.is_err() {
        file.write_all_at(&head, 0)?;
        file.set_len(before.len())?;
        file.set_permissions(before.permissions())?;
    }
    baked
}

fn bake_or_fail(file: &File, path: &str, fleet: &Fleet<'_>) -> Result<(), MediaError> {
    let before = Boot::of(file)?;
    let mut image = Image::open(file)?;
    let menus = menus::patched(&mut image, fleet)?;
    let manifest = fleet.manifest.to_json();
    let mut files: Vec<(String, &[u8], bool)> = menus
        .iter()
        .map(|(path, text)| (path.clone(), text.as_bytes(), false))
        .collect();
    for file in fleet.files {
        let secret = matches!(file.content, Content::Secret(_));
        files.push((
            format!("{FOLDER}/{}", file.path),
            file.content.bytes(),
            secret,
        ));
    }
    files.push((format!("{FOLDER}/{MANIFEST}"), manifest.as_bytes(), false));
    let sums = md5sums(&mut image, &files)?;
    if let Some(sums) = &sums {
        files.push((SUMS.to_owned(), sums.as_bytes(), false));
    }

    xorriso::write(path, &files)?;

    let mut image = Image::open(file)?;
    for (path, bytes, _) in &files {
        let found = image.find(path)?;
        let same = match found {
            Some(node) => SecretBytes::new(image.read(&node, seed::MAX_BYTES)?).expose() == *bytes,
            None => false,
        };
        if !same {
            return Err(MediaError::NotReadBack(path.clone()));
        }
    }
    let after = Boot::of(file)?;
    if before != after {
        return Err(MediaError::NotReadBack(format!(
            "it booted by {before} and now boots by {after}"
        )));
    }
    Ok(())
}

/// A baked image, read.
#[derive(Debug)]
pub struct Baked {
    /// What the image it was made from says it is.
    pub source: String,
    /// How it boots.
    pub boot: Boot,
    /// What is on it.
    pub manifest: Manifest,
    /// The medium's own table: hardware address, cluster, host, serial number.
    pub hosts: Vec<[String; 4]>,
    /// Files that are not what the manifest says, or not there.
    pub faults: Vec<String>,
}

/// Reads a baked image; nothing if it is an ISO 9660 image of another kind.
///
/// # Errors
/// If it is no image, or a damaged one.
pub fn read(path: &Utf8Path) -> Result<Option<Baked>, MediaError> {
    let file = fs_err::File::open(path)?.into_file();
    let mut image = Image::open(&file)?;
    let mut text = |name: &str| -> Result<Option<Vec<u8>>, MediaError> {
        match image.find(name)? {
            Some(node) if !node.is_folder => Ok(Some(image.read(&node, seed::MAX_BYTES)?)),
            _ => Ok(None),
        }
    };
    let Some(manifest) = text(&format!("{FOLDER}/{MANIFEST}"))? else {
        return Ok(None);
    };
    let manifest = Manifest::of_medium(&manifest).ok_or_else(|| {
        MediaError::Malformed(format!(
            "its {FOLDER}/{MANIFEST} is damaged or of a newer lxseed"
        ))
    })?;
    let hosts = text(&format!("{FOLDER}/hosts"))?.unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts);
    let hosts = hosts
        .lines()
        .map(|line| {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            std::array::from_fn(|_| words.next().unwrap_or_default())
        })
        .collect();
    let mut faults = Vec::new();
    for entry in &manifest.files {
        let found = text(&format!("{FOLDER}/{}", entry.path))?.map(SecretBytes::new);
        let digest = found.map(|bytes| hex::encode(&Sha256::digest(bytes.expose())));
        if digest.as_ref() != Some(&entry.sha256) {
            faults.push(format!("{FOLDER}/{}", entry.path));
        }
    }
    for menu in menus::MENUS {
        let names_ours = text(menu)?
            .is_some_and(|menu| String::from_utf8_lossy(&menu).contains(&menus::start_argument()));
        if !names_ours {
            faults.push(menu.to_owned());
        }
    }
    let source = text(source::INFO)?.unwrap_or_default();
    Ok(Some(Baked {
        source: String::from_utf8_lossy(&source).trim().to_owned(),
        boot: Boot::of(&file)?,
        manifest,
        hosts,
        faults,
    }))
}

/// The image's md5sum.txt with the lines of these files made anew, if it has one. The installer's check of the medium reads
/// it; MD5 is what it asks for, and guards against scratches alone.
fn md5sums(
    image: &mut Image<&File>,
    files: &[(String, &[u8], bool)],
) -> Result<Option<String>, MediaError> {
    let Some(node) = image.find(SUMS)? else {
        return Ok(None);
    };
    let original = image.read(&node, seed::MAX_BYTES)?;
    let changed: HashMap<String, &[u8]> = files
        .iter()
        .map(|(path, bytes, _)| (format!("./{path}"), *bytes))
        .collect();
    let mut text = String::new();
    for line in String::from_utf8_lossy(&original).lines() {
        let name = line.split_once("  ").map_or("", |(_, name)| name);
        if !changed.contains_key(name) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (path, bytes, _) in files {
        // The boot loader's own folder is not in it: its files are changed as the image is made.
        if !path.starts_with("isolinux/") {
            let digest = hex::encode(&md5::Md5::digest(bytes));
            text.push_str(&format!("{digest}  ./{path}\n"));
        }
    }
    Ok(Some(text))
}
