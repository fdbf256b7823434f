//! `lxseed retire`: a host leaves its cluster for good.

use lxseed::cluster::{self, Leaving, RecordsOf};

use super::{CommandError, Outcome, living};
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
            continue;
        }
        living::carry_out(living, &plan, printer)?;
        printer.line(format_args!(
            "{}/{host}: has left; take it out of the profiles, so that no build makes a seed for it",
            living.cluster.name
        ));
    }
    Ok(Outcome::Done)
}
