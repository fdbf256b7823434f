//! gzip for what user-data carries: a first boot's script is four fifths of a seed.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

/// One gzip member that unpacks to `bytes`. It has no time and no name in it, so the same bytes give the same member.
/// Members that follow one another unpack to their contents one after the other (RFC 1952, 2.2), which Python's `gzip`
/// follows: what is the same for every host is packed once.
pub(super) fn member(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(OF_NO_SYSTEM)
        .write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// "Unknown", RFC 1952.
const OF_NO_SYSTEM: u8 = 255;
