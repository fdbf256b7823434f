//! The boot menus: isolinux's for BIOS and GRUB's for UEFI. Both, or a machine with the other firmware would stand at the
//! menu that waits for a person.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::Fleet;
use super::source::{INITRD, KERNEL};
use crate::media::MediaError;
use crate::media::iso9660::Image;
use crate::render::medium::{FOLDER, START};

const ISOLINUX: &str = "isolinux/isolinux.cfg";
const ENTRIES: &str = "isolinux/txt.cfg";
const GRUB: &str = "boot/grub/grub.cfg";

/// Every menu that has to name our answers.
pub(super) const MENUS: [&str; 2] = [ENTRIES, GRUB];

/// Seconds until the medium installs by itself: enough to read one line and reach for the plug.
const COUNTDOWN: u32 = 15;

/// No menu is larger.
const MAX_MENU: u32 = 1 << 20;

/// The argument that makes an installer ours.
pub(super) fn start_argument() -> String {
    format!("file=/cdrom/{FOLDER}/{START}")
}

/// Runs before anything is fetched. To fetch a file the installer first looks for a stick or a floppy, and to that end mounts every
/// disk at /media, writable, with what that does to a journal; it stops doing so once something is mounted there.
const KEEP_OFF_DISKS: &str = "\"preseed/early_command=mount -t tmpfs none /media\"";

/// The kernel's arguments. Locale and keyboard are asked before the file is read, so they stand here. What follows the
/// three dashes is for the installed system as well.
fn arguments(fleet: &Fleet<'_>) -> String {
    let start = start_argument();
    let line = format!(
        "auto=true priority=critical locale=en_US.UTF-8 console-setup/ask_detect=false \
         keyboard-configuration/layoutcode=us keyboard-configuration/xkb-keymap=us {KEEP_OFF_DISKS} {start} quiet --- {}",
        fleet.kernel_args
    );
    line.trim_end().to_owned()
}

/// The menus to replace, by path.
pub(super) fn patched<S: Read + Seek>(
    image: &mut Image<S>,
    fleet: &Fleet<'_>,
) -> Result<BTreeMap<String, String>, MediaError> {
    let mut read = |path: &str| -> Result<Option<String>, MediaError> {
        let Some(node) = image.find(path)? else {
            return Ok(None);
        };
        let bytes = image.read(&node, MAX_MENU)?;
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| MediaError::Malformed(format!("its {path} is not text")))
    };
    let needed = |path: &str, text: Option<String>| {
        text.ok_or_else(|| MediaError::Malformed(format!("there is no {path} on it")))
    };
    let mut texts = BTreeMap::new();
    let entries = needed(ENTRIES, read(ENTRIES)?)?;
    let grub = needed(GRUB, read(GRUB)?)?;
    texts.insert(ENTRIES.to_owned(), isolinux_entries(&entries, fleet));
    texts.insert(GRUB.to_owned(), grub_menu(&grub, fleet)?);
    texts.insert(ISOLINUX.to_owned(), isolinux(fleet));
    Ok(texts)
}

/// In place of the image's own, whose language prompt (gfxboot) waits for a person. vesamenu.c32 is on every image of
/// 18.04: it draws the installer's advanced menus.
fn isolinux(fleet: &Fleet<'_>) -> String {
    let (title, tenths) = (&fleet.title, COUNTDOWN * 10);
    format!(
        "# Made by lxseed.\npath\ndefault vesamenu.c32\nprompt 0\ntimeout {tenths}\nmenu title lxseed: {title}\n\
         menu autoboot Installing {title} in # seconds; it ERASES the system disk\ninclude txt.cfg\n"
    )
}

/// Our entry, and the image's own below it.
fn isolinux_entries(original: &str, fleet: &Fleet<'_>) -> String {
    let mut text = format!(
        "default lxseed\nlabel lxseed\n  menu label ^Install {}: ERASES the system disk\n  menu default\n  kernel /{KERNEL}\n  \
         append initrd=/{INITRD} vga=788 {}\n",
        fleet.title,
        arguments(fleet),
    );
    for line in original.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        let is_default = line.split_whitespace().collect::<Vec<_>>() == ["menu", "default"];
        if first.eq_ignore_ascii_case("default") || is_default {
            continue;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Our entry before the image's own.
fn grub_menu(original: &str, fleet: &Fleet<'_>) -> Result<String, MediaError> {
    let mut text = String::with_capacity(original.len() + 1024);
    let mut placed = false;
    for line in original.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if matches!(words[..], ["set", setting, ..] if setting.starts_with("timeout") || setting.starts_with("default="))
        {
            continue;
        }
        if !placed && words.first() == Some(&"menuentry") {
            placed = true;
            text.push_str(&format!(
                "# Made by lxseed.\nset default=0\nset timeout_style=menu\nset timeout={COUNTDOWN}\n\
                 menuentry \"Install {}: ERASES the system disk\" {{\n\tset gfxpayload=keep\n\tlinux\t/{KERNEL} {}\n\
                 \tinitrd\t/{INITRD}\n}}\n",
                fleet.title,
                arguments(fleet),
            ));
        }
        text.push_str(line);
        text.push('\n');
    }
    if !placed {
        return Err(MediaError::Malformed(format!(
            "its {GRUB} has no menu entry"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::output::{About, Manifest};

    fn with_fleet(check: impl Fn(&Fleet<'_>)) {
        let about = About {
            program: String::new(),
            secret_fingerprint: String::new(),
            clusters: Vec::new(),
        };
        check(&Fleet {
            title: "lab (2 machines)".to_owned(),
            kernel_args: "console=ttyS1".to_owned(),
            files: &[],
            carried: &[],
            manifest: &Manifest::describe(about, &[], std::iter::empty()),
        });
    }

    #[test]
    fn our_entry_is_the_default_and_the_images_own_stays() {
        with_fleet(|fleet| {
            let original = "default install\nlabel install\n  menu label ^Install Ubuntu Server\n  menu default\n  kernel /install/vmlinuz\n  \
                            append  file=/cdrom/preseed/ubuntu-server.seed quiet ---\n";
            let text = isolinux_entries(original, fleet);
            assert!(text.starts_with("default lxseed\nlabel lxseed\n"), "{text}");
            assert_eq!(text.matches("menu default").count(), 1, "{text}");
            assert_eq!(text.matches("\ndefault ").count(), 0, "{text}");
            let own = "label install\n  menu label ^Install Ubuntu Server\n  kernel /install/vmlinuz\n  append  \
                       file=/cdrom/preseed/ubuntu-server.seed quiet ---\n";
            assert!(text.ends_with(own), "{text}");
            assert!(text.contains(" file=/cdrom/lxseed/start.cfg quiet --- console=ttyS1\n"));

            let original = "set timeout=30\nset default=2\nset color=x\nmenuentry \"Own\" {\n\tset gfxpayload=keep\n}\n";
            let text = grub_menu(original, fleet).unwrap();
            assert!(
                text.starts_with("set color=x\n# Made by lxseed.\nset default=0\n"),
                "{text}"
            );
            assert!(
                text.ends_with("menuentry \"Own\" {\n\tset gfxpayload=keep\n}\n"),
                "{text}"
            );
            assert_eq!(text.matches("set timeout=").count(), 1, "{text}");
            assert_eq!(text.matches("menuentry ").count(), 2, "{text}");
            assert!(grub_menu("set x=1\n", fleet).is_err());
        });
    }

    /// Linux takes 32 options and 2048 characters.
    #[test]
    fn the_kernel_takes_the_line() {
        with_fleet(|fleet| {
            let line = arguments(fleet);
            assert!(line.split(' ').count() <= 24 && line.len() < 512, "{line}");
            assert!(!isolinux(fleet).contains("gfxboot"));
        });
    }
}
