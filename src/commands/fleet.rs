//! The hosts that a medium is for.

use camino::Utf8Path;
use lxseed::media::bundled::{self, BundledFile};
use lxseed::model::{Cluster, Site};
use lxseed::seed::PROGRAM;
use lxseed::tree::{BuildInfo, ClusterInfo};
use lxseed::trust::SiteSecret;

use super::CommandError;
use super::selection::Selection;
use crate::terminal::table::counted;

/// The chosen hosts of each cluster, by their number in it.
pub(super) type Chosen<'a> = [(&'a Cluster, Vec<usize>)];

/// The hosts that a selection takes, clusters without any left out.
pub(super) fn chosen<'a>(site: &'a Site, selection: &Selection) -> Vec<(&'a Cluster, Vec<usize>)> {
    let chosen = site.clusters.iter().map(|cluster| {
        let hosts = (0..cluster.hosts.len())
            .filter(|at| selection.takes_host(cluster, cluster.hosts[*at].name.as_str()))
            .collect::<Vec<_>>();
        (cluster, hosts)
    });
    chosen.filter(|(_, hosts)| !hosts.is_empty()).collect()
}

/// The head of the manifest of a medium.
pub(super) fn build_info(chosen: &Chosen<'_>, secret: &SiteSecret) -> BuildInfo {
    let clusters = chosen.iter().map(|(cluster, hosts)| ClusterInfo {
        name: cluster.name.to_string(),
        hosts: hosts.iter().map(|at| cluster.hosts[*at].name.to_string()).collect(),
        ..ClusterInfo::default()
    });
    BuildInfo {
        program: PROGRAM.to_owned(),
        secret_fingerprint: secret.fingerprint(),
        clusters: clusters.collect(),
    }
}

/// Name of the fleet in the boot menu: `lab (2 machines)`.
pub(super) fn title(chosen: &Chosen<'_>) -> String {
    let machines: usize = chosen.iter().map(|(_, hosts)| hosts.len()).sum();
    let names = match chosen {
        [(cluster, hosts)] if hosts.len() == 1 => {
            return format!("{}/{}", cluster.name, cluster.hosts[hosts[0]].name);
        }
        [(cluster, _)] => cluster.name.to_string(),
        clusters => counted(clusters.len(), "cluster"),
    };
    format!("{names} ({})", counted(machines, "machine"))
}

/// The snaps of every cluster that asks for some.
pub(super) fn snaps(chosen: &Chosen<'_>) -> Result<Vec<BundledFile>, CommandError> {
    let mut all = Vec::new();
    for (cluster, _) in chosen {
        let folder = Utf8Path::new(cluster.name.as_str()).join(bundled::SNAPS);
        let snaps = BundledFile::snaps(cluster, &folder);
        all.extend(snaps.map_err(|error| CommandError::Refused(error.to_string()))?);
    }
    Ok(all)
}
