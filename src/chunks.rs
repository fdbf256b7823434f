//! Files that are too large to be held whole.

use std::io::{self, Read};

/// Read at a time.
const CHUNK: usize = 1 << 20;

/// Reads to the end and passes on one chunk after the other. Returns how many bytes there were. The digests we use are
/// not [`io::Write`], so [`io::copy`] cannot do this.
pub(crate) fn each_chunk(mut source: impl Read, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        match source.read(&mut chunk) {
            Ok(0) => return Ok(size),
            Ok(read) => {
                take(&chunk[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
