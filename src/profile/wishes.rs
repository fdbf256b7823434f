//! Keys that people wish for: what exists for them, or that nothing does.

/// What there is to say of a key that is no misspelling.
pub(super) enum Answer {
    /// It goes by this name here, if the mapping has it.
    Called(&'static str),
    /// What exists for it, or that nothing does.
    Instead(&'static str),
}

const PROXY: &str = "a proxy is written as `proxy: {http: …, https: …, no_proxy: […]}` in cluster.yaml";
const MIRROR: &str = "mirrors, further sources and packages are written as `apt: {mirror: …, sources: {…}, packages: […]}` in cluster.yaml";
const KEY_ID: &str = "write the public key itself as `key: |`: no machine asks a key server";
const DHCP: &str = "addresses are fixed: write `network: {mac: …, address: …}` on each host, since members know one another by them; one that a DHCP server reserves can be written just so, and `dhcp: true` is for `networks` alone";
const MEMBERS_ON: &str =
    "lxseed has no key for it: members speak to one another on `network`, and `networks` are for what is yours";
const LOGINS: &str =
    "every host has one login, `admin: {user: …, ssh_authorized_keys: […]}`; for several people write several keys";
const TIME: &str = "time servers are written as `ntp: {servers: […], pools: […]}` in cluster.yaml";
const KEYBOARD: &str = "the consoles' keyboard is written as `keyboard: {layout: de}` in cluster.yaml";
const SOFTWARE: &str = "lxseed installs Ubuntu, LXD and the packages of `apt: {packages: […]}`; what else machines shall have is a `#cloud-config` of your own, `cloud_config: extra.yaml`";
const EXTRA: &str = "it is `cloud_config: extra.yaml` on a host, or in `defaults` of cluster.yaml for all hosts";
const CARDS: &str = "a host's card is `network: {mac: …, address: …}`; for a bond it has `links: {a: …, b: …}`, and `bond`, `vlan` and `bridge` are written below `network:` in cluster.yaml";
const BELOW_NETWORK: &str = "it is written below `network:`, in cluster.yaml or where a host differs";
const NETWORKS: &str = "further networks are `networks:` in cluster.yaml, and a host's addresses there are written below its `network:`; LXD's own are set with `lxc`";
const BELOW_NETWORK_OF_ALL: &str = "it is written below `network:` in cluster.yaml, for all hosts";
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
    (&["static_routes", "route"], "routes"),
    (&["bonds", "bonding", "team"], "bond"),
    (&["vlans", "vlan_id", "tag"], "vlan"),
    (&["bridges", "bridge_name"], "bridge"),
    (&["macs", "cards", "nics"], "links"),
    (&["slaves", "members", "ports", "interfaces"], "links"),
    (&["miimon", "mii_monitor_interval"], "mii_monitor_interval"),
    (
        &["xmit_hash_policy", "transmit_hash_policy", "hash_policy"],
        "transmit_hash_policy",
    ),
    (&["lacp", "lacp_rate"], "lacp_rate"),
    (&["mtu_bytes", "mtubytes"], "mtu"),
    (&["destination", "dest", "dst", "network", "subnet"], "to"),
    (&["gateway", "gw", "next_hop", "nexthop", "router"], "via"),
    (&["priority", "preference", "cost"], "metric"),
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
    (&["xkb_layout", "xkblayout", "keymap"], "layout"),
    (&["xkb_variant", "xkbvariant"], "variant"),
    (&["uri", "archive"], "mirror"),
    (&["security", "security_host"], "security_mirror"),
    (&["package_upgrade", "package_update", "upgrades"], "upgrade"),
    (&["apt_proxy"], "proxy"),
    (&["http_proxy", "proxy_http"], "http"),
    (&["https_proxy", "proxy_https"], "https"),
    (
        &[
            "noproxy",
            "no_proxies",
            "ignore_hosts",
            "proxy_ignore_hosts",
            "exceptions",
        ],
        "no_proxy",
    ),
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
    (
        &["proxy", "http_proxy", "https_proxy", "no_proxy", "apt_proxy", "proxies"],
        PROXY,
    ),
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
            "packages",
            "package_upgrade",
        ],
        MIRROR,
    ),
    (&["keyid", "key_id", "keyserver", "gpg", "key_url"], KEY_ID),
    (&["dhcp", "dhcp4", "dhcp6"], DHCP),
    (
        &[
            "cluster_on",
            "cluster_network",
            "cluster_address",
            "internal_network",
            "replication_network",
        ],
        MEMBERS_ON,
    ),
    (&["users", "accounts", "groups", "sudo", "root", "shell"], LOGINS),
    (
        &["ntp_servers", "timeservers", "time_servers", "chrony", "timesyncd"],
        TIME,
    ),
    (&["keyboard", "keyboard_layout", "keymap", "xkb"], KEYBOARD),
    (
        &[
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
            "ethernets",
            "interface",
            "interfaces",
            "nic",
            "nics",
            "wifis",
            "renderer",
        ],
        CARDS,
    ),
    (&["mtu", "routes"], BELOW_NETWORK),
    (&["networks"], NETWORKS),
    (&["on_link", "bond", "vlan", "bridge"], BELOW_NETWORK_OF_ALL),
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
