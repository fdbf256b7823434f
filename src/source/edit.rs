//! One value more at the top of a YAML document, and every other byte of the text as it was.
//!
//! Text is only ever inserted. Where, is tried: at each place that may be right the text is put in and read again, and the
//! first place is taken at which the documents say what they said before and the new value. Where none is, a person has to
//! write it.

use super::file::Sources;
use super::yaml::{self, Key, Kind, Node};

/// A value that is not there yet. Its texts are of letters, digits and hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition<'a> {
    /// `KEY: "VALUE"`
    Scalar {
        /// The key.
        key: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// `KEY: {NAME: ["ITEM"]}`, beside what the mapping and the list hold.
    Item {
        /// The key of the mapping.
        key: &'a str,
        /// The key of the list in it.
        name: &'a str,
        /// What the list gets.
        item: &'a str,
    },
}

/// What became of an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It is there already.
    There,
    /// The whole text with it.
    Text(String),
    /// Nobody can say for sure where it belongs, or another value is in its place.
    ByHand,
}

impl Addition<'_> {
    /// The line that says it.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Scalar { key, value } => format!("{key}: \"{value}\""),
            Self::Item { key, name, item } => format!("{key}: {{{name}: [\"{item}\"]}}"),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Scalar { key, .. } | Self::Item { key, .. } => key,
        }
    }

    /// Puts it into the document of the text that begins at or before a byte.
    #[must_use]
    pub fn put_into(&self, text: &str, at: usize) -> Edited {
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let fits = match self {
            Self::Scalar { key, value } => plain(key) && plain(value),
            Self::Item { key, name, item } => plain(key) && plain(name) && plain(item),
        };
        let (Some(before), true) = (documents(text), fits) else {
            return Edited::ByHand;
        };
        let Some(number) = before.iter().rposition(|document| start(document) <= at) else {
            return Edited::ByHand;
        };
        let Some(top) = Collection::of(&before[number]) else {
            return Edited::ByHand;
        };
        let places = match self.places(text, &top) {
            Ok(places) => places,
            Err(found) => return found,
        };
        let texts = places
            .into_iter()
            .filter_map(|(at, new)| Some([text.get(..at)?, &new, text.get(at..)?].concat()));
        let mut fitting = texts.filter(|text| self.is_all_that_is_new(&before, number, text));
        fitting.next().map_or(Edited::ByHand, Edited::Text)
    }

    /// The insertions that may be right, the likeliest first.
    fn places(&self, text: &str, top: &Collection<'_>) -> Result<Vec<(usize, String)>, Edited> {
        let written = top.get(self.key());
        let (name, item) = match (self, written) {
            (_, None) => {
                let anchors = top.anchors(&["retired", "spares", "formed", "bootstrap", "name"]);
                return Ok(beside(text, &anchors, |style| self.entry(style)));
            }
            (Self::Scalar { value, .. }, Some(Kind::Text(there))) if there == value => return Err(Edited::There),
            (Self::Scalar { .. }, Some(_)) => return Err(Edited::ByHand),
            (Self::Item { name, item, .. }, Some(_)) => (*name, *item),
        };
        let node = top.node(self.key()).ok_or(Edited::ByHand)?;
        let names = Collection::of(node).ok_or(Edited::ByHand)?;
        match names.get(name) {
            None if names.0.is_empty() => Ok(within(text, start(node), &format!("{name}: [\"{item}\"]"))),
            None => Ok(beside(text, &names.anchors(&[]), |style| {
                format!("{}: [\"{item}\"]", style.key(name))
            })),
            Some(Kind::List(items)) => {
                let is_it = |known: &Node| matches!(&known.kind, Kind::Text(known) if known == item);
                match items.last() {
                    _ if items.iter().any(is_it) => Err(Edited::There),
                    Some(last) => Ok(behind_item(text, last, item)),
                    None => {
                        let list = names.node(name).ok_or(Edited::ByHand)?;
                        Ok(within(text, start(list), &format!("\"{item}\"")))
                    }
                }
            }
            Some(_) => Err(Edited::ByHand),
        }
    }

    /// The whole entry at the top.
    fn entry(&self, style: &Style<'_>) -> String {
        let key = style.key(self.key());
        match (self, style.below) {
            (Self::Scalar { value, .. }, _) => format!("{key}: \"{value}\""),
            (Self::Item { name, item, .. }, Some(below)) => format!("{key}:{below}{name}: [\"{item}\"]"),
            (Self::Item { name, item, .. }, None) => format!("{key}: {{{}: [\"{item}\"]}}", style.key(name)),
        }
    }

    /// Whether a text says what the documents said, and this.
    fn is_all_that_is_new(&self, before: &[Node], number: usize, text: &str) -> bool {
        let Some(after) = documents(text).filter(|after| after.len() == before.len()) else {
            return false;
        };
        let mut pairs = before.iter().zip(&after).enumerate();
        pairs.all(|(at, (old, new))| {
            if at == number {
                self.is_new_in(old, new)
            } else {
                alike(old, new)
            }
        })
    }

    fn is_new_in(&self, old: &Node, new: &Node) -> bool {
        let (Some(old), Some(new)) = (Collection::of(old), Collection::of(new)) else {
            return false;
        };
        if !old.is_alike_but(&new, self.key()) {
            return false;
        }
        let (name, item) = match (self, new.get(self.key())) {
            (Self::Scalar { value, .. }, Some(Kind::Text(text))) => return text == value,
            (Self::Item { name, item, .. }, Some(_)) => (*name, *item),
            _ => return false,
        };
        let of = |top: &Collection<'_>| top.node(self.key()).map(|node| node.kind.clone());
        let (old, new) = (of(&old).unwrap_or(Kind::Map(Vec::new())), of(&new));
        let (Kind::Map(old), Some(Kind::Map(new))) = (&old, &new) else {
            return false;
        };
        let (old, new) = (Collection(old), Collection(new));
        let items = match old.get(name) {
            None => &[][..],
            Some(Kind::List(items)) => items,
            Some(_) => return false,
        };
        let Some(Kind::List(now)) = new.get(name) else {
            return false;
        };
        let Some((last, rest)) = now.split_last() else {
            return false;
        };
        let is_last = matches!(&last.kind, Kind::Text(text) if text == item);
        is_last && all_alike(items, rest) && old.is_alike_but(&new, name)
    }
}

/// The documents of a text, if it can be read.
fn documents(text: &str) -> Option<Vec<Node>> {
    let file = Sources::default().add("edited".into(), String::new());
    yaml::parse(text, file).ok()
}

/// The entries of a mapping.
#[derive(Clone, Copy)]
struct Collection<'a>(&'a [(Key, Node)]);

impl<'a> Collection<'a> {
    fn of(node: &'a Node) -> Option<Self> {
        match &node.kind {
            Kind::Map(entries) => Some(Self(entries)),
            _ => None,
        }
    }

    fn node(&self, name: &str) -> Option<&'a Node> {
        let mut entries = self.0.iter();
        entries.find_map(|(key, node)| (key.name.as_deref() == Some(name)).then_some(node))
    }

    fn get(&self, name: &str) -> Option<&'a Kind> {
        self.node(name).map(|node| &node.kind)
    }

    /// The entries that something may be put behind: those of these names first, then from the last to the first. What comes
    /// from another place, by an alias, is none.
    fn anchors(&self, first: &[&str]) -> Vec<&'a (Key, Node)> {
        let here = |entry: &&(Key, Node)| entry.0.span.anchored().is_none();
        let named = first.iter().filter_map(|name| {
            let mut entries = self.0.iter();
            entries.find(|(key, _)| key.name.as_deref() == Some(*name))
        });
        named.chain(self.0.iter().rev()).filter(here).collect()
    }

    /// Whether two mappings have the same entries in the same order, but for one key.
    fn is_alike_but(&self, other: &Self, name: &str) -> bool {
        let others = |of: &Self| -> Vec<&'a (Key, Node)> {
            let entries = of.0.iter();
            entries.filter(|(key, _)| key.name.as_deref() != Some(name)).collect()
        };
        let (old, new) = (others(self), others(&Self(other.0)));
        let same = |(old, new): (&&(Key, Node), &&(Key, Node))| old.0.name == new.0.name && alike(&old.1, &new.1);
        old.len() == new.len() && old.iter().zip(&new).all(same)
    }
}

/// How the entries around a place are written.
struct Style<'a> {
    /// Whether keys stand in quotes, as in JSON.
    quoted: bool,
    /// What begins a line of a mapping below, where entries have lines of their own.
    below: Option<&'a str>,
}

impl Style<'_> {
    fn key(&self, key: &str) -> String {
        if self.quoted {
            format!("\"{key}\"")
        } else {
            key.to_owned()
        }
    }
}

/// Insertions behind entries: a line of its own, or between brackets.
fn beside(text: &str, anchors: &[&(Key, Node)], entry: impl Fn(&Style<'_>) -> String) -> Vec<(usize, String)> {
    let mut places = Vec::new();
    for (key, value) in anchors {
        let key_at = key.span.range().start;
        let quoted = [key_at.checked_sub(1), Some(key_at)]
            .into_iter()
            .flatten()
            .any(|at| text.as_bytes().get(at) == Some(&b'"'));
        let line = line_start(text, key_at);
        let indent = text.get(line..key_at).unwrap_or_default().trim_end_matches('"');
        let has_line = indent.bytes().all(|byte| byte == b' ');
        let newline = newline(text, key_at);
        let end = end(value);
        if has_line {
            let below = format!("{newline}{indent}  ");
            let style = Style {
                quoted: false,
                below: Some(&below),
            };
            places.push(line_behind(text, end, newline, &format!("{indent}{}", entry(&style))));
        }
        let style = Style { quoted, below: None };
        let space = if has_line {
            format!("{newline}{indent}")
        } else {
            " ".to_owned()
        };
        // Whether a closing quote or bracket is of the value, its place does not tell.
        places.extend([end, end + 1].map(|at| (at, format!(",{space}{}", entry(&style)))));
    }
    places
}

/// Insertions behind the last item of a list.
fn behind_item(text: &str, last: &Node, item: &str) -> Vec<(usize, String)> {
    let (begin, end) = (start(last), end(last));
    let line = line_start(text, begin);
    let dash = text.get(line..begin).unwrap_or_default().trim_end_matches(['"', '\'']);
    let mut places = Vec::new();
    if dash.trim_matches(' ') == "-" {
        let newline = newline(text, begin);
        places.push(line_behind(text, end, newline, &format!("{dash}\"{item}\"")));
    }
    places.extend([end, end + 1].map(|at| (at, format!(", \"{item}\""))));
    places
}

/// Insertions into brackets with nothing between them, of which the place of the first is known, or nearly.
fn within(text: &str, open: usize, new: &str) -> Vec<(usize, String)> {
    let quoted = text.trim_start().starts_with('{') && text.contains("\":");
    let new = match new.split_once(':') {
        Some((key, rest)) if quoted => format!("\"{key}\":{rest}"),
        _ => new.to_owned(),
    };
    [open + 1, open].map(|at| (at, new.clone())).to_vec()
}

/// A line behind the one in which something ends.
fn line_behind(text: &str, end: usize, newline: &str, line: &str) -> (usize, String) {
    // A text of several lines ends behind its last one.
    let end = text.get(..end).map_or(end, |text| text.trim_end().len());
    match text.get(end..).and_then(|rest| rest.find('\n')) {
        Some(at) => (end + at + 1, format!("{line}{newline}")),
        // The last line has no end, and the new last one has none either.
        None => (text.len(), format!("{newline}{line}")),
    }
}

/// How the line ends that a place is in; the last one as the one before it.
fn newline(text: &str, at: usize) -> &'static str {
    let behind = text.get(at..).unwrap_or_default().split_once('\n');
    let before = || text.get(..at).unwrap_or_default().rsplit_once('\n');
    match behind.or_else(before) {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |at| at + 1)
}

/// The first byte of a value, as it is used.
fn start(node: &Node) -> usize {
    node.span.used().range().start
}

/// One past the last byte of a value as it is used, of what is in it, too.
fn end(node: &Node) -> usize {
    let own = node.span.used().range().end;
    let inner = match &node.kind {
        Kind::List(items) => items.iter().map(end).max(),
        Kind::Map(entries) => entries.iter().map(|(_, value)| end(value)).max(),
        _ => None,
    };
    inner.map_or(own, |inner| inner.max(own))
}

/// Whether two values say the same, wherever they stand. What a number is, is not asked: nothing is ever taken out.
fn alike(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Null, Kind::Null) | (Kind::Number, Kind::Number) => true,
        (Kind::Bool(one), Kind::Bool(other)) => one == other,
        (Kind::Unsigned(one), Kind::Unsigned(other)) => one == other,
        (Kind::Text(one), Kind::Text(other)) => one == other,
        (Kind::List(one), Kind::List(other)) => all_alike(one, other),
        (Kind::Map(one), Kind::Map(other)) => {
            let same = |((key, one), (other_key, other)): (&(Key, Node), &(Key, Node))| {
                key.name == other_key.name && alike(one, other)
            };
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => false,
    }
}

fn all_alike(one: &[Node], other: &[Node]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
}
