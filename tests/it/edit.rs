//! A value is put into a cluster.yaml of any shape, and nothing else changes.

use lxseed::source::{Addition, Edited};
use proptest::prelude::*;

const FORMED: Addition<'_> = Addition::Scalar {
    key: "formed",
    value: "5f0c1d2e3b4a6978",
};
const RETIRED: Addition<'_> = Addition::Item {
    key: "retired",
    name: "node3",
    item: "9f86",
};

fn put(addition: &Addition<'_>, text: &str) -> Option<String> {
    match addition.put_into(text, text.rfind("name:").unwrap_or(usize::MAX)) {
        Edited::There => Some(text.to_owned()),
        Edited::Text(text) => Some(text),
        Edited::ByHand => None,
    }
}

/// The text before and after; nothing where a person has to write it.
fn expect(addition: &Addition<'_>, cases: &[(&str, Option<&str>)]) {
    for (before, after) in cases {
        assert_eq!(put(addition, before).as_deref(), *after, "{before}");
    }
}

#[test]
fn a_scalar_stands_behind_a_line_of_its_like() {
    expect(
        &FORMED,
        &[
            (
                "name: lab\nbootstrap: node1 # first\n\n# the net\nnetwork: {}\n",
                Some("name: lab\nbootstrap: node1 # first\nformed: \"5f0c1d2e3b4a6978\"\n\n# the net\nnetwork: {}\n"),
            ),
            (
                "name: lab\r\nbootstrap:\r\n  host: node1\r\n  alone: false\r\npools: {}\r\n",
                Some(
                    "name: lab\r\nbootstrap:\r\n  host: node1\r\n  alone: false\r\nformed: \"5f0c1d2e3b4a6978\"\r\npools: {}\r\n",
                ),
            ),
            ("name: lab", Some("name: lab\nformed: \"5f0c1d2e3b4a6978\"")),
            (
                "a: 1\r\nname: lab",
                Some("a: 1\r\nname: lab\r\nformed: \"5f0c1d2e3b4a6978\""),
            ),
            (
                "---\n  name: lab\n  lxd: {channel: 5.0/stable,\n    }\n...\n",
                Some("---\n  name: lab\n  formed: \"5f0c1d2e3b4a6978\"\n  lxd: {channel: 5.0/stable,\n    }\n...\n"),
            ),
            (
                "\u{feff}# site\nname: lab\n",
                Some("\u{feff}# site\nname: lab\nformed: \"5f0c1d2e3b4a6978\"\n"),
            ),
            (
                "\"name\": \"lab\"\n'bootstrap': 'node1'\n",
                Some("\"name\": \"lab\"\n'bootstrap': 'node1'\nformed: \"5f0c1d2e3b4a6978\"\n"),
            ),
            ("{name: lab}", Some("{name: lab, formed: \"5f0c1d2e3b4a6978\"}")),
            (
                "{\"name\": \"lab\", \"pools\": {}}\n",
                Some("{\"name\": \"lab\", \"formed\": \"5f0c1d2e3b4a6978\", \"pools\": {}}\n"),
            ),
            (
                "{\n  \"bootstrap\": {\n    \"host\": \"node1\"\n  },\n  \"name\": \"lab\"\n}\n",
                Some(
                    "{\n  \"bootstrap\": {\n    \"host\": \"node1\"\n  },\n  \"name\": \"lab\",\n  \"formed\": \"5f0c1d2e3b4a6978\"\n}\n",
                ),
            ),
            (
                "name: lab\nnotes: |\n  bootstrap: x\n  y\n",
                Some("name: lab\nformed: \"5f0c1d2e3b4a6978\"\nnotes: |\n  bootstrap: x\n  y\n"),
            ),
            (
                "name: >\n  lab\n  two\n",
                Some("name: >\n  lab\n  two\nformed: \"5f0c1d2e3b4a6978\"\n"),
            ),
            (
                "a: &x {k: v}\nname: lab\nb: *x\n",
                Some("a: &x {k: v}\nname: lab\nformed: \"5f0c1d2e3b4a6978\"\nb: *x\n"),
            ),
        ],
    );
}

#[test]
fn the_right_document_of_several_gets_it() {
    let text = "name: a\nformed: x\n---\nname: b\n---\nname: c\n";
    let at = text.find("name: b").unwrap();
    assert_eq!(
        FORMED.put_into(text, at),
        Edited::Text("name: a\nformed: x\n---\nname: b\nformed: \"5f0c1d2e3b4a6978\"\n---\nname: c\n".to_owned())
    );
}

#[test]
fn what_is_there_stays_and_what_is_another_is_for_a_person() {
    let there = "name: lab\nformed: 5f0c1d2e3b4a6978\n";
    assert_eq!(FORMED.put_into(there, 0), Edited::There);
    for text in [
        "name: lab\nformed: 0000000000000000\n",
        "name: lab\nformed: 1234567812345678\n",
        "name: lab\nformed:\n",
        "- name: lab\n",
        "name: [\n",
        "",
    ] {
        assert_eq!(FORMED.put_into(text, 9), Edited::ByHand, "{text}");
    }
    for text in [
        "name: lab\nretired:\n",
        "name: lab\nretired: node3\n",
        "name: lab\nretired: [node3]\n",
        "name: lab\nretired: {node3: 9f86}\n",
        "name: lab\nretired: {node3: }\n",
    ] {
        assert_eq!(RETIRED.put_into(text, 9), Edited::ByHand, "{text}");
    }
    let lists = "name: lab\nretired: {node3: [a, '9f86', b]}\n";
    assert_eq!(RETIRED.put_into(lists, 0), Edited::There);
    // Nothing that could be more than a word is put in.
    let strange = Addition::Scalar {
        key: "formed",
        value: "a\"\nb: c",
    };
    assert_eq!(strange.put_into("name: lab\n", 0), Edited::ByHand);
}

#[test]
fn an_item_goes_to_the_end_of_its_list() {
    expect(
        &RETIRED,
        &[
            (
                "name: lab\npools: {}\n",
                Some("name: lab\nretired:\n  node3: [\"9f86\"]\npools: {}\n"),
            ),
            (
                "name: lab\r\n",
                Some("name: lab\r\nretired:\r\n  node3: [\"9f86\"]\r\n"),
            ),
            (
                "{\"name\": \"lab\"}",
                Some("{\"name\": \"lab\", \"retired\": {\"node3\": [\"9f86\"]}}"),
            ),
            (
                "name: lab\nretired: {}\n",
                Some("name: lab\nretired: {node3: [\"9f86\"]}\n"),
            ),
            (
                "{\"name\": \"lab\", \"retired\": { }}",
                Some("{\"name\": \"lab\", \"retired\": {\"node3\": [\"9f86\"] }}"),
            ),
            (
                "name: lab\nretired: {node9: [aa]} # gone\n",
                Some("name: lab\nretired: {node9: [aa], node3: [\"9f86\"]} # gone\n"),
            ),
            (
                "name: lab\nretired:\n  # the old one\n  node9: [aa]\n\nadmin: {}\n",
                Some("name: lab\nretired:\n  # the old one\n  node9: [aa]\n  node3: [\"9f86\"]\n\nadmin: {}\n"),
            ),
            (
                "name: lab\nretired:\n  node9:\n  - aa\n  - bb # why\nadmin: {}\n",
                Some("name: lab\nretired:\n  node9:\n  - aa\n  - bb # why\n  node3: [\"9f86\"]\nadmin: {}\n"),
            ),
            (
                "name: lab\nretired: {node3: [aa], node9: [bb]}\n",
                Some("name: lab\nretired: {node3: [aa, \"9f86\"], node9: [bb]}\n"),
            ),
            (
                "{\"name\": \"lab\", \"retired\": {\"node3\": [\"aa\"]}}",
                Some("{\"name\": \"lab\", \"retired\": {\"node3\": [\"aa\", \"9f86\"]}}"),
            ),
            (
                "name: lab\nretired:\n  node3:\n    - \"aa\" # first\n    - 'bb'\n  node9: [cc]\n",
                Some(
                    "name: lab\nretired:\n  node3:\n    - \"aa\" # first\n    - 'bb'\n    - \"9f86\"\n  node9: [cc]\n",
                ),
            ),
            (
                "name: lab\nretired:\n  node3: []\n",
                Some("name: lab\nretired:\n  node3: [\"9f86\"]\n"),
            ),
            (
                "name: lab\nretired:\n  node3: [aa,\n    bb]",
                Some("name: lab\nretired:\n  node3: [aa,\n    bb, \"9f86\"]"),
            ),
            // The list of another name would get it, too.
            ("name: lab\nretired: {node3: &x [aa], node9: *x}\n", None),
        ],
    );
}

/// A value in one of the ways in which YAML can be written.
fn value() -> impl Strategy<Value = String> {
    let word = "[a-z][a-z0-9]{0,6}";
    prop_oneof![
        word.prop_map(|word| word.to_owned()),
        word.prop_map(|word| format!("\"{word}\"")),
        word.prop_map(|word| format!("'{word}: # {word}'")),
        (word, word).prop_map(|(one, two)| format!("{{{one}: {two}}}")),
        (word, word).prop_map(|(one, two)| format!("[{one}, \"{two}\"]")),
        (word, word).prop_map(|(one, two)| format!("\n  {one}: {two}")),
        (word, word).prop_map(|(one, two)| format!("\n  - {one}\n  - {two}")),
        (word, word).prop_map(|(one, two)| format!("|\n  {one}\n  formed: {two}\n")),
        (word, word).prop_map(|(one, two)| format!("{one}\n  {two}")),
        word.prop_map(|word| format!("{word} # {word}: \"{{[")),
        Just("12".to_owned()),
        Just(String::new()),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let retired = prop_oneof![
        Just(None),
        Just(Some("retired: {}".to_owned())),
        Just(Some("retired: {node9: [aa]}".to_owned())),
        Just(Some("retired:\n  node3:\n  - aa".to_owned())),
        Just(Some(
            "retired:\n  node9: [aa]\n  # a word\n  node3: [\"bb\"] # another".to_owned()
        )),
    ];
    (prop::collection::vec(value(), 1..5), retired, 0..5_usize).prop_map(|(values, retired, at)| {
        let values = values.iter().enumerate();
        let mut lines: Vec<String> = values.map(|(number, value)| format!("k{number}: {value}")).collect();
        lines.insert(at.min(lines.len()), "name: lab".to_owned());
        if let Some(retired) = retired {
            lines.insert(at.min(lines.len()), retired);
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// In a block there is always a place, and what is put in is all that is new, also for another reader.
    #[test]
    fn every_other_byte_stays(
        documents in prop::collection::vec(document(), 1..4),
        which in any::<prop::sample::Index>(),
        windows in any::<bool>(),
        end in any::<bool>(),
    ) {
        let which = which.index(documents.len());
        let mut text = documents.join("\n---\n");
        if end {
            text.push('\n');
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        let at = text.match_indices("name: lab").nth(which).unwrap().0;
        for addition in [FORMED, RETIRED] {
            let Edited::Text(new) = addition.put_into(&text, at) else {
                return Err(TestCaseError::fail(format!("{:?}", addition.put_into(&text, at))));
            };
            let kept = text.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
            prop_assert!(new.ends_with(&text[kept..]), "{new}");
            prop_assert!(!windows || !new.replace("\r\n", "").contains('\n'), "{new:?}");
            let (old, mut read) = (read(&text), read(&new));
            match addition {
                Addition::Scalar { key, value } => {
                    prop_assert_eq!(read[which].as_object_mut().unwrap().remove(key).unwrap(), value);
                }
                Addition::Item { key, name, item } => {
                    let lists = read[which][key].as_object_mut().unwrap();
                    let list = lists[name].as_array_mut().unwrap();
                    prop_assert_eq!(list.pop().unwrap(), item);
                    if list.is_empty() {
                        lists.remove(name);
                    }
                    if lists.is_empty() && old[which].get(key).is_none() {
                        read[which].as_object_mut().unwrap().remove(key);
                    }
                }
            }
            prop_assert_eq!(old, read);
        }
    }
}

fn read(text: &str) -> Vec<serde_json::Value> {
    use serde::Deserialize as _;
    let documents = serde_yaml::Deserializer::from_str(text);
    documents
        .map(|document| serde_json::Value::deserialize(document).unwrap())
        .collect()
}
