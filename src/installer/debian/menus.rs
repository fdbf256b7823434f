//! The boot menus: isolinux's for BIOS and GRUB's for UEFI. Both, or a machine with the other firmware would stand at
//! the menu that waits for a person.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::medium::{FOLDER, MARK, START};
use crate::media::MediaError;
use crate::media::iso9660::Image;

/// The installer.
pub(super) const KERNEL: &str = "install/vmlinuz";
pub(super) const INITRD: &str = "install/initrd.gz";
/// The installer with the HWE kernel, on images from 18.04.2 on.
pub(super) const HWE_KERNEL: &str = "install/hwe-vmlinuz";
pub(super) const HWE_INITRD: &str = "install/hwe-initrd.gz";

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

/// Runs before anything is fetched. To fetch a file the installer first looks for a stick or a floppy, and to that end
/// mounts every disk at /media, writable, with what that does to a journal; it stops doing so once something is mounted
/// there.
const KEEP_OFF_DISKS: &str = "\"preseed/early_command=mount -t tmpfs none /media\"";

/// Lets the installer ask for the number of the system that is to be erased. It is on no entry that starts by itself.
const AGAIN: &str = "lxseed=again ";
const AGAIN_TITLE: &str = "Install again, over a system that lxseed installed: asks for its number";

/// Kernel and initrd of the installer.
fn installer(menu: &Menu<'_>) -> (&'static str, &'static str) {
    if menu.hwe {
        (HWE_KERNEL, HWE_INITRD)
    } else {
        (KERNEL, INITRD)
    }
}

/// The kernel's arguments. Locale and keyboard are asked before the file is read, so they stand here. What follows the
/// three dashes is for the installed system as well.
fn arguments(menu: &Menu<'_>, again: bool) -> String {
    let again = if again { AGAIN } else { "" };
    let start = start_argument();
    let line = format!(
        "auto=true priority=critical locale=en_US.UTF-8 console-setup/ask_detect=false \
         keyboard-configuration/layoutcode=us keyboard-configuration/xkb-keymap=us {KEEP_OFF_DISKS} {start} {again}quiet --- {}",
        menu.kernel_args
    );
    line.trim_end().to_owned()
}

/// What the boot menu of a medium offers.
#[derive(Debug)]
pub struct Menu<'a> {
    /// What it calls the machines, such as `lab (2 machines)`.
    pub title: &'a str,
    /// Further arguments of the kernel, for the installer and the installed system.
    pub kernel_args: &'a str,
    /// The installer is started with the HWE kernel, which the image has.
    pub hwe: bool,
}

/// The menus to replace, by path.
///
/// # Errors
/// If the image's own are not what 18.04's are.
pub(super) fn patched<S: Read + Seek>(
    image: &mut Image<S>,
    menu: &Menu<'_>,
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
    texts.insert(ENTRIES.to_owned(), isolinux_entries(&entries, menu));
    texts.insert(GRUB.to_owned(), grub_menu(&grub, menu)?);
    texts.insert(ISOLINUX.to_owned(), isolinux(menu));
    Ok(texts)
}

/// In place of the image's own, whose language prompt (gfxboot) waits for a person. vesamenu.c32 is on every image of
/// 18.04: it draws the installer's advanced menus.
fn isolinux(menu: &Menu<'_>) -> String {
    let (title, tenths) = (&menu.title, COUNTDOWN * 10);
    format!(
        "# Made by lxseed.\npath\ndefault vesamenu.c32\nprompt 0\ntimeout {tenths}\nmenu title lxseed: {title}\n\
         menu autoboot Installing {title} in # seconds; ERASES the system disk, if lxseed did not install it\ninclude txt.cfg\n"
    )
}

/// Our entry, and the image's own below it.
fn isolinux_entries(original: &str, menu: &Menu<'_>) -> String {
    let (kernel, initrd) = installer(menu);
    let boot = |again| {
        format!(
            "  kernel /{kernel}\n  append initrd=/{initrd} vga=788 {}\n",
            arguments(menu, again)
        )
    };
    let mut text = format!(
        "default lxseed\nlabel lxseed\n  menu label ^Install {}: ERASES the system disk\n  menu default\n{}\
         label lxseed-again\n  menu label {AGAIN_TITLE}\n{}",
        menu.title,
        boot(false),
        boot(true),
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

/// The first entry, and so the default, where a host of this medium was installed on a disk of the machine. It goes by
/// the system's own menu, as firmware and partition tables do not show from which disk of several it starts; GRUB only
/// reads, journals included.
fn start_installed() -> String {
    format!(
        "search --no-floppy --file --set=lxseed_system /{MARK}\n\
         if [ -n \"$lxseed_system\" ]; then\n\
         \tsource ($lxseed_system)/{MARK}\n\
         \tif [ -n \"$lxseed_number\" -a -d \"/{FOLDER}/$lxseed_cluster/$lxseed_host\" ]; then\n\
         \t\tmenuentry \"Start $lxseed_host of $lxseed_cluster, installed $lxseed_since\" {{\n\
         \t\t\techo \"This machine is $lxseed_host of $lxseed_cluster since $lxseed_since, number $lxseed_number.\"\n\
         \t\t\techo \"It was left untouched. Pull this medium out; it is started from its disk.\"\n\
         \t\t\tsleep 3\n\
         \t\t\tset root=$lxseed_system\n\
         \t\t\tconfigfile ($lxseed_system)/boot/grub/grub.cfg\n\
         \t\t}}\n\
         \tfi\n\
         fi\n"
    )
}

/// Our entries before the image's own.
fn grub_menu(original: &str, menu: &Menu<'_>) -> Result<String, MediaError> {
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
            let (kernel, initrd) = installer(menu);
            let entry = |title: &str, again| {
                format!(
                    "menuentry \"{title}\" {{\n\tset gfxpayload=keep\n\tlinux\t/{kernel} {}\n\tinitrd\t/{initrd}\n}}\n",
                    arguments(menu, again)
                )
            };
            text.push_str(&format!(
                "# Made by lxseed.\nset default=0\nset timeout_style=menu\nset timeout={COUNTDOWN}\n{}{}{}",
                start_installed(),
                entry(&format!("Install {}: ERASES the system disk", menu.title), false),
                entry(AGAIN_TITLE, true),
            ));
        }
        text.push_str(line);
        text.push('\n');
    }
    if !placed {
        return Err(MediaError::Malformed(format!("its {GRUB} has no menu entry")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    const MENU: Menu<'_> = Menu {
        title: "lab (2 machines)",
        kernel_args: "console=ttyS1",
        hwe: false,
    };

    #[test]
    fn our_entry_is_the_default_and_the_images_own_stays() {
        let menu = &MENU;
        let original = "default install\nlabel install\n  menu label ^Install Ubuntu Server\n  menu default\n  kernel /install/vmlinuz\n  \
                            append  file=/cdrom/preseed/ubuntu-server.seed quiet ---\n";
        let text = isolinux_entries(original, menu);
        assert!(text.starts_with("default lxseed\nlabel lxseed\n"), "{text}");
        assert_eq!(text.matches("menu default").count(), 1, "{text}");
        assert_eq!(text.matches("\ndefault ").count(), 0, "{text}");
        let own = "label install\n  menu label ^Install Ubuntu Server\n  kernel /install/vmlinuz\n  append  \
                       file=/cdrom/preseed/ubuntu-server.seed quiet ---\n";
        assert!(text.ends_with(own), "{text}");
        assert!(text.contains(" file=/cdrom/lxseed/start.cfg quiet --- console=ttyS1\n"));

        let original = "set timeout=30\nset default=2\nset color=x\nmenuentry \"Own\" {\n\tset gfxpayload=keep\n}\n";
        let text = grub_menu(original, menu).unwrap();
        assert!(
            text.starts_with("set color=x\n# Made by lxseed.\nset default=0\n"),
            "{text}"
        );
        assert!(
            text.ends_with("menuentry \"Own\" {\n\tset gfxpayload=keep\n}\n"),
            "{text}"
        );
        assert_eq!(text.matches("set timeout=").count(), 1, "{text}");
        // Ours, the one for an installed system, the one that installs over it, and the image's own.
        assert_eq!(text.matches("menuentry ").count(), 4, "{text}");
        assert_eq!(text.matches(" lxseed=again ").count(), 1, "{text}");
        assert!(grub_menu("set x=1\n", menu).is_err());
    }

    /// Linux takes 32 options and 2048 characters.
    #[test]
    fn the_kernel_takes_the_line() {
        let menu = &MENU;
        let line = arguments(menu, true);
        assert!(line.split(' ').count() <= 24 && line.len() < 512, "{line}");
        assert!(!isolinux(menu).contains("gfxboot"));
    }
}
