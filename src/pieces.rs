//! Files that are too large to be held whole.

use std::io::{self, Read};

/// Read at a time.
const PIECE: usize = 1 << 20;

/// Reads to the end and gives away one piece after the other. Returns how many bytes there were.
pub(crate) fn each_piece(mut source: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(size),
            Ok(read) => {
                take(&piece[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
