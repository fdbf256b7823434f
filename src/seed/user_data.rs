//! user-data and meta-data of a NoCloud seed.
//!
//! Everything here is in the intersection of cloud-init 18.2 (18.04's install media) and 23.1.2 (its last update).

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::network;
use crate::hex;
use crate::model::{Cluster, Host};
use crate::trust::{SecretBytes, SshHostKey};
use crate::yaml::{self, YamlError};

/// A file that cloud-init writes on the machine.
pub(super) struct Planted<'a> {
    pub(super) path: String,
    /// Always four octal digits: a bare 644 becomes mode 1204 in cloud-init 18.2.
    pub(super) permissions: &'static str,
    pub(super) content: Planting<'a>,
}

/// How the content of a file stands in user-data.
pub(super) enum Planting<'a> {
    /// In base64.
    Plain(&'a [u8]),
    /// Packed by gzip.
    Packed(&'a [u8]),
}

impl Planting<'_> {
    /// The encoding's name, known to cloud-init since long before 18.2, and the text.
    fn encoded(&self) -> (&'static str, String) {
        match self {
            Self::Plain(content) => ("b64", super::write_files::base64(content)),
            Self::Packed(content) => ("gz+b64", super::write_files::base64(content)),
        }
    }
}

#[derive(Serialize)]
struct UserData<'a> {
    // First of all, and with no `local-hostname` in meta-data: see PREPARE.
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
    apt: Apt,
    // cloud-init 18.2 points grub-pc at the first of /dev/sda, /dev/vda …, wherever the system is; with several disks a
    // later update of grub would then be written to a data disk.
    grub_dpkg: GrubDpkg,
    // Runs at every boot, before the modules that plant anything.
    bootcmd: [&'a [&'a str]; 3],
    write_files: Vec<WriteFile<'a>>,
    runcmd: [[&'a str; 3]; 1],
}

#[derive(Serialize)]
struct User<'a> {
    name: &'a str,
    gecos: &'a str,
    groups: &'a str,
    shell: &'a str,
    // One string: a list runs, but the schema of 23.1.2 refuses it.
    sudo: &'a str,
    // The default is true, and it is applied to an account the installer has made, too: it would lock that account's password.
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
struct Apt {
    preserve_sources_list: bool,
}

#[derive(Serialize)]
struct GrubDpkg {
    enabled: bool,
}

#[derive(Serialize)]
struct WriteFile<'a> {
    path: &'a str,
    // Files are written before users are made; an owner that does not exist yet ends the whole list.
    owner: &'a str,
    permissions: &'a str,
    encoding: &'a str,
    content: String,
}

/// cloud-init notes that a module has run, but does not wait until what it wrote is on the disk. ext4 keeps the note after five
/// seconds and a new file's content after thirty: a power cut in between leaves empty files that nothing would write
/// again. So until the machine is sealed, what plants files, keys and accounts runs at every boot; each leaves the same
/// behind however often it runs. The names are those of the semaphores of 18.2 and of 23.1.2.
///
/// A seal is of one instance. cloud-init writes data/instance-id for the boot's own before it runs the first module (`instancify`
/// in both of its first stages, 18.2 and 23.1.2 alike); a file that a power cut has emptied is equal to nothing.
///
/// A member of a cluster (/var/lib/lxseed/formed: host, address, cluster and more, with tabs) that is given the seed of another
/// host keeps its name, its SSH host keys and its accounts: it would be locked out of, and known by another's key. A module
/// whose semaphore is there is passed over. The seed's files are planted all the same: what says that the seed is a wrong one,
/// and removes its keys, is among them.
///
/// The host's name is set here, too. cloud-init's own way writes /var/lib/cloud/data/set-hostname, and up to 22.4.2 (18.2
/// included) cannot read that file when it is empty: both of its first stages then end at every boot before they plant
/// anything. It goes that way when meta-data has a `local-hostname`, before it looks at user-data, and later unless
/// `preserve_hostname` is set.
const PREPARE: &str = concat!(
    "instance=$(cat /var/lib/cloud/data/instance-id 2>/dev/null); ",
    "if [ -z \"$instance\" ] || [ \"$instance\" != \"$(cat /var/lib/lxseed/sealed 2>/dev/null)\" ]; then ",
    "sem=/var/lib/cloud/instance/sem; ",
    "own=\"users_groups ssh\"; ",
    "formed=$(cut -f 1,3 /var/lib/lxseed/formed 2>/dev/null); ",
    "if [ -n \"$formed\" ] && [ \"$formed\" != \"$(printf \"%s\\t%s\" \"$1\" \"$2\")\" ]; then ",
    "mkdir -p $sem; for name in $own; do touch $sem/config_$name; done; own=; ",
    "else echo \"$1\" >/etc/hostname; hostname \"$1\"; fi; ",
    "for name in write_files $own runcmd scripts_user; do rm -f $sem/config_$name; done; fi",
);

/// cloud-init writes a file before it sets its mode, so for an instant a key would be open to all. Before it is written the
/// folder is closed: LXD's identity is read by root alone.
const CLOSE: [&str; 5] = ["install", "-d", "-m", "0700", "/etc/lxseed/tls"];

/// Starting without `--no-block` would hold cloud-final until the whole cluster stands. One entry, since a single
/// malformed item keeps cloud-init 18.2 from writing any of them.
const START: &str = "systemctl daemon-reload && systemctl enable lxseed-firstboot.service && systemctl start --no-block lxseed-firstboot.service";

/// The `#cloud-config` document. It holds the host's private keys.
pub(super) fn user_data(
    cluster: &Cluster,
    host: &Host,
    ssh: &SshHostKey,
    planted: &[Planted<'_>],
) -> Result<String, YamlError> {
    let private = std::str::from_utf8(ssh.private.expose())
        .map_err(|_| YamlError::Unsupported("the SSH host key is not text".to_owned()))?;
    let admin = &cluster.admin;
    let mac = host.mac.to_string();
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
        apt: Apt {
            preserve_sources_list: true,
        },
        grub_dpkg: GrubDpkg { enabled: false },
        bootcmd: [
            &CLOSE,
            &[
                "sh",
                "-c",
                PREPARE,
                "lxseed",
                host.name.as_str(),
                cluster.name.as_str(),
            ],
            &[
                "sh",
                "-c",
                network::NARROW,
                "lxseed",
                &mac,
                network::ON_A_BUS,
            ],
        ],
        write_files: planted
            .iter()
            .map(|file| {
                let (encoding, content) = file.content.encoded();
                WriteFile {
                    path: &file.path,
                    owner: "root:root",
                    permissions: file.permissions,
                    encoding,
                    content,
                }
            })
            .collect(),
        runcmd: [["sh", "-c", START]],
    };
    // The very first bytes decide whether cloud-init takes the file at all.
    yaml::to_string_below("#cloud-config\n", &document)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData<'a> {
    instance_id: String,
    // For readers of the medium; cloud-init does not know the key.
    lxseed_host: &'a str,
}

/// The instance-id alone decides whether cloud-init takes a boot for a new machine's first one, so it follows from what
/// the seed says: a constant one would keep a changed seed from being applied, a random one would break repeatability.
pub(super) fn meta_data(
    host: &Host,
    user_data: &SecretBytes,
    network_config: &str,
) -> Result<String, YamlError> {
    let mut digest = Sha256::new();
    // Of fixed length, so where one ends and the other begins is certain.
    digest.update(user_data.sha256());
    digest.update(network_config);
    let digest = hex::encode(&digest.finalize()[..8]);
    yaml::to_string(&MetaData {
        instance_id: format!("{}-{digest}", host.name),
        lxseed_host: host.name.as_str(),
    })
}
