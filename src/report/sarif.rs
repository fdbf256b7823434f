//! Findings as SARIF 2.1.0 (OASIS), which code scanning of GitHub and others shows at the lines.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::entry::{Change, Entry, Region, Report};
use super::json::pretty;
use super::rules::rules;
use crate::finding::Severity;

/// Bytes of the digest that tells one finding from another: enough for any site.
const FINGERPRINT_BYTES: usize = 16;

/// The report as one SARIF run. All rules are in it, whether or not they were broken.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    let rules = rules();
    let at: HashMap<&str, usize> = rules.iter().zip(0..).map(|(rule, at)| (rule.code, at)).collect();
    let mut reported: HashMap<[u8; 32], usize> = HashMap::new();
    let results: Vec<Value> = report
        .entries()
        .map(|entry| result(&entry, at.get(entry.code).copied().unwrap_or(0), &mut reported))
        .collect();
    let rules: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "id": rule.code,
                "name": rule.slug,
                "shortDescription": {"text": rule.slug.replace('-', " ")},
                "fullDescription": {"text": rule.about},
                "help": {"text": format!("{}\n\nlxseed explain {}", rule.about, rule.code)},
                "defaultConfiguration": {"level": level(rule.severity)},
            })
        })
        .collect();
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "lxseed",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(entry: &Entry, rule: usize, reported: &mut HashMap<[u8; 32], usize>) -> Value {
    let related: Vec<Value> = entry
        .related
        .iter()
        .map(|region| {
            let mut location = location(region);
            location["message"] = json!({"text": region.label});
            location
        })
        .collect();
    let mut result = json!({
        "ruleId": entry.code,
        "ruleIndex": rule,
        "level": level(entry.severity),
        "message": {"text": format!("{}\n{}", entry.message, entry.help)},
        "locations": [location(&entry.place)],
        "relatedLocations": related,
        "partialFingerprints": {"lxseed/v1": fingerprint(entry, reported)},
    });
    if !entry.fix.is_empty() {
        result["fixes"] = json!([fix(entry)]);
    }
    result
}

fn location(region: &Region) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&region.file)},
        "region": {
            "startLine": region.start.line,
            "startColumn": region.start.column,
            "endLine": region.end.line,
            "endColumn": region.end.column,
        },
    }})
}

fn fix(entry: &Entry) -> Value {
    // All changes of one fix are in one file.
    let file = entry.fix.first().map_or("", |change| &change.file);
    let replacements: Vec<Value> = entry
        .fix
        .iter()
        .map(|Change { start, end, text, .. }| {
            json!({
                "deletedRegion": {
                    "startLine": start.line,
                    "startColumn": start.column,
                    "endLine": end.line,
                    "endColumn": end.column,
                },
                "insertedContent": {"text": text},
            })
        })
        .collect();
    json!({
        "description": {"text": entry.help},
        "artifactChanges": [{
            "artifactLocation": {"uri": uri(file)},
            "replacements": replacements,
        }],
    })
}

/// Tells a finding from others without its line, which moves when something above it is edited. Equal findings of a
/// file are counted.
fn fingerprint(entry: &Entry, reported: &mut HashMap<[u8; 32], usize>) -> String {
    let mut digest = Sha256::new();
    for part in [entry.code, &entry.place.file, &entry.message] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let count = reported.entry(digest).and_modify(|count| *count += 1).or_insert(1);
    format!("{}:{count}", crate::hex::encode(&digest[..FINGERPRINT_BYTES]))
}

/// A path as a relative URI (RFC 3986): whatever is not unreserved or a slash is written in percent form.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_relative_uris() {
        assert_eq!(uri("profiles/lab/cluster.yaml"), "profiles/lab/cluster.yaml");
        assert_eq!(uri("a b/é:%.yaml"), "a%20b/%C3%A9%3A%25.yaml");
    }
}
