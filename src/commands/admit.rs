//! `lxseed admit`: a declared host may join.

use lxseed::cluster;

use super::{CommandError, Outcome, living};
use crate::cli::AdmitArgs;
use crate::terminal::printer::Printer;

pub(super) fn admit(args: &AdmitArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let mut host = String::new();
    let seen = living::see(&args.site, &args.secret, printer, |site| {
        let (cluster, name) = living::host_of(site, &args.host)?;
        host = name;
        Ok(vec![cluster])
    })?;
    let Some(clusters) = seen else {
        return Ok(Outcome::Findings);
    };
    for living in &clusters {
        let name = &living.cluster.name;
        let plan = cluster::admit(&living.cluster, &living.keys, &living.seen, &host)?;
        if plan.steps.is_empty() {
            printer.line(format_args!("{name}/{host}: is let in already"));
            continue;
        }
        living::carry_out(living, &plan, printer)?;
        printer.line(format_args!(
            "{name}/{host}: joins when it is switched on, or within a minute if it waits"
        ));
    }
    Ok(Outcome::Done)
}
