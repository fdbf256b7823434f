//! Reads qcow2, QEMU's format of disks, versions 2 and 3 (docs/interop/qcow2.rst of QEMU).
//!
//! An image of this format can name other files, also by protocols that lead off the machine, and qemu-img follows what
//! it names with the rights of whoever runs it. So no program but this one reads what others made, and whatever leads
//! out of the file is refused.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::DeflateDecoder;
use rayon::prelude::*;

use super::instead;
use crate::budget::MAX_DISK_BYTES;
use crate::media::MediaError;

/// What an image begins with.
pub(super) const MAGIC: &[u8] = b"QFI\xfb";

/// QEMU's own limit of the first level's table, in bytes.
const MAX_L1: u64 = 32 << 20;
/// The part of a table's entry that says where something is: bits 9 to 55.
const PLACE: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZEROS: u64 = 1;
/// Bits of an entry in either table that mean nothing, but for those that say what a cluster is.
const RESERVED_L1: u64 = 0x7f00_0000_0000_01ff;
const RESERVED_L2: u64 = 0x3f00_0000_0000_01fe;

/// Incompatible features: the only one that changes nothing here is which compression is used, which is looked at by
/// itself.
const COMPRESSION_TYPE: u64 = 1 << 3;
const FEATURES: [(u64, &str); 5] = [
    (1 << 0, "it was not closed by the program that wrote it"),
    (1 << 1, "it is marked as damaged"),
    (1 << 2, "its data lies in another file"),
    (1 << 4, "it has extended entries, which are not read here"),
    (!0 << 5, "it has a feature that is not known here"),
];
/// Header extensions that lead out of the image, or hide what is in it.
const EXTENSIONS: [(u32, &str); 2] = [
    (0x4441_5441, "its data lies in another file"),
    (0x0537_be77, "it is encrypted"),
];

/// An image whose header has been read.
#[derive(Debug)]
pub(super) struct Qcow2 {
    version: u32,
    cluster_bits: u32,
    /// Of the disk, in bytes.
    size: u64,
    /// Where each table of the second level begins; zero where there is none.
    tables: Vec<u64>,
    /// Of the image, in bytes.
    file_size: u64,
}

/// A part of the disk that is not all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    Plain(u64),
    /// Where its deflated bytes begin, and the most that they can be.
    Packed(u64, u64),
}

fn no<T>(why: impl AsRef<str>) -> Result<T, MediaError> {
    Err(MediaError::Malformed(format!("{}: {}", why.as_ref(), instead())))
}

impl Qcow2 {
    /// Reads the header and the first table, and refuses everything that is not a disk by itself.
    ///
    /// # Errors
    /// What it is that is refused.
    pub(super) fn open(file: &File) -> Result<Self, MediaError> {
        let file_size = file.metadata()?.len();
        let mut header = [0; 112];
        let length = usize::try_from(file_size).unwrap_or(usize::MAX).min(header.len());
        file.read_exact_at(&mut header[..length], 0)?;
        let u32_at = |at: usize| be32(&header, at);
        let u64_at = |at: usize| be64(&header, at);
        let version = u32_at(4);
        if length < 72 || !header.starts_with(MAGIC) || !matches!(version, 2 | 3) || (version == 3 && length < 104) {
            return no(format!("it is a qcow2 of version {version}, or damaged"));
        }
        if u64_at(8) != 0 {
            return no(format!("it leans on another file, {}", backing(file, &header)));
        }
        if u32_at(32) != 0 {
            return no("it is encrypted");
        }
        if u32_at(60) != 0 {
            return no("it holds snapshots, so a machine has run from it");
        }
        let (cluster_bits, size) = (u32_at(20), u64_at(24));
        if !(9..=21).contains(&cluster_bits) {
            return no("its header is damaged: its clusters have no size that there is");
        }
        let cluster = 1 << cluster_bits;
        if version == 3 {
            features(&header)?;
            let begin = u64::from(u32_at(100));
            if begin < 104 || begin > cluster || begin % 8 != 0 {
                return no("its header is damaged: it has no length that there is");
            }
            extensions(file, begin, cluster.min(file_size))?;
        } else {
            extensions(file, 72, cluster.min(file_size))?;
        }
        if size > MAX_DISK_BYTES {
            return no(format!(
                "it says that its disk has {size} bytes, and at most {MAX_DISK_BYTES} make sense"
            ));
        }
        let mut qcow2 = Self {
            version,
            cluster_bits,
            size,
            tables: Vec::new(),
            file_size,
        };
        qcow2.tables = qcow2.first_level(file, u64_at(40), u64::from(u32_at(36)))?;
        Ok(qcow2)
    }

    /// Bytes of the disk that one table of the second level is for.
    fn reach(&self) -> u64 {
        // A table is one cluster of eight bytes an entry.
        1 << (2 * self.cluster_bits - 3)
    }

    fn first_level(&self, file: &File, at: u64, entries: u64) -> Result<Vec<u64>, MediaError> {
        let needed = self.size.div_ceil(self.reach());
        if entries < needed || needed * 8 > MAX_L1 {
            return no("its first table is damaged");
        }
        let bytes = self.bytes(file, at, needed * 8)?;
        let (mut tables, mut seen) = (Vec::new(), HashSet::new());
        for entry in bytes.chunks_exact(8).map(|entry| be64(entry, 0)) {
            let place = entry & PLACE;
            if entry & RESERVED_L1 != 0 || !place.is_multiple_of(1 << self.cluster_bits) {
                return no("its first table is damaged");
            }
            // Each has a place of its own, so there are no more of them than the file has room for.
            if place != 0 && !seen.insert(place) {
                return no("its first table leads to one place twice");
            }
            tables.push(place);
        }
        Ok(tables)
    }

    /// Bytes of the image itself, where they have to be.
    fn bytes(&self, file: &File, at: u64, length: u64) -> Result<Vec<u8>, MediaError> {
        if at.checked_add(length).is_none_or(|end| end > self.file_size) {
            return no("it is cut off or damaged: a part of it lies behind its end");
        }
        // No longer than the file.
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Calls `take` with each table's clusters: their number on the disk, and where they are.
    fn each_table(
        &self,
        file: &File,
        mut take: impl FnMut(Vec<(u64, Cluster)>) -> Result<(), MediaError>,
    ) -> Result<(), MediaError> {
        let (cluster, entries) = (1_u64 << self.cluster_bits, 1_u64 << (self.cluster_bits - 3));
        let mut seen = HashSet::new();
        for (number, table) in (0_u64..).zip(&self.tables) {
            if *table == 0 {
                continue;
            }
            let bytes = self.bytes(file, *table, cluster)?;
            let mut clusters = Vec::new();
            for (at, entry) in (number * entries..).zip(bytes.chunks_exact(8).map(|entry| be64(entry, 0))) {
                let Some(found) = self.cluster(entry)? else { continue };
                if at * cluster >= self.size {
                    return no("it has data behind the end of its disk");
                }
                let (Cluster::Plain(place) | Cluster::Packed(place, _)) = found;
                if !seen.insert(place) {
                    return no("it is damaged: two parts of its disk lie at one place");
                }
                clusters.push((at, found));
            }
            take(clusters)?;
        }
        Ok(())
    }

    fn cluster(&self, entry: u64) -> Result<Option<Cluster>, MediaError> {
        let cluster = 1_u64 << self.cluster_bits;
        let damaged = || no("it is damaged: a part of its disk lies at no place that there is");
        if entry & COMPRESSED != 0 {
            // The wider a cluster, the more of the entry's bits say how many sectors of 512 bytes it takes.
            let split = 62 - (self.cluster_bits - 8);
            let place = entry & ((1 << split) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> split;
            let most = (sectors + 1) * 512 - place % 512;
            return match entry >> 63 {
                0 if place != 0 && place < self.file_size => Ok(Some(Cluster::Packed(place, most))),
                _ => damaged(),
            };
        }
        let place = entry & PLACE;
        if entry & RESERVED_L2 != 0 || !place.is_multiple_of(cluster) || (entry & ZEROS != 0 && self.version == 2) {
            return damaged();
        }
        Ok((place != 0 && entry & ZEROS == 0).then_some(Cluster::Plain(place)))
    }

    /// How many bytes the data of the disk takes.
    ///
    /// # Errors
    /// If the image is damaged.
    pub(super) fn data(&self, file: &File) -> Result<u64, MediaError> {
        let mut clusters = 0;
        self.each_table(file, |found| {
            clusters += found.len() as u64;
            Ok(())
        })?;
        Ok(clusters << self.cluster_bits)
    }

    /// Writes the disk into `to`, which is empty. What is zeros stays a hole.
    ///
    /// # Errors
    /// If the image is damaged, or reading or writing fails.
    pub(super) fn unpack(&self, file: &File, to: &File) -> Result<(), MediaError> {
        to.set_len(self.size)?;
        // What was deflated lies side by side: there is no more of it than the file has bytes.
        let deflated = AtomicU64::new(0);
        self.each_table(file, |clusters| {
            clusters.par_iter().try_for_each(|(at, cluster)| {
                let begin = at << self.cluster_bits;
                let length = (self.size - begin).min(1 << self.cluster_bits);
                let bytes = match *cluster {
                    // What of the last cluster is not written is zeros.
                    Cluster::Plain(place) => {
                        self.bytes(file, place, length.min(self.file_size.saturating_sub(place)))?
                    }
                    Cluster::Packed(place, most) => {
                        let (bytes, taken) = self.inflated(file, place, most)?;
                        if deflated.fetch_add(taken, Ordering::Relaxed) + taken > self.file_size {
                            return no("it is damaged: two parts of its disk lie at one place");
                        }
                        bytes
                    }
                };
                Ok(write_without_zeros(
                    to,
                    begin,
                    &bytes[..bytes.len().min(length as usize)],
                )?)
            })
        })
    }

    /// A cluster's bytes, and how many there were of them in the image.
    fn inflated(&self, file: &File, place: u64, most: u64) -> Result<(Vec<u8>, u64), MediaError> {
        let packed = self.bytes(file, place, most.min(self.file_size - place))?;
        let mut bytes = vec![0; 1 << self.cluster_bits];
        let mut decoder = DeflateDecoder::new(&packed[..]);
        match decoder.read_exact(&mut bytes) {
            Ok(()) => Ok((bytes, decoder.total_in())),
            Err(_) => no("it is damaged: a part of its disk cannot be unpacked"),
        }
    }
}

/// A name that an image gives, for a message.
fn backing(file: &File, header: &[u8]) -> String {
    // QEMU's own limit of its length.
    let mut name = vec![0; be32(header, 16).min(1023) as usize];
    match file.read_exact_at(&mut name, be64(header, 8)) {
        Ok(()) => format!("{:?}", String::from_utf8_lossy(&name)),
        Err(_) => "whose name cannot be read".to_owned(),
    }
}

fn features(header: &[u8]) -> Result<(), MediaError> {
    let incompatible = be64(header, 72);
    for (bits, why) in FEATURES {
        if incompatible & bits != 0 {
            return no(why);
        }
    }
    // The byte that says which one; without the feature it is zlib.
    if incompatible & COMPRESSION_TYPE != 0 && header[104] != 0 {
        return no("it is compressed by zstd, and only zlib is read here");
    }
    Ok(())
}

/// A kind and a length, each of four bytes, and as many more, up to a multiple of eight; a kind of zero ends them.
fn extensions(file: &File, begin: u64, end: u64) -> Result<(), MediaError> {
    let mut at = begin;
    let mut head = [0; 8];
    while at + 8 <= end {
        file.read_exact_at(&mut head, at)?;
        let (kind, length) = (be32(&head, 0), u64::from(be32(&head, 4)));
        if kind == 0 {
            return Ok(());
        }
        if let Some((_, why)) = EXTENSIONS.iter().find(|(known, _)| *known == kind) {
            return no(why);
        }
        at += 8 + length.next_multiple_of(8);
    }
    if at > end {
        return no("its header is damaged: it goes on behind its first cluster");
    }
    Ok(())
}

/// Writes what is not zeros, by the page.
fn write_without_zeros(to: &File, begin: u64, bytes: &[u8]) -> io::Result<()> {
    const PAGE: usize = 4096;
    let is_zero = |page: &[u8]| page.iter().all(|byte| *byte == 0);
    let mut at = 0;
    while at < bytes.len() {
        let next = |from: usize| (from + PAGE).min(bytes.len());
        let zero = is_zero(&bytes[at..next(at)]);
        let mut end = next(at);
        while end < bytes.len() && is_zero(&bytes[end..next(end)]) == zero {
            end = next(end);
        }
        if !zero {
            to.write_all_at(&bytes[at..end], begin + at as u64)?;
        }
        at = end;
    }
    Ok(())
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(four)
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::testing::file;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// A disk of four clusters of 64 KiB: zeros, 7s as they are, 9s deflated, nothing. Clusters of the file: header,
    /// first table, second table, the 7s, the deflated 9s.
    fn image() -> Vec<u8> {
        const CLUSTER: usize = 1 << 16;
        let mut bytes = vec![0; 5 * CLUSTER];
        put(&mut bytes, 0, b"QFI\xfb\0\0\0\x03");
        put(&mut bytes, 20, &16_u32.to_be_bytes());
        put(&mut bytes, 24, &(4 * CLUSTER as u64).to_be_bytes());
        put(&mut bytes, 36, &1_u32.to_be_bytes());
        put(&mut bytes, 40, &(CLUSTER as u64).to_be_bytes());
        put(&mut bytes, 96, &4_u32.to_be_bytes());
        put(&mut bytes, 100, &104_u32.to_be_bytes());
        put(&mut bytes, CLUSTER, &((1 << 63) | (2 * CLUSTER as u64)).to_be_bytes());
        let table = 2 * CLUSTER;
        put(&mut bytes, table, &1_u64.to_be_bytes());
        put(&mut bytes, table + 8, &((1 << 63) | (3 * CLUSTER as u64)).to_be_bytes());
        put(
            &mut bytes,
            table + 16,
            &(COMPRESSED | (4 * CLUSTER as u64)).to_be_bytes(),
        );
        bytes[3 * CLUSTER..4 * CLUSTER].fill(7);
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        io::Write::write_all(&mut encoder, &vec![9; CLUSTER]).unwrap();
        let packed = encoder.finish().unwrap();
        assert!(packed.len() <= 512);
        put(&mut bytes, 4 * CLUSTER, &packed);
        bytes.truncate(4 * CLUSTER + 512);
        bytes
    }

    fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let image = file(bytes);
        let to = tempfile::tempfile().unwrap();
        let qcow2 = Qcow2::open(&image).map_err(|error| error.to_string())?;
        qcow2.data(&image).map_err(|error| error.to_string())?;
        qcow2.unpack(&image, &to).map_err(|error| error.to_string())?;
        let mut disk = vec![0; usize::try_from(to.metadata().unwrap().len()).unwrap()];
        to.read_exact_at(&mut disk, 0).unwrap();
        Ok(disk)
    }

    #[test]
    fn a_disk_is_unpacked() {
        let disk = unpack(&image()).unwrap();
        let expected = [[0; 1 << 16], [7; 1 << 16], [9; 1 << 16], [0; 1 << 16]].concat();
        assert!(disk == expected);
        let bytes = image();
        let image = file(&bytes);
        assert_eq!(Qcow2::open(&image).unwrap().data(&image).unwrap(), 2 << 16);
    }

    #[test]
    fn whatever_leads_out_of_it_or_is_not_known_is_refused() {
        const TABLE: usize = 2 << 16;
        type Change<'a> = (&'a str, &'a [(usize, &'a [u8])]);
        let cases: &[Change<'_>] = &[
            (
                "leans on another file, \"/etc/shadow\"",
                &[(8, &[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 11]), (512, b"/etc/shadow")],
            ),
            (
                "leans on another file, \"json:{}\"",
                &[(8, &[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7]), (512, b"json:{}")],
            ),
            (
                "leans on another file, \"nbd://",
                &[(8, &[0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 9]), (512, b"nbd://\x1b[m")],
            ),
            ("leans on another file, whose name cannot be read", &[(8, &[0x7f; 12])]),
            ("was not closed", &[(79, &[1])]),
            ("marked as damaged", &[(79, &[2])]),
            ("lies in another file", &[(79, &[4])]),
            ("compressed by zstd", &[(79, &[8]), (104, &[1])]),
            ("extended entries", &[(79, &[16])]),
            ("not known here", &[(79, &[32])]),
            ("not known here", &[(72, &[0x80])]),
            ("lies in another file", &[(104, &[0x44, 0x41, 0x54, 0x41, 0, 0, 0, 1])]),
            ("encrypted", &[(104, &[0x05, 0x37, 0xbe, 0x77, 0, 0, 0, 16])]),
            ("goes on behind", &[(104, &[1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff])]),
            ("encrypted", &[(35, &[2])]),
            ("snapshots", &[(63, &[1])]),
            ("version 1", &[(7, &[1])]),
            ("version 4", &[(7, &[4])]),
            ("no size that there is", &[(23, &[8])]),
            ("no size that there is", &[(23, &[22])]),
            ("no size that there is", &[(20, &[0xff; 4])]),
            ("no length that there is", &[(100, &[0, 0, 0, 72])]),
            ("no length that there is", &[(100, &[0xff; 4])]),
            ("make sense", &[(24, &[0x7f])]),
            ("make sense", &[(24, &[0xff; 8])]),
            ("first table is damaged", &[(36, &[0; 4])]),
            ("behind its end", &[(40, &[0x7f])]),
            ("first table is damaged", &[(1 << 16, &[1])]),
            ("behind its end", &[((1 << 16) + 3, &[1])]),
            ("no place that there is", &[(TABLE, &[0x10])]),
            ("no place that there is", &[(TABLE + 6, &[2])]),
            ("at one place", &[(TABLE, &[0x80, 0, 0, 0, 0, 3, 0, 0])]),
            ("at one place", &[(TABLE, &[0x40, 0, 0, 0, 0, 4, 0, 0])]),
            (
                "behind the end of its disk",
                &[(TABLE + 800, &[0x80, 0, 0, 0, 0, 1, 0, 0])],
            ),
            ("cannot be unpacked", &[(4 << 16, &[0xff])]),
        ];
        for (why, changes) in cases {
            let mut bytes = image();
            for (at, value) in *changes {
                put(&mut bytes, *at, value);
            }
            let said = unpack(&bytes).unwrap_err();
            assert!(said.contains(why) && !said.contains('\x1b'), "{why}: {said}");
        }
    }

    /// A cluster of a kilobyte in the file can be 64 KiB of the disk, but only once.
    #[test]
    fn a_bomb_does_not_go_off() {
        const TABLE: usize = 2 << 16;
        let mut bytes = image();
        put(&mut bytes, 24, &(512_u64 << 20).to_be_bytes());
        for at in 0..8192_u64 {
            // Each a byte further on, where nothing else can be unpacked.
            let place = (4 << 16) + at % 400;
            put(&mut bytes, TABLE + 8 * at as usize, &(COMPRESSED | place).to_be_bytes());
        }
        assert!(unpack(&bytes).unwrap_err().contains("at one place"));
        // Two tables at one place.
        let mut bytes = image();
        put(&mut bytes, 24, &(1_u64 << 30).to_be_bytes());
        put(&mut bytes, 39, &[2]);
        put(&mut bytes, (1 << 16) + 8, &(2_u64 << 16).to_be_bytes());
        assert!(unpack(&bytes).unwrap_err().contains("one place twice"));
    }

    #[test]
    fn a_damaged_one_never_panics() {
        let whole = image();
        for length in (0..200).chain([1 << 16, 3 << 16, whole.len() - 1]) {
            let _: Result<_, _> = unpack(&whole[..length]);
        }
        for at in (0..112)
            .chain((1 << 16)..(1 << 16) + 16)
            .chain((2 << 16)..(2 << 16) + 32)
        {
            for byte in [1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let image = file(&bytes);
                if let Ok(qcow2) = Qcow2::open(&image) {
                    let _: Result<_, _> = qcow2.data(&image);
                }
            }
        }
    }
}
