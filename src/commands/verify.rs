//! `lxseed verify`: what of living clusters is not as their profiles declare.

use std::collections::BTreeSet;

use lxseed::check::Checked;
use lxseed::cluster::{self, Wish};
use lxseed::finding::{Findings, Severity};
use lxseed::model::{Cluster, ClusterParts, Host, HostParts};
use lxseed::report::Report;
use lxseed::seed::{ClusterKeys, Renderer};
use lxseed::trust::SiteSecret;

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
        let of_cluster = of_cluster(one, &checked, &renderer, &secret)?;
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

fn of_cluster(
    one: &Living,
    profiles: &Checked,
    renderer: &Renderer,
    secret: &SiteSecret,
) -> Result<Findings, CommandError> {
    let Living { cluster, keys, seen } = one;
    let same = same_to_members(cluster, secret)?;
    let instances: Vec<Vec<String>> = (0..cluster.hosts.len())
        .map(|at| {
            let founds = cluster.hosts[at].name == cluster.bootstrap;
            let mut instances = vec![renderer.instance_id(cluster, at, keys)?];
            for (earlier, keys) in &same {
                // Whose seed has nothing of what differs has the same instance-id.
                if founds || earlier.hosts[at].generation != cluster.hosts[at].generation {
                    instances.push(renderer.instance_id(earlier, at, keys)?);
                }
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

/// The cluster as seeds had it that say nothing else to a member by now: before the number of the founding was written into the profile, and
/// before the keys of hosts were replaced, all of them or the last one.
fn same_to_members(cluster: &Cluster, secret: &SiteSecret) -> Result<Vec<(Cluster, ClusterKeys)>, CommandError> {
    let declared: Vec<u32> = cluster.hosts.iter().map(|host| host.generation).collect();
    let mut before = BTreeSet::from([declared.clone(), vec![1; declared.len()]]);
    for (at, generation) in declared.iter().enumerate().filter(|(_, generation)| **generation > 1) {
        let mut earlier = declared.clone();
        earlier[at] = generation - 1;
        before.insert(earlier);
    }
    let mut all = Vec::new();
    for formed in BTreeSet::from([cluster.formed.clone(), None]) {
        for generations in &before {
            if formed == cluster.formed && *generations == declared {
                continue;
            }
            let hosts = cluster.hosts.iter().zip(generations).map(|(host, generation)| {
                Host::new(HostParts {
                    generation: *generation,
                    ..(**host).clone()
                })
            });
            let earlier = Cluster::new(ClusterParts {
                formed: formed.clone(),
                hosts: hosts.collect::<Result<_, _>>()?,
                ..(**cluster).clone()
            })?;
            // Where those keys are retired no such seed made a member.
            if let Ok(keys) = keys::derive(&earlier, secret) {
                all.push((earlier, keys));
            }
        }
    }
    Ok(all)
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
