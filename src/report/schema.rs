//! JSON Schemas of the profiles, for editors: completion, words on hover, and mistakes underlined while they are typed.

use serde_json::{Map, Value, json};

use crate::check;
use crate::profile::{Cluster, Describe, Disks, Host, merged};

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `cluster.yaml`.
    Cluster,
    /// `hosts/*.yaml`.
    Host,
    /// `disks/*.yaml`.
    Disks,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Host, Self::Disks];

    /// Its name on the command line; the file that ships is `schema/NAME.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Host => "host",
            Self::Disks => "disks",
        }
    }

    /// The files it is for, from the cluster's folder on.
    #[must_use]
    pub fn files(self) -> &'static str {
        match self {
            Self::Cluster => "cluster.yaml",
            Self::Host => "hosts/*.yaml",
            Self::Disks => "disks/*.yaml",
        }
    }

    /// The schema as it is printed and shipped.
    #[must_use]
    pub fn text(self) -> String {
        // Serialization of plain values into memory does not fail.
        serde_json::to_string_pretty(&self.schema()).unwrap_or_default()
    }

    /// The schema, draft-07: the newest that yaml-language-server reads in full.
    #[must_use]
    pub fn schema(self) -> Value {
        let head = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$comment": format!("made by `lxseed schema {}`", self.name()),
            "title": format!("lxseed {}", self.files()),
        });
        let body = match self {
            Self::Cluster => merged(Cluster::schema(), allow()),
            Self::Host => Host::schema(),
            Self::Disks => Disks::schema(),
        };
        merged(head, body)
    }
}

/// The keys of `allow`, which the profile type cannot know: the warnings there are.
fn allow() -> Value {
    let mut rules: Vec<_> = check::allowable().collect();
    rules.sort_by_key(|rule| rule.code);
    let reasons: Map<String, Value> = rules
        .into_iter()
        .map(|rule| {
            let words = format!("Why this is meant. {}: {}", rule.code, rule.about);
            let reason = json!({"description": words, "type": "string", "minLength": 1});
            (rule.slug.to_owned(), reason)
        })
        .collect();
    json!({"properties": {"allow": {"additionalProperties": false, "properties": reasons}}})
}
