//! Placeholders that were never replaced by a value.

use std::collections::HashSet;

use super::leaks::names_a_password;
use super::lower::quoted;
use super::rules::PLACEHOLDER;
use crate::finding::Findings;
use crate::source::{Kind, Node, Span};

/// Keys whose values are keys, certificates and hashes. Chance and comments may write anything into them, and that they
/// are usable is checked elsewhere.
const OPAQUE_KEYS: &[&str] = &["ssh_authorized_keys", "lxd_certificates", "password_hash"];

/// Placeholders that are the whole value, in upper or lower case.
const WHOLE: &[&str] = &[
    "changeme",
    "change_me",
    "change-me",
    "replaceme",
    "replace_me",
    "replace-me",
    "placeholder",
    "todo",
    "fixme",
    "tbd",
    "xxx",
    "xxxx",
    "...",
    "…",
    "???",
];

/// The same as a word of a longer value, such as `ata-CHANGEME`.
const WORDS: &[&str] = &[
    "CHANGEME",
    "CHANGE_ME",
    "REPLACEME",
    "REPLACE_ME",
    "TODO",
    "FIXME",
    "XXX",
];

/// Reports the placeholders in a file's documents that were not found to be wrong for another reason.
pub(super) fn placeholders(documents: &[Node], findings: &mut Findings) {
    let reported: HashSet<Span> = findings.list.iter().map(|finding| finding.primary.span).collect();
    for document in documents {
        walk(document, "", &reported, findings);
    }
}

fn walk(node: &Node, key: &str, reported: &HashSet<Span>, findings: &mut Findings) {
    match &node.kind {
        Kind::Text(text) if is_placeholder(text) && !reported.contains(&node.span) => {
            let message = format!("{} was to be filled in: it is {}", quoted(key), quoted(text));
            findings
                .add(&PLACEHOLDER, node.span, message, "write the real value")
                .label("a placeholder");
        }
        Kind::List(items) => {
            for item in items {
                walk(item, key, reported, findings);
            }
        }
        Kind::Map(entries) => {
            for (key, value) in entries {
                if let Some(name) = key.name.as_deref()
                    && !OPAQUE_KEYS.contains(&name)
                    && !names_a_password(name)
                {
                    walk(value, name, reported, findings);
                }
            }
        }
        _ => {}
    }
}

fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let is_whole = WHOLE.iter().any(|word| text.eq_ignore_ascii_case(word));
    // In prose, such as the reason of an `allow`, these words and brackets are no placeholders.
    let is_prose = text.contains(char::is_whitespace);
    is_whole || is_bracketed(text) || !is_prose && (has_word(text) || has_brackets(text))
}

fn has_word(text: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric();
    let capitals = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
    capitals.map(|(at, _)| text.split_at(at)).any(|(before, from)| {
        WORDS.iter().any(|word| {
            from.strip_prefix(word)
                .is_some_and(|behind| !behind.starts_with(part_of_a_word))
                && !before.ends_with(part_of_a_word)
        })
    })
}

/// `<serial number>`, and nothing else.
fn is_bracketed(text: &str) -> bool {
    text.strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|inner| !inner.is_empty() && !inner.contains(['<', '>']))
}

/// `ata-<serial>`.
fn has_brackets(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| {
        rest.split_once('>').is_some_and(|(inner, _)| {
            !inner.is_empty()
                && inner
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn placeholders_are_told_from_values() {
        for text in [
            "CHANGEME",
            "changeme",
            "Change-Me",
            "todo",
            "<serial>",
            "<the serial number>",
            "ata-<model>_<serial>",
            "ata-CHANGEME",
            "WD-XXX",
            "scsi-TODO_1",
            "REPLACE_ME.example.org",
            "…",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "",
            "S3Z9NB0K100001",
            "WD-XXX4711",
            "ata-SXXXX_1",
            "TODOS",
            "changeme1",
            "TODO: a third machine comes in May",
            "fewer than <3> of them, see TODO",
            "<>",
            "a<b",
            "a > b",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
