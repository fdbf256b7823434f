//! What the verbs of living clusters share: which cluster, what was seen of it, and how a plan is told and carried out.

use camino::Utf8Path;
use lxseed::cluster::{self, Plan, Seen};
use lxseed::model::{Cluster, Site};
use lxseed::seed::ClusterKeys;
use lxseed::trust::SiteSecret;

use super::accept::accept;
use super::selection::Selection;
use super::{CommandError, keys};
use crate::cli::{HostArgs, SecretArgs};
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// A cluster that lives, as its profile has it and as it was seen.
pub(super) struct Living {
    pub(super) cluster: Cluster,
    pub(super) keys: ClusterKeys,
    pub(super) seen: Seen,
}

/// The names of the clusters to look at. A member tells of all others, so no single host can be asked for.
pub(super) fn select(only: Option<&str>, site: &Site) -> Result<Vec<String>, CommandError> {
    match Selection::parse(only, site)? {
        Selection::All => Ok(site.clusters.iter().map(|cluster| cluster.name.to_string()).collect()),
        Selection::Cluster(name) => Ok(vec![name]),
        Selection::Host(..) => {
            let message = "--only takes a cluster here: its members tell of one another";
            Err(CommandError::Usage(message.to_owned()))
        }
    }
}

/// Asks the chosen clusters, each once.
pub(super) fn look(site: &Site, chosen: &[String], secret: &SiteSecret) -> Result<Vec<Living>, CommandError> {
    let clusters = clusters(site, chosen).map(|cluster| {
        let keys = keys::derive(cluster, secret)?;
        let seen = cluster::look(cluster, &keys)?;
        Ok(Living {
            cluster: cluster.clone(),
            keys,
            seen,
        })
    });
    clusters.collect()
}

pub(super) fn clusters<'a>(site: &'a Site, chosen: &[String]) -> impl Iterator<Item = &'a Cluster> {
    let is_chosen = |cluster: &&Cluster| chosen.iter().any(|name| name == cluster.name.as_str());
    site.clusters.iter().filter(is_chosen)
}

/// The clusters of a site that are to be changed, seen; nothing if the profiles have errors.
pub(super) fn see(
    site: &Utf8Path,
    secret: &SecretArgs,
    printer: &mut Printer,
    chosen: impl FnOnce(&Site) -> Result<Vec<String>, CommandError>,
) -> Result<Option<Vec<Living>>, CommandError> {
    let Some((found, chosen, secret)) = to_change(site, secret, printer, chosen)? else {
        return Ok(None);
    };
    look(&found, &chosen, &secret).map(Some)
}

/// The same, not looked at yet: the site, the names of the chosen clusters, and the site secret.
pub(super) fn to_change(
    site: &Utf8Path,
    secret: &SecretArgs,
    printer: &mut Printer,
    chosen: impl FnOnce(&Site) -> Result<Vec<String>, CommandError>,
) -> Result<Option<(Site, Vec<String>, SiteSecret)>, CommandError> {
    let checked = lxseed::check::check(site, super::now());
    let Some(found) = accept(checked, "", printer)? else {
        return Ok(None);
    };
    let chosen = chosen(&found)?;
    let secret = keys::of_living(secret, site)?;
    if let Some(cluster) = clusters(&found, &chosen).find(|cluster| cluster.desk.is_none()) {
        return Err(CommandError::Refused(format!(
            "{} has `desk: none`: the desk has no key by which its members would take an order",
            cluster.name
        )));
    }
    Ok(Some((found, chosen, secret)))
}

/// The one cluster of a host that is to be changed, seen, and the host's name; nothing if the profiles have errors.
pub(super) fn see_host(args: &HostArgs, printer: &mut Printer) -> Result<Option<(Living, String)>, CommandError> {
    let Some((cluster, host, secret)) = of_host(args, printer)? else {
        return Ok(None);
    };
    let keys = keys::derive(&cluster, &secret)?;
    let seen = cluster::look(&cluster, &keys)?;
    Ok(Some((Living { cluster, keys, seen }, host)))
}

/// The same, not looked at yet, with the site secret.
pub(super) fn of_host(
    args: &HostArgs,
    printer: &mut Printer,
) -> Result<Option<(Cluster, String, SiteSecret)>, CommandError> {
    let mut host = String::new();
    let chosen = to_change(&args.site, &args.secret, printer, |site| {
        let (cluster, name) = host_of(site, &args.host)?;
        host = name;
        Ok(vec![cluster])
    })?;
    Ok(chosen.and_then(|(site, chosen, secret)| {
        let cluster = clusters(&site, &chosen).next()?.clone();
        Some((cluster, host, secret))
    }))
}

/// `CLUSTER/HOST`, or a host's name where only one cluster can be meant.
fn host_of(site: &Site, named: &str) -> Result<(String, String), CommandError> {
    let usage = |message: String| Err(CommandError::Usage(message));
    let known = || site.clusters.iter().map(|cluster| cluster.name.as_str());
    match (named.split_once('/'), site.clusters.as_slice()) {
        (Some((cluster, host)), _) if known().any(|name| name == cluster) && !host.is_empty() => {
            Ok((cluster.to_owned(), host.to_owned()))
        }
        (Some((cluster, _)), _) => usage(format!(
            "{named}: there is no cluster {cluster}; the clusters are {}",
            known().collect::<Vec<_>>().join(", ")
        )),
        (None, [only]) => Ok((only.name.to_string(), named.to_owned())),
        (None, clusters) => {
            let with: Vec<String> = clusters
                .iter()
                .filter(|cluster| cluster.hosts.iter().any(|host| host.name.as_str() == named))
                .map(|cluster| format!("{}/{named}", cluster.name))
                .collect();
            match with.as_slice() {
                [one] => host_of(site, one),
                [] => usage(format!(
                    "{named}: write CLUSTER/HOST; the clusters are {}",
                    known().collect::<Vec<_>>().join(", ")
                )),
                several => usage(format!("{named}: there are {}", several.join(" and "))),
            }
        }
    }
}

/// Shows what a plan does and what it leaves.
pub(super) fn show(plan: &Plan, printer: &mut Printer) {
    for (at, step) in plan.steps.iter().enumerate() {
        printer.line(format_args!("  {}. {step}", at + 1));
    }
    for left in &plan.left {
        printer.line(format_args!("  not done: {}", left.why));
        for line in &left.records {
            printer.line(format_args!("    {line}"));
        }
    }
}

/// Carries out a plan, and tells each step that is done.
pub(super) fn carry_out(living: &Living, plan: &Plan, printer: &mut Printer) -> Result<(), CommandError> {
    cluster::apply(&living.cluster, &living.keys, plan, &mut |step| {
        printer.line(format_args!("  done: {step}"));
    })?;
    let steps = counted(plan.steps.len(), "step");
    printer.line(format_args!("{}: {steps} done", living.cluster.name));
    Ok(())
}
