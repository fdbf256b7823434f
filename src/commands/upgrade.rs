//! `lxseed upgrade`: another revision of LXD on every member of a living cluster.

use camino::Utf8Path;
use lxseed::cluster::{self, Ssh, UpgradePlan, UpgradeStep, UpgradeWish};
use lxseed::model::{Cluster, Site};

use super::living;
use super::{CommandError, Outcome, keys};
use crate::cli::UpgradeArgs;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;

/// Each member takes some steps; a run that takes more goes round in circles.
const STEPS_PER_MEMBER: usize = 12;

pub(super) fn upgrade(args: &UpgradeArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let clusters = &args.clusters;
    let chosen = |found: &Site| living::select(clusters.only.as_deref(), found);
    let Some((found, chosen, secret)) = living::to_change(&clusters.site, &clusters.secret, printer, chosen)? else {
        return Ok(Outcome::Findings);
    };
    for cluster in living::clusters(&found, &chosen) {
        walk(cluster, &keys::derive(cluster, &secret)?, args, printer)?;
    }
    Ok(Outcome::Done)
}

/// From what is seen to the next step, and so on until there is none.
fn walk(
    cluster: &Cluster,
    keys: &lxseed::seed::ClusterKeys,
    args: &UpgradeArgs,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    let name = &cluster.name;
    let ssh = Ssh::new(cluster, keys).map_err(|why| {
        CommandError::Refused(format!(
            "cannot write the host keys of {name} to a temporary file: {why}"
        ))
    })?;
    let mut wish = UpgradeWish {
        channel: args.channel.clone(),
        evacuate: args.evacuate,
        revision: None,
    };
    let mut last: Option<UpgradeStep> = None;
    for done in 0..STEPS_PER_MEMBER * cluster.hosts.len() {
        let progress = Progress::new("asking the members");
        let plan = cluster::see_upgrade(cluster, keys, &ssh, &wish)
            .map_err(CommandError::from)
            .and_then(|seen| Ok(cluster::plan_upgrade(cluster, &wish, &seen)?));
        progress.finish();
        let plan = plan.map_err(|why| stopped(cluster, args, done, why))?;
        let Some(step) = plan.steps.first() else {
            ended(cluster, &plan, args, done, printer);
            return Ok(());
        };
        if done == 0 {
            show(cluster, &plan, args, printer);
        }
        let again = last.as_ref() == Some(step);
        if again && !step.is_wait() {
            let why = CommandError::Refused(format!("{step}: that was done, and all is as it was before"));
            return Err(stopped(cluster, args, done, why));
        }
        wish.revision = Some(plan.revision);
        let progress = Progress::new("waiting for the member");
        let result = cluster::upgrade_step(cluster, keys, &ssh, step);
        progress.finish();
        result.map_err(|why| stopped(cluster, args, done.max(1), why.into()))?;
        if !again {
            printer.line(format_args!("  done: {step}"));
        }
        last = Some(step.clone());
    }
    let why = CommandError::Refused("it takes more steps than it should".to_owned());
    Err(stopped(cluster, args, 1, why))
}

fn show(cluster: &Cluster, plan: &UpgradePlan, args: &UpgradeArgs, printer: &mut Printer) {
    let revision = plan.revision;
    printer.line(format_args!(
        "{}: LXD of {}, revision {revision}, on every member:",
        cluster.name, args.channel
    ));
    for (at, step) in plan.steps.iter().enumerate() {
        printer.line(format_args!("  {}. {step}", at + 1));
    }
    for note in &plan.notes {
        printer.line(format_args!("  note: {note}"));
    }
    if !args.evacuate {
        printer.line("  note: instances run on while LXD is refreshed; until all members have the new one its API may answer nobody");
    }
}

/// What was refused before the first step speaks for itself; after it, the way on is told.
fn stopped(cluster: &Cluster, args: &UpgradeArgs, done: usize, why: CommandError) -> CommandError {
    if done == 0 {
        return why;
    }
    CommandError::Refused(format!(
        "{}: {why}. It stops here, and the members that are done wait for the others; once that is mended it goes on from there: {}",
        cluster.name,
        again(cluster, args)
    ))
}

fn again(cluster: &Cluster, args: &UpgradeArgs) -> String {
    let evacuate = if args.evacuate { " --evacuate" } else { "" };
    let site: &Utf8Path = &args.clusters.site;
    let site = match site.as_str() {
        "profiles" => String::new(),
        site => format!(" {site}"),
    };
    format!(
        "lxseed upgrade --channel {}{evacuate}{site} --only {}",
        args.channel, cluster.name
    )
}

fn ended(cluster: &Cluster, plan: &UpgradePlan, args: &UpgradeArgs, done: usize, printer: &mut Printer) {
    let (name, channel, revision) = (&cluster.name, &args.channel, plan.revision);
    if done == 0 {
        printer.line(format_args!(
            "{name}: every member has revision {revision} of {channel}: nothing to do"
        ));
    } else {
        printer.line(format_args!(
            "{name}: every member has revision {revision} of {channel}, and answers"
        ));
    }
    if cluster.channel != *channel {
        printer.line(format_args!(
            "{name}: now write `lxd: {{channel: {channel}}}` in its cluster.yaml, and build: a host that is set up with {} could not join",
            cluster.channel
        ));
    }
}
