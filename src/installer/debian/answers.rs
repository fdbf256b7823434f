//! Answers for the debian-installer of 18.04, and the script that they carry.

use std::io::Write;
use std::net::IpAddr;

use camino::Utf8PathBuf;
use serde::Serialize;
use tera::Tera;

use super::DebianError;
use super::questions;
use crate::model::{BundledSnap, ByteSize, Cluster, Host, Kernel, MirrorUrl, VolumeKind};
use crate::seed::{Content, File};
use crate::shell::{self, ShellError};
use crate::trust::SecretBytes;

/// What the file is called in a host's folder and on a medium.
pub const ANSWERS: &str = "preseed.cfg";

const VALUES: &str = "installer/values.sh";
const PRESEED: &str = "installer/preseed.cfg";

/// The part of the script that is the same for every host.
const CONSTANT: &str = concat!(
    include_str!("../../../templates/installer/debian/common.sh"),
    "\n",
    include_str!("../../../templates/common/disks.sh"),
    "\n",
    include_str!("../../../templates/installer/debian/host.sh"),
    "\n",
    include_str!("../../../templates/installer/debian/installed.sh"),
    "\n",
    include_str!("../../../templates/installer/debian/stages.sh"),
);

#[derive(Serialize)]
struct Values<'a> {
    host: &'a str,
    cluster: &'a str,
    mac: String,
    os_slot: &'a str,
    slots: String,
    snaps: String,
    reinstall: &'a str,
}

#[derive(Serialize)]
struct Answers<'a> {
    host: &'a str,
    cluster: &'a str,
    os_slot: &'a str,
    network: Network,
    hwe: bool,
    packages: String,
    zone: &'a str,
    time_server: &'a str,
    layout: &'a str,
    variant: &'a str,
    mirror: Mirror,
    security: Option<Mirror>,
    proxy: String,
    user: &'a str,
    password: &'a str,
    script: String,
}

#[derive(Serialize)]
struct Mirror {
    host: String,
    directory: String,
}

#[derive(Serialize)]
struct Network {
    address: String,
    netmask: String,
    gateway: String,
    /// The gateway that netcfg does not take.
    outside: String,
    /// The VLAN on the card, or nothing.
    vlan: String,
    nameservers: String,
    domain: String,
}

/// The two templates, parsed once.
pub struct Installer {
    scripts: Tera,
    answers: Tera,
    /// [`CONSTANT`] as it stands in the format of `printf`.
    constant: String,
}

impl Installer {
    /// Parses the templates.
    ///
    /// # Errors
    /// If a template is not well-formed, which a test of every build would have shown.
    pub fn new() -> Result<Self, DebianError> {
        let scripts = shell::engine(
            VALUES,
            include_str!("../../../templates/installer/debian/values.sh"),
            shell::escape,
        )?;
        let answers = shell::engine(
            PRESEED,
            include_str!("../../../templates/installer/debian/preseed.cfg"),
            escape,
        )?;
        Ok(Self {
            scripts,
            answers,
            constant: printf_format(CONSTANT),
        })
    }

    /// `preseed.cfg` of one host. It holds the administrator's password hash.
    ///
    /// # Errors
    /// If the answers are not what the installer takes.
    pub fn answers(&self, cluster: &Cluster, host: &Host) -> Result<File, DebianError> {
        let answers = Answers {
            host: host.name.as_str(),
            cluster: cluster.name.as_str(),
            os_slot: &host.os_slot,
            network: network(cluster, host),
            hwe: cluster.kernel == Kernel::Hwe,
            packages: packages(host),
            zone: cluster.services.timezone.as_deref().unwrap_or("Etc/UTC"),
            // It takes one; timesyncd asks the others.
            time_server: cluster.services.ntp.first().map_or("", String::as_str),
            layout: cluster
                .services
                .keyboard
                .as_ref()
                .map_or("us", |keyboard| &keyboard.layout),
            variant: cluster
                .services
                .keyboard
                .as_ref()
                .map_or("", |keyboard| &keyboard.variant),
            mirror: mirror(cluster.services.apt.as_ref().and_then(|apt| apt.mirror.as_ref())),
            security: security(cluster),
            proxy: proxy(cluster),
            user: &cluster.admin.user,
            // An account without a password to match; cloud-init gives it keys.
            password: cluster.admin.password_hash.as_deref().unwrap_or("!"),
            script: self.script(cluster, host)?,
        };
        let text = shell::rendered(&self.answers, PRESEED, &answers)?;
        questions::lint(ANSWERS, &text)?;
        Ok(File {
            path: Utf8PathBuf::from(cluster.name.as_str())
                .join(host.name.as_str())
                .join(ANSWERS),
            content: Content::Secret(SecretBytes::new(text.into_bytes())),
        })
    }

    /// What runs in the installer, as the one argument of the shell's `printf`, on one line: an answer cannot hold a
    /// line end.
    fn script(&self, cluster: &Cluster, host: &Host) -> Result<String, ShellError> {
        let values = Values {
            host: host.name.as_str(),
            cluster: cluster.name.as_str(),
            mac: host.mac.to_string(),
            os_slot: &host.os_slot,
            slots: slots(host),
            snaps: snaps(cluster),
            reinstall: host.reinstall.as_deref().unwrap_or_default(),
        };
        let top = shell::rendered(&self.scripts, VALUES, &values)?;
        Ok(format!("'{}\\n{}'", printf_format(&top), self.constant))
    }
}

/// What their files are called, with blanks between them.
fn snaps(cluster: &Cluster) -> String {
    let stems: Vec<String> = cluster.snaps.iter().map(BundledSnap::stem).collect();
    stems.join(" ")
}

/// A line for each slot, for the shell's `read`: neither ways nor values hold a blank, and the slot's name comes last.
fn slots(host: &Host) -> String {
    let size = |size: Option<ByteSize>| size.map_or_else(|| ".".to_owned(), |size| size.bytes().to_string());
    let lines: Vec<String> = host
        .disks
        .iter()
        .map(|disk| {
            format!(
                "{} {} {} {} {}",
                disk.by.word(),
                disk.value,
                size(disk.min_size),
                size(disk.max_size),
                disk.slot
            )
        })
        .collect();
    lines.join("\n")
}

/// What the first boot needs and 18.04's installer does not bring by itself. LXD's own ZFS, LVM and btrfs tools are in
/// its snap.
fn packages(host: &Host) -> String {
    let needs = |kind: VolumeKind| host.volumes.iter().any(|volume| volume.kind == kind);
    // Never ifupdown: where it is, cloud-init of 18.04 writes the network for it and not for netplan.
    let mut packages = vec!["cloud-init", "openssh-server", "snapd", "curl"];
    if needs(VolumeKind::Mirror) {
        packages.push("mdadm");
    }
    if needs(VolumeKind::ZfsMirror) {
        packages.push("zfsutils-linux");
    }
    packages.join(" ")
}

/// What the installer fetches, it fetches over http. It cannot be told whom to ask directly: where the mirror is to be, all is.
fn proxy(cluster: &Cluster) -> String {
    let services = &cluster.services;
    let (proxy, apt) = (services.proxy.as_ref(), services.apt.as_ref());
    let mirror = apt.and_then(|apt| apt.mirror.as_ref()).map_or(ARCHIVE, MirrorUrl::host);
    let url = apt
        .and_then(|apt| apt.proxy.as_ref())
        .or_else(|| proxy.and_then(|proxy| proxy.http.as_ref()));
    url.filter(|_| !proxy.is_some_and(|proxy| proxy.excepts(mirror)))
        .map_or_else(String::new, ToString::to_string)
}

/// Ubuntu's own archive.
const ARCHIVE: &str = "archive.ubuntu.com";

fn mirror(url: Option<&MirrorUrl>) -> Mirror {
    let (host, directory) = url.map_or((ARCHIVE, "/ubuntu"), |url| (url.authority(), url.directory()));
    Mirror {
        host: host.to_owned(),
        directory: directory.to_owned(),
    }
}

/// Without an answer the installer takes security.ubuntu.com.
fn security(cluster: &Cluster) -> Option<Mirror> {
    let apt = cluster.services.apt.as_ref()?;
    apt.security_mirror.as_ref().map(|url| mirror(Some(url)))
}

fn network(cluster: &Cluster, host: &Host) -> Network {
    let common = &cluster.network;
    // netcfg takes an IPv6 address with its prefix length, and then asks for no netmask.
    let (address, netmask) = match host.address {
        IpAddr::V4(address) => (address.to_string(), common.subnet.netmask().to_string()),
        IpAddr::V6(address) => (format!("{address}/{}", common.subnet.prefix_len()), String::new()),
    };
    // netcfg asks for another one where a gateway is not in the subnet, and for none where it is told `none`.
    let gateway = common.gateway.to_string();
    let (gateway, outside) = match common.gateway_is_outside() {
        true => ("none".to_owned(), gateway),
        false => (gateway, String::new()),
    };
    Network {
        address,
        netmask,
        gateway,
        outside,
        vlan: host.wiring.vlan.map_or_else(String::new, |vlan| vlan.to_string()),
        nameservers: common
            .nameservers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        domain: common.search.first().cloned().unwrap_or_default(),
    }
}

/// A text as the shell's `printf` prints it, in one line and fit to stand between single quotes.
fn printf_format(text: &str) -> String {
    let mut format = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '\n' => format.push_str("\\n"),
            '\\' => format.push_str("\\\\"),
            '%' => format.push_str("%%"),
            // A quote would end the word, and take three more characters to go on.
            '\'' => format.push_str("\\047"),
            c => format.push(c),
        }
    }
    format
}

/// An answer ends at the end of its line, and a backslash there would take the next one in.
fn escape(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    // One byte at a time: what is not ASCII is refused afterwards, all of it.
    let control = text.bytes().fold(false, |any, byte| any | byte.is_ascii_control());
    if control || text.ends_with('\\') || text.trim().len() != text.len() {
        return Err(std::io::Error::other(format!(
            "{text:?} cannot be an answer of a preseed file"
        )));
    }
    output.write_all(text.as_bytes())
}
