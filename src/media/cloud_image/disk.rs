//! What lies on a disk: the partition table, and the file system that the system starts from.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use gpt::GptConfig;

use super::instead;
use crate::media::MediaError;

/// The label that Ubuntu's cloud images give to their root file system.
const LABEL: &str = "cloudimg-rootfs";
const SECTOR: u64 = 512;

/// An ext4 file system on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Where it begins on the disk, in bytes.
    pub(super) offset: u64,
    pub(super) label: String,
    /// In bytes.
    pub(super) block: u64,
    /// What is free in it, in bytes.
    pub(super) free: u64,
}

/// Finds the root file system: the one with the label of Ubuntu's images, or else the only one.
pub(super) fn root(disk: &File) -> Result<Root, MediaError> {
    let no = |why: String| Err(MediaError::Malformed(why));
    let size = disk.metadata()?.len();
    let table = GptConfig::new()
        .writable(false)
        .open_from_device(disk.try_clone()?)
        .ok()
        // From its copy at the end alone no firmware would start.
        .filter(|table| table.primary_header().is_ok());
    let Some(table) = table else {
        return no(format!("it has no GUID partition table: {}", instead()));
    };
    let (mut roots, mut cut_off, mut lvm) = (Vec::new(), false, false);
    for partition in table.partitions().values() {
        let sectors = partition.last_lba.checked_add(1);
        let end = sectors.and_then(|sectors| sectors.checked_mul(SECTOR));
        let (Some(end), Some(offset)) = (end, partition.first_lba.checked_mul(SECTOR)) else {
            return no("its partition table is damaged".to_owned());
        };
        if end > size {
            cut_off = true;
        } else if let Some(root) = ext4(disk, offset)? {
            roots.push(root);
        } else {
            lvm |= is_lvm(disk, offset)?;
        }
    }
    if cut_off {
        return no(format!(
            "it is cut off: it has {size} bytes, and its partitions go on behind them"
        ));
    }
    if let Some(at) = roots.iter().position(|root| root.label == LABEL) {
        return Ok(roots.swap_remove(at));
    }
    match roots.len() {
        1 => Ok(roots.swap_remove(0)),
        0 if lvm => no("its system lies on LVM, and the root file system has to be a partition of its own".to_owned()),
        0 => no("there is no ext4 file system on it".to_owned()),
        several => no(format!(
            "there are {several} ext4 file systems on it, and none is labelled {LABEL}, so it cannot be told which one starts"
        )),
    }
}

/// The superblock, 1 KiB behind the beginning of the file system (`struct ext4_super_block` of Linux).
fn ext4(disk: &File, offset: u64) -> Result<Option<Root>, MediaError> {
    const EXTENTS: u32 = 0x40;
    const SIXTY_FOUR: u32 = 0x80;
    const RECOVER: u32 = 0x4;
    let mut block = [0; 1024];
    if disk.read_exact_at(&mut block, offset + 1024).is_err() {
        return Ok(None);
    }
    let u16_at = |at: usize| u16::from_le_bytes([block[at], block[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    if u16_at(0x38) != 0xef53 {
        return Ok(None);
    }
    let features = u32_at(0x60);
    if features & EXTENTS == 0 {
        return Ok(None);
    }
    let label = block[0x78..0x88].split(|byte| *byte == 0).next();
    let label = String::from_utf8_lossy(label.unwrap_or_default()).into_owned();
    // Writing past a journal that is still to be replayed would be undone in part at the first mount.
    if features & RECOVER != 0 || u16_at(0x3a) & 1 == 0 {
        return Err(MediaError::Malformed(format!(
            "its file system {label} was not unmounted cleanly: take the image as it was published, or one of a machine that was shut \
             down"
        )));
    }
    let high = if features & SIXTY_FOUR == 0 {
        0
    } else {
        u64::from(u32_at(0x158)) << 32
    };
    let size = 1024_u64 << u32_at(0x18).min(6);
    Ok(Some(Root {
        offset,
        label,
        block: size,
        free: (u64::from(u32_at(0x0c)) | high).saturating_mul(size),
    }))
}

/// A physical volume has its label in one of the first four sectors.
fn is_lvm(disk: &File, offset: u64) -> Result<bool, MediaError> {
    let mut sectors = [0; 2048];
    match disk.read_exact_at(&mut sectors, offset) {
        Ok(()) => Ok(sectors.chunks(512).any(|sector| sector.starts_with(b"LABELONE"))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}
