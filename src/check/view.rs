//! The profiles as the rules look at them: hosts next to the disks profile they name, and slots as host and disks
//! profile together say them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use time::OffsetDateTime;

use crate::model::{ByteSize, FindBy};
use crate::profile::{
    Cluster, ClusterFolder, Disks, Document, Host, Named, Profiles, Shared, Slot, Spanned, Unread, Volume, entries,
    quoted, unread,
};
use crate::snap::SnapFile;
use crate::source::{FileId, Sources, Span};

/// All clusters.
pub(super) struct SiteView<'a> {
    pub(super) clusters: Vec<ClusterView<'a>>,
    pub(super) sources: &'a Sources,
    /// Snaps and their assertions, wherever in the site.
    pub(super) snaps: &'a [SnapFile],
    /// When the check is made.
    pub(super) now: OffsetDateTime,
}

/// One cluster with its hosts.
pub(super) struct ClusterView<'a> {
    pub(super) folder: &'a ClusterFolder,
    pub(super) cluster: Option<&'a Document<Cluster>>,
    pub(super) hosts: Vec<HostView<'a>>,
}

/// A host and the cluster it is of.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) cluster: &'a ClusterView<'a>,
    pub(super) host: &'a HostView<'a>,
}

/// One host, its disks profile, and its slots.
pub(super) struct HostView<'a> {
    pub(super) document: &'a Document<Host>,
    pub(super) disks: Option<&'a Document<Disks>>,
    /// The slots that the disks profile uses, one list for all its hosts.
    pub(super) used: Arc<[Use<'a>]>,
    /// By name: what host and disks profile say about a slot, together.
    pub(super) slots: BTreeMap<&'a str, SlotView<'a>>,
    /// There may be slots that are not among these, since something about them was reported.
    pub(super) slots_unread: bool,
}

/// A slot that the system or a volume uses.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    pub(super) slot: &'a Spanned<String>,
    /// The volume's name, or nothing if it is the system.
    volume: Option<&'a str>,
}

/// One slot of one host. How the disk is found comes from the host if the host says it, else from the disks profile;
/// each guard likewise.
pub(super) struct SlotView<'a> {
    /// Where the slot is written: on the host if it is there.
    pub(super) span: Span,
    pub(super) ways: Vec<(FindBy, &'a Spanned<String>)>,
    pub(super) min_size: Option<&'a Spanned<ByteSize>>,
    pub(super) max_size: Option<&'a Spanned<ByteSize>>,
    pub(super) wipe: Option<&'a Spanned<String>>,
    /// A mistake in it was reported, so what is absent here may have been written.
    pub(super) incomplete: bool,
}

impl<'a> SiteView<'a> {
    pub(super) fn of(profiles: &'a Profiles, now: OffsetDateTime) -> Self {
        Self {
            now,
            clusters: profiles.clusters.par_iter().map(ClusterView::of).collect(),
            sources: &profiles.sources,
            snaps: &profiles.snaps,
        }
    }

    /// Every disks profile of every cluster.
    pub(super) fn disks(&self) -> impl Iterator<Item = &'a Disks> {
        let all = self.clusters.iter().flat_map(|cluster| &cluster.folder.disks);
        all.map(|document| &document.value)
    }

    /// Every cluster's profile.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &'a Cluster> {
        self.clusters.iter().filter_map(ClusterView::profile)
    }

    /// Every slot as it is written, in disks profiles, on hosts and among what they share.
    pub(super) fn written_slots(&self) -> impl Iterator<Item = &'a (Spanned<String>, Spanned<Slot>)> {
        let of_disks = self.disks().map(|disks| &disks.slots);
        let of_hosts = self.hosts().map(|host| &host.host().slots);
        let shared = self.profiles().flat_map(Cluster::shared).flat_map(Shared::slots);
        let own = of_disks.chain(of_hosts).flat_map(|slots| entries(slots.as_ref()));
        own.chain(shared)
    }

    /// Every host of every cluster, with the cluster.
    pub(super) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let of = |cluster| move |host| Member { cluster, host };
        self.clusters
            .iter()
            .flat_map(move |cluster| cluster.hosts.iter().map(of(cluster)))
    }

    /// What to call two hosts in one message: by their names, with their clusters where the names are the same, by the
    /// places where they are written if those are the same, too.
    pub(super) fn call(&self, one: Member<'_>, other: Member<'_>) -> (String, String) {
        let name = |member: Member<'_>| member.host.label().to_owned();
        let in_cluster = |member: Member<'_>| {
            let cluster = member.cluster.profile().and_then(|profile| profile.name.as_ref());
            let cluster = cluster.map_or("", |name| name.value.as_str());
            format!("{cluster}/{}", member.host.label())
        };
        let at = |member: Member<'_>| {
            let span = member.host.document.span;
            let file = self.sources.file(span.file);
            format!(
                "{} ({}:{})",
                member.host.label(),
                file.path,
                file.place(span.range().start).line
            )
        };
        let told_apart = |name: &dyn Fn(Member<'_>) -> String| (name(one), name(other));
        [&name as &dyn Fn(Member<'_>) -> String, &in_cluster]
            .into_iter()
            .map(told_apart)
            .find(|(one, other)| one != other)
            .unwrap_or_else(|| told_apart(&at))
    }

    /// Every host of every cluster.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &HostView<'a>> {
        self.clusters.iter().flat_map(|cluster| &cluster.hosts)
    }
}

impl<'a> ClusterView<'a> {
    fn of(folder: &'a ClusterFolder) -> Self {
        let by_name: BTreeMap<&str, (&Document<Disks>, Arc<[Use<'_>]>)> = folder
            .disks
            .iter()
            .rev()
            .filter_map(|disks| {
                let name = disks.value.name.as_ref()?.value.as_str();
                Some((name, (disks, uses(&disks.value).into())))
            })
            .collect();
        let hosts = folder
            .hosts
            .iter()
            .map(|document| {
                let (disks, used) = document
                    .value
                    .disks
                    .as_ref()
                    .and_then(|name| by_name.get(name.value.as_str()))
                    .map(|(disks, used)| (*disks, Arc::clone(used)))
                    .unzip();
                HostView {
                    document,
                    disks,
                    used: used.unwrap_or_default(),
                    slots: slots(&document.value, disks),
                    slots_unread: slots_unread(&document.value, disks),
                }
            })
            .collect();
        Self {
            folder,
            cluster: folder.cluster.as_ref(),
            hosts,
        }
    }

    /// The cluster's files, with repeats.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        let of_cluster = self.cluster.into_iter().map(|document| document.span.file);
        let of_hosts = self.folder.hosts.iter().map(|document| document.span.file);
        let of_disks = self.folder.disks.iter().map(|document| document.span.file);
        let stray = self.folder.stray.iter().copied();
        let extras = self.folder.extras.iter().map(|extra| extra.file);
        of_cluster.chain(of_hosts).chain(of_disks).chain(stray).chain(extras)
    }

    /// The names of its hosts.
    pub(super) fn host_names(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        let hosts = self.folder.hosts.iter();
        hosts.filter_map(|host| host.value.name.as_ref())
    }

    /// Whether the names of all its disks profiles are known.
    pub(super) fn knows_disks(&self) -> bool {
        let mut disks = self.folder.disks.iter();
        !self.folder.disks_incomplete && disks.all(|disks| disks.value.name.is_some())
    }

    /// The names of its disks profiles.
    pub(super) fn disks_names(&self) -> impl Iterator<Item = &'a Spanned<String>> {
        let disks = self.folder.disks.iter();
        disks.filter_map(|disks| disks.value.name.as_ref())
    }

    /// The cluster's profile, if there is one.
    pub(super) fn profile(&self) -> Option<&'a Cluster> {
        self.cluster.map(|document| &document.value)
    }
}

impl<'a> HostView<'a> {
    pub(super) fn host(&self) -> &'a Host {
        &self.document.value
    }

    /// The host's name for messages.
    pub(super) fn label(&self) -> &'a str {
        self.host().name.as_ref().map_or("a host", |name| name.value.as_str())
    }

    /// Whether every slot that the system or a volume uses is known.
    pub(super) fn uses_are_known(&self) -> bool {
        self.disks.is_some_and(|disks| uses_are_known(&disks.value))
    }

    /// The volumes of the disks profile.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &'a (Spanned<String>, Spanned<Volume>)> {
        self.disks.into_iter().flat_map(|disks| volumes(&disks.value))
    }
}

impl Use<'_> {
    pub(super) fn is_system(&self) -> bool {
        self.volume.is_none()
    }

    /// Who uses it, for messages.
    pub(super) fn user(&self) -> String {
        self.volume
            .map_or_else(|| "the system".to_owned(), |name| format!("volume {}", quoted(name)))
    }
}

/// Whether every slot that a disks profile's system and volumes use is known.
pub(super) fn uses_are_known(disks: &Disks) -> bool {
    let mut volumes = volumes(disks);
    !disks.unread.any(&["os", "volumes"]) && volumes.all(|(_, volume)| volume_slots(&volume.value).next().is_some())
}

/// The slots that a disks profile's system and volumes use, each with the place that asks for it.
pub(super) fn uses(disks: &Disks) -> Vec<Use<'_>> {
    let os = disks.os.as_ref().and_then(|os| os.value.slot.as_ref());
    let os = os.map(|slot| Use { slot, volume: None });
    let volumes = volumes(disks).flat_map(|(name, volume)| {
        volume_slots(&volume.value).map(|slot| Use {
            slot,
            volume: Some(&name.value),
        })
    });
    os.into_iter().chain(volumes).collect()
}

/// Whether host or disks profile may have slots that nothing is known of, not even the name.
fn slots_unread(host: &Host, disks: Option<&Document<Disks>>) -> bool {
    let unread = |slots: Option<&Spanned<Named<Slot>>>, unread: &Unread| match slots {
        Some(slots) => slots.value.has_nameless(),
        None => unread.key("slots"),
    };
    unread(host.slots.as_ref(), &host.unread)
        || disks.is_some_and(|disks| unread(disks.value.slots.as_ref(), &disks.value.unread))
}

fn slots<'a>(host: &'a Host, disks: Option<&'a Document<Disks>>) -> BTreeMap<&'a str, SlotView<'a>> {
    let mut merged: BTreeMap<&str, SlotView<'_>> = BTreeMap::new();
    if let Some(disks) = disks {
        for (name, slot) in entries(disks.value.slots.as_ref()) {
            merged.insert(&name.value, slot_view(name.span, &slot.value));
        }
        for name in unread(disks.value.slots.as_ref()) {
            merged.insert(&name.value, unread_slot(name.span));
        }
    }
    for (name, slot) in entries(host.slots.as_ref()) {
        let own = slot_view(name.span, &slot.value);
        match merged.get_mut(name.value.as_str()) {
            None => {
                merged.insert(&name.value, own);
            }
            Some(base) => {
                base.span = own.span;
                if !own.ways.is_empty() {
                    base.ways = own.ways;
                }
                base.min_size = own.min_size.or(base.min_size);
                base.max_size = own.max_size.or(base.max_size);
                base.wipe = own.wipe.or(base.wipe);
                base.incomplete |= own.incomplete;
            }
        }
    }
    for name in unread(host.slots.as_ref()) {
        let slot = merged.entry(&name.value).or_insert_with(|| unread_slot(name.span));
        slot.incomplete = true;
    }
    merged
}

/// A slot of which nothing but the name is known.
fn unread_slot<'a>(span: Span) -> SlotView<'a> {
    SlotView {
        span,
        ways: Vec::new(),
        min_size: None,
        max_size: None,
        wipe: None,
        incomplete: true,
    }
}

/// The volumes of a disks profile.
pub(super) fn volumes(disks: &Disks) -> impl Iterator<Item = &(Spanned<String>, Spanned<Volume>)> {
    entries(disks.volumes.as_ref()).iter()
}

/// The ways of finding a disk that a slot gives.
pub(super) fn ways(slot: &Slot) -> impl Iterator<Item = (FindBy, &Spanned<String>)> {
    let fields = [
        (FindBy::ById, &slot.by_id),
        (FindBy::Serial, &slot.serial),
        (FindBy::Wwn, &slot.wwn),
        (FindBy::ByPath, &slot.by_path),
        (FindBy::Hctl, &slot.hctl),
    ];
    fields.into_iter().filter_map(|(by, value)| Some((by, value.as_ref()?)))
}

fn slot_view(span: Span, slot: &Slot) -> SlotView<'_> {
    SlotView {
        span,
        ways: ways(slot).collect(),
        min_size: slot.min_size.as_ref(),
        max_size: slot.max_size.as_ref(),
        wipe: slot.wipe.as_ref(),
        incomplete: slot.incomplete,
    }
}

/// The slots a volume names, in order.
pub(super) fn volume_slots(volume: &Volume) -> impl Iterator<Item = &Spanned<String>> {
    let device = volume.device.iter();
    let mirrors = [&volume.mirror, &volume.zfs_mirror]
        .into_iter()
        .flatten()
        .flat_map(|list| &list.value);
    device.chain(mirrors)
}
