//! Reads a site: which files belong to it, their text within budgets, and YAML as a tree with the span of each value.

mod edit;
mod file;
mod secrets;
mod site;
mod yaml;

pub use edit::{Addition, Edited};
pub use file::{FileId, Position, SourceFile, Sources, Span};
pub(crate) use file::{FileTrouble, MAX_FILE_BYTES};
pub(crate) use secrets::private_keys;
pub use site::Content;
pub(crate) use site::{Layout, ProfileFile, Role, read_site, site_of};
pub(crate) use yaml::{Key, Kind, Node, YamlError, parse};
