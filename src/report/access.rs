//! Who gets in and what may be erased, for the review of a change: what `check --summary` tells.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use ssh_key::{HashAlg, PublicKey};

use crate::model::{Admin, AptSource, Cluster, Site};
use crate::trust;

/// Everybody who gets into a cluster, and every permission to erase a disk. Nothing in it is secret.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Access {
    /// The cluster.
    cluster: String,
    /// The login on every host.
    user: String,
    /// What that login may do as root: everything, without a password.
    sudo: &'static str,
    /// SSH keys that let somebody in, as written.
    ssh_keys: Vec<SshKey>,
    /// Whether there is a password, which is good at the console alone.
    console_password: bool,
    /// Client certificates that LXD trusts: whoever has the key of one is root on all members.
    lxd_certificates: Vec<Certificate>,
    /// Sources of packages beside Ubuntu's own archive: who signs for one can run anything as root. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    apt_sources: Vec<String>,
    /// Disks that may be overwritten although they are not blank, by host and slot.
    wipe: Vec<Wipe>,
    /// Installations that an install medium may erase, by host.
    reinstall: Vec<Reinstall>,
    /// Cloud-configs of one's own, which are carried out as root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cloud_config: Vec<OwnConfig>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct SshKey {
    /// For example `ssh-ed25519`.
    kind: String,
    /// As `ssh-keygen -l` shows it, `SHA256:…`.
    fingerprint: String,
    /// Whose it is; may be empty.
    comment: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Certificate {
    /// Its name in LXD's trust store.
    name: String,
    /// SHA-256 of the certificate, as `lxc config trust list` shows the beginning of it.
    fingerprint: String,
    /// The last day on which it is valid, such as `2036-11-26`; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Wipe {
    host: String,
    slot: String,
    /// The disk's serial number, and the word behind it where there is one.
    disk: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Reinstall {
    host: String,
    /// The number that the medium's screen shows.
    installation: String,
}

/// What an administrator's own cloud-config does on machines, as root.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct OwnConfig {
    file: String,
    /// The hosts that have it.
    hosts: Vec<String>,
    /// The files that it writes.
    files: Vec<String>,
    /// How many commands it runs.
    commands: usize,
}

impl Access {
    /// Of every cluster of a site, by name.
    #[must_use]
    pub fn of(site: &Site) -> Vec<Self> {
        site.clusters.iter().map(of_cluster).collect()
    }

    /// The same for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.cluster.clone()];
        let mut line = |what: &str, text: String| lines.push(format!("  {what:10}{text}"));
        line("login", format!("{}, sudo {}", self.user, self.sudo));
        for key in &self.ssh_keys {
            line(
                "ssh key",
                format!("{} {} {}", key.kind, key.fingerprint, key.comment)
                    .trim_end()
                    .to_owned(),
            );
        }
        if self.console_password {
            line("console", "with a password".to_owned());
        }
        for Certificate {
            name,
            fingerprint,
            expires,
        } in &self.lxd_certificates
        {
            let until = expires.as_ref().map_or(String::new(), |day| format!(", until {day}"));
            line("lxd", format!("{name} {fingerprint}{until}"));
        }
        for source in &self.apt_sources {
            line("apt", source.clone());
        }
        for Wipe { host, slot, disk } in &self.wipe {
            line("wipe", format!("{host} slot {slot}: disk {disk}"));
        }
        for Reinstall { host, installation } in &self.reinstall {
            line("reinstall", format!("{host}: installation {installation}"));
        }
        for OwnConfig {
            file,
            hosts,
            files,
            commands,
        } in &self.cloud_config
        {
            let written = match files.as_slice() {
                [] => "no file".to_owned(),
                files => files.join(" "),
            };
            let on = hosts.join(" ");
            line(
                "as root",
                format!("{file} on {on}: writes {written}; runs {commands} commands"),
            );
        }
        lines
    }
}

fn of_cluster(cluster: &Cluster) -> Access {
    let Admin {
        user,
        ssh_authorized_keys,
        password_hash,
        lxd_certificates,
    } = &cluster.admin;
    let apt = cluster.services.apt.iter().flat_map(|apt| &apt.sources);
    let wipes = cluster.hosts.iter().flat_map(|host| {
        host.disks.iter().filter_map(|disk| {
            Some(Wipe {
                host: host.name.to_string(),
                slot: disk.slot.clone(),
                disk: disk.wipe.clone()?,
            })
        })
    });
    let mut wipe: Vec<Wipe> = wipes.collect();
    wipe.sort_by(|a, b| (&a.host, &a.slot).cmp(&(&b.host, &b.slot)));
    let reinstalls = cluster.hosts.iter().filter_map(|host| {
        Some(Reinstall {
            host: host.name.to_string(),
            installation: host.reinstall.clone()?,
        })
    });
    let mut reinstall: Vec<Reinstall> = reinstalls.collect();
    reinstall.sort_by(|a, b| a.host.cmp(&b.host));
    Access {
        cluster: cluster.name.to_string(),
        user: user.clone(),
        sudo: "everything, without a password",
        ssh_keys: ssh_authorized_keys.iter().map(|line| ssh_key(line)).collect(),
        console_password: password_hash.is_some(),
        lxd_certificates: lxd_certificates
            .iter()
            .map(|certificate| of_certificate(&certificate.name, &certificate.pem))
            .collect(),
        apt_sources: apt.map(|AptSource { source, .. }| source.clone()).collect(),
        wipe,
        reinstall,
        cloud_config: own_configs(cluster),
    }
}

/// Each file once, with the hosts that have it.
fn own_configs(cluster: &Cluster) -> Vec<OwnConfig> {
    let mut configs: BTreeMap<&str, OwnConfig> = BTreeMap::new();
    for host in &cluster.hosts {
        let Some(config) = &host.system.cloud_config else {
            continue;
        };
        let files = config.write_files.iter().filter_map(|file| file["path"].as_str());
        let own = configs.entry(&config.file).or_insert_with(|| OwnConfig {
            file: config.file.clone(),
            hosts: Vec::new(),
            files: files.map(str::to_owned).collect(),
            commands: config.runcmd.len(),
        });
        own.hosts.push(host.name.to_string());
    }
    configs.into_values().collect()
}

/// What passed the checks is a key; should it be none, nothing of it is shown.
fn ssh_key(line: &str) -> SshKey {
    let key = line.parse::<PublicKey>().ok();
    let fingerprint = key.map(|key| key.fingerprint(HashAlg::Sha256).to_string());
    let mut words = line.splitn(3, ' ');
    let kind = words.next().unwrap_or_default().to_owned();
    SshKey {
        kind,
        fingerprint: fingerprint.unwrap_or_else(|| "unreadable".to_owned()),
        comment: words.nth(1).unwrap_or_default().trim().to_owned(),
    }
}

fn of_certificate(name: &str, pem: &str) -> Certificate {
    let parsed = trust::ClientCertificate::parse(pem).ok();
    Certificate {
        name: name.to_owned(),
        fingerprint: parsed.as_ref().map_or_else(
            || "unreadable".to_owned(),
            |certificate| certificate.fingerprint().to_owned(),
        ),
        expires: parsed.map(|certificate| certificate.valid().end().date().to_string()),
    }
}
