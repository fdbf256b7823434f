//! Is this an image that can be baked?

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::medium::FOLDER;
use super::menus::{self, HWE_INITRD, HWE_KERNEL, INITRD, KERNEL, Menu};
use crate::foreign;
use crate::media::install_iso::{Boot, Layout, own};
use crate::media::iso9660::Image;
use crate::media::{self, MediaError};
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
    /// Opens an image and refuses every other kind. Nothing is written. One that shall be changed in place has to be
    /// the user's alone, and stays locked as long as the value is there.
    ///
    /// # Errors
    /// Why it cannot be baked, and which image can.
    pub fn open(path: &Utf8Path, in_place: bool) -> Result<Self, MediaError> {
        // The caller names the path.
        let file = foreign::open(path, in_place)?;
        if in_place {
            own::claim(&file)?;
        }
        let found = Found::look(&file)?;
        let path = path
            .canonicalize_utf8()
            .map_err(|error| MediaError::Malformed(format!("{error}: its path is not UTF-8")))?;
        Ok(Self {
            file,
            path,
            info: found.info,
            claims: found.claims,
            hwe: found.hwe,
        })
    }

    /// The lower-case hexadecimal SHA-256 of the image.
    ///
    /// # Errors
    /// If reading fails.
    pub fn digest(&self) -> io::Result<String> {
        media::digest(&self.file)
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

/// What an image is found to be.
struct Found {
    info: String,
    claims: Option<Published>,
    hwe: bool,
}

impl Found {
    /// Refuses every other kind of image.
    fn look(file: &File) -> Result<Self, MediaError> {
        const USE: &str = "take the server image with the debian-installer, ubuntu-18.04.6-server-amd64.iso";
        let no = |why: String| Err(MediaError::Malformed(why));
        let mut image = Image::open(file)?;
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
        let boot = Boot::of(file)?;
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
        Ok(Self { info, claims, hwe })
    }
}

/// Looks at an image, and at its menus.
pub(crate) fn any_image(file: &File) -> Result<(), MediaError> {
    Found::look(file)?;
    let menu = Menu {
        title: "x",
        kernel_args: "",
        hwe: false,
    };
    menus::patched(&mut Image::open(file)?, &menu).map(drop)
}
