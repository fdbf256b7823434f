//! What a host's system has beyond what makes it a member.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What a host's system has of its owner's own.
#[derive(Clone, Debug, Default, Serialize)]
pub struct System {
    /// A `#cloud-config` that is added to what lxseed writes. Many hosts have the same one.
    #[serde(serialize_with = "whole")]
    pub cloud_config: Option<Arc<CloudConfig>>,
    /// Settings of the running kernel, name and value.
    pub sysctl: Vec<(String, String)>,
}

/// Somebody's own `#cloud-config`, taken apart.
#[derive(Clone, Debug, Serialize)]
pub struct CloudConfig {
    /// The file, as the profile names it.
    pub file: String,
    /// Files that are written.
    pub write_files: Vec<Value>,
    /// Commands that are run, once for each seed.
    pub runcmd: Vec<Value>,
    /// Whether they run before the first boot begins, or once it has.
    pub when: When,
    /// All other keys.
    pub keys: Map<String, Value>,
}

/// When commands of one's own run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum When {
    /// Before the first boot begins.
    Before,
    /// Once it has begun. Nobody waits until it has ended.
    After,
}

impl When {
    pub(crate) const ALL: [Self; 2] = [Self::Before, Self::After];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

fn whole<S: Serializer>(config: &Option<Arc<CloudConfig>>, serializer: S) -> Result<S::Ok, S::Error> {
    config.as_deref().serialize(serializer)
}
