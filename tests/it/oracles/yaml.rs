//! YAML: whatever is emitted must mean the same to bionic's PyYAML 3.12, to PyYAML 6 with and without libyaml, and to
//! the second reader of this crate, with the same types.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use serde_yaml::Value;

use super::built::{built, hosts};
use crate::support::{Run, assert_same_text, tool};

/// PyYAML 3.12 is bionic's. cloud-init reads with the pure reader; netplan and others go through libyaml (`6c`).
const READERS: [&str; 3] = ["3.12", "6", "6c"];

/// One document and what it is called in messages.
type Document = (String, Vec<u8>);

/// What one PyYAML reads: for each document the value with its types, or the error.
fn pyyaml(program: &Path, reader: &str, documents: &[Document]) -> Vec<Json> {
    let jobs: Vec<String> = documents.iter().map(|(_, bytes)| STANDARD.encode(bytes)).collect();
    let input = serde_json::to_vec(&jobs).unwrap();
    let run = Run::with_input(Command::new(program).arg(reader), &input).expect_exit(0);
    let answers: Vec<Json> = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answers.len(), documents.len());
    answers
}

/// A value in the notation of yaml_values.py.
fn tagged(value: &Value) -> Json {
    match value {
        Value::Null => json!(["null", null]),
        Value::Bool(value) => json!(["bool", value]),
        Value::Number(number) if number.is_f64() => {
            json!(["float", format!("{:?}", number.as_f64())])
        }
        Value::Number(number) => json!(["int", number.to_string()]),
        Value::String(text) => json!(["str", text]),
        Value::Sequence(items) => json!(["list", items.iter().map(tagged).collect::<Vec<_>>()]),
        Value::Mapping(entries) => {
            json!([
                "map",
                entries
                    .iter()
                    .map(|(key, value)| json!([tagged(key), tagged(value)]))
                    .collect::<Vec<_>>()
            ])
        }
        Value::Tagged(tag) => json!([tag.tag.to_string(), tagged(&tag.value)]),
    }
}

/// What the second reader reads, in the same form.
fn second_reader(bytes: &[u8]) -> Json {
    match serde_yaml::from_slice(bytes) {
        Ok(value) => json!({ "value": tagged(&value) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Fails unless every PyYAML reads each document as `expected` says.
fn assert_read_as(program: &Path, documents: &[Document], expected: &[Json]) {
    for reader in READERS {
        for (((name, bytes), expected), actual) in
            documents.iter().zip(expected).zip(pyyaml(program, reader, documents))
        {
            let show = |value: &Json| serde_json::to_string_pretty(value).unwrap();
            let what = format!(
                "{name} as read by PyYAML {reader}, from\n{}",
                String::from_utf8_lossy(bytes)
            );
            if *expected != actual {
                assert_same_text(&what, &show(expected), &show(&actual));
            }
        }
    }
}

#[test]
fn every_document_means_the_same_to_every_reader() {
    let Some(program) = tool("yaml-values") else {
        return;
    };
    let sites = built();
    let mut documents: Vec<Document> = Vec::new();
    for host in hosts(&sites) {
        for name in ["user-data", "meta-data", "network-config", "lxd-preseed.yaml"] {
            documents.push((format!("{}/{name}", host.name), host.read(name)));
        }
        for file in host.write_files() {
            if Path::new(&file.path)
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                documents.push((format!("{}:{}", host.name, file.path), file.content));
            }
        }
    }
    let expected: Vec<Json> = documents.iter().map(|(_, bytes)| second_reader(bytes)).collect();
    for ((name, _), value) in documents.iter().zip(&expected) {
        assert!(value.get("value").is_some(), "{name}: {value}");
    }
    assert_read_as(&program, &documents, &expected);
}

/// Keys are text and so is every value but counts and switches. A null or a fraction would be a word that slipped
/// through without its quotes.
#[test]
fn values_are_text_whole_numbers_or_switches() {
    let sites = built();
    for host in hosts(&sites) {
        for name in ["user-data", "meta-data", "network-config", "lxd-preseed.yaml"] {
            let mut others = Vec::new();
            collect_others(&host.yaml(name), &mut PathBuf::new(), &mut others);
            for (path, value) in others {
                let plain = value.is_bool() || value.as_u64().is_some();
                assert!(plain, "{}/{name}: {} is {value:?}", host.name, path.display());
            }
        }
    }
}

fn collect_others(value: &Value, path: &mut PathBuf, found: &mut Vec<(PathBuf, Value)>) {
    match value {
        Value::String(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| collect_others(item, path, found)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                path.push(
                    key.as_str()
                        .unwrap_or_else(|| panic!("a key below {path:?} is not text: {key:?}")),
                );
                collect_others(value, path, found);
                path.pop();
            }
        }
        other => found.push((path.clone(), other.clone())),
    }
}

#[test]
fn pyyaml_is_alive() {
    let Some(program) = tool("yaml-values") else {
        return;
    };
    // Bare words that our second reader, being of YAML 1.2, takes for text: just what must never be written bare.
    for bare in ["52:54:00:12:34:56", "on", "1:30", "2019-01-01", "1_000", "="] {
        let documents = [(bare.to_owned(), format!("\"a\": {bare}\n").into_bytes())];
        let expected = second_reader(&documents[0].1);
        assert_eq!(expected, json!({ "value": ["map", [[["str", "a"], ["str", bare]]]] }));
        for reader in READERS {
            assert_ne!(
                pyyaml(&program, reader, &documents)[0],
                expected,
                "{bare} by PyYAML {reader}"
            );
        }
    }
    let documents: Vec<Document> = ["\"a\": 1\n\"a\": 2\n", "\"a\":\t1\n\t\"b\": 2\n", "a: [\n"]
        .map(|text| (text.to_owned(), text.as_bytes().to_vec()))
        .into();
    for reader in READERS {
        for (answer, (text, _)) in pyyaml(&program, reader, &documents).iter().zip(&documents) {
            assert!(
                answer.get("error").is_some(),
                "PyYAML {reader} read {text:?} as {answer}"
            );
        }
    }
    // Only the old one: a character beyond the Basic Multilingual Plane.
    let emoji = [("emoji".to_owned(), "\"a\": \"\u{1F600}\"\n".as_bytes().to_vec())];
    assert!(pyyaml(&program, "3.12", &emoji)[0].get("error").is_some());
    assert!(pyyaml(&program, "6", &emoji)[0].get("value").is_some());
}

/// Texts that one reader or another takes for something else as soon as it stands bare, or cannot read at all unless it
/// is escaped.
const NASTY: &[&str] = &[
    "",
    " ",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "Y",
    "N",
    "Yes",
    "NO",
    "On",
    "OFF",
    "true",
    "False",
    "null",
    "Null",
    "~",
    "0755",
    "012",
    "0888",
    "0o17",
    "0x1F",
    "0b101",
    "1:30",
    "190:20:30",
    "-1:30",
    "1:30.5",
    "52:54:00:12:34:56",
    "1_000",
    "1__0",
    "1.0",
    "18.10",
    ".5",
    "1.",
    "1e3",
    "1.5e+3",
    ".inf",
    "-.INF",
    ".nan",
    "2019-01-01",
    "2019-01-01T00:00:00Z",
    "2019-01-01 10:00:00",
    "=",
    "<<",
    "- a",
    "-",
    "? a",
    ":",
    "a: b",
    "a:",
    "a #b",
    "# a",
    "& a",
    "*a",
    "!a",
    "!!int 1",
    "|",
    ">",
    "%YAML 1.1",
    "@a",
    "`a`",
    "{a: b}",
    "[a]",
    ",",
    "'",
    "\"",
    "\\",
    "a\\/b",
    "'a'",
    "\"a\"",
    "---",
    "...",
    "--- a",
    "{{ v1.x }}",
    "${x}",
    "$(x)",
    "2001:db8::1",
    "10.0.0.0/8",
    "5.0/stable",
    "trailing ",
    " leading",
    "a  b",
    "\t",
    "a\tb",
    "\ta",
    "\n",
    "a\n",
    "\na",
    "a\nb",
    "a\n\nb\n\n",
    "  a\nb\n",
    "\ta\nb\n",
    "a\n\tb\n",
    "a \nb",
    "a\r\nb",
    "\r",
    "a\n#b\n",
    "a\n---\nb",
    "\0",
    "a\0b",
    "\u{1}\u{8}\u{b}\u{c}\u{1b}\u{1f}",
    "\u{7f}",
    "\u{80}\u{85}\u{9f}",
    "\u{a0}",
    "\u{ad}",
    "\u{2028}\u{2029}",
    "\u{feff}",
    "\u{fffe}\u{ffff}",
    "\u{d7ff}\u{e000}",
    "é",
    "日本",
    "\u{1F600}",
    "\u{10ffff}",
    "#cloud-config\n",
    "-----BEGIN CERTIFICATE-----\nMIIB5jCCAW2gAwIBAgIUNZfeYsBAcpkAocQqmplZ/sU6BMAwCgYIKoZIzj0EAwIw\n-----END CERTIFICATE-----\n",
];

/// One document for each text and each place it can stand in, with the values that were meant.
fn emitted() -> (Vec<Document>, Vec<Json>) {
    let long = "0123456789 ".repeat(200);
    let (mut documents, mut expected) = (Vec::new(), Vec::new());
    for text in NASTY.iter().copied().chain([long.as_str()]) {
        let word = json!(["str", text]);
        let other = json!(["str", "k"]);
        let mut forms = vec![
            ("value", json!({"k": text}), json!(["map", [[other, word]]])),
            (
                "list item",
                json!({"k": [text, text]}),
                json!(["map", [[other, ["list", [word, word]]]]]),
            ),
            (
                "item of an inner list",
                json!({"k": [[text]]}),
                json!(["map", [[other, ["list", [["list", [word]]]]]]]),
            ),
            (
                "nested value",
                json!({"k": [{"k": text}]}),
                json!(["map", [[other, ["list", [["map", [[other, word]]]]]]]]),
            ),
        ];
        // A key of more than 1024 characters needs a form of its own in YAML, and no key here is near that.
        if text.len() < 128 {
            forms.push(("key", json!({text: "k"}), json!(["map", [[word, other]]])));
            forms.push((
                "nested key",
                json!({"k": [{text: "k"}]}),
                json!(["map", [[other, ["list", [["map", [[word, other]]]]]]]]),
            ));
        }
        for (place, meant, read) in forms {
            let name = format!("{text:?} as {place}");
            let yaml = lxseed::yaml::to_string(&meant).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                yaml.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
                "{name} is not ASCII: {yaml}"
            );
            documents.push((name, yaml.into_bytes()));
            expected.push(json!({ "value": read }));
        }
    }
    (documents, expected)
}

#[test]
fn whatever_text_is_emitted_is_read_as_that_text() {
    let Some(program) = tool("yaml-values") else {
        return;
    };
    let (documents, expected) = emitted();
    for ((name, bytes), expected) in documents.iter().zip(&expected) {
        assert_eq!(second_reader(bytes), *expected, "{name}");
    }
    assert_read_as(&program, &documents, &expected);
}

#[test]
fn numbers_and_switches_keep_their_types() {
    let Some(program) = tool("yaml-values") else {
        return;
    };
    let meant = json!({"a": 0, "b": 2, "c": u64::MAX, "d": true, "e": false, "f": [], "g": {}});
    let yaml = lxseed::yaml::to_string(&meant).unwrap();
    let documents = [("numbers".to_owned(), yaml.into_bytes())];
    let entry = |key: &str, kind: &str, value: Json| json!([["str", key], [kind, value]]);
    let entries = [
        entry("a", "int", json!("0")),
        entry("b", "int", json!("2")),
        entry("c", "int", json!(u64::MAX.to_string())),
        entry("d", "bool", json!(true)),
        entry("e", "bool", json!(false)),
        entry("f", "list", json!([])),
        entry("g", "map", json!([])),
    ];
    assert_read_as(&program, &documents, &[json!({ "value": ["map", entries] })]);
}
