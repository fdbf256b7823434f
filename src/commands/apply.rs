//! `lxseed plan` and `lxseed apply`: what of the profiles has not reached the clusters.

use lxseed::cluster::{self, Plan, RecordsOf};

use super::living::{self, Living};
use super::{CommandError, Outcome};
use crate::cli::ClustersArgs;
use crate::terminal::printer::Printer;

/// Shows the plan; exit 3 if there is anything that differs.
pub(super) fn plan(args: &ClustersArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    each(args, printer, |_, plan, _| {
        Ok(plan.steps.is_empty() && plan.left.is_empty())
    })
}

/// Shows the plan and carries it out; exit 3 if something is left.
pub(super) fn apply(args: &ClustersArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    each(args, printer, |living, plan, printer| {
        if !plan.steps.is_empty() {
            living::carry_out(living, plan, printer)?;
        }
        Ok(plan.left.is_empty())
    })
}

/// Shows the plan of each cluster and does something with it, which tells whether nothing differs afterwards.
fn each(
    args: &ClustersArgs,
    printer: &mut Printer,
    mut work: impl FnMut(&Living, &Plan, &mut Printer) -> Result<bool, CommandError>,
) -> Result<Outcome, CommandError> {
    let Some(plans) = plans(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let mut outcome = Outcome::Done;
    for (living, plan) in &plans {
        head(living, plan, printer);
        living::show(plan, printer);
        if !work(living, plan, printer)? {
            outcome = Outcome::OutOfDate;
        }
    }
    Ok(outcome)
}

fn head(living: &Living, plan: &Plan, printer: &mut Printer) {
    let name = &living.cluster.name;
    if plan.steps.is_empty() && plan.left.is_empty() {
        printer.line(format_args!("{name}: nothing to do"));
    } else {
        printer.line(format_args!("{name}:"));
    }
}

fn plans(args: &ClustersArgs, printer: &mut Printer) -> Result<Option<Vec<(Living, Plan)>>, CommandError> {
    let seen = living::see(&args.site, &args.secret, printer, |site| {
        living::select(args.only.as_deref(), site)
    })?;
    let Some(clusters) = seen else {
        return Ok(None);
    };
    let plans = clusters.into_iter().map(|living| {
        let used = cluster::records(&living.cluster, &living.keys, &living.seen, RecordsOf::UndeclaredPools)?;
        let plan = cluster::plan(
            &living.cluster,
            &living.keys,
            &living.seen,
            &used.unwrap_or_default(),
            super::now(),
        )?;
        Ok((living, plan))
    });
    plans.collect::<Result<_, CommandError>>().map(Some)
}
