//! `lxseed retire`: a host leaves its cluster for good.

use camino::Utf8Path;
use lxseed::cluster::{self, Leaving, Plan, RecordsOf};
use lxseed::source::Addition;

use super::living::Living;
use super::{CommandError, Outcome, addition, living};
use crate::cli::RetireArgs;
use crate::terminal::printer::Printer;

pub(super) fn retire(args: &RetireArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some((living, host)) = living::see_host(&args.host, printer)? else {
        return Ok(Outcome::Findings);
    };
    let leaving = match (args.lost, args.evacuate) {
        (Some(count), _) => Leaving::Lost(count),
        (None, true) => Leaving::Evacuate,
        (None, false) => Leaving::Empty,
    };
    let of = RecordsOf::Member(&host);
    let records = cluster::records(&living.cluster, &living.keys, &living.seen, of)?;
    let records = match records.and_then(|mut all| all.remove(&host)) {
        Some(records) => records,
        // The decision says so, and why.
        None if living.seen.cluster.is_none() => cluster::Records::default(),
        None => {
            return Err(CommandError::Refused(format!(
                "what is on {host} could not be asked: nothing was changed"
            )));
        }
    };
    let name = &living.cluster.name;
    let plan = cluster::retire(&living.cluster, &living.keys, &living.seen, &records, &host, leaving)?;
    if plan.steps.is_empty() {
        printer.line(format_args!("{name}/{host}: has left already"));
    } else {
        living::carry_out(&living, &plan, printer)?;
        printer.line(format_args!(
            "{name}/{host}: has left; take it out of the profiles, so that no build makes a seed for it"
        ));
    }
    write_tombstone(&args.host.site, &living, &plan, &host, printer);
    Ok(Outcome::Done)
}

/// Once the host has left: until then its profile is still to be accepted, should this have to be run again.
fn write_tombstone(site: &Utf8Path, living: &Living, plan: &Plan, host: &str, printer: &mut Printer) {
    for fingerprint in cluster::retired(&living.seen, plan, host) {
        let retired = Addition::Item {
            key: "retired",
            name: host,
            item: &fingerprint,
        };
        addition::add(site, living.cluster.name.as_str(), &retired, Some("C012"), printer);
    }
}
