#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use time::macros::date;

use super::super::seen::Certificate;
use super::super::verify::world::{Good, World};
use super::*;
use crate::trust::SiteSecret;

/// Another key of the desk than the one that the good cluster trusts.
fn next() -> KeyPair {
    let secret = SiteSecret::generate(date!(2026 - 11 - 23)).unwrap();
    secret.lxd_desk("lab", 2).unwrap()
}

/// What LXD has once it has taken a step.
fn take(world: &mut World, step: &Step) {
    world.cluster(|found| match step {
        Step::Trust {
            name,
            type_,
            fingerprint,
            ..
        } => {
            // LXD from 5.21.5 on.
            assert!(
                found.certificates.iter().all(|known| known.name != *name),
                "{name} twice"
            );
            found.certificates.push(Certificate {
                name: name.clone(),
                kind: (*type_).to_owned(),
                fingerprint: fingerprint.clone(),
                pem: String::new(),
            });
        }
        Step::Distrust { fingerprint, .. } => found.certificates.retain(|known| known.fingerprint != *fingerprint),
        Step::Note { key, value } if value.is_empty() => drop(found.notes.remove(key)),
        Step::Note { key, value } => drop(found.notes.insert(key.clone(), value.clone())),
        _ => panic!("{step}"),
    });
}

/// Takes all steps, cut off after each and planned anew; what is there at the end.
fn taken(mut world: World, plan: impl Fn(&World) -> Plan, mut look: impl FnMut(&World)) -> World {
    for _ in 0..20 {
        let Some(step) = plan(&world).steps.into_iter().next() else {
            return world;
        };
        take(&mut world, &step);
        look(&world);
    }
    panic!("it does not end: {:?}", plan(&world));
}

fn is_trusted(world: &World, fingerprint: &str) -> bool {
    trusts(world.seen.cluster.as_ref().unwrap(), fingerprint, "client")
}

fn value<'a>(world: &'a World, key: &str) -> Option<&'a str> {
    let notes = &world.seen.cluster.as_ref().unwrap().notes;
    notes.get(key).map(String::as_str)
}

#[test]
fn the_desk_is_never_without_a_key_that_was_seen_to_work() {
    let good = Good::new().unwrap();
    let (cluster, old, new) = (&good.site.clusters[0], good.keys.desk.as_ref().unwrap(), next());
    let mut world = good.world.clone();
    world.note("user.lxseed.client.lxseed-desk", &old.fingerprint);
    let earlier = [old.fingerprint.clone()];
    // Under the old key: nothing of it goes.
    let beside = desk_beside(cluster, &new, &world.seen).unwrap();
    assert!(matches!(beside.steps.as_slice(), [Step::Trust { .. }]), "{beside:?}");
    take(&mut world, &beside.steps[0]);
    assert!(is_trusted(&world, &old.fingerprint) && is_trusted(&world, &new.fingerprint));
    // One of the members was not told: the old one stays, and the new one is written once more.
    let mut deaf = world.clone();
    *deaf.host(1) = Answer::Untrusted(Identity::Cluster);
    let refusal = desk_alone(cluster, &new, &earlier, &deaf.seen).unwrap_err();
    assert!(refusal.why.contains("not taken yet by node2"), "{refusal}");
    let again = desk_beside(cluster, &new, &deaf.seen).unwrap();
    let is_new = |step: &Step| match step {
        Step::Distrust { fingerprint, .. } | Step::Trust { fingerprint, .. } => *fingerprint == new.fingerprint,
        _ => false,
    };
    assert!(again.steps.len() == 2 && again.steps.iter().all(is_new), "{again:?}");
    let world = taken(
        world,
        |world| desk_alone(cluster, &new, &earlier, &world.seen).unwrap(),
        |world| {
            assert!(is_trusted(world, &new.fingerprint));
            // From the first step on no list puts the old one back.
            let ended = value(world, "user.lxseed.retired.lxseed-desk");
            assert_eq!(ended, Some(old.fingerprint.as_str()));
        },
    );
    assert!(!is_trusted(&world, &old.fingerprint));
    assert_eq!(
        value(&world, "user.lxseed.client.lxseed-desk"),
        Some(new.fingerprint.as_str())
    );
    // Profiles of the day before do not turn it back.
    for refusal in [
        desk_beside(cluster, old, &world.seen).unwrap_err(),
        desk_alone(cluster, old, &[], &world.seen).unwrap_err(),
    ] {
        assert!(refusal.why.contains("for good"), "{refusal}");
    }
}

/// A person has another certificate, one has left, one was let in by hand.
#[test]
fn of_persons_the_new_is_in_before_the_old_is_out() {
    let good = Good::new().unwrap();
    let cluster = &good.site.clusters[0];
    let person = &cluster.admin.lxd_certificates[0];
    let own = Certified::parse(&person.pem).unwrap().fingerprint;
    let mut world = good.world.clone();
    let (old, left, friend) = ("11".repeat(32), "22".repeat(32), "33".repeat(32));
    world.cluster(|found| {
        found.certificates.retain(|known| known.fingerprint != own);
        for (name, fingerprint) in [(person.name.as_str(), &old), ("ann", &left), ("friend", &friend)] {
            found.certificates.push(Certificate {
                name: name.to_owned(),
                kind: "client".to_owned(),
                fingerprint: fingerprint.clone(),
                pem: String::new(),
            });
        }
    });
    let note = format!("user.lxseed.client.{}", person.name);
    world.note(&note, &old);
    world.note("user.lxseed.client.ann", &left);
    let world = taken(
        world,
        |world| rotate_clients(cluster, &good.keys, &world.seen).unwrap(),
        |world| assert!(is_trusted(world, &old) || is_trusted(world, &own)),
    );
    assert!(is_trusted(&world, &own) && is_trusted(&world, &friend));
    assert!(!is_trusted(&world, &old) && !is_trusted(&world, &left));
    assert_eq!(value(&world, &note), Some(own.as_str()));
    assert_eq!(value(&world, "user.lxseed.client.ann"), None);
    assert_eq!(value(&world, "user.lxseed.retired.ann"), Some(left.as_str()));
    // Whoever is declared again under what was taken out for good is not let in unasked.
    let mut back = world.clone();
    back.note(&format!("user.lxseed.retired.{}", person.name), &own);
    back.cluster(|found| found.certificates.retain(|known| known.fingerprint != own));
    let plan = rotate_clients(cluster, &good.keys, &back.seen).unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("for good"),
        "{plan:?}"
    );
}

/// A good cluster in which these hosts show the earlier pair.
fn showing(earlier: &[usize], change: impl FnOnce(&mut World)) -> Result<Plan, Refusal> {
    let good = Good::new().unwrap();
    let mut world = good.world.clone();
    for at in earlier {
        world.seen.hosts[*at].earlier_pair = true;
    }
    change(&mut world);
    rotate_cluster(&good.site.clusters[0], &good.keys, &world.seen)
}

#[test]
fn the_clusters_pair_goes_to_all_at_once_or_to_those_that_were_missed() {
    assert_eq!(showing(&[], |_| {}).unwrap(), Plan::default());
    let plan = showing(&[0, 1, 2], |_| {}).unwrap();
    assert!(matches!(plan.steps.as_slice(), [Step::GivePair { .. }]), "{plan:?}");
    // Cut off: members that show different ones have no database to ask.
    let plan = showing(&[1, 2], |world| world.seen.cluster = None).unwrap();
    let to: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| match step {
            Step::GivePairTo { member, .. } => member.as_str(),
            _ => panic!("{step}"),
        })
        .collect();
    assert_eq!(to, ["node2", "node3"]);
    let plan = showing(&[1], |world| *world.host(2) = Answer::NotListening).unwrap();
    assert!(
        plan.steps.len() == 1 && plan.left[0].why.contains("if node3 does not come to answer"),
        "{plan:?}"
    );
}

#[test]
fn no_pair_goes_out_while_a_member_is_away() {
    let off = |world: &mut World| *world.host(2) = Answer::Silent("timed out".to_owned());
    type Change<'a> = &'a dyn Fn(&mut World);
    let cases: [(&str, Change<'_>); 4] = [
        ("node3 is offline", &|world| world.member(2, "Offline", "")),
        // LXD has not missed it yet.
        ("node3 does not answer the desk", &|world| off(world)),
        ("node3 does not answer the desk", &|world| {
            world.member(2, "Evacuated", "");
            *world.host(2) = Answer::Hangs(Identity::Cluster);
        }),
        ("node9 is not declared", &|world| {
            world.cluster(|found| {
                let mut more = found.members[0].clone();
                "node9".clone_into(&mut more.name);
                found.members.push(more);
            });
        }),
    ];
    for (why, change) in cases {
        let refusal = showing(&[0, 1, 2], |world| {
            change(world);
            if matches!(world.seen.hosts[2].answer, Answer::Silent(_)) {
                world.seen.hosts[2].earlier_pair = false;
            }
        });
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.records, [why], "{refusal}");
    }
    // A host that never came is no member.
    let plan = showing(&[0, 1], |world| {
        world.never_joined(2, Answer::Silent("timed out".to_owned()));
    });
    assert_eq!(plan.unwrap().steps.len(), 1);
    let refusal = showing(&[0, 1, 2], |world| world.seen.foundings[1].number = "0".repeat(16));
    assert!(refusal.unwrap_err().why.contains("different foundings"));
}
