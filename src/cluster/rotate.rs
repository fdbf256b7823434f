//! Deciding how keys of a living cluster are replaced: the new one beside the old one, and the old one out once the new one
//! is known to work.

use super::notes::Of;
use super::plan::{Certified, away, clients, living, member, same_founding, tombstone, trusts};
use super::seen::{Answer, ClusterSeen, HostSeen, Identity, Seen};
use super::step::{Left, Plan, Refusal, Step, refuse};
use crate::model::Cluster;
use crate::seed::ClusterKeys;
use crate::trust::{DESK_NAME, KeyPair};

/// Lets the desk's declared certificate in beside the one that opened this cluster, because a member does not take it. Where LXD
/// has it on record already, that member was not told, and is when it is written once more.
///
/// # Errors
/// If no member answers, or this very certificate was taken out for good.
pub fn desk_beside(cluster: &Cluster, declared: &KeyPair, seen: &Seen) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    not_ended(cluster, found, declared)?;
    let mut plan = Plan::default();
    if trusts(found, &declared.fingerprint, "client") {
        plan.steps.push(Step::Distrust {
            name: DESK_NAME.to_owned(),
            fingerprint: declared.fingerprint.clone(),
        });
    }
    plan.trust_client(found, DESK_NAME, &Certified::from(declared));
    Ok(plan)
}

/// Takes the desk's earlier certificates out. What was seen was seen under the declared one.
///
/// # Errors
/// If a member answers that does not take the declared one, or none does.
pub fn desk_alone(cluster: &Cluster, declared: &KeyPair, earlier: &[String], seen: &Seen) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    not_ended(cluster, found, declared)?;
    let refusing: Vec<&str> = seen
        .hosts
        .iter()
        .filter(|host| matches!(host.answer, Answer::Untrusted(Identity::Cluster)))
        .map(|host| host.name.as_str())
        .collect();
    if !refusing.is_empty() || !trusts(found, &declared.fingerprint, "client") {
        return refuse(format!(
            "the desk's new certificate is in {}'s trust, and not taken yet by {}: the earlier one stays; run it again",
            cluster.name,
            if refusing.is_empty() {
                "it".to_owned()
            } else {
                refusing.join(", ")
            }
        ));
    }
    let mut plan = Plan::default();
    let noted = found.notes.get(&Of::Client.key(DESK_NAME));
    let is_there = |fingerprint: &String| found.certificates.iter().any(|known| known.fingerprint == *fingerprint);
    let mut ended: Vec<String> = earlier.iter().filter(|one| is_there(one)).cloned().collect();
    ended.extend(noted.cloned());
    ended.retain(|fingerprint| *fingerprint != declared.fingerprint);
    if !ended.is_empty() {
        plan.end(found, DESK_NAME, &ended);
        plan.note(found, Of::Client.key(DESK_NAME), &declared.fingerprint);
    }
    Ok(plan)
}

fn not_ended(cluster: &Cluster, found: &ClusterSeen, declared: &KeyPair) -> Result<(), Refusal> {
    if tombstone(found, DESK_NAME).contains(&declared.fingerprint) {
        return refuse(format!(
            "this generation of the desk's key was taken out of {}'s trust for good: are these the profiles of an earlier day? If not, raise \
             `desk: {{generation: …}}` by one",
            cluster.name
        ));
    }
    Ok(())
}

/// Makes LXD's trust list of persons and programs what the profile declares, as far as it was lxseed that let them in.
///
/// # Errors
/// If no member answers.
pub fn rotate_clients(cluster: &Cluster, keys: &ClusterKeys, seen: &Seen) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    let mut plan = Plan::default();
    clients(&mut plan, cluster, keys, found);
    Ok(plan)
}

/// Gives the members the cluster's declared pair.
///
/// LXD has one call for it: the member that is asked passes the pair on to every other one, and fails at the first that it
/// does not reach (lxd/api_cluster.go, clusterCertificatePut, 5.0.2; from 5.21 on it then takes it back). Members that show
/// different ones do not speak to one another, so none may be away; and where a call was cut off, those that have not got it
/// are given it one by one.
///
/// # Errors
/// If a member is away or not declared, or none answers.
pub fn rotate_cluster(cluster: &Cluster, keys: &ClusterKeys, seen: &Seen) -> Result<Plan, Refusal> {
    same_founding(cluster, seen)?;
    let shows = |earlier: bool| {
        let hosts = seen.hosts.iter();
        hosts.filter(move |host| host.earlier_pair == earlier && is_of_cluster(host))
    };
    let (generation, fingerprint) = (cluster.generation, &keys.cluster.fingerprint);
    let mut plan = Plan::default();
    if shows(true).next().is_some() && shows(false).next().is_some() {
        // Those first that answer.
        let (answering, hanging): (Vec<&HostSeen>, Vec<&HostSeen>) =
            shows(true).partition(|host| host.server().is_some());
        plan.steps
            .extend(answering.iter().chain(&hanging).map(|host| Step::GivePairTo {
                member: host.name.clone(),
                generation,
                fingerprint: fingerprint.clone(),
            }));
        let never_came = |name: &str| seen.cluster.as_ref().is_some_and(|found| member(found, name).is_none());
        let silent = seen
            .hosts
            .iter()
            .filter(|host| !is_of_cluster(host) && !never_came(&host.name));
        plan.left.extend(silent.chain(hanging).map(|host| {
            Left::from(format!(
                "an LXD with the earlier pair, or with halves of both, finds no cluster when it starts: if {0} does not come to answer, copy \
                 cluster.crt and cluster.key from another member's LXD folder into that of {0}, and restart its LXD",
                host.name
            ))
        }));
        return Ok(plan);
    }
    let found = living(cluster, seen)?;
    if shows(true).next().is_none() {
        return Ok(plan);
    }
    let away = away(&found.members, seen, |host| host.earlier_pair);
    if !away.is_empty() {
        return Err(Refusal {
            why: format!(
                "{}: a member that is away would come back with the cluster's earlier pair, and find nobody who speaks to it. Nothing was changed; \
                 bring back or retire (lxseed retire) those first",
                cluster.name
            ),
            records: away,
        });
    }
    plan.steps.push(Step::GivePair {
        generation,
        fingerprint: fingerprint.clone(),
    });
    Ok(plan)
}

/// Whether a host shows one of the cluster's pairs.
fn is_of_cluster(host: &HostSeen) -> bool {
    matches!(
        host.answer,
        Answer::Server(Identity::Cluster, _) | Answer::Hangs(Identity::Cluster) | Answer::Untrusted(Identity::Cluster)
    )
}

#[cfg(test)]
mod tests;
