//! Secrets in profiles, where they do not belong.

use super::rules::{PLAIN_PASSWORD, PRIVATE_KEY};
use crate::finding::Findings;
use crate::source::{FileId, Kind, Node, Span, private_keys};

/// Keys that would hold a password or a token in clear.
const PASSWORD_KEYS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "plain_text_passwd",
    "cluster_password",
    "trust_password",
    "core.trust_password",
    "cluster_token",
    "token",
    "secret",
];

pub(super) fn names_a_password(key: &str) -> bool {
    PASSWORD_KEYS.contains(&key)
}

/// Whether there is a private key in a value. A line that begins one is enough: what follows may be lost.
pub(crate) fn holds_private_key(text: &str) -> bool {
    const MARK: &str = "PRIVATE KEY-----";
    // Nearly every value is too short, and is not searched.
    text.len() >= MARK.len() && (text.contains(MARK) || !private_keys(text).is_empty())
}

/// Whether there is a URL with a user and a password in it.
pub(super) fn holds_login(text: &str) -> bool {
    let logins = text.split("://").skip(1).filter_map(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'', '\n']).next().unwrap_or(rest);
        authority.rsplit_once('@')?.0.split_once(':')
    });
    logins
        .into_iter()
        .any(|(user, password)| !user.is_empty() && !password.is_empty())
}

const REPLACE_IT: &str =
    "take it out and replace the key pair: it has to be taken as known. lxseed derives every key a machine needs";

/// Reports private keys that are no values: in comments, in keys of mappings, in what is no YAML. Returns where they
/// stand.
pub(super) fn leaks_around(text: &str, file: FileId, findings: &mut Findings) -> Vec<Span> {
    let keys: Vec<Span> = private_keys(text)
        .into_iter()
        .map(|range| file.span(range.start, range.end))
        .filter(|key| !findings.masked.iter().any(|known| overlap(*key, *known)))
        .collect();
    for key in &keys {
        findings.mask(*key);
        findings
            .add(
                &PRIVATE_KEY,
                key.before(),
                "a private key stands in a profile",
                REPLACE_IT,
            )
            .label("a private key starts here");
    }
    keys
}

/// Whether two stretches of a file have a byte in common, or touch.
pub(super) fn overlap(one: Span, other: Span) -> bool {
    one.file == other.file && one.start <= other.end && other.start <= one.end
}

/// Keeps every value below `node` out of the reports.
fn mask(node: &Node, findings: &mut Findings) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| mask(item, findings)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                findings.mask(key.span);
                mask(value, findings);
            }
        }
        _ => findings.mask(node.span),
    }
}

/// Reports private keys and passwords below `node`. Their values are shown in no message and masked in source lines.
pub(super) fn leaks(node: &Node, findings: &mut Findings) {
    match &node.kind {
        Kind::Text(text) if holds_private_key(text) => {
            findings.mask(node.span);
            findings
                .add(
                    &PRIVATE_KEY,
                    // A key has many lines; the finding points at where it begins.
                    node.span.before(),
                    "a private key stands in a profile",
                    REPLACE_IT,
                )
                .label("a private key starts here");
        }
        Kind::Text(text) if holds_login(text) => {
            findings.mask(node.span);
            let message = "a URL with a password stands in a profile";
            let help =
                "take user and password out of it; a proxy or mirror can let machines in by their addresses instead";
            findings
                .add(&PLAIN_PASSWORD, node.span.before(), message, help)
                .label("a profile never holds a secret");
        }
        Kind::List(items) => items.iter().for_each(|item| leaks(item, findings)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                match key.name.as_deref() {
                    // A hash can be attacked off line, and what is none may be the password itself.
                    Some("password_hash") => mask(value, findings),
                    Some(name) if names_a_password(name) => {
                        mask(value, findings);
                        let help = if name.starts_with("pass") || name.starts_with("plain") {
                            "for a console login write `password_hash: \"$6$…\"` (made by `openssl passwd -6`); take the password out"
                        } else {
                            "take it out: members join by certificates that lxseed derives, no password or token is needed"
                        };
                        findings
                            .add(
                                &PLAIN_PASSWORD,
                                key.span,
                                format!("`{name}` would keep a secret in a profile"),
                                help,
                            )
                            .label("a profile never holds a secret");
                    }
                    _ => leaks(value, findings),
                }
            }
        }
        _ => {}
    }
}
