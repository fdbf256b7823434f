//! The profile types: cluster.yaml, disks/*.yaml, hosts/*.yaml.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::apt::Apt;
use super::cloud_config::CloudConfig;
use super::describe::{Describe, merged};
use super::links::{self, Bond, FurtherNetwork, Route};
use super::lower::{FromText, Lower, Misfit, Named, Spanned, Where, did_you_mean, entries, record, wrong_type};
use super::proxy::Proxy;
use super::services::{self, Keyboard, Ntp};
use super::shared::Shared;
use super::sysctl::{self, Setting};
use crate::finding::Findings;
use crate::model::{ByteSize, Driver, FINGERPRINT_DIGITS, FOUNDING_DIGITS, Kernel, Mac, Name, Overlay, When};
use crate::source::{Kind, Node};
use crate::target;
use crate::target::lxd::Channel;

/// Names of pools, volumes, slots and disks profiles.
const LABEL: &str = "^[a-z][a-z0-9_-]{0,23}$";

/// A text of that form, what an editor says of others (a keyword of its own for that), and examples.
pub(super) fn form(pattern: &str, expected: &str, examples: &[&str]) -> Value {
    json!({"pattern": pattern, "patternErrorMessage": format!("write {expected}"), "examples": examples})
}

fn name() -> Value {
    form(
        Name::PATTERN,
        "a name of lower-case letters, digits and inner hyphens",
        &["node1"],
    )
}

pub(super) fn label() -> Value {
    form(
        LABEL,
        "a name of at most 24 lower-case letters, digits, hyphens and underscores",
        &["data1"],
    )
}

/// A mapping whose keys are labels.
pub(super) fn labelled() -> Value {
    json!({"propertyNames": label()})
}

record! {
    /// `cluster.yaml`: one LXD cluster.
    pub(crate) struct Cluster {
        /// The cluster's name; also the folder below `out/`.
        required name: String = name(),
        /// The release to install, for example `"18.04"`.
        required ubuntu: String = json!({"enum": target::ALL.iter().map(|release| release.version).collect::<Vec<_>>()}),
        /// Which kernel the machines run; `hwe` unless said otherwise.
        optional kernel: Kernel = json!({"default": "hwe"}),
        /// Where LXD comes from.
        optional lxd: LxdSource,
        /// The host that forms the cluster, once a majority of all hosts answers that there is none yet; all others
        /// join it.
        required bootstrap: Bootstrap,
        /// What all hosts of the cluster share.
        required network: ClusterNetwork,
        /// Other networks that the hosts are in, such as one for storage. The cluster and its API stay on `network`. A machine that
        /// is set up already takes them from a new seed alone.
        optional networks: Named<FurtherNetwork> = labelled(),
        /// The storage pools that every member has.
        required pools: Named<Pool> = labelled(),
        /// Who may log in.
        required admin: Admin,
        /// The machines' time zone, as `timedatectl list-timezones` prints it; `Etc/UTC` unless said otherwise. A machine that is
        /// set up already takes it from a new seed alone.
        optional timezone: String = services::zone(),
        /// The machines' language, country and character set, as in `LANG`; the image's own, which is English, unless said
        /// otherwise. The installer speaks English. A machine that is set up already takes it from a new seed alone.
        optional locale: String = services::locale(),
        /// The keyboard of the consoles; a US one unless said otherwise. What an install medium asks before it has read its
        /// answers it asks with a US one. A machine that is set up already takes it from a new seed alone, and keeps it where
        /// the next one has none.
        optional keyboard: Keyboard,
        /// Whom the machines ask for the time; Ubuntu's own servers unless said otherwise. A machine that is set up already
        /// takes it from a new seed alone, and keeps it where the next one has none.
        optional ntp: Ntp,
        /// Through whom the machines reach what is not of their cluster: the installer, apt, snapd and LXD; members speak to
        /// one another without it. apt and snapd of a machine that is set up already take it from a new seed alone, LXD from
        /// `lxseed apply`; without the key what was set stays.
        optional proxy: Proxy,
        /// Where packages come from, and which there shall be beside LXD. A machine that is set up already takes it from a new
        /// seed alone.
        optional apt: Apt,
        /// The client certificate by which `lxseed status` and its kind speak to the members: `none` leaves it out of the
        /// seeds, so that no verb of the desk can ask them.
        optional desk: Desk,
        /// Raise it by one to give the cluster's own certificate, which every member shows, a new key; `lxseed rotate cluster`
        /// brings it to the members. 1 unless said otherwise.
        optional generation: u32 = json!({"minimum": 1, "default": 1}),
        /// The number of the cluster's founding, which `lxseed status` writes here once the cluster stands. From then on no
        /// host's seed can found: the bootstrap host joins like all others. It is no secret.
        optional formed: String = form(&format!("^[0-9a-f]{{{FOUNDING_DIGITS}}}$"), "the number of a founding, sixteen hexadecimal digits", &["5f0c1d2e3b4a6978"]),
        /// Names of hosts that come later. The bootstrap host trusts their first keys from the first day, so that they are
        /// let in without a hand once they are declared in hosts/.
        optional spares: Vec<Spanned<String>> = json!({"items": name()}),
        /// For how many days a declared host that never came is trusted; `none` for ever. 14 unless said otherwise. Whoever has
        /// its seed is an administrator of the cluster until then. `lxseed apply` ends it, `lxseed admit` renews it.
        optional trust_for: TrustFor,
        /// Hosts that were taken out of the cluster, each with the SHA-256 fingerprints of the server certificates that are
        /// never to be trusted again. `lxseed retire` writes it.
        optional retired: Named<Vec<Spanned<String>>> = json!({
            "propertyNames": name(),
            "additionalProperties": {"minItems": 1, "items": form(
                &format!("^[0-9a-f]{{{FINGERPRINT_DIGITS}}}$"),
                "the SHA-256 of a certificate, sixty-four lower-case hexadecimal digits",
                &["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
            )},
        }),
        /// Keys of a host that all hosts of this cluster have unless they, or their models, say otherwise.
        optional defaults: Shared,
        /// The same for the hosts that name it: what is common to machines of one make. It goes before `defaults`, and what a
        /// host writes itself goes before both.
        optional models: Named<Shared> = labelled(),
        /// Warnings to silence: the rule's name and the reason.
        optional allow: Named<String>,
    }
}

record! {
    /// `bootstrap:` where it says more than the host's name.
    pub(crate) struct Founding {
        /// The host that forms the cluster, where there is none yet; all others join it.
        required host: String = name(),
        /// It forms the cluster without waiting until a majority of the hosts answers that there is none yet. Of those
        /// that are switched off nobody knows: they may be its members already.
        optional alone: bool = json!({"default": false}),
    }
}

/// `bootstrap:` in cluster.yaml: the name of the host, or a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap {
    /// The host that forms the cluster.
    pub(crate) host: Option<Spanned<String>>,
    /// Whether it does without a majority.
    pub(crate) alone: Option<Spanned<bool>>,
}

impl Bootstrap {
    /// How it is written, for messages.
    const EXAMPLE: &'static str = "write `bootstrap: node1` or `bootstrap: {host: node1, alone: true}`";

    /// Where `alone: true` is written.
    #[must_use]
    pub(crate) fn is_alone(&self) -> Option<&Spanned<bool>> {
        self.alone.as_ref().filter(|alone| alone.value)
    }
}

impl Lower for Bootstrap {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => {
                let Founding { host, alone, .. } = Founding::lower(node, where_, findings)?;
                Some(Self { host, alone })
            }
            Kind::List(_) | Kind::Null => {
                let help = Self::EXAMPLE.to_owned();
                wrong_type(node, where_, "text or a mapping", help, findings);
                None
            }
            _ => {
                let value = String::lower(node, where_, findings)?;
                let span = node.span;
                Some(Self {
                    host: Some(Spanned { value, span }),
                    alone: None,
                })
            }
        }
    }
}

record! {
    /// `desk:` where it is a mapping.
    pub(crate) struct DeskKey {
        /// Raise it by one to give the desk a new key; 1 unless said otherwise.
        optional generation: u32 = json!({"minimum": 1, "default": 1}),
    }
}

/// `desk:` in cluster.yaml: `none`, or a mapping.
#[derive(Clone, Debug)]
pub(crate) enum Desk {
    /// The desk has no key of its own.
    None,
    /// It has one.
    Key {
        /// Its generation, if it is written.
        generation: Option<Spanned<u32>>,
    },
}

/// `trust_for:` in cluster.yaml: days, or `none`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TrustFor {
    /// It does not end.
    Ever,
    /// So many days.
    Days(u16),
}

impl TrustFor {
    /// Unless said otherwise: within two weeks a machine is set up, or its seed lies somewhere.
    const USUAL: u16 = 14;
    /// As long as a certificate is valid.
    const MOST: u16 = 3650;
    const EXAMPLE: &'static str = "write a number of days from 1 to 3650, or `trust_for: none`";

    /// The days of a profile; none if it does not end.
    pub(crate) fn days(written: Option<Self>) -> Option<u16> {
        match written {
            None => Some(Self::USUAL),
            Some(Self::Days(days)) => Some(days),
            Some(Self::Ever) => None,
        }
    }
}

/// The one word of a key that takes something else, too.
fn only_none(text: &str) -> Result<(), Misfit> {
    let similar = did_you_mean(text, ["none"].into_iter());
    let misfit = || Misfit::from("there is no such choice".to_owned()).suggestion(similar);
    (text == "none").then_some(()).ok_or_else(misfit)
}

/// The word of [`TrustFor::Ever`].
struct NoEnd;

impl FromText for NoEnd {
    const EXPECTED: &'static str = "`none`, or a number of days such as 14";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        only_none(text).map(|()| Self)
    }

    fn limits() -> Value {
        json!({"enum": ["none"]})
    }
}

impl Lower for TrustFor {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        let days = match &node.kind {
            Kind::Text(_) => return NoEnd::lower(node, where_, findings).map(|NoEnd| Self::Ever),
            Kind::Unsigned(days) => u16::try_from(*days).ok(),
            _ => None,
        };
        let days = days.filter(|days| (1..=Self::MOST).contains(days));
        if days.is_none() {
            wrong_type(
                node,
                where_,
                "a number of days or `none`",
                Self::EXAMPLE.to_owned(),
                findings,
            );
        }
        days.map(Self::Days)
    }
}

impl Describe for TrustFor {
    fn schema() -> Value {
        json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": Self::MOST},
            NoEnd::schema(),
        ], "default": Self::USUAL})
    }
}

/// The word of [`Desk::None`].
struct NoDesk;

impl FromText for NoDesk {
    const EXPECTED: &'static str = "`none`, or a mapping such as {generation: 2}";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        only_none(text).map(|()| Self)
    }

    fn limits() -> Value {
        json!({"enum": ["none"]})
    }
}

impl Desk {
    const EXAMPLE: &'static str =
        "write `desk: none`, or `desk: {generation: 2}` for another key; without `desk` it has its first one";
}

impl Lower for Desk {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match &node.kind {
            Kind::Map(_) => {
                let DeskKey { generation, .. } = DeskKey::lower(node, where_, findings)?;
                Some(Self::Key { generation })
            }
            Kind::List(_) | Kind::Null => {
                wrong_type(node, where_, "`none` or a mapping", Self::EXAMPLE.to_owned(), findings);
                None
            }
            _ => NoDesk::lower(node, where_, findings).map(|NoDesk| Self::None),
        }
    }
}

impl Describe for Desk {
    fn schema() -> Value {
        json!({"anyOf": [NoDesk::schema(), DeskKey::schema()]})
    }
}

impl Describe for Bootstrap {
    fn schema() -> Value {
        json!({"anyOf": [merged(String::schema(), name()), Founding::schema()]})
    }
}

record! {
    /// `lxd:` in cluster.yaml.
    pub(crate) struct LxdSource {
        /// The snap channel, for example `5.0/stable`.
        usual channel: String = merged(
            form(&Channel::pattern(), "a track and a risk such as 5.0/stable", &["4.0/stable", "5.0/stable", "5.21/stable"]),
            json!({"default": Channel::default_channel().to_string()}),
        ),
        /// Install from carried snaps instead of from the store.
        optional offline: Offline,
    }
}

record! {
    /// `offline:` below `lxd:`: machines that reach no store.
    pub(crate) struct Offline {
        /// The folder with what `snap download` wrote for snapd, lxd and the base of lxd: inside the site, relative to
        /// cluster.yaml.
        required snaps: String = form("^[^/]", "a folder inside the site, relative to cluster.yaml", &["snaps"]),
    }
}

record! {
    /// `network:` in cluster.yaml.
    pub(crate) struct ClusterNetwork {
        /// The subnet that every host has its address in.
        required subnet: IpNet,
        /// The default gateway.
        required gateway: IpAddr = json!({"examples": ["192.168.10.1"]}),
        /// The gateway is on the same wire, although its address is not in the subnet; IPv4 only. A machine that is set up
        /// already takes it from a new seed alone.
        optional on_link: bool = json!({"default": false}),
        /// The largest packet on the hosts' network in bytes, which every switch port there has to carry; the cards' own, 1500,
        /// unless said otherwise. The installer keeps to 1500. A machine that is set up already takes it from a new seed alone.
        optional mtu: u32 = links::mtu(),
        /// Networks that are reached by other routers than the gateway. The installer does not know them. A machine that is set
        /// up already takes them from a new seed alone.
        optional routes: Vec<Spanned<Route>>,
        /// Several cards of each host that are one interface. A machine that is set up already takes it from a new seed alone.
        optional bond: Bond,
        /// The number of the VLAN that the hosts' addresses are in, on the card or the bond; the switch hands it out tagged, to the
        /// installer, too. A machine that is set up already takes it from a new seed alone.
        optional vlan: u32 = links::vlan(),
        /// A bridge on top of card, bond or VLAN that has the host's address. Unless `overlay` asks for another network, LXD's default
        /// profile puts instances into it, and so into the hosts' own network. A machine that is set up already takes it from a new
        /// seed alone; the profile of a cluster that stands stays as it is.
        optional bridge: String = links::bridge(),
        /// DNS servers.
        optional nameservers: Vec<Spanned<IpAddr>>,
        /// DNS search domains.
        optional search: Vec<Spanned<String>>,
        /// How instances reach one another across hosts; `fan` unless said otherwise, and `none` where there is a `bridge`.
        optional overlay: Overlay = json!({"default": "fan"}),
    }
}

record! {
    /// One entry of `pools:`.
    pub(crate) struct Pool {
        /// LXD's storage driver.
        required driver: Driver,
        /// The volume it sits on; the one of the same name unless said otherwise.
        optional volume: String = label(),
    }
}

record! {
    /// `admin:` in cluster.yaml.
    pub(crate) struct Admin {
        /// The login that is made on every host.
        required user: String = form("^[a-z_][a-z0-9_-]{0,31}$", "a login of at most 32 lower-case letters", &["ops"]),
        /// OpenSSH public keys of that login.
        optional ssh_authorized_keys: Vec<Spanned<String>> = json!({"items": form(
            "^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) ",
            "the one line of a .pub file, such as ~/.ssh/id_ed25519.pub",
            &["ssh-ed25519 AAAA… ops@desk"],
        )}),
        /// A crypt(3) hash for the console, `$6$…`; without it there is no password login.
        optional password_hash: String = form(
            r"^\$[56]\$(rounds=[^$]*\$)?[A-Za-z0-9./]+\$([A-Za-z0-9./]{43}|[A-Za-z0-9./]{86})$",
            "what `openssl passwd -6` prints",
            &["$6$…"],
        ),
        /// Public LXD client certificates (PEM) that the cluster trusts from the first minute.
        optional lxd_certificates: Named<String> = json!({"additionalProperties": form(
            "-----BEGIN CERTIFICATE-----",
            "the text of ~/.config/lxc/client.crt as a `|` block",
            &["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"],
        )}),
    }
}

record! {
    /// `disks/*.yaml`: what a machine of one model has, and what to build from it.
    pub(crate) struct Disks {
        /// The name that hosts refer to.
        required name: String = label(),
        /// Where the system goes.
        required os: OsDisk,
        /// What is built for the pools.
        required volumes: Named<Volume> = labelled(),
        /// How slots are found, as far as it is the same on every machine.
        optional slots: Named<Slot> = labelled(),
    }
}

record! {
    /// `os:` of a disks profile.
    pub(crate) struct OsDisk {
        /// The slot of the system disk.
        required slot: String = label(),
    }
}

record! {
    /// One entry of `volumes:`; exactly one kind.
    pub(crate) struct Volume {
        /// A single block device, such as a hardware RAID volume.
        optional device: String = label(),
        /// Linux md RAID-1 over two slots.
        optional mirror: Vec<Spanned<String>> = json!({"items": label(), "minItems": 2, "maxItems": 2}),
        /// A zpool with one mirror over two slots.
        optional zfs_mirror: Vec<Spanned<String>> = json!({"items": label(), "minItems": 2, "maxItems": 2}),
    }
    // With `maxProperties: 1` yaml-language-server completes nothing (redhat-developer/yaml-language-server#612).
    = json!({"oneOf": [{"required": ["device"]}, {"required": ["mirror"]}, {"required": ["zfs_mirror"]}]})
}

/// A disk's name below /dev/disk/by-id or by-path: the bus, then what udev writes; no path, no partition.
pub(super) fn disk_link(buses: &str, example: &str) -> Value {
    form(
        &format!("^(?!.*-part[0-9]+$)({buses})-[A-Za-z0-9#+.:=@_-]{{1,197}}$"),
        "the name of a whole disk there, with its bus and without the folder",
        &[example],
    )
}

/// What names below /dev/disk/by-id begin with.
const BUSES: &str = "ata|cciss|ccw|ieee1394|memstick|mmc|nvme|scsi|usb|virtio|wwn";

/// What those below by-path begin with.
pub(super) const PATHS: &str = "acpi|ap|ccw|ccwgroup|iucv|pci|platform|scm|virtio-pci|vmbus|xen";

record! {
    /// One entry of `slots:`: one way to find the disk, and guards.
    pub(crate) struct Slot {
        /// Name below /dev/disk/by-id.
        optional by_id: String = disk_link(BUSES, "ata-WDC_WD10EZEX-00WN4A0_WD-WCC6Y4"),
        /// The disk's serial number.
        optional serial: String = form("^[A-Za-z0-9#+./:=@_-]{1,200}$", "a serial number as udev shows it, without spaces", &["S3Z9NB0K100001"]),
        /// The disk's World Wide Name.
        optional wwn: String = form(
            r"^(0x([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})|eui\.([0-9A-Fa-f]{16}|[0-9A-Fa-f]{32})|(nvme|uuid)\.[0-9A-Fa-f-]+)$",
            "a World Wide Name as udev shows it: 16 or 32 digits, with 0x, eui., nvme. or uuid. before it",
            &["0x5000c500a1b2c3d4"],
        ),
        /// Name below /dev/disk/by-path.
        optional by_path: String = disk_link(PATHS, "pci-0000:00:17.0-ata-1"),
        /// SCSI host:channel:target:lun.
        optional hctl: String = form("^(0|[1-9][0-9]*)(:(0|[1-9][0-9]*)){3}$", "host:channel:target:lun", &["0:2:1:0"]),
        /// The disk is at least this large.
        optional min_size: ByteSize,
        /// The disk is at most this large.
        optional max_size: ByteSize,
        /// The serial number of the disk that may be overwritten although it is not blank; behind it a slash and the
        /// word that the machine's message prints, where the disk holds what lxseed or LXD may have made of it.
        optional wipe: String,
    }
}

record! {
    /// `hosts/*.yaml`: one machine.
    pub(crate) struct Host {
        /// Host name and LXD member name.
        required name: String = name(),
        /// The entry of `models` in cluster.yaml that this machine is one of.
        optional model: String = label(),
        /// The disks profile of these machines; written here, in the host's model, or in `defaults` of cluster.yaml.
        shared disks: String = label(),
        /// How it is on the network.
        required network: HostNetwork,
        /// What is particular to this machine's disks.
        optional slots: Named<Slot> = labelled(),
        /// A `#cloud-config` of your own that is added to what lxseed writes: packages, files, commands. lxseed's own keys are
        /// refused in it. A machine that is set up already takes it from a new seed alone.
        optional cloud_config: CloudConfig,
        /// Settings of the running kernel, by the names that `sysctl -a` prints. A machine that is set up already takes them from
        /// a new seed alone; one that is taken out here it keeps until it restarts.
        optional sysctl: Named<Setting> = sysctl::keys(),
        /// Raise it by one to give this host new keys; 1 unless said otherwise.
        optional generation: u32 = json!({"minimum": 1, "default": 1}),
        /// The machine's serial number as DMI gives it; an install medium then finds the host by it instead of by
        /// `network.mac`.
        optional dmi_serial: String,
        /// The number of the installation that an install medium may erase, as its screen shows it. The system it then
        /// makes has another number, so this works once.
        optional reinstall: String = form("^[0-9a-f]{8}$", "the number of an installation, eight hexadecimal digits", &["c4d8a1f0"]),
    }
}

record! {
    /// `network:` of a host.
    pub(crate) struct HostNetwork {
        /// Hardware address of the interface, by which it is matched.
        optional mac: Mac,
        /// Hardware addresses of several interfaces, by the names that `bond` and `networks` call them.
        optional links: Named<Mac> = json!({"propertyNames": links::link(), "minProperties": 1}),
        /// The host's address; the prefix length is the subnet's.
        required address: IpAddr,
        /// The largest packet in bytes, where this host differs from its cluster's.
        optional mtu: u32 = links::mtu(),
        /// This host's routes, in place of its cluster's; `[]` for none.
        optional routes: Vec<Spanned<Route>>,
        /// Its address in each of its cluster's `networks` that has a subnet.
        optional networks: Named<IpAddr> = labelled(),
    }
}

impl HostNetwork {
    /// Every hardware address of the host, with its name where it has one.
    pub(crate) fn macs(&self) -> impl Iterator<Item = (Option<&str>, &Spanned<Mac>)> {
        let links = entries(self.links.as_ref()).iter();
        let one = self.mac.as_ref().map(|mac| (None, mac));
        one.into_iter()
            .chain(links.map(|(name, mac)| (Some(name.value.as_str()), mac)))
    }
}

impl Cluster {
    /// The name of the host that forms the cluster.
    #[must_use]
    pub(crate) fn bootstrap_host(&self) -> Option<&Spanned<String>> {
        self.bootstrap.as_ref()?.value.host.as_ref()
    }
}

/// Makes the words of a choice readable from text, with a suggestion for a near miss.
macro_rules! choice {
    ($type:ty, $expected:literal) => {
        choice!($type, $expected, []);
    };
    // With what others call a choice, in lower case.
    ($type:ty, $expected:literal, $names:expr) => {
        impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, Misfit> {
                let mut choices = <$type>::ALL.iter().copied();
                choices.find(|choice| choice.word() == text).ok_or_else(|| {
                    let names: &[(&str, &'static str)] = &$names;
                    let called = names.iter().find(|(name, _)| *name == text.to_lowercase()).map(|(_, word)| *word);
                    let similar = || did_you_mean(text, <$type>::ALL.iter().map(|choice| choice.word()));
                    let similar = called.or_else(similar);
                    let why = similar.map_or("there is no such choice".to_owned(), |similar| {
                        format!("did you mean `{similar}`?")
                    });
                    Misfit::from(why).suggestion(similar)
                })
            }

            fn limits() -> Value {
                let words: Vec<&str> = <$type>::ALL.iter().map(|choice| choice.word()).collect();
                json!({"enum": words})
            }
        }
    };
}

pub(super) use choice;

choice!(Kernel, "`ga` (4.15) or `hwe` (5.4)");
choice!(Driver, "one of zfs, btrfs, lvm, dir");
choice!(Overlay, "one of fan, bridge, none");
choice!(When, "`before` or `after` the first boot begins");

impl FromText for String {
    const EXPECTED: &'static str = "one text";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        Ok(text.to_owned())
    }

    fn limits() -> Value {
        Value::Null
    }
}

impl FromText for Mac {
    const EXPECTED: &'static str = "a MAC address such as \"52:54:00:12:34:56\"";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let suggestion = || Self::suggested_by(text).map(|mac| mac.to_string());
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(suggestion()))
    }

    fn suggested_by_number(number: u64) -> Option<String> {
        Self::suggested_by(&number.to_string()).map(|mac| mac.to_string())
    }

    fn limits() -> Value {
        form(Self::PATTERN, Self::EXPECTED, &["52:54:00:12:34:56"])
    }
}

impl FromText for ByteSize {
    const EXPECTED: &'static str = "a size with its unit, such as 960GB or 1TiB";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .map_err(|why: String| Misfit::from(why).suggestion(Self::suggested_by(text)))
    }

    fn suggested_by_number(number: u64) -> Option<String> {
        Self::suggested_for_bytes(number)
    }

    fn limits() -> Value {
        form(Self::PATTERN, Self::EXPECTED, &["960GB", "1TiB"])
    }
}

/// Four numbers up to 255 without leading zeros, as Rust and netplan read them.
const IPV4: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])([.](25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}";
/// What an IPv6 address is made of; which of it is one is left to the parser.
const IPV6: &str = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*";

impl FromText for IpAddr {
    const EXPECTED: &'static str = "an IP address such as 192.168.10.11";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let with_prefix = || text.split_once('/')?.0.parse::<Self>().ok();
        let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
        text.parse().map_err(|_| {
            if let Some(address) = with_prefix() {
                Misfit::from("leave the prefix length out, it is the subnet's").suggestion(Some(address.to_string()))
            } else if let Some(address) = with_port() {
                Misfit::from("leave the port out").suggestion(Some(address.to_string()))
            } else {
                "it is not an IP address".into()
            }
        })
    }

    fn limits() -> Value {
        form(&format!("^({IPV4}|{IPV6})$"), Self::EXPECTED, &["192.168.10.11"])
    }
}

impl FromText for IpNet {
    const EXPECTED: &'static str = "a subnet such as 192.168.10.0/24";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let net: Self = text.parse().map_err(|_| {
            Misfit::from("it is not a subnet with a prefix length")
                .suggestion(with_netmask(text).map(|net| net.trunc().to_string()))
        })?;
        if net.addr() != net.network() {
            let own = net.trunc().to_string();
            return Err(Misfit::from(format!("the subnet's own address is {own}")).suggestion(Some(own)));
        }
        Ok(net)
    }

    fn limits() -> Value {
        form(
            &format!("^({IPV4}|{IPV6})/[0-9]{{1,3}}$"),
            Self::EXPECTED,
            &["192.168.10.0/24"],
        )
    }
}

/// A subnet whose prefix length is spelled as a netmask, `192.168.10.0/255.255.255.0`.
fn with_netmask(text: &str) -> Option<IpNet> {
    let (address, mask) = text.split_once('/')?;
    IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()
}
