//! `lxseed build`

use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::{Cluster, Site};
use lxseed::seed::{PROGRAM, cluster_files};
use lxseed::tree::{BuildInfo, ClusterInfo, Committed, Fault, Stage, State};
use lxseed::trust::{SiteSecret, source};
use rayon::prelude::*;

use super::accept::accept;
use super::build_check::build_check;
use super::files::Files;
use super::reach::{self, Seed, Seeds};
use super::selection::Selection;
use super::staleness::{Comparison, StaleReason, Status};
use super::{CommandError, Outcome, current_folder, keys};
use crate::cli::BuildArgs;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;
use crate::terminal::table::{aligned, counted};

pub(super) fn build(args: &BuildArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let begin = Instant::now();
    let progress = Progress::new("checking");
    let checked = lxseed::check::check(&args.site, super::now());
    let consequence = if args.check { "" } else { "; nothing was written" };
    let Some(site) = progress.suspend(|| accept(checked, consequence, printer))? else {
        return Ok(Outcome::Findings);
    };
    refuse_output_in_site(&args.site, &args.output)?;
    progress.step("comparing");
    if args.check {
        return progress.suspend(|| build_check(args, &site, printer));
    }
    let selection = Selection::parse(args.only.as_deref(), &site)?;
    // Every guard is asked before a secret is made: a refused build leaves nothing behind.
    let stage = Stage::begin(&args.output)?;
    let loaded = progress
        .suspend(|| keys::existing_or_new(&args.secret, &args.site, &args.output, stage.existing(), printer))?;
    let fingerprint = loaded.secret.fingerprint();
    let images = !args.no_seed_iso;
    let planner = Planner {
        comparison: Comparison::new(stage.existing(), &loaded.secret, images),
        selection: &selection,
        stage: &stage,
    };
    progress.suspend(|| planner.judge_manifest(args, printer))?;
    let plan = planner.plan(&site)?;
    progress.hosts("writing", plan.hosts_to_render());
    let reach: Vec<String> = plan
        .carry_out(&loaded.secret, &Files::new(images), &stage, &progress)?
        .iter()
        .flat_map(|(cluster, seeds)| reach::notes(cluster, seeds, &args.site, "changed"))
        .collect();
    let rendered = plan.rendered();
    let (clusters, repaired) = plan.into_result();
    let (count, hosts) = (clusters.len(), clusters.iter().map(|cluster| cluster.hosts.len()).sum());
    progress.step("putting the tree in place");
    let info = BuildInfo {
        program: PROGRAM.to_owned(),
        secret_fingerprint: fingerprint.clone(),
        clusters,
    };
    let committed = stage.commit(info, &loaded.secret)?;
    progress.finish();

    summary(&site, printer);
    notes(&repaired, &committed, printer);
    for note in reach {
        printer.note(note);
    }
    let what = if committed.changed { "written" } else { "is up to date" };
    printer.line(format_args!(
        "{} {what}: {}, {}, {}; site secret {fingerprint} from {}",
        args.output,
        counted(count, "cluster"),
        counted(hosts, "host"),
        counted(committed.files, "file"),
        loaded.origin,
    ));
    if args.verbose {
        details(rendered, count, &committed, begin, printer);
    }
    Ok(Outcome::Done)
}

/// Refuses an output folder among the profiles: it would be read as a part of the site, and copied and committed with it.
fn refuse_output_in_site(site: &Utf8Path, output: &Utf8Path) -> Result<(), CommandError> {
    let parent = match output.parent() {
        Some(parent) if parent != "" => parent,
        _ => Utf8Path::new("."),
    };
    let real = |path: &Utf8Path| path.canonicalize_utf8().ok();
    let (Some(site), Some(folder), Ok(current)) = (real(site), real(output).or_else(|| real(parent)), current_folder())
    else {
        // Whatever is not there has messages of its own.
        return Ok(());
    };
    let site = source::whole_site(&site);
    if !folder.starts_with(&site) {
        return Ok(());
    }
    let name = output.file_name().unwrap_or("out");
    let beside = site.parent().unwrap_or(&site);
    let better = match current.strip_prefix(beside) {
        Ok(below) => "../".repeat(below.components().count()) + name,
        Err(_) => beside.join(name).into_string(),
    };
    Err(CommandError::Refused(format!(
        "{output} would lie in the site folder {site}, and be read, copied and committed as a part of it: \
         build beside it, with -o {better}"
    )))
}

/// Prints what `--verbose` adds.
fn details(rendered: usize, clusters: usize, committed: &Committed, begin: Instant, printer: &mut Printer) {
    let Committed {
        files,
        added,
        updated,
        removed,
        ..
    } = committed;
    let unchanged = files - added - updated;
    printer.note(format_args!(
        "{} rendered, {} unchanged",
        counted(rendered, "cluster"),
        clusters - rendered,
    ));
    printer.note(format_args!(
        "files: {added} added, {updated} updated, {removed} removed, {unchanged} unchanged"
    ));
    printer.note(format_args!(
        "{:.3} s with {}",
        begin.elapsed().as_secs_f64(),
        counted(rayon::current_num_threads(), "thread"),
    ));
}

/// Notes what was repaired, and what is left to do by hand.
fn notes(repaired: &[(Utf8PathBuf, Fault)], committed: &Committed, printer: &mut Printer) {
    const SHOWN: usize = 3;
    for (path, fault) in repaired.iter().take(SHOWN) {
        printer.note(format_args!("note: {path} {fault}; it is written anew"));
    }
    if repaired.len() > SHOWN {
        printer.note(format_args!(
            "note: the same with {} more",
            counted(repaired.len() - SHOWN, "file")
        ));
    }
    if let Some(leftover) = &committed.leftover {
        printer.note(format_args!(
            "note: the tree before could not be deleted and still holds keys: remove {leftover}"
        ));
    }
}

/// Decides what becomes of each cluster.
struct Planner<'a> {
    comparison: Comparison<'a>,
    selection: &'a Selection,
    stage: &'a Stage,
}

/// The clusters of a new tree, and what to render of them. What is kept of the existing tree is with the stage already:
/// each file is read once, and kept if it is as it was built.
struct Plan<'a> {
    clusters: Vec<ClusterPlan<'a>>,
}

/// One cluster of the new tree.
struct ClusterPlan<'a> {
    cluster: &'a Cluster,
    /// Its part of the manifest.
    info: ClusterInfo,
    /// The hosts to render, by their number; if there are any, the files of the cluster as a whole are rendered, too.
    render: Vec<usize>,
    /// Files that were not as they were built.
    repaired: Vec<(Utf8PathBuf, Fault)>,
}

impl<'a> Planner<'a> {
    /// Says what is odd about the manifest. Only what is rendered anew can be relied on then, so `--only` cannot keep
    /// the rest.
    fn judge_manifest(&self, args: &BuildArgs, printer: &mut Printer) -> Result<(), CommandError> {
        let Some(why) = self.comparison.unreliable() else {
            return Ok(());
        };
        if args.only.is_some() {
            return Err(CommandError::Refused(format!(
                "{}/manifest.json {why}, so what --only leaves out cannot be kept: run a full build, without --only",
                args.output
            )));
        }
        if let Some(forged) = self.comparison.forged() {
            printer.note(format_args!("note: {}/{forged}; every file is made anew", args.output));
        }
        Ok(())
    }

    fn plan(&self, site: &'a Site) -> Result<Plan<'a>, CommandError> {
        let clusters = site
            .clusters
            .par_iter()
            .map(|cluster| self.cluster(cluster))
            .collect::<Result<Vec<_>, _>>()?;
        // A cluster that was not asked for and never built is not there.
        let is_there = |plan: &ClusterPlan<'_>| !plan.info.hosts.is_empty();
        Ok(Plan {
            clusters: clusters.into_iter().filter(is_there).collect(),
        })
    }

    fn cluster(&self, cluster: &'a Cluster) -> Result<ClusterPlan<'a>, CommandError> {
        let name = cluster.name.as_str();
        let folder = Utf8Path::new(name);
        let host_folder = |at: usize| folder.join(cluster.hosts[at].name.as_str());
        let (selected, others): (Vec<usize>, Vec<usize>) = (0..cluster.hosts.len())
            .partition(|at| self.selection.takes_host(cluster, cluster.hosts[*at].name.as_str()));
        let mut plan = ClusterPlan {
            cluster,
            info: ClusterInfo {
                name: name.to_owned(),
                ..ClusterInfo::default()
            },
            render: Vec::new(),
            repaired: Vec::new(),
        };
        let own_files: Vec<Utf8PathBuf> = cluster_files(cluster)
            .into_iter()
            .map(|name| folder.join(name))
            .collect();
        if selected.is_empty() {
            for file in &own_files {
                self.keep_unselected(file)?;
            }
            if let Some(recorded) = self.comparison.recorded(name) {
                plan.info.digest.clone_from(&recorded.digest);
            }
        } else {
            let paths: Vec<Utf8PathBuf> = if others.is_empty() {
                vec![folder.to_owned()]
            } else {
                let hosts = selected.iter().map(|at| host_folder(*at));
                hosts.chain(own_files).collect()
            };
            let compared = self
                .comparison
                .cluster(cluster, &paths, |paths| self.stage.keep(paths))?;
            let up_to_date = compared.status == Status::UpToDate;
            // Of a cluster in two states no digest is recorded, so that the next build looks at all of it.
            if up_to_date || others.is_empty() {
                plan.info.digest = compared.digest;
            }
            if let Status::Stale(StaleReason::Files(faults)) = compared.status {
                plan.repaired = faults;
            }
            if !up_to_date {
                plan.render.clone_from(&selected);
            }
        }
        let mut there = selected;
        for at in others {
            if self.keep_unselected(&host_folder(at))? {
                there.push(at);
            }
        }
        let names = there.iter().map(|at| cluster.hosts[*at].name.to_string());
        plan.info.hosts = names.collect();
        Ok(plan)
    }

    /// Keeps what `--only` leaves out as it was built, out of date or not. Returns whether it was; what was altered
    /// cannot be kept.
    fn keep_unselected(&self, path: &Utf8Path) -> Result<bool, CommandError> {
        match self.stage.keep(&[path]) {
            State::Absent => Ok(false),
            State::Whole => Ok(true),
            State::Damaged(faults) => {
                let (path, fault) = faults.into_iter().next().unwrap_or((path.to_owned(), Fault::Altered));
                Err(CommandError::Refused(format!(
                    "{path} {fault} since the last build, so it cannot be kept: run a full build, without --only"
                )))
            }
        }
    }
}

impl<'a> Plan<'a> {
    fn hosts_to_render(&self) -> usize {
        self.clusters.iter().map(|plan| plan.render.len()).sum()
    }

    /// How many clusters are rendered, whole or in part.
    fn rendered(&self) -> usize {
        let rendered = self.clusters.iter().filter(|plan| !plan.render.is_empty());
        rendered.count()
    }

    /// Renders what is to be rendered, and writes of it what the existing tree does not have. Returns what became of the seeds.
    fn carry_out(
        &self,
        secret: &SiteSecret,
        files: &Files,
        stage: &Stage,
        progress: &Progress,
    ) -> Result<Vec<(&'a Cluster, Seeds)>, CommandError> {
        let rendered = self.clusters.par_iter().filter(|plan| !plan.render.is_empty());
        let rendered = rendered.map(|plan| {
            let keys = keys::derive(plan.cluster, secret)?;
            for file in files.cluster(plan.cluster, &keys)? {
                stage.write(&file)?;
            }
            let seeds = plan.render.par_iter().map(|at| {
                let files = files.host(plan.cluster, *at, &keys)?;
                let seed = Seed::of(stage.existing(), plan.cluster, *at, &files);
                for file in files {
                    stage.write(&file)?;
                }
                progress.host_done();
                Ok((*at, seed))
            });
            Ok((plan.cluster, seeds.collect::<Result<_, CommandError>>()?))
        });
        rendered.collect()
    }

    /// The clusters of the manifest, and the files that were not as they were built.
    fn into_result(self) -> (Vec<ClusterInfo>, Vec<(Utf8PathBuf, Fault)>) {
        let mut infos = Vec::new();
        let mut repaired = Vec::new();
        for plan in self.clusters {
            infos.push(plan.info);
            repaired.extend(plan.repaired);
        }
        (infos, repaired)
    }
}

/// Above this many hosts the list would only scroll past.
const SUMMARY_HOSTS: usize = 100;

/// Aligned lines: each cluster, then its hosts.
fn summary(site: &Site, printer: &mut Printer) {
    let hosts: usize = site.clusters.iter().map(|cluster| cluster.hosts.len()).sum();
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
        printer.line(format_args!(
            "{}: Ubuntu {} {}, LXD {}, {}, pools {pools}",
            cluster.name,
            cluster.ubuntu.version,
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
                    match cluster.founds(host) {
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
            printer.line(line);
        }
    }
}
