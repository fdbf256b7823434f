//! Who can log in, and that somebody can.

use std::collections::HashMap;

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
        let Err(why) = ssh_key_fits(&key.value, release) else {
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
            .find(|line| *line != key.value && ssh_key_fits(line, release).is_ok());
        if let Some(line) = as_meant {
            finding.fix(key.span, scalar(&line));
        }
    }
}

fn ssh_key_fits(line: &str, release: &Release) -> Result<(), String> {
    let sshd = &release.openssh;
    if line.chars().any(char::is_control) {
        return Err("a key is one line".to_owned());
    }
    if !line.is_ascii() {
        return Err("it has characters outside ASCII; shorten the comment".to_owned());
    }
    if line.len() > sshd.line_max {
        return Err(format!(
            "it has {} characters, and sshd reads {}",
            line.len(),
            sshd.line_max
        ));
    }
    let kind = line.split(' ').next().unwrap_or_default();
    if kind == "ssh-dss" {
        return Err("DSA keys are switched off in OpenSSH 7.0 and later".to_owned());
    }
    if kind.starts_with("sk-") && sshd.version < sshd.security_keys_since {
        return Err(format!(
            "keys of security tokens need OpenSSH {}, and {} has {}",
            sshd.security_keys_since, release.version, sshd.version
        ));
    }
    if !sshd.kinds.contains(&kind) {
        return Err("it does not start with a kind of key such as ssh-ed25519".to_owned());
    }
    let key: ssh_key::PublicKey = line.parse().map_err(|_| "it is cut or mistyped".to_owned())?;
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

#[cfg(test)]
mod tests {
    use super::rounds;
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
}
