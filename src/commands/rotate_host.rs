//! A member's own keys are replaced: LXD's pair and the SSH host key.

use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use lxseed::cluster::{self, Machine};
use lxseed::trust::SiteSecret;

use super::living::{self, Living};
use super::{CommandError, keys};
use crate::terminal::printer::Printer;

/// How often it is looked again while LXD misses a member that answers: a round of heartbeats takes ten seconds.
const TRIES: usize = 40;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks whether the machine can be reached before anything is changed. `old` is the site secret that the machine may still have keys of.
///
/// # Errors
/// If it cannot be decided, or not be done; what is done then is found by the next run.
pub(super) fn rotate(
    living: &mut Living,
    name: &str,
    secret: &SiteSecret,
    old: Option<&SiteSecret>,
    site: &Utf8Path,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    living.seen = cluster::look(&living.cluster, &living.keys)?;
    for _ in 0..TRIES {
        if !cluster::is_settling(&living.seen) {
            break;
        }
        thread::sleep(PAUSE);
        living.seen = cluster::look(&living.cluster, &living.keys)?;
    }
    let Living { cluster, keys, seen } = &*living;
    let full = format!("{}/{name}", cluster.name);
    let may = cluster::may_rotate_host(cluster, keys, seen, name)?;
    let Some(host) = cluster.hosts.iter().find(|host| host.name.as_str() == name) else {
        return Ok(());
    };
    let alone = format!(
        "{full}: has its keys of generation {} alone; for others write `generation: {}` on the host, and run this again",
        host.generation,
        host.generation.saturating_add(1)
    );
    if !may && old.is_none() {
        printer.line(alone);
        return Ok(());
    }
    let others = keys::other_keys_of(cluster, host, secret, old)?;
    let machine = Machine::new(cluster, keys, name, others).map_err(CommandError::HostKeys)?;
    let Some(machine) = machine else {
        return Ok(());
    };
    let on_it = machine.look()?;
    let takers = cluster::takers(cluster, keys, &machine, seen)?;
    let plan = cluster::rotate_host(cluster, keys, seen, &on_it, &takers, name)?;
    if plan.steps.is_empty() {
        printer.line(alone);
        return Ok(());
    }
    printer.line(format_args!("{full}:"));
    living::show(&plan, printer);
    cluster::apply_on(cluster, keys, &machine, &plan, &mut |step| {
        printer.line(format_args!("  done: {step}"));
    })?;
    printer.line(format_args!(
        "{full}: every member takes its new key, and none an earlier one. Now: lxseed build {site}; out/{}/known_hosts has its new SSH host key",
        cluster.name
    ));
    Ok(())
}
