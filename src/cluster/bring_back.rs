//! Deciding how a member whose system disk died comes back with its pools. Pure, as all that decides.

use super::notes::{FIRST_BOOT, RETURN};
use super::plan::{declared, living, member};
use super::rotate_host::is_unrotated;
use super::seen::{Answer, Identity, Seen, Server, Told};
use super::step::{Plan, Refusal, Step, refuse};
use crate::model::Cluster;
use crate::seed::ClusterKeys;

/// Brings a member back that was installed anew beside its own data disks: its vote in the database goes until its copy is whole
/// again, then it gets the cluster's key. What is on its disks its own first boot has compared with the cluster's records, and says so by
/// waiting for this very verb. A member that is back has nothing to be done.
///
/// # Errors
/// If no member answers, the host is not on record or lives, or its first boot does not wait for this.
pub fn bring_back(cluster: &Cluster, keys: &ClusterKeys, seen: &Seen, name: &str) -> Result<Plan, Refusal> {
    let found = living(cluster, seen)?;
    let label = format!("{}/{name}", cluster.name);
    let Some(host) = seen.hosts.iter().find(|host| host.name == name) else {
        return refuse(format!("{} declares no host {name}", cluster.name));
    };
    let Some(record) = member(found, name) else {
        return refuse(format!(
            "no member {name} is on record, so there is nothing to come back to: as a new member it joins after `lxseed admit {label}`"
        ));
    };
    if record.status != "Offline" {
        return match host.answer {
            Answer::Server(Identity::Cluster, _) if record.status == "Online" => Ok(Plan::default()),
            _ => refuse(format!(
                "the member {name} is {}: nothing of it has to be brought back",
                record.status.to_lowercase()
            )),
        };
    }
    if let Some(other) = seen.hosts_with_earlier_pair().next() {
        return refuse(format!(
            "{other} shows the cluster's pair of the generation before: `lxseed rotate cluster` first, or {name} gets one that its members do not \
             know"
        ));
    }
    // The others would take it for a stranger.
    if let Some((declared, own)) = declared(cluster, keys, name)
        && is_unrotated(found, name, &own.fingerprint)
    {
        return refuse(format!(
            "the member {name} is on record with keys of another generation than {} of the profile: put its `generation` back, build, set it up \
             with that seed and its own data disks, and lxseed return {label}; then raise it again, and: lxseed rotate host {label}",
            declared.generation
        ));
    }
    let why = match &host.answer {
        Answer::Server(Identity::Own, server) => match waits(server, &label) {
            Ok(()) => return Ok(steps(server, name, &record.url)),
            Err(why) => why,
        },
        Answer::Silent(_) | Answer::NotListening => format!(
            "{name} does not answer at {}: set it up with its seed and its own data disks, and switch it on; `lxseed status` shows when it \
             waits for this",
            host.address
        ),
        Answer::Untrusted(Identity::Own) => {
            format!("{name} does not know the desk's key: build, and set it up with the new seed")
        }
        Answer::Hangs(Identity::Own) => format!("{name} does not answer in time: its LXD starts, or is stuck"),
        Answer::Server(Identity::Cluster, _)
        | Answer::Hangs(Identity::Cluster)
        | Answer::Untrusted(Identity::Cluster) => format!(
            "{name} answers under the cluster's certificate, and the others miss it: it was not installed anew, or is just coming back (lxseed \
             status)"
        ),
        Answer::Foreign(fingerprint) => format!(
            "at {} another certificate is shown than {name}'s ({fingerprint:.12}): nothing is sent there",
            host.address
        ),
        Answer::Nonsense(why) => format!("{name} {why}"),
    };
    refuse(why)
}

/// Whether the first boot waits for the desk's word, or had it already.
fn waits(server: &Server, label: &str) -> Result<(), String> {
    let told = server.notes.get(FIRST_BOOT).and_then(|text| Told::parse(text));
    match told {
        _ if server.notes.contains_key(RETURN) => Ok(()),
        Some(told) if told.state == "waiting" && told.message.ends_with(&format!("lxseed return {label}")) => Ok(()),
        Some(told) => Err(format!(
            "{label} does not wait for this; its first boot is {} in {}{}{}",
            told.state,
            told.stage,
            if told.message.is_empty() { "" } else { ": " },
            told.message
        )),
        None => Err(format!(
            "{label} does not say where its first boot stands: its seed is of an earlier lxseed, or somebody has set up LXD there by hand"
        )),
    }
}

fn steps(server: &Server, name: &str, url: &str) -> Plan {
    let mut steps = vec![Step::TakeVote {
        member: name.to_owned(),
        address: url.trim_start_matches("https://").trim_end_matches('/').to_owned(),
    }];
    if !server.notes.contains_key(RETURN) {
        steps.push(Step::HandKey { host: name.to_owned() });
    }
    Plan {
        steps,
        left: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::verify::world::{Good, World};
    use super::*;

    const WAITS: &str = "waiting disks its own pools are on the disks here. At the desk: lxseed return";

    /// What is decided of the last host, which is away and was installed anew, after a change.
    fn decided(change: impl FnOnce(&mut World, &str)) -> Result<Plan, String> {
        let good = Good::new().unwrap();
        let mut world = good.world.clone();
        let cluster = &good.site.clusters[0];
        let name = cluster.hosts.last().unwrap().name.to_string();
        let label = format!("{}/{name}", cluster.name);
        world.seen.cluster.as_mut().unwrap().members.last_mut().unwrap().status = "Offline".to_owned();
        let server = Server {
            notes: [(FIRST_BOOT.to_owned(), format!("{WAITS} {label}"))].into(),
            ..Server::default()
        };
        world.seen.hosts.last_mut().unwrap().answer = Answer::Server(Identity::Own, server);
        change(&mut world, &name);
        bring_back(cluster, &good.keys, &world.seen, &name).map_err(|refusal| refusal.why)
    }

    fn answer(world: &mut World) -> &mut Answer {
        &mut world.seen.hosts.last_mut().unwrap().answer
    }

    fn note(world: &mut World, key: &str, value: &str) {
        if let Answer::Server(_, server) = answer(world) {
            server.notes.insert(key.to_owned(), value.to_owned());
        }
    }

    #[test]
    fn the_vote_goes_before_the_key_is_handed_over() {
        let plan = decided(|_, _| {}).unwrap();
        assert!(
            matches!(plan.steps.as_slice(), [Step::TakeVote { address, .. }, Step::HandKey { .. }] if !address.contains('/')),
            "{plan:?}"
        );
        // A second time after a cut, and once more when it is back.
        let plan = decided(|world, _| note(world, RETURN, "given")).unwrap();
        assert!(matches!(plan.steps.as_slice(), [Step::TakeVote { .. }]), "{plan:?}");
        let good = Good::new().unwrap();
        let cluster = &good.site.clusters[0];
        let name = cluster.hosts.last().unwrap().name.as_str();
        assert!(
            bring_back(cluster, &good.keys, &good.world.seen, name)
                .unwrap()
                .steps
                .is_empty()
        );
    }

    #[test]
    fn nobody_gets_the_key_who_does_not_wait_for_it() {
        let refused = |why: &str, change: fn(&mut World, &str)| {
            let said = decided(change).unwrap_err();
            assert!(said.contains(why), "'{why}' is not in: {said}");
        };
        refused("not on its disk", |world, _| {
            note(world, FIRST_BOOT, "stopped disks the pool data1 is not on its disk");
        });
        refused("does not wait for this", |world, _| {
            note(
                world,
                FIRST_BOOT,
                "waiting disks At the desk: lxseed return other/node9",
            );
        });
        refused("does not wait for this", |world, _| {
            note(world, FIRST_BOOT, "working lxd")
        });
        refused("earlier lxseed", |world, _| note(world, FIRST_BOOT, ""));
        refused("is online", |world, _| {
            world.seen.cluster.as_mut().unwrap().members.last_mut().unwrap().status = "Online".to_owned();
        });
        refused("lxseed admit", |world, _| {
            world.seen.cluster.as_mut().unwrap().members.pop();
        });
        refused("rotate cluster", |world, _| world.seen.hosts[0].earlier_pair = true);
        refused("lxseed rotate host", |world, name| {
            world.cluster(|found| {
                let own = found.certificates.iter_mut().find(|known| known.name == name);
                own.unwrap().fingerprint = "12".repeat(32);
            });
        });
        refused("no member of", |world, _| world.seen.cluster = None);
        refused("set it up with its seed", |world, _| {
            *answer(world) = Answer::Silent("timed out".to_owned());
        });
        refused("another certificate", |world, _| {
            *answer(world) = Answer::Foreign("0123456789abcdef".to_owned())
        });
        refused("under the cluster's certificate", |world, _| {
            *answer(world) = Answer::Hangs(Identity::Cluster);
        });
        refused("does not know the desk's key", |world, _| {
            *answer(world) = Answer::Untrusted(Identity::Own);
        });
    }
}
