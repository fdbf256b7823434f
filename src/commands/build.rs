//! `lxseed build`

use std::fmt::Write as _;

use camino::Utf8Path;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lxseed::model::{Cluster, Site};
use lxseed::output::{self, About, ClusterAbout, Stage};
use lxseed::render::{CLUSTER_FILES, ClusterKeys, HostKeys, Renderer};
use lxseed::report::sanitize;
use lxseed::trust::SiteSecret;
use lxseed::trust::source::{self, Origin};
use rayon::prelude::*;

use super::check::{counted, show};
use super::{CommandError, Outcome, current_folder, secret_options};
use crate::cli::BuildArgs;
use crate::printer::Printer;

pub(super) fn build(args: &BuildArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.site);
    if show(&checked, "; nothing was written", printer) == Outcome::Findings {
        return Ok(Outcome::Findings);
    }
    let site = checked.accept()?;
    let selection = Selection::parse(args.only.as_deref(), &site)?;
    // Before a secret is made: a refused build leaves nothing behind.
    output::guard(&args.output)?;
    let stage = Stage::begin(&args.output)?;
    let (secret, origin) = site_secret(args, &stage, printer)?;

    let renderer = Renderer::new()?;
    let hosts = site
        .clusters
        .iter()
        .map(|cluster| cluster.hosts.len())
        .sum::<usize>();
    let progress = progress(hosts);
    let clusters = site
        .clusters
        .par_iter()
        .map(|cluster| build_cluster(cluster, &selection, &secret, &renderer, &stage, &progress))
        .collect::<Result<Vec<_>, _>>()?;
    // A cluster that was not asked for and never built is not there.
    let clusters: Vec<_> = clusters
        .into_iter()
        .filter(|cluster| !cluster.hosts.is_empty())
        .collect();
    progress.finish_and_clear();
    let (built, hosts) = (
        clusters.len(),
        clusters.iter().map(|cluster| cluster.hosts.len()).sum(),
    );
    let committed = stage.commit(About {
        secret_fingerprint: secret.fingerprint(),
        clusters,
    })?;

    summary(&site, printer);
    if let Some(leftover) = &committed.leftover {
        printer.note(&format!(
            "note: the tree before could not be deleted and still holds keys: remove {}",
            sanitize(leftover.as_str()),
        ));
    }
    let what = if committed.changed {
        "written"
    } else {
        "is up to date"
    };
    printer.line(&format!(
        "{} {what}: {}, {}, {}; site secret {} from {}",
        sanitize(args.output.as_str()),
        counted(built, "cluster"),
        counted(hosts, "host"),
        counted(committed.files, "file"),
        secret.fingerprint(),
        sanitize(&origin.to_string()),
    ));
    Ok(Outcome::Done)
}

/// What `--only` names.
enum Selection {
    All,
    Cluster(String),
    Host(String, String),
}

impl Selection {
    fn parse(only: Option<&str>, site: &Site) -> Result<Self, CommandError> {
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

    fn takes_host(&self, cluster: &Cluster, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Cluster(name) => name == cluster.name.as_str(),
            Self::Host(of, name) => of == cluster.name.as_str() && name == host,
        }
    }
}

/// Writes what is selected of a cluster and carries over what was built of the rest. Gives back what there is of it then.
fn build_cluster(
    cluster: &Cluster,
    selection: &Selection,
    secret: &SiteSecret,
    renderer: &Renderer,
    stage: &Stage,
    progress: &ProgressBar,
) -> Result<ClusterAbout, CommandError> {
    let folder = Utf8Path::new(cluster.name.as_str());
    let selected = cluster
        .hosts
        .iter()
        .any(|host| selection.takes_host(cluster, host.name.as_str()));
    let keys = if selected {
        Some(derive(cluster, secret)?)
    } else {
        None
    };
    let there = (0..cluster.hosts.len())
        .into_par_iter()
        .map(|at| {
            let host = cluster.hosts[at].name.as_str();
            progress.inc(1);
            match &keys {
                Some(keys) if selection.takes_host(cluster, host) => {
                    renderer
                        .host(cluster, at, keys)?
                        .iter()
                        .try_for_each(|file| stage.write(file))?;
                    Ok(Some(host.to_owned()))
                }
                _ => Ok(stage.keep(&folder.join(host))?.then(|| host.to_owned())),
            }
        })
        .collect::<Result<Vec<_>, CommandError>>()?;
    match &keys {
        Some(keys) => renderer
            .cluster(cluster, keys)
            .iter()
            .try_for_each(|file| stage.write(file))?,
        None => {
            for name in CLUSTER_FILES {
                stage.keep(&folder.join(name))?;
            }
        }
    }
    Ok(ClusterAbout {
        name: cluster.name.to_string(),
        hosts: there.into_iter().flatten().collect(),
    })
}

/// All keys of a cluster: the bootstrap host's files name every member's certificate.
fn derive(cluster: &Cluster, secret: &SiteSecret) -> Result<ClusterKeys, CommandError> {
    let name = cluster.name.as_str();
    let hosts = cluster
        .hosts
        .par_iter()
        .map(|host| {
            Ok(HostKeys {
                server: secret.lxd_server(name, host.name.as_str(), host.generation)?,
                ssh: secret.ssh_host_key(name, host.name.as_str(), host.generation)?,
            })
        })
        .collect::<Result<_, CommandError>>()?;
    Ok(ClusterKeys {
        cluster: secret.lxd_cluster(name, FIRST_GENERATION)?,
        hosts,
    })
}

/// The cluster's own certificate has no way to be rotated in a profile yet: the running cluster would have to follow.
const FIRST_GENERATION: u32 = 1;

/// The site secret; made if there is none and nothing has been built with another one.
fn site_secret(
    args: &BuildArgs,
    stage: &Stage,
    printer: &mut Printer,
) -> Result<(SiteSecret, Origin), CommandError> {
    let folder = current_folder()?;
    if let Some(loaded) = source::load(&secret_options(&args.secret), &args.site, &folder)? {
        if let Some(previous) = stage.previous()
            && previous.secret_fingerprint != loaded.secret.fingerprint()
        {
            printer.note(&format!(
                "note: {} was built with site secret {}; with {} every host has new keys",
                sanitize(args.output.as_str()),
                previous.secret_fingerprint,
                loaded.secret.fingerprint(),
            ));
        }
        return Ok((loaded.secret, loaded.origin));
    }
    let path = source::default_location(&args.site, &folder)?;
    if let Some(previous) = stage.previous() {
        return Err(CommandError::Refused(format!(
            "{} was built with site secret {}, which is not at {path} any more: put it back or name it with --secret-file; to start over \
             with new keys for every host, remove {} first",
            args.output, previous.secret_fingerprint, args.output,
        )));
    }
    let creation = source::create(&path, today())?;
    if matches!(creation.loaded.origin, Origin::Created(_)) {
        advise_about_new_secret(&path, creation.ignored, printer);
    }
    Ok((creation.loaded.secret, creation.loaded.origin))
}

/// The creation date of a new secret is the one thing that takes the clock; every later build takes it from the secret.
pub(super) fn today() -> time::Date {
    time::OffsetDateTime::now_utc().date()
}

pub(super) fn advise_about_new_secret(
    path: &Utf8Path,
    ignored: Option<bool>,
    printer: &mut Printer,
) {
    let path = sanitize(path.as_str()).into_owned();
    printer.note(&format!("note: made the site secret {path}. Every key is derived from it: back it up, keep it private."));
    if ignored == Some(false) {
        printer.note(&format!(
            "note: git does not ignore it yet: add `{}` to .gitignore",
            path.rsplit('/').next().unwrap_or(&path)
        ));
    }
}

/// A bar on a terminal, nothing in a pipe.
fn progress(hosts: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(hosts as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:30} {pos}/{len} hosts, {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
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
                    if host.name == cluster.bootstrap {
                        "bootstrap"
                    } else {
                        "joins"
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
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
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
