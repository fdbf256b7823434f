//! YAML that PyYAML 3.12 (18.04's cloud-init), PyYAML 6, Go's yaml.v2 (LXD, snapd) and libyaml (netplan) read to the same values.
//!
//! They disagree about almost everything that is not quoted: `on`, `1:30`, `0755`, `2019-01-01`, and one random MAC address in
//! eighty is a base-60 number to YAML 1.1. So every string and every key is double-quoted, block style, ASCII only,
//! with the escapes that all of them know (PyYAML 3.12 knows no `\/`, and refuses characters beyond U+FFFF as they are).
//! serde-saphyr's writer leaves keys bare and non-ASCII as it is, which is why this small one exists.

use std::collections::HashSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

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

/// Writes documents, and has the second, independent reader read back what it writes.
///
/// The hosts of a site differ in names, addresses and keys, and hardly in the form of their documents. So a document is
/// read back whole if its form is new, and else only compared by its form (`Text::form` says why). Reading back every one was a
/// fifth of a build.
#[derive(Debug, Default)]
pub struct Writer {
    read_back: RwLock<HashSet<String>>,
}

/// A site has some dozen forms. Where there are more than this, what is of a new form is read back each time.
const FORMS_KEPT: usize = 4096;

/// What most documents take, in bytes: strings that grow from nothing are copied a dozen times.
const SHORT: usize = 4096;

impl Writer {
    /// A document, with a newline at its end.
    ///
    /// # Errors
    /// If a value has no safe form (a float, a null, an oversized integer), or reading back gives another value.
    pub fn to_string(&self, document: &impl Serialize) -> Result<String, YamlError> {
        self.to_string_below("", document)
    }

    /// The same below a first line.
    ///
    /// # Errors
    /// As [`to_string`](Self::to_string).
    pub fn to_string_below(
        &self,
        first: &str,
        document: &impl Serialize,
    ) -> Result<String, YamlError> {
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
        if !self.has_read_back(&out.form) {
            Meant(&value)
                .deserialize(serde_yaml::Deserializer::from_str(&out.text))
                .map_err(|error| YamlError::ReadBack(error.to_string()))?;
            self.keep(out.form);
        }
        Ok(out.text)
    }

    fn has_read_back(&self, form: &str) -> bool {
        let known = self.read_back.read();
        known.unwrap_or_else(PoisonError::into_inner).contains(form)
    }

    fn keep(&self, form: String) {
        let known = self.read_back.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() < FORMS_KEPT {
            known.insert(form);
        }
    }
}

/// What is written so far.
struct Text {
    text: String,
    /// The same without the plain characters of string values, and with what was meant by the rest: where mappings, lists and
    /// strings begin and end, and which characters the escapes are. Between double quotes, on one line, a plain
    /// character stands for itself to every reader and an escape ends after a number of characters that it fixes itself,
    /// whatever stands beside them; and readers have a limit for the length of a key (1,024 characters), none for that of a
    /// value. So if one document of a form reads back, all do. No secret is in it: keys and hashes are plain.
    form: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            text: String::with_capacity(SHORT),
            form: String::with_capacity(SHORT),
        }
    }
}

impl Text {
    fn push(&mut self, c: char) {
        self.text.push(c);
        self.form.push(c);
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        self.form.push_str(text);
    }

    /// Notes what is meant by what comes next.
    fn mean(&mut self, mark: char) {
        self.form.push(mark);
    }

    fn push_spaces(&mut self, count: usize) {
        for text in [&mut self.text, &mut self.form] {
            text.extend(std::iter::repeat_n(' ', count));
        }
    }
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

/// Compares what the second reader reads with what was meant: in the same order, and without making a value of it first. What
/// differs is an error to the reader, as is anything of another kind.
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
        same(self.0.as_str() == Some(read))
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
    out.mean('{');
    for (at, (key, value)) in map.iter().enumerate() {
        if !(inline_first && at == 0) {
            out.push_spaces(indent);
        }
        quoted(key, Kind::Key, out);
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
    out.mean('}');
    Ok(())
}

fn items(list: &[Value], indent: usize, out: &mut Text) -> Result<(), YamlError> {
    out.mean('[');
    for value in list {
        out.push_spaces(indent);
        out.push_str("- ");
        match value {
            Value::Object(inner) if !inner.is_empty() => entries(inner, indent + 2, true, out)?,
            // No document that lxseed writes has a list in a list but runcmd, whose items are short.
            Value::Array(inner) if inner.iter().all(Value::is_string) && !inner.is_empty() => {
                out.mean('[');
                out.push('[');
                for (at, item) in inner.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    quoted(item.as_str().unwrap_or_default(), Kind::Value, out);
                }
                out.push_str("]\n");
                out.mean(']');
            }
            scalar => leaf(scalar, out)?,
        }
    }
    out.mean(']');
    Ok(())
}

fn leaf(value: &Value, out: &mut Text) -> Result<(), YamlError> {
    match value {
        Value::String(text) => quoted(text, Kind::Value, out),
        Value::Bool(value) => {
            out.mean('b');
            out.push_str(if *value { "true" } else { "false" });
        }
        // Decimal integers without a leading zero are the one kind of number that all readers agree on.
        Value::Number(number) if number.is_u64() => {
            out.mean('n');
            out.push_str(&number.to_string());
        }
        Value::Array(list) if list.is_empty() => {
            out.mean('[');
            out.push_str("[]");
        }
        Value::Object(map) if map.is_empty() => {
            out.mean('{');
            out.push_str("{}");
        }
        other => {
            return Err(YamlError::Unsupported(format!(
                "no reader-independent form for {other}"
            )));
        }
    }
    out.push('\n');
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Key,
    Value,
}

fn quoted(text: &str, kind: Kind, out: &mut Text) {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    out.mean('s');
    out.push('"');
    let mut rest = text;
    loop {
        // Nearly everything is plain, and is copied at once. What is plain is one byte long, so this cuts between characters.
        let (stretch, behind) = rest.split_at(prefix_of(rest.as_bytes(), plain));
        match kind {
            Kind::Key => out.push_str(stretch),
            Kind::Value => out.text.push_str(stretch),
        }
        let mut characters = behind.chars();
        let Some(c) = characters.next() else { break };
        rest = characters.as_str();
        out.mean(c);
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn to_string(document: &Value) -> Result<String, YamlError> {
        Writer::default().to_string(document)
    }

    fn form(document: &Value) -> String {
        let mut out = Text::default();
        entries(document.as_object().unwrap(), 0, false, &mut out).unwrap();
        out.form
    }

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
        let meant = json!({"a": "x", "b": ["1", 2, true], "c": {"d": "y"}, "e": "zz"});
        let text = to_string(&meant).unwrap_or_default();
        let reads =
            |text: &str| Meant(&meant).deserialize(serde_yaml::Deserializer::from_str(text));
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
            // Also longer than a key may be.
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

    /// The same document with other plain characters in its string values, taken from `plain` in turn.
    fn otherwise(value: &Value, plain: &mut impl Iterator<Item = String>) -> Value {
        match value {
            Value::String(text) => {
                let mut other = String::new();
                let of_plain = |c: &char| (' '..='~').contains(c) && *c != '"' && *c != '\\';
                let mut rest = text.chars().peekable();
                loop {
                    while rest.next_if(of_plain).is_some() {}
                    other.extend(plain.next());
                    let Some(c) = rest.next() else { break };
                    other.push(c);
                }
                Value::String(other)
            }
            Value::Array(list) => list.iter().map(|item| otherwise(item, plain)).collect(),
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .map(|(key, value)| (key.clone(), otherwise(value, plain)));
                Value::Object(entries.collect())
            }
            other => other.clone(),
        }
    }

    #[test]
    fn what_is_meant_by_a_text_is_part_of_its_form() {
        let forms = [
            json!({"a": "1", "b": "x"}),
            json!({"a": "1", "c": "x"}),
            json!({"a": 1, "b": "x"}),
            json!({"a": 2, "b": "x"}),
            json!({"a": true, "b": "x"}),
            json!({"a": ["1"], "b": "x"}),
            json!({"a": [["1"]], "b": "x"}),
            json!({"a": ["1", "1"], "b": "x"}),
            json!({"a": {"b": "x"}}),
            json!({"a": "\n", "b": "x"}),
            json!({"a": "\\n", "b": "x"}),
            json!({"a": "n", "b": "\"x"}),
        ]
        .map(|document| form(&document));
        let distinct: HashSet<&String> = forms.iter().collect();
        assert_eq!(distinct.len(), forms.len(), "{forms:#?}");
        let same = form(&json!({"a": "[]: {# another", "b": ""}));
        assert_eq!(same, forms[0]);
    }

    #[test]
    fn a_form_is_read_back_once_and_tells_no_value() {
        let writer = Writer::default();
        for host in ["node1", "node2"] {
            let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n";
            writer
                .to_string(&json!({"host": host, "key": key}))
                .unwrap();
        }
        let forms = writer.read_back.into_inner().unwrap();
        assert_eq!(forms.len(), 1);
        for form in forms {
            assert!(!form.contains("node") && !form.contains("MC4"), "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_of_one_form_reads_back_alike(
            key in any::<String>(),
            value in tree(),
            plain in prop::collection::vec("[ !#-\\[\\]-~]{0,40}|[ !#-\\[\\]-~]{1100}", 8),
        ) {
            let document = json!({key: value});
            let other = otherwise(&document, &mut plain.into_iter().cycle());
            prop_assert_eq!(form(&document), form(&other));
            let writer = Writer::default();
            for document in [document, other] {
                let text = writer.to_string(&document).map_err(|error| TestCaseError::fail(error.to_string()))?;
                let back: Value = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(back, document);
            }
        }

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
