#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::verify::world::{Good, World};
use super::*;
use crate::model::ClusterParts;
use crate::target::lxd::Channel;

/// What is told of the example's three hosts after a change of what is seen of them.
fn told(change: impl FnOnce(&mut World)) -> String {
    let good = Good::new().unwrap();
    let mut world = good.world.clone();
    change(&mut world);
    rescue(&good.site.clusters[0], &world.seen).join("\n") + "\n"
}

fn silent() -> Answer {
    Answer::Silent("timed out".to_owned())
}

fn hangs() -> Answer {
    Answer::Hangs(Identity::Cluster)
}

/// The hosts answer this, and none of them tells of the cluster.
fn without_majority(answers: [Answer; 3]) -> impl FnOnce(&mut World) {
    move |world| {
        world.seen.cluster = None;
        for (at, answer) in answers.into_iter().enumerate() {
            *world.host(at) = answer;
        }
    }
}

/// The lines that a person types on machines.
fn commands(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("     ")).collect()
}

fn expect(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is not in:\n{text}");
    }
}

const RECOVER: &str = "sudo lxd cluster recover-from-quorum-loss";

#[test]
fn where_the_database_answers_the_right_verb_is_named() {
    let well = told(|_| {});
    assert_eq!(well.lines().count(), 1, "{well}");
    expect(
        &well,
        &["lab: the database answers (asked node1)", "nothing is to be rescued"],
    );
    let off = told(|world| {
        world.member(2, "Offline", "No heartbeat");
        *world.host(2) = silent();
    });
    expect(
        &off,
        &["node3 is offline: switch it on", "`lxseed retire lab/node3 --lost N`"],
    );
    let anew = told(|world| {
        world.member(2, "Offline", "No heartbeat");
        let server = world.server(2).cloned().unwrap();
        *world.host(2) = Answer::Server(Identity::Own, server);
    });
    expect(&anew, &["node3 is on record", "`lxseed return lab/node3`"]);
    let newcomer = told(|world| world.never_joined(2, silent()));
    expect(&newcomer, &["node3 is no member: `lxseed status`"]);
    for text in [well, off, anew, newcomer] {
        assert_eq!(commands(&text), Vec::<&str>::new(), "{text}");
    }
}

/// Both ways of saying that an LXD hangs: it listens, or it even tells of itself what needs no database.
#[test]
fn the_last_of_three_is_recovered_after_its_database_was_copied() {
    let good = Good::new().unwrap();
    let server = Answer::Server(Identity::Cluster, good.world.clone().server(2).cloned().unwrap());
    for last in [hangs(), server] {
        let text = told(without_majority([silent(), Answer::NotListening, last]));
        // A machine whose LXD is stopped has a copy of the database as well.
        expect(
            &text,
            &[
                "node2 (ssh ops@192.168.10.12) and node3 (ssh ops@192.168.10.13)",
                "If node1 can be brought back",
            ],
        );
    }
    let text = told(without_majority([silent(), silent(), hangs()]));
    expect(
        &text,
        &[
            "lab: no member's database answers",
            "node1 at 192.168.10.11:8443: nobody answers (timed out)",
            "node3 at 192.168.10.13:8443: its LXD runs, and its database does not answer",
            "If node1 or node2 can be brought back with its own disks, do that and stop here",
            "node1 and node2 are gone for good",
            "node3 (ssh ops@192.168.10.13)",
            "node1 is the bootstrap host: name another one in `bootstrap:` first",
        ],
    );
    assert!(!text.contains("too few"), "{text}");
    assert_eq!(
        commands(&text),
        [
            "sudo snap stop lxd",
            "sudo cp -a /var/snap/lxd/common/lxd/database /root/lxd-database-$(date +%Y%m%dT%H%M%S)",
            "sudo lxd cluster list-database",
            "sudo lxd cluster show",
            "sudo ls -l /var/snap/lxd/common/lxd/database/global",
            RECOVER,
            "sudo snap start lxd",
            "sudo lxd waitready --timeout=120",
            "sudo lxc cluster list",
            "lxseed status",
            "lxseed retire lab/node1",
            "lxseed retire lab/node2",
        ]
    );
}

#[test]
fn one_of_three_does_not_take_the_majority_along() {
    let text = told(without_majority([silent(), hangs(), hangs()]));
    expect(
        &text,
        &[
            "One of 3 is too few",
            "node2 and node3 do not reach one another",
            "Ask again in a minute",
        ],
    );
    expect(
        &text,
        &["Then on the others, one after the other", "Latest dqlite segment ID"],
    );
    // One that was installed anew has no database any more.
    let server = Good::new().unwrap().world.clone().server(1).cloned().unwrap();
    let text = told(without_majority([
        silent(),
        Answer::Server(Identity::Own, server),
        hangs(),
    ]));
    expect(
        &text,
        &[
            "node1 and node2 are gone for good",
            "node2 at 192.168.10.12:8443: its LXD is in no cluster",
        ],
    );
    assert!(!text.contains("too few"), "{text}");
}

#[test]
fn of_two_members_the_only_vote_is_lost() {
    let good = Good::new().unwrap();
    let mut world = good.world.clone();
    let parts = ClusterParts {
        hosts: good.site.clusters[0].hosts[..2].to_vec(),
        ..(*good.site.clusters[0]).clone()
    };
    let two = Cluster::new(parts).unwrap();
    world.seen.hosts.truncate(2);
    world.seen.cluster = None;
    *world.host(0) = silent();
    *world.host(1) = hangs();
    let text = rescue(&two, &world.seen).join("\n");
    expect(
        &text,
        &[
            "Of two members one has a vote",
            "node1 is gone for good",
            "On node2 (ssh ops@192.168.10.12); it asks once",
        ],
    );
    assert!(
        !text.contains("too few") && commands(&text).contains(&RECOVER),
        "{text}"
    );
}

#[test]
fn where_all_are_off_there_is_nothing_but_to_switch_them_on() {
    let text = told(without_majority([silent(), silent(), silent()]));
    expect(
        &text,
        &["1. Switch the machines on that are off", "nothing is lost by waiting"],
    );
    assert_eq!(commands(&text), Vec::<&str>::new(), "{text}");
    // In the middle of a rescue, or stopped by hand.
    let text = told(without_majority([silent(), silent(), Answer::NotListening]));
    expect(&text, &["1. On node3 (ssh ops@192.168.10.13) the machine is on"]);
    assert_eq!(commands(&text), ["sudo lxseed-firstboot status", "sudo snap start lxd"]);
}

/// Each machine has its own database: to let one of them go on alone would throw the others' away.
#[test]
fn where_everybody_hangs_nothing_is_recovered() {
    for channel in ["5.0/stable", "5.21/stable"] {
        let good = Good::new().unwrap();
        let mut world = good.world.clone();
        without_majority([hangs(), hangs(), hangs()])(&mut world);
        let parts = ClusterParts {
            channel: channel.parse::<Channel>().unwrap(),
            ..(*good.site.clusters[0]).clone()
        };
        let text = rescue(&Cluster::new(parts).unwrap(), &world.seen).join("\n");
        assert!(!text.contains("recover-from-quorum-loss"), "{text}");
        expect(
            &text,
            &[
                "No machine is gone",
                "sudo lxd cluster edit",
                "node1 192.168.10.11:8443, node2 192.168.10.12:8443 and node3",
            ],
        );
        let stopped = text.find("sudo snap stop lxd").unwrap();
        let copied = text.find("sudo cp -a").unwrap();
        assert!(
            stopped < copied && copied < text.find("sudo lxd cluster edit").unwrap(),
            "{text}"
        );
        // From 5.21.3 on one member's is carried to the others.
        assert_eq!(
            text.contains("lxd_recovery_db.tar.gz"),
            channel.starts_with("5.21"),
            "{text}"
        );
    }
}

#[test]
fn of_an_lxd_that_does_not_know_the_desk_nothing_is_concluded() {
    let text = told(without_majority([
        silent(),
        silent(),
        Answer::Untrusted(Identity::Cluster),
    ]));
    expect(&text, &["it is not known whether the database answers"]);
    assert_eq!(commands(&text), ["sudo lxc cluster list"]);
}
