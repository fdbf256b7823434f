//! What of the tree that stands is what a build would write, and why the rest is not.

use std::collections::HashMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::{Cluster, Site};
use lxseed::seed::{CLUSTER_FILES, Inputs, PROGRAM, RenderError};
use lxseed::tree::{ClusterInfo, ExistingTree, Fault, HostInfo, State};
use rayon::prelude::*;

/// Why files have to be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// They never were.
    New,
    /// Another lxseed wrote them.
    Program,
    /// They hold keys from another site secret.
    Secret,
    /// What all hosts of the cluster share is another.
    Cluster,
    /// What is said of the host alone is another.
    Profile,
    /// They are not what was built.
    Damaged(Vec<(Utf8PathBuf, Fault)>),
}

/// What became of some files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are what a build would write.
    Stands,
    /// They are not.
    Stale(Why),
    /// Nobody wanted to know.
    NotAsked,
}

/// The profiles of a site beside the tree that stands.
pub(super) struct Survey<'a> {
    existing: &'a ExistingTree,
    secret: &'a str,
    images: bool,
    built: HashMap<&'a str, BuiltCluster<'a>>,
}

struct BuiltCluster<'a> {
    about: &'a ClusterInfo,
    hosts: HashMap<&'a str, &'a str>,
}

/// One cluster, looked at.
pub(super) struct Looked {
    /// What the cluster and its hosts follow from now.
    pub(super) about: ClusterInfo,
    /// The files of the cluster as a whole. They are asked about if any host is.
    pub(super) own: Verdict,
    /// Those of each host, in the cluster's order.
    pub(super) hosts: Vec<Verdict>,
}

impl<'a> Survey<'a> {
    /// `secret` is the fingerprint of the site secret that a build would take, `images` whether it would write seed images.
    pub(super) fn of(existing: &'a ExistingTree, secret: &'a str, images: bool) -> Self {
        let clusters = existing.manifest().map_or(&[][..], |m| &m.clusters);
        let built = clusters.iter().map(|about| {
            let hosts = about.hosts.iter();
            let hosts = hosts.map(|host| (&*host.name, &*host.inputs)).collect();
            (&*about.name, BuiltCluster { about, hosts })
        });
        Self {
            existing,
            secret,
            images,
            built: built.collect(),
        }
    }

    /// Looks at a cluster. `take` says which of its hosts are asked about, `look` how files stand; a host
    /// whose values are others is not looked at.
    pub(super) fn cluster(
        &self,
        cluster: &Cluster,
        take: impl Fn(&str) -> bool + Sync,
        look: impl Fn(&[Utf8PathBuf]) -> State + Sync,
    ) -> Result<Looked, RenderError> {
        let inputs = Inputs::of(cluster, self.secret, self.images)?;
        let folder = Utf8Path::new(cluster.name.as_str());
        let hosts = (0..cluster.hosts.len())
            .map(|at| {
                Ok(HostInfo {
                    name: cluster.hosts[at].name.to_string(),
                    inputs: inputs.host(at)?,
                })
            })
            .collect::<Result<Vec<_>, RenderError>>()?;
        let about = ClusterInfo {
            name: cluster.name.to_string(),
            shared: inputs.shared().to_owned(),
            inputs: inputs.cluster(hosts.iter().map(|host| &*host.inputs))?,
            hosts,
        };
        let built = self.built.get(cluster.name.as_str());
        let why = |recorded: Option<&str>, now: &str, paths: &[Utf8PathBuf]| match recorded {
            None => Verdict::Stale(Why::New),
            Some(recorded) if recorded != now => Verdict::Stale(self.cause(&about)),
            Some(_) => match look(paths) {
                State::Whole => Verdict::Stands,
                State::Damaged(faults) => Verdict::Stale(Why::Damaged(faults)),
                State::Absent => Verdict::Stale(Why::New),
            },
        };
        let hosts: Vec<Verdict> = about
            .hosts
            .par_iter()
            .map(|host| {
                if !take(&host.name) {
                    return Verdict::NotAsked;
                }
                let recorded = built.and_then(|built| built.hosts.get(&*host.name).copied());
                why(recorded, &host.inputs, &[folder.join(&host.name)])
            })
            .collect();
        let files = CLUSTER_FILES.map(|name| folder.join(name));
        let own = if hosts.iter().all(|verdict| *verdict == Verdict::NotAsked) {
            Verdict::NotAsked
        } else {
            why(
                built.map(|built| &*built.about.inputs),
                &about.inputs,
                &files,
            )
        };
        Ok(Looked { about, own, hosts })
    }

    /// What makes a digest another: the widest cause that is known.
    fn cause(&self, about: &ClusterInfo) -> Why {
        let built = self.built.get(&*about.name);
        match self.existing.manifest() {
            Some(manifest) if manifest.program != PROGRAM => Why::Program,
            Some(manifest) if manifest.secret_fingerprint != self.secret => Why::Secret,
            _ if built.is_some_and(|built| built.about.shared != about.shared) => Why::Cluster,
            _ => Why::Profile,
        }
    }

    /// What a host followed from when it was built.
    pub(super) fn recorded(&self, cluster: &str, host: &str) -> Option<&'a str> {
        self.built.get(cluster)?.hosts.get(host).copied()
    }

    /// What a cluster followed from when it was built.
    pub(super) fn recorded_cluster(&self, cluster: &str) -> Option<&'a ClusterInfo> {
        self.built.get(cluster).map(|built| built.about)
    }

    /// Clusters and hosts of the tree that the profiles do not know any more, by path.
    pub(super) fn gone(&self, site: &Site) -> Vec<String> {
        let known: HashMap<&str, Vec<&str>> = site
            .clusters
            .iter()
            .map(|cluster| {
                let hosts = cluster.hosts.iter().map(|host| host.name.as_str());
                (cluster.name.as_str(), hosts.collect())
            })
            .collect();
        let mut gone = Vec::new();
        for (name, built) in &self.built {
            match known.get(name) {
                None => gone.push((*name).to_owned()),
                Some(hosts) => gone.extend(
                    built
                        .hosts
                        .keys()
                        .filter(|host| !hosts.contains(host))
                        .map(|host| format!("{name}/{host}")),
                ),
            }
        }
        gone.sort_unstable();
        gone
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "was not built yet",
            Self::Program => "was built by another lxseed",
            Self::Secret => "was built with another site secret",
            Self::Cluster => "cluster.yaml or the list of hosts changed",
            Self::Profile => "its profile changed",
            Self::Damaged(_) => "is not what was built",
        })
    }
}
