//! Who trusts whom: the files that certificates and keys stand in, on the machines and on the administrator's desk.

use base64::Engine as _;

use super::first_boot::Script;
use super::user_data::{Planted, Planting};
use super::{ClusterKeys, FIRSTBOOT};
use crate::model::Cluster;
use crate::trust::SecretBytes;

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// One line per host, under its name and its address.
pub(super) fn known_hosts(cluster: &Cluster, keys: &ClusterKeys) -> String {
    let lines = cluster
        .hosts
        .iter()
        .zip(&keys.hosts)
        .map(|(host, keys)| format!("{},{} {}\n", host.name, host.address, keys.ssh.public));
    lines.collect()
}

/// The files that cloud-init writes on one host.
pub(super) fn planted<'a>(
    cluster: &'a Cluster,
    at: usize,
    keys: &'a ClusterKeys,
    firstboot: &'a Script,
    unit: &'a Script,
    preseed: &'a str,
) -> Vec<Planted<'a>> {
    let host = &cluster.hosts[at];
    let open = |path: &str, permissions, text: &'a str| Planted {
        path: path.to_owned(),
        permissions,
        content: Planting::Plain(text.as_bytes()),
    };
    let closed = |path: &str, content: &'a SecretBytes| Planted {
        path: path.to_owned(),
        permissions: "0600",
        content: Planting::Plain(content.expose()),
    };
    let packed = |path: &str, permissions, script: &'a Script| Planted {
        path: path.to_owned(),
        permissions,
        content: Planting::Packed(&script.packed),
    };
    let mut files = vec![
        packed(FIRSTBOOT, "0755", firstboot),
        packed("/etc/systemd/system/lxseed-firstboot.service", "0644", unit),
        open("/etc/lxseed/lxd-preseed.yaml", "0600", preseed),
        open(
            "/etc/lxseed/tls/server.crt",
            "0644",
            &keys.hosts[at].server.certificate_pem,
        ),
        closed(
            "/etc/lxseed/tls/server.key",
            &keys.hosts[at].server.private_key_pem,
        ),
        open(
            "/etc/lxseed/tls/cluster.crt",
            "0644",
            &keys.cluster.certificate_pem,
        ),
    ];
    if cluster.is_bootstrap(host) {
        files.push(closed(
            "/etc/lxseed/tls/cluster.key",
            &keys.cluster.private_key_pem,
        ));
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
