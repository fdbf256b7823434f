//! What the debian-installer of 18.04 takes as an answer. `debconf-set-selections -c` lets misspelt types, booleans
//! that are none and unknown questions pass, and an answer that is not taken is a question on the screen of a machine
//! with nobody there.

use std::borrow::Cow;

use thiserror::Error;

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    Multiselect,
    Note,
    Password,
    Select,
    String,
}

use Kind::{Boolean, Multiselect, Note, Password, Select, String as Text};

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Boolean => "boolean",
            Multiselect => "multiselect",
            Note => "note",
            Password => "password",
            Select => "select",
            Text => "string",
        }
    }
}

/// The questions that lxseed answers, with the package that asks where it is not the installer itself. Types are those
/// of the packages' own templates. In the order of owners and names, by which they are found.
const QUESTIONS: &[(&str, &str, Kind)] = &[
    ("cloud-init", "cloud-init/datasources", Multiselect),
    ("d-i", "apt-setup/security_host", Text),
    ("d-i", "apt-setup/security_path", Text),
    ("d-i", "apt-setup/use_mirror", Boolean),
    ("d-i", "base-installer/kernel/altmeta", Text),
    ("d-i", "cdrom-detect/eject", Boolean),
    ("d-i", "clock-setup/ntp", Boolean),
    ("d-i", "clock-setup/ntp-server", Text),
    ("d-i", "clock-setup/utc", Boolean),
    ("d-i", "clock-setup/utc-auto", Boolean),
    ("d-i", "console-setup/ask_detect", Boolean),
    ("d-i", "debian-installer/exit/poweroff", Boolean),
    ("d-i", "debian-installer/locale", Text),
    ("d-i", "finish-install/reboot_in_progress", Note),
    ("d-i", "grub-installer/bootdev", Text),
    ("d-i", "grub-installer/only_debian", Boolean),
    ("d-i", "grub-installer/timeout", Text),
    ("d-i", "grub-installer/with_other_os", Boolean),
    ("d-i", "hw-detect/load_firmware", Boolean),
    ("d-i", "keyboard-configuration/layoutcode", Text),
    ("d-i", "keyboard-configuration/variantcode", Text),
    ("d-i", "keyboard-configuration/xkb-keymap", Select),
    ("d-i", "mirror/country", Text),
    ("d-i", "mirror/http/directory", Text),
    ("d-i", "mirror/http/hostname", Text),
    ("d-i", "mirror/http/proxy", Text),
    ("d-i", "netcfg/confirm_static", Boolean),
    ("d-i", "netcfg/disable_autoconfig", Boolean),
    ("d-i", "netcfg/get_domain", Text),
    ("d-i", "netcfg/get_gateway", Text),
    ("d-i", "netcfg/get_hostname", Text),
    ("d-i", "netcfg/get_ipaddress", Text),
    ("d-i", "netcfg/get_nameservers", Text),
    ("d-i", "netcfg/get_netmask", Text),
    ("d-i", "netcfg/hostname", Text),
    ("d-i", "netcfg/link_wait_timeout", Text),
    ("d-i", "netcfg/vlan_id", Text),
    ("d-i", "partman-auto/disk", Text),
    ("d-i", "partman-auto/expert_recipe", Text),
    ("d-i", "partman-auto/method", Text),
    ("d-i", "partman-efi/non_efi_system", Boolean),
    ("d-i", "partman-lvm/confirm", Boolean),
    ("d-i", "partman-lvm/confirm_nooverwrite", Boolean),
    ("d-i", "partman-lvm/device_remove_lvm", Boolean),
    ("d-i", "partman-md/confirm", Boolean),
    ("d-i", "partman-md/device_remove_md", Boolean),
    ("d-i", "partman-partitioning/choose_label", Text),
    ("d-i", "partman-partitioning/confirm_write_new_label", Boolean),
    ("d-i", "partman-partitioning/default_label", Text),
    ("d-i", "partman/choose_partition", Select),
    ("d-i", "partman/confirm", Boolean),
    ("d-i", "partman/confirm_nooverwrite", Boolean),
    ("d-i", "partman/early_command", Text),
    ("d-i", "partman/mount_style", Select),
    ("d-i", "passwd/make-user", Boolean),
    ("d-i", "passwd/root-login", Boolean),
    ("d-i", "passwd/user-default-groups", Text),
    ("d-i", "passwd/user-fullname", Text),
    ("d-i", "passwd/user-password-crypted", Password),
    ("d-i", "passwd/username", Text),
    ("d-i", "pkgsel/include", Text),
    ("d-i", "pkgsel/install-language-support", Boolean),
    ("d-i", "pkgsel/language-pack-patterns", Text),
    ("d-i", "pkgsel/update-policy", Select),
    ("d-i", "pkgsel/upgrade", Select),
    ("d-i", "preseed/early_command", Text),
    ("d-i", "preseed/include_command", Text),
    ("d-i", "preseed/late_command", Text),
    ("d-i", "time/zone", Text),
    ("d-i", "user-setup/allow-password-weak", Boolean),
    ("d-i", "user-setup/encrypt-home", Boolean),
    ("popularity-contest", "popularity-contest/participate", Boolean),
    ("tasksel", "tasksel/first", Multiselect),
];

/// Answers that the debian-installer would not take, or take for something else.
#[derive(Debug, Error)]
#[error("{file}, line {line}: {why}: this is a mistake in lxseed, please report it")]
pub struct DebconfError {
    /// The file of answers.
    pub file: &'static str,
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Looks for what the installer would misread, or pass over in silence, in the answers of `file`.
///
/// # Errors
/// The first line that is wrong.
pub(super) fn lint(file: &'static str, text: &str) -> Result<(), DebconfError> {
    let wrong = |line, why: String| Err(DebconfError { file, line, why });
    let mut seen = [false; QUESTIONS.len()];
    let mut pending: Option<(usize, String)> = None;
    let Some(text) = text.strip_suffix('\n') else {
        return wrong(text.split('\n').count(), "the last line has no end".to_owned());
    };
    for (at, line) in text.split('\n').enumerate() {
        let at = at + 1;
        // Without an early end, and so many bytes at once: the installer's script is one line.
        let printable = |all, byte| all & (b' '..=b'~').contains(&byte);
        if !line.bytes().fold(true, printable) {
            return wrong(at, "a character that is not printable ASCII".to_owned());
        }
        if line.ends_with(' ') {
            return wrong(at, "a blank at the end".to_owned());
        }
        // Whoever breaks a line means one answer: a comment or an empty line in it would cut it short.
        let (line, begin) = match (line.strip_suffix('\\'), pending.take()) {
            (_, Some(_)) if line.is_empty() || line.starts_with('#') => {
                return wrong(at, "an answer that goes on is interrupted".to_owned());
            }
            (Some(part), Some((begin, before))) => {
                pending = Some((begin, format!("{before} {}", part.trim())));
                continue;
            }
            (None, Some((begin, before))) => (Cow::Owned(format!("{before} {}", line.trim_start())), begin),
            (Some(part), None) => {
                pending = Some((at, part.trim_end().to_owned()));
                continue;
            }
            (None, None) => (Cow::Borrowed(line), at),
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(why) = answer(&line, &mut seen) {
            return wrong(begin, why);
        }
    }
    match pending {
        Some((begin, _)) => wrong(begin, "an answer goes on beyond the end".to_owned()),
        None => Ok(()),
    }
}

/// `seen` says of each question whether it was answered before.
fn answer(line: &str, seen: &mut [bool; QUESTIONS.len()]) -> Result<(), String> {
    let mut words = line.splitn(4, ' ');
    let [owner, question, kind] = [words.next(), words.next(), words.next()].map(|word| word.unwrap_or(""));
    let value = words.next().unwrap_or("");
    let Ok(at) = QUESTIONS.binary_search_by_key(&(owner, question), |(owner, name, _)| (*owner, *name)) else {
        return Err(format!("no question `{question}` of {owner} is known"));
    };
    let known = QUESTIONS[at].2;
    if kind != known.word() {
        return Err(format!("{question} is of type {}, not `{kind}`", known.word()));
    }
    // Everything after one blank is the answer, a second blank included.
    if value.starts_with(' ') {
        return Err(format!("{question} is answered with a blank in front"));
    }
    if known == Boolean && !matches!(value, "true" | "false") {
        return Err(format!(
            "{question} is answered with `{value}`, and it is true or false"
        ));
    }
    if std::mem::replace(&mut seen[at], true) {
        return Err(format!("{question} is answered twice"));
    }
    // Odd or even, and no count: so the compiler takes many bytes at once.
    let open = || value.bytes().fold(false, |open, byte| open ^ (byte == b'\''));
    if question.ends_with("_command") && open() {
        return Err(format!("a quote in {question} is not closed"));
    }
    match question {
        "partman-auto/disk" | "grub-installer/bootdev"
            if value.split(' ').count() != 1 || !value.starts_with("/dev/") =>
        {
            Err(format!("{question} is `{value}`, and it has to be one device"))
        }
        "partman-auto/expert_recipe" => recipe(value),
        _ => Ok(()),
    }
}

/// partman-auto splits a recipe at blanks, corrects what it does not understand in silence, and refuses one without a
/// root file system only when it is too late.
fn recipe(text: &str) -> Result<(), String> {
    let Some((_, partitions)) = text.split_once(" :: ") else {
        return Err("the recipe has no name".to_owned());
    };
    if !partitions.ends_with(" .") {
        return Err("the recipe does not end with a dot".to_owned());
    }
    let words: Vec<&str> = partitions.split_whitespace().collect();
    for partition in words.split(|word| *word == ".").filter(|words| !words.is_empty()) {
        let sizes = partition.len() > 4
            && partition[..2].iter().all(|size| size.parse::<u64>().is_ok())
            && partition[2].parse::<i64>().is_ok_and(|max| max >= -1);
        if !sizes {
            return Err("a partition of the recipe does not begin with min, priority, max, file system".to_owned());
        }
        let mut open = false;
        for word in &partition[4..] {
            match (open, *word) {
                (false, word) if word.len() > 1 && word.ends_with('{') => open = true,
                (true, "}") => open = false,
                (true, word) if !word.contains(['{', '}']) => {}
                _ => {
                    return Err(format!(
                        "`{word}` in the recipe is out of place: braces stand between blanks"
                    ));
                }
            }
        }
        if open {
            return Err("a brace in the recipe is not closed".to_owned());
        }
    }
    for (what, needed) in [
        ("root file system", "mountpoint{ / }"),
        ("EFI system partition", "method{ efi }"),
        ("partition for GRUB on BIOS", "method{ biosgrub }"),
    ] {
        if partitions.matches(needed).count() != 1 {
            return Err(format!("the recipe has not exactly one {what}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(text: &str) -> Result<(), String> {
        super::lint("x.cfg", text).map_err(|error| error.to_string())
    }

    const RECIPE: &str = "d-i partman-auto/expert_recipe string x :: 1 1 1 free method{ biosgrub } . \\\n  5 5 5 free \
                          method{ efi } . 9 9 -1 ext4 mountpoint{ / } .\n";

    #[test]
    fn the_questions_are_sorted_and_there_once() {
        assert!(QUESTIONS.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
    }

    #[test]
    fn what_is_right_passes() {
        for text in [
            "# x\n\nd-i partman/confirm boolean true\n",
            "d-i mirror/http/proxy string\n",
            RECIPE,
        ] {
            assert_eq!(lint(text), Ok(()), "{text}");
        }
    }

    /// Most of these pass `debconf-set-selections -c`.
    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("d-i partman/confirm boolean true", "no end"),
            ("d-i partman/confirm boolean true\r\n", "line 1: a character"),
            ("\u{feff}d-i partman/confirm boolean true\n", "line 1: a character"),
            ("d-i partman/confirm boolean true \n", "line 1: a blank at the end"),
            ("d-i partman/confirm strng true\n", "is of type boolean, not `strng`"),
            ("d-i partman/confirm boolean maybe\n", "answered with `maybe`"),
            ("d-i partman/confirm  boolean true\n", "is of type boolean, not ``"),
            ("d-i partman/confirm boolean  true\n", "with a blank in front"),
            ("d-i partman/confirms boolean true\n", "no question `partman/confirms`"),
            (
                "d-i tasksel/first multiselect x\n",
                "no question `tasksel/first` of d-i",
            ),
            (
                "d-i partman/confirm boolean true\nd-i partman/confirm boolean true\n",
                "line 2: partman/confirm is answered twice",
            ),
            (
                "d-i preseed/late_command string echo 'x\n",
                "a quote in preseed/late_command is not closed",
            ),
            (
                "d-i time/zone string \\\n# x\n  UTC\n",
                "line 2: an answer that goes on is interrupted",
            ),
            ("d-i time/zone string \\\n", "line 1: an answer goes on beyond the end"),
            (
                "d-i partman-auto/disk string /dev/sda /dev/sdb\n",
                "it has to be one device",
            ),
            (
                "d-i partman-auto/expert_recipe string x :: 1 1 1 free method{ efi }\n",
                "does not end with a dot",
            ),
            (
                "d-i partman-auto/expert_recipe string x :: 1 1 one free method{ efi } .\n",
                "does not begin with min",
            ),
            (
                "d-i partman-auto/expert_recipe string x :: 1 1 1 free method{efi} .\n",
                "is out of place",
            ),
        ] {
            let found = lint(text).err().unwrap_or_default();
            assert!(found.contains(why), "{text:?}: {found}");
        }
        let without_root = RECIPE.replace("mountpoint{ / }", "mountpoint{ /srv }");
        assert!(lint(&without_root).is_err_and(|why| why.contains("root file system")));
    }
}
