#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use time::macros::date;

use super::super::seen::Answer;
use super::super::verify::world::{Good, World};
use super::super::{Leaving, Records, admit, plan, retire};
use super::*;
use crate::trust::SiteSecret;

/// The good cluster and its keys, where the profile has raised the generation of a host.
struct Raised {
    good: Good,
    world: World,
    old: String,
}

const HOST: usize = 1;

impl Raised {
    fn new() -> Self {
        let mut good = Good::new().unwrap();
        let secret = SiteSecret::generate(date!(2026 - 11 - 23)).unwrap();
        let old = good.keys.hosts[HOST].server.fingerprint.clone();
        good.keys.hosts[HOST].server = secret.lxd_server("lab", "node2", 2).unwrap();
        let world = good.world.clone();
        Self { good, world, old }
    }

    fn name(&self) -> &str {
        self.cluster().hosts[HOST].name.as_str()
    }

    fn cluster(&self) -> &Cluster {
        &self.good.site.clusters[0]
    }

    fn new_fingerprint(&self) -> &str {
        &self.good.keys.hosts[HOST].server.fingerprint
    }

    fn plan(&self, world: &World, machine: &OnMachine) -> Result<Plan, Refusal> {
        rotate_host(self.cluster(), &self.good.keys, &world.seen, machine, &[], self.name())
    }

    /// What is said of a change of the cluster at which nothing may be done.
    fn refused(&self, change: impl FnOnce(&mut World)) -> String {
        let mut world = self.world.clone();
        change(&mut world);
        let refusal = self.plan(&world, &self.before()).unwrap_err();
        format!("{} {}", refusal.why, refusal.records.join(" "))
    }

    fn before(&self) -> OnMachine {
        OnMachine {
            server: self.old.clone(),
            is_under_way: false,
            is_ssh_declared: false,
        }
    }
}

fn certificates(world: &World) -> &Vec<Certificate> {
    &world.seen.cluster.as_ref().unwrap().certificates
}

/// What a cluster and a machine have once a step is taken.
fn take(world: &mut World, machine: &mut OnMachine, step: &Step) {
    match step {
        Step::GiveServer { fingerprint, .. } => {
            machine.server.clone_from(fingerprint);
            machine.is_under_way = false;
        }
        Step::GiveSsh { .. } => machine.is_ssh_declared = true,
        _ => world.cluster(|found| match step {
            Step::Trust {
                name,
                type_,
                fingerprint,
                ..
            } => {
                // LXD from 5.21.5 on.
                assert!(found.certificates.iter().all(|known| known.name != *name), "{name}");
                found.certificates.push(Certificate {
                    name: name.clone(),
                    kind: (*type_).to_owned(),
                    fingerprint: fingerprint.clone(),
                    pem: String::new(),
                });
            }
            Step::Name { name, fingerprint } => {
                assert!(found.certificates.iter().all(|known| known.name != *name), "{name}");
                let mut known = found.certificates.iter_mut();
                known
                    .find(|known| known.fingerprint == *fingerprint)
                    .unwrap()
                    .name
                    .clone_from(name);
            }
            Step::Distrust { fingerprint, .. } => found.certificates.retain(|known| known.fingerprint != *fingerprint),
            Step::Note { key, value } => drop(found.notes.insert(key.clone(), value.clone())),
            _ => panic!("{step}"),
        }),
    }
}

fn take_first(raised: &Raised, world: &mut World, machine: &mut OnMachine) {
    let plan = raised.plan(world, machine).unwrap();
    take(world, machine, &plan.steps[0]);
}

#[test]
fn the_member_is_known_by_what_it_has_at_each_instant() {
    let raised = Raised::new();
    let (mut world, mut machine) = (raised.world.clone(), raised.before());
    world.note("user.lxseed.server.node2", &raised.old);
    let mut taken = 0;
    loop {
        let found = world.seen.cluster.as_ref().unwrap();
        let left = raised.plan(&world, &machine).unwrap();
        let is_told = is_unrotated(found, "node2", raised.new_fingerprint());
        // What is on the machine alone only the machine tells.
        assert_eq!(is_told, !left.steps.is_empty(), "{left:?}");
        let Some(step) = left.steps.first() else { break };
        let named = |world: &World| certificates(world).iter().filter(|known| is_of(known, "node2")).count();
        assert!(named(&world) > 0);
        take(&mut world, &mut machine, step);
        // Whatever it runs with is trusted, and what is out is noted before.
        assert!(
            trusts(world.seen.cluster.as_ref().unwrap(), &machine.server, "server"),
            "{step}"
        );
        if !trusts(world.seen.cluster.as_ref().unwrap(), &raised.old, "server") {
            assert!(
                tombstone(world.seen.cluster.as_ref().unwrap(), "node2").contains(&raised.old),
                "{step}"
            );
        }
        taken += 1;
        assert!(taken < 10, "it does not end");
    }
    assert_eq!(taken, 7);
    let own: Vec<&Certificate> = certificates(&world)
        .iter()
        .filter(|known| is_of(known, "node2"))
        .collect();
    assert!(matches!(own.as_slice(), [only] if only.name == "node2" && only.fingerprint == raised.new_fingerprint()));
    let notes = &world.seen.cluster.as_ref().unwrap().notes;
    assert_eq!(notes["user.lxseed.server.node2"], raised.new_fingerprint());
    // The profiles of the day before.
    let good = Good::new().unwrap();
    let refusal = rotate_host(raised.cluster(), &good.keys, &world.seen, &machine, &[], "node2").unwrap_err();
    assert!(refusal.why.contains("for good"), "{refusal}");
    // A member that was not told is made to read the list anew.
    let takers = ["node3".to_owned()];
    let again = rotate_host(
        raised.cluster(),
        &raised.good.keys,
        &world.seen,
        &machine,
        &takers,
        "node2",
    )
    .unwrap();
    assert!(matches!(again.steps.as_slice(), [Step::Name { .. }]), "{again:?}");
}

#[test]
fn an_exchange_that_was_not_seen_to_its_end_is_done_again() {
    let raised = Raised::new();
    let (mut world, mut machine) = (raised.world.clone(), raised.before());
    take_first(&raised, &mut world, &mut machine);
    machine.server = raised.new_fingerprint().to_owned();
    machine.is_under_way = true;
    let left = raised.plan(&world, &machine).unwrap();
    assert!(matches!(left.steps[0], Step::GiveServer { .. }), "{left:?}");
    // The machine does not answer just then, and is not waited for by the others.
    world.member(HOST, "Offline", "");
    *world.host(HOST) = Answer::NotListening;
    assert!(raised.plan(&world, &machine).is_ok());
    // And where the profile is put back before the old one is out, so are the keys.
    let good = Good::new().unwrap();
    let back = rotate_host(raised.cluster(), &good.keys, &world.seen, &machine, &[], "node2").unwrap();
    assert!(matches!(back.steps[0], Step::GiveServer { .. }), "{back:?}");
    let out =
        |step: &Step| matches!(step, Step::Distrust { fingerprint, .. } if fingerprint == raised.new_fingerprint());
    assert!(back.steps.iter().any(out), "{back:?}");
}

#[test]
fn nothing_is_begun_that_would_leave_a_member_behind() {
    type Change = fn(&mut World);
    let raised = Raised::new();
    let cases: [(&str, Change); 7] = [
        ("node3 is offline", |world| world.member(2, "Offline", "")),
        ("node3 does not answer the desk", |world| {
            *world.host(2) = Answer::Silent("timed out".to_owned());
        }),
        ("node9 is not declared", |world| {
            world.cluster(|found| {
                let mut other = found.members[0].clone();
                other.name = "node9".to_owned();
                found.members.push(other);
            });
        }),
        ("lxseed return lab/node2", |world| world.member(HOST, "Offline", "")),
        ("lxseed rotate cluster", |world| world.seen.hosts[0].earlier_pair = true),
        ("lxseed admit lab/node2", |world| {
            world.cluster(|found| found.members.retain(|member| member.name != "node2"));
        }),
        ("no member of lab answers", |world| world.seen.cluster = None),
    ];
    for (why, change) in cases {
        let said = raised.refused(change);
        assert!(said.contains(why), "'{why}' is not in: {said}");
    }
    let refusal = may_rotate_host(raised.cluster(), &raised.good.keys, &raised.world.seen, "node7").unwrap_err();
    assert!(refusal.why.contains("no host node7"), "{refusal}");
    // One that answers is missed for a while alone, and can be waited for.
    let mut world = raised.world.clone();
    assert!(!is_settling(&world.seen));
    world.member(2, "Offline", "");
    assert!(is_settling(&world.seen));
    *world.host(2) = Answer::Silent("timed out".to_owned());
    assert!(!is_settling(&world.seen));
    // Of the first generation, and all in order: the machine need not be asked.
    let good = Good::new().unwrap();
    assert!(!may_rotate_host(raised.cluster(), &good.keys, &good.world.seen, "node2").unwrap());
    assert!(may_rotate_host(raised.cluster(), &raised.good.keys, &raised.world.seen, "node2").unwrap());
}

#[test]
fn the_other_verbs_name_it_and_leave_both_keys_to_it() {
    let raised = Raised::new();
    let (mut world, mut machine) = (raised.world.clone(), raised.before());
    for begun in [false, true] {
        if begun {
            take_first(&raised, &mut world, &mut machine);
        }
        let (cluster, keys, seen) = (raised.cluster(), &raised.good.keys, &world.seen);
        let whole = plan(cluster, keys, seen, &std::collections::BTreeMap::new(), world.now).unwrap();
        assert!(whole.steps.is_empty(), "{whole:?}");
        assert!(
            whole
                .left
                .iter()
                .any(|left| left.why.contains("lxseed rotate host lab/node2")),
            "{whole:?}"
        );
        let refusal = admit(cluster, keys, seen, "node2", world.now).unwrap_err();
        assert!(refusal.why.contains("lxseed rotate host lab/node2"), "{refusal}");
        // Who leaves takes both along, also where the profile was put back meanwhile.
        let good = Good::new().unwrap();
        for keys in [&raised.good.keys, &good.keys] {
            let gone = retire(cluster, keys, seen, &Records::default(), "node2", Leaving::Empty).unwrap();
            let mut out = gone.steps.iter().filter(|step| matches!(step, Step::Distrust { .. }));
            assert_eq!(out.by_ref().count(), if begun { 2 } else { 1 }, "{gone:?}");
        }
    }
    // A certificate that is not called by its own fingerprint is somebody else's.
    let other = |name: &str| Certificate {
        name: name.to_owned(),
        kind: "server".to_owned(),
        fingerprint: "12".repeat(32),
        pem: String::new(),
    };
    assert!(is_of(&other("node2-12121212"), "node2") && !is_of(&other("node2-1212121"), "node2"));
    assert!(!is_of(&other("node2-34343434"), "node2") && !is_of(&other("node22"), "node2"));
}
