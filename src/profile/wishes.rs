//! Keys that people wish for: what exists for them, or that nothing does.

/// What there is to say of a key that is no misspelling.
pub(super) enum Answer {
    /// It goes by this name here, if the mapping has it.
    Called(&'static str),
    /// What exists for it, or that nothing does.
    Instead(&'static str),
}

const PROXY: &str = "lxseed has no key for a proxy; for machines without a way out there is `lxd: {offline: …}`";
const MIRROR: &str = "lxseed has no key for a mirror: packages come from Ubuntu's own archive";
const DHCP: &str = "addresses are fixed: write `network: {mac: …, address: …}` on each host; one that a DHCP server reserves can be written just so";
const LOGINS: &str =
    "every host has one login, `admin: {user: …, ssh_authorized_keys: […]}`; for several people write several keys";
const TIME: &str = "time servers are written as `ntp: {servers: […], pools: […]}` in cluster.yaml";
const KEYBOARD: &str =
    "lxseed has no key for it: consoles have a US keyboard; the time zone is `timezone: …`, the language `locale: …`";
const SOFTWARE: &str = "lxseed installs Ubuntu and LXD and nothing else; what else machines shall have is a `#cloud-config` of your own, `cloud_config: extra.yaml`";
const EXTRA: &str = "it is `cloud_config: extra.yaml` on a host, or in `defaults` of cluster.yaml for all hosts";
const CARDS: &str =
    "lxseed has no key for it: a host has one card with one fixed address, `network: {mac: …, address: …}`";
const HOSTS: &str = "each host is a profile of its own, in hosts/ beside the cluster.yaml";
const LAYOUT: &str = "lxseed has no key for it: the system takes the whole disk of `os: {slot: …}`, and each volume the whole disks of its slots";
const LXD: &str = "lxseed has no key for it: set it with `lxc` once the cluster is up";
const WORDS: &str = "what is for people is written as a comment, `# …`";
const BMC: &str = "lxseed has no key for it: it does not talk to a machine's management controller";

/// In the order of the words: what a key is called here.
const NAMES: &[(&[&str], &str)] = &[
    (&["hostname", "fqdn", "server_name"], "name"),
    (&["gateway4", "gateway6", "router", "default_gateway"], "gateway"),
    (&["dns", "dns_servers", "resolvers"], "nameservers"),
    (&["domain", "domains", "dns_search"], "search"),
    (&["cidr", "prefix", "netmask"], "subnet"),
    (&["ip", "ipv4", "ipv6", "ip_address", "addresses"], "address"),
    (&["hwaddr", "macaddress", "hardware_address", "ethernet"], "mac"),
    (
        &[
            "ssh_key",
            "ssh_keys",
            "authorized_keys",
            "public_keys",
            "pubkeys",
            "keys",
        ],
        "ssh_authorized_keys",
    ),
    (&["username", "login"], "user"),
    (&["hashed_passwd", "password_crypted", "passwd_hash"], "password_hash"),
    (&["certificates", "client_certificates", "trust"], "lxd_certificates"),
    (&["release", "distribution", "distro", "series"], "ubuntu"),
    (&["storage", "storage_pools"], "pools"),
    (&["hardware", "layout"], "disks"),
    (&["default", "all", "common", "group_vars"], "defaults"),
    (
        &["host_models", "machine_models", "groups", "classes", "roles"],
        "models",
    ),
    (&["machine", "type", "class", "role", "group"], "model"),
    (&["sysctls", "sysctl_settings", "kernel_parameters"], "sysctl"),
    (&["raid1", "md"], "mirror"),
    (&["zpool", "zfs"], "zfs_mirror"),
    (&["filesystem", "fs", "backend"], "driver"),
    (&["leader", "first", "seed"], "bootstrap"),
    (&["bays", "drives"], "slots"),
    (&["founding", "founded", "bootstrapped", "initialized"], "formed"),
    (&["time_zone", "tz", "zone", "zoneinfo"], "timezone"),
    (&["language", "lang", "locales"], "locale"),
    (&["spare", "standby", "stand_by", "reserve", "future_hosts"], "spares"),
    (
        &[
            "tombstones",
            "removed",
            "evicted",
            "revoked",
            "decommissioned",
            "retire",
        ],
        "retired",
    ),
];

/// What exists for what people wish for.
const WISHES: &[(&[&str], &str)] = &[
    (&["proxy", "http_proxy", "https_proxy", "no_proxy", "apt_proxy"], PROXY),
    (
        &[
            "mirror",
            "mirrors",
            "apt",
            "apt_mirror",
            "repository",
            "repositories",
            "ppa",
            "sources",
        ],
        MIRROR,
    ),
    (&["dhcp", "dhcp4", "dhcp6"], DHCP),
    (&["users", "accounts", "groups", "sudo", "root", "shell"], LOGINS),
    (
        &["ntp_servers", "timeservers", "time_servers", "chrony", "timesyncd"],
        TIME,
    ),
    (&["keyboard", "keyboard_layout"], KEYBOARD),
    (
        &[
            "packages",
            "snaps",
            "runcmd",
            "bootcmd",
            "commands",
            "late_commands",
            "early_commands",
            "scripts",
            "write_files",
            "files",
            "user_data",
            "ansible",
        ],
        SOFTWARE,
    ),
    (&["cloud_config", "cloudinit", "cloud_init", "extra_user_data"], EXTRA),
    (
        &[
            "bond",
            "bonds",
            "vlan",
            "vlans",
            "bridge",
            "bridges",
            "ethernets",
            "interface",
            "interfaces",
            "nic",
            "nics",
            "mtu",
            "routes",
            "wifis",
            "renderer",
        ],
        CARDS,
    ),
    (&["hosts", "nodes", "members", "servers", "machines"], HOSTS),
    (
        &[
            "partition",
            "partitions",
            "partitioning",
            "lvm",
            "swap",
            "raid0",
            "raid5",
            "raid6",
            "raid10",
            "encryption",
            "luks",
        ],
        LAYOUT,
    ),
    (
        &[
            "profiles",
            "networks",
            "config",
            "projects",
            "images",
            "containers",
            "instances",
            "instance",
        ],
        LXD,
    ),
    (
        &[
            "description",
            "comment",
            "comments",
            "notes",
            "note",
            "labels",
            "tags",
            "location",
            "rack",
        ],
        WORDS,
    ),
    (&["ipmi", "bmc", "idrac", "ilo", "redfish"], BMC),
];

/// What to say of a key that is not there to be written in this mapping, if it is one that people wish for.
pub(super) fn answer(key: &str, absent: impl Fn(&str) -> bool) -> Option<Answer> {
    let plain = key.to_lowercase().replace(['-', ' '], "_");
    let named = NAMES
        .iter()
        .find(|(words, name)| words.contains(&&*plain) && absent(name));
    if let Some((_, name)) = named {
        return Some(Answer::Called(name));
    }
    let wish = WISHES.iter().find(|(words, _)| words.contains(&&*plain));
    wish.map(|(_, instead)| Answer::Instead(instead))
}
