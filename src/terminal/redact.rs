//! The text of a secret file, fit to be shown.

use std::collections::HashMap;

/// Keys of user-data whose values are shown. It is a list of what is public and not of what is secret: a key that comes
/// to user-data later, or that a hand added, stays hidden.
const PUBLIC: [&str; 16] = [
    "disable_root",
    "ed25519_public",
    "enabled",
    "encoding",
    "gecos",
    "groups",
    "hostname",
    "lock_passwd",
    "manage_etc_hosts",
    "name",
    "owner",
    "path",
    "permissions",
    "preserve_sources_list",
    "shell",
    "ssh_pwauth",
];

/// Hides the values of secret files. The same value gets the same number, so that one sees whether it changed; a digest
/// would let whoever reads the output try passwords against it.
#[derive(Default)]
pub(crate) struct Redactor(HashMap<String, usize>);

impl Redactor {
    /// The text line by line, values left out.
    pub(crate) fn redact(&mut self, text: &str) -> String {
        let lines = text.lines().map(|line| self.line(line) + "\n");
        lines.collect()
    }

    fn line(&mut self, line: &str) -> String {
        if line.is_empty() || line == "#cloud-config" {
            return line.to_owned();
        }
        let indented = line.trim_start_matches(' ');
        let (dash, rest) = match indented.strip_prefix("- ") {
            Some(rest) => ("- ", rest),
            None => ("", indented),
        };
        let indent = &line[..line.len() - indented.len()];
        // What lxseed writes is `"key":` or `"key": value`; of anything else nothing is known to be public.
        match rest.strip_prefix('"').and_then(|rest| rest.split_once("\":")) {
            Some((key, "")) if is_word(key) => line.to_owned(),
            Some((key, value)) if is_word(key) && value.starts_with(' ') => {
                if PUBLIC.contains(&key) {
                    line.to_owned()
                } else {
                    format!("{indent}{dash}\"{key}\": {}", self.hidden(value))
                }
            }
            _ => format!("{indent}{dash}{}", self.hidden(rest)),
        }
    }

    fn hidden(&mut self, value: &str) -> String {
        let next = self.0.len() + 1;
        let number = *self.0.entry(value.to_owned()).or_insert(next);
        format!("<hidden {number}>")
    }
}

/// Whether a key looks like one of cloud-init's, and not like a key of the other kind.
fn is_word(key: &str) -> bool {
    key.len() <= 32
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_unless_they_are_known_to_be_public() {
        let text = "#cloud-config\n\"hostname\": \"node1\"\n\"users\":\n  - \"name\": \"ops\"\n    \"hashed_passwd\": \"$6$a\"\n\
                    \"ssh_keys\":\n  \"ed25519_private\": \"-----BEGIN\"\n\"write_files\":\n  - \"path\": \"/etc/x\"\n    \"content\": \"c2VjcmV0\"\n\
                    \"runcmd\":\n  - [\"sh\"]\n# pasted key\n\"pass: word\": 1\nPASSWORD\n";
        let wanted = "#cloud-config\n\"hostname\": \"node1\"\n\"users\":\n  - \"name\": \"ops\"\n    \"hashed_passwd\": <hidden 1>\n\
                      \"ssh_keys\":\n  \"ed25519_private\": <hidden 2>\n\"write_files\":\n  - \"path\": \"/etc/x\"\n    \"content\": <hidden 3>\n\
                      \"runcmd\":\n  - <hidden 4>\n<hidden 5>\n<hidden 6>\n<hidden 7>\n";
        assert_eq!(Redactor::default().redact(text), wanted);
    }

    #[test]
    fn the_same_value_has_the_same_number() {
        let mut redactor = Redactor::default();
        let old = redactor.redact("\"content\": \"a\"\n\"content\": \"b\"\n");
        let new = redactor.redact("\"content\": \"b\"\n\"content\": \"c\"\n");
        assert_eq!(old, "\"content\": <hidden 1>\n\"content\": <hidden 2>\n");
        assert_eq!(new, "\"content\": <hidden 2>\n\"content\": <hidden 3>\n");
    }
}
