//! Placeholders that were never replaced by a value.

use super::lower::Where;

/// Keys whose values are keys, certificates and hashes. Chance and comments may write anything into them, and that they
/// are usable is checked elsewhere. The reasons below `allow` are prose.
const OPAQUE_KEYS: &[&str] = &["ssh_authorized_keys", "lxd_certificates", "password_hash", "allow"];

/// Keys whose values tell one piece of hardware from all others.
const IDENTIFIERS: &[&str] = &[
    "serial",
    "by_id",
    "wwn",
    "by_path",
    "hctl",
    "wipe",
    "dmi_serial",
    "reinstall",
];

/// Placeholders that are the whole value, in lower case and without what separates their words.
const WHOLE: &[&str] = &[
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "fillme",
    "fillmein",
    "fillin",
    "fillthisin",
    "tobefilled",
    "tobefilledin",
    "tobedefined",
    "tobedetermined",
    "tobedone",
    "tobeset",
    "placeholder",
    "todo",
    "fixme",
    "tbd",
    "tba",
    "xxx",
    "xxxx",
];

/// The same in place of an identifier: words for what is asked, and for nothing.
const NO_IDENTIFIER: &[&str] = &[
    "serialno",
    "serialnumber",
    "serialnr",
    "serialhere",
    "theserial",
    "theserialnumber",
    "diskserial",
    "driveserial",
    "machineserial",
    "chassisserialnumber",
    "baseboardserialnumber",
    "boardserialnumber",
    "sn",
    "s/n",
    "example",
    "sample",
    "fake",
    "dummy",
    "foo",
    "bar",
    "foobar",
    "insertserial",
    "asset",
    "noassettag",
    "assettag",
    "null",
    "nil",
    "na",
    "missing",
    "notfilledin",
    "unset",
    "later",
    "invalid",
    "oem",
    "default",
    "123456",
    "1234567",
    "same",
];

/// The same as a word of a longer value, such as `ata-CHANGEME`: in capitals.
const WORDS: &[&str] = &[
    "CHANGEME",
    "CHANGE_ME",
    "CHANGE-ME",
    "REPLACEME",
    "REPLACE_ME",
    "REPLACE-ME",
    "PLACEHOLDER",
    "TODO",
    "FIXME",
    "TBD",
    "XXX",
];

/// Words of an identifier that no maker writes into one, in capitals.
const IDENTIFIER_WORDS: &[&str] = &["SERIAL", "SERIALNUMBER", "SERIAL_NUMBER", "SERIALNO", "HERE"];

/// Brackets that templates put around a name.
const BRACKETS: &[(&str, &str)] = &[
    ("(", ")"),
    ("<", ">"),
    ("{", "}"),
    ("[", "]"),
    ("%", "%"),
    ("@", "@"),
    ("__", "__"),
];

/// A placeholder in place of the value of a key?
pub(super) fn is_unfilled(where_: Where<'_>, text: &str) -> bool {
    let key = where_.name();
    let is_opaque = |key: Option<&str>| key.is_some_and(|key| OPAQUE_KEYS.contains(&key));
    if is_opaque(Some(key)) || is_opaque(where_.parent()) {
        return false;
    }
    is_placeholder(text) || IDENTIFIERS.contains(&key) && is_no_identifier(key, text)
}

fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    is_one_of(WHOLE, text)
        || matches!(text, "..." | "…" | "???" | "??" | "?" | "%s" | "%d")
        || is_bracketed(text)
        || has_template(text)
        || has_word(text, WORDS)
}

/// Not the number of one disk or machine: there is none at all, or words say what it was to be.
fn is_no_identifier(key: &str, text: &str) -> bool {
    let text = text.trim();
    // Four numbers, which may all be zero.
    if key == "hctl" {
        return false;
    }
    // Of a machine these are told together with what else boards say that were never given a number.
    let is_told = key == "dmi_serial" && text.to_ascii_lowercase().contains("serial");
    !is_told && is_one_of(NO_IDENTIFIER, text) || is_row(text) || has_word(text, IDENTIFIER_WORDS)
}

/// Whether the text is one of these, in any case and however its words are separated.
fn is_one_of(whole: &[&str], text: &str) -> bool {
    let letters = || {
        let letters = text.chars().filter(|c| !matches!(c, ' ' | '-' | '_' | '.' | '!'));
        letters.flat_map(char::to_lowercase)
    };
    // Nearly no value has the first two letters of any.
    let head: String = letters().take(2).collect();
    whole
        .iter()
        .any(|word| word.starts_with(&head) && letters().eq(word.chars()))
}

/// `-`, `...`, `XXXX-XXXX`, `0`; and `S3Z9NB0KXXXXXX`, whose end somebody else had reason to hide.
fn is_row(text: &str) -> bool {
    let number = ["0x", "eui.", "naa.", "uuid."]
        .iter()
        .find_map(|head| text.strip_prefix(head))
        .unwrap_or(text);
    let mut rest = number.chars().filter(|c| !"-_.:… /".contains(*c));
    let Some(first) = rest.next().map(|c| c.to_ascii_lowercase()) else {
        return true;
    };
    let is_one = rest.all(|c| c.to_ascii_lowercase() == first);
    let is_hidden = text
        .as_bytes()
        .windows(5)
        .any(|run| b"xX?*#".contains(&run[0]) && run.iter().all(|byte| *byte == run[0]));
    is_one && "?*#".contains(first)
        || is_one && "xn".contains(first) && number.len() > 1
        || text
            .split("$(")
            .skip(1)
            .any(|command| command.starts_with(|c: char| c.is_ascii_alphabetic()))
        || is_one && first == '0' && number.len() < 4
        || is_hidden
        || text.contains("...")
        || text.contains('…')
}

fn has_word(text: &str, words: &[&str]) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric();
    let capitals = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
    capitals.map(|(at, _)| text.split_at(at)).any(|(before, from)| {
        !before.ends_with(part_of_a_word)
            && words.iter().any(|word| {
                from.strip_prefix(word)
                    .is_some_and(|behind| !behind.starts_with(part_of_a_word))
            })
    })
}

/// `<serial number>`, and nothing else.
fn is_bracketed(text: &str) -> bool {
    BRACKETS.iter().any(|(open, close)| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(names_something)
    })
}

/// A name or a few words, as they stand between brackets in a template.
fn names_something(inner: &str) -> bool {
    let inner = inner.trim_matches(['{', '%', ' ', '#', '$', '=', '@']);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. |'\"()".contains(&byte);
    inner.bytes().all(fits) && inner.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// What a template's engine or a shell would have replaced, or a person: `ata-<serial>`, `YOUR-SERIAL`.
fn has_template(text: &str) -> bool {
    // Nearly no value has a sign of any of them.
    text.contains(['<', '{', '$', '%']) && has_variable(text) || is_asked_for(text)
}

/// `ata-<serial>`, `${DMI}`, `$SERIAL`, `%%SERIAL%%`, `{{ serial }}`.
fn has_variable(text: &str) -> bool {
    let between = |open: &str, close: &str| {
        text.split(open)
            .skip(1)
            .any(|rest| rest.split_once(close).is_some_and(|(inner, _)| names_something(inner)))
    };
    let dollar = text.split('$').skip(1).any(|rest| {
        let name = rest.trim_start_matches('{');
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    });
    let percent: Vec<&str> = text.split('%').collect();
    dollar
        || between("<", ">")
        || between("{", "}")
        || percent.len() > 2 && percent[1..percent.len() - 1].iter().any(|inner| names_something(inner))
}

/// `YOUR-SERIAL`, `insert serial here`.
fn is_asked_for(text: &str) -> bool {
    let is = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    let mut words = text.split(['-', '_', ' ', '.']);
    let Some(first) = words.next() else { return false };
    if is(first, &["insert", "enter"]) {
        return words.any(|word| is(word, &["serial", "here", "your", "value"]));
    }
    is(first, &["your"]) || words.any(|word| is(word, &["your"]))
}

#[cfg(test)]
mod tests {
    use super::{is_no_identifier, is_placeholder};

    #[test]
    fn placeholders_are_told_from_values() {
        for text in [
            "CHANGEME",
            "changeme",
            "Change-Me",
            "change_me",
            "Change me!",
            "todo",
            "TODO",
            "FIXME",
            "to be filled in",
            "TBD",
            "?",
            "<serial>",
            "<the serial number>",
            "ata-<model>_<serial>",
            "ata-CHANGEME",
            "WD-XXX",
            "scsi-TODO_1",
            "REPLACE_ME.example.org",
            "…",
            "$SERIAL",
            "${DMI}",
            "${dmi:-none}",
            "ata-WDC_$serial",
            "%SERIAL%",
            "%%SERIAL%%",
            "ata-%%SERIAL%%",
            "{{ serial }}",
            "{{serial}}",
            "{{ item.serial | upper }}",
            "{% serial %}",
            "ata-{serial}",
            "{serial}",
            "<% serial %>",
            "@SERIAL@",
            "@@serial@@",
            "<%= serial %>",
            "__SERIAL__",
            "[serial]",
            "(none)",
            "%s",
            "YOUR_SERIAL",
            "your-serial-here",
            "INSERT_SERIAL_HERE",
            "enter serial",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "",
            "S3Z9NB0K100001",
            "WD-XXX4711",
            "ata-SXXXX_1",
            "TODOS",
            "todo-app",
            "changeme1",
            "<>",
            "a<b",
            "a > b",
            "100%",
            "a$",
            "a$1",
            "snaps/offline",
            "insert",
            "enterprise",
            "enterprise-1",
            "enter-1",
            "[fd00::1]",
            "insert-coin",
            "yourk",
            "node1",
            "lab.example.org",
            "5.0/stable",
            "pci-0000:00:17.0-ata-1",
            "ata-SATA_SSD_(2)_[A]1",
            "usb-Dell_IDSDM_012345678901-0:0",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn identifiers_are_told_from_none() {
        for text in [
            "-",
            "--",
            "0",
            "00",
            "000",
            "xx",
            "?",
            "$(dmidecode -s system-serial-number)",
            "XXXXXXXX",
            "xxxx-xxxx",
            "XXXX_XXXX",
            "........",
            ". . .",
            "____",
            "0xXXXXXXXXXXXXXXXX",
            "eui.xxxxxxxxxxxxxxxx",
            "????????",
            "********",
            "########",
            "NNNNNNNN",
            "S3Z9NB0KXXXXXX",
            "ata-Samsung_SSD_860_EVO_xxxxxxxxxxxxxxx",
            "S3Z9NB0K...",
            "serial number",
            "SERIAL_NUMBER",
            "Serial-No.",
            "S/N",
            "Chassis Serial Number",
            "ata-MODEL_SERIAL",
            "ata-WDC_WD10EZEX_SERIAL",
            "n.a.",
            "example",
        ] {
            assert!(is_no_identifier("serial", text), "{text}");
        }
        for text in [
            "1",
            "A",
            "x",
            "0001",
            "000100",
            "0000000000000001",
            "100000",
            "S3Z9NB0K100001",
            "SERIAL0001",
            "ata-QEMU_HARDDISK_QM00001",
            "WD-WXXX1",
            "pci-0000:00:00.0-ata-1",
            "0x5000c500a1b2c3d4",
            "MIRRORA0001",
            "XX1XX",
            "NN1",
            "examples1",
        ] {
            assert!(!is_no_identifier("serial", text), "{text}");
        }
        assert!(!is_no_identifier("hctl", "0:0:0:0"));
    }
}
