//! What a build cannot bring to machines that are set up already.

use camino::Utf8Path;
use lxseed::model::Cluster;
use lxseed::seed::File;
use lxseed::tree::ExistingTree;

/// A host's seed beside the one that was built before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    /// The same.
    Same,
    /// Another one.
    Changed,
    /// There was none, there were some of its cluster, and no member knows its keys.
    New,
}

/// Hosts by their number in the cluster.
pub(super) type Seeds = Vec<(usize, Seed)>;

impl Seed {
    /// The seed of a host with these files. Its instance-id follows from all that cloud-init reads.
    pub(super) fn of(existing: &ExistingTree, cluster: &Cluster, at: usize, files: &[File]) -> Self {
        let built = existing
            .manifest()
            .and_then(|manifest| manifest.cluster(cluster.name.as_str()));
        let folder = Utf8Path::new(cluster.name.as_str()).join(cluster.hosts[at].name.as_str());
        let mut meta_data = files.iter().filter(|file| file.path.file_name() == Some("meta-data"));
        if built.is_none() {
            Self::Same
        } else if existing.paths(&folder).next().is_none() {
            // The founder has trusted a spare from the first day.
            if cluster.was_spare(&cluster.hosts[at]) {
                Self::Same
            } else {
                Self::New
            }
        } else if meta_data.any(|file| existing.difference(file).is_some()) {
            Self::Changed
        } else {
            Self::Same
        }
    }
}

/// More names than these are only counted.
const NAMES: usize = 6;

/// What to say of a cluster that is formed: which seeds are others than before, and who has to be let in. `site` is where its
/// profiles are, `changed` how that is said of seeds.
pub(super) fn notes(cluster: &Cluster, seeds: &[(usize, Seed)], site: &Utf8Path, changed: &str) -> Vec<String> {
    if cluster.formed.is_none() {
        return Vec::new();
    }
    let site = match site.as_str() {
        "profiles" => String::new(),
        site => format!(" {site}"),
    };
    let names = |wanted: Seed| -> Vec<&str> {
        let hosts = seeds.iter().filter(|(_, seed)| *seed == wanted);
        hosts.map(|(at, _)| cluster.hosts[*at].name.as_str()).collect()
    };
    let mut notes = Vec::new();
    let others = names(Seed::Changed);
    if !others.is_empty() {
        let seeds = if others.len() == 1 { "seed" } else { "seeds" };
        notes.push(format!(
            "note: the {seeds} of {} {changed}: machines that are set up already do not see that; `lxseed plan{site} --only {}` tells what \
             has not reached them",
            shortened(&others),
            cluster.name
        ));
    }
    let new = names(Seed::New);
    if let Some(first) = new.first() {
        let (are, let_in) = match new.len() {
            1 => ("is new: when it is on", "lets it in"),
            _ => ("are new: when they are on", "lets the first in, and so on"),
        };
        notes.push(format!(
            "note: {} {are}, `lxseed admit {}/{first}{site}` {let_in}",
            shortened(&new),
            cluster.name
        ));
    }
    notes
}

fn shortened(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMES) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
