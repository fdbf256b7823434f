//! YAML that PyYAML 3.12 (18.04's cloud-init), PyYAML 6, Go's yaml.v2 (LXD, snapd) and libyaml (netplan) read to the same values.
//!
//! They disagree about almost everything that is not quoted: `on`, `1:30`, `0755`, `2019-01-01`, and one random MAC address in
//! eighty is a base-60 number to YAML 1.1. So every string and every key is double-quoted, block style, ASCII only,
//! with the escapes that all of them know (PyYAML 3.12 knows no `\/`, and refuses characters beyond U+FFFF as they are).
//! serde-saphyr's writer leaves keys bare and non-ASCII as it is, which is why this small one exists.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

/// A document could not be written in a form that reads back equal.
#[derive(Debug, Error)]
pub enum YamlError {
    /// The structure holds something that has no YAML form all readers agree on.
    #[error("cannot write YAML: {0}")]
    Unsupported(String),
    /// What was written is read as something else by the second reader.
    #[error(
        "the YAML written is read back as something else: {0} (this is a fault of lxseed: please report it)"
    )]
    ReadBack(String),
}

/// Writes a document and reads it back through the second, independent reader before it is given out.
///
/// The reader is spared the middle of [runs](inside_of_run): a first boot's script and certificates in base64 are most of a
/// document, and reading them was a third of a build's work.
///
/// # Errors
/// If a value has no safe form (a float, a null, an oversized integer), or reading back gives another value.
pub fn to_string(document: &impl Serialize) -> Result<String, YamlError> {
    to_string_below("", document)
}

/// The same below a first line.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_below(first: &str, document: &impl Serialize) -> Result<String, YamlError> {
    let value = serde_json::to_value(document)
        .map_err(|error| YamlError::Unsupported(error.to_string()))?;
    let mut out = Text::default();
    out.push_str(first);
    match &value {
        Value::Object(map) if !map.is_empty() => entries(map, 0, false, &mut out)?,
        _ => {
            return Err(YamlError::Unsupported(
                "a document is a mapping that is not empty".to_owned(),
            ));
        }
    }
    Meant(&value)
        .deserialize(serde_yaml::Deserializer::from_str(&out.without_spared()))
        .map_err(|error| YamlError::ReadBack(error.to_string()))?;
    Ok(out.text)
}

/// What is written so far.
#[derive(Default)]
struct Text {
    text: String,
    /// The stretches of it that need no reading back.
    spared: Vec<Range<usize>>,
}

impl Text {
    fn push(&mut self, c: char) {
        self.text.push(c);
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn without_spared(&self) -> Cow<'_, str> {
        if self.spared.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut rest = String::with_capacity(self.text.len());
        let mut at = 0;
        for spared in &self.spared {
            rest.push_str(&self.text[at..spared.start]);
            at = spared.end;
        }
        rest.push_str(&self.text[at..]);
        Cow::Owned(rest)
    }
}

/// How much of a run is read back at its head.
const HEAD: usize = 40;
/// The same at its tail, where base64 ends.
const TAIL: usize = 36;

/// The inside of a value that is one run of letters, digits, `+`, `/` and `=`, as base64 is. Between double quotes each of
/// these stands for itself to every reader, so a run reads back if its head and tail do. Readers have a limit for a key's length
/// (1,024 characters) and none for a value's.
fn inside_of_run(text: &str) -> Option<Range<usize>> {
    let of_run =
        |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'+') | (byte == b'/') | (byte == b'=');
    (text.len() > HEAD + TAIL && prefix_of(text.as_bytes(), of_run) == text.len())
        .then(|| HEAD..text.len() - TAIL)
}

/// How many bytes at the beginning are of a kind. Looks at a stretch at a time, without a branch in it, so that the compiler
/// can compare many at once.
fn prefix_of(bytes: &[u8], of_kind: impl Fn(u8) -> bool) -> usize {
    let mut count = 0;
    for stretch in bytes.chunks(64) {
        if !stretch.iter().fold(true, |all, byte| all & of_kind(*byte)) {
            let whole = stretch.iter().take_while(|byte| of_kind(**byte)).count();
            return count + whole;
        }
        count += stretch.len();
    }
    count
}

/// Compares what the second reader reads, less the inside of runs, with what was meant: in the same order, and without
/// making a value of it first. What differs is an error to the reader, as is anything of another kind.
struct Meant<'a>(&'a Value);

fn same<E: de::Error>(same: bool) -> Result<(), E> {
    if same {
        Ok(())
    } else {
        Err(E::custom("the values differ"))
    }
}

impl<'de> DeserializeSeed<'de> for Meant<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Meant<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was written")
    }

    fn visit_bool<E: de::Error>(self, read: bool) -> Result<(), E> {
        same(self.0.as_bool() == Some(read))
    }

    fn visit_u64<E: de::Error>(self, read: u64) -> Result<(), E> {
        same(self.0.as_u64() == Some(read))
    }

    fn visit_str<E: de::Error>(self, read: &str) -> Result<(), E> {
        let meant = self.0.as_str().unwrap_or_default();
        same(match inside_of_run(meant) {
            Some(inside) => {
                let (read, meant) = (read.as_bytes(), meant.as_bytes());
                read.len() == meant.len() - inside.len()
                    && read[..inside.start] == meant[..inside.start]
                    && read[inside.start..] == meant[inside.end..]
            }
            None => self.0.is_string() && read == meant,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut read: A) -> Result<(), A::Error> {
        same(self.0.is_array())?;
        for item in self.0.as_array().into_iter().flatten() {
            same(read.next_element_seed(Meant(item))?.is_some())?;
        }
        same(read.next_element::<IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut read: A) -> Result<(), A::Error> {
        same(self.0.is_object())?;
        for (key, value) in self.0.as_object().into_iter().flatten() {
            same(read.next_key::<String>()?.as_ref() == Some(key))?;
            read.next_value_seed(Meant(value))?;
        }
        same(read.next_key::<IgnoredAny>()?.is_none())
    }
}

/// The entries of a mapping. `inline_first` leaves out the first line's indentation, behind a list item's dash.
fn entries(
    map: &serde_json::Map<String, Value>,
    indent: usize,
    inline_first: bool,
    out: &mut Text,
) -> Result<(), YamlError> {
    for (at, (key, value)) in map.iter().enumerate() {
        if !(inline_first && at == 0) {
            push_spaces(indent, out);
        }
        quoted(key, &mut out.text);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                entries(inner, indent + 2, false, out)?;
            }
            Value::Array(list) if !list.is_empty() => {
                out.push('\n');
                items(list, indent + 2, out)?;
            }
            scalar => {
                out.push(' ');
                leaf(scalar, out)?;
            }
        }
    }
    Ok(())
}

fn items(list: &[Value], indent: usize, out: &mut Text) -> Result<(), YamlError> {
    for value in list {
        push_spaces(indent, out);
        out.push_str("- ");
        match value {
            Value::Object(inner) if !inner.is_empty() => entries(inner, indent + 2, true, out)?,
            // No document that lxseed writes has a list in a list but runcmd, whose items are short.
            Value::Array(inner) if inner.iter().all(Value::is_string) && !inner.is_empty() => {
                out.push('[');
                for (at, item) in inner.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    quoted(item.as_str().unwrap_or_default(), &mut out.text);
                }
                out.push_str("]\n");
            }
            scalar => leaf(scalar, out)?,
        }
    }
    Ok(())
}

fn leaf(value: &Value, out: &mut Text) -> Result<(), YamlError> {
    match value {
        Value::String(text) => {
            let begin = out.text.len() + 1;
            quoted(text, &mut out.text);
            if let Some(inside) = inside_of_run(text) {
                out.spared.push(begin + inside.start..begin + inside.end);
            }
        }
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // Decimal integers without a leading zero are the one kind of number that all readers agree on.
        Value::Number(number) if number.is_u64() => out.push_str(&number.to_string()),
        Value::Array(list) if list.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        other => {
            return Err(YamlError::Unsupported(format!(
                "no reader-independent form for {other}"
            )));
        }
    }
    out.push('\n');
    Ok(())
}

fn push_spaces(count: usize, out: &mut Text) {
    out.text.extend(std::iter::repeat_n(' ', count));
}

fn quoted(text: &str, out: &mut String) {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    loop {
        // Nearly everything is plain, and is copied at once. What is plain is one byte long, so this cuts between characters.
        let (stretch, behind) = rest.split_at(prefix_of(rest.as_bytes(), plain));
        out.push_str(stretch);
        let mut characters = behind.chars();
        let Some(c) = characters.next() else { break };
        rest = characters.as_str();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_and_keys_are_quoted_and_numbers_are_not() {
        let text = to_string(
            &json!({"on": "no", "n": 2, "list": [{"a": "1:30", "b": true}, "x"], "run": [["sh", "-c"]], "none": []}),
        );
        let wanted = "\"on\": \"no\"\n\"n\": 2\n\"list\":\n  - \"a\": \"1:30\"\n    \"b\": true\n  - \"x\"\n\"run\":\n  - [\"sh\", \"-c\"]\n\"none\": []\n";
        assert_eq!(text.ok().as_deref(), Some(wanted));
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for value in [
            json!({"a": 1.5}),
            json!({"a": null}),
            json!({"a": -1}),
            json!([]),
            json!({}),
        ] {
            assert!(to_string(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn another_text_is_not_what_was_meant() {
        let meant = json!({"a": "x", "b": ["1", 2, true], "c": {"d": "y"}, "e": "z".repeat(2000)});
        let text = to_string(&meant).unwrap_or_default();
        let reads = |text: &str| {
            let text = text.replace(&"z".repeat(2000), &"z".repeat(HEAD + TAIL));
            Meant(&meant).deserialize(serde_yaml::Deserializer::from_str(&text))
        };
        assert!(reads(&text).is_ok(), "{text}");
        for (from, to) in [
            ("\"x\"", "\"w\""),
            ("\"x\"", "2"),
            ("\"x\"", "~"),
            ("\"a\"", "\"f\""),
            ("\"b\"", "\"a\""),
            ("\"1\"", "1"),
            ("  - 2\n", ""),
            ("- 2", "- 3"),
            ("- 2", "- -2"),
            ("- true", "- false"),
            ("- true", "- true\n  - true"),
            ("  \"d\": \"y\"", "  {}"),
            ("\"y\"", "\"y\"\n  \"g\": \"y\""),
            ("zz\"", "zy\""),
            ("zz\"", "z\""),
            ("\"e\"", "\"g\": 1\n\"e\""),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert!(reads(&other).is_err(), "{other}");
        }
        assert!(reads(&format!("{text}---\n{text}")).is_err());
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            // Also longer than a key may be. Here all of it is read back.
            "[A-Za-z0-9+/]{1,1300}={0,2}".prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let item = inner
                .clone()
                .prop_filter("lists in lists hold text", |value| !value.is_array());
            prop_oneof![
                prop::collection::vec(item, 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn anything_reads_back_equal_and_is_ascii(key in any::<String>(), value in tree()) {
            let document = json!({key: value});
            let text = to_string(&document).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let back: Value = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(back, document);
            prop_assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
        }
    }
}
