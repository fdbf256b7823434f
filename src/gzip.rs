//! gzip for what seeds carry: a first boot's script is most of one.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, Crc, GzBuilder};
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress,
    create_comp_flags_from_zip_params,
};

/// One gzip member that unpacks to `bytes`. It has no time and no name in it, so the same bytes give the same member.
/// Members that follow one another unpack to their contents one after the other (RFC 1952, 2.2), which Python's `gzip`
/// follows: what is the same for every host is packed once.
pub(crate) fn member(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(OF_NO_SYSTEM)
        .write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// As [`member`], and its length is a multiple of three: what follows it is the same text in base64, whatever the member holds.
pub(crate) fn member_before_others(bytes: &[u8]) -> io::Result<Vec<u8>> {
    /// The flag that a comment stands behind the header, ended by a zero byte (RFC 1952, 2.3.1).
    const COMMENT: u8 = 1 << 4;
    let mut member = member(bytes)?;
    let comment: &[u8] = match member.len() % 3 {
        0 => return Ok(member),
        1 => b"-\0",
        _ => b"\0",
    };
    member[3] |= COMMENT;
    member.splice(HEADER.len()..HEADER.len(), comment.iter().copied());
    Ok(member)
}

/// Makes members of text that hardly repeats itself, at a fraction of the cost: all there is to gain is that base64 has six bits
/// to a byte.
pub(crate) struct Quick(CompressorOxide);

impl Quick {
    pub(crate) fn new() -> Self {
        // Bare deflate, which looks for repeated characters only.
        const LEVEL: i32 = 1;
        const BARE: i32 = -15;
        let flags = create_comp_flags_from_zip_params(LEVEL, BARE, CompressionStrategy::RLE as i32);
        Self(CompressorOxide::new(flags))
    }

    /// Appends a member that unpacks to `bytes`, if there are any.
    pub(crate) fn append(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.0.reset();
        let begin = to.len();
        to.extend(HEADER);
        let deflated = to.len();
        // What needs more than it has is stored.
        to.resize(deflated + bytes.len(), 0);
        match compress(&mut self.0, bytes, &mut to[deflated..], TDEFLFlush::Finish) {
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
    const MOST: usize = 0xffff;
    to.extend(HEADER);
    let mut rest = bytes;
    loop {
        let (block, next) = rest.split_at(rest.len().min(MOST));
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

/// Deflate, no flags, no time, nothing said about the effort (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, OF_NO_SYSTEM];

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

/// "Unknown", RFC 1952.
const OF_NO_SYSTEM: u8 = 255;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn members_unpack_one_after_the_other() {
        for length in [0, 1, 0xffff, 0x1_0000, 200_000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut members = member(b"first").unwrap();
            append_stored(&bytes, &mut members);
            let mut quick = Quick::new();
            quick.append(&bytes, &mut members);
            quick.append(b"last", &mut members);
            for text in [
                &b"a"[..],
                b"ab",
                b"abcdefgh",
                b"abcdefghijk",
                b"12345678901234567890",
            ] {
                let first = member_before_others(text).unwrap();
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
