//! YAML that PyYAML 3.12 (18.04's cloud-init), PyYAML 6, Go's yaml.v2 (LXD, snapd) and libyaml (netplan) read to the
//! same values.
//!
//! They disagree about almost everything that is not quoted: `on`, `1:30`, `0755`, `2019-01-01`, and one random MAC
//! address in eighty is a base-60 number to YAML 1.1. So every string and every key is double-quoted, block style,
//! ASCII only, with the escapes that all of them know (PyYAML 3.12 knows no `\/`, and refuses characters beyond U+FFFF
//! as they are). serde-saphyr's writer leaves keys bare and non-ASCII as it is, which is why this small one exists.

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// A document could not be written in a form that reads back equal.
#[derive(Debug, Error)]
pub enum YamlError {
    /// The structure holds something that has no YAML form all readers agree on.
    #[error("cannot write YAML: {0}")]
    Unsupported(String),
    /// What was written is read as something else by the second reader.
    #[error("the YAML written is read back as something else: {0} (this is a fault of lxseed: please report it)")]
    ReadBack(String),
}

/// A document, with a newline at its end. A second, independent reader has read it back as what was meant.
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
pub(crate) fn to_string_below(first: &str, document: &impl Serialize) -> Result<String, YamlError> {
    let value = serde_json::to_value(document).map_err(|error| YamlError::Unsupported(error.to_string()))?;
    let mut out = first.to_owned();
    match &value {
        Value::Object(map) if !map.is_empty() => entries(map, 0, false, &mut out)?,
        _ => {
            return Err(YamlError::Unsupported(
                "a document is a mapping that is not empty".to_owned(),
            ));
        }
    }
    read_back(&out, &value)?;
    Ok(out)
}

/// Whether the second reader takes the text for the value.
fn read_back(text: &str, written: &Value) -> Result<(), YamlError> {
    match serde_yaml::from_str::<Value>(text) {
        Ok(read) if read == *written => Ok(()),
        // Neither value is shown: it may hold a private key.
        Ok(_) => Err(YamlError::ReadBack("the values differ".to_owned())),
        Err(error) => Err(YamlError::ReadBack(error.to_string())),
    }
}

/// The entries of a mapping. `inline_first` leaves out the first line's indentation, behind a list item's dash.
fn entries(
    map: &serde_json::Map<String, Value>,
    indent: usize,
    inline_first: bool,
    out: &mut String,
) -> Result<(), YamlError> {
    for (at, (key, value)) in map.iter().enumerate() {
        if !(inline_first && at == 0) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        quoted(key, out);
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

fn items(list: &[Value], indent: usize, out: &mut String) -> Result<(), YamlError> {
    for value in list {
        out.extend(std::iter::repeat_n(' ', indent));
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
                    quoted(item.as_str().unwrap_or_default(), out);
                }
                out.push_str("]\n");
            }
            scalar => leaf(scalar, out)?,
        }
    }
    Ok(())
}

fn leaf(value: &Value, out: &mut String) -> Result<(), YamlError> {
    match value {
        Value::String(text) => quoted(text, out),
        Value::Bool(value) => {
            out.push_str(if *value { "true" } else { "false" });
        }
        // Decimal integers without a leading zero are the one kind of number that all readers agree on.
        Value::Number(number) if number.is_u64() => {
            out.push_str(&number.to_string());
        }
        Value::Array(list) if list.is_empty() => {
            out.push_str("[]");
        }
        Value::Object(map) if map.is_empty() => {
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

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
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
        let written = json!({"a": "x", "b": ["1", 2, true], "c": {"d": "y"}, "e": "zz"});
        let text = to_string(&written).unwrap_or_default();
        let reads = |text: &str| read_back(text, &written);
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
