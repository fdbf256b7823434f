//! What many hosts share, written once: `defaults` and `models` in cluster.yaml. They are laid under each host's document
//! before that is lowered, so that every value keeps the one place where it is written, and no rule has to know of them.

use serde_json::Value;

use super::cloud_config::CloudConfig;
use super::describe::Describe;
use super::lower::{Lower, Named, Spanned, Where, entries, record};
use super::sysctl::{self, Setting};
use super::types::{Cluster, PATHS, Slot, disk_link, form, label, labelled};
use crate::budget::MAX_SHARED_VALUES;
use crate::finding::Findings;
use crate::model::ByteSize;
use crate::source::{Key, Kind, Node, Span};

record! {
    /// What hosts share: keys of a host that may be the same on many machines. A host says otherwise by writing the key itself:
    /// mappings are laid over one another key by key, anything else replaces the whole. What tells one machine from another
    /// stays in its own profile.
    pub(crate) struct Shared {
        /// The disks profile of these machines.
        optional disks: String = label(),
        /// How slots are found, and guards, as far as they are the same on these machines.
        optional slots: SharedSlots = labelled(),
        /// A `#cloud-config` of your own that is added to what lxseed writes. A host that names another has that one alone.
        optional cloud_config: CloudConfig,
        /// Settings of the running kernel, by the names that `sysctl -a` prints.
        optional sysctl: Named<Setting> = sysctl::keys(),
    }
}

record! {
    /// One entry of `slots:` that many hosts share: places and sizes, but nothing that is of one disk alone.
    pub(crate) struct SharedSlot {
        /// Name below /dev/disk/by-path.
        optional by_path: String = disk_link(PATHS, "pci-0000:00:17.0-ata-1"),
        /// SCSI host:channel:target:lun.
        optional hctl: String = form("^(0|[1-9][0-9]*)(:(0|[1-9][0-9]*)){3}$", "host:channel:target:lun", &["0:2:1:0"]),
        /// The disk is at least this large.
        optional min_size: ByteSize,
        /// The disk is at most this large.
        optional max_size: ByteSize,
    }
}

/// Slots that many hosts share, as hosts have them.
#[derive(Clone, Debug)]
pub(crate) struct SharedSlots(Named<Slot>);

impl Lower for SharedSlots {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        let slots: Named<SharedSlot> = Named::lower(node, where_, findings)?;
        Some(Self(slots.map(|slot| Slot {
            incomplete: slot.incomplete,
            unread: slot.unread,
            by_id: None,
            serial: None,
            wwn: None,
            by_path: slot.by_path,
            hctl: slot.hctl,
            min_size: slot.min_size,
            max_size: slot.max_size,
            wipe: None,
        })))
    }
}

impl Describe for SharedSlots {
    fn schema() -> Value {
        Named::<SharedSlot>::schema()
    }
}

impl Shared {
    /// The slots, in the order written.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &(Spanned<String>, Spanned<Slot>)> {
        self.slots.iter().flat_map(|slots| slots.value.0.iter())
    }
}

impl Cluster {
    /// What its hosts share: `defaults`, then each model.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &Shared> {
        let models = entries(self.models.as_ref()).iter().map(|(_, model)| &model.value);
        self.defaults.iter().map(|defaults| &defaults.value).chain(models)
    }
}

/// The keys of a host that no two machines have the same, and what there is to say where one stands among what is shared.
const OF_ONE_MACHINE: &[&str] = &[
    "name",
    "hostname",
    "network",
    "mac",
    "address",
    "generation",
    "dmi_serial",
    "reinstall",
];
/// The same of a slot.
const OF_ONE_DISK: &[&str] = &["serial", "by_id", "wwn", "wipe"];

/// What to say of a key that stands among what hosts share, and is of one machine alone.
pub(super) fn of_one_machine(key: &str) -> Option<&'static str> {
    if OF_ONE_MACHINE.contains(&key) {
        return Some("it differs from machine to machine: write it in each host's own profile");
    }
    OF_ONE_DISK
        .contains(&key)
        .then_some("it is of one disk alone: write it in the slots of the host that has the disk")
}

/// The ways to find a disk: a host that gives one gives the only one.
const WAYS: &[&str] = &["by_id", "serial", "wwn", "by_path", "hctl"];

/// What the hosts of one cluster share, as it is written.
#[derive(Debug)]
pub(super) struct Groups {
    /// A place in cluster.yaml, for what is not known of a host.
    place: Span,
    defaults: Option<Node>,
    models: Vec<(String, Node)>,
    /// The keys that may be shared.
    keys: Vec<String>,
    /// Nothing in it was reported.
    is_whole: bool,
}

impl Groups {
    /// What a cluster.yaml says. `is_whole` if nothing about it was reported.
    pub(super) fn of(document: Option<&Node>, place: Span, is_whole: bool) -> Self {
        let part = |name: &str| entry(document?, name).cloned();
        let models = match part("models").map(|models| models.kind) {
            Some(Kind::Map(models)) => models,
            _ => Vec::new(),
        };
        let models = models.into_iter().filter_map(|(key, model)| Some((key.name?, model)));
        let schema = Shared::schema();
        let keys = schema["properties"].as_object().into_iter().flatten();
        Self {
            place,
            defaults: part("defaults"),
            models: models.collect(),
            keys: keys.map(|(key, _)| key.clone()).collect(),
            is_whole,
        }
    }

    /// The stretches of text that hosts share.
    pub(super) fn regions(&self) -> Vec<Span> {
        let models = self.models.iter().map(|(_, model)| model);
        self.defaults.iter().chain(models).map(extent).collect()
    }

    /// Whether so many hosts can take what is shared; what is too much is given up.
    pub(super) fn fits(&mut self, hosts: usize) -> bool {
        let models = self.models.iter().map(|(_, model)| size(model)).max();
        let each = self.defaults.as_ref().map_or(0, size) + models.unwrap_or(0);
        let fits = each.saturating_mul(hosts) <= MAX_SHARED_VALUES;
        self.is_whole &= fits;
        fits
    }

    /// Where `defaults`, or else the first model, is written.
    pub(super) fn span(&self) -> Span {
        let first = self.models.first().map(|(_, model)| model);
        self.defaults.as_ref().or(first).map_or(self.place, |node| node.span)
    }

    /// A host's document with what it shares below it. Where that is not known, each key that may be shared is marked as not
    /// known, by a value that is reported in cluster.yaml, where a mistake has been reported already.
    pub(super) fn under(&self, mut host: Node) -> Node {
        let Kind::Map(own) = &mut host.kind else { return host };
        // What is of another program is left as it is, and told so.
        let is_ours = |key: &Key| {
            let name = key.name.as_deref().unwrap_or_default();
            ["name", "model", "network"].contains(&name) || self.keys.iter().any(|known| known == name)
        };
        if !own.iter().any(|(key, _)| is_ours(key)) {
            return host;
        }
        let named = own.iter().find(|(key, _)| key.name.as_deref() == Some("model"));
        let model = match named.map(|(_, name)| &name.kind) {
            None => Some(None),
            Some(Kind::Text(name)) => self.models.iter().find(|(known, _)| known == name).map(Some),
            Some(_) => None,
        };
        match model.filter(|_| self.is_whole) {
            Some(model) => {
                for layer in model.map(|(_, node)| node).into_iter().chain(&self.defaults) {
                    if let Kind::Map(under) = &layer.kind {
                        lay(own, under, Level::Host);
                    }
                }
            }
            None => self.mark(own),
        }
        host
    }

    fn mark(&self, own: &mut Vec<(Key, Node)>) {
        let unknown = |name: Option<String>| {
            let key = Key { name, span: self.place };
            let value = Node {
                kind: Kind::Null,
                span: self.place,
            };
            (key, value)
        };
        for name in &self.keys {
            let there = own.iter_mut().find(|(key, _)| key.name.as_ref() == Some(name));
            match there.map(|(_, value)| &mut value.kind) {
                None => own.push(unknown(Some(name.clone()))),
                Some(Kind::Map(entries)) => entries.push(unknown(None)),
                Some(_) => {}
            }
        }
    }
}

/// What a mapping of a host is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Host,
    Slots,
    Slot,
    /// It is taken as a whole.
    Unit,
    Other,
}

/// Adds to a mapping what it has not.
fn lay(over: &mut Vec<(Key, Node)>, under: &[(Key, Node)], level: Level) {
    let is_way = |key: &Key| key.name.as_deref().is_some_and(|name| WAYS.contains(&name));
    let finds = level == Level::Slot && over.iter().any(|(key, _)| is_way(key));
    for (key, value) in under {
        if finds && is_way(key) {
            continue;
        }
        let level = match (level, key.name.as_deref()) {
            (Level::Host, Some("slots")) => Level::Slots,
            (Level::Host, Some("cloud_config")) => Level::Unit,
            (Level::Slots, _) => Level::Slot,
            _ => Level::Other,
        };
        match over.iter_mut().find(|(own, _)| own.name == key.name) {
            None => over.push((key.clone(), value.clone())),
            // A file and when its commands run belong together.
            Some(_) if level == Level::Unit => {}
            Some((_, own)) => {
                if let (Kind::Map(own), Kind::Map(under)) = (&mut own.kind, &value.kind) {
                    lay(own, under, level);
                }
            }
        }
    }
}

/// The value of a key.
pub(super) fn entry<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Kind::Map(entries) = &node.kind else { return None };
    let found = entries.iter().find(|(key, _)| key.name.as_deref() == Some(name));
    found.map(|(_, value)| value)
}

/// How many values a tree has.
fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
        Kind::List(items) => items.iter().map(size).sum(),
        _ => 0,
    }
}

/// From the first byte of a tree to its last.
fn extent(node: &Node) -> Span {
    let below: Vec<Span> = match &node.kind {
        Kind::Map(entries) => entries
            .iter()
            .flat_map(|(key, value)| [key.span.used(), extent(value)])
            .collect(),
        Kind::List(items) => items.iter().map(extent).collect(),
        _ => Vec::new(),
    };
    below.into_iter().fold(node.span.used(), Span::reach)
}

/// Lays the slots of a disks profile under those of a host.
pub(super) fn slots_under(host: &mut Node, disks: &Node) {
    let (Kind::Map(own), Some(slots)) = (&mut host.kind, entry(disks, "slots")) else {
        return;
    };
    match own.iter_mut().find(|(key, _)| key.name.as_deref() == Some("slots")) {
        Some((_, own)) => {
            if let (Kind::Map(own), Kind::Map(under)) = (&mut own.kind, &slots.kind) {
                lay(own, under, Level::Slots);
            }
        }
        None => {
            let key = Key {
                name: Some("slots".to_owned()),
                span: slots.span,
            };
            own.push((key, slots.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::source::{Sources, parse};

    /// A few bytes of each of many hosts could otherwise bring a large cluster.yaml with them, each its own.
    #[test]
    fn what_is_shared_is_not_laid_under_any_number_of_hosts() {
        let slots: Vec<String> = (0..1000).map(|at| format!("s{at}: {{min_size: 1GB}}")).collect();
        let text = format!("defaults: {{slots: {{{}}}}}", slots.join(", "));
        let file = Sources::default().add("cluster.yaml".into(), text.clone());
        let documents = parse(&text, file).unwrap();
        let groups = || Groups::of(documents.first(), file.start(), true);
        assert!(groups().fits(400));
        let mut groups = groups();
        assert!(!groups.fits(1000));
        // What is not laid under a host is not known of it.
        let host = parse("name: a", file).unwrap().remove(0);
        let host = groups.under(host);
        assert!(matches!(entry(&host, "slots").unwrap().kind, Kind::Null));
    }
}
