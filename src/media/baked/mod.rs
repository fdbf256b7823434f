//! Install media: 18.04's server image with the seeds and answers of a whole fleet.

mod boot;
mod copy;
mod known;
mod menus;
mod skeleton;
mod source;
mod xorriso;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::carried::Carried;
use super::iso9660::{Image, Node};
use super::{MediaError, path_of, seed};
use crate::hex;
use crate::output::{MANIFEST, Manifest};
use crate::render::medium::FOLDER;
use crate::render::{Content, File as Rendered};
use crate::trust::SecretBytes;

use skeleton::{Skeleton, Undo};
use xorriso::Addition;

pub use boot::Boot;
pub use known::Published;
pub use source::Source;

/// What the installer checks its medium by.
const SUMS: &str = "md5sum.txt";

/// The size of a block of an image, in bytes.
const BLOCK: u64 = 2048;

/// What is put on a medium.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// What the boot menu calls it, such as `lab (2 machines)`.
    pub title: String,
    /// Further arguments of the kernel, for the installer and the installed system.
    pub kernel_args: String,
    /// The installer is started with the HWE kernel, which the image has.
    pub hwe: bool,
    /// The files of the medium's folder, relative to it.
    pub files: &'a [Rendered],
    /// Further ones, which are too large for that.
    pub carried: &'a [Carried],
    /// What they are.
    pub manifest: &'a Manifest,
}

/// What baking makes of an image, worked out beside it.
pub struct Session<'a> {
    skeleton: Skeleton,
    files: Vec<Addition<'a>>,
    carried: &'a [Carried],
    boot: Boot,
}

/// Works out what a fleet changes on an image. Nothing is written to the image. The file that this takes, in the folder for temporary
/// files or in `folder`, has no name and holds no key.
///
/// # Errors
/// If the image is damaged, xorriso is not there or fails, or there is no room.
pub fn session<'a>(
    source: &Source,
    folder: &Utf8Path,
    fleet: &Fleet<'a>,
) -> Result<Session<'a>, MediaError> {
    let mut image = Image::open(source.file())?;
    let plain = |path: String, bytes: String| Addition {
        path,
        bytes: Cow::Owned(bytes.into_bytes()),
        secret: false,
    };
    let menus = menus::patched(&mut image, fleet)?;
    let mut files: Vec<Addition<'a>> = menus
        .into_iter()
        .map(|(path, text)| plain(path, text))
        .collect();
    files.extend(fleet.files.iter().map(|file| Addition {
        path: format!("{FOLDER}/{}", file.path),
        bytes: Cow::Borrowed(file.content.bytes()),
        secret: matches!(file.content, Content::Secret(_)),
    }));
    files.push(plain(
        format!("{FOLDER}/{MANIFEST}"),
        fleet.manifest.to_json(),
    ));
    if let Some(sums) = md5sums(&mut image, &files, fleet.carried)? {
        files.push(plain(SUMS.to_owned(), sums));
    }
    // As much again for directories, and what xorriso adds at the end.
    let sizes = files.iter().map(|file| file.bytes.len() as u64);
    let carried = fleet.carried.iter().map(|file| file.entry.size);
    let more = sizes
        .chain(carried)
        .map(|size| size + 2 * BLOCK)
        .sum::<u64>();
    let skeleton = Skeleton::of(source.file(), more + (4 << 20), folder)?;
    xorriso::make_room(
        &path_of(skeleton.file()),
        source.path(),
        &files,
        fleet.carried,
    )?;
    Ok(Session {
        skeleton,
        files,
        carried: fleet.carried,
        boot: Boot::of(source.file())?,
    })
}

/// Copies the image to `target` and works out what a fleet changes on it, side by side. Returns the lower-case hexadecimal SHA-256
/// of the image, too.
///
/// # Errors
/// If either fails.
pub fn copy_and_session<'a>(
    source: &Source,
    target: &File,
    folder: &Utf8Path,
    fleet: &Fleet<'a>,
) -> Result<(String, Session<'a>), MediaError> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copied = scope.spawn(|| copy::copy(source.file(), target, &stop));
        let session = session(source, folder, fleet);
        if session.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        let copied = copied
            .join()
            .map_err(|_| MediaError::Malformed("it could not be copied".to_owned()))?;
        let session = session?;
        Ok((copied?, session))
    })
}

impl Session<'_> {
    /// Puts the fleet on `target`, which is a copy of the image, and compares what is there with what shall be there.
    ///
    /// # Errors
    /// If writing fails, or the image does not read back.
    pub fn put(&self, source: &Source, target: &File) -> Result<(), MediaError> {
        let contents = self.contents()?;
        self.skeleton.put(source.file(), target, &contents, None)?;
        self.read_back(target)
    }

    /// Puts the fleet on the image itself. It is the image that it was until its beginning is written, last of all.
    ///
    /// # Errors
    /// If writing fails, or the image does not read back: it is then led back to what it was.
    pub fn put_in_place(&self, source: &Source) -> Result<(), MediaError> {
        let file = source.file();
        let before = file.metadata()?.permissions();
        let contents = self.contents()?;
        let mut undo = Undo::of(file)?;
        // From here on it holds keys.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let put = self
            .skeleton
            .put(file, file, &contents, Some(&mut undo))
            .and_then(|()| Ok(file.sync_data()?))
            .and_then(|()| self.read_back(file));
        if put.is_err() {
            undo.undo(file)?;
            file.set_permissions(before)?;
        }
        put
    }

    /// Every file with its place, where there is something else of its size by now.
    fn contents(&self) -> Result<Vec<(u64, &[u8])>, MediaError> {
        let mut image = Image::open(self.skeleton.file())?;
        let mut nodes: HashMap<String, Node> = image.files()?.into_iter().collect();
        self.files
            .iter()
            .map(|file| match nodes.remove(&file.path) {
                Some(node) if node.size as usize == file.bytes.len() => {
                    Ok((u64::from(node.block) * BLOCK, &*file.bytes))
                }
                _ => Err(MediaError::NotReadBack(file.path.clone())),
            })
            .collect()
    }

    fn read_back(&self, file: &File) -> Result<(), MediaError> {
        let mut image = Image::open(file)?;
        let mut nodes: HashMap<String, Node> = image.files()?.into_iter().collect();
        for file in &self.files {
            let same = match nodes.remove(&file.path) {
                Some(node) => {
                    *SecretBytes::new(image.read(&node, seed::MAX_BYTES)?).expose() == *file.bytes
                }
                None => false,
            };
            if !same {
                return Err(MediaError::NotReadBack(file.path.clone()));
            }
        }
        for Carried { entry, .. } in self.carried {
            let path = format!("{FOLDER}/{}", entry.path);
            if sha256(&mut image, &path)?.as_ref() != Some(&entry.sha256) {
                return Err(MediaError::NotReadBack(path));
            }
        }
        let after = Boot::of(file)?;
        if self.boot != after {
            return Err(MediaError::NotReadBack(format!(
                "it booted by {} and now boots by {after}",
                self.boot
            )));
        }
        Ok(())
    }
}

/// The SHA-256 of a file of the image, if it is there.
fn sha256(image: &mut Image<&File>, path: &str) -> Result<Option<String>, MediaError> {
    let Some(node) = image.find(path)?.filter(|node| !node.is_folder) else {
        return Ok(None);
    };
    let mut digest = Sha256::new();
    image.pieces(&node, |piece| digest.update(piece))?;
    Ok(Some(hex::encode(&digest.finalize())))
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
    let source = text(source::INFO)?.unwrap_or_default();
    for menu in menus::MENUS {
        let names_ours = text(menu)?
            .is_some_and(|menu| String::from_utf8_lossy(&menu).contains(&menus::start_argument()));
        if !names_ours {
            faults.push(menu.to_owned());
        }
    }
    for entry in &manifest.files {
        let path = format!("{FOLDER}/{}", entry.path);
        if sha256(&mut image, &path)?.as_ref() != Some(&entry.sha256) {
            faults.push(path);
        }
    }
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
    files: &[Addition<'_>],
    carried: &[Carried],
) -> Result<Option<String>, MediaError> {
    let Some(node) = image.find(SUMS)? else {
        return Ok(None);
    };
    let original = image.read(&node, seed::MAX_BYTES)?;
    let changed: HashSet<String> = files
        .iter()
        .map(|file| format!("./{}", file.path))
        .collect();
    let mut text = String::new();
    for line in String::from_utf8_lossy(&original).lines() {
        let name = line.split_once("  ").map_or("", |(_, name)| name);
        if !changed.contains(name) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for Addition { path, bytes, .. } in files {
        // The boot loader's own folder is not in it: its files are changed as the image is made.
        if !path.starts_with("isolinux/") {
            let digest = hex::encode(&md5::Md5::digest(bytes));
            text.push_str(&format!("{digest}  ./{path}\n"));
        }
    }
    for file in carried {
        text.push_str(&format!("{}  ./{FOLDER}/{}\n", file.md5, file.entry.path));
    }
    Ok(Some(text))
}
