//! gzip for what seeds carry: a first boot's script is most of one.

use std::io::{self, Read as _};

use flate2::Crc;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
    create_comp_flags_from_zip_params,
};

/// How a [`member`] begins in base64: its header but for the last byte.
pub(crate) const BEGIN_IN_BASE64: &str = "H4sIAAAAAAAC";

/// One gzip member that unpacks to `bytes`. It has no time and no name in it, so the same bytes give the same member.
/// Members that follow one another unpack to their contents one after the other (RFC 1952, 2.2), which Python's `gzip`
/// follows: what is the same for every host is packed once.
pub(crate) fn member(bytes: &[u8]) -> Vec<u8> {
    let mut member = Vec::new();
    Packer::thorough().append(bytes, &mut member);
    member
}

/// A member for a text of its own before [`member`] of what it shares with others, and stored, for packing so little is not
/// worth the tables that it takes. Its length is a multiple of three: what follows it is the same in base64, whatever it holds.
pub(crate) fn member_before_others(bytes: &[u8]) -> Vec<u8> {
    /// The flag that a comment stands behind the header, ended by a zero byte (RFC 1952, 2.3.1).
    const COMMENT: u8 = 1 << 4;
    let mut member = Vec::with_capacity(bytes.len() + 64);
    append_stored(bytes, &mut member);
    let comment: &[u8] = match member.len() % 3 {
        0 => return member,
        1 => b"-\0",
        _ => b"\0",
    };
    member[3] |= COMMENT;
    member.splice(HEADER..HEADER, comment.iter().copied());
    member
}

/// Makes members, one after the other: its tables take longer to make than a short text to pack.
pub(crate) struct Packer {
    tables: CompressorOxide,
    effort: u8,
}

impl Packer {
    /// For text that hardly repeats itself, at a fraction of the cost: all there is to gain is that base64 has six bits to a
    /// byte. Looks for repeated characters only.
    pub(crate) fn quick() -> Self {
        Self::new(1, CompressionStrategy::RLE, UNTOLD)
    }

    /// As small as can be.
    fn thorough() -> Self {
        Self::new(9, CompressionStrategy::Default, MOST)
    }

    fn new(level: i32, strategy: CompressionStrategy, effort: u8) -> Self {
        // Deflate without zlib's header and trailer.
        const BARE: i32 = -15;
        let flags = create_comp_flags_from_zip_params(level, BARE, strategy as i32);
        Self {
            tables: CompressorOxide::new(flags),
            effort,
        }
    }

    /// Appends a member that unpacks to `bytes`, if there are any.
    pub(crate) fn append(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.tables.reset();
        let begin = to.len();
        to.extend(header(self.effort));
        let deflated = to.len();
        // What needs more than it has is stored.
        to.resize(deflated + bytes.len(), 0);
        match compress(
            &mut self.tables,
            bytes,
            &mut to[deflated..],
            TDEFLFlush::Finish,
        ) {
            (TDEFLStatus::Done, _, length) => {
                to.truncate(deflated + length);
                trailer(bytes, to);
            }
            _ => {
                to.truncate(begin);
                append_stored(bytes, to);
            }
        }
    }
}

/// Appends a member that holds `bytes` as they are (RFC 1951, 3.2.4). No compressor sees them, whose tables would keep
/// a copy of a key in memory.
pub(crate) fn append_stored(bytes: &[u8], to: &mut Vec<u8>) {
    const BLOCK: usize = 0xffff;
    to.extend(header(UNTOLD));
    let mut rest = bytes;
    loop {
        let (block, next) = rest.split_at(rest.len().min(BLOCK));
        let length = block.len() as u16;
        to.push(u8::from(next.is_empty()));
        to.extend(length.to_le_bytes());
        to.extend((!length).to_le_bytes());
        to.extend(block);
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    trailer(bytes, to);
}

/// The length of a header.
const HEADER: usize = 10;
/// What a header says of the effort: nothing, or that none was spared (RFC 1952, 2.3.1).
const UNTOLD: u8 = 0;
const MOST: u8 = 2;
/// What it says of the system: "unknown".
const OF_NO_SYSTEM: u8 = 255;

/// Deflate, no flags, no time (RFC 1952, 2.3).
fn header(effort: u8) -> [u8; HEADER] {
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, OF_NO_SYSTEM]
}

fn trailer(bytes: &[u8], to: &mut Vec<u8>) {
    let mut crc = Crc::new();
    crc.update(bytes);
    to.extend(crc.sum().to_le_bytes());
    to.extend(crc.amount().to_le_bytes());
}

/// What members unpack to, `limit` bytes at most.
///
/// # Errors
/// If they are damaged.
pub(crate) fn unpacked(members: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(members.len());
    flate2::read::MultiGzDecoder::new(members)
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine as _;

    use super::*;

    #[test]
    fn a_member_is_known_by_its_beginning() {
        let begin = base64::engine::general_purpose::STANDARD
            .decode(BEGIN_IN_BASE64)
            .unwrap();
        assert!(member(b"text text text text").starts_with(&begin));
    }

    #[test]
    fn members_unpack_one_after_the_other() {
        for length in [0, 1, 0xffff, 0x1_0000, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut members = member(b"first");
            append_stored(&bytes, &mut members);
            let mut quick = Packer::quick();
            quick.append(&bytes, &mut members);
            quick.append(b"last", &mut members);
            for text in [
                &b"a"[..],
                b"ab",
                b"abcdefgh",
                b"abcdefghijk",
                b"12345678901234567890",
            ] {
                let first = member_before_others(text);
                assert!(first.len().is_multiple_of(3));
                assert_eq!(unpacked(&first, 99).unwrap(), text);
            }
            let whole = [b"first", &bytes[..], &bytes, b"last"].concat();
            assert!(unpacked(&members, 1 << 20).unwrap() == whole);
            assert_eq!(unpacked(&members, 3).unwrap(), b"fir");
            members.pop();
            assert!(unpacked(&members, 1 << 20).is_err());
        }
    }
}
