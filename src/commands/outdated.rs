//! `lxseed build --check`: is what stands what a build would write?

use camino::Utf8Path;
use lxseed::model::Site;
use lxseed::report::sanitize;
use lxseed::tree::ExistingTree;
use rayon::prelude::*;

use super::check::counted;
use super::survey::{Survey, Verdict, Why};
use super::{CommandError, Outcome, keys};
use crate::cli::BuildArgs;
use crate::terminal::printer::Printer;

/// Says what is out of date and why. Nothing is written, no lock is taken, and no secret is made.
pub(super) fn outdated(
    args: &BuildArgs,
    site: &Site,
    printer: &mut Printer,
) -> Result<Outcome, CommandError> {
    let existing = ExistingTree::read(&args.output)?;
    let output = sanitize(args.output.as_str()).into_owned();
    let Some(other_program) = existing
        .manifest()
        .map(|manifest| manifest.program != lxseed::seed::PROGRAM)
    else {
        printer.line(&format!("{output} is out of date: nothing was built yet"));
        return Ok(Outcome::OutOfDate);
    };
    // With a tree but no secret this is an error, not a new secret.
    let Some(loaded) = keys::existing(&args.secret, &args.site, &args.output, &existing)? else {
        return Ok(Outcome::OutOfDate);
    };
    let fingerprint = loaded.secret.fingerprint();
    let survey = Survey::of(&existing, &fingerprint, !args.no_seed_iso);
    let looked = site
        .clusters
        .par_iter()
        .map(|cluster| survey.cluster(cluster, |_| true, |paths| existing.state(paths)))
        .collect::<Result<Vec<_>, _>>()?;

    let mut lines = Vec::new();
    let (mut hosts, mut stale) = (0, 0);
    for cluster in &looked {
        let name = &cluster.about.name;
        hosts += cluster.hosts.len();
        stale += cluster
            .hosts
            .iter()
            .filter(|verdict| matches!(verdict, Verdict::Stale(_)))
            .count();
        // One line for the cluster says the same of all its hosts.
        let common = match cluster.hosts.first() {
            Some(Verdict::Stale(why @ (Why::New | Why::Program | Why::Secret | Why::Cluster)))
                if cluster
                    .hosts
                    .iter()
                    .all(|verdict| *verdict == Verdict::Stale(why.clone())) =>
            {
                lines.push(format!(
                    "{name} {why} ({})",
                    counted(cluster.hosts.len(), "host")
                ));
                true
            }
            _ => false,
        };
        if !common {
            for (host, verdict) in cluster.about.hosts.iter().zip(&cluster.hosts) {
                explain(&format!("{name}/{}", host.name), verdict, &mut lines);
            }
        }
        // The files of the cluster as a whole follow from every host, whose own lines say more.
        if let Verdict::Stale(Why::Damaged(_)) = &cluster.own {
            explain(name, &cluster.own, &mut lines);
        }
    }
    for gone in survey.gone(site) {
        lines.push(format!("{gone} is in no profile any more"));
    }
    for (path, fault) in existing.own_faults() {
        let path = if path == "" {
            Utf8Path::new(".")
        } else {
            &*path
        };
        lines.push(format!("{path} {fault}"));
    }
    if lines.is_empty() && other_program {
        lines.push("it was built by another lxseed".to_owned());
    }
    for line in &lines {
        printer.line(&sanitize(line));
    }
    if lines.is_empty() {
        printer.line(&format!(
            "{output} is up to date: {}, {}",
            counted(looked.len(), "cluster"),
            counted(hosts, "host")
        ));
        return Ok(Outcome::Done);
    }
    printer.line(&format!(
        "{output} is out of date: {stale} of {} would be written anew",
        counted(hosts, "host")
    ));
    Ok(Outcome::OutOfDate)
}

fn explain(path: &str, verdict: &Verdict, lines: &mut Vec<String>) {
    match verdict {
        Verdict::Stale(Why::Damaged(faults)) => {
            lines.extend(faults.iter().map(|(path, fault)| format!("{path} {fault}")))
        }
        Verdict::Stale(why) => lines.push(format!("{path} {why}")),
        Verdict::Stands | Verdict::NotAsked => {}
    }
}
