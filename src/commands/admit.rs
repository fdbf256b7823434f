//! `lxseed admit`: a declared host may join.

use lxseed::cluster;

use super::{CommandError, Outcome, living};
use crate::cli::HostArgs;
use crate::terminal::printer::Printer;

pub(super) fn admit(args: &HostArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some((living, host)) = living::see_host(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let name = &living.cluster.name;
    let plan = cluster::admit(&living.cluster, &living.keys, &living.seen, &host, super::now())?;
    if plan.steps.is_empty() {
        printer.line(format_args!("{name}/{host}: is let in already"));
    } else {
        living::carry_out(&living, &plan, printer)?;
        printer.line(format_args!(
            "{name}/{host}: joins when it is switched on, or within a minute if it waits"
        ));
    }
    Ok(Outcome::Done)
}
