//! Writes a small image: a few files in the root folder, under three sets of names.

use super::{BLOCK, FIRST_DESCRIPTOR, FOLDER, JOLIET, MAGIC, PRIMARY, RECORD, SUPPLEMENTARY, TERMINATOR, field};
use crate::media::{DAY, MediaError};

/// A file to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// Its name, of ASCII letters, digits, `-`, `_` and `.`.
    pub(crate) name: &'a str,
    /// Whether only root may read it once it is mounted.
    pub(crate) private: bool,
    pub(crate) bytes: &'a [u8],
}

/// The layout, in blocks. Each of these is one block long, since a seed has one folder with few files.
const PRIMARY_AT: u32 = FIRST_DESCRIPTOR;
const JOLIET_AT: u32 = PRIMARY_AT + 1;
const TERMINATOR_AT: u32 = JOLIET_AT + 1;
const PRIMARY_ROOT: u32 = TERMINATOR_AT + 1;
const JOLIET_ROOT: u32 = PRIMARY_ROOT + 1;
const PRIMARY_PATHS_L: u32 = JOLIET_ROOT + 1;
const PRIMARY_PATHS_M: u32 = PRIMARY_PATHS_L + 1;
const JOLIET_PATHS_L: u32 = PRIMARY_PATHS_M + 1;
const JOLIET_PATHS_M: u32 = JOLIET_PATHS_L + 1;
const DATA: u32 = JOLIET_PATHS_M + 1;
/// What does not fit into the root folder's own record, the announcement of Rock Ridge, lies behind a path table.
/// libarchive wants it after that folder.
const CONTINUATION: u32 = PRIMARY_PATHS_L;
const CONTINUATION_AT: usize = 1024;

/// Midnight of [`DAY`], UTC, in a directory record.
const TIME: [u8; 7] = [(DAY.year - 1900) as u8, DAY.month, DAY.day, 0, 0, 0, 0];

const PATH_TABLE_BYTES: u32 = 10;

/// A file and where it goes.
struct Placed<'a> {
    member: Member<'a>,
    block: u32,
    size: u32,
}

/// The image of these files, labelled `label`. Its length is a whole number of blocks.
///
/// # Errors
/// If the files or their names are more than this small writer has room for.
pub(crate) fn write(label: &str, members: &[Member<'_>]) -> Result<Vec<u8>, MediaError> {
    if label.len() > 16 {
        return Err(MediaError::TooMuch("the label is longer than 16 characters"));
    }
    let mut placed = Vec::with_capacity(members.len());
    for member in members {
        let size = u32::try_from(member.bytes.len()).map_err(|_| MediaError::TooMuch("a file is larger than 4 GiB"))?;
        placed.push(Placed {
            member: *member,
            block: 0,
            size,
        });
    }
    let blocks = place(&mut placed)?;
    // At its full size at once: the files hold keys, and a vector that grows would leave copies of them behind.
    let mut image = vec![0; blocks as usize * BLOCK];
    let mut put = |block: u32, at: usize, bytes: &[u8]| {
        let at = block as usize * BLOCK + at;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(
        PRIMARY_AT,
        0,
        &descriptor(&Descriptor {
            label: label.as_bytes(),
            blank: b" ",
            kind: PRIMARY,
            escapes: b"",
            blocks,
            paths: [PRIMARY_PATHS_L, PRIMARY_PATHS_M],
            root: PRIMARY_ROOT,
        }),
    );
    put(
        JOLIET_AT,
        0,
        &descriptor(&Descriptor {
            label: &ucs2(label),
            blank: b"\0 ",
            kind: SUPPLEMENTARY,
            escapes: JOLIET,
            blocks,
            paths: [JOLIET_PATHS_L, JOLIET_PATHS_M],
            root: JOLIET_ROOT,
        }),
    );
    let mut end = [0; BLOCK];
    begin(&mut end, TERMINATOR);
    put(TERMINATOR_AT, 0, &end);
    for (at, root, big) in [
        (PRIMARY_PATHS_L, PRIMARY_ROOT, false),
        (PRIMARY_PATHS_M, PRIMARY_ROOT, true),
        (JOLIET_PATHS_L, JOLIET_ROOT, false),
        (JOLIET_PATHS_M, JOLIET_ROOT, true),
    ] {
        put(at, 0, &path_table(root, big));
    }
    put(PRIMARY_ROOT, 0, &primary_root(&placed)?);
    put(JOLIET_ROOT, 0, &joliet_root(&placed)?);
    put(CONTINUATION, CONTINUATION_AT, &announcement());
    for file in &placed {
        put(file.block, 0, file.member.bytes);
    }
    Ok(image)
}

/// Gives each file its place, and returns the number of blocks up to the end of the last one.
fn place(files: &mut [Placed<'_>]) -> Result<u32, MediaError> {
    let blocks = |file: &Placed<'_>| file.size.div_ceil(BLOCK as u32);
    let mut next = DATA;
    for file in files {
        file.block = next;
        next = blocks(file)
            .checked_add(next)
            .ok_or(MediaError::TooMuch("the files are larger than 8 TiB"))?;
    }
    Ok(next)
}

struct Descriptor<'a> {
    label: &'a [u8],
    /// What fills the rest of a text field.
    blank: &'a [u8],
    kind: u8,
    escapes: &'a [u8],
    blocks: u32,
    paths: [u32; 2],
    root: u32,
}

fn begin(block: &mut [u8; BLOCK], kind: u8) {
    block[0] = kind;
    block[1..6].copy_from_slice(MAGIC);
    block[6] = 1;
}

fn descriptor(of: &Descriptor<'_>) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    begin(&mut block, of.kind);
    let mut text = |at: usize, length: usize, text: &[u8]| {
        let blanks = of.blank.iter().cycle();
        for (byte, blank) in block[at..at + length / of.blank.len() * of.blank.len()]
            .iter_mut()
            .zip(blanks)
        {
            *byte = *blank;
        }
        block[at..at + text.len()].copy_from_slice(text);
    };
    text(field::SYSTEM, 32, b"");
    text(field::VOLUME, 32, of.label);
    // Set, publisher, preparer and application, 128 bytes each; then copyright, abstract and bibliography, 37 bytes
    // each.
    for at in (field::SET..702).step_by(128) {
        text(at, 128, b"");
    }
    for at in (702..field::TIMES).step_by(37) {
        text(at, 37, b"");
    }
    let preparer = concat!("LXSEED ", env!("CARGO_PKG_VERSION"));
    if of.blank.len() == 1 {
        text(field::PREPARER, 128, preparer.as_bytes());
    } else {
        text(field::PREPARER, 128, &ucs2(preparer));
    }
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(field::BLOCKS, &both(of.blocks));
    put(field::ESCAPES, of.escapes);
    put(field::SET_SIZE, &both16(1));
    put(field::SEQUENCE, &both16(1));
    put(field::BLOCK_SIZE, &both16(BLOCK as u16));
    put(field::PATH_TABLE_SIZE, &both(PATH_TABLE_BYTES));
    put(field::PATH_TABLE_L, &of.paths[0].to_le_bytes());
    put(field::PATH_TABLE_M, &of.paths[1].to_be_bytes());
    put(field::ROOT, &record(of.root, BLOCK as u32, FOLDER, b"\0"));
    // Created, modified, expires, effective.
    let (day, never) = (format!("{DAY}00000000\0"), format!("{:016}\0", 0));
    for (at, time) in [&day, &day, &never, &never].into_iter().enumerate() {
        put(field::TIMES + at * time.len(), time.as_bytes());
    }
    put(field::VERSION, &[1]);
    block
}

/// The one folder: its name is a zero byte, and it is its own parent.
fn path_table(root: u32, big: bool) -> [u8; PATH_TABLE_BYTES as usize] {
    let [a, b, c, d] = if big { root.to_be_bytes() } else { root.to_le_bytes() };
    let [parent, parent_too] = if big { [0, 1] } else { [1, 0] };
    [1, 0, a, b, c, d, parent, parent_too, 0, 0]
}

/// A directory record without a system use field; its length is even.
fn record(block: u32, size: u32, flags: u8, name: &[u8]) -> Vec<u8> {
    let mut record = vec![0; RECORD];
    record[2..10].copy_from_slice(&both(block));
    record[10..18].copy_from_slice(&both(size));
    record[18..25].copy_from_slice(&TIME);
    record[25] = flags;
    record[28..32].copy_from_slice(&both16(1));
    // Names are checked to be short before.
    record[32] = name.len() as u8;
    record.extend(name);
    finish(record, b"")
}

fn finish(mut record: Vec<u8>, system_use: &[u8]) -> Vec<u8> {
    record.resize(record.len().next_multiple_of(2), 0);
    record.extend(system_use);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

fn primary_root(files: &[Placed<'_>]) -> Result<Vec<u8>, MediaError> {
    let folder = attributes(0o40_555, 2);
    // SUSP begins here, and no bytes are skipped.
    let mut first = b"SP\x07\x01\xbe\xef\x00".to_vec();
    first.extend(&folder);
    first.extend(b"CE\x1c\x01");
    for value in [CONTINUATION, CONTINUATION_AT as u32, announcement().len() as u32] {
        first.extend(both(value));
    }
    let dot = |name: &[u8], system_use: &[u8]| finish(record(PRIMARY_ROOT, BLOCK as u32, FOLDER, name), system_use);
    let mut root = [dot(b"\0", &first), dot(b"\x01", &folder)].concat();
    let mut files: Vec<(String, &Placed<'_>)> = files.iter().map(|file| (plain_name(file.member.name), file)).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    if files.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(MediaError::TooMuch("two files have the same plain name"));
    }
    for (name, file) in files {
        let real = file.member.name.as_bytes();
        if real.len() > 31 {
            return Err(MediaError::TooMuch("a file's name is longer than 31 characters"));
        }
        let mode = if file.member.private { 0o400 } else { 0o444 };
        let mut system_use = attributes(0o100_000 | mode, 1);
        system_use.extend([b'N', b'M', 5 + real.len() as u8, 1, 0]);
        system_use.extend(real);
        root.extend(finish(record(file.block, file.size, 0, name.as_bytes()), &system_use));
    }
    fits(root)
}

fn joliet_root(files: &[Placed<'_>]) -> Result<Vec<u8>, MediaError> {
    let dot = |name: &[u8]| record(JOLIET_ROOT, BLOCK as u32, FOLDER, name);
    let mut root = [dot(b"\0"), dot(b"\x01")].concat();
    let mut files: Vec<(Vec<u8>, &Placed<'_>)> = files.iter().map(|file| (ucs2(file.member.name), file)).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, file) in files {
        root.extend(record(file.block, file.size, 0, &name));
    }
    fits(root)
}

/// A record never crosses the end of a block, and there is one block.
fn fits(root: Vec<u8>) -> Result<Vec<u8>, MediaError> {
    if root.len() > BLOCK {
        return Err(MediaError::TooMuch("there are too many files"));
    }
    Ok(root)
}

/// Level 2 of ISO 9660: up to 31 of upper-case letters, digits and underscores, with one dot and a version.
fn plain_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| match c.to_ascii_uppercase() {
            c @ ('A'..='Z' | '0'..='9') => c,
            _ => '_',
        })
        .take(29)
        .collect();
    format!("{name}.;1")
}

/// PX (mode, links, owner, group) and TF (modified, accessed, changed).
fn attributes(mode: u32, links: u32) -> Vec<u8> {
    let mut fields = b"PX\x24\x01".to_vec();
    for value in [mode, links, 0, 0] {
        fields.extend(both(value));
    }
    fields.extend(b"TF\x1a\x01\x0e");
    fields.extend([TIME; 3].concat());
    fields
}

/// ER: which extension the system use fields are of, in the words that RRIP 1.10 prescribes.
fn announcement() -> Vec<u8> {
    const ID: &str = "RRIP_1991A";
    const WHAT: &str = "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    const WHERE: &str = "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR \
                         FOR CONTACT INFORMATION.";
    let lengths = [ID, WHAT, WHERE].map(|text| text.len() as u8);
    let mut field = vec![b'E', b'R', 8 + lengths.iter().sum::<u8>(), 1];
    field.extend(lengths);
    field.push(1);
    for text in [ID, WHAT, WHERE] {
        field.extend(text.as_bytes());
    }
    field
}

/// ASCII as Joliet writes it.
fn ucs2(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|byte| [0, byte]).collect()
}

/// Both byte orders, the little one first.
fn both(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&value.to_le_bytes());
    bytes[4..].copy_from_slice(&value.to_be_bytes());
    bytes
}

fn both16(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d]
}
