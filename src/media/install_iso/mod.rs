//! Install media: an installer's image with the seeds and answers of a whole fleet. What the image's own files are
//! called and hold is the installer's to know; here files are added to an image that boots as before.

mod boot;
mod copy;
pub(crate) mod own;
mod skeleton;
mod xorriso;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use super::bundled::BundledFile;
use super::iso9660::{Image, Node};
use super::{MediaError, path_of, seed_image};
use crate::foreign;
use crate::hex;
use crate::interrupt;
use crate::seed::{Content, File as Rendered};
use crate::tree::{MANIFEST, Manifest};
use crate::trust::SecretBytes;

use skeleton::{Changes, Disk as _, InSteps, Skeleton, Undo};
use xorriso::Addition;

pub use boot::Boot;
pub use skeleton::Left;

/// What the installer checks its medium by.
const SUMS: &str = "md5sum.txt";

/// The size of a block of an image, in bytes.
const BLOCK: u64 = 2048;

/// Why an image was not changed in place, and what is left of it.
#[derive(Debug)]
pub struct NotPut {
    /// What failed first.
    pub error: MediaError,
    /// What is there now.
    pub left: Left,
}

/// Where on a baked image what is lxseed's lies, and how it is started.
#[derive(Debug)]
pub struct Layout {
    /// The folder of everything that was added.
    pub folder: &'static str,
    /// What the image says of itself.
    pub info: &'static str,
    /// The boot menus.
    pub menus: &'static [&'static str],
    /// What each of them has to hold.
    pub start: String,
}

/// The image to start from.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// The open image.
    pub file: &'a File,
    /// Where it is, from the root on.
    pub path: &'a Utf8Path,
}

/// What is put on a medium.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// The image's own files that are replaced, by path.
    pub replaced: BTreeMap<String, String>,
    /// The folder of everything else.
    pub folder: &'static str,
    /// The files of that folder, relative to it.
    pub files: &'a [Rendered],
    /// Further ones, which are too large for that.
    pub bundled: &'a [BundledFile],
    /// What they are.
    pub manifest: &'a Manifest,
}

/// What baking makes of an image, worked out beside it.
pub struct Session<'a> {
    skeleton: Skeleton,
    files: Vec<Addition<'a>>,
    folder: &'static str,
    bundled: &'a [BundledFile],
    boot: Boot,
}

/// Works out what a fleet changes on an image. Nothing is written to the image. The file that this takes, in the folder
/// for temporary files or in `folder`, has no name and holds no key.
///
/// # Errors
/// If the image is damaged, xorriso is not there or fails, or there is no room.
pub fn session<'a>(base: Base<'_>, folder: &Utf8Path, fleet: &Fleet<'a>) -> Result<Session<'a>, MediaError> {
    let mut image = Image::open(base.file)?;
    let plain = |path: String, bytes: String| Addition {
        path,
        bytes: Cow::Owned(bytes.into_bytes()),
        secret: false,
    };
    let replaced = fleet.replaced.iter();
    let mut files: Vec<Addition<'a>> = replaced.map(|(path, text)| plain(path.clone(), text.clone())).collect();
    files.extend(fleet.files.iter().map(|file| Addition {
        path: format!("{}/{}", fleet.folder, file.path),
        bytes: Cow::Borrowed(file.content.bytes()),
        secret: matches!(file.content, Content::Secret(_)),
    }));
    files.push(plain(format!("{}/{MANIFEST}", fleet.folder), fleet.manifest.to_json()));
    if let Some(sums) = md5sums(&mut image, &files, fleet)? {
        files.push(plain(SUMS.to_owned(), sums));
    }
    // As much again for directories, and what xorriso adds at the end.
    let sizes = files.iter().map(|file| file.bytes.len() as u64);
    let bundled = fleet.bundled.iter().map(|file| file.entry.size);
    let more = sizes.chain(bundled).map(|size| size + 2 * BLOCK).sum::<u64>();
    let skeleton = Skeleton::of(base.file, more + (4 << 20), folder)?;
    xorriso::make_room(&path_of(skeleton.file()), base.path, &files, fleet)?;
    Ok(Session {
        skeleton,
        files,
        folder: fleet.folder,
        bundled: fleet.bundled,
        boot: Boot::of(base.file)?,
    })
}

/// Copies the image to `target` and works out what a fleet changes on it, side by side. Returns the lower-case
/// hexadecimal SHA-256 of the image, too.
///
/// # Errors
/// If either fails.
pub fn copy_and_session<'a>(
    base: Base<'_>,
    target: &File,
    folder: &Utf8Path,
    fleet: &Fleet<'a>,
) -> Result<(String, Session<'a>), MediaError> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copied = std::thread::Builder::new().spawn_scoped(scope, || copy::copy(base.file, target, &stop))?;
        let session = session(base, folder, fleet);
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
    pub fn put(&self, base: Base<'_>, target: &File) -> Result<(), MediaError> {
        let changes = self.skeleton.changes(base.file)?;
        self.skeleton.put(&changes, target, &self.contents()?, false)?;
        self.read_back(target)
    }

    /// Puts the fleet on the image itself. It is the image that it was until its beginning is written, last of all.
    ///
    /// # Errors
    /// If writing fails, or the image does not read back: it is then led back to what it was, as far as that goes. A signal
    /// that ends the program does the same.
    pub fn put_in_place(&self, base: Base<'_>) -> Result<(), NotPut> {
        let untouched = |error: MediaError| NotPut {
            error,
            left: Left::AsItWas,
        };
        let contents = self.contents().map_err(untouched)?;
        let begun = || -> Result<_, MediaError> {
            let before = base.file.metadata()?.permissions();
            let changes = self.skeleton.changes(base.file)?;
            let undo = Arc::new(Undo::of(base.file, &changes, &contents)?);
            Ok((before, changes, undo, base.file.try_clone()?))
        };
        let (before, changes, undo, again) = begun().map_err(untouched)?;
        let lead_back = |undo: &Undo, file: &File, before: &Permissions| {
            undo.undo(file).map(|()| {
                // Where it stays private it is as it was all the same.
                let _: std::io::Result<()> = file.set_permissions(before.clone());
            })
        };
        let (undo_again, before_again) = (Arc::clone(&undo), before.clone());
        let unfinished = interrupt::unfinished(base.path.to_owned(), move || {
            lead_back(&undo_again, &again, &before_again).map_err(|left| std::io::Error::other(left.words()))
        });
        let put = self.put_in_steps(base.file, &changes, &contents);
        // Not even now may a signal come between.
        let _working = interrupt::working();
        let result = match put {
            Ok(()) => {
                interrupt::written();
                Ok(())
            }
            Err(error) => Err(NotPut {
                error,
                left: lead_back(&undo, base.file, &before).err().unwrap_or(Left::AsItWas),
            }),
        };
        drop(unfinished);
        result
    }

    fn put_in_steps(&self, file: &File, changes: &Changes, contents: &[(u64, &[u8])]) -> Result<(), MediaError> {
        {
            let _working = interrupt::working();
            // From here on it holds keys.
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        let steps = InSteps(file);
        self.skeleton.put(changes, &steps, contents, true)?;
        steps.sync()?;
        self.read_back(file)
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
                Some(node) => *SecretBytes::new(image.read(&node, seed_image::MAX_BYTES)?).expose() == *file.bytes,
                None => false,
            };
            if !same {
                return Err(MediaError::NotReadBack(file.path.clone()));
            }
        }
        for BundledFile { entry, .. } in self.bundled {
            let path = format!("{}/{}", self.folder, entry.path);
            let digest = nodes.get(&path).map(|node| sha256(&mut image, node)).transpose()?;
            if digest.as_ref() != Some(&entry.sha256) {
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

/// The SHA-256 of a file of the image.
fn sha256(image: &mut Image<&File>, node: &Node) -> Result<String, MediaError> {
    let mut digest = Sha256::new();
    image.pieces(node, |piece| digest.update(piece))?;
    Ok(hex::encode(&digest.finalize()))
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
pub fn read(path: &Utf8Path, layout: &Layout) -> Result<Option<Baked>, MediaError> {
    read_file(&foreign::open(path, false)?, layout)
}

pub(crate) fn read_file(file: &File, layout: &Layout) -> Result<Option<Baked>, MediaError> {
    let folder = layout.folder;
    let mut image = Image::open(file)?;
    let mut text = |name: &str| -> Result<Option<Vec<u8>>, MediaError> {
        match image.find(name)? {
            Some(node) if !node.is_folder => Ok(Some(image.read(&node, seed_image::MAX_BYTES)?)),
            _ => Ok(None),
        }
    };
    let Some(manifest) = text(&format!("{folder}/{MANIFEST}"))? else {
        return Ok(None);
    };
    let manifest = Manifest::of_medium(&manifest)
        .ok_or_else(|| MediaError::Malformed(format!("its {folder}/{MANIFEST} is damaged or of a newer lxseed")))?;
    let hosts = text(&format!("{folder}/hosts"))?.unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts);
    let hosts = hosts
        .lines()
        .map(|line| {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            std::array::from_fn(|_| words.next().unwrap_or_default())
        })
        .collect();
    let mut faults = Vec::new();
    let source = text(layout.info)?.unwrap_or_default();
    for menu in layout.menus {
        let names_ours = text(menu)?.is_some_and(|menu| String::from_utf8_lossy(&menu).contains(&layout.start));
        if !names_ours {
            faults.push((*menu).to_owned());
        }
    }
    // Files of a medium do not lie over one another: together they are no larger than it is.
    let mut left = file.metadata()?.len();
    let nodes: HashMap<String, Node> = image.files()?.into_iter().collect();
    for entry in &manifest.files {
        let path = format!("{folder}/{}", entry.path);
        let digest = match nodes.get(&path) {
            Some(node) => {
                left = left
                    .checked_sub(node.size.into())
                    .ok_or_else(|| MediaError::Malformed("its files lie over one another: it is damaged".to_owned()))?;
                Some(sha256(&mut image, node)?)
            }
            None => None,
        };
        if digest.as_ref() != Some(&entry.sha256) {
            faults.push(path);
        }
    }
    Ok(Some(Baked {
        source: String::from_utf8_lossy(&source).trim().to_owned(),
        boot: Boot::of(file)?,
        manifest,
        hosts,
        faults,
    }))
}

/// The image's md5sum.txt with the lines of these files made anew, if it has one. The installer's check of the medium
/// reads it; MD5 is what it asks for, and guards against scratches alone.
fn md5sums(image: &mut Image<&File>, files: &[Addition<'_>], fleet: &Fleet<'_>) -> Result<Option<String>, MediaError> {
    let Some(node) = image.find(SUMS)? else {
        return Ok(None);
    };
    let original = image.read(&node, seed_image::MAX_BYTES)?;
    let changed: HashSet<String> = files.iter().map(|file| format!("./{}", file.path)).collect();
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
    for file in fleet.bundled {
        let path = format!("{}/{}", fleet.folder, file.entry.path);
        text.push_str(&format!("{}  ./{path}\n", file.md5));
    }
    Ok(Some(text))
}
