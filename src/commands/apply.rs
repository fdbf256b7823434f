//! `lxseed plan` and `lxseed apply`: what of the profiles has not reached the clusters.

use lxseed::cluster::{self, Plan, RecordsOf};

use super::living::{self, Living};
use super::{CommandError, Outcome};
use crate::cli::ApplyArgs;
use crate::terminal::printer::Printer;

/// Shows the plan; exit 3 if there is anything that differs.
pub(super) fn plan(args: &ApplyArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some(plans) = plans(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let mut outcome = Outcome::Done;
    for (living, plan) in &plans {
        head(living, plan, printer);
        living::show(plan, printer);
        if !plan.steps.is_empty() || !plan.left.is_empty() {
            outcome = Outcome::OutOfDate;
        }
    }
    Ok(outcome)
}

/// Shows the plan and carries it out; exit 3 if something is left.
pub(super) fn apply(args: &ApplyArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some(plans) = plans(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let mut outcome = Outcome::Done;
    for (living, plan) in &plans {
        head(living, plan, printer);
        living::show(plan, printer);
        if !plan.steps.is_empty() {
            living::carry_out(living, plan, printer)?;
        }
        if !plan.left.is_empty() {
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

fn plans(args: &ApplyArgs, printer: &mut Printer) -> Result<Option<Vec<(Living, Plan)>>, CommandError> {
    let seen = living::see(&args.site, &args.secret, printer, |site| {
        living::select(args.only.as_deref(), site)
    })?;
    let Some(clusters) = seen else {
        return Ok(None);
    };
    let plans = clusters.into_iter().map(|living| {
        let used = cluster::records(&living.cluster, &living.keys, &living.seen, RecordsOf::UndeclaredPools)?;
        let plan = cluster::plan(&living.cluster, &living.keys, &living.seen, &used.unwrap_or_default())?;
        Ok((living, plan))
    });
    plans.collect::<Result<_, CommandError>>().map(Some)
}
