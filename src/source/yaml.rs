//! YAML text to a tree with spans, through serde-saphyr.
//!
//! The tree keeps everything a message needs: the place of every key and value, both places of an aliased value, and
//! repeated keys, which the lowering reports together with the first use instead of the parser stopping at them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::file::{FileId, Span};

/// One YAML value and its span.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Where the value is written and, for an alias or a merged key, where it is used.
    pub(crate) span: Span,
}

impl Node {
    /// The tree as JSON. Where `stand_in` has something for a key, that stands in the place of the key's value; what is no whole
    /// number is null, as is nothing.
    pub(crate) fn to_json(&self, stand_in: &impl Fn(&str) -> Option<Value>) -> Value {
        match &self.kind {
            Kind::Null | Kind::Number => Value::Null,
            Kind::Bool(value) => Value::from(*value),
            Kind::Unsigned(number) => Value::from(*number),
            Kind::Text(text) => Value::from(text.as_str()),
            Kind::List(items) => items.iter().map(|item| item.to_json(stand_in)).collect(),
            Kind::Map(entries) => {
                let entries = entries.iter().filter_map(|(key, node)| {
                    let name = key.name.clone()?;
                    let value = stand_in(&name).unwrap_or_else(|| node.to_json(stand_in));
                    Some((name, value))
                });
                Value::Object(entries.collect())
            }
        }
    }
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The key's text, or nothing if the key is not text.
    pub(crate) name: Option<String>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    /// A whole number that is not negative.
    Unsigned(u64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Kind {
    /// Its name in messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number | Self::Unsigned(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Why the text is not YAML that this tool reads.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) span: Span,
    pub(crate) message: String,
    /// The text is well-formed but asks for more than a profile can need: an alias bomb, very deep nesting.
    pub(crate) over_budget: bool,
}

/// Every document of the text. Null documents (`---` with nothing behind it) do not count.
pub(crate) fn parse(text: &str, file: FileId) -> Result<Vec<Node>, YamlError> {
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(text, options(text.len()))
        .map_err(|error| yaml_error(&error, text, file))?;
    Ok(documents
        .into_iter()
        .map(|document| node(document, None, file))
        .collect())
}

/// The budgets. serde-saphyr's defaults refuse honest inventories (more than 100 hosts that merge one anchor, more than
/// about 8,600 hosts in a file), so each one is set from the input's size: a node takes at least two bytes of text,
/// and what aliases add to it may be as large again plus a margin for small files. That lets 10,000 hosts that share
/// one anchor pass and stops a bomb, which multiplies, early.
fn options(bytes: usize) -> serde_saphyr::Options {
    let nodes = bytes.saturating_mul(2).saturating_add(10_000);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 100_000,
            max_events: nodes.saturating_mul(2),
            max_nodes: nodes,
            max_aliases: nodes,
            max_anchors: nodes,
            max_recorded_anchor_events: nodes.saturating_mul(2),
            max_recorded_anchor_bytes: bytes.saturating_mul(16).saturating_add(1 << 20),
            max_total_scalar_bytes: bytes.saturating_mul(4).saturating_add(1 << 20),
            max_merge_keys: nodes,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: nodes.saturating_mul(2),
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn yaml_error(error: &serde_saphyr::Error, text: &str, file: FileId) -> YamlError {
    let error = error.without_snippet();
    let span = error
        .location()
        .map_or_else(|| file.start(), |location| span_of(location, text, file));
    let mut message = error.to_string();
    // The place is printed in front of every finding; the parser's own words for it would say it twice.
    for tail in [" at line ", " line "] {
        if let Some(at) = message.find(tail) {
            message.truncate(at);
        }
    }
    // The error may be wrapped in one about an alias or come from the scanner, so only its text tells the kind.
    let holds = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let too_deep = holds(&["Depth", "recursion limit", "nesting"]);
    let over_budget = too_deep || holds(&["budget", "replay", "expansion"]);
    if over_budget {
        message = if too_deep {
            "it nests more than 32 levels deep".to_owned()
        } else {
            "its aliases expand to far more than is written".to_owned()
        };
    }
    YamlError {
        span,
        message,
        over_budget,
    }
}

/// Byte offsets where the parser has them, else from line and column (scanner errors carry only those).
fn span_of(location: Location, text: &str, file: FileId) -> Span {
    let span = location.span();
    if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        let start = usize::try_from(start).unwrap_or(text.len()).min(text.len());
        let end = start.saturating_add(usize::try_from(len).unwrap_or(0)).min(text.len());
        return file.span(start, end);
    }
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let line_start = text.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let rest = text.get(line_start..).unwrap_or_default();
    let offset = rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
    let start = line_start + offset;
    let len = text
        .get(start..)
        .and_then(|rest| rest.chars().next())
        .map_or(0, char::len_utf8);
    file.span(start, start + len)
}

/// The shape serde-saphyr fills; [`node`] turns it into [`Node`].
enum Raw {
    Null,
    Bool(bool),
    Number,
    Unsigned(u64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(u64::try_from(value).map_or(Raw::Number, Raw::Unsigned))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Unsigned(value))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key()? {
            map.push((key, entries.next_value()?));
        }
        Ok(Raw::Map(map))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Turns the parser's tree into ours. `alias` is the alias through which the enclosing value is used, if there is one.
fn node(raw: Spanned<Raw>, alias: Option<Span>, file: FileId) -> Node {
    let (written, alias) = spans(&raw, alias, file);
    let mut span = brought(written, alias);
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(value) => Kind::Bool(value),
        Raw::Number => Kind::Number,
        Raw::Unsigned(value) => Kind::Unsigned(value),
        Raw::Text(text) => Kind::Text(text),
        Raw::List(items) => {
            let items: Vec<Node> = items.into_iter().map(|item| node(item, alias, file)).collect();
            // A block collection has a start but no extent of its own; its first entry is what a person sees there.
            if span.start == span.end
                && let Some(first) = items.first()
            {
                span = first.span;
            }
            Kind::List(items)
        }
        Raw::Map(entries) => {
            let entries: Vec<(Key, Node)> = entries
                .into_iter()
                .map(|(key_raw, value)| (key(key_raw, alias, file), node(value, alias, file)))
                .collect();
            if span.start == span.end
                && let Some((first, _)) = entries.first()
            {
                span = first.span;
            }
            Kind::Map(entries)
        }
    };
    Node { kind, span }
}

fn key(raw: Spanned<Raw>, alias: Option<Span>, file: FileId) -> Key {
    let (written, alias) = spans(&raw, alias, file);
    let name = match raw.value {
        Raw::Text(text) => Some(text),
        _ => None,
    };
    Key {
        name,
        span: brought(written, alias),
    }
}

/// Where a value is written, and the alias that brings it to where it is used.
fn spans(raw: &Spanned<Raw>, alias: Option<Span>, file: FileId) -> (Span, Option<Span>) {
    let written = plain_span(raw.defined, file);
    let used = plain_span(raw.referenced, file);
    (written, alias.or((used.start != written.start).then_some(used)))
}

fn brought(written: Span, alias: Option<Span>) -> Span {
    alias.map_or(written, |alias| written.through(alias))
}

fn plain_span(location: Location, file: FileId) -> Span {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(0);
    let len = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    file.span(start, start.saturating_add(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    /// Every key and value with the text where it is used and, if another, the text where it is written.
    fn spans_of(text: &str) -> Vec<String> {
        let file = Sources::default().add("x.yaml".into(), text.to_owned());
        let show = |span: Span| match span.anchored() {
            None => text[span.range()].to_owned(),
            Some(written) => format!("{} <- {}", &text[span.used().range()], &text[written.range()]),
        };
        fn walk(node: &Node, show: &dyn Fn(Span) -> String, into: &mut Vec<String>) {
            match &node.kind {
                Kind::List(items) => items.iter().for_each(|item| walk(item, show, into)),
                Kind::Map(entries) => {
                    for (key, value) in entries {
                        into.push(show(key.span));
                        walk(value, show, into);
                    }
                }
                _ => into.push(show(node.span)),
            }
        }
        let mut into = Vec::new();
        for document in parse(text, file).unwrap_or_default() {
            walk(&document, &show, &mut into);
        }
        into
    }

    #[test]
    fn an_alias_is_known_by_where_it_is_used() {
        assert_eq!(
            spans_of("a: &x one\nb: *x\nc: &m {k: v}\nd: *m\ne: [*x, é, *x]\n"),
            [
                "a",
                "one",
                "b",
                "*x <- one",
                "c",
                "k",
                "v",
                "d",
                "*m <- k",
                "*m <- v",
                "e",
                "*x <- one",
                "é",
                "*x <- one"
            ]
        );
    }

    #[test]
    fn a_merged_key_is_known_by_where_it_is_merged() {
        assert_eq!(
            spans_of("a: &m\n  k: v\nb:\n  <<: *m\n  own: 1\n"),
            ["a", "k", "v", "b", "own", "1", "*m <- k", "*m <- v"]
        );
    }
}
