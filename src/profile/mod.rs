//! What a user may write: the YAML tree lowered into typed profiles, with every mistake of shape collected on the way.
//!
//! A field is absent here when it is missing or when it was wrong and has been reported; nothing is guessed. What a
//! profile *means*, and whether it is true, is not decided here but by [`crate::check`].

mod apt;
mod cloud_config;
mod copied;
mod describe;
mod holds;
mod leaks;
mod links;
mod load;
mod lower;
mod placeholders;
mod proxy;
mod rules;
mod scalar;
mod services;
mod shared;
mod syntax;
mod sysctl;
mod types;
mod wishes;

pub(crate) use apt::Apt;
pub(crate) use cloud_config::{CloudConfig, Extra, HEADER, path as path_of_extra};
pub(crate) use describe::{Describe, merged};
pub(crate) use holds::holds;
pub use holds::{Holding, Origin};
pub(crate) use leaks::holds_private_key;
pub(crate) use links::{Bond, FurtherNetwork, LONGEST_INTERVAL, Route, SHORTEST_INTERVAL, USUAL_INTERVAL};
pub(crate) use load::load;
pub(crate) use load::{ClusterFolder, Document, Profiles};
pub use lower::did_you_mean;
pub(crate) use lower::listed;
pub(crate) use lower::quoted;
pub(crate) use lower::{Named, Spanned, Unread, entries, unread};
pub(crate) use rules::{FAMILIES, RULES, SAMPLE, UNREADABLE};
pub(crate) use scalar::scalar;
pub(crate) use services::{Keyboard, Ntp};
pub(crate) use shared::Shared;
pub(crate) use sysctl::Setting;
pub(crate) use types::{Admin, Cluster, ClusterNetwork, Desk, Disks, Host, HostNetwork, Pool, Slot, TrustFor, Volume};
