//! What an upgrade does next, or why nothing of it is done.

use std::collections::BTreeSet;

use super::super::notes::Of;
use super::super::plan::same_founding;
use super::super::seen::{Answer, HostSeen, Identity, Member, Server};
use super::super::status::told;
use super::super::step::{Refusal, Step, refuse};
use super::{OnHost, Role, UpgradePlan, UpgradeSeen, UpgradeStep, UpgradeWish};
use crate::model::{BundledSnap, Cluster};
use crate::target::Version;
use crate::target::lxd::Track;

/// A member, as it was seen from all sides.
struct Found<'a> {
    name: &'a str,
    on: &'a OnHost,
    /// What its LXD says of itself, if it takes part.
    server: Option<&'a Server>,
    /// What the cluster says of it, if it could be asked.
    record: Option<&'a Member>,
    role: Role,
    /// Whether this upgrade, or one before it, has evacuated it, or was about to.
    noted: bool,
}

impl Found<'_> {
    fn is_evacuated(&self) -> bool {
        self.record.is_some_and(|member| member.status == "Evacuated")
    }

    /// Whether it takes part as LXD has it; one with lower numbers than another is `Blocked`, and takes part all the same.
    fn takes_part(&self) -> bool {
        self.server.is_some() && self.record.is_some_and(|member| member.status != "Offline")
    }
}

/// Decides what is to be done, from what is seen alone.
///
/// # Errors
/// If it would not come to its end, or what it does could not be made good; nothing was touched in that case.
pub fn plan_upgrade(cluster: &Cluster, wish: &UpgradeWish, seen: &UpgradeSeen) -> Result<UpgradePlan, Refusal> {
    let mut notes = Vec::new();
    let members = members(cluster, wish, seen, &mut notes)?;
    let is_mixed = members
        .iter()
        .map(|member| member.on.age())
        .collect::<BTreeSet<_>>()
        .len()
        > 1;
    let revision = match wish.revision {
        Some(revision) => revision,
        None if is_mixed => newest(wish, &members)?,
        None => offered(cluster, wish, seen, &members)?,
    };
    refuse_drivers(cluster, wish, seen, &members)?;
    let is_there = |member: &&Found<'_>| member.on.revision() == revision;
    let (there, mut left): (Vec<&Found<'_>>, Vec<&Found<'_>>) = members.iter().partition(is_there);
    let is_under_way = !there.is_empty();
    if let Some(away) = left.iter().find(|member| !is_under_way && !member.takes_part()) {
        return refuse(format!(
            "{} does not take part in the cluster ({}), and no member could go on without it: nothing was changed. lxseed status tells how it \
             is; if it is gone for good: lxseed retire {}/{}",
            away.name,
            how_it_is(away),
            cluster.name,
            away.name
        ));
    }
    let carried = carried_lxd(cluster).is_some();
    // Who has no vote first, and who leads last, so that the lead moves once.
    left.sort_by_key(|member| member.role);
    let mut steps = Vec::new();
    for member in there.iter().filter(|member| !member.takes_part() && !member.on.waits) {
        steps.push(UpgradeStep::Await {
            member: member.name.to_owned(),
        });
    }
    for member in there.iter().filter(|member| member.takes_part() && member.noted) {
        steps.extend(back(member));
    }
    for member in &there {
        steps.extend(follow(member, wish, carried));
    }
    let mut evacuated = Vec::new();
    for (at, member) in left.iter().enumerate() {
        if wish.evacuate && member.takes_part() && !member.is_evacuated() {
            if can_be_evacuated(member, &members, &left[..at], &evacuated) {
                steps.extend(away(member));
                evacuated.push(member.name);
            } else {
                notes.push(format!(
                    "instances on {} stay there, and run on while its LXD is refreshed: no other member could take them at that time",
                    member.name
                ));
            }
        }
        steps.extend(refreshed(cluster, member, revision));
        steps.extend(follow(member, wish, carried));
    }
    let waits = |member: &&Found<'_>| !member.takes_part();
    if !left.is_empty() || there.iter().any(waits) || differs(&members) {
        steps.push(UpgradeStep::AwaitAll);
    }
    let later = |member: &&Found<'_>| {
        evacuated.contains(&member.name)
            || (member.noted && !there.iter().any(|one| one.name == member.name && one.takes_part()))
    };
    for member in members.iter().filter(later) {
        steps.extend(back_later(member));
    }
    Ok(UpgradePlan { revision, steps, notes })
}

/// The members with what is known of them. Whoever is one has to be declared, reached and sound.
fn members<'a>(
    cluster: &'a Cluster,
    wish: &UpgradeWish,
    seen: &'a UpgradeSeen,
    notes: &mut Vec<String>,
) -> Result<Vec<Found<'a>>, Refusal> {
    let known = seen.seen.cluster.as_ref();
    same_founding(cluster, &seen.seen)?;
    let declared = |name: &str| cluster.hosts.iter().any(|host| host.name.as_str() == name);
    let strangers: Vec<&str> = known
        .iter()
        .flat_map(|found| &found.members)
        .map(|member| member.name.as_str())
        .filter(|name| !declared(name))
        .collect();
    if !strangers.is_empty() {
        return refuse(format!(
            "{} is a member of {} that is not declared, so it cannot be reached, and the others would wait for it for ever: declare it, or \
             lxseed retire {}/{}",
            strangers.join(", "),
            cluster.name,
            cluster.name,
            strangers[0]
        ));
    }
    let (mut members, mut unknown) = (Vec::new(), Vec::new());
    let each = cluster.hosts.iter().zip(&seen.hosts).zip(&seen.seen.hosts);
    for ((host, on), found) in each {
        let name = host.name.as_str();
        let record = known.and_then(|found| found.members.iter().find(|member| member.name == name));
        if known.is_some() && record.is_none() {
            not_a_member(cluster, found, notes)?;
            continue;
        }
        let on = match reached(cluster, found, on) {
            // While all wait for all nobody tells whether it is a member at all.
            Err(why) if known.is_none() && matches!(found.answer, Answer::Silent(_)) => {
                unknown.push(why);
                continue;
            }
            reached => reached?,
        };
        let told = told(name, found, known).filter(|told| told.state == "stopped");
        if let Some(problem) = on.problem.clone().or(told.map(|told| told.message)) {
            return refuse(format!(
                "the first boot of {name} has stopped ({problem}): nothing was changed. That comes first; lxseed status tells more"
            ));
        }
        if known.is_none() && !on.clustered {
            return refuse(format!(
                "{name} is in no cluster, and no member answers that could tell why: lxseed status"
            ));
        }
        members.push(Found {
            name,
            on,
            server: found.server().filter(|server| server.clustered),
            record,
            role: seen.roles.get(name).copied().unwrap_or(Role::None),
            noted: known.is_some_and(|found| found.notes.contains_key(&Of::Evacuated.key(name))),
        });
    }
    let is_under_way = wish.revision.is_some()
        || members.iter().any(|member| member.on.waits)
        || members.windows(2).any(|pair| pair[0].on.age() != pair[1].on.age());
    if members.is_empty() || (known.is_none() && !is_under_way) {
        if let Some(why) = unknown.pop() {
            return Err(why);
        }
        return refuse(format!(
            "no member of {} answers from its database: nothing was changed. lxseed rescue --only {} tells what can be done",
            cluster.name, cluster.name
        ));
    }
    Ok(members)
}

/// A declared host that the cluster does not have on record.
fn not_a_member(cluster: &Cluster, found: &HostSeen, notes: &mut Vec<String>) -> Result<(), Refusal> {
    let name = &found.name;
    if matches!(found.answer, Answer::Silent(_)) {
        notes.push(format!(
            "{name} is no member, and off: it gets its LXD when it is set up, from the channel that the profile names by then"
        ));
        return Ok(());
    }
    refuse(format!(
        "{name} is on and no member of {}: it could join with the earlier LXD while the others change. Wait until it is one (lxseed status \
         tells), or switch it off",
        cluster.name
    ))
}

fn reached<'a>(cluster: &Cluster, found: &HostSeen, on: &'a Result<OnHost, String>) -> Result<&'a OnHost, Refusal> {
    let name = &found.name;
    match (&found.answer, on) {
        (Answer::Foreign(_) | Answer::Server(Identity::Own, _) | Answer::Untrusted(Identity::Own), _) => {
            refuse(format!(
                "what answers at {} is not the LXD of the member {name}: nothing was changed. lxseed status --only {} tells who is there",
                found.address, cluster.name
            ))
        }
        (_, Err(why)) => refuse(format!(
            "nothing was changed: LXD goes on only with all members, and {why}"
        )),
        (_, Ok(on)) if on.revision() == 0 => refuse(format!(
            "nothing was changed: snapd on {name} knows of no snap lxd, or does not answer; on it: snap list lxd"
        )),
        (_, Ok(on)) => Ok(on),
    }
}

/// Some have been refreshed: LXD goes on with what they have, and with nothing else.
fn newest(wish: &UpgradeWish, members: &[Found<'_>]) -> Result<u32, Refusal> {
    let Some(newest) = members.iter().max_by_key(|member| member.on.age()) else {
        return refuse("there is no member");
    };
    let (track, revision) = newest.on.age();
    if track.is_some_and(|track| track != wish.channel.track) {
        return refuse(format!(
            "{} runs LXD {} already, and the others have to follow it before anything else, as a database does not go back: lxseed upgrade \
             --channel {}",
            newest.name,
            newest.on.version,
            track.map_or_else(|| "TRACK".to_owned(), |track| format!("{}/stable", track.word()))
        ));
    }
    Ok(revision)
}

/// All have the same: LXD goes to what the profile carries or the store has, if that is further on.
fn offered(cluster: &Cluster, wish: &UpgradeWish, seen: &UpgradeSeen, members: &[Found<'_>]) -> Result<u32, Refusal> {
    let Some(one) = members.first() else {
        return refuse("there is no member");
    };
    let (track, revision) = one.on.age();
    let wished = wish.channel.track;
    let version = &one.on.version;
    match track {
        Some(track) if track > wished => {
            return refuse(format!(
                "the members run LXD {version}, and {} is of an earlier track: LXD's database does not go back",
                wish.channel
            ));
        }
        // Each track brings the databases of the one before it forward; further back nobody tests.
        Some(track) if track.next().is_some_and(|next| wished > next) => {
            let next = track.next().map_or("", Track::word);
            return refuse(format!(
                "the members run LXD {version}: one track after the other, first lxseed upgrade --channel {next}/stable"
            ));
        }
        _ => {}
    }
    let goal = if cluster.snaps.is_empty() {
        match &seen.offer {
            Some(Ok(build)) => build.revision,
            Some(Err(why)) => return refuse(format!("nothing was changed: {why}")),
            None => return refuse("nothing was changed: the store could not be asked"),
        }
    } else if wish.channel != cluster.channel {
        return refuse(format!(
            "the hosts of {} get their snaps from files: put those of {} into that folder and `channel: {}` into cluster.yaml first; lxseed \
             check tells whether they fit",
            cluster.name, wish.channel, wish.channel
        ));
    } else {
        carried_lxd(cluster).map_or(0, |snap| snap.revision)
    };
    if goal < revision && track.is_none_or(|track| track == wished) {
        return refuse(format!(
            "the members run LXD {version} (revision {revision}), and {} has revision {goal}, an earlier one: LXD's database does not go back",
            wish.channel
        ));
    }
    Ok(goal)
}

fn carried_lxd(cluster: &Cluster) -> Option<&BundledSnap> {
    cluster.snaps.iter().find(|snap| snap.name == "lxd")
}

/// LXD takes its ZFS tools by the kernel that runs, and a pool that it cannot open is a pool with instances that do not start.
fn refuse_drivers(
    cluster: &Cluster,
    wish: &UpgradeWish,
    seen: &UpgradeSeen,
    members: &[Found<'_>],
) -> Result<(), Refusal> {
    let mut drivers: BTreeSet<&str> = cluster.pools.iter().map(|pool| pool.driver.word()).collect();
    let known = seen.seen.cluster.iter();
    drivers.extend(known.flat_map(|found| &found.pools).map(|pool| pool.driver.as_str()));
    let all = crate::target::Driver::ALL.iter();
    let drivers: Vec<_> = all.filter(|driver| drivers.contains(driver.word())).collect();
    for member in members {
        let runs = Version::of_kernel(&member.on.kernel);
        let mut facts = cluster.ubuntu.kernels.iter();
        let facts = facts.find(|facts| Some(facts.linux) == runs);
        let facts = facts.unwrap_or_else(|| cluster.ubuntu.kernel(cluster.kernel));
        let mut whys = drivers
            .iter()
            .filter_map(|driver| wish.channel.track.refuses(facts, **driver));
        if let Some(why) = whys.next() {
            return refuse(format!(
                "{why}, and {} runs Linux {}: its pools would not open any more. Another kernel first, or another channel",
                member.name, member.on.kernel
            ));
        }
    }
    Ok(())
}

fn how_it_is(member: &Found<'_>) -> String {
    match member.record {
        Some(record) if !record.message.is_empty() => record.message.to_lowercase(),
        Some(record) => record.status.to_lowercase(),
        None => format!("its daemon is {}", member.on.unit),
    }
}

/// Whether somebody could take its instances. LXD looks for a place among all members that are not evacuated and have been heard of,
/// and it stops an instance before it finds none, or one whose API does not answer (lxd/api_cluster.go, evacuateClusterMember).
fn can_be_evacuated(member: &Found<'_>, members: &[Found<'_>], before: &[&Found<'_>], evacuated: &[&str]) -> bool {
    // One that is refreshed before this one counts as one that does not answer; who was evacuated takes nothing.
    let is_before = |name: &str| before.iter().any(|one| one.name == name);
    let others = members
        .iter()
        .filter(|other| other.name != member.name && !other.is_evacuated());
    let open: Vec<&Found<'_>> = others.filter(|other| !(evacuated.contains(&other.name))).collect();
    !open.is_empty() && open.iter().all(|other| other.takes_part() && !is_before(other.name))
}

fn away(member: &Found<'_>) -> Vec<UpgradeStep> {
    let note = (!member.noted).then(|| Step::Note {
        key: Of::Evacuated.key(member.name),
        value: "upgrade".to_owned(),
    });
    let evacuate = Step::Evacuate {
        member: member.name.to_owned(),
    };
    note.into_iter().chain([evacuate]).map(UpgradeStep::Cluster).collect()
}

/// What was noted was not always done: the note comes first.
fn back(member: &Found<'_>) -> Vec<UpgradeStep> {
    if member.is_evacuated() {
        back_later(member)
    } else {
        back_later(member).into_iter().skip(1).collect()
    }
}

fn back_later(member: &Found<'_>) -> Vec<UpgradeStep> {
    let restore = Step::Restore {
        member: member.name.to_owned(),
    };
    let forget = Step::Note {
        key: Of::Evacuated.key(member.name),
        value: String::new(),
    };
    [restore, forget].map(UpgradeStep::Cluster).into()
}

/// snapd's hold on refreshes is for those that nobody asked for: it stays, and this one goes on.
fn refreshed(cluster: &Cluster, member: &Found<'_>, revision: u32) -> Vec<UpgradeStep> {
    let name = || member.name.to_owned();
    if carried_lxd(cluster).is_none_or(|snap| snap.revision != revision) {
        return vec![UpgradeStep::Refresh {
            member: name(),
            revision,
        }];
    }
    // In the profile's order, in which each finds what it stands on.
    let older = |snap: &&BundledSnap| member.on.snaps.get(&snap.name).is_none_or(|has| *has < snap.revision);
    let carried = cluster.snaps.iter().filter(|snap| snap.name == "lxd" || older(snap));
    carried
        .map(|snap| UpgradeStep::Carry {
            member: name(),
            snap: snap.stem(),
        })
        .collect()
}

/// One that was installed from a file follows nothing.
fn follow(member: &Found<'_>, wish: &UpgradeWish, carried: bool) -> Option<UpgradeStep> {
    let channel = wish.channel.to_string();
    let tracking = member.on.tracking.as_str();
    // Of a branch, such as 5.0/stable/ubuntu-18.04, the first two parts count; snapd cuts off what is too wide for its column.
    let follows = tracking == channel
        || tracking
            .strip_prefix(&channel)
            .is_some_and(|rest| rest.starts_with('/'))
        || tracking.strip_suffix('…').is_some_and(|head| channel.starts_with(head));
    (!carried && !follows).then(|| UpgradeStep::Follow {
        member: member.name.to_owned(),
        channel: wish.channel.clone(),
    })
}

/// Whether members that answer are different LXDs, as while the last of them comes.
fn differs(members: &[Found<'_>]) -> bool {
    let builds: BTreeSet<(&str, usize)> = members
        .iter()
        .filter_map(|member| member.server)
        .map(|server| (server.version.as_str(), server.api_extensions))
        .collect();
    builds.len() > 1
        || members
            .iter()
            .any(|member| member.record.is_some_and(|record| record.status == "Blocked"))
}

#[cfg(test)]
mod tests;
