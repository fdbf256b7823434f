//! `sysctl:` of a host: settings of the running kernel.

use serde_json::{Value, json};

use super::describe::Describe;
use super::lower::{Lower, Where, wrong_type};
use crate::finding::Findings;
use crate::source::{Kind, Node};

/// Keys of the mapping, as an editor knows them.
pub(super) fn keys() -> Value {
    json!({"propertyNames": {
        "pattern": PATTERN,
        "patternErrorMessage": "write a name as `sysctl -a` prints it, such as vm.swappiness",
        "examples": ["vm.swappiness", "fs.inotify.max_user_instances"],
    }})
}

/// Names as `sysctl -a` prints them.
pub(crate) const PATTERN: &str = "^(abi|crypto|debug|dev|fs|kernel|net|sunrpc|user|vm)(\\.[A-Za-z0-9_-]+)+$";

/// A value: a whole number, or a text such as several numbers.
#[derive(Clone, Debug)]
pub(crate) struct Setting(pub(crate) String);

impl Lower for Setting {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match &node.kind {
            Kind::Unsigned(number) => Some(Self(number.to_string())),
            Kind::Text(_) => String::lower(node, where_, findings).map(Self),
            _ => {
                let help = "write a whole number, or what `sysctl` prints in quotes; on is 1, off is 0".to_owned();
                wrong_type(node, where_, "a whole number or text", help, findings);
                None
            }
        }
    }
}

impl Describe for Setting {
    fn schema() -> Value {
        json!({"description": "The value: a whole number, or what `sysctl` prints in quotes.", "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "minLength": 1},
        ]})
    }
}
