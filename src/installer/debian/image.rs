//! Is this an image that can be baked?

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};

use camino::{Utf8Path, Utf8PathBuf};

use super::medium::FOLDER;
use super::menus::{self, HWE_INITRD, HWE_KERNEL, INITRD, KERNEL, Menu};
use crate::media::MediaError;
use crate::media::install_iso::{Boot, Layout};
use crate::media::iso9660::Image;
use crate::target::Published;
use crate::target::bionic::BIONIC;

/// What an Ubuntu image says of itself.
pub(super) const INFO: &str = ".disk/info";

/// Where on a baked image of 18.04 what is lxseed's lies.
#[must_use]
pub fn layout() -> Layout {
    Layout {
        folder: FOLDER,
        info: INFO,
        menus: &menus::MENUS,
        start: menus::start_argument(),
    }
}

/// An 18.04 server image with the debian-installer, not baked yet.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: Utf8PathBuf,
    /// What it says of itself, in one line.
    pub info: String,
    /// The published image that it should be, if that one's digest is known.
    pub claims: Option<Published>,
    /// Whether its installer can be started with the HWE kernel, too.
    pub hwe: bool,
}

impl Source {
    /// Opens an image and refuses every other kind. Nothing is written.
    ///
    /// # Errors
    /// Why it cannot be baked, and which image can.
    pub fn open(path: &Utf8Path, write: bool) -> Result<Self, MediaError> {
        const USE: &str = "take the server image with the debian-installer, ubuntu-18.04.6-server-amd64.iso";
        let no = |why: String| Err(MediaError::Malformed(why));
        if path.is_dir() {
            return no("it is not a plain file".to_owned());
        }
        // The caller names the path.
        let file = OpenOptions::new().read(true).write(write).open(path)?;
        if !file.metadata()?.is_file() {
            return no("it is not a plain file".to_owned());
        }
        let mut image = Image::open(&file)?;
        if image.find(FOLDER)?.is_some() {
            return no("it has been baked already: start from the image as it was published".to_owned());
        }
        let info = match image.find(INFO)? {
            Some(node) => String::from_utf8_lossy(&image.read(&node, 4096)?).trim().to_owned(),
            None => String::new(),
        };
        let release = info
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or_default();
        if !info.starts_with("Ubuntu") {
            return no(format!("it does not say that it is an Ubuntu image: {USE}"));
        }
        if release != "18.04" && !release.starts_with("18.04.") {
            return no(format!("it is Ubuntu {release}, and lxseed installs 18.04: {USE}"));
        }
        if image.find("casper")?.is_some() {
            return no(format!(
                "it is a live image, whose installer takes no answers before 20.04: {USE}"
            ));
        }
        for needed in [KERNEL, INITRD].into_iter().chain(menus::MENUS) {
            if image.find(needed)?.is_none_or(|node| node.is_folder) {
                return no(format!("there is no {needed} on it: {USE}"));
            }
        }
        let mut hwe = true;
        for needed in [HWE_KERNEL, HWE_INITRD] {
            hwe &= image.find(needed)?.is_some_and(|node| !node.is_folder);
        }
        let boot = Boot::of(&file)?;
        if !(boot.cd_bios && boot.cd_uefi) {
            return no(format!(
                "it boots by {boot}, and 18.04's image by CD on BIOS and on UEFI: it is damaged, or was remade"
            ));
        }
        let claims = BIONIC
            .server_images
            .iter()
            .copied()
            .find(|image| info.split_whitespace().any(|word| word == image.release));
        let path = path
            .canonicalize_utf8()
            .map_err(|error| MediaError::Malformed(format!("{error}: its path is not UTF-8")))?;
        Ok(Self {
            file,
            path,
            info,
            claims,
            hwe,
        })
    }

    /// The menus of the image, with the entries of lxseed first.
    ///
    /// # Errors
    /// If they are not what 18.04's are.
    pub fn menus(&self, menu: &Menu<'_>) -> Result<BTreeMap<String, String>, MediaError> {
        menus::patched(&mut Image::open(&self.file)?, menu)
    }

    /// Where it is, from the root on.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        self.path.parent().unwrap_or(Utf8Path::new("/"))
    }

    /// The image.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}
