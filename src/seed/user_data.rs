//! user-data and meta-data of a NoCloud seed.
//!
//! Everything here is in the intersection of cloud-init 18.2 (18.04's install media) and 23.1.2 (its last update).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::first_boot::Bootcmd;
use super::network;
use super::packages::has_packages;
use super::write_files::WriteFile;
use crate::hex;
use crate::model::{AptSource, CloudConfig, Cluster, Host, MirrorUrl, Services, When};
use crate::trust::{SecretBytes, SshHostKey};
use crate::yaml::{self, YamlError};

#[derive(Serialize)]
struct UserData<'a> {
    // First of all, and with no `local-hostname` in meta-data: see templates/first-boot/prepare.sh.
    preserve_hostname: bool,
    // Only what goes into /etc/hosts.
    hostname: &'a str,
    // Without it, sudo on a cloud image complains that the host name does not resolve.
    manage_etc_hosts: &'a str,
    // An explicit list, or the image's default user `ubuntu` would be made as well.
    users: [User<'a>; 1],
    disable_root: bool,
    ssh_pwauth: bool,
    ssh_keys: SshKeys<'a>,
    // Else cloud-init rewrites what the installer chose as mirror.
    apt: Apt<'a>,
    // cloud-init 18.2 points grub-pc at the first of /dev/sda, /dev/vda …, wherever the system is; with several disks a
    // later update of grub would then be written to a data disk.
    grub_dpkg: GrubDpkg,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    // Runs at every boot, before the modules that plant anything.
    bootcmd: [&'a [&'a str]; 3],
    write_files: Vec<Entry<'a, WriteFileEntry<'a>>>,
    runcmd: Vec<Entry<'a, [Cow<'a, str>; 3]>>,
    // What is the administrator's own has no key that is lxseed's.
    #[serde(flatten)]
    own: Option<&'a Map<String, Value>>,
}

/// An item of a list that lxseed and the administrator's own `#cloud-config` share.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a, T> {
    Ours(T),
    Own(&'a Value),
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    gecos: &'a str,
    groups: &'a str,
    shell: &'a str,
    // One string: a list runs, but the schema of 23.1.2 refuses it.
    sudo: &'a str,
    // The default is true, and it is applied to an account the installer has made, too: it would lock that account's
    // password.
    lock_passwd: bool,
    // Unlike `passwd`, it also reaches an account that the installer has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed_passwd: Option<&'a str>,
    // cloud-init's schema wants at least one in the list.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ssh_authorized_keys: &'a [String],
}

#[derive(Serialize)]
struct SshKeys<'a> {
    ed25519_private: &'a str,
    ed25519_public: &'a str,
}

#[derive(Serialize)]
struct Apt<'a> {
    preserve_sources_list: bool,
    // Both or none: cloud-init has Ubuntu's own for both where it is told of no primary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<[Mirror; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security: Option<[Mirror; 1]>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, Source<'a>>,
}

#[derive(Serialize)]
struct Mirror {
    arches: [&'static str; 1],
    uri: String,
}

#[derive(Serialize)]
struct Source<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// What apt is told, by cloud-init's module apt-configure: before anything is installed, once for a seed.
fn apt(services: &Services) -> Apt<'_> {
    let own = services.apt.as_ref();
    let mirrors = own.filter(|apt| apt.mirror.is_some() || apt.security_mirror.is_some());
    let mirror = |url: &Option<MirrorUrl>, usual: &str| {
        let uri = url.as_ref().map_or_else(|| usual.to_owned(), ToString::to_string);
        [Mirror {
            arches: ["default"],
            uri,
        }]
    };
    Apt {
        preserve_sources_list: mirrors.is_none(),
        primary: mirrors.map(|apt| mirror(&apt.mirror, "http://archive.ubuntu.com/ubuntu")),
        security: mirrors.map(|apt| mirror(&apt.security_mirror, "http://security.ubuntu.com/ubuntu")),
        sources: own
            .iter()
            .flat_map(|apt| &apt.sources)
            .map(|AptSource { name, source, key }| {
                let key = key.as_deref();
                (format!("{name}.list"), Source { source, key })
            })
            .collect(),
    }
}

#[derive(Serialize)]
struct GrubDpkg {
    enabled: bool,
}

#[derive(Serialize)]
struct WriteFileEntry<'a> {
    path: &'a str,
    // Files are written before users are made; an owner that does not exist yet ends the whole list.
    owner: &'a str,
    permissions: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'a str>,
    content: Cow<'a, str>,
}

/// cloud-init writes a file before it sets its mode, so for an instant a key would be open to all. Before it is written
/// the folder is closed: LXD's identity is read by root alone.
const CLOSE: [&str; 5] = ["install", "-d", "-m", "0700", "/etc/lxseed/tls"];

/// Starting without `--no-block` would hold cloud-final until the whole cluster stands. One entry, since a single
/// malformed item keeps cloud-init 18.2 from writing any of them.
const START: &str = "systemctl daemon-reload && systemctl enable lxseed-firstboot.service && systemctl start --no-block lxseed-firstboot.service";

/// Before [`START`], since the first boot waits for the clock: timesyncd runs long before cloud-init has written whom to ask.
/// Where something else keeps the clock it does not run, and is not started.
const ASK_AGAIN: &str = "systemctl try-restart systemd-timesyncd.service; ";

/// Before [`START`], since the first boot has snapd ask the store: snapd runs before cloud-init has written what it goes through.
/// What it was at, it goes on with.
const THROUGH_PROXY: &str = "systemctl daemon-reload; systemctl try-restart snapd.service; ";

/// For the consoles at once, and for those of later boots, which load what was saved. On a machine that is headless it does nothing.
const SET_KEYBOARD: &str = "timeout 60 setupcon -k --force --save </dev/null; ";

/// Behind [`START`]: the cluster waits for no package.
const INSTALL: &str = "; systemctl enable lxseed-packages.service; systemctl start --no-block lxseed-packages.service";

/// systemd-sysctl runs at each boot long before cloud-init has written anything, so on the first one its file is read once
/// more. `-e` passes over what belongs to a module that is not loaded yet.
const SET: &str = "sysctl -q -e -p /etc/sysctl.d/60-lxseed.conf; ";

/// The `#cloud-config` document. It holds the host's private keys.
pub(super) fn user_data(
    cluster: &Cluster,
    host: &Host,
    ssh: &SshHostKey,
    bootcmd: &Bootcmd,
    files: &[WriteFile<'_>],
) -> Result<String, YamlError> {
    let private = std::str::from_utf8(ssh.private.expose())
        .map_err(|_| YamlError::Unsupported("the SSH host key is not text".to_owned()))?;
    let admin = &cluster.admin;
    let mac = host.mac.to_string();
    let names = network::names_of_cards(host);
    let cards: Vec<&str> = match &*names {
        [] => vec!["sh", "-c", &bootcmd.card, "lxseed", &mac, network::ON_A_BUS],
        names => {
            let words = names.iter().flat_map(|(name, mac)| [name.as_str(), mac.as_str()]);
            ["sh", "-c", &bootcmd.cards, "lxseed"]
                .into_iter()
                .chain(words)
                .collect()
        }
    };
    let services = &cluster.services;
    let own = host.system.cloud_config.as_deref();
    let again = if services.ntp.is_empty() { "" } else { ASK_AGAIN };
    let proxied = if services.proxy.is_none() { "" } else { THROUGH_PROXY };
    let packages = if has_packages(services) { INSTALL } else { "" };
    let keyboard = if services.keyboard.is_none() { "" } else { SET_KEYBOARD };
    let settings = if host.system.sysctl.is_empty() { "" } else { SET };
    let start = [settings, keyboard, again, proxied, START, packages].concat();
    let document = UserData {
        preserve_hostname: true,
        hostname: host.name.as_str(),
        manage_etc_hosts: "localhost",
        users: [User {
            name: &admin.user,
            gecos: "Administrator",
            groups: "adm, sudo",
            shell: "/bin/bash",
            sudo: "ALL=(ALL) NOPASSWD:ALL",
            lock_passwd: admin.password_hash.is_none(),
            hashed_passwd: admin.password_hash.as_deref(),
            ssh_authorized_keys: &admin.ssh_authorized_keys,
        }],
        disable_root: true,
        ssh_pwauth: false,
        ssh_keys: SshKeys {
            ed25519_private: private,
            ed25519_public: &ssh.public,
        },
        apt: apt(services),
        grub_dpkg: GrubDpkg { enabled: false },
        timezone: services.timezone.as_deref(),
        locale: services.locale.as_deref(),
        bootcmd: [
            &CLOSE,
            &[
                "sh",
                "-c",
                &bootcmd.prepare,
                "lxseed",
                host.name.as_str(),
                cluster.name.as_str(),
            ],
            &cards,
        ],
        write_files: files
            .iter()
            .map(|file| {
                let (encoding, content) = file.content.encoded();
                Entry::Ours(WriteFileEntry {
                    path: &file.path,
                    owner: "root:root",
                    permissions: file.permissions,
                    encoding,
                    content,
                })
            })
            .chain(own.iter().flat_map(|own| &own.write_files).map(Entry::Own))
            .collect(),
        runcmd: commands(["sh".into(), "-c".into(), start.into()], own),
        own: own.map(|own| &own.keys),
    };
    // The very first bytes decide whether cloud-init takes the file at all.
    yaml::to_string_below("#cloud-config\n", &document)
}

/// The command that starts the first boot, and the administrator's own before or behind it.
fn commands<'a>(start: [Cow<'a, str>; 3], own: Option<&'a CloudConfig>) -> Vec<Entry<'a, [Cow<'a, str>; 3]>> {
    let own_ones = |when: When| {
        let own = own.filter(|own| own.when == when);
        own.into_iter().flat_map(|own| &own.runcmd).map(Entry::Own)
    };
    let mut commands: Vec<_> = own_ones(When::Before).collect();
    commands.push(Entry::Ours(start));
    commands.extend(own_ones(When::After));
    commands
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData<'a> {
    instance_id: &'a str,
    // For readers of the medium; cloud-init does not know the key.
    lxseed_host: &'a str,
}

/// The instance-id alone decides whether cloud-init takes a boot for a new machine's first one, so it follows from what
/// the seed says: a constant one would keep a changed seed from being applied, a random one would break repeatability.
pub(super) fn instance_id(host: &Host, user_data: &SecretBytes, network_config: &str) -> String {
    let mut digest = Sha256::new();
    // Of fixed length, so where one ends and the other begins is certain.
    digest.update(user_data.sha256());
    digest.update(network_config);
    format!("{}-{}", host.name, hex::encode(&digest.finalize()[..8]))
}

pub(super) fn meta_data(host: &Host, instance_id: &str) -> Result<String, YamlError> {
    yaml::to_string(&MetaData {
        instance_id,
        lxseed_host: host.name.as_str(),
    })
}
