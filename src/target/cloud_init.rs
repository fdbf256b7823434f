//! What cloud-init 18.2, which install media bring, takes from somebody's own `#cloud-config`, and what of it lxseed does.

/// What a key at the top of a `#cloud-config` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Bool,
    Text,
    Mapping,
    /// A list of texts.
    Words,
    /// Commands: each a text, or a list of words.
    Commands,
    /// Files to write.
    Files,
    /// Lines of fstab, each a list of words.
    Mounts,
    /// lxseed does it, by what is named here; or it would undo what lxseed does.
    Owned(&'static str),
    /// Only later versions know it.
    Newer(&'static str),
}

const LOGIN: &str = "logins and their keys are `admin` in cluster.yaml";
const NAME: &str = "a machine's name is its host's `name`";
const CARD: &str = "the network is `network` in cluster.yaml and on the host";
const LAYOUT: &str = "disks are laid out by the disks profile, and nothing else may touch them";
const HOST_KEYS: &str = "SSH host keys are derived from the site secret";
const ITSELF: &str = "it says how cloud-init itself works, which the first boot relies on";
const REBOOT: &str = "the first boot would be cut off by it";
const SNAPS: &str = "the first boot installs snapd and LXD in their order; install other snaps by `runcmd: after`";
const ARCHIVE: &str = "mirrors and sources are `apt` in cluster.yaml, and the proxy is `proxy`";
const PACKAGES: &str = "cloud-init would wait for them without a limit, and the machine's membership with it; write `apt: {packages: […], upgrade: true}` in cluster.yaml";
const ZONE: &str = "write `timezone` in cluster.yaml";
const LANGUAGE: &str = "write `locale` in cluster.yaml";
const CLOCK: &str = "write `ntp` in cluster.yaml";
const LXD: &str = "LXD is set up by the first boot, from cluster.yaml";
const BOOTCMD: &str = "it would run at each boot until the machine is set up, and never again; write `runcmd`, or a unit by `write_files`";

/// Keys of the modules that 18.04's configuration runs. The names are those of 18.2.
pub(crate) static KEYS: &[(&str, Takes)] = &[
    ("allow_public_ssh_keys", Takes::Owned(LOGIN)),
    ("ansible", Takes::Newer("write `runcmd`")),
    ("apt", Takes::Owned(ARCHIVE)),
    ("apt_mirror", Takes::Owned(ARCHIVE)),
    ("apt_pipelining", Takes::Owned(ARCHIVE)),
    ("apt_preserve_sources_list", Takes::Owned(ARCHIVE)),
    ("apt_proxy", Takes::Owned(ARCHIVE)),
    ("apt_sources", Takes::Owned(ARCHIVE)),
    ("autoinstall", Takes::Owned(LAYOUT)),
    ("bootcmd", Takes::Owned(BOOTCMD)),
    ("byobu_by_default", Takes::Text),
    ("ca-certs", Takes::Mapping),
    ("ca_certs", Takes::Newer("write `ca-certs`, which both know")),
    ("chef", Takes::Mapping),
    (
        "chpasswd",
        Takes::Owned("a password for the console is `admin: {password_hash: …}` in cluster.yaml"),
    ),
    ("cloud_config_modules", Takes::Owned(ITSELF)),
    ("cloud_final_modules", Takes::Owned(ITSELF)),
    ("cloud_init_modules", Takes::Owned(ITSELF)),
    ("datasource", Takes::Owned(ITSELF)),
    ("datasource_list", Takes::Owned(ITSELF)),
    ("device_aliases", Takes::Owned(LAYOUT)),
    ("disable_root", Takes::Owned(LOGIN)),
    ("disable_root_opts", Takes::Owned(LOGIN)),
    ("disk_setup", Takes::Owned(LAYOUT)),
    (
        "fan",
        Takes::Owned("the overlay is `network: {overlay: …}` in cluster.yaml"),
    ),
    ("final_message", Takes::Text),
    ("fqdn", Takes::Owned(NAME)),
    ("fs_setup", Takes::Owned(LAYOUT)),
    ("groups", Takes::Owned(LOGIN)),
    ("growpart", Takes::Owned(LAYOUT)),
    ("grub-dpkg", Takes::Owned(LAYOUT)),
    ("grub_dpkg", Takes::Owned(LAYOUT)),
    ("hostname", Takes::Owned(NAME)),
    (
        "keyboard",
        Takes::Owned("the consoles' keyboard is `keyboard` in cluster.yaml"),
    ),
    ("landscape", Takes::Mapping),
    ("locale", Takes::Owned(LANGUAGE)),
    ("locale_configfile", Takes::Owned(LANGUAGE)),
    ("lxd", Takes::Owned(LXD)),
    ("manage_etc_hosts", Takes::Owned(NAME)),
    ("manage_resolv_conf", Takes::Owned(CARD)),
    ("manual_cache_clean", Takes::Owned(ITSELF)),
    ("mcollective", Takes::Mapping),
    (
        "merge_how",
        Takes::Owned("what is in this file is added to what lxseed writes, and merged in no other way"),
    ),
    (
        "merge_type",
        Takes::Owned("what is in this file is added to what lxseed writes, and merged in no other way"),
    ),
    ("mount_default_fields", Takes::Words),
    ("mounts", Takes::Mounts),
    ("network", Takes::Owned(CARD)),
    ("no_ssh_fingerprints", Takes::Bool),
    ("ntp", Takes::Owned(CLOCK)),
    ("output", Takes::Mapping),
    ("package_reboot_if_required", Takes::Owned(REBOOT)),
    ("package_update", Takes::Owned(PACKAGES)),
    ("package_upgrade", Takes::Owned(PACKAGES)),
    ("packages", Takes::Owned(PACKAGES)),
    (
        "password",
        Takes::Owned("a password for the console is `admin: {password_hash: …}` in cluster.yaml"),
    ),
    ("phone_home", Takes::Mapping),
    ("power_state", Takes::Owned(REBOOT)),
    ("prefer_fqdn_over_hostname", Takes::Owned(NAME)),
    ("preserve_hostname", Takes::Owned(NAME)),
    ("puppet", Takes::Mapping),
    (
        "random_seed",
        Takes::Owned("a profile never holds a secret, and the kernel has better randomness"),
    ),
    ("resize_rootfs", Takes::Owned(LAYOUT)),
    ("resolv_conf", Takes::Owned(CARD)),
    ("rsyslog", Takes::Mapping),
    ("runcmd", Takes::Commands),
    ("salt_minion", Takes::Mapping),
    ("snap", Takes::Owned(SNAPS)),
    ("snappy", Takes::Owned(SNAPS)),
    ("ssh", Takes::Newer("host keys and logins are lxseed's")),
    ("ssh_authorized_keys", Takes::Owned(LOGIN)),
    ("ssh_deletekeys", Takes::Owned(HOST_KEYS)),
    ("ssh_genkeytypes", Takes::Owned(HOST_KEYS)),
    ("ssh_import_id", Takes::Owned(LOGIN)),
    ("ssh_keys", Takes::Owned(HOST_KEYS)),
    ("ssh_pwauth", Takes::Owned(LOGIN)),
    ("swap", Takes::Mapping),
    ("system_info", Takes::Owned(ITSELF)),
    ("timezone", Takes::Owned(ZONE)),
    ("ubuntu-advantage", Takes::Mapping),
    ("ubuntu_advantage", Takes::Newer("write `ubuntu-advantage`")),
    ("user", Takes::Owned(LOGIN)),
    ("users", Takes::Owned(LOGIN)),
    ("vendor_data", Takes::Owned(ITSELF)),
    ("wireguard", Takes::Newer("write its files by `write_files`")),
    ("write_files", Takes::Files),
];

/// Names of `encoding` in `write_files`; of another one cloud-init warns and writes the text as it is.
pub(crate) const ENCODINGS: &[&str] = &[
    "b64",
    "base64",
    "gz",
    "gzip",
    "gz+b64",
    "gz+base64",
    "gzip+b64",
    "gzip+base64",
];

/// What lxseed itself writes, or what what it does rests on: files, and folders with all that is below.
pub(crate) const OWNED_PATHS: &[&str] = &[
    "/etc/lxseed",
    "/var/lib/lxseed",
    "/run/lxseed",
    "/usr/local/sbin/lxseed-firstboot",
    "/etc/systemd/system/lxseed-firstboot.service",
    "/etc/systemd/system/lxseed-firstboot.service.d",
    "/etc/systemd/system/lxseed-packages.service",
    "/etc/systemd/system/snapd.service.d/lxseed.conf",
    "/etc/apt/apt.conf",
    "/etc/default/keyboard",
    "/etc/systemd/system/snap.lxd.daemon.service.d",
    "/etc/systemd/timesyncd.conf.d/lxseed.conf",
    "/etc/sysctl.d/60-lxseed.conf",
    "/etc/systemd/network",
    "/etc/netplan",
    "/etc/ssh/ssh_host_",
    "/root/.ssh",
    "/var/snap/lxd",
    "/var/lib/lxd",
    "/var/lib/snapd",
    "/snap",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d/90-cloud-init-users",
    "/etc/fstab",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/mdadm",
    "/etc/cloud",
    "/var/lib/cloud",
    "/boot",
    "/dev",
    "/proc",
    "/sys",
    "/run",
];
