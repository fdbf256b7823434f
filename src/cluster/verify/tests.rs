#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::seen::{Answer, Identity, MemberPool, Pool};
use super::example::EXAMPLES;
use super::world::{Good, World};
use super::*;

/// The codes of what is found of a change of the good cluster.
fn codes(change: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let found = found(change);
    found.findings().iter().map(|finding| finding.rule.code).collect()
}

fn found(change: impl FnOnce(&mut World)) -> Checked {
    let good = Good::new().unwrap();
    let mut world = good.world.clone();
    change(&mut world);
    good.verified(&world)
}

/// The first message.
fn message(change: impl FnOnce(&mut World)) -> String {
    found(change).findings()[0].message.clone()
}

fn silent() -> Answer {
    Answer::Silent("no route to host".to_owned())
}

#[test]
fn the_good_cluster_has_no_findings() {
    assert_eq!(codes(|_| {}), [""; 0]);
}

#[test]
fn every_rule_has_one_broken_cluster_that_breaks_it_alone() {
    for rule in rules() {
        let examples = EXAMPLES.iter().filter(|example| example.is_of(rule));
        assert_eq!(examples.count(), 1, "{}", rule.code);
        let shown = Example::of(rule).unwrap().show().unwrap();
        let findings = shown.checked.findings().iter();
        let codes: Vec<&str> = findings.map(|finding| finding.rule.code).collect();
        assert_eq!(codes, [rule.code]);
        assert!(!shown.broken.is_empty() || !shown.good.is_empty(), "{}", rule.code);
    }
}

#[test]
fn of_a_host_that_is_off_nothing_else_is_said() {
    // Its pools, its versions and its seal were not looked at.
    let off = |world: &mut World| {
        *world.host(2) = silent();
        world.member(2, "Offline", "No heartbeat for 2m11s");
        world.cluster(|cluster| {
            cluster.member_pools.retain(|pool| pool.member != "node3");
            cluster.notes.remove("user.lxseed.sealed.node3");
        });
    };
    assert_eq!(codes(off), ["L008"]);
    assert_eq!(
        message(off),
        "the member node3 is offline: No heartbeat for 2m11s; nobody answers at 192.168.10.13:8443 (no route to host)"
    );
    // Two of three, and the third has nobody to ask.
    assert_eq!(
        codes(|world| {
            world.seen.cluster = None;
            *world.host(0) = Answer::Hangs(Identity::Cluster);
            *world.host(1) = silent();
            *world.host(2) = Answer::NotListening;
        }),
        ["L002"]
    );
}

#[test]
fn a_machine_that_waits_or_stopped_is_told_in_its_own_words() {
    let told = |identity, words: &'static str| {
        move |world: &mut World| {
            let mut server = world.server(2).cloned().unwrap();
            server
                .notes
                .insert("user.lxseed.first-boot".to_owned(), words.to_owned());
            world.never_joined(2, Answer::Server(identity, server));
        }
    };
    let waits = told(
        Identity::Own,
        "waiting cluster waiting: node1 does not answer at 192.168.10.11:8443",
    );
    assert_eq!(codes(waits), ["L004"]);
    assert!(message(waits).ends_with("waiting: node1 does not answer at 192.168.10.11:8443"));
    let works = told(Identity::Own, "working disks ");
    assert_eq!(message(works), "node3 is not a member yet: its first boot is working");
    // A member's words are in the cluster's configuration.
    let stopped = |world: &mut World| {
        world.note(
            "user.lxseed.first-boot.node3",
            "stopped converge it was formed as node2",
        )
    };
    assert_eq!(codes(stopped), ["L005"]);
    assert!(
        message(stopped).ends_with("stopped at converge: it was formed as node2"),
        "{}",
        message(stopped)
    );
    // It waits for the one that is missing, which is a finding already.
    assert_eq!(
        codes(|world| {
            world.note("user.lxseed.first-boot.node2", "waiting verify node3 is not there");
            *world.host(2) = silent();
            world.member(2, "Offline", "");
        }),
        ["L008"]
    );
    // The seal comes after what it still does.
    assert_eq!(
        codes(|world| {
            world.note("user.lxseed.first-boot.node3", "waiting verify pool data1 is Pending");
            world.cluster(|cluster| {
                cluster.notes.remove("user.lxseed.sealed.node3");
            });
        }),
        ["L006"]
    );
}

#[test]
fn a_cluster_of_an_earlier_lxseed_has_no_word_of_its_seals() {
    assert_eq!(codes(|world| world.cluster(|cluster| cluster.notes.clear())), [""; 0]);
    // The founder's is another one as soon as the founding is in the profile.
    assert_eq!(
        codes(|world| {
            world.note("user.lxseed.sealed.node1", "node1-0b64d1fa2c7785e9");
            world.instances[0].push("node1-0b64d1fa2c7785e9".to_owned());
        }),
        [""; 0]
    );
    // All of them are of one change.
    let all = |world: &mut World| {
        for name in ["node1", "node2", "node3"] {
            world.note(&format!("user.lxseed.sealed.{name}"), "another-0b64d1fa2c7785e9");
        }
    };
    assert_eq!(codes(all), ["L031"]);
    assert!(message(all).starts_with("node1, node2 and node3 of lab were sealed with other seeds"));
}

#[test]
fn sources_are_judged_as_far_as_they_can_be() {
    // By member and pool: node1 data1, node1 data2, node2 …; data1 is btrfs on a mirror, data2 a zpool of two disks.
    let source = |at: usize, text: &'static str| {
        move |world: &mut World| world.cluster(|cluster| text.clone_into(&mut cluster.member_pools[at].source))
    };
    for (at, text, expected) in [
        (0, "95754711-2fc7-4449-acf8-8b38972393a2", ""),
        (0, "/dev/md/data1", ""),
        (0, "/mnt/btrfs", "L019"),
        (0, "/var/snap/lxd/common/lxd/disks/data1.img", "L020"),
        (0, "/var/lib/lxd/disks/data1.img", "L020"),
        (1, "data2", ""),
        (1, "tank", "L019"),
        (1, "data2/lxd", "L019"),
        (1, "/var/snap/lxd/common/lxd/disks/data2.img", "L020"),
    ] {
        let found = codes(source(at, text));
        assert_eq!(found.first().copied().unwrap_or_default(), expected, "{text}");
        assert!(found.len() <= 1, "{text}: {found:?}");
    }
}

#[test]
fn what_a_member_says_of_its_pools_is_said_once() {
    let all = |world: &mut World| {
        world.cluster(|cluster| {
            for own in cluster.member_pools.iter_mut().filter(|own| own.member == "node2") {
                own.trouble = Some("says: Storage pool not found".to_owned());
                own.source = String::new();
            }
        });
    };
    assert_eq!(codes(all), ["L018"]);
    assert_eq!(
        message(all),
        "data1 and data2 cannot be used on node2: LXD there says: Storage pool not found"
    );
    // A pool that the cluster does not have is missing once, not once per member.
    assert_eq!(
        codes(|world| world.cluster(|cluster| {
            cluster.pools.clear();
            cluster.member_pools.clear();
        })),
        ["L016", "L016"]
    );
    let by_hand = |world: &mut World| {
        world.cluster(|cluster| {
            let pool = |pool: &Pool| Pool {
                name: "scratch".to_owned(),
                ..pool.clone()
            };
            let pool = pool(&cluster.pools[0]);
            cluster.pools.push(pool);
            let own = MemberPool {
                pool: "scratch".to_owned(),
                source: "/var/snap/lxd/common/lxd/disks/scratch.img".to_owned(),
                ..cluster.member_pools[0].clone()
            };
            cluster.member_pools.push(own);
        });
    };
    assert_eq!(codes(by_hand), ["L022"]);
    assert!(
        message(by_hand).contains("in a file on the system's disk of node1"),
        "{}",
        message(by_hand)
    );
}

#[test]
fn certificates_and_their_owners_are_one_cause() {
    // A member that nobody declared brings its certificate with it.
    assert_eq!(
        codes(|world| world.cluster(|cluster| {
            let mut member = cluster.members[0].clone();
            "node9".clone_into(&mut member.name);
            cluster.members.push(member);
            let mut certificate = cluster.certificates[0].clone();
            "node9".clone_into(&mut certificate.name);
            "0".repeat(64).clone_into(&mut certificate.fingerprint);
            cluster.certificates.push(certificate);
        })),
        ["L021"]
    );
    // Another generation: the host's own is missing, and the other one is there under its name.
    let other = |world: &mut World| {
        world.cluster(|cluster| "0".repeat(64).clone_into(&mut cluster.certificates[2].fingerprint));
    };
    assert_eq!(codes(other), ["L034"]);
    assert!(
        message(other).contains("node3 has keys of another generation"),
        "{}",
        message(other)
    );
    // Under way: both are trusted, the new one not under its name yet; then the new one alone.
    let begun = |world: &mut World| {
        world.cluster(|cluster| {
            let mut old = cluster.certificates[2].clone();
            "0".repeat(64).clone_into(&mut old.fingerprint);
            let own = &mut cluster.certificates[2];
            own.name = format!("node3-{:.8}", own.fingerprint);
            cluster.certificates.push(old);
        });
    };
    assert_eq!(codes(begun), ["L034"]);
    let ending = |world: &mut World| {
        begun(world);
        world.cluster(|cluster| drop(cluster.certificates.pop()));
    };
    assert_eq!(codes(ending), ["L034"]);
    // Of a host that is no member: its own is missing, and the other one is there under its name.
    let coming = |world: &mut World| {
        let answer = Answer::Silent("timed out".to_owned());
        world.never_joined(2, answer);
        other(world);
    };
    assert_eq!(codes(coming), ["L023"]);
    assert!(
        message(coming).contains("but another one under that name, 000000000000"),
        "{}",
        message(coming)
    );
    // Beside the right one, another is a stranger's.
    assert_eq!(
        codes(|world| world.cluster(|cluster| {
            let mut certificate = cluster.certificates[2].clone();
            "0".repeat(64).clone_into(&mut certificate.fingerprint);
            cluster.certificates.push(certificate);
        })),
        ["L025"]
    );
    // All keys of a site end on one day; the person's is another's.
    assert_eq!(codes(|world| world.now += time::Duration::days(3650)), ["L028"]);
}

#[test]
fn halves_of_a_cluster_are_not_told_twice() {
    // The one of the other founding is not on the record of the one that was asked.
    let halves = |world: &mut World| {
        "04d1be5573a9c2f8".clone_into(&mut world.seen.foundings[2].number);
        let answer = world.host(2).clone();
        world.never_joined(2, answer);
    };
    assert_eq!(codes(halves), ["L011"]);
}

#[test]
fn nobody_is_not_a_list_of_hosts() {
    let off = |world: &mut World| {
        world.seen.cluster = None;
        world.seen.foundings.clear();
        *world.host(0) = silent();
        for at in 1..3 {
            *world.host(at) = Answer::NotListening;
        }
    };
    assert_eq!(codes(off), ["L001"]);
    assert_eq!(
        message(off),
        "no host of lab answers: 192.168.10.11 (no route to host); 192.168.10.12 and 192.168.10.13 (on, and no LXD listens)"
    );
}
