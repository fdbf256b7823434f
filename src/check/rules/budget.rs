//! What the profiles make large.

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit::Repeat;
use crate::profile::{Admin, entries};
use crate::trust::ClientCertificate;

pub(super) static CHECKS: &[&Check] = &[&SEED_TOO_LARGE];

static SEED_TOO_LARGE: Check = Check::warning(
    "B001",
    "seed-too-large",
    seed_too_large,
    "Every host's user-data carries the administrator's SSH keys, and the bootstrap host's the client certificates as well. cloud-init reads it with \
     the YAML reader that is written in Python: half a second for a megabyte on today's machines (PyYAML 3.12 on Python 3.6), at several stages \
     of every boot. lxseed's own part is about 35 kB; keys and certificates of more than 256 KiB would be most of every seed, and of every \
     medium made from it.",
)
.example(
    &[Repeat(
        "cluster.yaml",
        "6mGFajGPOq ops@desk\n",
        "    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFaj{} desk{}@example\n",
        3000,
    )],
    &[],
);

/// The most that keys and certificates take in a seed, in bytes, before somebody should know.
const ADMIN_MAX: usize = 256 * 1024;

fn seed_too_large(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in &site.clusters {
        let Some(admin) = cluster.profile().and_then(|profile| profile.admin.as_ref()) else {
            continue;
        };
        let (keys, certificates) = (keys(&admin.value), certificates(&admin.value));
        if keys + certificates <= ADMIN_MAX {
            continue;
        }
        let message = format!(
            "SSH keys and client certificates make up {} kB of user-data, more than {} kB",
            (keys + certificates).div_ceil(1000),
            ADMIN_MAX.div_ceil(1000)
        );
        let help =
            "keep the keys of those who install and repair the machines, and bring the others' by other means later";
        let place = if keys > certificates {
            admin.value.ssh_authorized_keys.as_ref().map(|keys| keys.span)
        } else {
            let certificates = admin.value.lxd_certificates.as_ref();
            certificates.map(|certificates| certificates.span)
        };
        report
            .add(place.unwrap_or(admin.span), message, help)
            .label("most of it is here");
    }
}

/// Bytes of the SSH keys, which are in every host's user-data as they are.
fn keys(admin: &Admin) -> usize {
    let keys = admin.ssh_authorized_keys.iter();
    keys.flat_map(|keys| &keys.value).map(|key| key.value.len()).sum()
}

/// Bytes of the certificates, which are there as base64 of the PEM text.
fn certificates(admin: &Admin) -> usize {
    entries(admin.lxd_certificates.as_ref())
        .iter()
        .filter_map(|(_, pem)| ClientCertificate::parse(&pem.value).ok())
        .map(|certificate| certificate.pem().len().div_ceil(3) * 4)
        .sum()
}
