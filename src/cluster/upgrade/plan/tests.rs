#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use super::super::super::seen::ClusterSeen;
use super::super::super::verify::world::{Good, World};
use super::super::Build;
use super::*;

const OLD: u32 = 24323;
const NEW: u32 = 28460;

/// A cluster of three, the third of which leads, and what its hosts and the store say.
struct Case {
    good: Good,
    world: World,
    /// What its members would tell if one of them answered.
    record: ClusterSeen,
    hosts: Vec<Result<OnHost, String>>,
    wish: UpgradeWish,
    offer: (u32, &'static str),
    /// In the order in which they were refreshed.
    refreshed: Vec<String>,
    /// Whether the new LXD has other numbers than the old one.
    waits: bool,
}

impl Case {
    fn new() -> Self {
        let good = Good::new().unwrap();
        let world = good.world.clone();
        let host = OnHost {
            snaps: BTreeMap::from([("lxd".to_owned(), OLD)]),
            version: "5.0.2-838e1b2".to_owned(),
            tracking: "5.0/stable".to_owned(),
            kernel: "5.4.0-150-generic".to_owned(),
            clustered: true,
            unit: "active".to_owned(),
            ..OnHost::default()
        };
        Self {
            record: world.seen.cluster.clone().unwrap(),
            hosts: good.site.clusters[0].hosts.iter().map(|_| Ok(host.clone())).collect(),
            wish: UpgradeWish {
                channel: "5.0/candidate".parse().unwrap(),
                evacuate: false,
                revision: None,
            },
            offer: (NEW, "5.0.3-babaaf8"),
            refreshed: Vec::new(),
            waits: true,
            good,
            world,
        }
    }

    fn name(&self, at: usize) -> String {
        self.good.site.clusters[0].hosts[at].name.to_string()
    }

    fn on(&mut self, at: usize) -> &mut OnHost {
        self.hosts[at].as_mut().unwrap()
    }

    fn plan(&self) -> Result<UpgradePlan, Refusal> {
        let found = self.hosts.iter().flatten().map(OnHost::age).collect::<BTreeSet<_>>();
        let (revision, version) = self.offer;
        let seen = UpgradeSeen {
            seen: self.world.seen.clone(),
            roles: BTreeMap::from([
                (self.name(0), Role::Voter),
                (self.name(1), Role::None),
                (self.name(2), Role::Leader),
            ]),
            hosts: self.hosts.clone(),
            offer: (found.len() == 1).then(|| {
                Ok(Build {
                    revision,
                    version: version.to_owned(),
                })
            }),
        };
        plan_upgrade(&self.good.site.clusters[0], &self.wish, &seen)
    }

    fn refused(&self, words: &str) {
        let why = self.plan().unwrap_err().why;
        assert!(why.contains(words), "{why}");
    }

    /// As LXD has it: who has higher numbers than another waits, and who answers tells of all.
    fn settle(&mut self, is_together: bool) {
        let newest = self.hosts.iter().flatten().map(OnHost::revision).max();
        let all = self.hosts.iter().flatten().all(|host| Some(host.revision()) == newest);
        let good = self.good.world.seen.hosts.clone();
        for (at, good) in good.into_iter().enumerate() {
            let is_newest = Some(self.on(at).revision()) == newest;
            let goes_on = !self.waits || is_together || !is_newest;
            self.on(at).waits = !goes_on && (!all || self.on(at).waits);
            self.world.seen.hosts[at].answer = match goes_on {
                true => good.answer,
                false => Answer::Hangs(Identity::Cluster),
            };
        }
        let tells = !self.waits || is_together || !all;
        self.world.seen.cluster = tells.then(|| self.record.clone());
    }

    fn take(&mut self, step: &UpgradeStep) {
        let position = |name: &str| {
            self.good.site.clusters[0]
                .hosts
                .iter()
                .position(|host| host.name.as_str() == name)
                .unwrap()
        };
        match step {
            UpgradeStep::Refresh { member, revision } => {
                let at = position(member);
                self.on(at).snaps.insert("lxd".to_owned(), *revision);
                self.offer.1.clone_into(&mut self.on(at).version);
                self.refreshed.push(member.clone());
                self.settle(false);
            }
            UpgradeStep::Follow { member, channel } => {
                let at = position(member);
                self.on(at).tracking = channel.to_string();
            }
            UpgradeStep::Await { .. } => {}
            UpgradeStep::AwaitAll => self.settle(true),
            UpgradeStep::Cluster(step) => {
                self.change(step);
                self.world.seen.cluster = self.world.seen.cluster.as_ref().map(|_| self.record.clone());
            }
            UpgradeStep::Carry { .. } => panic!("{step}"),
        }
    }

    fn change(&mut self, step: &Step) {
        let set = |record: &mut ClusterSeen, name: &str, from: &str, to: &str| {
            let member = record.members.iter_mut().find(|member| member.name == name).unwrap();
            assert_eq!(member.status, from, "{name}");
            to.clone_into(&mut member.status);
        };
        match step {
            Step::Note { key, value } if value.is_empty() => drop(self.record.notes.remove(key).unwrap()),
            Step::Note { key, value } => drop(self.record.notes.insert(key.clone(), value.clone())),
            Step::Evacuate { member } => {
                // Whoever is not evacuated may be given an instance, and has to answer.
                let open = |one: &&Member| one.name != *member && one.status != "Evacuated";
                let open: Vec<&Member> = self.record.members.iter().filter(open).collect();
                assert!(!open.is_empty());
                for one in open {
                    let host = self.world.seen.hosts.iter().find(|host| host.name == one.name).unwrap();
                    assert!(host.server().is_some(), "{member} to {}", one.name);
                }
                set(&mut self.record, member, "Online", "Evacuated");
            }
            Step::Restore { member } => {
                let host = self.world.seen.hosts.iter().find(|host| host.name == *member).unwrap();
                assert!(host.server().is_some(), "{member}");
                set(&mut self.record, member, "Evacuated", "Online");
            }
            _ => panic!("{step}"),
        }
    }

    /// Takes all steps. With `anew`, whoever takes them knows nothing of the step before.
    fn taken(&mut self, anew: bool) {
        let mut waited = None;
        for _ in 0..60 {
            let plan = self.plan().unwrap();
            let Some(step) = plan.steps.first().cloned() else {
                return;
            };
            if !anew {
                self.wish.revision = Some(plan.revision);
            }
            // What was waited for came.
            if let UpgradeStep::Await { member } = &step {
                let at = self
                    .world
                    .seen
                    .hosts
                    .iter()
                    .position(|host| host.name == *member)
                    .unwrap();
                assert_ne!(waited, Some(at), "{step}");
                waited = Some(at);
                self.on(at).waits = true;
                continue;
            }
            self.take(&step);
        }
        panic!("it does not end: {:?}", self.plan());
    }
}

#[test]
fn every_member_is_refreshed_once_and_the_leader_last() {
    for (anew, waits, evacuate) in (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0)) {
        let mut case = Case::new();
        (case.waits, case.wish.evacuate) = (waits, evacuate);
        case.taken(anew);
        let label = format!("anew {anew}, waits {waits}, evacuate {evacuate}");
        assert_eq!(case.refreshed, [case.name(1), case.name(0), case.name(2)], "{label}");
        for host in case.hosts.iter().flatten() {
            assert_eq!(
                (host.revision(), host.tracking.as_str()),
                (NEW, "5.0/candidate"),
                "{label}"
            );
        }
        assert_eq!(
            case.record.members,
            case.good.world.seen.cluster.as_ref().unwrap().members,
            "{label}"
        );
        assert!(
            !case.record.notes.keys().any(|key| key.contains("evacuated")),
            "{label}"
        );
    }
}

#[test]
fn all_as_wished_is_nothing_to_do() {
    let mut case = Case::new();
    case.offer = (OLD, "5.0.2-838e1b2");
    case.wish.channel = "5.0/stable".parse().unwrap();
    assert!(case.plan().unwrap().steps.is_empty());
    for tracking in ["5.0/stable/fix-of-ours", "5.0/…"] {
        tracking.clone_into(&mut case.on(0).tracking);
        assert!(case.plan().unwrap().steps.is_empty(), "{tracking}");
    }
    // The same revision of another channel is followed, and nothing is started anew.
    case.wish.channel = "5.0/candidate".parse().unwrap();
    case.taken(true);
    assert!(case.refreshed.is_empty());
}

#[test]
fn who_was_evacuated_by_a_person_stays_so() {
    for evacuate in [false, true] {
        let mut case = Case::new();
        case.wish.evacuate = evacuate;
        "Evacuated".clone_into(&mut case.record.members[1].status);
        case.world.seen.cluster = Some(case.record.clone());
        case.taken(true);
        assert_eq!(case.record.members[1].status, "Evacuated");
        assert_eq!(case.record.members[0].status, "Online");
        assert_eq!(case.refreshed.len(), 3);
    }
}

#[test]
fn the_last_ones_keep_their_instances() {
    let mut case = Case::new();
    case.wish.evacuate = true;
    let plan = case.plan().unwrap();
    let told = plan
        .steps
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        told.contains(&format!("move the instances of {} to", case.name(0))),
        "{told}"
    );
    assert!(
        !told.contains(&format!("move the instances of {} to", case.name(2))),
        "{told}"
    );
    assert!(
        plan.notes.iter().any(|note| note.contains(&case.name(2))),
        "{:?}",
        plan.notes
    );
    // One that waits and was not evacuated might be given an instance that it cannot take.
    case.on(1).snaps.insert("lxd".to_owned(), NEW);
    case.settle(false);
    assert!(
        !case
            .plan()
            .unwrap()
            .steps
            .iter()
            .any(|step| matches!(step, UpgradeStep::Cluster(_)))
    );
}

#[test]
fn nothing_is_touched_unless_all_are_there() {
    let mut case = Case::new();
    case.hosts[2] = Err("node3 is not reached over ssh".to_owned());
    case.refused("LXD goes on only with all members, and node3 is not reached over ssh");

    let mut case = Case::new();
    case.world.member(2, "Offline", "No heartbeat for 30s");
    case.refused("does not take part in the cluster (no heartbeat for 30s)");

    let mut case = Case::new();
    case.on(1).problem = Some("disks: disk WD-1 is not blank".to_owned());
    case.refused("has stopped (disks: disk WD-1 is not blank)");

    let mut case = Case::new();
    *case.world.host(1) = Answer::Foreign("ab".repeat(32));
    case.refused("is not the LXD of the member");

    let mut case = Case::new();
    let stranger = Member {
        name: "node9".to_owned(),
        ..case.record.members[0].clone()
    };
    case.world.cluster(|found| found.members.push(stranger));
    case.refused("node9 is a member of");

    let mut case = Case::new();
    case.world.seen.foundings[1].number = "ffffffffffffffff".to_owned();
    case.refused("different foundings");

    let mut case = Case::new();
    case.world.seen.cluster = None;
    case.refused("lxseed rescue");

    // Whoever is about to join would come with the earlier one.
    let mut case = Case::new();
    let silent = Answer::Silent("timed out".to_owned());
    case.world.never_joined(1, silent);
    assert!(case.plan().unwrap().notes[0].contains("is no member, and off"));
    case.world.never_joined(1, Answer::NotListening);
    case.refused("could join with the earlier LXD");
}

#[test]
fn an_lxd_goes_on_and_never_back() {
    let mut case = Case::new();
    case.wish.channel = "4.0/stable".parse().unwrap();
    case.offer = (24061, "4.0.9-1");
    case.refused("of an earlier track: LXD's database does not go back");
    // An earlier revision of the track.
    let mut case = Case::new();
    case.offer = (OLD - 1, "5.0.2-5");
    case.refused("an earlier one: LXD's database does not go back");
    // The store's numbers say nothing between tracks.
    case.wish.channel = "5.21/stable".parse().unwrap();
    case.offer = (OLD - 1, "5.21.2-22f93f4");
    case.good.site.clusters[0].hosts.iter().for_each(drop);
    let drivers = case.plan();
    assert!(drivers.is_ok(), "{drivers:?}");
    // Half way to a track there is no other.
    case.on(0).snaps.insert("lxd".to_owned(), OLD - 1);
    "5.21.2-22f93f4".clone_into(&mut case.on(0).version);
    case.settle(false);
    assert_eq!(case.plan().unwrap().revision, OLD - 1);
    case.wish.channel = "5.0/stable".parse().unwrap();
    case.refused("lxseed upgrade --channel 5.21/stable");
    // Two tracks at once.
    let mut case = Case::new();
    for at in 0..3 {
        "4.0.9-a29c6f1".clone_into(&mut case.on(at).version);
    }
    case.wish.channel = "5.21/stable".parse().unwrap();
    case.refused("first lxseed upgrade --channel 5.0/stable");
}

#[test]
fn a_pool_that_the_next_track_cannot_open_is_no_way_on() {
    let mut case = Case::new();
    case.wish.channel = "5.21/stable".parse().unwrap();
    case.world.cluster(|found| "zfs".clone_into(&mut found.pools[0].driver));
    "4.15.0-213-generic".clone_into(&mut case.on(2).kernel);
    case.refused("runs Linux 4.15.0-213-generic: its pools would not open any more");
}

/// Between the last refresh and the first answer nobody tells who is a member.
#[test]
fn who_never_came_holds_nobody_up() {
    let mut case = Case::new();
    let silent = Answer::Silent("timed out".to_owned());
    case.hosts[1] = Err("node2 is not reached over ssh".to_owned());
    *case.world.host(1) = silent;
    case.world.seen.cluster = None;
    case.refused("node2 is not reached over ssh");
    for at in [0, 2] {
        case.on(at).snaps.insert("lxd".to_owned(), NEW);
        case.on(at).waits = at == 0;
        *case.world.host(at) = Answer::Hangs(Identity::Cluster);
    }
    let plan = case.plan().unwrap();
    let name = case.name(2);
    assert_eq!(plan.steps[0], UpgradeStep::Await { member: name });
    assert!(plan.steps.contains(&UpgradeStep::AwaitAll));
}

#[test]
fn one_that_is_not_back_is_waited_for_before_the_next() {
    let mut case = Case::new();
    case.on(1).snaps.insert("lxd".to_owned(), NEW);
    case.settle(false);
    case.on(1).waits = false;
    let name = case.name(1);
    assert_eq!(case.plan().unwrap().steps[0], UpgradeStep::Await { member: name });
}
