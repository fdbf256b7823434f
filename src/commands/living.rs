//! Looking at living clusters, for the verbs that do.

use lxseed::cluster::{self, Seen};
use lxseed::model::{Cluster, Site};
use lxseed::seed::ClusterKeys;
use lxseed::trust::SiteSecret;

use super::selection::Selection;
use super::{CommandError, keys};

/// A declared cluster, and what was seen of it.
pub(super) struct Living<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) keys: ClusterKeys,
    pub(super) seen: Seen,
}

/// Which clusters to look at. A member tells of all others, so no single host can be asked for.
pub(super) fn select(only: Option<&str>, site: &Site) -> Result<Selection, CommandError> {
    let selection = Selection::parse(only, site)?;
    if let Selection::Host(..) = selection {
        let message = "--only takes a cluster here: its members tell of one another";
        return Err(CommandError::Usage(message.to_owned()));
    }
    Ok(selection)
}

/// Asks the chosen clusters, each once.
pub(super) fn look<'a>(
    site: &'a Site,
    selection: &Selection,
    secret: &SiteSecret,
) -> Result<Vec<Living<'a>>, CommandError> {
    let chosen = site.clusters.iter().filter(|cluster| match selection {
        Selection::Cluster(name) => name == cluster.name.as_str(),
        _ => true,
    });
    chosen
        .map(|cluster| {
            let keys = keys::derive(cluster, secret)?;
            let seen = cluster::look(cluster, &keys)?;
            Ok(Living { cluster, keys, seen })
        })
        .collect()
}
