//! Reads any ISO 9660 image: our own to compare it, an installer's to see what it is.

use std::collections::HashSet;
use std::io::{Cursor, Read, Seek, SeekFrom};

use super::{BLOCK, FIRST_DESCRIPTOR, FOLDER, JOLIET, MAGIC, PRIMARY, RECORD, SUPPLEMENTARY, TERMINATOR, field};
use crate::budget::MAX_FOLDERS_BYTES;
use crate::media::MediaError;

/// Which names of the files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// POSIX names; what Linux shows.
    RockRidge,
    /// What Windows shows.
    Joliet,
    /// Upper case without versions.
    Plain,
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) is_folder: bool,
    /// In bytes.
    pub(crate) size: u32,
    /// Where its bytes begin.
    pub(crate) block: u32,
    /// The file type and permission bits, where Rock Ridge says them.
    pub(crate) mode: Option<u32>,
}

/// An image.
#[derive(Debug)]
pub(crate) struct Image<S> {
    source: S,
    /// The volume's label.
    pub(crate) label: String,
    /// Its declared size, in blocks.
    pub(crate) blocks: u32,
    /// Who prepared it, in the descriptor's words.
    pub(crate) preparer: String,
    root: Node,
    joliet: Option<Node>,
    /// The bytes of each system use field that SUSP skips, if there is SUSP.
    susp: Option<usize>,
    /// Bytes of folders and their continuations that have been read in one walk.
    walked: u64,
}

/// No image that lxseed reads has a folder of more entries' bytes; one that says so is damaged or hostile.
const MAX_FOLDER_BYTES: u32 = 4 << 20;
/// More volume descriptors than any image has.
const MAX_DESCRIPTORS: u32 = 16;
/// More continuations than any record has.
const MAX_CONTINUATIONS: usize = 16;

fn malformed(why: &str) -> MediaError {
    MediaError::Malformed(format!("not a whole ISO 9660 image: {why}"))
}

impl<S: Read + Seek> Image<S> {
    /// Reads the volume descriptors.
    ///
    /// # Errors
    /// If there are none, or reading fails.
    pub(crate) fn open(mut source: S) -> Result<Self, MediaError> {
        let mut primary = None;
        let mut joliet = None;
        for at in 0..MAX_DESCRIPTORS {
            let block: [u8; BLOCK] = read_block(&mut source, FIRST_DESCRIPTOR + at)
                .map_err(|_| malformed("it ends before its volume descriptors"))?;
            if &block[1..6] != MAGIC {
                return Err(malformed("its volume descriptors are missing"));
            }
            match block[0] {
                TERMINATOR => break,
                PRIMARY if primary.is_none() => primary = Some(block),
                SUPPLEMENTARY
                    if block[field::ESCAPES..].starts_with(&JOLIET[..2])
                        && matches!(block[field::ESCAPES + 2], b'@' | b'C' | b'E') =>
                {
                    joliet = Some(root_of(&block)?);
                }
                _ => {}
            }
        }
        let primary = primary.ok_or_else(|| malformed("it has no primary volume descriptor"))?;
        let text = |at: usize, length: usize| {
            String::from_utf8_lossy(&primary[at..at + length])
                .trim_end_matches([' ', '\0'])
                .to_owned()
        };
        let mut image = Self {
            source,
            label: text(field::VOLUME, 32),
            blocks: u32_at(&primary, field::BLOCKS),
            preparer: text(field::PREPARER, 128),
            root: root_of(&primary)?,
            joliet,
            susp: None,
            walked: 0,
        };
        let (has, says) = (
            image.source.seek(SeekFrom::End(0))?,
            u64::from(image.blocks) * BLOCK as u64,
        );
        if has < says {
            return Err(malformed(&format!("it is cut off, {has} of {says} bytes are there")));
        }
        image.susp = image.find_susp()?;
        Ok(image)
    }

    /// Whether the image has names of that kind.
    pub(crate) fn has(&self, names: Names) -> bool {
        match names {
            Names::RockRidge => self.susp.is_some(),
            Names::Joliet => self.joliet.is_some(),
            Names::Plain => true,
        }
    }

    /// The best names there are.
    pub(crate) fn best(&self) -> Names {
        [Names::RockRidge, Names::Joliet]
            .into_iter()
            .find(|names| self.has(*names))
            .unwrap_or(Names::Plain)
    }

    /// The root folder.
    pub(crate) fn root(&self, names: Names) -> &Node {
        match (names, &self.joliet) {
            (Names::Joliet, Some(root)) => root,
            _ => &self.root,
        }
    }

    /// What is in a folder, `.` and `..` left out.
    pub(crate) fn list(&mut self, folder: &Node, names: Names) -> Result<Vec<Node>, MediaError> {
        let bytes = self.read(folder, MAX_FOLDER_BYTES)?;
        self.walk(bytes.len())?;
        let mut nodes = Vec::new();
        for block in bytes.chunks(BLOCK) {
            let mut rest = block;
            // A zero length is the padding at a block's end.
            while let [length, ..] = rest
                && *length != 0
            {
                let record = rest
                    .get(..usize::from(*length))
                    .filter(|record| record.len() > RECORD)
                    .ok_or_else(|| malformed("a folder in it is damaged"))?;
                rest = &rest[record.len()..];
                let identifier = record
                    .get(RECORD..RECORD + usize::from(record[32]))
                    .ok_or_else(|| malformed("a folder in it is damaged"))?;
                if matches!(identifier, [0 | 1]) {
                    continue;
                }
                nodes.push(self.node(record, identifier, names)?);
            }
        }
        Ok(nodes)
    }

    /// The file or folder at a path such as `boot/grub/grub.cfg`, if it is there.
    pub(crate) fn find(&mut self, path: &str) -> Result<Option<Node>, MediaError> {
        self.walked = 0;
        let names = self.best();
        let mut node = self.root(names).clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !node.is_folder {
                return Ok(None);
            }
            let same = |found: &Node| match names {
                Names::Plain => found.name.eq_ignore_ascii_case(part),
                _ => found.name == part,
            };
            match self.list(&node, names)?.into_iter().find(same) {
                Some(found) => node = found,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// Folders may lie over one another, and each be as large as a folder can be.
    fn walk(&mut self, bytes: usize) -> Result<(), MediaError> {
        self.walked += bytes as u64;
        if self.walked > MAX_FOLDERS_BYTES {
            return Err(malformed(&format!(
                "its folders have more than {} MiB",
                MAX_FOLDERS_BYTES >> 20
            )));
        }
        Ok(())
    }

    /// Every file of the image, by its path, in the image's own order.
    pub(crate) fn files(&mut self) -> Result<Vec<(String, Node)>, MediaError> {
        self.walked = 0;
        let names = self.best();
        let mut files = Vec::new();
        // A folder that is below itself would never end.
        let mut seen = HashSet::new();
        let mut folders = vec![(String::new(), self.root(names).clone())];
        while let Some((above, folder)) = folders.pop() {
            if !seen.insert(folder.block) {
                continue;
            }
            for node in self.list(&folder, names)? {
                let path = format!("{above}{}", node.name);
                if node.is_folder {
                    folders.push((format!("{path}/"), node));
                } else {
                    files.push((path, node));
                }
            }
        }
        Ok(files)
    }

    /// The bytes of a file or folder.
    ///
    /// # Errors
    /// If it is larger than `limit`, ends beyond the image, or reading fails.
    pub(crate) fn read(&mut self, node: &Node, limit: u32) -> Result<Vec<u8>, MediaError> {
        if node.size > limit {
            return Err(malformed(&format!(
                "{} is said to have {} bytes, and at most {limit} make sense",
                if node.name.is_empty() { "a folder" } else { &node.name },
                node.size
            )));
        }
        let mut bytes = vec![0; node.size as usize];
        self.source
            .seek(SeekFrom::Start(u64::from(node.block) * BLOCK as u64))?;
        self.source
            .read_exact(&mut bytes)
            .map_err(|_| malformed(&format!("it ends before the end of {}", node.name)))?;
        Ok(bytes)
    }

    /// The bytes of a file of any size, piece by piece.
    ///
    /// # Errors
    /// If it ends beyond the image, or reading fails.
    pub(crate) fn pieces(&mut self, node: &Node, mut take: impl FnMut(&[u8])) -> Result<(), MediaError> {
        self.source
            .seek(SeekFrom::Start(u64::from(node.block) * BLOCK as u64))?;
        let mut left = node.size as usize;
        let mut piece = vec![0; left.min(1 << 20)];
        while left > 0 {
            let length = left.min(piece.len());
            let piece = &mut piece[..length];
            self.source
                .read_exact(piece)
                .map_err(|_| malformed(&format!("it ends before the end of {}", node.name)))?;
            take(piece);
            left -= length;
        }
        Ok(())
    }

    /// SUSP announces itself in the root folder's first record.
    fn find_susp(&mut self) -> Result<Option<usize>, MediaError> {
        let first =
            read_block(&mut self.source, self.root.block).map_err(|_| malformed("it ends before its root folder"))?;
        let length = usize::from(first[0]);
        let at = RECORD + 1;
        Ok((length >= at + 7 && first[at..].starts_with(b"SP\x07\x01\xbe\xef")).then(|| usize::from(first[at + 6])))
    }

    fn node(&mut self, record: &[u8], identifier: &[u8], names: Names) -> Result<Node, MediaError> {
        let mut node = Node {
            name: match names {
                Names::Joliet => from_ucs2(identifier),
                _ => String::from_utf8_lossy(identifier).into_owned(),
            },
            is_folder: record[25] & FOLDER != 0,
            size: u32_at(record, 10),
            block: u32_at(record, 2),
            mode: None,
        };
        // The version is not part of the name, nor is the dot of a name without extension.
        if let Some((name, _)) = node.name.rsplit_once(';') {
            node.name = name.trim_end_matches('.').to_owned();
        }
        if let (Names::RockRidge, Some(skip)) = (names, self.susp) {
            let at = (RECORD + identifier.len()).next_multiple_of(2) + skip;
            self.rock_ridge(&mut node, record.get(at..).unwrap_or(&[]))?;
        }
        Ok(node)
    }

    /// Takes name and mode from the system use fields, following continuations.
    fn rock_ridge(&mut self, node: &mut Node, fields: &[u8]) -> Result<(), MediaError> {
        let mut name = String::new();
        let mut fields = fields.to_vec();
        for _ in 0..MAX_CONTINUATIONS {
            let mut next = None;
            let mut rest = &fields[..];
            while let [a, b, length, _version, ..] = rest {
                let Some(body) = rest.get(4..usize::from(*length)) else {
                    break;
                };
                match (&[*a, *b], body) {
                    (b"ST", _) => break,
                    (b"NM", [_flags, text @ ..]) => name += &String::from_utf8_lossy(text),
                    (b"PX", body) if body.len() >= 8 => node.mode = Some(u32_at(body, 0)),
                    (b"CE", body) if body.len() >= 24 => {
                        next = Some([0, 8, 16].map(|at| u32_at(body, at)));
                    }
                    _ => {}
                }
                rest = &rest[usize::from(*length)..];
            }
            let Some([block, offset, length]) = next else {
                break;
            };
            self.walk(BLOCK)?;
            let bytes = read_block(&mut self.source, block)?;
            let (offset, length) = (offset as usize, length as usize);
            fields = bytes
                .get(offset..offset.saturating_add(length))
                .ok_or_else(|| malformed("a continuation leads nowhere"))?
                .to_vec();
        }
        if !name.is_empty() {
            node.name = name;
        }
        Ok(())
    }
}

impl<'a> Image<Cursor<&'a [u8]>> {
    /// The bytes of a file, where they lie: of what holds keys there is no copy to wipe.
    ///
    /// # Errors
    /// If it ends beyond the image.
    pub(crate) fn bytes_of(&self, node: &Node) -> Result<&'a [u8], MediaError> {
        let begin = node.block as usize * BLOCK;
        self.source
            .get_ref()
            .get(begin..begin.saturating_add(node.size as usize))
            .ok_or_else(|| malformed(&format!("it ends before the end of {}", node.name)))
    }
}

fn read_block<S: Read + Seek>(source: &mut S, block: u32) -> std::io::Result<[u8; BLOCK]> {
    let mut bytes = [0; BLOCK];
    source.seek(SeekFrom::Start(u64::from(block) * BLOCK as u64))?;
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn root_of(descriptor: &[u8; BLOCK]) -> Result<Node, MediaError> {
    let record = &descriptor[field::ROOT..field::ROOT + RECORD + 1];
    if record[25] & FOLDER == 0 || descriptor[field::BLOCK_SIZE..][..2] != [0, 8] {
        return Err(malformed("its volume descriptor is damaged"));
    }
    Ok(Node {
        name: String::new(),
        is_folder: true,
        size: u32_at(record, 10),
        block: u32_at(record, 2),
        mode: None,
    })
}

/// The little-endian half of a number in both orders. The caller has seen that there are enough bytes.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn from_ucs2(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}
