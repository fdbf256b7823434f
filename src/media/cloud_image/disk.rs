//! What lies on a disk: the partition table, and the file system that the system starts from.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::instead;
use crate::budget::MAX_PARTITIONS;
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
    // From its copy at the end alone no firmware would start.
    let Some(table) = partitions(disk)? else {
        return no(format!("it has no GUID partition table: {}", instead()));
    };
    let (mut roots, mut cut_off, mut lvm) = (Vec::new(), false, false);
    for (first, last) in table {
        let sectors = last.checked_add(1);
        let end = sectors.and_then(|sectors| sectors.checked_mul(SECTOR));
        let (Some(end), Some(offset)) = (end, first.checked_mul(SECTOR)) else {
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

/// The first and the last sector of each partition by the primary table, if it is whole (UEFI 2.10, 5.3.2 and 5.3.3).
///
/// The crates for it take the header's word: entries of another size than 128 bytes end the program, and a table of
/// 2^32 entries is read.
fn partitions(disk: &File) -> Result<Option<Vec<(u64, u64)>>, MediaError> {
    /// The part of a header that has a meaning.
    const HEADER: usize = 92;
    /// An entry has 128 bytes, or a power of two times that.
    const ENTRY: u32 = 128;
    let mut header = [0; SECTOR as usize];
    if disk.read_exact_at(&mut header, SECTOR).is_err() || !header.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let (u32_at, u64_at) = (|at: usize| le32(&header, at), |at: usize| le64(&header, at));
    let length = u32_at(12) as usize;
    if u32_at(8) != 0x0001_0000 || !(HEADER..=header.len()).contains(&length) || u64_at(24) != 1 {
        return Ok(None);
    }
    let mut summed = header;
    summed[16..20].fill(0);
    if crc32fast::hash(&summed[..length]) != u32_at(16) {
        return Ok(None);
    }
    let (begin, entries, size) = (u64_at(72), u32_at(80), u32_at(84));
    if entries > MAX_PARTITIONS || !(ENTRY..=32 * ENTRY).contains(&size) || !size.is_power_of_two() {
        return Err(MediaError::Malformed(format!(
            "its partition table has {entries} entries of {size} bytes each, and at most {MAX_PARTITIONS} of {ENTRY} make sense"
        )));
    }
    // At most four megabytes.
    let mut table = vec![0; (entries * size) as usize];
    let read = begin
        .checked_mul(SECTOR)
        .map(|begin| disk.read_exact_at(&mut table, begin));
    if !matches!(read, Some(Ok(()))) || crc32fast::hash(&table) != u32_at(88) {
        return Ok(None);
    }
    let used = table
        .chunks_exact(size as usize)
        .filter(|entry| entry[..16].iter().any(|byte| *byte != 0));
    Ok(Some(used.map(|entry| (le64(entry, 32), le64(entry, 40))).collect()))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at + 4)) << 32 | u64::from(le32(bytes, at))
}

/// The superblock, 1 KiB behind the beginning of the file system (`struct ext4_super_block` of Linux).
fn ext4(disk: &File, offset: u64) -> Result<Option<Root>, MediaError> {
    const EXTENTS: u32 = 0x40;
    const SIXTY_FOUR: u32 = 0x80;
    const RECOVER: u32 = 0x4;
    let mut block = [0; 1024];
    let begin = offset.saturating_add(1024);
    if disk.read_exact_at(&mut block, begin).is_err() {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A table with one partition, and as many entries of such a size as are asked for.
    fn disk(entries: u32, size: u32) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let table = 1024..1024 + (entries.min(256) * size.min(1024)) as usize;
        bytes[1024] = 1;
        bytes[1024 + 32] = 64;
        bytes[1024 + 40] = 127;
        let sum = crc32fast::hash(&bytes[table]);
        let header = &mut bytes[512..1024];
        header[..8].copy_from_slice(b"EFI PART");
        header[10] = 1;
        header[12] = 92;
        header[24] = 1;
        header[72] = 2;
        header[80..84].copy_from_slice(&entries.to_le_bytes());
        header[84..88].copy_from_slice(&size.to_le_bytes());
        header[88..92].copy_from_slice(&sum.to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    fn seal(bytes: &mut [u8]) {
        bytes[528..532].fill(0);
        let sum = crc32fast::hash(&bytes[512..604]);
        bytes[528..532].copy_from_slice(&sum.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Result<Option<Vec<(u64, u64)>>, MediaError> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        partitions(&file)
    }

    #[test]
    fn a_table_is_read_within_its_bounds() {
        for (entries, size) in [(128, 128), (4, 128), (256, 128), (128, 256), (128, 1024)] {
            assert_eq!(
                read(&disk(entries, size)).unwrap(),
                Some(vec![(64, 127)]),
                "{entries}, {size}"
            );
        }
        for (entries, size) in [
            (u32::MAX, 128),
            (128, u32::MAX),
            (1025, 128),
            (128, 0),
            (128, 64),
            (128, 129),
            (128, 8192),
        ] {
            let error = read(&disk(entries, size)).unwrap_err().to_string();
            assert!(error.contains(&format!("{entries} entries of {size} bytes")), "{error}");
        }
        // Cut off, altered, or at another place than it says.
        assert_eq!(read(&disk(128, 128)[..600]).unwrap(), None);
        for at in [512, 520, 524, 528, 536, 560, 590, 600, 1024, 1056] {
            let mut bytes = disk(128, 128);
            bytes[at] ^= 0x55;
            assert_eq!(read(&bytes).unwrap(), None, "{at}");
        }
        for (at, value) in [(524, 0xff), (525, 0xff), (536, 2), (584, 0xff), (591, 0xff)] {
            let mut bytes = disk(128, 128);
            bytes[at] = value;
            seal(&mut bytes);
            assert_eq!(read(&bytes).unwrap(), None, "{at}");
        }
    }
}
