//! Reads one file out of a squashfs (version 4.0), the file system that a snap is.
//!
//! Only as much as `meta/snap.yaml` needs. The crates that read more of it unpack xz, which the store's snaps are
//! packed with, by C code.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;
use thiserror::Error;

const MAGIC: &[u8] = b"hsqs";
/// A metadata block holds this much once it is unpacked.
const METADATA: usize = 8192;
/// No folder on the way to the one file has more of it than this; one that says so is damaged or hostile.
const MAX_FOLDER: u32 = 4 << 20;
/// The format's own limit of a data block.
const MAX_BLOCK: u32 = 1 << 20;
/// No fragment where the file ends.
const NO_FRAGMENT: u32 = u32::MAX;

/// Why a file was not read.
#[derive(Debug, Error)]
pub(super) enum SquashError {
    /// No squashfs, or one that does not hold together.
    #[error("it is not a whole squashfs: {0}")]
    Damaged(&'static str),
    /// It is packed in a way that this program cannot unpack.
    #[error("it is packed with {0}, and only xz and gzip can be read here")]
    Packed(&'static str),
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, SquashError>;

#[derive(Clone, Copy)]
enum Packing {
    Gzip,
    Xz,
}

struct Reader<S> {
    source: S,
    packing: Packing,
    block_size: u32,
    inodes: u64,
    folders: u64,
    fragments: u64,
}

/// Where an inode or a listing is: which metadata block, counted in bytes from the table's start, and where in it.
#[derive(Clone, Copy)]
struct InodeRef {
    block: u64,
    offset: usize,
}

enum Inode {
    Folder {
        listing: InodeRef,
        size: u32,
    },
    File {
        start: u64,
        fragment: u32,
        offset: usize,
        size: u64,
        sizes: Vec<u32>,
    },
    Other,
}

/// The bytes of the file at this path, at most `limit` of them; nothing if it is not there.
pub(super) fn read(source: impl Read + Seek, path: &[&str], limit: u64) -> Result<Option<Vec<u8>>> {
    let (mut reader, root) = Reader::open(source)?;
    let mut at = root;
    for name in path {
        let Inode::Folder { listing, size } = reader.inode(at, limit)? else {
            return Ok(None);
        };
        match reader.find(listing, size, name)? {
            Some(found) => at = found,
            None => return Ok(None),
        }
    }
    match reader.inode(at, limit)? {
        Inode::File {
            start,
            fragment,
            offset,
            size,
            sizes,
        } => reader.content(start, &sizes, fragment, offset, size).map(Some),
        _ => Ok(None),
    }
}

impl<S: Read + Seek> Reader<S> {
    fn open(mut source: S) -> Result<(Self, InodeRef)> {
        let mut head = [0; 96];
        source.seek(SeekFrom::Start(0))?;
        match source.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(SquashError::Damaged("it is too small"));
            }
            read => read?,
        }
        if &head[..4] != MAGIC || u16_at(&head, 28) != 4 {
            return Err(SquashError::Damaged("it does not begin like one"));
        }
        let packing = match u16_at(&head, 20) {
            1 => Packing::Gzip,
            4 => Packing::Xz,
            2 => return Err(SquashError::Packed("lzma")),
            3 => return Err(SquashError::Packed("lzo")),
            5 => return Err(SquashError::Packed("lz4")),
            6 => return Err(SquashError::Packed("zstd")),
            _ => return Err(SquashError::Damaged("it is packed in an unknown way")),
        };
        let (block_size, used) = (u32_at(&head, 12), u64_at(&head, 40));
        if block_size == 0 || block_size > MAX_BLOCK {
            return Err(SquashError::Damaged("its block size is impossible"));
        }
        if source.seek(SeekFrom::End(0))? < used {
            return Err(SquashError::Damaged("it is cut off"));
        }
        let root = inode_ref(u64_at(&head, 32));
        Ok((
            Self {
                source,
                packing,
                block_size,
                inodes: u64_at(&head, 64),
                folders: u64_at(&head, 72),
                fragments: u64_at(&head, 80),
            },
            root,
        ))
    }

    fn inode(&mut self, at: InodeRef, limit: u64) -> Result<Inode> {
        let block = u64::from(self.block_size);
        let mut table = self.metadata(self.inodes, at)?;
        let kind = u16_at(&table.take(16)?, 0);
        Ok(match kind {
            // A folder, a file; from 7 on with further fields.
            1 => {
                let rest = table.take(16)?;
                Inode::Folder {
                    listing: InodeRef {
                        block: u32_at(&rest, 0).into(),
                        offset: u16_at(&rest, 10).into(),
                    },
                    size: u16_at(&rest, 8).into(),
                }
            }
            8 => {
                let rest = table.take(24)?;
                Inode::Folder {
                    listing: InodeRef {
                        block: u32_at(&rest, 8).into(),
                        offset: u16_at(&rest, 18).into(),
                    },
                    size: u32_at(&rest, 4),
                }
            }
            2 | 9 => {
                let (start, fragment, offset, size);
                if kind == 2 {
                    let rest = table.take(16)?;
                    start = u32_at(&rest, 0).into();
                    fragment = u32_at(&rest, 4);
                    offset = u32_at(&rest, 8);
                    size = u64::from(u32_at(&rest, 12));
                } else {
                    let rest = table.take(40)?;
                    start = u64_at(&rest, 0);
                    size = u64_at(&rest, 8);
                    fragment = u32_at(&rest, 28);
                    offset = u32_at(&rest, 32);
                }
                if size > limit {
                    return Err(SquashError::Damaged("a file in it is far too large"));
                }
                let blocks = if fragment == NO_FRAGMENT {
                    size.div_ceil(block)
                } else {
                    size / block
                };
                let sizes = (0..blocks)
                    .map(|_| Ok(u32_at(&table.take(4)?, 0)))
                    .collect::<Result<_>>()?;
                Inode::File {
                    start,
                    fragment,
                    offset: offset as usize,
                    size,
                    sizes,
                }
            }
            _ => Inode::Other,
        })
    }

    /// The entry of that name in a folder.
    fn find(&mut self, listing: InodeRef, size: u32, name: &str) -> Result<Option<InodeRef>> {
        if size > MAX_FOLDER {
            return Err(SquashError::Damaged("a folder in it is far too large"));
        }
        let mut table = self.metadata(self.folders, listing)?;
        // The size counts `.` and `..`, which are not there, with three bytes.
        let mut left = i64::from(size) - 3;
        while left > 0 {
            let head = table.take(12)?;
            left -= 12;
            let (count, block) = (u32_at(&head, 0), u64::from(u32_at(&head, 4)));
            if count >= 256 {
                return Err(SquashError::Damaged("a folder in it is damaged"));
            }
            for _ in 0..=count {
                let entry = table.take(8)?;
                let length = usize::from(u16_at(&entry, 6)) + 1;
                let found = table.take(length)?;
                left -= 8 + i64::try_from(length).unwrap_or(i64::MAX);
                if found == name.as_bytes() {
                    return Ok(Some(InodeRef {
                        block,
                        offset: u16_at(&entry, 0).into(),
                    }));
                }
            }
        }
        Ok(None)
    }

    fn content(&mut self, start: u64, sizes: &[u32], fragment: u32, offset: usize, size: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = start;
        let whole = usize::try_from(size).unwrap_or(usize::MAX);
        for packed in sizes {
            let wanted = (whole - bytes.len()).min(self.block_size as usize);
            // A block of zeros has no bytes at all.
            if *packed == 0 {
                bytes.resize(bytes.len() + wanted, 0);
                continue;
            }
            bytes.extend(self.block(at, *packed, wanted)?);
            at = at.saturating_add(u64::from(packed & 0x00ff_ffff));
        }
        if bytes.len() < whole {
            // Sixteen bytes an entry, 512 entries a metadata block, and a list of where these begin.
            let mut list = [0; 8];
            self.source.seek(SeekFrom::Start(
                self.fragments.saturating_add(u64::from(fragment / 512) * 8),
            ))?;
            self.exactly(&mut list)?;
            let entry = InodeRef {
                block: 0,
                offset: (fragment % 512) as usize * 16,
            };
            let entry = self.metadata(u64::from_le_bytes(list), entry)?.take(16)?;
            let tail = self.block(u64_at(&entry, 0), u32_at(&entry, 8), self.block_size as usize)?;
            let rest = whole - bytes.len();
            let tail = offset
                .checked_add(rest)
                .and_then(|end| tail.get(offset..end))
                .ok_or(SquashError::Damaged("a file in it ends too early"))?;
            bytes.extend(tail);
        }
        Ok(bytes)
    }

    /// A data block; bit 24 of its size says that it is stored as it is.
    fn block(&mut self, at: u64, size: u32, limit: usize) -> Result<Vec<u8>> {
        let stored = size & 0x0100_0000 != 0;
        self.stretch(at, (size & 0x00ff_ffff) as usize, stored, limit)
    }

    fn stretch(&mut self, at: u64, size: usize, stored: bool, limit: usize) -> Result<Vec<u8>> {
        if size > MAX_BLOCK as usize {
            return Err(SquashError::Damaged("a block in it is too large"));
        }
        let mut bytes = vec![0; size];
        self.source.seek(SeekFrom::Start(at))?;
        self.exactly(&mut bytes)?;
        if stored {
            return Ok(bytes);
        }
        let mut unpacked = Vec::new();
        let limit = limit as u64;
        let read = match self.packing {
            Packing::Gzip => ZlibDecoder::new(&*bytes).take(limit).read_to_end(&mut unpacked),
            Packing::Xz => XzReader::new(&*bytes, false).take(limit).read_to_end(&mut unpacked),
        };
        read.map_err(|_| SquashError::Damaged("a block in it cannot be unpacked"))?;
        Ok(unpacked)
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<()> {
        match self.source.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SquashError::Damaged("it ends too early"))
            }
            read => Ok(read?),
        }
    }

    fn metadata(&mut self, table: u64, at: InodeRef) -> Result<Metadata<'_, S>> {
        let mut metadata = Metadata {
            next: table.saturating_add(at.block),
            reader: self,
            bytes: Vec::new(),
            at: 0,
        };
        metadata.take(at.offset)?;
        Ok(metadata)
    }
}

/// A stretch of metadata, across the blocks it is cut into.
struct Metadata<'a, S> {
    reader: &'a mut Reader<S>,
    next: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl<S: Read + Seek> Metadata<'_, S> {
    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.bytes.len() - self.at < count {
            let mut head = [0; 2];
            self.reader.source.seek(SeekFrom::Start(self.next))?;
            self.reader.exactly(&mut head)?;
            let head = u16::from_le_bytes(head);
            let (size, stored) = (usize::from(head & 0x7fff), head & 0x8000 != 0);
            if size == 0 || size > METADATA {
                return Err(SquashError::Damaged("its metadata is damaged"));
            }
            let block = self
                .reader
                .stretch(self.next.saturating_add(2), size, stored, METADATA)?;
            if block.is_empty() {
                return Err(SquashError::Damaged("its metadata is damaged"));
            }
            self.next = self.next.saturating_add(2 + size as u64);
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.extend(block);
        }
        let taken = self.bytes[self.at..self.at + count].to_vec();
        self.at += count;
        Ok(taken)
    }
}

fn inode_ref(reference: u64) -> InodeRef {
    InodeRef {
        block: reference >> 16,
        offset: (reference & 0xffff) as usize,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;

    use super::*;

    const SNAP: &[u8] = include_bytes!("../check/example/snaps/lxd_24322.snap");

    fn yaml(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        read(Cursor::new(bytes), &["meta", "snap.yaml"], 64 << 10)
    }

    #[test]
    fn a_file_is_found_by_its_path() {
        let text = String::from_utf8(yaml(SNAP).unwrap().unwrap()).unwrap();
        assert!(text.contains("base: core20\n"), "{text}");
        for path in [&["meta", "no"][..], &["no", "snap.yaml"], &["meta"], &[]] {
            assert!(read(Cursor::new(SNAP), path, 64 << 10).unwrap().is_none());
        }
        assert!(read(Cursor::new(SNAP), &["meta", "snap.yaml"], 5).is_err());
    }

    #[test]
    fn a_damaged_one_never_panics() {
        for length in 0..SNAP.len() {
            assert!(yaml(&SNAP[..length]).is_err(), "{length}");
        }
        for at in 0..SNAP.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = SNAP.to_vec();
                bytes[at] = byte;
                // Any result will do, as long as it returns.
                let _: Result<_> = yaml(&bytes);
            }
        }
    }
}
