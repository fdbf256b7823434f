//! What the files of a cluster follow from, as one digest. Rendering is pure, so a cluster whose digest is the one it
//! was built from need not be rendered again.

use sha2::{Digest, Sha256};

use super::RenderError;
use crate::hex;
use crate::model::Cluster;

/// A digest of this program's sources, templates and dependencies, in hexadecimal: another program may write other
/// bytes.
pub const PROGRAM: &str = env!("LXSEED_SOURCES");

/// Digests all that the files of a cluster follow from: the whole model of it as it serializes, this program, the
/// fingerprint of the site secret, and whether each seed is written as an image, too.
///
/// # Errors
/// If a value cannot be serialized, which no value of the model is known to do.
pub fn cluster_digest(cluster: &Cluster, secret_fingerprint: &str, images: bool) -> Result<String, RenderError> {
    // JSON keeps the parts apart, and is the same everywhere.
    let text = serde_json::to_vec(&(PROGRAM, secret_fingerprint, images, cluster)).map_err(RenderError::Digest)?;
    Ok(hex::encode(&Sha256::digest(&text)))
}
