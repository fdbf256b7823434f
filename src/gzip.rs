//! gzip for what seeds carry: a first boot's script is most of one.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, Crc, GzBuilder};

/// One gzip member that unpacks to `bytes`. It has no time and no name in it, so the same bytes give the same member.
/// Members that follow one another unpack to their contents one after the other (RFC 1952, 2.2), which Python's `gzip`
/// follows: what is the same for every host is packed once.
pub(crate) fn member(bytes: &[u8]) -> io::Result<Vec<u8>> {
    packed(bytes, Compression::best())
}

/// As [`member`], for what does not repeat itself: all there is to gain is that base64 has six bits to a byte.
pub(crate) fn quick_member(bytes: &[u8]) -> io::Result<Vec<u8>> {
    packed(bytes, Compression::fast())
}

fn packed(bytes: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(OF_NO_SYSTEM)
        .write(Vec::new(), level);
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// Appends a member that holds `bytes` as they are (RFC 1951, 3.2.4). No compressor sees them, whose tables would keep
/// a copy of a key in memory.
pub(crate) fn stored_member(bytes: &[u8], to: &mut Vec<u8>) {
    /// Deflate, no flags, no time, nothing said about the effort.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, OF_NO_SYSTEM];
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
            stored_member(&bytes, &mut members);
            members.extend(quick_member(b"last").unwrap());
            let whole = [b"first", &bytes[..], b"last"].concat();
            assert!(unpacked(&members, 1 << 20).unwrap() == whole);
            assert_eq!(unpacked(&members, 3).unwrap(), b"fir");
            members.pop();
            assert!(unpacked(&members, 1 << 20).is_err());
        }
    }
}
