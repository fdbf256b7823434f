//! Secrets in profiles, where they do not belong.

use super::rules::{PLAIN_PASSWORD, PRIVATE_KEY};
use crate::finding::Findings;
use crate::source::{Kind, Node};

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

/// Whether there is a private key in PEM form in the text.
pub(crate) fn holds_private_key(text: &str) -> bool {
    const MARK: &str = "PRIVATE KEY-----";
    // Nearly every value is too short, and is not searched.
    text.len() >= MARK.len() && text.contains(MARK)
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
                    "take it out and replace the key pair: it has to be taken as known. lxseed derives every key a machine needs",
                )
                .label("a private key starts here");
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
