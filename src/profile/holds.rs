//! The whole of what holds for a host: every key with its value, and where that comes from.
//!
//! It is read from the documents themselves and from the schema, so a key that is new in a profile type is in it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::describe::Describe as _;
use super::load::{ClusterFolder, Profiles};
use super::shared::{Groups, entry, slots_under};
use super::types::{Cluster, Host};
use crate::source::{self, Kind, Node, Span};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The host's own profile.
    Host,
    /// The model of that name in cluster.yaml.
    Model(String),
    /// `defaults` in cluster.yaml.
    Defaults,
    /// The disks profile.
    Disks,
    /// The cluster's profile.
    Cluster,
    /// Nobody writes it.
    Lxseed,
}

/// One key that holds for a host.
#[derive(Clone, Debug)]
pub struct Holding {
    /// What it is about: `host`, `disks` or `cluster`.
    pub of: &'static str,
    /// The key, from the top of its profile on.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
    /// The place where it is written.
    pub span: Option<Span>,
}

/// Keys of cluster.yaml that say nothing of a host.
const NOT_OF_A_HOST: &[&str] = &["defaults", "models", "allow", "spares", "retired"];

/// What holds where nothing is written and the schema names no value.
const USUAL: &[(&str, &str)] = &[
    ("timezone", "Etc/UTC"),
    ("locale", "the image's own, English"),
    ("ntp", "Ubuntu's own servers"),
    ("desk.generation", "1"),
];

/// What stands in the place of a value that is not shown.
const HIDDEN: &str = "(not shown)";

/// What holds for a host of that name; none if it is not there.
pub(crate) fn holds(profiles: &Profiles, cluster: &str, host: &str) -> Option<Vec<Holding>> {
    let is_named = |folder: &&ClusterFolder| {
        let profile = folder.cluster.as_ref();
        let name = profile.and_then(|profile| profile.value.name.as_ref());
        name.is_some_and(|name| name.value == cluster)
    };
    let folder = profiles.clusters.iter().find(is_named)?;
    let named = |name: &Node, wanted: &str| matches!(&name.kind, Kind::Text(name) if name == wanted);
    // The document of that name in the file of a span.
    let document = |span: Span, name: &str| {
        let text = &profiles.sources.file(span.file).text;
        let documents = source::parse(text, span.file).ok()?;
        let mut documents = documents.into_iter();
        documents.find(|document| entry(document, "name").is_some_and(|found| named(found, name)))
    };
    let place = folder.cluster.as_ref()?.span;
    let of_cluster = document(place, cluster)?;
    let is_host = |document: &&super::load::Document<Host>| {
        let name = document.value.name.as_ref();
        name.is_some_and(|name| name.value == host)
    };
    let profile = folder.hosts.iter().find(is_host)?;
    let own = document(profile.span, host)?;
    let disks = profile.value.disks.as_ref().and_then(|wanted| {
        let mut all = folder.disks.iter();
        let found = all.find(|disks| disks.value.name.as_ref().is_some_and(|name| name.value == wanted.value))?;
        document(found.span, &wanted.value)
    });
    let mut origins = Origins::default();
    origins.note(&own, &Origin::Host);
    if let Some(defaults) = entry(&of_cluster, "defaults") {
        origins.note(defaults, &Origin::Defaults);
    }
    if let Some(Kind::Map(models)) = entry(&of_cluster, "models").map(|models| &models.kind) {
        for (name, model) in models {
            origins.note(model, &Origin::Model(name.name.clone().unwrap_or_default()));
        }
    }
    let mut merged = Groups::of(Some(&of_cluster), place, true).under(own);
    if let Some(disks) = &disks {
        origins.note(disks, &Origin::Disks);
        slots_under(&mut merged, disks);
    }
    origins.note(&of_cluster, &Origin::Cluster);
    let mut rows = origins.rows("host", &merged, &[]);
    usual("host", "", &Host::schema(), Some(&merged), &mut rows);
    if let Some(disks) = &disks {
        rows.extend(origins.rows("disks", disks, &["slots"]));
    }
    rows.extend(origins.rows("cluster", &of_cluster, NOT_OF_A_HOST));
    usual("cluster", "", &Cluster::schema(), Some(&of_cluster), &mut rows);
    let is_bridged = entry(&of_cluster, "network").is_some_and(|network| entry(network, "bridge").is_some());
    let overlay = |row: &&mut Holding| row.key == "network.overlay" && row.span.is_none();
    if let Some(overlay) = rows.iter_mut().find(overlay).filter(|_| is_bridged) {
        overlay.value = json!("none");
    }
    Some(rows)
}

/// Which layer each value is written in, by its place.
#[derive(Default)]
struct Origins(HashMap<Span, Origin>);

impl Origins {
    /// Notes each value that is not noted yet.
    fn note(&mut self, node: &Node, origin: &Origin) {
        self.0.entry(node.span).or_insert_with(|| origin.clone());
        match &node.kind {
            Kind::Map(entries) => entries.iter().for_each(|(_, value)| self.note(value, origin)),
            Kind::List(items) => items.iter().for_each(|item| self.note(item, origin)),
            _ => {}
        }
    }

    fn rows(&self, of: &'static str, document: &Node, without: &[&str]) -> Vec<Holding> {
        let mut rows = Vec::new();
        let Kind::Map(entries) = &document.kind else {
            return rows;
        };
        for (key, value) in entries {
            let name = key.name.as_deref().unwrap_or_default();
            if !without.contains(&name) {
                self.below(of, name.to_owned(), value, &mut rows);
            }
        }
        rows
    }

    fn below(&self, of: &'static str, key: String, node: &Node, rows: &mut Vec<Holding>) {
        match &node.kind {
            Kind::Map(entries) if !entries.is_empty() => {
                for (name, value) in entries {
                    let name = name.name.as_deref().unwrap_or_default();
                    self.below(of, format!("{key}.{name}"), value, rows);
                }
            }
            _ => rows.push(Holding {
                of,
                value: if is_hidden(&key) {
                    json!(HIDDEN)
                } else {
                    node.to_json(&stand_in)
                },
                key,
                origin: self.0.get(&node.span).cloned().unwrap_or(Origin::Cluster),
                span: Some(node.span),
            }),
        }
    }
}

/// Whether a value is for nobody's screen: the hash of a password can be guessed at.
fn is_hidden(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    // A bond's `transmit_hash_policy` is none of them.
    let words = ["passw", "secret", "password_hash", "token"];
    words.iter().any(|word| last.contains(word))
}

/// What stands in the place of the value of a key.
fn stand_in(key: &str) -> Option<Value> {
    is_hidden(key).then(|| json!(HIDDEN))
}

/// Adds what holds where nothing is written, as the schema has it.
fn usual(of: &'static str, above: &str, schema: &Value, node: Option<&Node>, rows: &mut Vec<Holding>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if above.is_empty() && NOT_OF_A_HOST.contains(&name.as_str()) {
            continue;
        }
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        let there = node.and_then(|node| entry(node, name));
        let words = USUAL
            .iter()
            .find(|(usual, _)| *usual == key || *usual == format!("{key}.generation"));
        let value = property.get("default").cloned();
        let value = value.or_else(|| words.filter(|_| of == "cluster").map(|(_, words)| json!(words)));
        let unwritten = |key, value| Holding {
            of,
            key,
            value,
            origin: Origin::Lxseed,
            span: None,
        };
        match (there, value) {
            (None, None) if above.starts_with("pools.") && name == "volume" => {
                rows.push(unwritten(key, json!(above.trim_start_matches("pools."))));
            }
            (None, Some(value)) => {
                let key = words.map_or(key, |(usual, _)| (*usual).to_owned());
                rows.push(unwritten(key, value));
            }
            (
                Some(Node {
                    kind: Kind::Map(entries),
                    ..
                }),
                _,
            ) if property["additionalProperties"].is_object() => {
                for (name, value) in entries {
                    let key = format!("{key}.{}", name.name.as_deref().unwrap_or_default());
                    usual(of, &key, &property["additionalProperties"], Some(value), rows);
                }
            }
            (there, _) => usual(of, &key, property, there, rows),
        }
    }
}
