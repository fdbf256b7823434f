//! What `--only` names.

use lxseed::model::{Cluster, Site};

use super::CommandError;

/// The clusters and hosts to work on.
pub(super) enum Selection {
    All,
    Cluster(String),
    Host(String, String),
}

impl Selection {
    pub(super) fn parse(only: Option<&str>, site: &Site) -> Result<Self, CommandError> {
        let Some(only) = only else {
            return Ok(Self::All);
        };
        let (cluster, host) = only
            .split_once('/')
            .map_or((only, None), |(cluster, host)| (cluster, Some(host)));
        let found = site.clusters.iter().find(|known| known.name.as_str() == cluster);
        let Some(found) = found else {
            let known: Vec<&str> = site.clusters.iter().map(|known| known.name.as_str()).collect();
            return Err(CommandError::Usage(format!(
                "--only {only}: there is no cluster `{cluster}`; the clusters are {}",
                known.join(", ")
            )));
        };
        let Some(host) = host else {
            return Ok(Self::Cluster(cluster.to_owned()));
        };
        let known: Vec<&str> = found.hosts.iter().map(|known| known.name.as_str()).collect();
        if !known.contains(&host) {
            return Err(CommandError::Usage(format!(
                "--only {only}: cluster `{cluster}` has no host `{host}`; its hosts are {}",
                known.join(", ")
            )));
        }
        Ok(Self::Host(cluster.to_owned(), host.to_owned()))
    }

    pub(super) fn takes_host(&self, cluster: &Cluster, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Cluster(name) => name == cluster.name.as_str(),
            Self::Host(of, name) => of == cluster.name.as_str() && name == host,
        }
    }
}
