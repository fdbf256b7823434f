//! What is known to be true: checked types that only their constructors can make, the only thing [`crate::render`] takes.
//!
//! All of it can be serialized, for one use: [`crate::render::Inputs`] digests what a host's files follow from.

mod scalar;
mod site;
mod word;

pub use scalar::{ByteSize, Mac, Name};
pub use site::{
    Admin, CarriedSnap, ClientCertificate, Cluster, ClusterParts, Disk, Host, HostParts,
    ModelError, Network, Pool, Site, Volume,
};
pub use word::{Driver, FindBy, Kernel, Overlay, VolumeKind};
