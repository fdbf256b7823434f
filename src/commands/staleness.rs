//! Whether each cluster of the existing tree is what a build would write, and why it is not.

use std::collections::HashSet;
use std::fmt;

use camino::Utf8PathBuf;
use lxseed::model::{Cluster, Site};
use lxseed::seed::{PROGRAM, RenderError, cluster_digest};
use lxseed::tree::{Author, ClusterInfo, ExistingTree, Fault, State};
use lxseed::trust::SiteSecret;

/// Why a cluster has to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StaleReason {
    /// It was not built yet.
    New,
    /// Another lxseed wrote it.
    Program,
    /// It holds keys from another site secret.
    Secret,
    /// Only some of its hosts were built when it changed.
    Partial,
    /// Its profiles changed.
    Profiles,
    /// No build with this secret wrote the manifest, so its digests prove nothing.
    Manifest,
    /// These files are not what was built.
    Files(Vec<(Utf8PathBuf, Fault)>),
}

/// Whether files are what a build would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    UpToDate,
    Stale(StaleReason),
}

/// The status of one cluster.
pub(super) struct ClusterStatus {
    /// The digest of what its files follow from now.
    pub(super) digest: String,
    pub(super) status: Status,
}

/// The profiles of a site beside the existing tree.
pub(super) struct Comparison<'a> {
    existing: &'a ExistingTree,
    /// The fingerprint of the site secret that a build would take.
    fingerprint: String,
    /// Whether a build would write seed images.
    images: bool,
    author: Option<Author>,
}

impl<'a> Comparison<'a> {
    /// The secret is the one that a build would take.
    pub(super) fn new(existing: &'a ExistingTree, secret: &SiteSecret, images: bool) -> Self {
        Self {
            existing,
            fingerprint: secret.fingerprint(),
            images,
            author: existing.author(secret),
        }
    }

    /// What is to be said of the manifest itself, if its author is another than it says.
    pub(super) fn forged(&self) -> Option<&'static str> {
        let other = self.author == Some(Author::Other) && !self.built_with_another_secret();
        // Whatever was altered by accident is named already.
        (other && !self.existing.is_manifest_altered())
            .then_some("manifest.json was not written by a build with this secret")
    }

    fn built_with_another_secret(&self) -> bool {
        let manifest = self.existing.manifest();
        manifest.is_some_and(|manifest| manifest.secret_fingerprint != self.fingerprint)
    }

    /// Why nothing of the existing tree can be kept unseen, if it cannot.
    pub(super) fn unreliable(&self) -> Option<&'static str> {
        match self.author? {
            Author::Build => None,
            Author::Unknown => Some("is of an earlier lxseed and does not show who wrote it"),
            Author::Other => Some("was not written by a build with this secret"),
        }
    }

    /// The status of a cluster, or of some files of it. `look` tells their state; it is not asked where the profiles
    /// have changed.
    pub(super) fn cluster(
        &self,
        cluster: &Cluster,
        paths: &[Utf8PathBuf],
        look: impl Fn(&[Utf8PathBuf]) -> State,
    ) -> Result<ClusterStatus, RenderError> {
        let digest = cluster_digest(cluster, &self.fingerprint, self.images)?;
        let status = match self.changed(cluster, &digest) {
            Some(reason) => Status::Stale(reason),
            None => match look(paths) {
                State::Whole => Status::UpToDate,
                State::Damaged(faults) => Status::Stale(StaleReason::Files(faults)),
                State::Absent => Status::Stale(StaleReason::New),
            },
        };
        Ok(ClusterStatus { digest, status })
    }

    /// Why the digest of a cluster is not the one it was built from: the widest cause that is known.
    fn changed(&self, cluster: &Cluster, digest: &str) -> Option<StaleReason> {
        let (Some(manifest), Some(recorded)) = (self.existing.manifest(), self.recorded(cluster.name.as_str())) else {
            return Some(StaleReason::New);
        };
        let proven = self.author == Some(Author::Build);
        if proven && recorded.digest == digest {
            None
        } else if self.author == Some(Author::Unknown) {
            Some(StaleReason::Program)
        } else if self.built_with_another_secret() {
            Some(StaleReason::Secret)
        } else if !proven {
            Some(StaleReason::Manifest)
        } else if manifest.program != PROGRAM {
            Some(StaleReason::Program)
        } else if recorded.digest.is_empty() {
            Some(StaleReason::Partial)
        } else {
            Some(StaleReason::Profiles)
        }
    }

    /// A cluster as the manifest has it.
    pub(super) fn recorded(&self, cluster: &str) -> Option<&'a ClusterInfo> {
        self.existing.manifest()?.cluster(cluster)
    }

    /// Clusters and hosts of the existing tree that are in no profile any more, by path.
    pub(super) fn removed(&self, site: &Site) -> Vec<String> {
        let recorded = self.existing.manifest().map_or(&[][..], |m| &m.clusters);
        let mut removed = Vec::new();
        for ClusterInfo { name, hosts, .. } in recorded {
            let known = site.clusters.iter().find(|known| known.name.as_str() == name);
            let Some(known) = known else {
                removed.push(name.clone());
                continue;
            };
            let known: HashSet<&str> = known.hosts.iter().map(|host| host.name.as_str()).collect();
            let unknown = hosts.iter().filter(|host| !known.contains(host.as_str()));
            removed.extend(unknown.map(|host| format!("{name}/{host}")));
        }
        removed
    }
}

impl fmt::Display for StaleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "was not built yet",
            Self::Program => "was built by another lxseed",
            Self::Secret => "was built with another site secret",
            Self::Partial => "was built in part, with --only",
            Self::Profiles => "was built from other profiles",
            Self::Manifest => "is listed in a manifest that no build wrote",
            Self::Files(_) => "is not what was built",
        })
    }
}
