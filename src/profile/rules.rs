//! The rules about files and shape; [`crate::check`] holds those about meaning.

use crate::finding::Edit::{Bytes, LinkOut, Locked, Remove, Replace, Write};
use crate::finding::{Family, Rule, rules};

pub(crate) static FAMILIES: &[Family] = &[Family::new('S', "Files"), Family::new('P', "Keys and values")];

// Files of the example site, and texts in them.
const CLUSTER: &str = "cluster.yaml";
const MODEL: &str = "disks/model.yaml";
const HOSTS: &str = "hosts/hosts.yaml";
const NODE3: &str = "---
name: node3
disks: model
network: {mac: \"52:54:00:aa:00:03\", address: 192.168.10.13}
slots: {a1: {serial: WD-A100003}, a2: {serial: WD-A200003}}
";

rules! {
pub(crate) static UNREADABLE: Rule = Rule::error(
    "S001",
    "unreadable-file",
    "A profile must be a regular file that can be read, and all profiles of a site have at most 8 MiB together. 10,000 hosts take \
     about 4 MB, so what is larger is something else, and a pipe or a device might never end. A report tells 20,000 findings, and how \
     many more there are.",
)
.example(
    &[Locked("hosts/rack2.yaml")],
    &[],
);
pub(super) static NOT_UTF8: Rule = Rule::error(
    "S002",
    "not-utf8",
    "Profiles are UTF-8. Text in another encoding would end up garbled on the machines, or be rejected by the YAML reader \
     of cloud-init, which takes UTF-8 only.",
)
.example(
    &[Bytes(MODEL, b"# R\xf6tlich\nname: model\n")],
    &[Replace(MODEL, "name: model\n", "# R\u{f6}tlich\nname: model\n")],
);
pub(super) static YAML_SYNTAX: Rule = Rule::error(
    "S003",
    "yaml-syntax",
    "The file is not well-formed YAML, so nothing in it can be known for certain.",
)
.example(&[Replace(CLUSTER, "  user: ops", "\tuser: ops")], &[]);
pub(super) static YAML_BUDGET: Rule = Rule::error(
    "S004",
    "yaml-budget",
    "Profiles come from outside, so nesting (32 levels) and alias expansion (about twice the file's own size) are bounded: a few \
     hundred bytes of nested aliases could otherwise fill the memory of a CI machine.",
)
.example(
    &[Replace(CLUSTER, "[192.168.10.1]", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[192.168.10.1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")],
    &[],
);
pub(super) static EMPTY_FILE: Rule = Rule::error(
    "S005",
    "empty-file",
    "A profile file without a document is most likely one that was cut or not saved; ignoring it would silently drop a host.",
)
.example(
    &[Write("hosts/node4.yaml", "# to be written\n")],
    &[],
);
pub(super) static STRAY_FILE: Rule = Rule::warning(
    "S006",
    "stray-file",
    "Only cluster.yaml and the *.yaml files in hosts/ and disks/ beside it are read. A YAML file anywhere else in the site, and any file in hosts/ \
     and disks/ that is called otherwise, is most likely a misplaced or misnamed profile, whose host would silently be missing. What editors \
     leave behind, texts such as README and what keeps a folder in git are passed over.",
)
.example(
    &[Write("hosts/node4.yml", "name: node4\n")],
    &[],
);
pub(super) static SECRET_IN_SITE: Rule = Rule::error(
    "S007",
    "secret-in-site",
    "Profiles are shared and reviewed, the site secret must not be: whoever has it has every key of the site.",
)
.example(
    &[Write("lxseed.secret", "")],
    &[],
);
pub(super) static NO_CLUSTER: Rule = Rule::error(
    "S008",
    "no-cluster",
    "A site is a folder with at least one cluster.yaml; hosts/ and disks/ belong to the cluster.yaml beside them.",
)
.example(
    &[Remove(CLUSTER)],
    &[],
);
pub(super) static MANY_CLUSTERS: Rule = Rule::error(
    "S009",
    "many-clusters-in-a-file",
    "hosts/ and disks/ belong to the one cluster that the cluster.yaml beside them describes, so it holds one document.",
)
.example(
    &[Replace(CLUSTER, "ops@desk\n", "ops@desk
---
name: store
ubuntu: \"18.04\"
bootstrap: store1
network: {subnet: 192.168.20.0/24, gateway: 192.168.20.1}
pools: {data1: {driver: btrfs}}
admin: {user: ops, ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq]}
")],
    &[],
);
pub(super) static LINK_OUT_OF_SITE: Rule = Rule::error(
    "S010",
    "link-out-of-site",
    "A link in a site is followed only as long as it stays in the site: profiles come from outside, and a link to any other file of the \
     machine that checks them would show its text in the report.",
)
.example(
    &[LinkOut("hosts/node4.yaml")],
    &[],
);
pub(super) static NAME_OF_ANOTHER_FILE: Rule = Rule::warning(
    "S011",
    "name-of-another-file",
    "A file that holds one host and is called like another host is most likely a copy or a mix-up: whoever mends node2 would open node2.yaml \
     and change another machine. The names in the files count, not the files' own.",
)
.example(
    &[
        Replace(HOSTS, NODE3, ""),
        Write("hosts/node2.yaml", NODE3),
    ],
    &[
        Replace(HOSTS, NODE3, ""),
        Write("hosts/node3.yaml", NODE3),
    ],
);
pub(super) static FILES_DIFFER_BY_CASE: Rule = Rule::warning(
    "S012",
    "files-differ-by-case",
    "Where file names have no capitals, as on most disks of macOS and Windows, only one of the two is there after a checkout, and the other's host \
     is silently missing.",
)
.example(
    &[
        Replace(HOSTS, NODE3, ""),
        Write("hosts/Hosts.yaml", NODE3),
    ],
    &[
        Replace(HOSTS, NODE3, ""),
        Write("hosts/node3.yaml", NODE3),
    ],
);
pub(super) static UNKNOWN_KEY: Rule = Rule::error(
    "P001",
    "unknown-key",
    "A key that nothing reads is a misspelling more often than not, and what it was meant to set would silently keep its default.",
)
.example(
    &[Replace(CLUSTER, "overlay: fan", "overlai: fan")],
    &[],
);
pub(super) static DUPLICATE_KEY: Rule = Rule::error(
    "P002",
    "duplicate-key",
    "YAML readers keep the first or the last of two equal keys, each as it likes, so one of the two values would silently be lost.",
)
.example(
    &[Replace(CLUSTER, "  overlay: fan", "  overlay: fan\n  overlay: bridge")],
    &[],
);
pub(super) static MISSING_KEY: Rule = Rule::error(
    "P003",
    "missing-key",
    "The key has no default that could be right for every site, so it has to be written.",
)
.example(&[Replace(CLUSTER, "bootstrap: node1\n", "")], &[]);
pub(super) static WRONG_TYPE: Rule = Rule::error(
    "P004",
    "wrong-type",
    "The value is of another kind than the key takes. Numbers and booleans are not taken for text, since YAML would already have \
     changed them (18.10 is 18.1, 0123 is 83 or 123): quotes keep what is written.",
)
.example(
    &[Replace(CLUSTER, "\"18.04\"", "18.04")],
    &[],
);
pub(super) static INVALID_VALUE: Rule = Rule::error(
    "P005",
    "invalid-value",
    "The value is of the right kind, but not one that the key can have.",
)
.example(
    &[Replace(CLUSTER, "{driver: btrfs}", "{driver: btrsf}")],
    &[],
);
pub(super) static PLACEHOLDER: Rule = Rule::error(
    "P006",
    "placeholder-value",
    "A value such as CHANGEME, <serial>, $SERIAL or {{ serial }} was to be filled in, by a person or by a template's engine. Where any text will \
     do it would reach the machine as it is: a disk of that serial number is in no machine, so the machine would stop. A number that tells one disk \
     or machine from all others is no dash, no zero and no row of dots either. Keys, certificates and hashes are passed over; their text is chance.",
)
.example(
    &[Replace(HOSTS, "{serial: WD-A100001}", "{serial: CHANGEME}")],
    &[],
);
pub(crate) static SAMPLE: Rule = Rule::error(
    "P007",
    "sample-value",
    "lxseed's README, shipped profiles and explanations of rules carry an SSH key, a password hash, a client certificate and serial numbers, for \
     everybody to read. Copied into a site of one's own they let in whoever has the other half, keep its owner out, or name a disk that no machine \
     has. The shipped profiles themselves are passed over as long as their hosts have the hardware addresses they were shipped with, which no \
     machine of yours has.",
)
.example(
    &[Replace(CLUSTER, "GPOq ops@desk", "GPOq me@desk")],
    &[Replace(
        CLUSTER,
        "AAAAC3NzaC1lZDI1NTE5AAAAIFvXqtHUOyuxEgmKSkD4Kbo1x58GAGnrJv6mGFajGPOq ops@desk",
        "AAAAC3NzaC1lZDI1NTE5AAAAIAsAOHCOHRZ/cHzejSG0MmPEI3eXVNR1iTyxeO2aOZeq me@desk",
    )],
);

pub(super) static PRIVATE_KEY: Rule = Rule::error(
    "A001",
    "private-key-in-profile",
    "Profiles are shared and reviewed; a private key in one, be it in a comment, or in a file beside them has to be taken as known to everybody who \
     ever saw the repository. Every key a machine needs is derived from the site secret.",
)
.example(
    &[Replace(CLUSTER, "  user: ops\n", "  user: ops
  lxd_certificates:
    desk: |
      -----BEGIN EC PRIVATE KEY-----
      MIGkAgEBBDD
")],
    &[],
);
pub(super) static PLAIN_PASSWORD: Rule = Rule::error(
    "A002",
    "plain-password-in-profile",
    "A password in a profile is known to everybody who can read the repository. Members join by certificates, so LXD needs none; \
     an administrator's console login takes a salted hash.",
)
.example(
    &[Replace(CLUSTER, "  user: ops\n", "  user: ops\n  password: hunter2\n")],
    &[Replace(CLUSTER, "  user: ops\n", "  user: ops\n  password_hash: \"$6$q1w2e3r4t5y6$P4qn3qQdb4IVz2K2yL0bM95Z9S1yeDvAbd607S4xh2hu.oeiL3OiTGHe2o25YCQX1MX.x6Jf6ijsxjh344QO8/\"\n")],
);
}
