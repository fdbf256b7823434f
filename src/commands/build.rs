//! `lxseed build`

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::{Cluster, Site};
use lxseed::phases::{Phase, Phases};
use lxseed::report::sanitize;
use lxseed::seed::{CLUSTER_FILES, PROGRAM};
use lxseed::tree::{BuildInfo, ClusterInfo, Committed, Fault, HostInfo, Stage, State};
use lxseed::trust::SiteSecret;
use rayon::prelude::*;

use super::check::{counted, show};
use super::files::Files;
use super::survey::{Survey, Verdict, Why};
use super::{CommandError, Outcome, keys, outdated};
use crate::cli::BuildArgs;
use crate::terminal::printer::Printer;
use crate::terminal::progress::{Progress, show_times};

pub(super) fn build(args: &BuildArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let begin = Instant::now();
    let phases = Arc::new(Phases::default());
    let progress = Progress::new("checking");
    let checked = phases.time(Phase::Check, || lxseed::check::check(&args.site));
    let consequence = if args.check {
        ""
    } else {
        "; nothing was written"
    };
    if progress.aside(|| show(&checked, consequence, printer)) == Outcome::Findings {
        return Ok(Outcome::Findings);
    }
    let site = phases.time(Phase::Check, || checked.accept())?;
    // Nobody needs any more what findings point into. Giving it back piece by piece was a twelfth of a build that has nothing to
    // do, and lowered the peak of memory by three hundredths.
    std::mem::forget(checked);
    if args.check {
        progress.phase("looking at what stands");
        return progress.aside(|| outdated::outdated(args, &site, printer));
    }
    let selection = Selection::parse(args.only.as_deref(), &site)?;
    // Every guard is asked before a secret is made: a refused build leaves nothing behind.
    progress.phase("looking at what stands");
    let stage = phases
        .time(Phase::Compare, || Stage::begin(&args.output))?
        .timed_by(Arc::clone(&phases));
    let loaded = progress.aside(|| {
        let existing = stage.existing();
        keys::existing_or_new(&args.secret, &args.site, &args.output, existing, printer)
    })?;
    let fingerprint = loaded.secret.fingerprint();

    let work = Work {
        survey: Survey::of(stage.existing(), &fingerprint, !args.no_seed_iso),
        selection,
        secret: &loaded.secret,
        files: Files::new(!args.no_seed_iso),
        stage: &stage,
        phases: &phases,
        progress: &progress,
    };
    progress.hosts("writing", hosts_of(&site));
    let built = site
        .clusters
        .par_iter()
        .map(|cluster| work.cluster(cluster))
        .collect::<Result<Vec<_>, _>>()?;
    drop(work);
    let (mut clusters, mut anew, mut repaired) = (Vec::new(), 0, Vec::new());
    for cluster in built {
        anew += cluster.anew;
        repaired.extend(cluster.repaired);
        // A cluster that was not asked for and never built is not there.
        if !cluster.about.hosts.is_empty() {
            clusters.push(cluster.about);
        }
    }
    let (count, hosts) = (
        clusters.len(),
        clusters.iter().map(|cluster| cluster.hosts.len()).sum(),
    );
    progress.phase("putting the tree in place");
    let committed = stage.commit(BuildInfo {
        program: PROGRAM.to_owned(),
        secret_fingerprint: fingerprint.clone(),
        clusters,
    })?;
    progress.finish();

    summary(&site, printer);
    notes(&repaired, &committed, printer);
    let what = if committed.changed {
        "written"
    } else {
        "is up to date"
    };
    printer.line(&format!(
        "{} {what}: {}, {}, {}; site secret {fingerprint} from {}",
        sanitize(args.output.as_str()),
        counted(count, "cluster"),
        counted(hosts, "host"),
        counted(committed.files, "file"),
        sanitize(&loaded.origin.to_string()),
    ));
    if args.verbose {
        printer.note(&format!(
            "{} written anew, {} unchanged; files: {} added, {} updated, {} removed",
            counted(anew, "host"),
            hosts - anew,
            committed.added,
            committed.updated,
            committed.removed,
        ));
        show_times(&phases, begin.elapsed(), printer);
    }
    // No secret is in the model, and the process is about to end.
    std::mem::forget(site);
    Ok(Outcome::Done)
}

fn hosts_of(site: &Site) -> usize {
    site.clusters
        .iter()
        .map(|cluster| cluster.hosts.len())
        .sum()
}

/// What a person has to know besides that it is done.
fn notes(repaired: &[(Utf8PathBuf, Fault)], committed: &Committed, printer: &mut Printer) {
    const SHOWN: usize = 3;
    for (path, fault) in repaired.iter().take(SHOWN) {
        printer.note(&format!(
            "note: {} {fault}; it is written anew",
            sanitize(path.as_str())
        ));
    }
    if repaired.len() > SHOWN {
        printer.note(&format!(
            "note: the same with {} more",
            counted(repaired.len() - SHOWN, "file")
        ));
    }
    if let Some(leftover) = &committed.leftover {
        printer.note(&format!(
            "note: the tree before could not be deleted and still holds keys: remove {}",
            sanitize(leftover.as_str()),
        ));
    }
}

/// What is done to every cluster.
struct Work<'a> {
    survey: Survey<'a>,
    selection: Selection,
    secret: &'a SiteSecret,
    files: Files,
    stage: &'a Stage,
    phases: &'a Phases,
    progress: &'a Progress,
}

/// One cluster of the new tree.
struct Built {
    /// What there is of it.
    about: ClusterInfo,
    /// How many hosts were rendered.
    anew: usize,
    /// What was not as it was built.
    repaired: Vec<(Utf8PathBuf, Fault)>,
}

impl Work<'_> {
    /// Writes what is selected of a cluster and not as it should be, and carries over the rest.
    fn cluster(&self, cluster: &Cluster) -> Result<Built, CommandError> {
        let folder = Utf8Path::new(cluster.name.as_str());
        let looked = self.survey.cluster(
            cluster,
            |host| self.selection.takes_host(cluster, host),
            |paths| self.stage.keep(paths),
        )?;
        let mut repaired = Vec::new();
        let mut stale = |verdict: &Verdict| {
            if let Verdict::Stale(Why::Damaged(faults)) = verdict {
                repaired.extend(faults.iter().cloned());
            }
            matches!(verdict, Verdict::Stale(_))
        };
        let own_stale = stale(&looked.own);
        let hosts_stale: Vec<bool> = looked.hosts.iter().map(stale).collect();
        let anew = hosts_stale.iter().filter(|stale| **stale).count();
        let keys = (own_stale || anew > 0)
            .then(|| {
                self.phases
                    .time(Phase::Derive, || keys::derive(cluster, self.secret))
            })
            .transpose()?;

        let hosts = looked.about.hosts.into_par_iter().enumerate();
        let hosts = hosts
            .map(|(at, about)| {
                self.progress.host_done();
                match (&keys, &looked.hosts[at]) {
                    (Some(keys), Verdict::Stale(_)) => {
                        let files = self
                            .phases
                            .time(Phase::Render, || self.files.host(cluster, at, keys))?;
                        files.iter().try_for_each(|file| self.stage.write(file))?;
                        Ok(Some(about))
                    }
                    (_, Verdict::NotAsked) => self.carry_over(cluster, about),
                    _ => Ok(Some(about)),
                }
            })
            .collect::<Result<Vec<_>, CommandError>>()?;
        match (&keys, &looked.own) {
            (Some(keys), Verdict::Stale(_)) => self
                .phases
                .time(Phase::Render, || self.files.cluster(cluster, keys))?
                .iter()
                .try_for_each(|file| self.stage.write(file))?,
            (_, Verdict::NotAsked) => {
                for name in CLUSTER_FILES {
                    self.unaltered(&folder.join(name))?;
                }
            }
            _ => {}
        }
        let mut about = ClusterInfo {
            hosts: hosts.into_iter().flatten().collect(),
            ..looked.about
        };
        if looked.own == Verdict::NotAsked
            && let Some(recorded) = self.survey.recorded_cluster(&about.name)
        {
            about.shared.clone_from(&recorded.shared);
            about.inputs.clone_from(&recorded.inputs);
        }
        Ok(Built {
            about,
            anew,
            repaired,
        })
    }

    /// A host that `--only` leaves out stays as it was built, out of date or not; nothing if it never was.
    fn carry_over(
        &self,
        cluster: &Cluster,
        about: HostInfo,
    ) -> Result<Option<HostInfo>, CommandError> {
        let cluster = cluster.name.as_str();
        let there = self.unaltered(&Utf8Path::new(cluster).join(&about.name))?;
        Ok(there.then(|| HostInfo {
            inputs: self
                .survey
                .recorded(cluster, &about.name)
                .unwrap_or_default()
                .to_owned(),
            ..about
        }))
    }

    /// Keeps what is there; what was altered cannot be.
    fn unaltered(&self, path: &Utf8Path) -> Result<bool, CommandError> {
        match self.stage.keep(&[path]) {
            State::Absent => Ok(false),
            State::Whole => Ok(true),
            State::Damaged(faults) => {
                let (path, fault) = faults
                    .into_iter()
                    .next()
                    .unwrap_or((path.to_owned(), Fault::Altered));
                Err(CommandError::Refused(format!(
                    "{path} {fault} since the last build, so it cannot be carried over: run a full build, without --only"
                )))
            }
        }
    }
}

/// What `--only` names.
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
        let listed = |names: Vec<&str>| names.join(", ");
        let Some(found) = site
            .clusters
            .iter()
            .find(|known| known.name.as_str() == cluster)
        else {
            let known = listed(
                site.clusters
                    .iter()
                    .map(|known| known.name.as_str())
                    .collect(),
            );
            return Err(CommandError::Usage(format!(
                "--only {only}: there is no cluster `{cluster}`; the clusters are {known}"
            )));
        };
        let Some(host) = host else {
            return Ok(Self::Cluster(cluster.to_owned()));
        };
        if !found.hosts.iter().any(|known| known.name.as_str() == host) {
            let known = listed(
                found
                    .hosts
                    .iter()
                    .map(|known| known.name.as_str())
                    .collect(),
            );
            return Err(CommandError::Usage(format!(
                "--only {only}: cluster `{cluster}` has no host `{host}`; its hosts are {known}"
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

/// Above this many hosts the list would only scroll past.
const SUMMARY_HOSTS: usize = 100;

/// Aligned lines: each cluster, then its hosts.
fn summary(site: &Site, printer: &mut Printer) {
    let hosts: usize = site
        .clusters
        .iter()
        .map(|cluster| cluster.hosts.len())
        .sum();
    if hosts > SUMMARY_HOSTS {
        return;
    }
    for cluster in &site.clusters {
        let pools = cluster
            .pools
            .iter()
            .map(|pool| format!("{} {}", pool.name, pool.driver.word()))
            .collect::<Vec<_>>()
            .join(", ");
        printer.line(&format!(
            "{}: Ubuntu {} {}, LXD {}, {}, pools {pools}",
            cluster.name,
            cluster.ubuntu.version(),
            cluster.kernel.word(),
            cluster.channel,
            counted(cluster.hosts.len(), "member"),
        ));
        let rows: Vec<[String; 5]> = cluster
            .hosts
            .iter()
            .map(|host| {
                let volumes = host
                    .volumes
                    .iter()
                    .map(|volume| format!("{} {}", volume.name, volume.kind.word()));
                [
                    host.name.to_string(),
                    host.address.to_string(),
                    host.mac.to_string(),
                    match host.name == cluster.bootstrap {
                        true if cluster.alone => "bootstrap, alone",
                        true => "bootstrap",
                        false => "joins",
                    }
                    .to_owned(),
                    volumes.collect::<Vec<_>>().join(", "),
                ]
            })
            .collect();
        for line in aligned(&rows) {
            printer.line(&line);
        }
    }
}

/// Columns as wide as their widest cell, the last one as long as it is.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let widths: Vec<usize> = (0..N)
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    rows.iter()
        .map(|row| {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a String cannot fail.
                let _ = write!(line, " {cell:width$}");
            }
            line.trim_end().to_owned()
        })
        .collect()
}
