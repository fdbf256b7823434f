//! What is known to be true: checked types that only their constructors can make, the only thing [`crate::seed`] takes.
//!
//! All of it can be serialized, for one use: [`crate::seed::cluster_digest`] digests what a cluster's files follow
//! from.

mod links;
mod scalar;
mod site;

pub use crate::target::{BondMode, Driver, FindBy, HashPolicy, Kernel, LacpRate, Overlay, VolumeKind};
pub use links::{Bond, Further, Link, Route, Wiring};
pub(crate) use links::{LARGEST_MTU, SMALLEST_MTU};
pub use scalar::{ByteSize, Mac, Name};
pub(crate) use scalar::{FINGERPRINT_DIGITS, FOUNDING_DIGITS};
pub use site::{
    Admin, BundledSnap, ClientCertificate, Cluster, ClusterParts, Disk, Host, HostParts, ModelError, Network, Pool,
    Retired, Services, Site, Volume,
};
