//! Where a cluster's profile says what a living cluster is held against.

use std::collections::BTreeMap;

use super::Checked;
use crate::profile::{Spanned, entries};
use crate::source::Span;

/// The places of one cluster. What its profile leaves to a default is the cluster's own, which is its name.
pub(crate) struct Places {
    /// Its name.
    pub(crate) cluster: Span,
    /// Which kernel its machines run.
    pub(crate) kernel: Span,
    /// The channel of LXD's snap.
    pub(crate) channel: Span,
    /// Whether the desk has a key.
    pub(crate) desk: Span,
    /// The generation of the cluster's own pair.
    pub(crate) generation: Span,
    /// The number of the founding.
    pub(crate) formed: Span,
    hosts: BTreeMap<String, Span>,
    pools: BTreeMap<String, Span>,
    people: BTreeMap<String, Span>,
}

impl Places {
    /// The name of a host.
    pub(crate) fn host(&self, name: &str) -> Span {
        self.hosts.get(name).copied().unwrap_or(self.cluster)
    }

    /// The key of a pool.
    pub(crate) fn pool(&self, name: &str) -> Span {
        self.pools.get(name).copied().unwrap_or(self.cluster)
    }

    /// The key of an administrator's certificate.
    pub(crate) fn person(&self, name: &str) -> Span {
        self.people.get(name).copied().unwrap_or(self.cluster)
    }
}

fn keys<T>(entries: &[(Spanned<String>, Spanned<T>)]) -> BTreeMap<String, Span> {
    let keys = entries.iter().map(|(key, _)| (key.value.clone(), key.span));
    keys.collect()
}

impl Checked {
    /// The places of the cluster of that name; none if no profile declares it.
    pub(crate) fn places(&self, cluster: &str) -> Option<Places> {
        let folder = self.profiles.clusters.iter().find(|folder| {
            let profile = folder.cluster.as_ref().map(|document| &document.value);
            let name = profile.and_then(|profile| profile.name.as_ref());
            name.is_some_and(|name| name.value == cluster)
        })?;
        let profile = &folder.cluster.as_ref()?.value;
        let name = profile.name.as_ref()?.span;
        let channel = profile.lxd.as_ref().and_then(|lxd| lxd.value.channel.as_ref());
        let admin = profile.admin.as_ref();
        let people = admin.and_then(|admin| admin.value.lxd_certificates.as_ref());
        let hosts = folder.hosts.iter().filter_map(|host| host.value.name.as_ref());
        Some(Places {
            cluster: name,
            kernel: profile.kernel.as_ref().map_or(name, |kernel| kernel.span),
            channel: channel.map_or(name, |channel| channel.span),
            desk: profile.desk.as_ref().map_or(name, |desk| desk.span),
            generation: profile.generation.as_ref().map_or(name, |generation| generation.span),
            formed: profile.formed.as_ref().map_or(name, |formed| formed.span),
            hosts: hosts.map(|name| (name.value.clone(), name.span)).collect(),
            pools: keys(entries(profile.pools.as_ref())),
            people: keys(entries(people)),
        })
    }
}
