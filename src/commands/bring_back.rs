//! `lxseed return`: a member whose system disk died comes back with its pools.

use std::thread;
use std::time::{Duration, Instant};

use lxseed::cluster::{self, Answer, HostSeen, Identity, Seen};

use super::living::Living;
use super::{CommandError, Outcome, living};
use crate::cli::HostArgs;
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;

/// LXD takes a second to come back, and its first boot some to go on; a member counts as online after its next heartbeat.
const LIMIT: Duration = Duration::from_secs(300);

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) fn bring_back(args: &HostArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some((living, host)) = living::see_host(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let name = &living.cluster.name;
    let plan = cluster::bring_back(&living.cluster, &living.keys, &living.seen, &host)?;
    if plan.steps.is_empty() {
        printer.line(format_args!("{name}/{host}: is a member, and online"));
        return Ok(Outcome::Done);
    }
    living::carry_out(&living, &plan, printer)?;
    let progress = Progress::new("waiting for it to come back");
    let back = await_member(&living, &host);
    progress.finish();
    if back? {
        printer.line(format_args!("{name}/{host}: is back"));
        Ok(Outcome::Done)
    } else {
        Err(CommandError::Refused(format!(
            "{name}/{host} has all it needs, and did not come back within {} s; `lxseed status` shows what it says. The same verb goes on from there",
            LIMIT.as_secs()
        )))
    }
}

/// Whether the host is a member again, and the others see it.
fn await_member(living: &Living, host: &str) -> Result<bool, CommandError> {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        let seen = cluster::look(&living.cluster, &living.keys)?;
        if is_back(&seen, host) {
            return Ok(true);
        }
        thread::sleep(PAUSE);
    }
    Ok(false)
}

fn is_back(seen: &Seen, name: &str) -> bool {
    let is_member = |host: &HostSeen| host.name == name && matches!(host.answer, Answer::Server(Identity::Cluster, _));
    let members = seen.cluster.iter().flat_map(|cluster| &cluster.members);
    seen.hosts.iter().any(is_member)
        && members
            .filter(|member| member.name == name)
            .any(|member| member.status == "Online")
}
