//! How findings look: to a person, and in each of the formats that programs read.

mod access;
mod entry;
mod explain;
mod github;
mod json;
mod junit;
mod rules;
mod sanitize;
mod sarif;
pub mod schema;
mod text;

pub use crate::profile::did_you_mean;
pub use access::Access;
pub use entry::{OfRule, Options, Report, Summary};
pub use explain::{find as find_rule, list as rule_list, reference as rule_reference, rule as explain};
pub use github::render as github;
pub use json::{render as json, schema as json_schema};
pub use junit::render as junit;
pub use rules::rules;
pub use sanitize::sanitize;
pub use sarif::render as sarif;
pub use text::texts;
