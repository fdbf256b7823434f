//! What is known to be true: checked types that only their constructors can make, the only thing [`crate::seed`] takes.
//!
//! All of it can be serialized, for one use: [`crate::seed::cluster_digest`] digests what a cluster's files follow
//! from.

mod scalar;
mod site;
mod system;

pub use crate::target::{Driver, FindBy, Kernel, Overlay, VolumeKind};
pub use scalar::{ByteSize, Mac, Name};
pub(crate) use scalar::{FINGERPRINT_DIGITS, FOUNDING_DIGITS};
pub use site::{
    Admin, BundledSnap, ClientCertificate, Cluster, ClusterParts, Disk, Host, HostParts, ModelError, Network, Pool,
    Retired, Services, Site, Volume,
};
pub use system::{CloudConfig, System, When};
