//! Who trusts whom: the files that certificates and keys stand in, on the machines and on the administrator's desk.

use std::borrow::Cow;

use super::first_boot::Script;
use super::{ClusterKeys, FIRSTBOOT, packages};
use crate::encoding::base64;
use crate::model::{Cluster, Keyboard};
use crate::trust::{DESK_NAME, SecretBytes};

/// A file that cloud-init writes on the machine.
pub(super) struct WriteFile<'a> {
    pub(super) path: String,
    /// Always four octal digits: a bare 644 becomes mode 1204 in cloud-init 18.2.
    pub(super) permissions: &'static str,
    pub(super) content: Payload<'a>,
}

/// What such a file holds.
pub(super) enum Payload<'a> {
    /// The bytes.
    Plain(Cow<'a, [u8]>),
    /// The bytes, compressed by gzip.
    Gzip(&'a [u8]),
}

impl Payload<'_> {
    /// The encoding's name, known to cloud-init since long before 18.2, and the text. Text has none, as cloud-init warns of a name
    /// that it does not know; PEM in base64 would be longer by a third, and gzip finds nothing in it.
    pub(super) fn encoded(&self) -> (Option<&'static str>, Cow<'_, str>) {
        match self {
            Self::Plain(content) => match std::str::from_utf8(content) {
                Ok(text) => (None, text.into()),
                Err(_) => (Some("b64"), base64(content).into()),
            },
            Self::Gzip(content) => (Some("gz+b64"), base64(content).into()),
        }
    }
}

/// One line per host, under its name and its address.
pub(crate) fn known_hosts(cluster: &Cluster, keys: &ClusterKeys) -> String {
    let lines = cluster
        .hosts
        .iter()
        .zip(&keys.hosts)
        .map(|(host, keys)| format!("{},{} {}\n", host.name, host.address, keys.ssh.public));
    lines.collect()
}

/// What is never to be trusted again, one fingerprint a line.
fn retired(cluster: &Cluster) -> String {
    let fingerprints = cluster.retired.iter().flat_map(|retired| &retired.fingerprints);
    fingerprints.map(|fingerprint| format!("{fingerprint}\n")).collect()
}

/// A drop-in of timesyncd, which keeps the clock. cloud-init's own `ntp` would install the package ntp instead, up
/// to 18.2, and its choice among clients came afterwards.
fn time_servers(names: &[String]) -> String {
    format!("[Time]\nNTP={}\n", names.join(" "))
}

/// keyboard(5). cloud-init's own module came with 22.4.
fn keyboard<'a>(keyboard: &Keyboard) -> WriteFile<'a> {
    let Keyboard { layout, variant } = keyboard;
    WriteFile {
        path: "/etc/default/keyboard".to_owned(),
        permissions: "0644",
        content: Payload::Plain(
            format!("# Made by lxseed.\nXKBMODEL=\"pc105\"\nXKBLAYOUT=\"{layout}\"\nXKBVARIANT=\"{variant}\"\nXKBOPTIONS=\"\"\nBACKSPACE=\"guess\"\n")
                .into_bytes()
                .into(),
        ),
    }
}

/// Where the settings of the running kernel stand: behind the release's own (10-), before an administrator's by hand
/// (99-sysctl.conf).
const SYSCTL: &str = "/etc/sysctl.d/60-lxseed.conf";

fn settings(sysctl: &[(String, String)]) -> String {
    let lines = sysctl.iter().map(|(name, value)| format!("{name} = {value}\n"));
    lines.collect()
}

/// The files that cloud-init writes on one host.
pub(super) fn write_files<'a>(
    cluster: &'a Cluster,
    at: usize,
    keys: &'a ClusterKeys,
    firstboot: &'a Script,
    unit: &'a Script,
    preseed: &'a str,
) -> Vec<WriteFile<'a>> {
    let host = &cluster.hosts[at];
    let open = |path: &str, permissions, text: &'a str| WriteFile {
        path: path.to_owned(),
        permissions,
        content: Payload::Plain(text.as_bytes().into()),
    };
    let closed = |path: &str, content: &'a SecretBytes| WriteFile {
        path: path.to_owned(),
        permissions: "0600",
        content: Payload::Plain(content.expose().into()),
    };
    let compressed = |path: &str, permissions, script: &'a Script| WriteFile {
        path: path.to_owned(),
        permissions,
        content: Payload::Gzip(&script.gzip),
    };
    let mut files = vec![
        compressed(FIRSTBOOT, "0755", firstboot),
        compressed("/etc/systemd/system/lxseed-firstboot.service", "0644", unit),
        open("/etc/lxseed/lxd-preseed.yaml", "0600", preseed),
        open(
            "/etc/lxseed/tls/server.crt",
            "0644",
            &keys.hosts[at].server.certificate_pem,
        ),
        closed("/etc/lxseed/tls/server.key", &keys.hosts[at].server.private_key_pem),
        open("/etc/lxseed/tls/cluster.crt", "0644", &keys.cluster.certificate_pem),
    ];
    if let Some(desk) = &keys.desk {
        files.push(open("/etc/lxseed/desk.crt", "0644", &desk.certificate_pem));
    }
    if !cluster.services.ntp.is_empty() {
        files.push(WriteFile {
            path: "/etc/systemd/timesyncd.conf.d/lxseed.conf".to_owned(),
            permissions: "0644",
            content: Payload::Plain(time_servers(&cluster.services.ntp).into_bytes().into()),
        });
    }
    files.extend(packages::files(&cluster.services));
    files.extend(cluster.services.keyboard.iter().map(keyboard));
    if !host.system.sysctl.is_empty() {
        files.push(WriteFile {
            path: SYSCTL.to_owned(),
            permissions: "0644",
            content: Payload::Plain(settings(&host.system.sysctl).into_bytes().into()),
        });
    }
    if cluster.founds(host) {
        files.push(closed("/etc/lxseed/tls/cluster.key", &keys.cluster.private_key_pem));
        let joiners = cluster
            .hosts
            .iter()
            .zip(&keys.hosts)
            .filter(|(other, _)| other.name != host.name);
        files.extend(joiners.map(|(joiner, keys)| {
            open(
                &format!("/etc/lxseed/trust/servers/{}.crt", joiner.name),
                "0644",
                &keys.server.certificate_pem,
            )
        }));
        files.extend(
            cluster.spares.iter().zip(&keys.spares).map(|(spare, certificate)| {
                open(&format!("/etc/lxseed/trust/servers/{spare}.crt"), "0644", certificate)
            }),
        );
        if !cluster.retired.is_empty() {
            files.push(WriteFile {
                path: "/etc/lxseed/trust/retired".to_owned(),
                permissions: "0644",
                content: Payload::Plain(retired(cluster).into_bytes().into()),
            });
        }
        files.extend(keys.desk.iter().map(|desk| {
            open(
                &format!("/etc/lxseed/trust/clients/{DESK_NAME}.crt"),
                "0644",
                &desk.certificate_pem,
            )
        }));
        files.extend(cluster.admin.lxd_certificates.iter().map(|certificate| {
            open(
                &format!("/etc/lxseed/trust/clients/{}.crt", certificate.name),
                "0644",
                &certificate.pem,
            )
        }));
    }
    files
}
