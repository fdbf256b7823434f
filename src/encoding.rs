//! How files are carried in text and in less of it: base64 and gzip.

use std::io::{self, Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder, read::MultiGzDecoder};

/// In base64, on one line.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Compresses `bytes` by gzip. There is no time and no name in the result, so the same bytes give the same result.
pub(crate) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    /// More than what gzip adds to what cannot be compressed.
    const MORE: usize = 1024;
    // At its full size at once: a vector that grows leaves copies of keys behind.
    let mut encoder = GzBuilder::new().write(Vec::with_capacity(bytes.len() + MORE), level);
    // A vector takes whatever is written.
    let written = encoder.write_all(bytes);
    debug_assert!(written.is_ok());
    encoder.finish().unwrap_or_default()
}

/// Decompresses `bytes` and stops after `limit`. Members that follow one another decompress to their contents one after
/// the other (RFC 1952, 2.2).
///
/// # Errors
/// If they are damaged.
pub(crate) fn gunzip(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len());
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut text)?;
    Ok(text)
}
