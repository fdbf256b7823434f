//! What is known to be true: checked types that only their constructors can make, the only thing [`crate::seed`] takes.
//!
//! All of it can be serialized, for one use: [`crate::seed::cluster_digest`] digests what a cluster's files follow
//! from.

mod apt;
mod domain;
mod links;
mod proxy;
mod scalar;
mod site;
mod system;

pub use crate::target::{BondMode, Driver, FindBy, HashPolicy, Kernel, LacpRate, Overlay, VolumeKind};
pub use apt::{Apt, AptSource, MirrorUrl, Package};
pub(crate) use domain::{is_address, is_domain};
pub use links::{Bond, Further, Link, Route, Wiring};
pub(crate) use links::{LARGEST_MTU, SMALLEST_MTU, USUAL_MTU, VLANS};
pub use proxy::{
    Direct, LXD_PROXY_EXCEPTIONS, LXD_PROXY_HTTP, LXD_PROXY_HTTPS, Proxy, ProxyUrl, lxd_exception, lxd_proxy,
};
pub use scalar::{ByteSize, Mac, Name};
pub(crate) use scalar::{FINGERPRINT_DIGITS, FOUNDING_DIGITS};
pub use site::{
    Admin, BundledSnap, ClientCertificate, Cluster, ClusterParts, Disk, Host, HostParts, Keyboard, ModelError, Network,
    Pool, Retired, Services, Site, Volume,
};
pub use system::{CloudConfig, System, When};
