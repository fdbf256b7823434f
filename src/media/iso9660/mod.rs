//! ISO 9660 (ECMA-119) with Joliet and Rock Ridge (RRIP 1.10 on SUSP 1.10).

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{Image, Names, Node};
pub(super) use write::{Member, write};

/// The size of a logical block, in bytes.
const BLOCK: usize = 2048;
/// The first block after the system area: here the volume descriptors begin.
const FIRST_DESCRIPTOR: u32 = 16;
/// What every volume descriptor holds after its type.
const MAGIC: &[u8; 5] = b"CD001";
/// Types of volume descriptors.
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// Marks a supplementary descriptor as Joliet's, UCS-2 level 3 (the levels differ in nothing a seed uses).
const JOLIET: &[u8; 3] = b"%/E";
/// Where fields of a volume descriptor begin (ECMA-119, 8.4).
mod field {
    pub(super) const SYSTEM: usize = 8;
    pub(super) const VOLUME: usize = 40;
    pub(super) const BLOCKS: usize = 80;
    pub(super) const ESCAPES: usize = 88;
    pub(super) const SET_SIZE: usize = 120;
    pub(super) const SEQUENCE: usize = 124;
    pub(super) const BLOCK_SIZE: usize = 128;
    pub(super) const PATH_TABLE_SIZE: usize = 132;
    pub(super) const PATH_TABLE_L: usize = 140;
    pub(super) const PATH_TABLE_M: usize = 148;
    pub(super) const ROOT: usize = 156;
    pub(super) const SET: usize = 190;
    pub(super) const PREPARER: usize = 446;
    pub(super) const TIMES: usize = 813;
    pub(super) const VERSION: usize = 881;
}
/// The bit in a directory record's flags that says it is a folder.
const FOLDER: u8 = 2;
/// The length of the fixed part of a directory record.
const RECORD: usize = 33;
