#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::retire::{Leaving, retire};
use super::super::verify::world::{Good, World};
use super::*;
use crate::model::{ClusterParts, Proxy, Services};

/// A good cluster after a change of what is seen of it.
struct Case {
    good: Good,
    world: World,
}

impl Case {
    fn new(change: impl FnOnce(&mut World)) -> Self {
        let good = Good::new().unwrap();
        let mut world = good.world.clone();
        change(&mut world);
        Self { good, world }
    }

    fn cluster(&self) -> &Cluster {
        &self.good.site.clusters[0]
    }

    fn name(&self, at: usize) -> &str {
        self.cluster().hosts[at].name.as_str()
    }

    fn fingerprint(&self, at: usize) -> &str {
        &self.good.keys.hosts[at].server.fingerprint
    }

    fn admit(&self, name: &str) -> Result<Plan, Refusal> {
        admit(self.cluster(), &self.good.keys, &self.world.seen, name, self.world.now)
    }

    fn retire(&self, at: usize, records: &Records, leaving: Leaving) -> Result<Plan, Refusal> {
        let name = self.name(at);
        retire(
            self.cluster(),
            &self.good.keys,
            &self.world.seen,
            records,
            name,
            leaving,
        )
    }

    fn plan(&self) -> Result<Plan, Refusal> {
        plan(
            self.cluster(),
            &self.good.keys,
            &self.world.seen,
            &BTreeMap::new(),
            self.world.now,
        )
    }
}

fn last() -> (usize, String, String) {
    let good = Case::new(|_| {});
    let at = good.cluster().hosts.len() - 1;
    (at, good.name(at).to_owned(), good.fingerprint(at).to_owned())
}

fn silent() -> Answer {
    Answer::Silent("timed out".to_owned())
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let kinds = plan.steps.iter().map(|step| match step {
        Step::Trust { .. } => "trust",
        Step::Distrust { .. } => "distrust",
        Step::Note { value, .. } if value.is_empty() => "forget",
        Step::Note { .. } => "note",
        Step::GivePair { .. } => "give",
        Step::GivePairTo { .. } => "give to",
        Step::Evacuate { .. } => "evacuate",
        Step::Remove { lost: true, .. } => "remove lost",
        Step::Remove { lost: false, .. } => "remove",
        Step::DeclarePool { .. } => "declare",
        Step::MakePool { .. } => "make",
        Step::TakeVote { .. } => "take vote",
        Step::HandKey { .. } => "hand key",
        Step::GiveServer { .. } | Step::GiveSsh { .. } => "give host keys",
        Step::Name { .. } => "name",
        Step::Restore { .. } => "restore",
    });
    kinds.collect()
}

/// The host that comes last was never a member, and is not trusted.
fn newcomer(world: &mut World) {
    let (at, name, _) = last();
    world.never_joined(at, silent());
    world.cluster(|cluster| cluster.certificates.retain(|known| known.name != name));
}

fn records() -> Records {
    Records {
        instances: vec!["web1".to_owned()],
        volumes: vec!["data1/photos".to_owned()],
    }
}

#[test]
fn a_good_cluster_has_nothing_to_do() {
    let case = Case::new(|_| {});
    assert_eq!(case.plan().unwrap(), Plan::default());
    assert_eq!(case.admit(case.name(0)).unwrap(), Plan::default());
}

#[test]
fn a_newcomer_is_trusted_before_it_is_noted() {
    let (_, name, fingerprint) = last();
    let case = Case::new(newcomer);
    assert_eq!(kinds(&case.admit(&name).unwrap()), ["trust", "note", "note"]);
    assert_eq!(kinds(&case.plan().unwrap()), ["trust", "note", "note"]);
    // Cut off between the two: what is left is the note.
    let case = Case::new(|world| {
        let (at, ..) = last();
        world.never_joined(at, silent());
    });
    assert_eq!(kinds(&case.admit(&name).unwrap()), ["note", "note"]);
    // A person took it out: apply leaves it, admit puts it back.
    let case = Case::new(|world| {
        newcomer(world);
        world.note(&format!("user.lxseed.server.{name}"), &fingerprint);
    });
    let plan = case.plan().unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("by hand"),
        "{plan:?}"
    );
    assert_eq!(kinds(&case.admit(&name).unwrap()), ["trust", "note"]);
    // Its keys were changed before it came: the old ones go first, since LXD wants each name once.
    let case = Case::new(|world| {
        newcomer(world);
        world.cluster(|cluster| {
            let mut old = cluster.certificates[0].clone();
            (old.name, old.fingerprint) = (name.clone(), "00".repeat(32));
            cluster.certificates.push(old);
        });
    });
    assert_eq!(
        kinds(&case.admit(&name).unwrap()),
        ["distrust", "trust", "note", "note"]
    );
    // Which of two profiles is the older one, apply cannot know.
    let plan = case.plan().unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("another certificate"),
        "{plan:?}"
    );
    assert!(case.admit("nobody").unwrap_err().why.contains("declares no host"));
}

/// Of a host that never came: the notes of its trust, and what it answers.
fn awaited(days: i64, trusted: bool, answer: Answer) -> Case {
    let (at, name, fingerprint) = last();
    Case::new(|world| {
        world.never_joined(at, answer);
        let day = (world.now - time::Duration::days(days)).date();
        world.note(&format!("user.lxseed.server.{name}"), &fingerprint);
        world.note(&format!("user.lxseed.trusted.{name}"), &format!("{day} {fingerprint}"));
        if !trusted {
            world.cluster(|cluster| cluster.certificates.retain(|known| known.fingerprint != fingerprint));
        }
    })
}

#[test]
fn trust_of_a_host_that_never_came_ends_and_is_never_ended_on_a_guess() {
    let (at, name, fingerprint) = last();
    let clock = format!("user.lxseed.trusted.{name}");
    let of = |case: &Case| kinds(&case.plan().unwrap());
    assert_eq!(of(&awaited(14, true, silent())), Vec::<&str>::new());
    assert_eq!(of(&awaited(15, true, silent())), ["distrust"]);
    // The machine is on, and may be about to join.
    for answer in [Answer::NotListening, Answer::Hangs(Identity::Own)] {
        assert_eq!(of(&awaited(15, true, answer)), Vec::<&str>::new());
    }
    // Whoever ended it, a day later it is known why, and admit begins anew.
    let case = awaited(16, false, silent());
    let plan = case.plan().unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
    assert!(
        plan.left[0].why.contains("within 14 days") && plan.left[0].why.contains("lxseed admit"),
        "{plan:?}"
    );
    assert_eq!(kinds(&case.admit(&name).unwrap()), ["trust", "note"]);
    // Nobody knows since when: trusted at the founding, by other keys, or by a note that is none.
    let strange = [
        "".to_owned(),
        "yesterday".to_owned(),
        format!("2020-01-01 {}", "00".repeat(32)),
        format!("soon {fingerprint}"),
    ];
    for note in strange {
        let mut case = awaited(500, true, silent());
        case.world.note(&clock, &note);
        let plan = case.plan().unwrap();
        let [Step::Note { key, value }] = plan.steps.as_slice() else {
            panic!("{note}: {plan:?}");
        };
        assert_eq!(
            (key, value.as_str()),
            (&clock, format!("2026-12-01 {fingerprint}").as_str())
        );
    }
    // Who is a member, whatever is noted of the day before that.
    let case = Case::new(|world| world.note(&clock, &format!("2020-01-01 {fingerprint}")));
    assert_eq!(case.plan().unwrap(), Plan::default());
    for limit in [None, Some(500)] {
        let mut case = awaited(400, true, silent());
        let parts = ClusterParts {
            trust_for: limit,
            ..(**case.cluster()).clone()
        };
        case.good.site.clusters[0] = Cluster::new(parts).unwrap();
        assert_eq!(case.plan().unwrap(), Plan::default());
    }
    // With the host goes its day.
    let case = Case::new(|world| world.note(&clock, &format!("2026-11-30 {fingerprint}")));
    let plan = case.retire(at, &Records::default(), Leaving::Empty).unwrap();
    assert!(kinds(&plan).ends_with(&["forget"]), "{plan:?}");
}

#[test]
fn nobody_is_let_in_under_the_name_of_a_member_or_of_the_dead() {
    let (at, name, fingerprint) = last();
    let case = Case::new(|world| world.member(at, "Offline", "No heartbeat"));
    let refused = case.admit(&name).unwrap_err();
    assert!(
        refused.why.contains("on record, offline") && refused.why.contains("lxseed retire"),
        "{refused}"
    );
    let case = Case::new(|world| {
        newcomer(world);
        world.note(
            &format!("user.lxseed.retired.{name}"),
            &format!("{},{fingerprint}", "11".repeat(32)),
        );
    });
    assert!(case.admit(&name).unwrap_err().why.contains("was retired"));
    let plan = case.plan().unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("was retired"),
        "{plan:?}"
    );
}

/// A name of this profile's spares is a member's, by another copy of the profile: its certificate stays.
#[test]
fn a_member_that_is_a_spare_here_keeps_its_certificate() {
    let mut case = Case::new(|_| {});
    let (at, ..) = last();
    let parts = ClusterParts {
        hosts: case.cluster().hosts[..at].to_vec(),
        spares: vec![case.cluster().hosts[at].name.clone()],
        ..(**case.cluster()).clone()
    };
    case.good.site.clusters[0] = Cluster::new(parts).unwrap();
    case.good.keys.hosts.truncate(at);
    case.world.seen.hosts.truncate(at);
    case.good.keys.spares = vec![case.good.keys.cluster.certificate_pem.clone()];
    let plan = case.plan().unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
}

#[test]
fn nothing_is_changed_of_what_is_not_this_cluster() {
    let (_, name, _) = last();
    let two = Case::new(|world| world.seen.foundings[1].number = "0".repeat(16));
    let other = Case::new(|world| {
        for founding in &mut world.seen.foundings {
            founding.number = "0".repeat(16);
        }
    });
    let silent = Case::new(|world| world.seen.cluster = None);
    for (case, why) in [
        (two, "different foundings"),
        (other, "another cluster"),
        (silent, "no member of"),
    ] {
        let all = [
            case.plan().unwrap_err(),
            case.admit(&name).unwrap_err(),
            case.retire(1, &Records::default(), Leaving::Empty).unwrap_err(),
        ];
        assert!(all.iter().all(|refusal| refusal.why.contains(why)), "{all:?}");
    }
}

#[test]
fn who_has_something_on_it_stays() {
    let (at, ..) = last();
    let here = Case::new(|_| {});
    let gone = Case::new(|world| {
        world.member(at, "Offline", "No heartbeat");
        *world.host(at) = silent();
    });
    // LXD misses it, and it answers: its cable is out on the others' side, or it has just come back.
    let answers = [Identity::Cluster].map(|own| [None, Some(Answer::Hangs(own)), Some(Answer::Untrusted(own))]);
    for answer in answers.into_iter().flatten() {
        let lives = Case::new(|world| {
            world.member(at, "Offline", "No heartbeat");
            if let Some(answer) = answer {
                *world.host(at) = answer;
            }
        });
        let refusal = lives.retire(at, &records(), Leaving::Lost(2)).unwrap_err();
        assert!(refusal.why.contains("it is not gone"), "{refusal}");
    }
    let refused = |case: &Case, records: &Records, leaving| case.retire(at, records, leaving).unwrap_err();
    let listed = records().listed();
    for leaving in [Leaving::Empty, Leaving::Evacuate] {
        assert_eq!(refused(&here, &records(), leaving).records, listed);
        let refusal = refused(&gone, &records(), leaving);
        assert!(
            refusal.why.contains("--lost 2") && refusal.records == listed,
            "{refusal:?}"
        );
    }
    assert!(refused(&here, &records(), Leaving::Lost(2)).why.contains("is not lost"));
    for said in [0, 1, 3] {
        assert_eq!(refused(&gone, &records(), Leaving::Lost(said)).records, listed);
    }
    assert!(
        here.retire(0, &Records::default(), Leaving::Empty)
            .unwrap_err()
            .why
            .contains("bootstrap")
    );
    let alone = Case::new(|world| world.cluster(|cluster| cluster.members.retain(|member| member.name != last().1)));
    let alone_of_one = Case::new(|world| {
        let name = here.name(1).to_owned();
        world.cluster(|cluster| cluster.members.retain(|member| member.name == name));
    });
    assert!(alone.retire(1, &Records::default(), Leaving::Empty).is_ok());
    let refusal = alone_of_one.retire(1, &Records::default(), Leaving::Empty).unwrap_err();
    assert!(refusal.why.contains("last member"), "{refusal}");
}

#[test]
fn a_tombstone_comes_before_everything_and_is_there_once() {
    let (at, name, fingerprint) = last();
    let note = format!("user.lxseed.server.{name}");
    let case = Case::new(|world| world.note(&note, &fingerprint));
    let plan = case.retire(at, &Records::default(), Leaving::Empty).unwrap();
    assert_eq!(kinds(&plan), ["note", "remove", "distrust", "forget", "forget"]);
    let bury = Step::Note {
        key: format!("user.lxseed.retired.{name}"),
        value: fingerprint.clone(),
    };
    assert_eq!(plan.steps[0], bury);
    // Cut off after the member went: the rest is what is left.
    let case = Case::new(|world| {
        newcomer(world);
        world.note(&format!("user.lxseed.retired.{name}"), &fingerprint);
        world.note(&note, &fingerprint);
    });
    let plan = case.retire(at, &Records::default(), Leaving::Empty).unwrap();
    assert_eq!(kinds(&plan), ["forget"]);
    let instances = Records {
        volumes: Vec::new(),
        ..records()
    };
    let here = Case::new(|_| {});
    let plan = here.retire(at, &instances, Leaving::Evacuate).unwrap();
    assert_eq!(kinds(&plan)[..3], ["note", "evacuate", "remove"]);
    let gone = Case::new(|world| {
        world.member(at, "Offline", "No heartbeat");
        *world.host(at) = silent();
    });
    let plan = gone.retire(at, &records(), Leaving::Lost(2)).unwrap();
    assert_eq!(kinds(&plan)[..2], ["note", "remove lost"]);
}

/// The cluster lacks its first pool; so many of its members have told that a volume is ready for it.
fn lacking(ready: usize, world: &mut World) {
    world.cluster(|cluster| {
        let pool = cluster.pools.remove(0).name;
        cluster.member_pools.retain(|on_it| on_it.pool != pool);
        for member in &cluster.members[..ready] {
            let key = format!("user.lxseed.ready.{}.{pool}", member.name);
            cluster.notes.insert(key, "/dev/disk/by-id/ata-1".to_owned());
        }
    });
}

#[test]
fn a_pool_is_made_when_every_members_own_guard_has_passed_a_volume() {
    let count = last().0 + 1;
    for ready in 0..count {
        let plan = Case::new(|world| lacking(ready, world)).plan().unwrap();
        assert!(plan.steps.is_empty(), "{plan:?}");
        assert!(plan.left[0].why.contains("has no disk ready"), "{plan:?}");
    }
    let plan = Case::new(|world| lacking(count, world)).plan().unwrap();
    let mut whole = vec!["declare"; count];
    whole.push("make");
    // What was ready is LXD's then, whatever becomes of the pool.
    whole.extend(vec!["forget"; count]);
    assert_eq!(kinds(&plan), whole);
    let left_over = Case::new(|world| {
        let (mut pools, mut on_it) = (Vec::new(), Vec::new());
        world.cluster(|cluster| (pools, on_it) = (cluster.pools.clone(), cluster.member_pools.clone()));
        lacking(count, world);
        world.cluster(|cluster| (cluster.pools, cluster.member_pools) = (pools, on_it));
    });
    assert_eq!(kinds(&left_over.plan().unwrap()), vec!["forget"; count]);
    let plan = Case::new(|world| {
        lacking(count, world);
        world.member(count - 1, "Offline", "No heartbeat");
    });
    let plan = plan.plan().unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("is offline"),
        "{plan:?}"
    );
    // Cut off after the first: LXD has that one on record.
    let plan = Case::new(|world| {
        let mut pool = None;
        world.cluster(|cluster| pool = Some(cluster.pools[0].clone()));
        lacking(count, world);
        world.cluster(|cluster| {
            let mut pending = pool.unwrap();
            "Pending".clone_into(&mut pending.status);
            let mut on_it = cluster.member_pools[0].clone();
            on_it.pool.clone_from(&pending.name);
            cluster.members[0].name.clone_into(&mut on_it.member);
            "/dev/disk/by-id/ata-1".clone_into(&mut on_it.source);
            cluster.member_pools.push(on_it);
            cluster.pools.push(pending);
        });
    });
    assert_eq!(kinds(&plan.plan().unwrap()), whole[1..]);
}

/// LXD up to 5.0.2 makes a zpool of a device whatever has come to lie on it since the guard looked.
#[test]
fn no_zpool_is_made_unseen_by_an_lxd_that_overwrites() {
    let count = last().0 + 1;
    for (version, makes) in [
        ("5.0.2", false),
        ("4.0.10", false),
        ("", false),
        ("5.0.3", true),
        ("5.21.4", true),
    ] {
        let mut case = Case::new(|world| {
            lacking(count, world);
            for at in 0..count {
                version.clone_into(&mut world.server(at).unwrap().version);
            }
        });
        let mut pools = case.cluster().pools.clone();
        pools[0].driver = Driver::Zfs;
        let parts = ClusterParts {
            pools,
            ..(**case.cluster()).clone()
        };
        case.good.site.clusters[0] = Cluster::new(parts).unwrap();
        let plan = case.plan().unwrap();
        assert_eq!(!plan.steps.is_empty(), makes, "{version}: {plan:?}");
        let told = plan.left.iter().any(|left| left.why.contains("zpool create -f"));
        assert_eq!(told, !makes, "{plan:?}");
    }
}

#[test]
fn a_pool_that_is_not_declared_stays_with_what_is_on_it() {
    let case = Case::new(|world| {
        world.cluster(|cluster| {
            let mut more = cluster.pools[0].clone();
            "scratch".clone_into(&mut more.name);
            cluster.pools.push(more);
        });
    });
    let used = BTreeMap::from([("scratch".to_owned(), records())]);
    let plan_of = |used: &BTreeMap<String, Records>| {
        plan(case.cluster(), &case.good.keys, &case.world.seen, used, case.world.now).unwrap()
    };
    let plan = plan_of(&used);
    assert!(
        plan.steps.is_empty() && plan.left[0].records == records().listed(),
        "{plan:?}"
    );
    // What could not be asked is not called empty.
    let plan = plan_of(&BTreeMap::new());
    assert!(plan.left[0].why.contains("could not be asked"), "{plan:?}");
    let plan = plan_of(&BTreeMap::from([("scratch".to_owned(), Records::default())]));
    assert!(plan.left[0].why.contains("lxc storage delete scratch"), "{plan:?}");
}

#[test]
fn people_follow_the_profile_and_what_a_person_did_stays() {
    let case = Case::new(|_| {});
    let person = case.cluster().admin.lxd_certificates[0].name.clone();
    let own = Certified::parse(&case.cluster().admin.lxd_certificates[0].pem).unwrap();
    let note = format!("user.lxseed.client.{person}");
    let without = |world: &mut World| {
        world.cluster(|cluster| {
            cluster
                .certificates
                .retain(|known| known.fingerprint != own.fingerprint)
        });
    };
    assert_eq!(kinds(&Case::new(without).plan().unwrap()), ["trust", "note"]);
    let plan = Case::new(|world| {
        without(world);
        world.note(&note, &own.fingerprint);
    });
    let plan = plan.plan().unwrap();
    assert!(
        plan.steps.is_empty() && plan.left[0].why.contains("by hand"),
        "{plan:?}"
    );
    // Let in by lxseed once, and not declared any more.
    let plan = Case::new(|world| {
        world.cluster(|cluster| {
            let mut old = cluster.certificates[0].clone();
            (old.name, old.kind, old.fingerprint) = ("ann".to_owned(), "client".to_owned(), "22".repeat(32));
            cluster.certificates.push(old);
        });
        world.note("user.lxseed.client.ann", &"22".repeat(32));
    });
    // No list of an earlier seed puts it back.
    assert_eq!(kinds(&plan.plan().unwrap()), ["note", "distrust", "forget"]);
    // Whom nobody but a person let in is left alone here; status tells of it.
    let plan = Case::new(|world| {
        world.cluster(|cluster| {
            let mut stranger = cluster.certificates[0].clone();
            (stranger.name, stranger.kind, stranger.fingerprint) =
                ("x".to_owned(), "client".to_owned(), "33".repeat(32));
            cluster.certificates.push(stranger);
        });
    });
    assert_eq!(plan.plan().unwrap(), Plan::default());
}

#[test]
fn lxds_own_list_of_proxy_exceptions_gets_the_new_addresses() {
    let case = Case::new(|world| world.note(PROXY_EXCEPTIONS, "example.org, 192.168.10.11"));
    let plan = case.plan().unwrap();
    let [Step::Note { key, value }] = plan.steps.as_slice() else {
        panic!("{plan:?}");
    };
    assert_eq!(key, PROXY_EXCEPTIONS);
    assert!(value.starts_with("example.org, 192.168.10.11,192.168.10.12"), "{value}");
}

#[test]
fn a_living_cluster_is_given_its_proxy() {
    let mut case = Case::new(|world| world.note("core.proxy_http", "http://old:3128"));
    let parts = ClusterParts {
        services: Services {
            proxy: Some(Proxy {
                https: Some("http://proxy:3128".parse().unwrap()),
                ..Proxy::default()
            }),
            ..Services::default()
        },
        ..(**case.cluster()).clone()
    };
    case.good.site.clusters[0] = Cluster::new(parts).unwrap();
    let steps = case.plan().unwrap().steps;
    let told: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let [exceptions, http, https] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(
        exceptions.contains("core.proxy_ignore_hosts to 192.168.10.11,192.168.10.12"),
        "{exceptions}"
    );
    assert!(http.starts_with("take core.proxy_http out"), "{http}");
    assert!(https.contains("core.proxy_https to http://proxy:3128"), "{https}");
}
