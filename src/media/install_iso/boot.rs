//! How an image boots: El Torito (the CD's way) and the partition tables of isohybrid (the stick's way).

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::BLOCK;
use crate::media::MediaError;

/// The ways in which firmware can start an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// El Torito has an image for BIOS.
    pub cd_bios: bool,
    /// El Torito has an image for UEFI.
    pub cd_uefi: bool,
    /// The first sector is a master boot record with code in it.
    pub stick_bios: bool,
    /// A partition table, MBR or GPT, shows an EFI system partition.
    pub stick_uefi: bool,
}

impl Boot {
    /// Whether it boots as CD and as stick, under BIOS and under UEFI.
    #[must_use]
    pub fn everywhere(self) -> bool {
        self.cd_bios && self.cd_uefi && self.stick_bios && self.stick_uefi
    }

    /// Looks at an image.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn of(file: &File) -> Result<Self, MediaError> {
        let mut boot = Self::default();
        for entry in el_torito(file)? {
            match entry.platform {
                BIOS => boot.cd_bios = true,
                UEFI => boot.cd_uefi = true,
                _ => {}
            }
        }
        let mut sectors = [0; 1024];
        if file.read_exact_at(&mut sectors, 0).is_ok() && sectors[510..512] == [0x55, 0xaa] {
            boot.stick_bios = sectors[..432].iter().any(|byte| *byte != 0);
            // Four entries of 16 bytes; the type is the fifth byte. 0xef: EFI system partition.
            boot.stick_uefi =
                (0..4).any(|entry| sectors[446 + 16 * entry + 4] == 0xef) || sectors[512..].starts_with(b"EFI PART");
        }
        Ok(boot)
    }
}

/// The platforms of El Torito.
const BIOS: u8 = 0;
const UEFI: u8 = 0xef;

/// An image that El Torito starts.
struct Entry {
    platform: u8,
    block: u32,
}

/// El Torito 1.0, 2.0: the boot record volume descriptor names a catalog of 32-byte entries.
fn el_torito(file: &File) -> Result<Vec<Entry>, MediaError> {
    const BOOTABLE: u8 = 0x88;
    let mut record = [0; BLOCK as usize];
    if file.read_exact_at(&mut record, 17 * BLOCK).is_err()
        || record[..7] != *b"\0CD001\x01"
        || !record[7..].starts_with(b"EL TORITO SPECIFICATION")
    {
        return Ok(Vec::new());
    }
    let at = u32::from_le_bytes([record[71], record[72], record[73], record[74]]);
    let mut catalog = [0; BLOCK as usize];
    file.read_exact_at(&mut catalog, u64::from(at) * BLOCK)?;
    let mut platform = catalog[1];
    let mut entries = Vec::new();
    // The first entry validates the catalog; from then on headers (0x90, 0x91) change the platform.
    for entry in catalog.chunks_exact(32).skip(1) {
        match entry[0] {
            0x90 | 0x91 => platform = entry[1],
            BOOTABLE => entries.push(Entry {
                platform,
                block: u32::from_le_bytes([entry[8], entry[9], entry[10], entry[11]]),
            }),
            _ => {}
        }
    }
    Ok(entries)
}

/// The blocks at which the images begin that firmware starts.
pub(super) fn images(file: &File) -> Result<HashSet<u32>, MediaError> {
    Ok(el_torito(file)?.into_iter().map(|entry| entry.block).collect())
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = [
            (self.cd_bios, "CD on BIOS"),
            (self.cd_uefi, "CD on UEFI"),
            (self.stick_bios, "stick on BIOS"),
            (self.stick_uefi, "stick on UEFI"),
        ];
        let ways: Vec<&str> = ways.into_iter().filter_map(|(way, name)| way.then_some(name)).collect();
        f.write_str(if ways.is_empty() { "nothing" } else { "" })?;
        f.write_str(&ways.join(", "))
    }
}
