//! The YAML that nearly every profile is: scalars, lists and mappings, without anchors, tags or merged keys. Read straight from
//! the parser's events it takes a third of the time that serde-saphyr takes.
//!
//! Whatever is more, or wrong, or not beyond doubt is left to serde-saphyr, which sits on the same parser. So this has no errors,
//! and what it gives is what serde-saphyr would have given.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::file::{FileId, Span};
use super::yaml::{Key, Kind, Node};

/// Below the budget of the whole reader, which counts a little differently.
const MAX_DEPTH: usize = 24;
/// The same.
const MAX_DOCUMENTS: usize = 50_000;

/// Every document of the text, or nothing if it is not this plain.
pub(super) fn parse(text: &str, file: FileId) -> Option<Vec<Node<'_>>> {
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader {
        events: Parser::with_options(StrInput::new(text), options),
        file,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamStart, _) => {}
            (Event::StreamEnd, _) => return Some(documents),
            (Event::DocumentStart(_, None), _) if documents.len() < MAX_DOCUMENTS => {
                let first = reader.next()?;
                documents.push(reader.node(first, 0)?);
                let (Event::DocumentEnd, _) = reader.next()? else {
                    return None;
                };
            }
            _ => return None,
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    file: FileId,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Event<'a>, granit_parser::Span)> {
        self.events.next()?.ok()
    }

    fn span(&self, span: &granit_parser::Span) -> Option<Span> {
        let range = span.byte_range()?;
        Some(self.file.span(range.start, range.end))
    }

    /// The value that begins with this event.
    fn node(&mut self, first: (Event<'a>, granit_parser::Span), depth: usize) -> Option<Node<'a>> {
        let (event, span) = first;
        let mut span = self.span(&span)?;
        // A block collection has a start but no extent of its own; its first entry is what a person sees there.
        let settle = |span: &mut Span, entry: Option<Span>| {
            if let Some(entry) = entry.filter(|_| span.start == span.end) {
                *span = entry;
            }
        };
        let kind = match event {
            Event::Scalar(text, style, 0, None) => scalar(text, style)?,
            Event::SequenceStart(_, 0, None) if depth < MAX_DEPTH => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
                settle(&mut span, items.first().map(|item| item.span));
                Kind::List(items)
            }
            Event::MappingStart(_, 0, None) if depth < MAX_DEPTH => {
                let mut entries = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break,
                        (Event::Scalar(text, style, 0, None), span) if text != "<<" => Key {
                            name: match scalar(text, style)? {
                                Kind::Text(text) => Some(text),
                                _ => None,
                            },
                            span: self.span(&span)?,
                        },
                        _ => return None,
                    };
                    let value = self.next()?;
                    entries.push((key, self.node(value, depth + 1)?));
                }
                settle(&mut span, entries.first().map(|(key, _)| key.span));
                Kind::Map(entries)
            }
            _ => return None,
        };
        Some(Node { kind, span })
    }
}

/// What a scalar is, or nothing if that takes the whole of YAML's rules.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Option<Kind<'_>> {
    if style != ScalarStyle::Plain {
        return Some(Kind::Text(text));
    }
    let bytes = text.as_bytes();
    match bytes.first()? {
        // No number begins with a letter but these.
        b'a'..=b'z' | b'A'..=b'Z' => match &*text {
            "true" => Some(Kind::Bool(true)),
            "false" => Some(Kind::Bool(false)),
            _ if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) => None,
            _ => Some(Kind::Text(text)),
        },
        // Short enough for no overflow.
        b'1'..=b'9' if bytes.len() < 18 && bytes.iter().all(u8::is_ascii_digit) => {
            text.parse().ok().map(Kind::Unsigned)
        }
        b'0'..=b'9' => {
            let of_numbers = |byte: &u8| byte.is_ascii_hexdigit() || b"xo_.+-".contains(byte);
            let dots = bytes.iter().filter(|byte| **byte == b'.').count();
            (dots > 1 || !bytes.iter().all(of_numbers)).then_some(Kind::Text(text))
        }
        b'/' => Some(Kind::Text(text)),
        _ => None,
    }
}

/// What is or may be something else than text although it begins with a letter.
const WORDS: &[&str] = &[
    "true", "false", "null", "nan", "inf", "infinity", "yes", "no", "on", "off", "y", "n",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;
    use crate::source::Sources;
    use crate::source::yaml;

    /// What this reader gives, if it gives anything, is what serde-saphyr gives, places included.
    fn agree(text: &str) -> bool {
        let file = Sources::default().add("x.yaml".into(), text.to_owned());
        let plain = parse(text, file);
        if let Some(plain) = &plain {
            let whole = yaml::parse_whole(text, file);
            let whole = whole.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            assert_eq!(*plain, whole, "{text:?}");
        }
        plain.is_some()
    }

    #[test]
    fn scalars_are_what_they_are_to_the_whole_reader() {
        let scalars = "a|A1|c0001-n02|true|True|TRUE|false|False|null|Null|~|nan|.nan|NaN|inf|-inf|.inf|Infinity|yes|No|on|y|N|0|1|42|007|08|0x1F|\
                       0o17|0b1|0B1|017|1_000|1e3|1E+3|1.5|1.|.5|1.2.3|10.0.0.0/24|10.0.0.1|::1|fe80::1|52:54:00:12:34:56|1:30|900GB|2TB|1T|5d|\
                       1f|0xg|12e|123456789012345678|12345678901234567|18446744073709551615|18446744073709551616|-1|+1|+|-|-a|--|/srv|./a|\
                       2019-01-01|2019-01-01T00:00:00Z|=|<<|<a>|*|&|!|!!str|é|日本|1é|\"\"|''|\"1\"|'true'|\"<<\"|\"a\\nb\"|1 2|a b|[]|{}|[1]|{a: b}|\
                       {1: 2}|{true: 1}|{<<: 1}|{\"<<\": {a: 1}}|? |a: b|- a|%a|@a|`a|a#b|a #b|\u{feff}a|1\u{feff}";
        let mut plain = 0;
        for scalar in scalars.split('|') {
            for text in [
                format!("{scalar}\n"),
                format!("k: {scalar}\n"),
                format!("{scalar}: v\n"),
                format!("- {scalar}\n- {{k: {scalar}}}\n- [{scalar}, {scalar}]\n"),
                format!("---\nk: {scalar}\n---\nk: v\n...\n"),
            ] {
                plain += usize::from(agree(&text));
            }
        }
        assert!(plain > 150, "{plain}");
    }

    /// Every profile there is, and what becomes of it without one of its lines, with one of them twice or indented.
    #[test]
    fn profiles_are_what_they_are_to_the_whole_reader() {
        let mut count = [0; 2];
        for folder in ["profiles", "tests/mistakes"] {
            let top = concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned() + folder;
            for entry in walkdir::WalkDir::new(top) {
                let path = entry.unwrap().into_path();
                let Some(text) = path
                    .extension()
                    .filter(|extension| *extension == "yaml")
                    .and_then(|_| fs::read_to_string(&path).ok())
                else {
                    continue;
                };
                count[usize::from(agree(&text))] += 1;
                // That every file lacks each of its lines once would take a minute.
                let lines: Vec<&str> = text.split_inclusive('\n').collect();
                let step = if folder == "profiles" { 1 } else { 7 };
                for at in (count[1] % step..lines.len().min(100)).step_by(step) {
                    let with = |replacement: &[&str]| {
                        [&lines[..at], replacement, &lines[at + 1..]]
                            .concat()
                            .concat()
                    };
                    agree(&with(&[]));
                    agree(&with(&[lines[at], lines[at]]));
                    agree(&with(&[" ", lines[at]]));
                }
            }
        }
        assert!(count[1] > 5 * count[0], "{count:?}");
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_whole_reader() {
        for text in [
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: &m {k: v}\nb: {<<: *m}\n",
            "[a]: b\n",
            "a: [\n",
            "%YAML 1.2\n---\na: b\n",
            "",
            "---\n",
        ] {
            let file = Sources::default().add("x.yaml".into(), text.to_owned());
            assert!(
                parse(text, file).is_none_or(|documents| documents.is_empty()),
                "{text:?}"
            );
        }
        let deep = "[".repeat(30) + &"]".repeat(30);
        assert!(!agree(&deep));
    }
}
