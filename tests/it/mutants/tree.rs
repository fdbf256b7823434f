//! A site as a tree that can be changed, and written as text again with the lines of what was changed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::RangeInclusive;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize as _;

/// A value, and whether it is what was changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) changed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    /// A number, a boolean or nothing, as it is written.
    Bare(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// One file: its path below the site and its documents.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: Utf8PathBuf,
    pub(crate) documents: Vec<Node>,
}

pub(crate) type Site = Vec<File>;

/// How a site is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Every key on a line of its own, indented.
    Block,
    /// In brackets, every key on a line of its own.
    Flow,
    /// Like `Block`, and what stands in a document a second time is an alias of the first.
    Anchored,
}

/// Lines, from 1.
pub(crate) type Lines = RangeInclusive<usize>;

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { value, changed: false }
    }
}

impl Node {
    pub(crate) fn text(text: &str) -> Self {
        Value::Text(text.to_owned()).into()
    }

    pub(crate) fn bare(text: &str) -> Self {
        Value::Bare(text.to_owned()).into()
    }

    /// The same value as something that was changed.
    pub(crate) fn changed(mut self) -> Self {
        self.changed = true;
        self
    }

    fn any_changed(&self) -> bool {
        self.changed
            || match &self.value {
                Value::List(items) => items.iter().any(Self::any_changed),
                Value::Map(entries) => entries.iter().any(|(_, node)| node.any_changed()),
                Value::Text(_) | Value::Bare(_) => false,
            }
    }

    fn is_empty(&self) -> bool {
        match &self.value {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            Value::Text(text) | Value::Bare(text) => text.is_empty(),
        }
    }

    fn of(value: serde_yaml::Value) -> Self {
        use serde_yaml::Value as Yaml;
        match value {
            Yaml::Null => Self::bare("null"),
            Yaml::Bool(value) => Self::bare(&value.to_string()),
            Yaml::Number(value) => Self::bare(&value.to_string()),
            Yaml::String(text) => Value::Text(text).into(),
            Yaml::Sequence(items) => Value::List(items.into_iter().map(Self::of).collect()).into(),
            Yaml::Mapping(entries) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let key = key.as_str().expect("keys are text").to_owned();
                    (key, Self::of(value))
                });
                Value::Map(entries.collect()).into()
            }
            Yaml::Tagged(tag) => panic!("a profile has no tag such as {}", tag.tag),
        }
    }
}

/// Reads the profiles of a site with the second reader.
pub(crate) fn read(site: &Utf8Path) -> Site {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(site).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = Utf8Path::from_path(entry.path()).unwrap();
        let hidden = path.file_name().is_some_and(|name| name.starts_with('.'));
        if path.extension() != Some("yaml") || hidden {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let text = text.trim_start_matches('\u{feff}');
        let documents = serde_yaml::Deserializer::from_str(text).map(|document| {
            let mut value = serde_yaml::Value::deserialize(document).unwrap();
            value.apply_merge().unwrap();
            value
        });
        let documents = documents.filter(|value| !value.is_null()).map(Node::of);
        files.push(File {
            path: path.strip_prefix(site).unwrap().to_owned(),
            documents: documents.collect(),
        });
    }
    files
}

/// The file as text, and the lines of what was changed.
pub(crate) fn write(file: &File, style: Style) -> (String, Vec<Lines>) {
    let mut writer = Writer {
        style,
        text: String::new(),
        line: 1,
        changed: Vec::new(),
        repeated: HashSet::new(),
        anchors: HashMap::new(),
    };
    for (at, document) in file.documents.iter().enumerate() {
        if at > 0 {
            writer.raw("---");
            writer.end_line();
        }
        writer.document(document);
    }
    (writer.text, writer.changed)
}

struct Writer {
    style: Style,
    text: String,
    line: usize,
    changed: Vec<Lines>,
    /// What stands in the document more than once, in flow style.
    repeated: HashSet<String>,
    /// The anchor of what was written already.
    anchors: HashMap<String, String>,
}

impl Writer {
    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.line += 1;
    }

    fn document(&mut self, document: &Node) {
        self.anchors.clear();
        self.repeated.clear();
        if self.style == Style::Anchored {
            let mut seen = HashSet::new();
            note_repeats(document, &mut seen, &mut self.repeated);
        }
        let start = self.line;
        match &document.value {
            Value::Map(entries) if self.style != Style::Flow && !entries.is_empty() => {
                self.entries(entries, 0);
            }
            _ => {
                self.flow(document, 0);
                self.end_line();
            }
        }
        if document.changed {
            self.changed.push(start..=self.line - 1);
        }
    }

    fn entries(&mut self, entries: &[(String, Node)], indent: usize) {
        for (key, node) in entries {
            let start = self.line;
            self.raw(&" ".repeat(indent));
            self.raw(&scalar(key));
            self.raw(":");
            self.block(node, indent);
            if node.changed {
                self.changed.push(start..=self.line - 1);
            }
        }
    }

    /// What stands behind `key:` or `-`, up to the end of its last line.
    fn block(&mut self, node: &Node, indent: usize) {
        let identity = inline(node);
        if let Some(anchor) = self.anchors.get(&identity) {
            let alias = format!(" *{anchor}");
            self.raw(&alias);
            if node.any_changed() {
                self.changed.push(self.line..=self.line);
            }
            self.end_line();
            return;
        }
        if self.repeated.contains(&identity) {
            let anchor = format!("a{}", self.anchors.len());
            self.raw(&format!(" &{anchor}"));
            self.anchors.insert(identity, anchor);
        }
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.end_line();
                self.entries(entries, indent + 2);
            }
            Value::List(items) if !items.is_empty() => {
                self.end_line();
                for item in items {
                    let start = self.line;
                    self.raw(&" ".repeat(indent + 2));
                    self.raw("-");
                    if matches!(&item.value, Value::Map(_) | Value::List(_)) {
                        self.raw(" ");
                        self.raw(&inline(item));
                        self.end_line();
                        if item.any_changed() {
                            self.changed.push(start..=start);
                        }
                    } else {
                        self.block(item, indent + 2);
                    }
                    if item.changed {
                        self.changed.push(start..=self.line - 1);
                    }
                }
            }
            Value::Text(text) if text.ends_with('\n') && !text.starts_with(['\n', ' ']) => {
                self.raw(" |");
                self.end_line();
                for line in text.lines() {
                    self.raw(&" ".repeat(indent + 2));
                    self.raw(line);
                    self.end_line();
                }
            }
            _ => {
                self.raw(" ");
                self.raw(&inline(node));
                self.end_line();
            }
        }
    }

    /// In brackets, each entry on lines of its own; the last line is left open.
    fn flow(&mut self, node: &Node, indent: usize) {
        let inner = " ".repeat(indent + 2);
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.raw("{");
                self.end_line();
                for (key, node) in entries {
                    let start = self.line;
                    self.raw(&inner);
                    self.raw(&quoted(key));
                    self.raw(": ");
                    self.flow(node, indent + 2);
                    self.raw(",");
                    if node.changed {
                        self.changed.push(start..=self.line);
                    }
                    self.end_line();
                }
                self.raw(&" ".repeat(indent));
                self.raw("}");
            }
            Value::List(items) if !items.is_empty() => {
                self.raw("[");
                self.end_line();
                for item in items {
                    let start = self.line;
                    self.raw(&inner);
                    self.flow(item, indent + 2);
                    self.raw(",");
                    if item.changed {
                        self.changed.push(start..=self.line);
                    }
                    self.end_line();
                }
                self.raw(&" ".repeat(indent));
                self.raw("]");
            }
            Value::Text(text) => self.raw(&quoted(text)),
            _ => self.raw(&inline(node)),
        }
    }
}

fn note_repeats(node: &Node, seen: &mut HashSet<String>, repeated: &mut HashSet<String>) {
    let plain = matches!(&node.value, Value::Bare(_) | Value::List(_));
    if !plain && !node.is_empty() {
        let identity = inline(node);
        if !seen.insert(identity.clone()) {
            repeated.insert(identity);
        }
    }
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| note_repeats(item, seen, repeated)),
        Value::Map(entries) => entries.iter().for_each(|(_, node)| note_repeats(node, seen, repeated)),
        Value::Text(_) | Value::Bare(_) => {}
    }
}

/// A value on one line.
fn inline(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => scalar(text),
        Value::Bare(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, node)| format!("{}: {}", scalar(key), inline(node)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Text without quotes where it stays text without them.
fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte));
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    quoted(text)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
