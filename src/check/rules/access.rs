//! Who can log in, and that somebody can.

use std::collections::HashMap;

use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit::Replace;
use crate::profile::{Admin, Spanned, holds_private_key, quoted, scalar};
use crate::source::Span;

pub(super) static CHECKS: &[&Check] = &[
    &NO_WAY_IN,
    &INVALID_USER,
    &INVALID_SSH_KEY,
    &WEAK_PASSWORD_HASH,
    &DUPLICATE_SSH_KEY,
    &CONSOLE_ONLY,
    &FEW_ROUNDS,
];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const USER: &str = "  user: ops\n";
const KEYS: &str = "  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@desk
";
const HASH: &str = "  password_hash: \"$6$q1w2e3r4t5y6$P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/\"\n";

const HASH_TOO: &str = "  user: ops
  password_hash: \"$6$q1w2e3r4t5y6$P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/\"
";

/// What is said of the administrator in each cluster.
fn admins<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<Admin>> {
    site.clusters.iter().filter_map(admin)
}

fn admin<'a>(cluster: &ClusterView<'a>) -> Option<&'a Spanned<Admin>> {
    cluster.profile()?.admin.as_ref()
}

fn ssh_keys(admin: &Admin) -> &[Spanned<String>] {
    admin
        .ssh_authorized_keys
        .as_ref()
        .map_or(&[], |keys| keys.value.as_slice())
}

static NO_WAY_IN: Check = Check::error(
    "A003",
    "no-way-in",
    no_way_in,
    "A machine that nobody can log in to cannot be repaired. Root has no password and other users are not made.",
)
.example(
    &[Replace(CLUSTER, KEYS, "")],
    &[],
);

fn no_way_in(site: &SiteView<'_>, report: &mut Report<'_>) {
    for admin in admins(site) {
        if ssh_keys(&admin.value).is_empty() && admin.value.password_hash.is_none() {
            let help =
                "add `ssh_authorized_keys: [\"ssh-ed25519 …\"]` (from ~/.ssh/id_ed25519.pub)";
            let message = "nobody could log in: `admin` has neither an SSH key nor a password hash";
            let finding = report.add(admin.span, message, help);
            finding.label("no way in");
            if let Some(keys) = &admin.value.ssh_authorized_keys {
                finding.also(keys.span, "no key in here");
            }
        }
    }
}

static INVALID_USER: Check = Check::error(
    "A004",
    "invalid-user",
    invalid_user,
    "useradd takes lower-case names of at most 32 characters, and a name that the system already uses would change that account instead of \
     making one.",
)
.example(
    &[Replace(CLUSTER, "user: ops", "user: Admin")],
    &[Replace(CLUSTER, "user: ops", "user: admin")],
);

/// Accounts and groups that Ubuntu 18.04's server image has; useradd fails where a group of the name exists.
const SYSTEM_NAMES: &[&str] = &[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "gnats",
    "nobody",
    "nogroup",
    "syslog",
    "messagebus",
    "_apt",
    "lxd",
    "uuidd",
    "dnsmasq",
    "landscape",
    "sshd",
    "pollinate",
    "adm",
    "tty",
    "disk",
    "kmem",
    "dialout",
    "fax",
    "voice",
    "cdrom",
    "floppy",
    "tape",
    "sudo",
    "audio",
    "dip",
    "operator",
    "src",
    "shadow",
    "utmp",
    "video",
    "sasl",
    "plugdev",
    "staff",
    "users",
    "input",
    "crontab",
    "netdev",
    "mlocate",
    "ssh",
];

fn invalid_user(site: &SiteView<'_>, report: &mut Report<'_>) {
    for user in admins(site).filter_map(|admin| admin.value.user.as_ref()) {
        let Err(why) = user_fits(&user.value) else {
            continue;
        };
        let message = format!(
            "{} cannot be the administrator's login: {why}",
            quoted(&user.value)
        );
        let finding = report.add(user.span, message, "name it like `ops`");
        finding.label(why);
        let lower = user.value.to_lowercase();
        if user_fits(&lower).is_ok() {
            finding.fix(user.span, scalar(&lower));
        }
    }
}

fn user_fits(user: &str) -> Result<(), &'static str> {
    let well_formed = user.len() <= 32
        && user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && user.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
        });
    if !well_formed {
        Err("not a name that useradd takes")
    } else if SYSTEM_NAMES.contains(&user) || user.starts_with("systemd-") {
        Err("a name of the system's own")
    } else {
        Ok(())
    }
}

static INVALID_SSH_KEY: Check = Check::error(
    "A005",
    "invalid-ssh-key",
    invalid_ssh_key,
    "A key that sshd cannot read is skipped without a word, and with it the only way in. OpenSSH 7.6 of Ubuntu 18.04 takes ssh-ed25519, \
     ecdsa-sha2-nistp* and ssh-rsa keys; ssh-dss is switched off, and keys of security tokens (sk-…) need 8.2. It also skips a line of more \
     than 16 KiB (SSH_MAX_PUBKEY_BYTES).",
)
.example(
    &[Replace(CLUSTER, "mGFajGPOq ops@desk", "mGFaj")],
    &[],
);

fn invalid_ssh_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for key in admins(site).flat_map(|admin| ssh_keys(&admin.value)) {
        // Reported as a private key in a profile already.
        if holds_private_key(&key.value) {
            continue;
        }
        let Err(why) = ssh_key_fits(&key.value) else {
            continue;
        };
        let message = format!("this SSH key would not let anybody in: {why}");
        let help = "write the one line of a .pub file, such as ~/.ssh/id_ed25519.pub";
        let finding = report.add(key.span, message, help);
        finding.label(why);
        // On one line; the comment is for people, without it the key is the same.
        let words: Vec<&str> = key.value.split_whitespace().collect();
        let as_meant = [words.join(" "), words[..words.len().min(2)].join(" ")]
            .into_iter()
            .find(|line| *line != key.value && ssh_key_fits(line).is_ok());
        if let Some(line) = as_meant {
            finding.fix(key.span, scalar(&line));
        }
    }
}

/// Kinds of keys that OpenSSH 7.6 accepts by default.
const SSH_KINDS: [&str; 5] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
];

/// Longest line that sshd 7.6 reads: a buffer of 16,384 bytes holds it with its end and a zero byte.
const SSH_LINE_MAX: usize = 16_382;

fn ssh_key_fits(line: &str) -> Result<(), String> {
    if line.chars().any(char::is_control) {
        return Err("a key is one line".to_owned());
    }
    if !line.is_ascii() {
        return Err("it has characters outside ASCII; shorten the comment".to_owned());
    }
    if line.len() > SSH_LINE_MAX {
        return Err(format!(
            "it has {} characters, and sshd reads {SSH_LINE_MAX}",
            line.len()
        ));
    }
    let kind = line.split(' ').next().unwrap_or_default();
    if kind == "ssh-dss" {
        return Err("DSA keys are switched off in OpenSSH 7.0 and later".to_owned());
    }
    if kind.starts_with("sk-") {
        return Err("keys of security tokens need OpenSSH 8.2, and 18.04 has 7.6".to_owned());
    }
    if !SSH_KINDS.contains(&kind) {
        return Err("it does not start with a kind of key such as ssh-ed25519".to_owned());
    }
    let key: ssh_key::PublicKey = line
        .parse()
        .map_err(|_| "it is cut or mistyped".to_owned())?;
    match key
        .key_data()
        .rsa()
        .map(|rsa| rsa.n.as_positive_bytes().map_or(0, <[u8]>::len) * 8)
    {
        Some(bits) if bits < 2048 => Err(format!("an RSA key of {bits} bits is too weak")),
        _ => Ok(()),
    }
}

static WEAK_PASSWORD_HASH: Check = Check::error(
    "A006",
    "weak-password-hash",
    weak_password_hash,
    "glibc 2.27 of Ubuntu 18.04 knows SHA-512 ($6$) and SHA-256 ($5$) hashes; MD5 and DES are found by trying in minutes, and yescrypt ($y$) \
     of newer systems is not known, so the login would fail. It cuts the salt to 16 characters and takes 1000 to 999999999 rounds, and what \
     it works with stands in the hash that it compares: one with another salt or another number of rounds never matches (sha512-crypt.c).",
)
.example(
    &[Replace(CLUSTER, USER, "  user: ops\n  password_hash: \"$1$q1w2e3r4$Ou7Xv3ADzLKRzMh0wDsVB0\"\n")],
    &[Replace(CLUSTER, USER, HASH_TOO)],
);

/// Characters of the digest in a hash, by its kind.
const DIGESTS: [(&str, usize); 2] = [("6", 86), ("5", 43)];

/// Longest salt that glibc takes.
const SALT_MAX: usize = 16;

/// Rounds that glibc takes, and how many it does if the hash names none.
const ROUNDS: std::ops::RangeInclusive<u64> = 1000..=999_999_999;
const DEFAULT_ROUNDS: u64 = 5000;

/// The rounds of a hash that a login of 18.04 can match.
fn rounds(hash: &str) -> Result<u64, String> {
    const CUT: &str = "it is cut or mistyped";
    let parts: Vec<&str> = hash.split('$').collect();
    let (kind, body) = match parts.as_slice() {
        ["", kind, body @ ..] => (*kind, body),
        _ => ("", &[][..]),
    };
    let Some((_, digest)) = DIGESTS.iter().find(|(known, _)| *known == kind) else {
        return Err(match kind {
            "1" => "MD5 is too weak",
            "y" | "gy" | "7" => "18.04 does not know yescrypt",
            _ => "it is not a SHA-512 hash",
        }
        .to_owned());
    };
    let (rounds, salt, hash) = match body {
        [salt, hash] => (None, *salt, *hash),
        [rounds, salt, hash] => (
            Some(rounds.strip_prefix("rounds=").ok_or(CUT)?),
            *salt,
            *hash,
        ),
        _ => return Err(CUT.to_owned()),
    };
    let crypt64 = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
    };
    if !crypt64(salt) || !crypt64(hash) || hash.len() != *digest {
        return Err(CUT.to_owned());
    }
    if salt.len() > SALT_MAX {
        return Err(format!(
            "its salt has {} characters, and glibc takes {SALT_MAX}",
            salt.len()
        ));
    }
    match rounds {
        None => Ok(DEFAULT_ROUNDS),
        Some(text) => match text.parse::<u64>() {
            // glibc writes the number without the zeros.
            Ok(number) if number.to_string() != text => Err(CUT.to_owned()),
            Ok(number) if ROUNDS.contains(&number) => Ok(number),
            Ok(number) => Err(format!(
                "it is of {number} rounds, and glibc takes {} to {}",
                ROUNDS.start(),
                ROUNDS.end()
            )),
            Err(_) => Err(CUT.to_owned()),
        },
    }
}

fn hashes<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<String>> {
    admins(site).filter_map(|admin| admin.value.password_hash.as_ref())
}

fn weak_password_hash(site: &SiteView<'_>, report: &mut Report<'_>) {
    for hash in hashes(site) {
        if let Err(why) = rounds(&hash.value) {
            report
                .add(
                    hash.span,
                    format!("`password_hash` cannot be used: {why}"),
                    "make one with `openssl passwd -6`",
                )
                .label(why);
        }
    }
}

static DUPLICATE_SSH_KEY: Check = Check::warning(
    "A009",
    "duplicate-ssh-key",
    duplicate_ssh_key,
    "The same key is given twice. Whoever takes one of the two out, because its owner has left, would see the other one still let them in.",
)
.example(
    &[Replace(CLUSTER, KEYS, "  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@desk
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@laptop
")],
    &[Replace(CLUSTER, KEYS, "  ssh_authorized_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@desk
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINbHq1a9TfDVOKGxyhLYBQkzwNCVGYjcUWZIK9ZsYd6n ops@laptop
")],
);

fn duplicate_ssh_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for admin in admins(site) {
        let mut first_use: HashMap<(&str, &str), Span> = HashMap::new();
        for key in ssh_keys(&admin.value) {
            let mut words = key.value.split_whitespace();
            let (Some(kind), Some(data)) = (words.next(), words.next()) else {
                continue;
            };
            match first_use.get(&(kind, data)) {
                Some(first) => {
                    let comment = words.collect::<Vec<_>>().join(" ");
                    let which = if comment.is_empty() {
                        "an SSH key".to_owned()
                    } else {
                        format!("the SSH key of {}", quoted(&comment))
                    };
                    let message = format!("{which} is given twice");
                    report
                        .add(key.span, message, "keep one of the two")
                        .label("given again here")
                        .also(*first, "first given here");
                }
                None => {
                    first_use.insert((kind, data), key.span);
                }
            }
        }
    }
}

static CONSOLE_ONLY: Check = Check::warning(
    "A010",
    "console-only",
    console_only,
    "sshd takes no passwords on these machines (`ssh_pwauth: false`), so a password hash without an SSH key lets somebody in at the screen and \
     keyboard only.",
)
.example(
    &[Replace(CLUSTER, KEYS, HASH)],
    &[Replace(CLUSTER, USER, HASH_TOO)],
);

fn console_only(site: &SiteView<'_>, report: &mut Report<'_>) {
    for admin in admins(site) {
        if let Some(hash) = &admin.value.password_hash
            && ssh_keys(&admin.value).is_empty()
        {
            let message = "the machines could be logged in to at their consoles only: `admin` has a password hash and no SSH key";
            let help =
                "add `ssh_authorized_keys: [\"ssh-ed25519 …\"]` (from ~/.ssh/id_ed25519.pub)";
            report
                .add(hash.span, message, help)
                .label("for the console only");
        }
    }
}

static FEW_ROUNDS: Check = Check::warning(
    "A011",
    "few-rounds",
    few_rounds,
    "SHA-crypt does 5000 rounds unless the hash says otherwise (sha512-crypt.c); fewer only help whoever tries passwords against a hash they \
     have got hold of.",
)
.example(
    &[Replace(CLUSTER, USER, "  user: ops\n  password_hash: \"$6$rounds=1000$q1w2e3r4t5y6$TYBfg2kt9wHU1NJzISE.D0Daolziesi9hTVNS8fRuW6t7oxHyblSgw9SHhJl/NKl4cE33DY8hgiop0VBG0l0I.\"\n")],
    &[Replace(CLUSTER, USER, HASH_TOO)],
);

fn few_rounds(site: &SiteView<'_>, report: &mut Report<'_>) {
    for hash in hashes(site) {
        if let Ok(rounds) = rounds(&hash.value)
            && rounds < DEFAULT_ROUNDS
        {
            report
                .add(
                    hash.span,
                    format!(
                        "`password_hash` is of {rounds} rounds, fewer than the usual {DEFAULT_ROUNDS}"
                    ),
                    "make a new one with `openssl passwd -6`, or with more rounds by `mkpasswd -m sha-512 -R 100000`",
                )
                .label(format!("{rounds} rounds"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rounds;

    /// glibc's own hashes, as `crypt(3)` gives them.
    #[test]
    fn a_hash_is_one_that_glibc_would_give() {
        let digest = "P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/";
        let of = |head: &str| rounds(&format!("{head}{digest}"));
        assert_eq!(of("$6$q1w2e3r4t5y6$"), Ok(5000));
        assert_eq!(of("$6$sixteencharacter$"), Ok(5000));
        assert_eq!(of("$6$rounds=1000$salt$"), Ok(1000));
        assert_eq!(of("$6$rounds=999999999$salt$"), Ok(999_999_999));
        for head in [
            "$6$",
            "$6$$",
            "6$salt$",
            "$5$salt$",
            "$6$salt$x",
            "$6$sa:lt$",
            "$6$seventeencharacte$",
            "$6$rounds=999$salt$",
            "$6$rounds=1000000000$salt$",
            "$6$rounds=05000$salt$",
            "$6$rounds=$salt$",
            "$6$rounds=+5000$salt$",
            "$6$round=5000$salt$",
            "$6$rounds=5000$salt$x$",
        ] {
            assert!(of(head).is_err(), "{head}");
        }
    }
}
