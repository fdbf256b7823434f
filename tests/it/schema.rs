//! The schemas and `check` agree: on which keys there are, which of them must be there, and what each takes.
//!
//! Everything asked here is enumerated from the schemas, so a key that is new in a profile type is asked about without
//! a change of this file. What the schemas refuse, `check` refuses; what `check` finds wrong in shape, the schemas
//! refuse.

use std::fs;

use crate::support::json_schema::Schema;
use crate::support::{NOW, assert_same_text, lxseed, root};
use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::{Checked, check_files};
use lxseed::finding::Severity;
use lxseed::report::schema::Kind;
use lxseed::source::Content;
use serde::Deserialize as _;
use serde_json::{Value, json};
use walkdir::WalkDir;

/// After a change of a profile type, a warning or the report, `LXSEED_BLESS=1 cargo test --test it schema` writes the
/// files anew.
#[test]
fn the_shipped_schemas_are_up_to_date() {
    let list = lxseed(["schema"]).run().expect_exit(0).stdout;
    for name in ["cluster", "host", "disks", "report"] {
        let printed = lxseed(["schema", name]).run().expect_exit(0).stdout;
        let path = root().join(format!("schema/{name}.json"));
        if std::env::var_os("LXSEED_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert_same_text(&format!("schema/{name}.json"), &file, &printed);
        assert!(list.contains(&format!("lxseed schema {name}")), "{list}");
    }
}

// ---- a site in which every key has a value --------------------------------------------------------------------------

/// Three documents without an error; every key stands in one of them except those that exclude one another.
fn document(kind: Kind) -> Value {
    match kind {
        Kind::Cluster => json!({
            "name": "lab", "ubuntu": "18.04", "kernel": "hwe", "lxd": {"channel": "5.0/stable"}, "bootstrap": {"host": "node1", "alone": false},
            "network": {"subnet": "192.168.10.0/24", "gateway": "192.168.10.1", "nameservers": ["192.168.10.1"],
                "search": ["example.org"], "overlay": "fan", "vlan": 12,
                "bond": {"links": ["a", "b"], "mode": "802.3ad", "lacp_rate": "fast", "mii_monitor_interval": 100, "transmit_hash_policy": "layer3+4"},
                "on_link": false, "mtu": 1500,
                "routes": [{"to": "10.0.0.0/8", "via": "192.168.10.254", "on_link": false, "metric": 1, "table": 100}]},
            "networks": {"storage": {"subnet": "10.1.0.0/24", "dhcp": false, "vlan": 20, "link": "c", "mtu": 1500}},
            "pools": {"data1": {"driver": "zfs", "volume": "data1"}},
            "admin": {"user": "ops",
                "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq ops@desk"],
                "password_hash": "$6$abcdefgh$9.GmWEPYEx.IGZpQ3ZrWmRSMOCpTd4XdxxuM7Al8kdqLZZp3hrVqaRZEwcxLLyDLr3nS3fNwyYbCoMeDVrGc51",
                "lxd_certificates": {}},
            "keyboard": {"layout": "de", "variant": "nodeadkeys"},
            "proxy": {"http": "http://192.168.10.1:3128", "https": "http://192.168.10.1:3128", "no_proxy": [".example.org"]},
            "apt": {"mirror": "http://mirror.example.org/ubuntu", "security_mirror": "http://mirror.example.org/ubuntu",
                "proxy": "http://192.168.10.1:3142", "packages": ["htop"], "upgrade": false,
                "sources": {"tools": {"source": "deb https://packages.example.org/ubuntu bionic main",
                    "key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"}}},
            "desk": {"generation": 1},
            "generation": 1,
            // `formed` excludes a single host.
            "spares": ["node4"],
            "retired": {"node3": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]},
            "defaults": {"disks": "model", "slots": {"d1": {"by_path": "pci-0000:00:17.0-ata-2", "min_size": "900GB", "max_size": "2TB"}},
                "cloud_config": {"file": "extra.yaml", "runcmd": "after"},
                "sysctl": {"vm.swappiness": 10}},
            "models": {"rack-1u": {"disks": "model", "slots": {"d1": {"max_size": "1TB"}}}},
            "allow": {"one-member": "a test"},
        }),
        Kind::Host => json!({
            "name": "node1", "model": "rack-1u", "disks": "model", "network": {"links": {"a": "52:54:00:12:34:56", "b": "52:54:00:12:34:57", "c": "52:54:00:12:34:58"}, "address": "192.168.10.11",
                "networks": {"storage": "10.1.0.11"},
                "mtu": 1500, "routes": [{"to": "10.0.0.0/8", "via": "192.168.10.254", "on_link": false, "metric": 1, "table": 100}]},
            "slots": {"d1": {"serial": "A1", "wipe": "A1"}}, "generation": 1, "reinstall": "c4d8a1f0",
            "cloud_config": {"file": "extra.yaml", "runcmd": "before"},
            "sysctl": {"kernel.pid_max": "4194304"},
        }),
        Kind::Disks => json!({
            "name": "model", "os": {"slot": "os"}, "volumes": {"data1": {"device": "d1"}},
            "slots": {"os": {"by_path": "pci-0000:00:17.0-ata-1", "min_size": "900GB", "max_size": "2TB"}},
        }),
    }
}

/// What `check` says of the site in which one document is another.
fn check_with(kind: Kind, changed: &Value) -> Checked {
    let files = Kind::ALL.into_iter().map(|each| {
        let text = if each == kind {
            changed.to_string()
        } else {
            document(each).to_string()
        };
        (path(each), Content::Bytes(text.into_bytes()))
    });
    let extra = Content::Bytes(b"#cloud-config\nruncmd: [date]\n".to_vec());
    let files = files.chain([("site/extra.yaml".into(), extra)]);
    check_files("site".into(), files.collect(), NOW)
}

fn path(kind: Kind) -> Utf8PathBuf {
    Utf8Path::new("site").join(kind.files().replace('*', "a"))
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.findings().iter().map(|finding| finding.rule.code).collect()
}

const UNKNOWN_KEY: &str = "P001";
const MISSING_KEY: &str = "P003";
const WRONG_TYPE: &str = "P004";

// ---- what the schemas know ------------------------------------------------------------------------------------------

/// One place that a schema knows: the way there in a document, and what it says of the value.
struct Place {
    way: Vec<Step>,
    schema: Value,
}

#[derive(Clone)]
enum Step {
    Key(String),
    First,
}

/// Every place, outer ones first. Where keys are free to choose, the way goes through those that the document has, or a
/// new one.
fn places(schema: &Value, document: Option<&Value>) -> Vec<Place> {
    let mut found = vec![Place {
        way: Vec::new(),
        schema: schema.clone(),
    }];
    let mut below = |step: Step, schema: &Value, document: Option<&Value>| {
        for mut place in places(schema, document) {
            place.way.insert(0, step.clone());
            found.push(place);
        }
    };
    if let Some(properties) = schema["properties"].as_object() {
        for (key, schema) in properties {
            below(
                Step::Key(key.clone()),
                schema,
                document.and_then(|document| document.get(key)),
            );
        }
    }
    if schema["additionalProperties"].is_object() {
        let there = document.and_then(Value::as_object).and_then(|map| map.iter().next());
        let (key, value) = there.map_or(("data1", None), |(key, value)| (key, Some(value)));
        below(Step::Key(key.to_owned()), &schema["additionalProperties"], value);
    }
    if schema["items"].is_object() {
        let first = document.and_then(|document| document.get(0));
        below(Step::First, &schema["items"], first);
    }
    // Of a value that may be of several types, what is below it if it is a mapping or a list.
    for form in schema["anyOf"].as_array().into_iter().flatten() {
        found.extend(places(form, document).into_iter().skip(1));
    }
    found
}

/// The document with another value at the place; what is missing on the way there is made.
fn with(document: &Value, way: &[Step], value: Value) -> Value {
    let Some((step, rest)) = way.split_first() else {
        return value;
    };
    let mut document = document.clone();
    match step {
        Step::Key(key) => {
            if !document.is_object() {
                document = json!({});
            }
            document[key] = with(&document[key], rest, value);
        }
        Step::First => {
            let inner = with(&document[0], rest, value);
            match document.as_array_mut().and_then(|items| items.first_mut()) {
                Some(first) => *first = inner,
                None => document = json!([inner]),
            }
        }
    }
    document
}

/// The forms that a value may have: the schema itself, or what it lists.
fn forms(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(forms) => forms.iter().collect(),
        None => vec![schema],
    }
}

fn at<'a>(document: &'a Value, way: &[Step]) -> Option<&'a Value> {
    way.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::First => value.get(0),
    })
}

fn shown(kind: Kind, way: &[Step]) -> String {
    way.iter().fold(kind.name().to_owned(), |text, step| match step {
        Step::Key(key) => format!("{text}.{key}"),
        Step::First => format!("{text}[0]"),
    })
}

/// The name that a schema has for the type of a value.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// One value of each type.
fn one_of_each_type() -> [Value; 7] {
    [
        json!(null),
        json!(true),
        json!(7),
        json!(1.5),
        json!("text"),
        json!([]),
        json!({}),
    ]
}

/// Texts at the edges of what one or another key takes.
const TEXTS: &[&str] = &[
    "",
    " ",
    "x",
    "data1",
    "d1",
    "os",
    "a1",
    "model",
    "node1",
    "Node1",
    "node_1",
    "-node",
    "node-",
    "1",
    "127",
    "none",
    "localhost",
    "a-name-that-is-quite-long",
    "text with spaces",
    "é",
    "a\u{0}b",
    "a\nb",
    "18.04",
    "20.04",
    "hwe",
    "ga",
    "Hwe",
    "5.0",
    "5.0/stable",
    "4.0/edge",
    "5.21/candidate",
    "latest/stable",
    "5.0/",
    "3.0/stable",
    "192.168.10.0/24",
    "192.168.10.1",
    "192.168.10.12",
    "192.168.010.1",
    "192.168.10.1/24",
    "256.1.1.1",
    "fd00::1",
    "fd00::/64",
    "::ffff:192.168.10.1",
    "1.2.3",
    "0.0.0.0/0",
    "10.0.0.0/33",
    "fan",
    "bridge",
    "zfs",
    "dir",
    "mirror",
    "ops",
    "_ops",
    "root",
    "Ops",
    "52:54:00:12:34:56",
    "52-54-00-AB-34-56",
    "5254.0012.3456",
    "52:54:00:12:34",
    "525400123456",
    "960GB",
    "1.92TB",
    "1 TiB",
    "1",
    "0GB",
    "1.TB",
    ".5TB",
    "1T",
    "0x5000c500a1b2c3d4",
    "eui.0025385b",
    "5000c500a1b2c3d4",
    "0x",
    "nvme.1b36",
    "0:2:1:0",
    "0:2:1",
    "a:b:c:d",
    "pci-0000:00:17.0-ata-1",
    "pci-0000:00:17.0-ata-1-part1",
    "/dev/sda",
    "/dev/disk/by-id/ata-X",
    "a/b",
    "ssh-rsa AAAA",
    "ssh-dss AAAA",
    "$1$salt$hash",
    "$6$salt$cut",
    "$5$abcdefgh$ZLHm39mxEDqkOGZSzXRhJSSHjyqkqeV4gJCu46ZMZx1",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "example.org",
    "-example.org",
    "two-members",
    "zfs-on-md",
];

/// What both say of one document, and what they must agree on.
struct Question {
    what: String,
    document: Value,
    /// What the answers must be where it is known beforehand.
    expected: Expected,
}

enum Expected {
    /// Only that the two agree.
    Agreement,
    /// Both refuse, `check` with this code among others.
    Refused(&'static str),
    /// `check` finds nothing wrong in shape, and the schema nothing at all.
    Fits,
    /// `check` has nothing of this code.
    Without(&'static str),
}

fn questions(kind: Kind) -> Vec<Question> {
    let schema = kind.schema();
    let base = document(kind);
    let mut questions = Vec::new();
    let mut ask = |what: String, document: Value, expected: Expected| {
        questions.push(Question {
            what,
            document,
            expected,
        });
    };
    ask("as it is".to_owned(), base.clone(), Expected::Fits);
    for Place { way, schema } in places(&schema, Some(&base)) {
        let name = shown(kind, &way);
        let forms = forms(&schema);
        let taken: Vec<&str> = forms
            .iter()
            .map(|form| form["type"].as_str().expect("every form has one type"))
            .collect();
        for value in one_of_each_type() {
            let expected = if way.is_empty() && value.is_null() {
                // A file without a document is a finding of its own.
                Expected::Refused("S005")
            } else if taken.contains(&type_name(&value)) {
                Expected::Without(WRONG_TYPE)
            } else {
                Expected::Refused(WRONG_TYPE)
            };
            ask(format!("{name} = {value}"), with(&base, &way, value), expected);
        }
        if let Some(form) = forms.iter().find(|form| form["type"] == "string") {
            // Where any text will do, the empty one is the only edge.
            let any = form.get("pattern").is_none() && form.get("enum").is_none();
            for text in if any { &TEXTS[..2] } else { TEXTS } {
                ask(
                    format!("{name} = {text:?}"),
                    with(&base, &way, json!(text)),
                    Expected::Agreement,
                );
            }
        }
        if taken.contains(&"integer") {
            for number in [
                json!(0),
                json!(1),
                json!(-1),
                json!(u64::from(u32::MAX)),
                json!(1_u64 << 32),
            ] {
                ask(
                    format!("{name} = {number}"),
                    with(&base, &way, number),
                    Expected::Agreement,
                );
            }
        }
        let words = forms.iter().flat_map(|form| {
            let keys = ["examples", "enum", "default"];
            keys.map(|key| (key, &form[key]))
        });
        for (key, values) in words {
            let values = match values {
                Value::Array(values) => values.clone(),
                Value::Null => Vec::new(),
                value => vec![value.clone()],
            };
            for value in values {
                // Of these, some stand beside others that exclude them, which is no matter of shape.
                ask(
                    format!("{name} = its {key} {value}"),
                    with(&base, &way, value),
                    Expected::Without(WRONG_TYPE),
                );
            }
        }
        if let Some(schema) = forms.iter().find(|form| form["additionalProperties"] == json!(false)) {
            let there = at(&base, &way)
                .filter(|value| value.is_object())
                .cloned()
                .unwrap_or_else(|| json!({}));
            let mut more = there.clone();
            more["zzz"] = json!("x");
            // `allow` has a rule of its own for names that are no warning's.
            let code = if name == "cluster.allow" { "W001" } else { UNKNOWN_KEY };
            ask(
                format!("{name} with a key zzz"),
                with(&base, &way, more),
                Expected::Refused(code),
            );
            for key in schema["properties"].as_object().unwrap().keys() {
                let required = schema["required"]
                    .as_array()
                    .is_some_and(|all| all.contains(&json!(key)));
                let mut less = there.clone();
                less.as_object_mut().unwrap().remove(key);
                let expected = if required {
                    Expected::Refused(MISSING_KEY)
                } else {
                    Expected::Agreement
                };
                ask(format!("{name} without {key}"), with(&base, &way, less), expected);
            }
        }
        if schema["additionalProperties"].is_object() {
            for text in TEXTS {
                let mut way = way.clone();
                way.push(Step::Key((*text).to_owned()));
                let value = at(&base, &way[..way.len() - 1])
                    .and_then(|map| map.as_object()?.values().next())
                    .cloned()
                    .unwrap_or_else(|| json!("x"));
                ask(
                    format!("{name} with a key {text:?}"),
                    with(&base, &way, value),
                    Expected::Agreement,
                );
            }
        }
    }
    questions
}

/// Puts every question to both.
fn agree(kind: Kind) {
    let questions = questions(kind);
    let documents: Vec<Value> = questions.iter().map(|question| question.document.clone()).collect();
    let Some(answers) = Schema::Given(&kind.schema()).errors(&documents) else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut refused, mut by_check_alone) = (0, 0);
    for (
        Question {
            what,
            document,
            expected,
        },
        errors,
    ) in questions.iter().zip(answers)
    {
        let checked = check_with(kind, document);
        let codes = codes(&checked);
        let check_refuses = checked.count(Severity::Error) > 0;
        let shape = codes
            .iter()
            .any(|code| [UNKNOWN_KEY, MISSING_KEY, WRONG_TYPE].contains(code));
        refused += usize::from(!errors.is_empty());
        by_check_alone += usize::from(errors.is_empty() && check_refuses);
        let mut complain = |why: &str| wrong.push(format!("{what}: {why}: check {codes:?}, schema {errors:?}"));
        if !errors.is_empty() && !check_refuses {
            complain("the schema refuses what check accepts");
        }
        if errors.is_empty() && shape {
            complain("the schema accepts a shape that check refuses");
        }
        match expected {
            Expected::Agreement => {}
            Expected::Refused(code) => {
                if errors.is_empty() || !codes.contains(code) {
                    complain(&format!("both should refuse it, check with {code}"));
                }
            }
            Expected::Fits => {
                if !errors.is_empty() || check_refuses {
                    complain("both should accept it");
                }
            }
            Expected::Without(code) => {
                if codes.contains(code) {
                    complain(&format!("check should not say {code}"));
                }
            }
        }
    }
    let (count, alone) = (questions.len(), by_check_alone);
    eprintln!(
        "{}: {count} documents, {refused} refused by both, {alone} by check alone",
        kind.name()
    );
    assert!(
        wrong.is_empty(),
        "{} of {count} answers are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(refused > 100, "only {refused} documents were refused");
}

#[test]
fn schema_and_check_agree_on_clusters() {
    agree(Kind::Cluster);
}

#[test]
fn schema_and_check_agree_on_hosts() {
    agree(Kind::Host);
}

#[test]
fn schema_and_check_agree_on_disks() {
    agree(Kind::Disks);
}

/// A key with a default is built as if the default were written.
#[test]
fn defaults_are_what_is_taken() {
    let mut defaults = 0;
    for kind in Kind::ALL {
        let base = document(kind);
        for Place { way, schema } in places(&kind.schema(), Some(&base)) {
            let Some(default) = schema.get("default") else {
                continue;
            };
            let (Some(Step::Key(key)), outer) = (way.last(), &way[..way.len() - 1]) else {
                panic!("a default without a key");
            };
            let mut less = at(&base, outer).unwrap().clone();
            less.as_object_mut().unwrap().remove(key);
            let site = |document: &Value| format!("{:?}", check_with(kind, document).accept().unwrap());
            let absent = site(&with(&base, outer, less));
            let written = site(&with(&base, &way, default.clone()));
            assert_same_text(&shown(kind, &way), &written, &absent);
            defaults += 1;
        }
    }
    assert!(defaults >= 4, "only {defaults} defaults");
}

/// Every profile in the repository that `check` takes fits its schema.
#[test]
fn good_profiles_fit() {
    let mut files = 0;
    for kind in Kind::ALL {
        let mut documents = Vec::new();
        for site in [
            "profiles",
            "tests/oracles/nasty",
            "tests/good",
            "tests/cluster/sites",
            "src/check/example",
        ] {
            for entry in WalkDir::new(root().join(site)).sort_by_file_name() {
                let entry = entry.unwrap();
                let path = Utf8Path::from_path(entry.path()).unwrap();
                if !belongs(kind, path) {
                    continue;
                }
                let text = fs::read_to_string(path).unwrap();
                // A byte order mark is for the reader of files.
                let text = text.trim_start_matches('\u{feff}');
                for document in serde_yaml::Deserializer::from_str(text) {
                    let mut value = serde_yaml::Value::deserialize(document).unwrap();
                    value.apply_merge().unwrap();
                    // `---` with nothing behind it is no document to the reader.
                    if !value.is_null() {
                        documents.push((path.to_owned(), serde_json::to_value(value).unwrap()));
                    }
                }
                files += 1;
            }
        }
        let values: Vec<Value> = documents.iter().map(|(_, value)| value.clone()).collect();
        let Some(answers) = Schema::Given(&kind.schema()).errors(&values) else {
            return;
        };
        for ((path, _), errors) in documents.iter().zip(answers) {
            assert!(errors.is_empty(), "{path}: {errors:?}");
        }
    }
    assert!(files > 15, "only {files} files were looked at");
}

/// The shipped profiles name the schema they fit, from where they lie.
#[test]
fn shipped_profiles_name_their_schema() {
    let mut files = 0;
    for entry in WalkDir::new(root().join("profiles")).sort_by_file_name() {
        let path = Utf8PathBuf::from_path_buf(entry.unwrap().into_path()).unwrap();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| belongs(*kind, &path)) else {
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let named = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# yaml-language-server: $schema=");
        let schema = path
            .parent()
            .unwrap()
            .join(named.unwrap_or_else(|| panic!("{path} names none")));
        let shipped = root().join(format!("schema/{}.json", kind.name()));
        assert_eq!(
            schema.canonicalize().unwrap(),
            shipped.canonicalize().unwrap(),
            "{path}"
        );
        files += 1;
    }
    assert!(files >= 9, "only {files} files were looked at");
}

fn belongs(kind: Kind, path: &Utf8Path) -> bool {
    let folder = path.parent().and_then(Utf8Path::file_name);
    // What is hidden is no part of a site.
    let below = path.strip_prefix(root().to_str().unwrap()).unwrap();
    let hidden = below.components().any(|part| part.as_str().starts_with('.'));
    path.extension() == Some("yaml")
        && !hidden
        && match kind {
            Kind::Cluster => path.file_name() == Some("cluster.yaml"),
            Kind::Host => folder == Some("hosts"),
            Kind::Disks => folder == Some("disks"),
        }
}

/// What an editor shows: every key has words, and nothing is left to another file.
#[test]
fn every_key_is_explained() {
    for kind in Kind::ALL {
        let text = kind.schema().to_string();
        assert!(!text.contains("$ref"), "{}", kind.name());
        for Place { way, schema } in places(&kind.schema(), None) {
            let words = schema["description"].as_str().unwrap_or_default();
            let shown = shown(kind, &way);
            let is_named = [
                "lxd_certificates.data1",
                "links.data1",
                "network.networks.data1",
                "retired.data1",
            ]
            .iter()
            .any(|end| shown.ends_with(end));
            let inner = matches!(way.last(), Some(Step::First)) || is_named;
            assert!(inner || words.len() > 8, "{shown} has no words");
        }
    }
}
