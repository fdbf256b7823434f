//! `lxseed rescue`: what to do about a database that does not answer. It changes nothing.

use lxseed::cluster::{self, Status};

use super::accept::accept;
use super::living::{self, Living};
use super::status::outcome;
use super::{CommandError, Outcome, keys};
use crate::cli::ClustersArgs;
use crate::terminal::printer::Printer;

pub(super) fn rescue(args: &ClustersArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.site, super::now());
    let Some(site) = accept(checked, "", printer)? else {
        return Ok(Outcome::Findings);
    };
    let chosen = living::select(args.only.as_deref(), &site)?;
    let secret = keys::of_living(&args.secret, &args.site)?;
    let mut all: Vec<Status> = Vec::new();
    for Living { cluster, keys, seen } in &living::look(&site, &chosen, &secret)? {
        for line in cluster::rescue(cluster, seen) {
            printer.line(line);
        }
        all.push(cluster::status(cluster, keys, seen, super::now()));
    }
    Ok(outcome(&all))
}
