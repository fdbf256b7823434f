//! Who can log in, and that somebody can.

use super::view::SiteView;
use super::{Check, Report};
use crate::finding::Rule;
use crate::profile::quoted;
use crate::trust::{ClientCertificate, ClientCertificateError};

pub(super) const CHECKS: &[Check] = &[
    Check {
        rule: &NO_WAY_IN,
        run: no_way_in,
    },
    Check {
        rule: &INVALID_USER,
        run: invalid_user,
    },
    Check {
        rule: &INVALID_SSH_KEY,
        run: invalid_ssh_key,
    },
    Check {
        rule: &WEAK_PASSWORD_HASH,
        run: weak_password_hash,
    },
    Check {
        rule: &INVALID_CLIENT_CERTIFICATE,
        run: invalid_client_certificate,
    },
    Check {
        rule: &CERTIFICATE_NAMED_LIKE_HOST,
        run: certificate_named_like_host,
    },
];

static NO_WAY_IN: Rule = Rule::error(
    "A003",
    "no-way-in",
    "A machine that nobody can log in to cannot be repaired. Root has no password and other users are not made.",
);

fn no_way_in(site: &SiteView<'_>, report: &mut Report<'_>) {
    for admin in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.admin.as_ref())
    {
        let has_keys = admin
            .value
            .ssh_authorized_keys
            .as_ref()
            .is_some_and(|keys| !keys.value.is_empty());
        if !has_keys && admin.value.password_hash.is_none() {
            let help =
                "add `ssh_authorized_keys: [\"ssh-ed25519 …\"]` (from ~/.ssh/id_ed25519.pub)";
            report
                .add(
                    admin.span,
                    "nobody could log in: `admin` has neither an SSH key nor a password hash",
                    help,
                )
                .label("no way in");
        }
    }
}

static INVALID_USER: Rule = Rule::error(
    "A004",
    "invalid-user",
    "useradd takes lower-case names of at most 32 characters, and a name that the system already uses would change that account instead of \
     making one.",
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
    for user in site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.admin.as_ref()?.value.user.as_ref())
    {
        let well_formed = user.value.len() <= 32
            && user
                .value
                .starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && user.value.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
            });
        let why = if !well_formed {
            "not a name that useradd takes"
        } else if SYSTEM_NAMES.contains(&&*user.value) || user.value.starts_with("systemd-") {
            "a name of the system's own"
        } else {
            continue;
        };
        report
            .add(
                user.span,
                format!(
                    "{} cannot be the administrator's login: {why}",
                    quoted(&user.value)
                ),
                "name it like `ops`",
            )
            .label(why);
    }
}

static INVALID_SSH_KEY: Rule = Rule::error(
    "A005",
    "invalid-ssh-key",
    "A key that sshd cannot read is skipped without a word, and with it the only way in. OpenSSH 7.6 of Ubuntu 18.04 takes ssh-ed25519, \
     ecdsa-sha2-nistp* and ssh-rsa keys; ssh-dss is switched off, and keys of security tokens (sk-…) need 8.2.",
);

fn invalid_ssh_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    let admins = site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.admin.as_ref());
    for key in admins
        .filter_map(|admin| admin.value.ssh_authorized_keys.as_ref())
        .flat_map(|keys| &keys.value)
    {
        if let Err(why) = ssh_key_fits(&key.value) {
            let help = "write the one line of a .pub file, such as ~/.ssh/id_ed25519.pub";
            report
                .add(
                    key.span,
                    format!("this SSH key would not let anybody in: {why}"),
                    help,
                )
                .label(why);
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

fn ssh_key_fits(line: &str) -> Result<(), String> {
    if line.chars().any(char::is_control) {
        return Err("a key is one line".to_owned());
    }
    if !line.is_ascii() {
        return Err("it has characters outside ASCII; shorten the comment".to_owned());
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

static WEAK_PASSWORD_HASH: Rule = Rule::error(
    "A006",
    "weak-password-hash",
    "glibc 2.27 of Ubuntu 18.04 knows SHA-512 ($6$) and SHA-256 ($5$) hashes; MD5 and DES are found by trying in minutes, and yescrypt ($y$) \
     of newer systems is not known, so the login would fail.",
);

fn weak_password_hash(site: &SiteView<'_>, report: &mut Report<'_>) {
    for hash in site.clusters.iter().filter_map(|cluster| {
        cluster
            .profile()?
            .admin
            .as_ref()?
            .value
            .password_hash
            .as_ref()
    }) {
        let mut parts = hash.value.split('$');
        let (empty, kind) = (parts.next(), parts.next());
        let body: Vec<&str> = parts.collect();
        let crypt64 = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
        };
        let digest = match kind {
            Some("6") => 86,
            Some("5") => 43,
            _ => 0,
        };
        let well_formed = match body.as_slice() {
            [salt, hash] => crypt64(salt) && crypt64(hash) && hash.len() == digest,
            [rounds, salt, hash] => {
                rounds.starts_with("rounds=")
                    && crypt64(salt)
                    && crypt64(hash)
                    && hash.len() == digest
            }
            _ => false,
        };
        let why = match kind {
            Some("6" | "5") if empty == Some("") && well_formed => continue,
            Some("6" | "5") => "it is cut or mistyped",
            Some("1") => "MD5 is too weak",
            Some("y" | "gy" | "7") => "18.04 does not know yescrypt",
            _ => "it is not a SHA-512 hash",
        };
        // A hash can be attacked off line, so it is not repeated in a message that ends up in a CI log.
        report
            .add(
                hash.span,
                format!("`password_hash` cannot be used: {why}"),
                "make one with `openssl passwd -6`",
            )
            .label(why);
    }
}

static INVALID_CLIENT_CERTIFICATE: Rule = Rule::error(
    "A007",
    "invalid-client-certificate",
    "LXD refuses a client certificate that it cannot read, and the first `lxc` call from the administrator's desk would fail.",
);

fn invalid_client_certificate(site: &SiteView<'_>, report: &mut Report<'_>) {
    let admins = site
        .clusters
        .iter()
        .filter_map(|cluster| cluster.profile()?.admin.as_ref());
    for (name, pem) in admins
        .filter_map(|admin| admin.value.lxd_certificates.as_ref())
        .flat_map(|certificates| certificates.value.iter())
    {
        let label_fits = name
            .value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && name.value.len() <= 63
            && !name.value.starts_with(['.', '-']);
        let why = match ClientCertificate::parse(&pem.value) {
            // Reported as a private key in a profile already.
            Err(ClientCertificateError::PrivateKey) => continue,
            Err(why) => why.to_string(),
            Ok(_) if !label_fits => {
                "its name has other characters than letters, digits, hyphens, dots and underscores"
                    .to_owned()
            }
            Ok(_) => continue,
        };
        let help = "write the PEM text of the desk's client certificate (~/.config/lxc/client.crt) as a `|` block";
        report
            .add(
                name.span,
                format!(
                    "client certificate {} cannot be used: {why}",
                    quoted(&name.value)
                ),
                help,
            )
            .label("cannot be used");
    }
}

static CERTIFICATE_NAMED_LIKE_HOST: Rule = Rule::error(
    "A008",
    "certificate-named-like-host",
    "Members and clients share one trust store, in which LXD 5.21.5 and later want every name once: a client certificate with a host's name \
     keeps that host from joining.",
);

fn certificate_named_like_host(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let certificates = cluster
            .profile()
            .and_then(|profile| profile.admin.as_ref()?.value.lxd_certificates.as_ref());
        for (name, _) in certificates
            .into_iter()
            .flat_map(|certificates| certificates.value.iter())
        {
            let host = cluster
                .hosts
                .iter()
                .filter_map(|host| host.host().name.as_ref())
                .find(|host| host.value == name.value);
            if let Some(host) = host {
                report
                    .add(
                        name.span,
                        format!(
                            "client certificate {} is named like a host",
                            quoted(&name.value)
                        ),
                        "name it after the desk it is from",
                    )
                    .label("the same name")
                    .also(host.span, "the host");
            }
        }
    }
}
