//! Deciding how a host leaves for good. Pure, as all that decides.

use super::notes::Of;
use super::plan::{declared, living, member, tombstone};
use super::rotate_host::is_of;
use super::seen::{Answer, Certificate, Identity, Member, Records, Seen};
use super::step::{Plan, Refusal, Step, refuse, refuse_to_lose};
use crate::model::Cluster;
use crate::seed::ClusterKeys;

/// The fingerprints that are retired under a name once a plan is carried out, for the profile's own list.
#[must_use]
pub fn retired(seen: &Seen, plan: &Plan, name: &str) -> Vec<String> {
    let note = Of::Retired.key(name);
    let planned = plan.steps.iter().find_map(|step| match step {
        Step::Note { key, value } if *key == note => Some(value),
        _ => None,
    });
    let noted = || seen.cluster.as_ref()?.notes.get(&note);
    let listed = planned.or_else(noted).map_or("", String::as_str);
    let fingerprints = listed.split(',').filter(|fingerprint| !fingerprint.is_empty());
    fingerprints.map(str::to_owned).collect()
}

/// How a host leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing is on it.
    Empty,
    /// Its instances are moved to the others first.
    Evacuate,
    /// The machine is gone, with this many instances and volumes.
    Lost(usize),
}

/// Takes a host out of the cluster, and its certificates out of LXD's trust for good.
///
/// # Errors
/// If no member answers, something is on it that would be lost, or its number was not said.
pub fn retire(
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    records: &Records,
    name: &str,
    leaving: Leaving,
) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    let label = format!("{}/{name}", cluster.name);
    let record = member(found, name);
    let own = declared(cluster, keys, name).map(|(_, own)| own.fingerprint.clone());
    let is_own = |known: &Certificate| known.kind == "server" && Some(&known.fingerprint) == own.as_ref();
    let trusted = found
        .certificates
        .iter()
        .filter(|known| is_of(known, name) || is_own(known));
    let trusted: Vec<&Certificate> = trusted.collect();
    if record.is_none() && trusted.is_empty() && own.is_none() && tombstone(found, name).is_empty() {
        return refuse(format!(
            "{} neither declares a host {name} nor has it on record",
            cluster.name
        ));
    }
    if cluster.bootstrap.as_str() == name && cluster.hosts.len() > 1 {
        return refuse(format!(
            "{name} is the bootstrap host of {}: name another one in `bootstrap:` first, and build",
            cluster.name
        ));
    }
    if found.members.len() == 1 && record.is_some() {
        return refuse(format!(
            "{name} is the last member of {}: with it the cluster would end",
            cluster.name
        ));
    }
    // The tombstone comes first: from here on no trust list puts the certificate back, whatever is cut off.
    let mut fingerprints = tombstone(found, name);
    fingerprints.extend(own);
    fingerprints.extend(trusted.iter().map(|known| known.fingerprint.clone()));
    fingerprints.sort();
    fingerprints.dedup();
    let mut plan = Plan::default();
    plan.note(found, Of::Retired.key(name), &fingerprints.join(","));
    if let Some(member) = record {
        leave(&mut plan, member, records, &label, leaving)?;
        if matches!(leaving, Leaving::Lost(_)) {
            is_gone(seen, name)?;
        }
    }
    if let Some(member) = record {
        plan.steps.push(Step::Remove {
            member: member.name.clone(),
            lost: matches!(leaving, Leaving::Lost(_)),
        });
    }
    plan.steps.extend(trusted.into_iter().map(|known| Step::Distrust {
        name: known.name.clone(),
        fingerprint: known.fingerprint.clone(),
    }));
    let own_keys = [Of::Server, Of::Trusted, Of::Sealed, Of::FirstBoot].map(|of| of.key(name));
    let ready = Of::Ready.key(name) + ".";
    let about = |key: &&String| own_keys.contains(key) || key.starts_with(&ready);
    for key in found.notes.keys().filter(about) {
        plan.note(found, key.clone(), "");
    }
    Ok(plan)
}

/// Whether nobody who has the cluster's key answers at a host's address: LXD misses a member that is only cut off from the
/// others as well, and says so for some seconds of one that has just come back.
fn is_gone(seen: &Seen, name: &str) -> Result<(), Refusal> {
    let host = seen.hosts.iter().find(|host| host.name == name);
    match host.map(|host| &host.answer) {
        Some(
            Answer::Server(Identity::Cluster, _)
            | Answer::Hangs(Identity::Cluster)
            | Answer::Untrusted(Identity::Cluster),
        ) => refuse(format!(
            "{name} answers under the cluster's certificate: it is not gone, whatever the other members say. Bring it back, or switch it off \
             first"
        )),
        _ => Ok(()),
    }
}

fn leave(plan: &mut Plan, member: &Member, records: &Records, label: &str, leaving: Leaving) -> Result<(), Refusal> {
    let away = member.status == "Offline";
    let count = records.count();
    let name = &member.name;
    let counted = match count {
        1 => "1 instance or volume is".to_owned(),
        count => format!("{count} instances and volumes are"),
    };
    match leaving {
        Leaving::Lost(_) if !away => refuse(format!(
            "{name} is {}: what is there is not lost. Without --lost it leaves when nothing is on it",
            member.status.to_lowercase()
        )),
        Leaving::Lost(said) if said != count => refuse_to_lose(
            records,
            format!("{counted} on record for {name}, and --lost says {said}"),
        ),
        Leaving::Lost(_) => Ok(()),
        _ if away => refuse_to_lose(
            records,
            format!(
                "{name} is offline, and {counted} on record for it. If its data disks are whole, it can come back (`lxseed return {label}`). If the machine \
                 is gone for good, with all of that: `lxseed retire {label} --lost {count}`"
            ),
        ),
        Leaving::Empty if count > 0 => refuse_to_lose(
            records,
            format!("{counted} on {name}: move or delete them first; `--evacuate` moves the instances"),
        ),
        Leaving::Evacuate if !records.volumes.is_empty() => refuse_to_lose(
            records,
            format!("volumes are on {name}, which a person has to move or delete first (lxc storage volume move)"),
        ),
        Leaving::Evacuate if !records.instances.is_empty() => {
            plan.steps.push(Step::Evacuate { member: name.clone() });
            Ok(())
        }
        Leaving::Empty | Leaving::Evacuate => Ok(()),
    }
}
