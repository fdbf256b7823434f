//! What `--only` names.

use lxseed::model::{Cluster, Site};
use lxseed::report::did_you_mean;

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
            let hosts = site
                .clusters
                .iter()
                .filter(|of| of.hosts.iter().any(|known| known.name.as_str() == cluster));
            let hosts: Vec<String> = hosts.map(|of| format!("`--only {}/{cluster}`", of.name)).collect();
            let help = match (hosts.as_slice(), did_you_mean(cluster, known.iter().copied())) {
                ([], Some(similar)) => format!("did you mean `{similar}`?"),
                ([], None) => format!("the clusters are {}", known.join(", ")),
                (hosts, _) => format!("it is a host: write {}", hosts.join(" or ")),
            };
            let message = format!("--only {only}: there is no cluster `{cluster}`; {help}");
            return Err(CommandError::Usage(message));
        };
        let Some(host) = host else {
            return Ok(Self::Cluster(cluster.to_owned()));
        };
        let known: Vec<&str> = found.hosts.iter().map(|known| known.name.as_str()).collect();
        if !known.contains(&host) {
            let help = match did_you_mean(host, known.iter().copied()) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => format!("its hosts are {}", known.join(", ")),
            };
            let message = format!("--only {only}: cluster `{cluster}` has no host `{host}`; {help}");
            return Err(CommandError::Usage(message));
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
