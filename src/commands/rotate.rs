//! `lxseed rotate`: keys of living clusters are replaced.

use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use lxseed::cluster::{self, Answer, Identity, Plan, Seen};
use lxseed::model::{Cluster, Site};
use lxseed::trust::{KeyPair, SiteSecret};

use super::accept::accept;
use super::living::{self, Living};
use super::{CommandError, Outcome, keys, rotate_host};
use crate::cli::{ClustersArgs, HostArgs, RotateArgs, RotateCommand};
use crate::terminal::printer::Printer;

/// Members hear of a change one after the other; this is how often it is looked whether all have.
const TRIES: usize = 20;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn rotate(command: &RotateCommand, printer: &mut Printer) -> Result<Outcome, CommandError> {
    match command {
        RotateCommand::Desk(args) => each(&args.clusters, args.old_secret_file.as_deref(), printer, desk),
        RotateCommand::Cluster(args) => each(&args.clusters, args.old_secret_file.as_deref(), printer, pair),
        RotateCommand::Clients(args) => each(args, None, printer, people),
        RotateCommand::Host(args) => host(args, printer),
        RotateCommand::All(args) => all(args, printer),
    }
}

/// A cluster whose keys are replaced.
struct Rotation<'a> {
    living: Living,
    secret: &'a SiteSecret,
    old: Option<&'a SiteSecret>,
    /// The desk's keys of before, the latest first.
    earlier: Vec<KeyPair>,
    /// The folder with the profiles.
    site: &'a Utf8Path,
}

/// Does something with each chosen cluster, which tells whether nothing of it is left.
fn each(
    args: &ClustersArgs,
    old: Option<&Utf8Path>,
    printer: &mut Printer,
    work: impl Fn(&mut Rotation<'_>, &mut Printer) -> Result<bool, CommandError>,
) -> Result<Outcome, CommandError> {
    let site = &args.site;
    let chosen = |found: &Site| living::select(args.only.as_deref(), found);
    let Some((found, chosen, secret)) = living::to_change(site, &args.secret, printer, chosen)? else {
        return Ok(Outcome::Findings);
    };
    let old = old.map(|file| keys::old(file, site, &secret)).transpose()?;
    let mut outcome = Outcome::Done;
    for cluster in living::clusters(&found, &chosen) {
        let mut one = Rotation::new(cluster, site, &secret, old.as_ref())?;
        if !work(&mut one, printer)? {
            outcome = Outcome::OutOfDate;
        }
    }
    Ok(outcome)
}

impl<'a> Rotation<'a> {
    fn new(
        cluster: &Cluster,
        site: &'a Utf8Path,
        secret: &'a SiteSecret,
        old: Option<&'a SiteSecret>,
    ) -> Result<Self, CommandError> {
        let keys = match old {
            Some(old) => keys::derive_beside(cluster, secret, old)?,
            None => keys::derive(cluster, secret)?,
        };
        let earlier = keys::earlier_desks(cluster, secret, old)?;
        let seen = cluster::look(cluster, &keys)?;
        let cluster = cluster.clone();
        Ok(Self {
            living: Living { cluster, keys, seen },
            secret,
            old,
            earlier,
            site,
        })
    }

    fn name(&self) -> &str {
        self.living.cluster.name.as_str()
    }

    fn look(&mut self) -> Result<(), CommandError> {
        self.living.seen = cluster::look(&self.living.cluster, &self.living.keys)?;
        Ok(())
    }

    /// Looks until what is seen is as wished, or has had its time.
    fn wait_for(&mut self, is_so: impl Fn(&Seen) -> bool) -> Result<bool, CommandError> {
        for _ in 0..TRIES {
            self.look()?;
            if is_so(&self.living.seen) {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }

    /// Shows a plan, and carries it out.
    fn carry_out(&self, plan: &Plan, printer: &mut Printer) -> Result<(), CommandError> {
        printer.line(format_args!("{}:", self.name()));
        living::show(plan, printer);
        if plan.steps.is_empty() {
            return Ok(());
        }
        living::carry_out(&self.living, plan, printer)
    }

    fn let_in_as_declared(&self) -> Result<(), CommandError> {
        if self.living.seen.cluster.is_none() && is_refused(&self.living.seen) {
            return Err(CommandError::Refused(format!(
                "the members of {} do not know the desk under its declared key; first: lxseed rotate desk {}",
                self.name(),
                self.site
            )));
        }
        Ok(())
    }
}

/// Whether a member answers that does not know the desk under the key at hand.
fn is_refused(seen: &Seen) -> bool {
    let mut hosts = seen.hosts.iter();
    hosts.any(|host| matches!(host.answer, Answer::Untrusted(Identity::Cluster)))
}

/// New beside old under the old one, then old out under the new one, which is thereby known to work.
fn desk(one: &mut Rotation<'_>, printer: &mut Printer) -> Result<bool, CommandError> {
    let Some(declared) = one.living.keys.desk.clone() else {
        return Ok(true);
    };
    if is_refused(&one.living.seen) {
        let mut earlier = one.earlier.clone().into_iter();
        while one.living.seen.cluster.is_none() || is_refused(&one.living.seen) {
            let Some(pair) = earlier.next() else {
                return Err(CommandError::Refused(format!(
                    "no generation of the desk's key up to the declared one opens {}: are these the profiles of an earlier day? If not, on a member: \
                     lxc config trust add lxseed-desk.crt, with out/{}/desk.crt of the build copied there under that name",
                    one.name(),
                    one.name()
                )));
            };
            one.living.keys.desk = Some(pair);
            one.look()?;
        }
        let plan = cluster::desk_beside(&one.living.cluster, &declared, &one.living.seen)?;
        one.carry_out(&plan, printer)?;
        one.living.keys.desk = Some(declared.clone());
        one.wait_for(|seen| seen.cluster.is_some() && !is_refused(seen))?;
    }
    let earlier: Vec<String> = one.earlier.iter().map(|pair| pair.fingerprint.clone()).collect();
    let plan = cluster::desk_alone(&one.living.cluster, &declared, &earlier, &one.living.seen)?;
    let generation = one.living.cluster.desk.unwrap_or_default();
    if plan.steps.is_empty() {
        printer.line(format_args!(
            "{}: the desk has its key of generation {generation} alone; for another one write `desk: {{generation: {}}}` in cluster.yaml, and run \
             this again",
            one.name(),
            generation.saturating_add(1)
        ));
    } else {
        one.carry_out(&plan, printer)?;
        printer.line(format_args!(
            "{}: the desk's earlier key opens nothing any more",
            one.name()
        ));
    }
    Ok(true)
}

/// The cluster's own pair.
fn pair(one: &mut Rotation<'_>, printer: &mut Printer) -> Result<bool, CommandError> {
    one.let_in_as_declared()?;
    let plan = cluster::rotate_cluster(&one.living.cluster, &one.living.keys, &one.living.seen)?;
    let generation = one.living.cluster.generation;
    if plan.steps.is_empty() && plan.left.is_empty() {
        printer.line(format_args!(
            "{}: every member that answers shows the cluster's pair of generation {generation}, as declared; for another one write `generation: \
             {}` in cluster.yaml, and run this again",
            one.name(),
            generation.saturating_add(1)
        ));
        return Ok(true);
    }
    one.carry_out(&plan, printer)?;
    let members = |seen: &Seen| {
        seen.cluster
            .iter()
            .flat_map(|found| &found.members)
            .cloned()
            .collect::<Vec<_>>()
    };
    let is_there = one.wait_for(|seen| {
        let members = members(seen);
        let answers = |name: &str| {
            seen.hosts
                .iter()
                .any(|host| host.name == name && host.server().is_some())
        };
        !members.is_empty()
            && !seen.hosts.iter().any(|host| host.earlier_pair)
            && members
                .iter()
                .all(|member| member.status != "Offline" && answers(&member.name))
    })?;
    let name = one.name();
    if !is_there {
        printer.line(format_args!(
            "{name}: not every member answers under the new pair yet: lxseed status {0} tells; then run this again",
            one.site
        ));
        return Ok(false);
    }
    let members = members(&one.living.seen);
    let coming = one.living.cluster.hosts.iter().map(|host| host.name.as_str());
    let coming: Vec<&str> = coming
        .filter(|name| members.iter().all(|member| member.name != *name))
        .collect();
    printer.line(format_args!(
        "{name}: every member shows the new pair. Now: lxseed build {}; out/{name}/cluster.crt is what `lxc remote add` and other clients are to \
         be given instead of the earlier one",
        one.site
    ));
    if !coming.is_empty() {
        printer.line(format_args!(
            "{name}: {} can join with a seed of that build alone: the earlier one waits for the earlier certificate",
            coming.join(", ")
        ));
    }
    Ok(plan.left.is_empty())
}

/// Certificates of persons and programs.
fn people(one: &mut Rotation<'_>, printer: &mut Printer) -> Result<bool, CommandError> {
    one.let_in_as_declared()?;
    let plan = cluster::rotate_clients(&one.living.cluster, &one.living.keys, &one.living.seen)?;
    if plan.steps.is_empty() && plan.left.is_empty() {
        printer.line(format_args!(
            "{}: of the clients that lxseed let in, those that are declared are trusted, and no other",
            one.name()
        ));
        return Ok(true);
    }
    one.carry_out(&plan, printer)?;
    Ok(plan.left.is_empty())
}

/// A member's own keys.
fn host(args: &HostArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let Some((cluster, host, secret)) = living::of_host(args, printer)? else {
        return Ok(Outcome::Findings);
    };
    let mut one = Rotation::new(&cluster, &args.site, &secret, None)?;
    one.let_in_as_declared()?;
    rotate_host::rotate(&mut one.living, &host, &secret, None, &args.site, printer)?;
    Ok(Outcome::Done)
}

/// After the site secret has leaked.
fn all(args: &RotateArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let old = args.old_secret_file.as_deref();
    if old.is_none() {
        return steps(args, printer);
    }
    each(&args.clusters, old, printer, |one, printer| {
        let mut is_done = true;
        for key in [desk, pair, people] {
            one.look()?;
            is_done &= key(one, printer)?;
        }
        if !is_done {
            printer.line(format_args!(
                "{}: its members' own keys follow when the rest is done: run this again then",
                one.name()
            ));
            return Ok(false);
        }
        members(one, printer)?;
        Ok(true)
    })
}

/// The own keys of every member, one after the other. Who is no member yet gets a new seed.
fn members(one: &mut Rotation<'_>, printer: &mut Printer) -> Result<(), CommandError> {
    one.living.keys = keys::derive(&one.living.cluster, one.secret)?;
    one.look()?;
    let members = one.living.seen.cluster.iter().flat_map(|found| &found.members);
    let members: Vec<String> = members.map(|member| member.name.clone()).collect();
    let hosts: Vec<String> = one
        .living
        .cluster
        .hosts
        .iter()
        .map(|host| host.name.to_string())
        .collect();
    for host in hosts.into_iter().filter(|host| members.contains(host)) {
        rotate_host::rotate(&mut one.living, &host, one.secret, one.old, one.site, printer)?;
    }
    Ok(())
}

/// The whole way, of which the desk can go the first half.
fn steps(args: &RotateArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let site = &args.clusters.site;
    let checked = lxseed::check::check(site, super::now());
    let Some(found) = accept(checked, "", printer)? else {
        return Ok(Outcome::Findings);
    };
    living::select(args.clusters.only.as_deref(), &found)?;
    let (secret, origin) = keys::file(&args.clusters.secret, site)?;
    let leaked = format!("{secret}.leaked");
    let mut number = 0;
    let mut step = |what: &str, how: &str, printer: &mut Printer| {
        number += 1;
        printer.line(format_args!("  {number}. {what}"));
        if !how.is_empty() {
            printer.line(format_args!("       {how}"));
        }
    };
    printer.line("whoever has the site secret has every key; this is the way out, and nothing was changed yet:");
    step(
        "keep the old secret aside, private: the machines have its keys until the last step",
        &match origin {
            None => format!("mv {secret} {leaked}"),
            Some(origin) => format!("write what comes from {origin} to {leaked}, a file of mode 0600"),
        },
        printer,
    );
    step(
        "make a new one",
        &format!("lxseed secret new --secret-file {secret}"),
        printer,
    );
    step(
        "give the clusters the new keys of the desk and of themselves, and each member its own and its SSH host key (over ssh, as the \
         administrator of the profile), with all members on; run it again until it has nothing to do",
        &format!("lxseed rotate all {site} --old-secret-file {leaked}"),
        printer,
    );
    step(
        "a member whose machine cannot be reached so leaves, and is set up anew with a seed of the next build",
        &format!("lxseed retire CLUSTER/HOST {site} --evacuate"),
        printer,
    );
    step(
        "build: cluster.crt and, for machines that are set up from now on, new seeds",
        &format!("lxseed build {site}"),
        printer,
    );
    step(
        "destroy all seed media and images, the old output folder, and in the end the old secret",
        &format!("shred -u {leaked}"),
        printer,
    );
    Ok(Outcome::Done)
}
