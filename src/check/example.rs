//! The site that the rules' examples are edits of: three hosts, an md mirror and a zpool each, with nothing to find.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Checked, Samples, check_layout};
use crate::finding::{Edit, Rule};
use crate::profile::SAMPLE;
use crate::source::{self, Content};

/// The site's folder, as reports name it.
const SITE: &str = "profiles";

/// When the examples are checked.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

const FILES: [(&str, &str); 3] = [
    ("cluster.yaml", include_str!("example/cluster.yaml")),
    ("disks/model.yaml", include_str!("example/disks/model.yaml")),
    ("hosts/hosts.yaml", include_str!("example/hosts/hosts.yaml")),
];

/// One of a rule's two examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// The one that breaks the rule.
    Fails,
    /// The one done right.
    Passes,
}

impl Example {
    fn edits(self, rule: &Rule) -> &'static [Edit] {
        match self {
            Self::Fails => rule.fails,
            Self::Passes => rule.passes,
        }
    }

    /// Checks its site.
    #[must_use]
    pub fn check(self, rule: &Rule) -> Checked {
        let files = self.files(rule);
        let samples = if rule.code == SAMPLE.code {
            Samples::Refused
        } else {
            Samples::Fine
        };
        check_layout(SITE.into(), source::site_of(SITE.into(), files), NOW, samples)
    }

    /// Checks its site at another time.
    #[cfg(test)]
    pub(super) fn check_at(self, rule: &Rule, now: OffsetDateTime) -> Checked {
        checked(self.files(rule), now)
    }

    /// Its files that differ from the other example's: each path with the lines that do.
    #[must_use]
    pub fn own_lines(self, rule: &Rule) -> Vec<(Utf8PathBuf, String)> {
        let other = match self {
            Self::Fails => Self::Passes,
            Self::Passes => Self::Fails,
        };
        let others = other.files(rule);
        self.files(rule)
            .into_iter()
            .filter_map(|(path, content)| {
                let Content::Bytes(own) = content else {
                    return None;
                };
                let other = others.iter().find(|(other, _)| *other == path);
                let other = match other {
                    Some((_, Content::Bytes(bytes))) => &**bytes,
                    _ => &[],
                };
                // Nobody writes these by hand.
                if matches!(path.extension(), Some("snap" | "assert")) {
                    let lines = "# as `snap download` wrote it\n".to_owned();
                    return (own != other).then_some((path, lines));
                }
                let own = String::from_utf8(own).ok()?;
                let other = String::from_utf8_lossy(other);
                let lines = differing_lines(&own, &other);
                (!lines.is_empty()).then_some((path, lines))
            })
            .collect()
    }

    fn files(self, rule: &Rule) -> Vec<(Utf8PathBuf, Content)> {
        edited(self.edits(rule))
    }
}

/// The example site once its cluster stands: with the number of its founding, and with an administrator's certificate.
pub(crate) fn formed() -> Checked {
    let files = edited(&[
        Edit::Replace("cluster.yaml", super::rules::USER, super::rules::DESK),
        Edit::Replace("cluster.yaml", "network:\n", "formed: \"9f31c07be2d85a64\"\nnetwork:\n"),
    ]);
    check_layout(SITE.into(), source::site_of(SITE.into(), files), NOW, Samples::Fine)
}

/// Checks the example site, or an edit of it.
#[cfg(test)]
fn checked(files: Vec<(Utf8PathBuf, Content)>, now: OffsetDateTime) -> Checked {
    check_layout(SITE.into(), source::site_of(SITE.into(), files), now, Samples::Fine)
}

/// The files of the example site with these edits.
fn edited(edits: &[Edit]) -> Vec<(Utf8PathBuf, Content)> {
    let mut files: Vec<(Utf8PathBuf, Content)> = FILES
        .iter()
        .map(|(path, text)| (at(path), Content::Bytes(text.as_bytes().to_vec())))
        .collect();
    for edit in edits {
        apply(edit, &mut files);
    }
    files
}

fn at(path: &str) -> Utf8PathBuf {
    Utf8Path::new(SITE).join(path)
}

fn apply(edit: &Edit, files: &mut Vec<(Utf8PathBuf, Content)>) {
    let (path, content) = match *edit {
        Edit::Replace(path, from, to) => {
            let text = files.iter().find(|(known, _)| *known == at(path));
            let Some((_, Content::Bytes(bytes))) = text else {
                return;
            };
            let text = String::from_utf8_lossy(bytes).replacen(from, to, 1);
            (path, Some(Content::Bytes(text.into_bytes())))
        }
        Edit::Repeat(path, behind, unit, times) => {
            let text = files.iter().find(|(known, _)| *known == at(path));
            let Some((_, Content::Bytes(bytes))) = text else {
                return;
            };
            let repeated: String = (0..times)
                .map(|number| unit.replace("{}", &format!("{number:04}")))
                .collect();
            let text = String::from_utf8_lossy(bytes).replacen(behind, &(behind.to_owned() + &repeated), 1);
            (path, Some(Content::Bytes(text.into_bytes())))
        }
        Edit::Write(path, text) => (path, Some(Content::Bytes(text.as_bytes().to_vec()))),
        Edit::Bytes(path, bytes) => (path, Some(Content::Bytes(bytes.to_vec()))),
        Edit::Locked(path) => (path, Some(Content::Unreadable(ErrorKind::PermissionDenied))),
        Edit::LinkOut(path) => (path, Some(Content::LinkOut)),
        Edit::Remove(path) => (path, None),
    };
    files.retain(|(known, _)| *known != at(path));
    files.extend(content.map(|content| (at(path), content)));
}

/// The lines of `own` between the beginning and the end that it has in common with `other`.
fn differing_lines(own: &str, other: &str) -> String {
    let own: Vec<&str> = own.lines().collect();
    let other: Vec<&str> = other.lines().collect();
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut own.iter().zip(&other));
    let tail = same(
        &mut own[head..]
            .iter()
            .rev()
            .zip(other[head.min(other.len())..].iter().rev()),
    );
    own[head..own.len() - tail]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::rules;

    /// Where an edit names text, the text has to be there exactly once, or the example shows something else.
    #[test]
    fn edits_fit_the_example_site() {
        for rule in rules() {
            for edits in [rule.fails, rule.passes] {
                let mut files: Vec<(Utf8PathBuf, Content)> = FILES
                    .iter()
                    .map(|(path, text)| (at(path), Content::Bytes(text.as_bytes().to_vec())))
                    .collect();
                for edit in edits {
                    if let Edit::Replace(path, from, _) | Edit::Repeat(path, from, ..) = edit {
                        let file = files.iter().find(|(known, _)| *known == at(path));
                        let Some((_, Content::Bytes(bytes))) = file else {
                            panic!("{}: there is no {path}", rule.code);
                        };
                        let found = String::from_utf8_lossy(bytes).matches(from).count();
                        assert_eq!(found, 1, "{}: {from:?} in {path}", rule.code);
                    }
                    apply(edit, &mut files);
                }
            }
        }
    }

    #[test]
    fn every_rule_is_broken_by_its_failing_example_alone_and_not_by_its_passing_one() {
        for rule in rules() {
            assert!(!rule.fails.is_empty(), "{} has no example", rule.code);
            let found: Vec<&str> = codes(&Example::Fails.check(rule));
            assert!(
                !found.is_empty() && found.iter().all(|code| *code == rule.code),
                "{}: the failing example breaks {found:?}",
                rule.code
            );
            let passes = Example::Passes.check(rule);
            assert_eq!(codes(&passes), [""; 0], "{}: the passing example", rule.code);
            assert!(passes.accept().is_ok(), "{}", rule.code);
        }
    }

    /// The site after the one finding's fix.
    fn fixed(edits: &[Edit]) -> (Vec<(Utf8PathBuf, Content)>, String) {
        let checked = checked(edited(edits), NOW);
        // What a value was meant for may be reported as missing, too.
        let patched = checked.findings().iter();
        let patched: Vec<_> = patched.filter(|finding| !finding.fix.is_empty()).collect();
        let [finding] = patched.as_slice() else {
            panic!("{edits:?}: {:?}", checked.findings());
        };
        let mut fix = finding.fix.clone();
        fix.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        let mut files = edited(edits);
        let mut lines = String::new();
        for (span, replacement) in fix {
            let path = &checked.sources().file(span.file).path;
            let file = files.iter_mut().find(|(known, _)| known == path);
            let Some((_, Content::Bytes(bytes))) = file else {
                panic!("{path}");
            };
            bytes.splice(span.range(), replacement.bytes());
            lines = String::from_utf8_lossy(bytes).into_owned();
        }
        (files, lines)
    }

    const CLUSTER: &str = "cluster.yaml";
    const MODEL: &str = "disks/model.yaml";
    const HOSTS: &str = "hosts/hosts.yaml";

    /// Each edit is a mistake with a patch, and a text that the patch leaves.
    const PATCHES: &[(Edit, &str)] = &[
        (Edit::Replace(CLUSTER, "overlay: fan", "overlai: fan"), "overlay: fan"),
        (
            Edit::Replace(CLUSTER, "{driver: btrfs}", "{driver: btrsf}"),
            "{driver: btrfs}",
        ),
        (
            Edit::Replace(CLUSTER, "{driver: btrfs}", "{driver: \"BTRFS\"}"),
            "{driver: btrfs}",
        ),
        (Edit::Replace(CLUSTER, "\"18.04\"", "18.04"), "ubuntu: \"18.04\""),
        (
            Edit::Replace(CLUSTER, "lxd: {channel: 5.0/stable}", "lxd: 5.0/stable"),
            "lxd: {channel: 5.0/stable}",
        ),
        (
            Edit::Replace(CLUSTER, "data1: {driver: btrfs}", "data1: btrfs"),
            "data1: {driver: btrfs}",
        ),
        (
            Edit::Replace(CLUSTER, "[192.168.10.1]", "192.168.10.1"),
            "nameservers: [192.168.10.1]",
        ),
        (
            Edit::Replace(CLUSTER, "ssh_authorized_keys:\n    - ", "ssh_authorized_keys: "),
            "ssh_authorized_keys: [ssh-ed25519 ",
        ),
        (
            Edit::Replace(CLUSTER, "192.168.10.0/24", "192.168.10.1/24"),
            "subnet: 192.168.10.0/24",
        ),
        (
            Edit::Replace(CLUSTER, "192.168.10.0/24", "192.168.10.0/255.255.255.0"),
            "subnet: 192.168.10.0/24",
        ),
        (
            Edit::Replace(CLUSTER, "[192.168.10.1]", "[\"192.168.10.1:53\"]"),
            "nameservers: [192.168.10.1]",
        ),
        (Edit::Replace(CLUSTER, "user: ops", "user: Ops"), "user: ops"),
        (
            Edit::Replace(CLUSTER, "ssh-ed25519 AAAA", "ssh-rsa AAAA"),
            "- \"ssh-ed25519 AAAA",
        ),
        (Edit::Replace(CLUSTER, "name: lab", "name: Lab"), "name: lab"),
        (
            Edit::Replace(HOSTS, "name: node3", "name: Node_3.example.org"),
            "name: node-3\n",
        ),
        (
            Edit::Replace(HOSTS, "192.168.10.11", "192.168.10.11/24"),
            "address: 192.168.10.11}",
        ),
        (
            Edit::Replace(HOSTS, "192.168.10.11", "\" 192.168.10.11\""),
            "address: 192.168.10.11}",
        ),
        (
            Edit::Replace(HOSTS, "\"52:54:00:aa:00:01\"", "525400aa0001"),
            "mac: \"52:54:00:aa:00:01\",",
        ),
        (
            Edit::Replace(HOSTS, "\"52:54:00:aa:00:01\"", "525400110001"),
            "mac: \"52:54:00:11:00:01\",",
        ),
        (
            Edit::Replace(HOSTS, "name: node1\n", "name: node1\ngeneration: \"2\"\n"),
            "generation: 2\n",
        ),
        (Edit::Replace(MODEL, "300GB", "300gb"), "max_size: 300GB}"),
        (Edit::Replace(MODEL, "300GB", "\"300 gb\""), "max_size: 300GB}"),
        (Edit::Replace(MODEL, "300GB", "300000000000"), "max_size: 300GB}"),
    ];

    /// The patched site has no findings.
    #[test]
    fn a_patch_mends_what_it_is_shown_with() {
        for (edit, expected) in PATCHES {
            let (files, text) = fixed(&[*edit]);
            assert!(text.contains(expected), "{edit:?} becomes:\n{text}");
            let checked = checked(files, NOW);
            assert_eq!(codes(&checked), [""; 0], "{edit:?} becomes:\n{text}");
        }
    }

    /// The sign and the indentation of a block lie outside the span of its text.
    #[test]
    fn there_is_no_patch_for_a_text_of_several_lines() {
        let replace = Edit::Replace;
        for edit in [
            replace("cluster.yaml", "user: ops", "user: |\n    Ops"),
            replace("cluster.yaml", "user: ops", "user: >-\n    Ops"),
            replace("cluster.yaml", "- ssh-ed25519 ", "- |-\n      ssh-ed25519\n      "),
            replace("cluster.yaml", "name: lab", "name: \"Lab\n  2\""),
        ] {
            let checked = checked(edited(&[edit]), NOW);
            assert_ne!(codes(&checked), [""; 0], "{edit:?}");
            for finding in checked.findings() {
                assert!(finding.fix.is_empty(), "{edit:?}: {finding:?}");
            }
        }
    }

    fn codes(checked: &Checked) -> Vec<&'static str> {
        checked.findings().iter().map(|finding| finding.rule.code).collect()
    }
}
