//! `lxseed status`: how the machines of a site are.

use std::thread;
use std::time::Duration;

use lxseed::cluster::{self, HostStatus, PoolStatus, State, Status, Undeclared, Verdict};
use lxseed::source::Addition;
use serde::Serialize;

use super::accept::accept;
use super::living::{self, Living};
use super::{CommandError, Outcome, addition, keys};
use crate::cli::{StatusArgs, StatusFormat};
use crate::terminal::printer::Printer;
use crate::terminal::table::aligned;

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) fn status(args: &StatusArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.clusters.site, super::now());
    let Some(site) = accept(checked, "", printer)? else {
        return Ok(Outcome::Findings);
    };
    let chosen = living::select(args.clusters.only.as_deref(), &site)?;
    let secret = keys::of_living(&args.clusters.secret, &args.clusters.site)?;
    let mut last = None;
    loop {
        let all: Vec<Status> = living::look(&site, &chosen, &secret)?
            .iter()
            .map(|Living { cluster, keys, seen }| cluster::status(cluster, keys, seen, super::now()))
            .collect();
        if last.as_ref() != Some(&all) {
            show(&all, args, last.is_some(), printer);
            for status in &all {
                write_founding(status, args, printer);
            }
        }
        if !args.watch || printer.is_closed() {
            return Ok(outcome(&all));
        }
        last = Some(all);
        thread::sleep(PAUSE);
    }
}

/// Once the cluster stands, its profile says so, and no seed can found another. A single host has nobody to join.
fn write_founding(status: &Status, args: &StatusArgs, printer: &mut Printer) {
    if let ([number], None) = (status.foundings.as_slice(), &status.formed)
        && status.hosts.len() > 1
        // A database that answers has a majority of its voters: whoever tells of another founding is none of them.
        && status.through.is_some()
    {
        let formed = Addition::Scalar {
            key: "formed",
            value: number,
        };
        addition::add(&args.clusters.site, &status.cluster, &formed, None, printer);
    }
}

/// How a run ends that only tells how the machines are.
pub(super) fn outcome(all: &[Status]) -> Outcome {
    let is = |verdict| move |status: &Status| status.verdict == verdict;
    if all.iter().all(is(Verdict::AsDeclared)) {
        Outcome::Done
    } else if all.iter().all(is(Verdict::NobodyAnswers)) {
        Outcome::NobodyAnswers
    } else {
        Outcome::OutOfDate
    }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    clusters: &'a [Status],
}

fn show(all: &[Status], args: &StatusArgs, again: bool, printer: &mut Printer) {
    match args.format {
        StatusFormat::Json => {
            let whole = Json {
                format: 1,
                clusters: all,
            };
            // Texts and numbers: nothing in it that JSON cannot say.
            printer.line(serde_json::to_string(&whole).unwrap_or_default());
        }
        StatusFormat::Text => {
            if again {
                printer.line("");
            }
            for status in all {
                text(status, printer);
            }
        }
    }
}

fn text(status: &Status, printer: &mut Printer) {
    let of = status.hosts.len();
    let asked = match &status.through {
        Some(member) => format!("asked {member}"),
        None => "no member could be asked".to_owned(),
    };
    printer.line(format_args!(
        "{}: {} of {of} members online; {asked}",
        status.cluster, status.online
    ));
    if status.foundings.len() > 1 {
        printer.line(format_args!(
            "  its members belong to {} foundings, {}: these are different clusters under one name",
            status.foundings.len(),
            status.foundings.join(" and "),
        ));
    }
    let head = ["host", "address", "state", "LXD", "kernel", "certificate", "pools"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(status.hosts.iter().map(row)).collect();
    let lines = aligned(&rows);
    let (head, lines) = lines.split_at(1);
    for line in head {
        printer.line(line);
    }
    for (host, line) in status.hosts.iter().zip(lines) {
        printer.line(line);
        for line in host.message.iter().flat_map(|message| message.lines()) {
            printer.line(format_args!("      {line}"));
        }
    }
    if !status.earlier_pair.is_empty() {
        printer.line(format_args!(
            "  not rotated: the cluster's pair, of which {} show{} the generation before the declared one: lxseed rotate cluster",
            status.earlier_pair.join(", "),
            if status.earlier_pair.len() == 1 { "s" } else { "" },
        ));
    }
    for host in &status.other_keys {
        printer.line(format_args!(
            "  not rotated: the keys of {host}, which are of another generation than the declared one, or half replaced: lxseed rotate host {}/{host}",
            status.cluster
        ));
    }
    for found in &status.undeclared {
        printer.line(format_args!("  not declared: {}", undeclared(found)));
    }
}

fn row(host: &HostStatus) -> [String; 7] {
    let state = match (&host.stage, host.state) {
        (Some(stage), State::Working | State::Waiting | State::Stopped) => format!("{} in {stage}", host.state.word()),
        (Some(stage), State::Online) => format!("online, {stage} not done"),
        _ => host.state.word().to_owned(),
    };
    let pools: Vec<String> = host.pools.iter().map(pool).collect();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        host.name.clone(),
        host.address.ip().to_string(),
        state,
        or_none(&host.lxd),
        or_none(&host.kernel),
        format!("{} days", host.certificate_days),
        pools.join(", "),
    ]
}

fn pool(pool: &PoolStatus) -> String {
    let driver = pool.driver.as_deref().unwrap_or("missing");
    match (&pool.trouble, pool.free, pool.total) {
        (Some(trouble), ..) => format!("{} {driver}: {trouble}", pool.name),
        (None, Some(free), Some(total)) => format!("{} {driver} {} of {} free", pool.name, size(free), size(total)),
        (None, ..) => format!("{} {driver}", pool.name),
    }
}

/// As disks are sold: powers of 1000.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = (0..UNITS.len() - 1)
        .take_while(|unit| bytes / 1000_u64.pow(u32::try_from(*unit).unwrap_or(0) + 1) > 0)
        .count();
    format!(
        "{} {}",
        bytes / 1000_u64.pow(u32::try_from(unit).unwrap_or(0)),
        UNITS[unit]
    )
}

fn undeclared(found: &Undeclared) -> String {
    match found {
        Undeclared::Member { name, url, status } => format!("the member {name} at {url}, {}", status.to_lowercase()),
        Undeclared::Pool { name, driver } => format!("the pool {name}, {driver}"),
        Undeclared::Certificate {
            name,
            type_,
            fingerprint,
        } => {
            format!("a trusted {type_} certificate, {name}: {fingerprint}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let shown = [0, 999, 1000, 512_000_000, 960_197_124_096, u64::MAX].map(size);
        assert_eq!(shown, ["0 B", "999 B", "1 kB", "512 MB", "960 GB", "18446 PB"]);
    }
}
