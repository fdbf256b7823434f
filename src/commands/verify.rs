//! `lxseed verify`: what of living clusters is not as their profiles declare.

use lxseed::check::Checked;
use lxseed::cluster::{self, Wish};
use lxseed::finding::{Findings, Severity};
use lxseed::model::{Cluster, ClusterParts};
use lxseed::report::Report;
use lxseed::seed::Renderer;

use super::check::{close, options, show};
use super::living::{self, Living};
use super::{CommandError, Outcome, keys};
use crate::cli::{Format, VerifyArgs};
use crate::terminal::printer::Printer;

pub(super) fn verify(args: &VerifyArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.clusters.site, super::now());
    // What the machines are held against is not known then.
    if checked.count(Severity::Error) > 0 {
        report(&checked, args, printer);
        return Ok(Outcome::Findings);
    }
    let site = checked.accept()?;
    let chosen = living::select(args.clusters.only.as_deref(), &site)?;
    let secret = keys::of_living(&args.clusters.secret, &args.clusters.site)?;
    let all = living::look(&site, &chosen, &secret)?;
    let renderer = Renderer::new()?;
    let mut found = Findings::default();
    for one in &all {
        let of_cluster = of_cluster(one, &checked, &renderer)?;
        found.list.extend(of_cluster.list);
    }
    let passed = report(&checked.verified(found), args, printer);
    Ok(if !all.iter().any(|one| one.seen.is_answered()) {
        Outcome::NobodyAnswers
    } else if passed {
        Outcome::Done
    } else {
        Outcome::Findings
    })
}

fn of_cluster(one: &Living, profiles: &Checked, renderer: &Renderer) -> Result<Findings, CommandError> {
    let Living { cluster, keys, seen } = one;
    // With the number of the founding written into the profile the founder's seed is another one, and says nothing new to it.
    let founding = Cluster::new(ClusterParts {
        formed: None,
        ..(**cluster).clone()
    })?;
    let instances: Vec<Vec<String>> = (0..cluster.hosts.len())
        .map(|at| {
            let mut instances = vec![renderer.instance_id(cluster, at, keys)?];
            if cluster.formed.is_some() && cluster.hosts[at].name == cluster.bootstrap {
                instances.push(renderer.instance_id(&founding, at, keys)?);
            }
            Ok(instances)
        })
        .collect::<Result<_, CommandError>>()?;
    let wish = Wish {
        cluster,
        keys,
        instances: &instances,
    };
    Ok(cluster::verify(profiles, wish, seen, super::now()))
}

/// Reports, and tells whether all is as declared.
fn report(checked: &Checked, args: &VerifyArgs, printer: &mut Printer) -> bool {
    let report = Report::of(checked, options(&args.report));
    show(&report, args.report.format, printer);
    if args.report.format == Format::Text && !args.report.quiet {
        close(&report, 0, &args.clusters.site, printer);
    }
    report.summary().passed
}
