//! `cloud_config`: somebody's own `#cloud-config`, which is added to lxseed's.

use std::collections::HashSet;
use std::sync::Arc;

use camino::Utf8Path;
use serde_json::{Map, Value};

use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit::{Replace, Write};
use crate::model::{CloudConfig, When};
use crate::profile::{self, Extra, HEADER, Spanned, did_you_mean, path_of_extra, quoted};
use crate::source::{Key, Kind, Node, Sources, Span};
use crate::target::cloud_init::{ENCODINGS, KEYS, OWNED_PATHS, Takes};

pub(super) static CHECKS: &[&Check] = &[
    &NO_CLOUD_CONFIG,
    &NOT_A_CLOUD_CONFIG,
    &OWNED_KEY,
    &UNKNOWN_CLOUD_CONFIG_KEY,
    &CLOUD_CONFIG_VALUE,
    &OWNED_FILE,
    &RUNCMD_ORDER,
];

/// A file that a host names, by whoever names it first.
struct Named<'a> {
    cluster: &'a ClusterView<'a>,
    config: &'a profile::CloudConfig,
    file: &'a Spanned<String>,
}

/// Every file that is named, on hosts and among what they share.
fn named<'a>(site: &'a SiteView<'_>) -> Vec<Named<'a>> {
    let mut all = Vec::new();
    for cluster in &site.clusters {
        let of_hosts = cluster
            .hosts
            .iter()
            .filter_map(|host| host.host().cloud_config.as_ref());
        let shared = cluster.profile().into_iter().flat_map(profile::Cluster::shared);
        let shared = shared.filter_map(|shared| shared.cloud_config.as_ref());
        let mut seen = HashSet::new();
        for config in of_hosts.chain(shared).map(|config| &config.value) {
            if let Some(file) = config.file.as_ref().filter(|file| seen.insert(file.span)) {
                all.push(Named { cluster, config, file });
            }
        }
    }
    all
}

impl<'a> Named<'a> {
    fn folder(&self, sources: &'a Sources) -> &'a Utf8Path {
        let document = self.cluster.cluster;
        let path = document.map(|document| &sources.file(document.span.file).path);
        path.and_then(|path| path.parent()).unwrap_or(Utf8Path::new(""))
    }

    fn extra(&self, sources: &Sources) -> Option<&'a Extra> {
        let path = path_of_extra(self.folder(sources), &self.file.value)?;
        self.cluster.folder.extras.iter().find(|extra| extra.path == path)
    }
}

/// The files, each once.
fn extras<'a>(site: &'a SiteView<'_>) -> impl Iterator<Item = &'a Extra> {
    site.clusters.iter().flat_map(|cluster| &cluster.folder.extras)
}

fn entries(extra: &Extra) -> &[(Key, Node)] {
    match extra.node.as_ref().map(|node| &node.kind) {
        Some(Kind::Map(entries)) => entries,
        _ => &[],
    }
}

fn takes(name: &str) -> Option<Takes> {
    let known = KEYS.iter().find(|(known, _)| *known == name);
    known.map(|(_, takes)| *takes)
}

static NO_CLOUD_CONFIG: Check = Check::error(
    "X001",
    "no-cloud-config",
    no_cloud_config,
    "The file that `cloud_config` names lies in the folder of cluster.yaml or below, outside hosts/ and disks/, and its name ends in .yaml: it is part \
     of the site, is reviewed and checked with it, and is in each seed.",
)
.example(
    &[Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n")],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_message: ready\n"),
    ],
);

fn no_cloud_config(site: &SiteView<'_>, report: &mut Report<'_>) {
    for one in named(site) {
        if one.extra(site.sources).is_some() {
            continue;
        }
        let name = &one.file.value;
        let shown = quoted(name);
        let path = path_of_extra(one.folder(site.sources), name);
        let (why, help) = match path {
            None => (
                "leads out of the cluster's folder",
                "write its path from cluster.yaml on, without `..`".to_owned(),
            ),
            Some(path)
                if site
                    .sources
                    .iter()
                    .any(|file| file.path == path && !file.text.is_empty()) =>
            {
                (
                    "is a profile",
                    "put the `#cloud-config` into a file of its own beside cluster.yaml".to_owned(),
                )
            }
            Some(path) if !matches!(path.extension(), Some("yaml" | "yml")) => {
                ("is not called *.yaml", "name it like extra.yaml".to_owned())
            }
            Some(path) => (
                "is not there",
                format!("write {path}, beginning with the line `{HEADER}`"),
            ),
        };
        report.add(one.file.span, format!("{shown} {why}"), help).label(why);
    }
}

static NOT_A_CLOUD_CONFIG: Check = Check::error(
    "X002",
    "not-a-cloud-config",
    not_a_cloud_config,
    "cloud-init decides by the first line what a text is. lxseed adds to its own `#cloud-config` what is in yours, so that both are read back and \
     checked as one. A script (`#!`), an include (`#include`, which is fetched at boot and checked by nobody), MIME, an archive, a boothook, or a \
     template (`## template: jinja`) cannot be added to it. One document is read, and it is a mapping.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#!/bin/sh\necho hello\n"),
    ],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: {file: extra.yaml, runcmd: before}\n"),
        Write("extra.yaml", "#cloud-config\nruncmd: [echo hello]\n"),
    ],
);

/// What a first line makes of a text, and what to write instead.
const HEADERS: &[(&str, &str, &str)] = &[
    ("#!", "a script", "write its commands below `runcmd:`"),
    (
        "#include",
        "a list of addresses to fetch",
        "write what they lead to; nobody could check it",
    ),
    (
        "#cloud-config-archive",
        "an archive",
        "write what is in it as one `#cloud-config`",
    ),
    ("#cloud-boothook", "a boothook", "write its commands below `runcmd:`"),
    ("#part-handler", "a part handler", "write what it would make"),
    (
        "#upstart-job",
        "a job of upstart",
        "write a unit of systemd by `write_files`",
    ),
    (
        "## template",
        "a template",
        "write what it stands for: a host's own values are its profile's",
    ),
    ("Content-Type:", "MIME", "write its parts as one `#cloud-config`"),
    ("MIME-Version:", "MIME", "write its parts as one `#cloud-config`"),
    ("From ", "MIME", "write its parts as one `#cloud-config`"),
];

fn not_a_cloud_config(site: &SiteView<'_>, report: &mut Report<'_>) {
    for extra in extras(site) {
        let source = site.sources.file(extra.file);
        let first = source.text.lines().next().unwrap_or_default().trim_end();
        let path = &source.path;
        if first != HEADER {
            // What could not be read was reported.
            if source.text.is_empty() {
                continue;
            }
            let kind = HEADERS.iter().find(|(begins, ..)| first.starts_with(begins));
            let (message, help) = match kind {
                Some((_, kind, help)) => (format!("{path} is {kind}, and not a `{HEADER}`"), (*help).to_owned()),
                None => (
                    format!("{path} does not begin with `{HEADER}`"),
                    format!("write `{HEADER}` as its first line, and nothing else there"),
                ),
            };
            report
                .add(extra.file.span(0, first.len()), message, help)
                .label("the first line");
            continue;
        }
        match &extra.node {
            Some(node) if !matches!(node.kind, Kind::Map(_)) => {
                let message = format!("{path} is {}, but a `{HEADER}` is a mapping", node.kind.noun());
                report.add(node.span, message, "write `key: value`, such as `final_message: ready`");
            }
            _ => {}
        }
    }
}

static OWNED_KEY: Check = Check::error(
    "X003",
    "owned-cloud-config-key",
    owned_key,
    "What lxseed says to cloud-init it says by keys of its own, checked against all else. The same key in your `#cloud-config` would take the place of \
     lxseed's or be lost, and a machine without its name, its login, its network or its disks as declared never becomes a member. Keys by which the \
     machine would restart or a disk be formatted would end the first boot.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\ntimezone: Europe/Berlin\n"),
    ],
    &[
        Replace("cluster.yaml", "admin:\n", "timezone: Europe/Berlin\nadmin:\n"),
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_message: ready\n"),
    ],
);

fn owned_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (key, name) in extras(site)
        .flat_map(entries)
        .filter_map(|(key, _)| Some((key, key.name.as_deref()?)))
    {
        if let Some(Takes::Owned(instead)) = takes(name) {
            report
                .add(key.span, format!("`{name}` is lxseed's own"), instead)
                .label("take it out");
        }
    }
}

static UNKNOWN_CLOUD_CONFIG_KEY: Check = Check::error(
    "X004",
    "unknown-cloud-config-key",
    unknown_key,
    "cloud-init passes over a key that it does not know, without a word. Keys are those of 18.2, which install media bring: machines that were \
     installed from one run it until it is updated.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_mesage: ready\n"),
    ],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_message: ready\n"),
    ],
);

fn unknown_key(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (key, name) in extras(site)
        .flat_map(entries)
        .filter_map(|(key, _)| Some((key, key.name.as_deref()?)))
    {
        match takes(name) {
            Some(Takes::Newer(instead)) => {
                let message = format!("cloud-init 18.2 does not know `{name}`");
                report
                    .add(key.span, message, instead)
                    .label("comes with a later version");
            }
            Some(_) => {}
            None => {
                let free = KEYS
                    .iter()
                    .filter(|(_, takes)| !matches!(takes, Takes::Owned(_) | Takes::Newer(_)));
                let similar = did_you_mean(name, free.clone().map(|(known, _)| *known));
                let help = match similar {
                    Some(similar) => format!("did you mean `{similar}`?"),
                    None => {
                        let known: Vec<&str> = free.map(|(known, _)| *known).collect();
                        format!("the keys are {}", known.join(", "))
                    }
                };
                let message = format!("cloud-init has no key {}", quoted(name));
                let finding = report.add(key.span, message, help);
                finding.label("unknown key");
                if let Some(similar) = similar {
                    finding.fix(key.span, similar);
                }
            }
        }
    }
}

static CLOUD_CONFIG_VALUE: Check = Check::error(
    "X005",
    "cloud-config-value",
    cloud_config_value,
    "The value is of another kind than cloud-init takes, or one that its reader (YAML 1.1) takes for something else than is written: `yes` is true, \
     `0644` is 420, `12:30` is 750, a date is no text. In quotes all stay what they are. One malformed command keeps cloud-init 18.2 from \
     writing any of them, lxseed's own among them; mode `644` without quotes becomes 1204.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_message: [ready]\n"),
    ],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nfinal_message: ready\n"),
    ],
);

fn cloud_config_value(site: &SiteView<'_>, report: &mut Report<'_>) {
    for extra in extras(site) {
        let mut seen = HashSet::new();
        for (key, value) in entries(extra) {
            let Some(name) = key.name.as_deref() else {
                report.add(key.span, "a key is not text", "put the key in quotes");
                continue;
            };
            if !seen.insert(name) {
                report
                    .add(key.span, format!("`{name}` is given twice"), "keep one of the two")
                    .label("given again");
                continue;
            }
            let Some(takes) = takes(name).filter(|takes| !matches!(takes, Takes::Owned(_) | Takes::Newer(_))) else {
                continue;
            };
            if fits(takes, name, value, report) {
                plain(value, site.sources, report);
            }
        }
    }
}

/// Reports a value that is of another kind.
fn fits(takes: Takes, name: &str, value: &Node, report: &mut Report<'_>) -> bool {
    let is_text = |node: &Node| matches!(node.kind, Kind::Text(_));
    // Of a number in a list of words cloud-init makes text, and so does what is taken over.
    let is_word = |node: &Node| matches!(node.kind, Kind::Text(_) | Kind::Unsigned(_));
    let is_words =
        |node: &Node| matches!(&node.kind, Kind::List(words) if !words.is_empty() && words.iter().all(is_word));
    let mut refuse = |node: &Node, what: &str, help: &str| {
        let message = format!("{what} is {}", node.kind.noun());
        report
            .add(node.span, message, help)
            .label(format!("this is {}", node.kind.noun()));
        false
    };
    let shown = format!("`{name}`");
    let item = format!("an item of `{name}`");
    let (items, fits, help): (_, &dyn Fn(&Node) -> bool, _) = match takes {
        Takes::Bool if matches!(value.kind, Kind::Bool(_)) => return true,
        Takes::Bool => return refuse(value, &shown, "write true or false, without quotes"),
        Takes::Text if is_text(value) => return true,
        Takes::Text => return refuse(value, &shown, "write one text"),
        Takes::Mapping if matches!(value.kind, Kind::Map(_)) => return true,
        Takes::Mapping => return refuse(value, &shown, "it takes a mapping"),
        Takes::Files => return files_fit(value, report),
        Takes::Words => (value, &is_text, "write a list of texts"),
        Takes::Commands => (
            value,
            &|node| is_text(node) || is_words(node),
            "write a list of commands, each a text or a list of words",
        ),
        Takes::Mounts => (value, &is_words, "write a list of lines of fstab, each a list of words"),
        Takes::Owned(_) | Takes::Newer(_) => return true,
    };
    let Kind::List(list) = &items.kind else {
        return refuse(value, &shown, help);
    };
    match list.iter().find(|item| !fits(item)) {
        Some(wrong) => refuse(wrong, &item, help),
        None => true,
    }
}

/// The files of `write_files`, each as 18.2 takes it.
fn files_fit(value: &Node, report: &mut Report<'_>) -> bool {
    const HELP: &str = "write a list of mappings: {path: /etc/motd, content: …}, with permissions, owner and encoding where they are needed";
    let Kind::List(files) = &value.kind else {
        report.add(value.span, format!("`write_files` is {}", value.kind.noun()), HELP);
        return false;
    };
    let mut fit = true;
    for file in files {
        let Kind::Map(keys) = &file.kind else {
            report.add(
                file.span,
                format!("an item of `write_files` is {}", file.kind.noun()),
                HELP,
            );
            fit = false;
            continue;
        };
        for wanted in ["path", "content"] {
            if !keys.iter().any(|(key, _)| key.name.as_deref() == Some(wanted)) {
                let message = format!("a file of `write_files` has no `{wanted}`");
                report
                    .add(file.span, message, HELP)
                    .label(format!("`{wanted}` is missing here"));
                fit = false;
            }
        }
        for (key, value) in keys {
            let name = key.name.as_deref().unwrap_or_default();
            if let Some((at, message, help)) = wrong_in_file(key, name, value) {
                report.add(at, message, help);
                fit = false;
            }
        }
    }
    fit
}

/// What is wrong with one key of a file.
fn wrong_in_file(key: &Key, name: &str, value: &Node) -> Option<(Span, String, String)> {
    let wrong = |message: String, help: &str| Some((value.span, message, help.to_owned()));
    let text = match &value.kind {
        _ if !["path", "content", "permissions", "owner", "encoding"].contains(&name) => {
            let message = format!("a file of `write_files` has no key {} in cloud-init 18.2", quoted(name));
            return Some((
                key.span,
                message,
                "the keys are path, content, permissions, owner, encoding".to_owned(),
            ));
        }
        Kind::Text(text) => text,
        _ if name == "permissions" => {
            return wrong(
                format!("`permissions` is {}", value.kind.noun()),
                "write four digits in quotes, such as \"0644\"",
            );
        }
        _ => return wrong(format!("`{name}` is {}", value.kind.noun()), "write one text"),
    };
    let is_mode =
        |text: &str| text.len() == 4 && text.starts_with('0') && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    match name {
        "permissions" if !is_mode(text) => wrong(
            format!("`permissions` is {}", quoted(text)),
            "write four octal digits in quotes that begin with 0, such as \"0644\"",
        ),
        // Files are written before users are made, and an owner that is not there ends the whole list.
        "owner" if !["root", "root:root"].contains(&text.as_str()) => wrong(
            format!("`owner` is {}: files are written before logins are made", quoted(text)),
            "write root:root, and change it by `runcmd`",
        ),
        "encoding" if !ENCODINGS.contains(&text.as_str()) => wrong(
            format!("`encoding` is {}", quoted(text)),
            "write b64, gz or gz+b64, or leave it out",
        ),
        _ => None,
    }
}

/// Reports scalars that cloud-init's reader takes for something else than is written.
fn plain(node: &Node, sources: &Sources, report: &mut Report<'_>) {
    let written = || {
        let span = node.span.anchored().unwrap_or(node.span);
        sources.file(span.file).text.get(span.range()).unwrap_or_default()
    };
    let why = match &node.kind {
        Kind::Map(entries) => {
            let mut seen = HashSet::new();
            for (key, value) in entries {
                match key.name.as_deref() {
                    None => {
                        report.add(key.span, "a key is not text", "put the key in quotes");
                    }
                    Some(name) if !seen.insert(name) => {
                        report.add(
                            key.span,
                            format!("{} is given twice", quoted(name)),
                            "keep one of the two",
                        );
                    }
                    Some(_) => plain(value, sources, report),
                }
            }
            return;
        }
        Kind::List(items) => return items.iter().for_each(|item| plain(item, sources, report)),
        Kind::Null => "is nothing",
        Kind::Number => "is no whole number",
        Kind::Unsigned(number) if written() != number.to_string() => "may be another number",
        Kind::Text(text) if written() == text && is_other(text) => "is no text in YAML 1.1",
        _ => return,
    };
    let shown = match written() {
        "" => "a value".to_owned(),
        text => quoted(text),
    };
    report
        .add(
            node.span,
            format!("{shown} {why}"),
            "put it in quotes; for a boolean write true or false",
        )
        .label(why);
}

/// Whether YAML 1.1 takes a text without quotes for a boolean, a number or a date.
fn is_other(text: &str) -> bool {
    let is_word = ["yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let parts: Vec<&str> = text.trim_start_matches(['-', '+']).split(':').collect();
    let is_sexagesimal = parts.len() > 1 && parts.iter().all(|part| digits(part));
    let is_number = text.starts_with(|c: char| c.is_ascii_digit()) && digits(text);
    let date: Vec<&str> = text.get(..10).unwrap_or(text).split('-').collect();
    let is_date = date.len() == 3 && date[0].len() == 4 && date.iter().all(|part| digits(part));
    is_word || is_sexagesimal || is_number || is_date
}

static OWNED_FILE: Check = Check::error(
    "X006",
    "owned-file",
    owned_file,
    "A file that lxseed, LXD, snapd, netplan, cloud-init or the installer has, or a path that is none: what the first boot rests on would be \
     overwritten before it begins. Paths are absolute and without `..`. A line of fstab by `mounts` names no disk of this machine: disks are laid out by \
     the disks profile.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nwrite_files:\n  - {path: /etc/netplan/60-more.yaml, content: \"network: {}\"}\n"),
    ],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nwrite_files:\n  - {path: /etc/motd, content: \"rack 7\"}\n"),
    ],
);

fn owned_file(site: &SiteView<'_>, report: &mut Report<'_>) {
    for extra in extras(site) {
        let mut seen: HashSet<&str> = HashSet::new();
        for path in paths(extra) {
            let Kind::Text(text) = &path.kind else { continue };
            let why = if !text.starts_with('/') || text.ends_with('/') {
                "is not the absolute path of a file"
            } else if text.split('/').skip(1).any(|part| ["", ".", ".."].contains(&part)) {
                "is not a plain path"
            } else if is_owned(text) {
                "is not for your `#cloud-config` to write"
            } else if !seen.insert(text) {
                "is written twice"
            } else {
                continue;
            };
            report
                .add(
                    path.span,
                    format!("{} {why}", quoted(text)),
                    "write another file, such as a drop-in beside it",
                )
                .label(why);
        }
        for line in list(extra, "mounts") {
            let Kind::List(words) = &line.kind else { continue };
            let Some(Node {
                kind: Kind::Text(what),
                span,
            }) = words.first()
            else {
                continue;
            };
            let is_disk = [
                "/dev/",
                "LABEL=",
                "UUID=",
                "PARTUUID=",
                "PARTLABEL=",
                "sd",
                "vd",
                "nvme",
                "ephemeral",
                "swap",
            ];
            if is_disk.iter().any(|begins| what.starts_with(begins)) {
                let message = format!("`mounts` names a disk of the machine, {}", quoted(what));
                report.add(
                    *span,
                    message,
                    "mount what another machine serves, such as nfs:/export, or lay the disk out by the disks profile",
                );
            }
        }
    }
}

fn is_owned(path: &str) -> bool {
    let is_below = |owned: &str| match owned.strip_suffix('_') {
        Some(_) => path.starts_with(owned),
        None => path == owned || path.strip_prefix(owned).is_some_and(|rest| rest.starts_with('/')),
    };
    // The hooks of logins: whoever writes them gets in.
    let is_ssh = path.contains("/.ssh/");
    // A folder may hold drop-ins of others.
    let is_sudo = path.starts_with("/etc/sudoers.d/") && path != "/etc/sudoers.d/90-cloud-init-users";
    (OWNED_PATHS.iter().any(|owned| is_below(owned)) && !is_sudo) || is_ssh
}

fn list<'a>(extra: &'a Extra, name: &str) -> &'a [Node] {
    let found = entries(extra).iter().find(|(key, _)| key.name.as_deref() == Some(name));
    match found.map(|(_, value)| &value.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

/// What is written: files, and the one for swap, in whose place cloud-init removes whatever is there.
fn paths(extra: &Extra) -> impl Iterator<Item = &Node> {
    let files = list(extra, "write_files")
        .iter()
        .filter_map(|file| in_map(file, "path"));
    let swap = entries(extra)
        .iter()
        .find(|(key, _)| key.name.as_deref() == Some("swap"));
    files.chain(swap.and_then(|(_, swap)| in_map(swap, "filename")))
}

fn in_map<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Kind::Map(keys) = &node.kind else { return None };
    let found = keys.iter().find(|(key, _)| key.name.as_deref() == Some(name));
    found.map(|(_, value)| value)
}

static RUNCMD_ORDER: Check = Check::error(
    "X007",
    "runcmd-order",
    runcmd_order,
    "Commands run before the first boot begins, or once it has begun. Before means that LXD is not installed yet, that the first boot waits until they \
     are done, and that one that hangs keeps the machine out of its cluster; after means that they run beside it and cannot count on LXD. So it is \
     said: `cloud_config: {file: extra.yaml, runcmd: before}`. A command that fails ends nothing. All of them run again with each new seed.",
)
.example(
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: extra.yaml\n"),
        Write("extra.yaml", "#cloud-config\nruncmd: [systemctl enable --now fstrim.timer]\n"),
    ],
    &[
        Replace("hosts/hosts.yaml", "name: node3\n", "name: node3\ncloud_config: {file: extra.yaml, runcmd: before}\n"),
        Write("extra.yaml", "#cloud-config\nruncmd: [systemctl enable --now fstrim.timer]\n"),
    ],
);

fn runcmd_order(site: &SiteView<'_>, report: &mut Report<'_>) {
    for one in named(site) {
        let Some(extra) = one.extra(site.sources).filter(|extra| extra.node.is_some()) else {
            continue;
        };
        let found = entries(extra)
            .iter()
            .find(|(key, _)| key.name.as_deref() == Some("runcmd"));
        let name = &one.file.value;
        match (&one.config.runcmd, found) {
            _ if one.config.incomplete => {}
            (None, Some((key, _))) => {
                let message = format!("{name} has `runcmd`, and nothing says when it runs");
                let help = format!(
                    "write `cloud_config: {{file: {name}, runcmd: before}}`, or `after`: before the first boot begins, or once it has begun"
                );
                report
                    .add(one.file.span, message, help)
                    .label("before or after?")
                    .also(key.span, "these commands");
            }
            (Some(when), None) => {
                let message = format!("{name} has no `runcmd`");
                report
                    .add(when.span, message, "take `runcmd` out here")
                    .label("of no use");
            }
            _ => {}
        }
    }
}

/// The file as the model has it. Only for a site without findings.
pub(in crate::check) fn taken(
    cluster: &ClusterView<'_>,
    config: &profile::CloudConfig,
    sources: &Sources,
) -> Option<Arc<CloudConfig>> {
    let file = config.file.as_ref()?;
    let extra = Named { cluster, config, file }.extra(sources)?;
    let mut keys: Map<String, Value> = entries(extra)
        .iter()
        .filter_map(|(key, node)| {
            let name = key.name.clone()?;
            let taken = match takes(&name) {
                Some(Takes::Commands | Takes::Mounts) => worded(node.to_json(&|_| None)),
                _ => node.to_json(&|_| None),
            };
            Some((name, taken))
        })
        .collect();
    let mut list = |name: &str| match keys.shift_remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    Some(Arc::new(CloudConfig {
        file: file.value.clone(),
        write_files: list("write_files"),
        runcmd: list("runcmd"),
        when: config.runcmd.as_ref().map_or(When::Before, |when| when.value),
        keys,
    }))
}

/// With text in the place of each number.
fn worded(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(worded).collect(),
        Value::Number(number) => Value::String(number.to_string()),
        other => other,
    }
}
