//! `lxseed retire`: a host leaves its cluster for good.

use lxseed::cluster::{self, Leaving, Plan, RecordsOf};
use lxseed::source::Addition;

use super::living::Living;
use super::{CommandError, Outcome, addition, living};
use crate::cli::RetireArgs;
use crate::terminal::printer::Printer;

pub(super) fn retire(args: &RetireArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let mut host = String::new();
    let seen = living::see(&args.site, &args.secret, printer, |site| {
        let (cluster, name) = living::host_of(site, &args.host)?;
        host = name;
        Ok(vec![cluster])
    })?;
    let Some(clusters) = seen else {
        return Ok(Outcome::Findings);
    };
    let leaving = match (args.lost, args.evacuate) {
        (Some(count), _) => Leaving::Lost(count),
        (None, true) => Leaving::Evacuate,
        (None, false) => Leaving::Empty,
    };
    for living in &clusters {
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
        let plan = cluster::retire(&living.cluster, &living.keys, &living.seen, &records, &host, leaving)?;
        if plan.steps.is_empty() {
            printer.line(format_args!("{}/{host}: has left already", living.cluster.name));
            write_tombstone(args, living, &plan, &host, printer);
            continue;
        }
        living::carry_out(living, &plan, printer)?;
        write_tombstone(args, living, &plan, &host, printer);
        printer.line(format_args!(
            "{}/{host}: has left; take it out of the profiles, so that no build makes a seed for it",
            living.cluster.name
        ));
    }
    Ok(Outcome::Done)
}

/// Once the host has left: until then its profile is still to be accepted, should this have to be run again.
fn write_tombstone(args: &RetireArgs, living: &Living, plan: &Plan, host: &str, printer: &mut Printer) {
    for fingerprint in cluster::retired(&living.seen, plan, host) {
        let retired = Addition::Item {
            key: "retired",
            name: host,
            item: &fingerprint,
        };
        addition::add(
            &args.site,
            living.cluster.name.as_str(),
            &retired,
            Some("C012"),
            printer,
        );
    }
}
