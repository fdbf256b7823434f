//! A text as it is written into a profile.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::ByteSize;

/// Words that YAML 1.1 reads as something else than text.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "~"];

/// A text in the form for a profile: in quotes where YAML would otherwise read something else.
pub(crate) fn scalar(text: &str) -> String {
    let is_plain_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_no_number =
        text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv4Net>().is_ok() || text.parse::<ByteSize>().is_ok();
    if is_plain_word || is_no_number {
        return text.to_owned();
    }
    // Every JSON string is a YAML one.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn what_yaml_would_change_is_quoted() {
        for text in [
            "node1",
            "on-call",
            "three-drives",
            "192.168.10.11",
            "192.168.10.0/24",
            "1.92TB",
        ] {
            assert_eq!(scalar(text), text);
        }
        for text in ["on", "NO", "0x1f", "1e3", "fd00::1", "18.04", "a b", "~", ""] {
            assert_eq!(scalar(text), format!("\"{text}\""));
        }
        assert_eq!(scalar("a\"\u{1b}"), r#""a\"\u001b""#);
    }
}
