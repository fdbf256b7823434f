//! Who can log in, and that somebody can.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::release;
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit::Replace;
use crate::profile::{Admin, Spanned, holds_private_key, quoted, scalar};
use crate::source::Span;
use crate::target::{self, Release};

pub(super) static CHECKS: &[&Check] = &[
    &NO_WAY_IN,
    &INVALID_USER,
    &INVALID_SSH_KEY,
    &WEAK_PASSWORD_HASH,
    &DUPLICATE_SSH_KEY,
    &CONSOLE_ONLY,
    &FEW_ROUNDS,
    &MANY_ROUNDS,
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

/// The same with the release that they log in on; where it is none that is known, which is reported, the newest.
fn logins<'a>(site: &SiteView<'a>) -> impl Iterator<Item = (&'static Release, &'a Spanned<Admin>)> {
    site.clusters.iter().filter_map(|cluster| {
        let release = release::release(cluster.profile()?).unwrap_or_else(target::newest);
        Some((release, admin(cluster)?))
    })
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
.example(&[Replace(CLUSTER, KEYS, "")], &[]);

fn no_way_in(site: &SiteView<'_>, report: &mut Report<'_>) {
    for admin in admins(site) {
        if ssh_keys(&admin.value).is_empty()
            && admin.value.password_hash.is_none()
            && !admin.value.unread.any(&["ssh_authorized_keys", "password_hash"])
        {
            let help = "add `ssh_authorized_keys: [\"ssh-ed25519 …\"]` (from ~/.ssh/id_ed25519.pub)";
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

fn invalid_user(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (release, admin) in logins(site) {
        let Some(user) = &admin.value.user else {
            continue;
        };
        let Err(why) = user_fits(&user.value, release) else {
            continue;
        };
        let message = format!("{} cannot be the administrator's login: {why}", quoted(&user.value));
        let finding = report.add(user.span, message, "name it like `ops`");
        finding.label(why);
        let lower = user.value.to_lowercase();
        if user_fits(&lower, release).is_ok() {
            finding.fix(user.span, scalar(&lower));
        }
    }
}

fn user_fits(user: &str, release: &Release) -> Result<(), &'static str> {
    let well_formed = user.len() <= 32
        && user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && user
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    if !well_formed {
        Err("not a name that useradd takes")
    } else if release.accounts.contains(&user) || user.starts_with("systemd-") {
        Err("a name of the system's own")
    } else {
        Ok(())
    }
}

static INVALID_SSH_KEY: Check = Check::error(
    "A005",
    "invalid-ssh-key",
    invalid_ssh_key,
    "A key that sshd cannot read is skipped without a word, and with it the only way in. OpenSSH 7.6 takes ssh-ed25519, \
     ecdsa-sha2-nistp* and ssh-rsa keys; ssh-dss is switched off, and keys of security tokens (sk-…) need 8.2. It also skips a line of more \
     than 16 KiB (SSH_MAX_PUBKEY_BYTES).",
)
.example(
    &[Replace(CLUSTER, "mGFajGPOq ops@desk", "mGFaj")],
    &[],
);

fn invalid_ssh_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    let keys = logins(site).flat_map(|(release, admin)| {
        let keys = ssh_keys(&admin.value).iter();
        keys.map(move |key| (release, key))
    });
    for (release, key) in keys {
        // Reported as a private key in a profile already.
        if holds_private_key(&key.value) {
            continue;
        }
        let Err(KeyMisfit { why, help }) = ssh_key_fits(&key.value, release) else {
            continue;
        };
        let message = if help == ONE_EACH {
            format!("this is not one SSH key: {why}")
        } else {
            format!("this SSH key would not let anybody in: {why}")
        };
        let finding = report.add(key.span, message, help);
        finding.label(why);
        if let Some(line) = key_as_meant(&key.value, release) {
            finding.fix(key.span, scalar(&line));
        }
    }
}

/// The line that was meant, where that is beyond doubt: on one line; without its comment, which is for people; with the
/// kind that the key itself says it is.
fn key_as_meant(line: &str, release: &Release) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // Of two keys neither may be lost.
    if words.iter().filter(|word| is_body(word)).count() > 1 {
        return None;
    }
    let kind = words.get(1).and_then(|body| kind_within(body));
    let of_its_kind = kind.map(|kind| [&[kind.as_str()], &words[1..]].concat().join(" "));
    [
        Some(words.join(" ")),
        Some(words[..words.len().min(2)].join(" ")),
        of_its_kind,
    ]
    .into_iter()
    .flatten()
    .find(|other| other != line && ssh_key_fits(other, release).is_ok())
}

/// Why sshd would pass over a key, and what to do about it.
#[derive(Debug)]
struct KeyMisfit {
    why: String,
    help: &'static str,
}

impl KeyMisfit {
    fn new(why: impl Into<String>, help: &'static str) -> Self {
        Self { why: why.into(), help }
    }
}

/// Where a line that sshd takes is to be had.
const PUB_FILE: &str = "write the one line of a .pub file, such as ~/.ssh/id_ed25519.pub";
/// Where the line is whole and the key itself is of no use.
const NEW_KEY: &str = "make a key that it takes with `ssh-keygen -t ed25519`, and write the one line of its .pub file";
const ONE_EACH: &str = "write each key as an item of the list, with a `-` of its own";

fn ssh_key_fits(line: &str, release: &Release) -> Result<(), KeyMisfit> {
    let sshd = &release.openssh;
    let fits = |kind: &str| sshd.kinds.contains(&kind);
    let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let keys = line.split_whitespace().filter(|word| is_body(word)).count();
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(if keys > 1 {
            KeyMisfit::new(format!("there are {keys} in one text"), ONE_EACH)
        } else {
            KeyMisfit::new("a key is one line", PUB_FILE)
        });
    }
    if line.len() > sshd.line_max {
        let why = format!("it has {} bytes, and sshd reads {}", line.len(), sshd.line_max);
        return Err(KeyMisfit::new(why, PUB_FILE));
    }
    let kind = words.first().copied().unwrap_or_default();
    if kind == "ssh-dss" {
        return Err(KeyMisfit::new(
            "DSA keys are switched off in OpenSSH 7.0 and later",
            NEW_KEY,
        ));
    }
    if kind.starts_with("sk-") && sshd.version < sshd.security_keys_since {
        let why = format!(
            "keys of security tokens need OpenSSH {}, and {} has {}",
            sshd.security_keys_since, release.version, sshd.version
        );
        return Err(KeyMisfit::new(why, NEW_KEY));
    }
    if kind.ends_with("-cert-v01@openssh.com") {
        let why = "it is a certificate of a key, which sshd takes only with the authority that signed it";
        return Err(KeyMisfit::new(why, PUB_FILE));
    }
    if !fits(kind) {
        return Err(if words.iter().any(|word| fits(word)) {
            let help =
                "write it from the kind of key on; options such as from= and command= are not for an administrator";
            KeyMisfit::new("something stands before the key", help)
        } else {
            KeyMisfit::new("it does not start with a kind of key such as ssh-ed25519", PUB_FILE)
        });
    }
    let body = words.get(1).copied().unwrap_or_default();
    if let Some(within) = kind_within(body).filter(|within| within != kind) {
        let why = format!("it says {kind}, and the key itself says {within}");
        return Err(KeyMisfit::new(why, PUB_FILE));
    }
    // sshd wants no more than the two words. The comment may be anything, but a second key in it would be lost.
    let key: ssh_key::PublicKey = format!("{kind} {body}")
        .parse()
        .map_err(|_| KeyMisfit::new("it is cut or mistyped", PUB_FILE))?;
    if !adds_up(body) {
        return Err(KeyMisfit::new("it is cut or mistyped", PUB_FILE));
    }
    if let Some(rsa) = key.key_data().rsa() {
        let bits = rsa.n.as_positive_bytes().map_or(0, <[u8]>::len) * 8;
        // OpenSSL takes no even exponent and none below three.
        let exponent = rsa.e.as_positive_bytes().unwrap_or_default();
        if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] {
            return Err(KeyMisfit::new("it is cut or mistyped", PUB_FILE));
        }
        if bits < 2048 {
            let why = format!("an RSA key of {bits} bits is too weak");
            return Err(KeyMisfit::new(why, NEW_KEY));
        }
    }
    if keys > 1 {
        return Err(KeyMisfit::new(
            "a second one stands behind it on the line, which nobody could log in with",
            ONE_EACH,
        ));
    }
    Ok(())
}

/// Whether the texts that a key is made of end where it ends (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4), which the
/// parser takes on trust where only one length is possible.
fn adds_up(body: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(body) else {
        return false;
    };
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let part = rest
            .split_first_chunk::<4>()
            .and_then(|(length, behind)| behind.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..));
        match part {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

/// Whether a word is a key's own: the length of its kind, in base64, begins it.
fn is_body(word: &str) -> bool {
    word.starts_with("AAAA") && word.len() > 40
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-nistp", "sk-ssh-", "sk-ecdsa-"].iter().any(|head| {
        word.strip_prefix(head).is_some_and(|rest| {
            ["ed25519", "rsa", "dss", "256", "384", "521"]
                .iter()
                .any(|kind| rest.starts_with(kind))
        })
    })
}

/// The kind of key that its own first bytes tell (RFC 4253, 6.6).
fn kind_within(body: &str) -> Option<String> {
    // The length and the longest kind are within so many characters.
    let head = body.get(..body.len().min(64))?;
    let head = STANDARD_NO_PAD.decode(head.trim_end_matches('=')).ok()?;
    let (length, rest) = head.split_first_chunk::<4>()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    String::from_utf8(name.to_vec()).ok().filter(|name| is_kind(name))
}

static WEAK_PASSWORD_HASH: Check = Check::error(
    "A006",
    "weak-password-hash",
    weak_password_hash,
    "glibc 2.27 knows SHA-512 ($6$) and SHA-256 ($5$) hashes; MD5 and DES are found by trying in minutes, and yescrypt ($y$) \
     of newer systems is not known, so the login would fail. It cuts the salt to 16 characters and takes 1000 to 999999999 rounds, and what \
     it works with stands in the hash that it compares: one with another salt or another number of rounds never matches (sha512-crypt.c).",
)
.example(
    &[Replace(CLUSTER, USER, "  user: ops\n  password_hash: \"$1$q1w2e3r4$Ou7Xv3ADzLKRzMh0wDsVB0\"\n")],
    &[Replace(CLUSTER, USER, HASH_TOO)],
);

/// The rounds of a hash that a login of this release can match.
fn rounds(hash: &str, release: &Release) -> Result<u64, String> {
    const CUT: &str = "it is cut or mistyped";
    let parts: Vec<&str> = hash.split('$').collect();
    let (kind, body) = match parts.as_slice() {
        ["", kind, body @ ..] => (*kind, body),
        _ => ("", &[][..]),
    };
    let crypt = &release.crypt;
    let Some((_, digest)) = crypt.digests.iter().find(|(known, _)| *known == kind) else {
        return Err(match kind {
            "1" => "MD5 is too weak".to_owned(),
            "y" | "gy" | "7" if !crypt.yescrypt => {
                format!("{} does not know yescrypt", release.version)
            }
            _ => "it is not a SHA-512 hash".to_owned(),
        });
    };
    let (rounds, salt, hash) = match body {
        [salt, hash] => (None, *salt, *hash),
        [rounds, salt, hash] => (Some(rounds.strip_prefix("rounds=").ok_or(CUT)?), *salt, *hash),
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
    if salt.len() > crypt.salt_max {
        return Err(format!(
            "its salt has {} characters, and glibc takes {}",
            salt.len(),
            crypt.salt_max
        ));
    }
    match rounds {
        None => Ok(crypt.default_rounds),
        Some(text) => match text.parse::<u64>() {
            // glibc writes the number without the zeros.
            Ok(number) if number.to_string() != text => Err(CUT.to_owned()),
            Ok(number) if crypt.rounds.contains(&number) => Ok(number),
            Ok(number) => Err(format!(
                "it is of {number} rounds, and glibc takes {} to {}",
                crypt.rounds.start(),
                crypt.rounds.end()
            )),
            Err(_) => Err(CUT.to_owned()),
        },
    }
}

fn hashes<'a>(site: &SiteView<'a>) -> impl Iterator<Item = (&'static Release, &'a Spanned<String>)> {
    logins(site).filter_map(|(release, admin)| Some((release, admin.value.password_hash.as_ref()?)))
}

fn weak_password_hash(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (release, hash) in hashes(site) {
        if let Err(why) = rounds(&hash.value, release) {
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
            && !admin.value.unread.key("ssh_authorized_keys")
        {
            let message =
                "the machines could be logged in to at their consoles only: `admin` has a password hash and no SSH key";
            let help = "add `ssh_authorized_keys: [\"ssh-ed25519 …\"]` (from ~/.ssh/id_ed25519.pub)";
            report.add(hash.span, message, help).label("for the console only");
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
    for (release, hash) in hashes(site) {
        if let Ok(rounds) = rounds(&hash.value, release)
            && rounds < release.crypt.default_rounds
        {
            report
                .add(
                    hash.span,
                    format!(
                        "`password_hash` is of {rounds} rounds, fewer than the usual {}",
                        release.crypt.default_rounds
                    ),
                    "make a new one with `openssl passwd -6`, or with more rounds by `mkpasswd -m sha-512 -R 100000`",
                )
                .label(format!("{rounds} rounds"));
        }
    }
}

static MANY_ROUNDS: Check = Check::error(
    "A017",
    "many-rounds",
    many_rounds,
    "Every round is worked through at each login, a million of them in about a second, more on an old machine. login(1) gives up after 60 seconds \
     (LOGIN_TIMEOUT), so with very many nobody would ever come in at a console, which is where the password is for.",
)
.example(
    &[Replace(CLUSTER, USER, "  user: ops\n  password_hash: \"$6$rounds=99999999$q1w2e3r4t5y6$TYBfg2kt9wHU1NJzISE.D0Daolziesi9hTVNS8fRuW6t7oxHyblSgw9SHhJl/NKl4cE33DY8hgiop0VBG0l0I.\"\n")],
    &[Replace(CLUSTER, USER, HASH_TOO)],
);

/// Rounds that a slow machine works through in about twenty seconds.
const ROUNDS_MAX: u64 = 10_000_000;

fn many_rounds(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (release, hash) in hashes(site) {
        if let Ok(rounds) = rounds(&hash.value, release)
            && rounds > ROUNDS_MAX
        {
            report
                .add(
                    hash.span,
                    format!("`password_hash` is of {rounds} rounds: a login at the console would take about {} seconds", rounds / 1_000_000),
                    "make a new one with `openssl passwd -6`, or with more rounds than usual by `mkpasswd -m sha-512 -R 100000`",
                )
                .label(format!("{rounds} rounds"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{key_as_meant, rounds, ssh_key_fits};
    use crate::target::bionic::BIONIC;

    /// glibc's own hashes, as `crypt(3)` gives them.
    #[test]
    fn a_hash_is_one_that_glibc_would_give() {
        let digest = "P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/";
        let of = |head: &str| rounds(&format!("{head}{digest}"), &BIONIC);
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

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq";

    fn why(line: &str) -> Option<String> {
        ssh_key_fits(line, &BIONIC).err().map(|misfit| misfit.why)
    }

    #[test]
    fn what_sshd_takes_is_taken() {
        for comment in [
            "",
            " ",
            " ops@desk",
            "\tops@desk",
            " B\u{fc}ro von Jos\u{e9} \u{1f600}",
            " ops@desk # until May",
            " my ssh-key of the desk",
            " the new one, in place of my ssh-rsa key",
            " AAAA",
            " \"quoted\" 'x'",
        ] {
            assert_eq!(why(&format!("ssh-ed25519 {KEY}{comment}")), None, "{comment}");
        }
        assert_eq!(why(&format!("ssh-ed25519\t{KEY}\tops")), None);
        assert_eq!(why(&format!("ssh-ed25519   {KEY}  ops")), None);
    }

    #[test]
    fn a_key_that_sshd_passes_over_is_told() {
        let line = format!("ssh-ed25519 {KEY}");
        for (text, part) in [
            (format!("{line} a@b {line} c@d"), "second one"),
            (format!("{line} {line}"), "second one"),
            (format!("{line} {KEY}"), "second one"),
            (format!("{line} a@b\n{line} c@d"), "2 in one text"),
            (format!("{line}\nops@desk"), "one line"),
            (format!("{line}ssh-ed25519 {KEY}"), "cut or mistyped"),
            (format!("from=\"10.0.0.0/8\" {line}"), "before the key"),
            (format!("command=\"/bin/true\",no-pty {line}"), "before the key"),
            (format!("restrict {line}"), "before the key"),
            (format!("10.0.0.1 {line}"), "before the key"),
            (format!("ssh-rsa {KEY}"), "says ssh-ed25519"),
            (format!("ssh-ed25519-cert-v01@openssh.com {KEY}"), "a certificate"),
            (KEY.to_owned(), "kind of key"),
            ("ssh-ed25519".to_owned(), "cut or mistyped"),
            (format!("ssh-ed25519 {}", &KEY[..64]), "cut or mistyped"),
            (format!("ssh-ed25519 {}", &KEY[..40]), "cut or mistyped"),
            (format!("ssh-ed25519 {}", &KEY[1..]), "cut or mistyped"),
            (format!("ssh-ed25519 {KEY}="), "cut or mistyped"),
            (format!("ssh-ed25519 {KEY}AAAA"), "cut or mistyped"),
        ] {
            assert!(
                why(&text).is_some_and(|why| why.contains(part)),
                "{text}: {:?}",
                why(&text)
            );
        }
    }

    /// A blob of these strings, each with its length before it.
    fn blob(parts: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(*part);
        }
        STANDARD.encode(bytes)
    }

    #[test]
    fn the_lengths_within_a_key_add_up() {
        let mut point = [7; 65];
        point[0] = 4;
        let n = [&[0, 0x80][..], &[9; 255]].concat();
        for (kind, parts, good) in [
            ("ssh-ed25519", &[&b"ssh-ed25519"[..], &[7; 32]][..], true),
            ("ssh-ed25519", &[b"ssh-ed25519", &[7; 31]], false),
            ("ssh-ed25519", &[b"ssh-ed25519", &[7; 33]], false),
            ("ssh-ed25519", &[b"ssh-ed25519", &[7; 32], &[7; 32]], false),
            ("ssh-ed25519", &[b"ssh-ed25519"], false),
            ("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &n], true),
            ("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1]], false),
            ("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &n, &[1]], false),
            ("ssh-rsa", &[b"ssh-rsa", &[], &n], false),
            ("ssh-rsa", &[b"ssh-rsa", &[1], &n], false),
            ("ssh-rsa", &[b"ssh-rsa", &[2], &n], false),
            ("ssh-rsa", &[b"ssh-rsa", &[1, 0, 1], &[0x80; 256]], false),
            (
                "ecdsa-sha2-nistp256",
                &[b"ecdsa-sha2-nistp256", b"nistp256", &point],
                true,
            ),
            (
                "ecdsa-sha2-nistp256",
                &[b"ecdsa-sha2-nistp256", b"nistp384", &point],
                false,
            ),
            (
                "ecdsa-sha2-nistp256",
                &[b"ecdsa-sha2-nistp256", b"nistp256", &point[..64]],
                false,
            ),
            ("ecdsa-sha2-nistp256", &[b"ecdsa-sha2-nistp256", &point], false),
            (
                "ecdsa-sha2-nistp384",
                &[b"ecdsa-sha2-nistp384", b"nistp384", &point],
                false,
            ),
        ] {
            let why = why(&format!("{kind} {}", blob(parts)));
            assert_eq!(why.is_none(), good, "{kind} {parts:?}: {why:?}");
        }
        // The last length says more than there is.
        let mut bytes = STANDARD.decode(KEY).unwrap();
        bytes[18] = 33;
        assert!(why(&format!("ssh-ed25519 {}", STANDARD.encode(&bytes))).is_some());
        bytes[18] = 31;
        assert!(why(&format!("ssh-ed25519 {}", STANDARD.encode(&bytes))).is_some());
    }

    #[test]
    fn the_kind_that_a_key_says_it_is_is_offered() {
        let fix = key_as_meant(&format!("ssh-rsa {KEY} ops@desk"), &BIONIC);
        assert_eq!(fix, Some(format!("ssh-ed25519 {KEY} ops@desk")));
        assert_eq!(
            key_as_meant(&format!("from=\"10.0.0.1\" ssh-ed25519 {KEY}"), &BIONIC),
            None
        );
    }
}
