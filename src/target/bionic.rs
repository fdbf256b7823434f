//! Ubuntu 18.04 LTS, bionic.

use super::keyboards::XKB_2_23;
use super::locales::GLIBC_2_27;
use super::lxd::Track;
use super::{Crypt, Date, Installer, Kernel, KernelFacts, OpenSsh, Published, Release, Udev, Version};

/// Of packages that the snap stands for.
const LXD_IS_A_SNAP: &str = "LXD and its client come as a snap, and apt's are taken off";

/// The release.
pub static BIONIC: Release = Release {
    version: "18.04",
    spellings: &["bionic", "18.04", "18.4", "18-04", "1804"],
    released: Date {
        year: 2018,
        month: 4,
        day: 26,
    },
    kernels: &[
        KernelFacts {
            kernel: Kernel::Ga,
            linux: Version(4, 15),
            zfs: Version(0, 7),
        },
        KernelFacts {
            kernel: Kernel::Hwe,
            linux: Version(5, 4),
            zfs: Version(0, 8),
        },
    ],
    // The newest track whose documented kernel, 5.4, it has.
    lxd: Track::V5_0,
    udev: Udev {
        version: 237,
        ata_device_in_path: false,
        nvme_namespace_in_id: false,
    },
    openssh: OpenSsh {
        version: Version(7, 6),
        kinds: &[
            "ssh-ed25519",
            "ssh-rsa",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
        ],
        // A buffer of 16,384 bytes holds it with its end and a zero byte.
        line_max: 16_382,
        security_keys_since: Version(8, 2),
    },
    // glibc 2.27 (sha512-crypt.c).
    crypt: Crypt {
        digests: &[("6", 86), ("5", 43)],
        yescrypt: false,
        salt_max: 16,
        default_rounds: 5000,
        rounds: 1000..=999_999_999,
    },
    locales: &GLIBC_2_27,
    keyboards: XKB_2_23,
    // tzdata's NEWS since 2020a, which the media of 18.04.5 and 18.04.6 have. Where the rules became others with the name, the older
    // one has the same time but for those.
    newer_zones: &[
        ("America/Ciudad_Juarez", "America/Ojinaga"),
        ("America/Coyhaique", "America/Punta_Arenas"),
        ("Europe/Kyiv", "Europe/Kiev"),
        ("Pacific/Kanton", "Pacific/Enderbury"),
    ],
    // Of the server image; useradd fails where a group of the name exists.
    accounts: &[
        "root",
        "daemon",
        "bin",
        "sys",
        "sync",
        "games",
        "man",
        "lp",
        "mail",
        "news",
        "uucp",
        "proxy",
        "www-data",
        "backup",
        "list",
        "irc",
        "gnats",
        "nobody",
        "nogroup",
        "syslog",
        "messagebus",
        "_apt",
        "lxd",
        "uuidd",
        "dnsmasq",
        "landscape",
        "sshd",
        "pollinate",
        "adm",
        "tty",
        "disk",
        "kmem",
        "dialout",
        "fax",
        "voice",
        "cdrom",
        "floppy",
        "tape",
        "sudo",
        "audio",
        "dip",
        "operator",
        "src",
        "shadow",
        "utmp",
        "video",
        "sasl",
        "plugdev",
        "staff",
        "users",
        "input",
        "crontab",
        "netdev",
        "mlocate",
        "ssh",
    ],
    // templates/first-boot/purge.sh takes LXD's away again, with whatever needs them.
    own_packages: &[
        ("lxd", LXD_IS_A_SNAP),
        ("lxd-client", LXD_IS_A_SNAP),
        ("lxd-tools", LXD_IS_A_SNAP),
        ("lxcfs", LXD_IS_A_SNAP),
        ("lxc", LXD_IS_A_SNAP),
        ("lxc1", LXD_IS_A_SNAP),
        ("lxc2", LXD_IS_A_SNAP),
        ("lxc-utils", LXD_IS_A_SNAP),
        ("lxc-common", LXD_IS_A_SNAP),
        ("liblxc1", LXD_IS_A_SNAP),
        ("liblxc-common", LXD_IS_A_SNAP),
        (
            "snap",
            "the package of snaps is snapd, which is there; `snap` is a program for finding genes",
        ),
        (
            "ifupdown",
            "where it is, cloud-init writes the network for it and not for netplan",
        ),
        ("linux-generic-hwe-18.04", "write `kernel: hwe`"),
        ("linux-image-generic-hwe-18.04", "write `kernel: hwe`"),
        ("linux-generic", "write `kernel: ga`"),
        ("linux-image-generic", "write `kernel: ga`"),
    ],
    // About 2.5 GB of a server installation, 0.5 GB of a second kernel, the snaps of LXD, its base and snapd in two
    // revisions each, and room to unpack them.
    smallest_system_disk: 4_000_000_000,
    architecture: "amd64",
    installer: Installer::Debian,
    // From the SHA256SUMS of the releases; both are quoted alike in many independent places.
    server_images: &[
        Published {
            release: "18.04.5",
            name: "ubuntu-18.04.5-server-amd64.iso",
            sha256: "8c5fc24894394035402f66f3824beb7234b757dd2b5531379cb310cedfdf0996",
        },
        Published {
            release: "18.04.6",
            name: "ubuntu-18.04.6-server-amd64.iso",
            sha256: "f5cbb8104348f0097a8e513b10173a07dbc6684595e331cb06f93f385d0aecf6",
        },
    ],
    cloud_image: "bionic-server-cloudimg-amd64.img",
};
