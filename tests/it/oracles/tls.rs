//! Keys and certificates: openssl on what LXD will be given, OpenSSH on the host keys and known_hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;
use time::format_description::well_known::Iso8601;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

use super::built::{Host, built, hosts};
use crate::support::{Run, SECRET, temp_dir, tool};

/// The date in the secret's text, from which all validity is counted.
fn secret_date() -> OffsetDateTime {
    let line = SECRET.lines().find_map(|line| line.strip_prefix("lxseed-secret-1 "));
    let date = line
        .and_then(|line| line.split(' ').next())
        .expect("the secret has a date");
    OffsetDateTime::new_utc(Date::parse(date, &Iso8601::DATE).unwrap(), Time::MIDNIGHT)
}

/// openssl's standard output.
fn openssl(args: &[&str], file: &Path) -> String {
    Run::of(Command::new("openssl").args(args).arg("-in").arg(file))
        .expect_exit(0)
        .stdout
}

/// A date as openssl prints it with `-dateopt iso_8601`.
fn date_after(text: &str, label: &str) -> OffsetDateTime {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(label))
        .unwrap_or_else(|| panic!("no {label} in {text}"));
    let line = line.strip_suffix('Z').unwrap().replace(' ', "T");
    PrimitiveDateTime::parse(&line, &Iso8601::DATE_TIME)
        .unwrap()
        .assume_utc()
}

/// `openssl verify` as a server's, at the secret's date. The signature of an anchor is checked only when asked for.
fn verify(certificate: &Path, anchor: &Path) -> Run {
    let at = secret_date().unix_timestamp().to_string();
    let args = [
        "verify",
        "-check_ss_sig",
        "-no-CApath",
        "-no-CAstore",
        "-purpose",
        "sslserver",
        "-attime",
        &at,
        "-CAfile",
    ];
    Run::of(Command::new("openssl").args(args).args([anchor, certificate]))
}

/// What LXD asks of a certificate (facts: a DNS name, or Go's TLS refuses it; serverAuth; valid although the machine's
/// clock is up to two days behind).
fn assert_good_certificate(what: &str, certificate: &Path) {
    let run = verify(certificate, certificate).expect_exit(0);
    assert!(run.stdout.ends_with(": OK\n"), "{what}: {run}");
    let show = [
        "x509",
        "-noout",
        "-ext",
        "subjectAltName,extendedKeyUsage",
        "-dates",
        "-dateopt",
        "iso_8601",
    ];
    let text = openssl(&show, certificate);
    assert!(text.contains("DNS:"), "{what} has no DNS name: {text}");
    assert!(
        text.contains("TLS Web Server Authentication"),
        "{what} is not for servers: {text}"
    );
    let (from, to) = (date_after(&text, "notBefore="), date_after(&text, "notAfter="));
    assert_eq!(from, secret_date() - Duration::hours(48), "{what}: notBefore");
    let days = (to - secret_date()).whole_days();
    assert!(
        (3650 - 10..=3653 + 10).contains(&days),
        "{what} ends {days} days after the secret's date"
    );
}

/// Everything in PEM that was derived and that a host's user-data writes: LXD's identity and the members it trusts. The
/// administrator's own client certificates are not ours to judge.
fn pem_files(host: &Host, dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for file in host.write_files() {
        if ["/etc/lxseed/tls/", "/etc/lxseed/trust/servers/"]
            .iter()
            .any(|folder| file.path.starts_with(folder))
        {
            let path = dir.join(file.path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.content).unwrap();
            files.push(path);
        }
    }
    assert!(
        !files.is_empty(),
        "{}: user-data carries neither keys nor certificates",
        host.name
    );
    files
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

#[test]
fn openssl_accepts_every_certificate_and_its_key() {
    let Some(_) = tool("openssl") else { return };
    let sites = built();
    // The bootstrap host carries the certificates of all others; each is looked at once.
    let mut judged = BTreeSet::new();
    for host in hosts(&sites) {
        let dir = temp_dir();
        let mut keys = 0;
        let of_cluster = host.cluster.join("cluster.crt");
        for path in pem_files(&host, dir.path()).into_iter().chain([of_cluster]) {
            let what = format!("{}: {}", host.name, path.display());
            if is(&path, "key") {
                let of_key = openssl(&["pkey", "-pubout"], &path);
                let certificate = path.with_extension("crt");
                let of_certificate = openssl(&["x509", "-noout", "-pubkey"], &certificate);
                assert_eq!(of_key, of_certificate, "{what} belongs to another certificate");
                keys += 1;
            } else {
                assert!(is(&path, "crt"), "{what} is neither a key nor a certificate");
                if judged.insert(fs::read(&path).unwrap()) {
                    assert_good_certificate(&what, &path);
                }
            }
        }
        assert!(keys > 0, "{}: no key", host.name);
    }
}

/// What is taken from the desk to a member that does not know this host is what the host will show.
#[test]
fn the_certificate_beside_a_seed_is_the_one_in_it() {
    let sites = built();
    let mut of_joiners = 0;
    let hosts = hosts(&sites);
    for host in &hosts {
        let path = host.file("server.crt");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        let beside = host.read("server.crt");
        let planted = |host: &Host, path: &str| {
            let file = host.write_files().into_iter().find(|file| file.path == path);
            file.map(|file| file.content)
        };
        let own = planted(host, "/etc/lxseed/tls/server.crt");
        assert!(own.as_ref() == Some(&beside), "{}", host.name);
        let known = format!("/etc/lxseed/trust/servers/{}.crt", host.name);
        for other in hosts.iter().filter(|other| other.cluster == host.cluster) {
            if let Some(known) = planted(other, &known) {
                assert!(known == beside, "{} knows another {}", other.name, host.name);
                of_joiners += 1;
            }
        }
    }
    assert!(of_joiners > 0);
}

/// Each host has its own key pair, and no key of another: one machine in wrong hands gives away one machine.
#[test]
fn no_two_hosts_share_a_key() {
    let sites = built();
    let mut owners: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for host in hosts(&sites) {
        let user_data = host.yaml("user-data");
        let ssh = user_data.get("ssh_keys").and_then(|keys| keys.get("ed25519_private"));
        let ssh = ssh
            .and_then(Value::as_str)
            .expect("an SSH host key")
            .as_bytes()
            .to_vec();
        let files = host.write_files().into_iter().map(|file| file.content);
        let keys = files.filter(|content| content.windows(11).any(|bytes| bytes == b"PRIVATE KEY"));
        for key in keys.chain([ssh]) {
            if let Some(other) = owners.insert(key, host.name.clone()) {
                panic!("{} and {other} share a private key", host.name);
            }
        }
    }
}

#[test]
fn ssh_accepts_the_host_keys_and_finds_every_host() {
    let (Some(keygen), dir) = (tool("ssh-keygen"), temp_dir()) else {
        return;
    };
    let sites = built();
    for host in hosts(&sites) {
        let user_data = host.yaml("user-data");
        let ssh_keys = user_data.get("ssh_keys").expect("user-data has ssh_keys");
        let text = |key: &str| {
            ssh_keys
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("no {key}"))
        };
        // OpenSSH refuses a private key whose last line does not end.
        assert!(
            text("ed25519_private").ends_with("-----END OPENSSH PRIVATE KEY-----\n"),
            "{}",
            host.name
        );
        let path = dir.path().join("key");
        fs::write(&path, text("ed25519_private")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let derived = Run::of(Command::new(&keygen).arg("-y").arg("-f").arg(&path))
            .expect_exit(0)
            .stdout;
        let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&derived), words(text("ed25519_public")), "{}", host.name);

        let config = host.yaml("network-config");
        let devices = config.get("ethernets").and_then(Value::as_mapping).unwrap();
        let addresses = devices
            .values()
            .filter_map(|device| device.get("addresses")?.as_sequence())
            .flatten();
        let addresses = addresses.map(|address| address.as_str().unwrap().split_once('/').unwrap().0.to_owned());
        for name in addresses.chain([host.name.clone()]) {
            let found = find_host(&keygen, &host.cluster.join("known_hosts"), &name).expect_exit(0);
            assert!(
                found.stdout.contains(&words(&derived)),
                "{name} has another key:\n{found}"
            );
        }
    }
}

fn find_host(keygen: &Path, known_hosts: &Path, name: &str) -> Run {
    Run::of(Command::new(keygen).arg("-F").arg(name).arg("-f").arg(known_hosts))
}

#[test]
fn openssl_and_ssh_are_alive() {
    let (Some(_), Some(keygen)) = (tool("openssl"), tool("ssh-keygen")) else {
        return;
    };
    let (sites, dir) = (built(), temp_dir());
    let hosts = hosts(&sites);
    let certificates: Vec<PathBuf> = hosts[..2]
        .iter()
        .map(|host| {
            let files = pem_files(host, &dir.path().join(&host.name));
            files.into_iter().find(|path| {
                is(path, "crt") && is(&path.with_extension("crt"), "crt") && path.with_extension("key").exists()
            })
        })
        .map(|certificate| certificate.expect("a certificate with its key"))
        .collect();
    // Another host's certificate is no anchor, and one flipped bit of the signature is seen.
    assert_ne!(verify(&certificates[0], &certificates[1]).code, 0);
    let der = dir.path().join("der");
    let args = ["x509", "-outform", "DER", "-out", der.to_str().unwrap()];
    openssl(&args, &certificates[0]);
    let mut bytes = fs::read(&der).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&der, bytes).unwrap();
    let broken = dir.path().join("broken.crt");
    let args = ["x509", "-inform", "DER", "-out", broken.to_str().unwrap()];
    openssl(&args, &der);
    let run = Run::of(
        Command::new("openssl")
            .args(["verify", "-check_ss_sig", "-no-CApath", "-no-CAstore", "-CAfile"])
            .args([&broken, &broken]),
    );
    assert_ne!(run.code, 0, "{run}");
    assert_ne!(
        find_host(&keygen, &hosts[0].cluster.join("known_hosts"), "no-such-host").code,
        0
    );
}
