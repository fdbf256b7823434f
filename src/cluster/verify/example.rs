//! An example of each rule: one change of the good cluster that breaks it.

use serde_json::Value;
use time::Duration;
use time::macros::datetime;

use super::super::seen::{Answer, Certificate, Identity, Member, Pool};
use super::world::{Good, World};
use super::{certificates, hosts, pools, seeds, trust, versions};
use crate::check::Checked;
use crate::finding::Rule;

/// A change of the good cluster that breaks one rule.
type Break = fn(&mut World);

/// A rule's example.
#[derive(Clone, Copy)]
pub struct Example {
    rule: &'static Rule,
    breaks: Break,
}

impl Example {
    /// The example of a rule, if it is one about living clusters.
    #[must_use]
    pub fn of(rule: &Rule) -> Option<Self> {
        EXAMPLES.iter().find(|example| example.rule.code == rule.code).copied()
    }

    #[cfg(test)]
    pub(super) fn is_of(self, rule: &Rule) -> bool {
        self.rule.code == rule.code
    }

    /// What is found of the broken cluster, and what is other in the good one.
    #[must_use]
    pub fn show(self) -> Option<Shown> {
        let good = Good::new()?;
        let mut world = good.world.clone();
        (self.breaks)(&mut world);
        let (right, broken) = (facts(&good.world), facts(&world));
        Some(Shown {
            broken: beside(&broken, &right),
            good: beside(&right, &broken),
            checked: good.verified(&world),
        })
    }
}

/// The lines that the other one has not, the first of them if they are many.
fn beside(own: &[String], other: &[String]) -> String {
    const MANY: usize = 12;
    let lines: Vec<&String> = own.iter().filter(|line| !other.contains(line)).collect();
    let shown = if lines.len() > MANY { MANY - 2 } else { lines.len() };
    let mut text: String = lines[..shown].iter().map(|line| format!("{line}\n")).collect();
    if shown < lines.len() {
        text += &format!("(and {} more)\n", lines.len() - shown);
    }
    text
}

/// An example as it is shown.
#[derive(Debug)]
pub struct Shown {
    /// What the broken cluster shows and the good one does not: a line for each value.
    pub broken: String,
    /// What the good one shows instead.
    pub good: String,
    /// What is found of the broken one.
    pub checked: Checked,
}

/// What the entries of a list are called by. It is in the way to each of their values.
const CALLED: [&str; 3] = ["name", "member", "pool"];

/// A line for each value, with the way to it.
fn facts(world: &World) -> Vec<String> {
    fn walk(way: &str, value: &Value, lines: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter().filter(|(key, _)| !CALLED.contains(&key.as_str())) {
                    walk(&format!("{way} {key}"), value, lines);
                }
            }
            Value::Array(list) => {
                for value in list {
                    let own = CALLED.map(|key| value.get(key).and_then(Value::as_str));
                    let own: Vec<&str> = own.into_iter().flatten().collect();
                    let way = format!("{way} {}", own.join("/"));
                    walk(way.trim_end(), value, lines);
                }
            }
            Value::Null => {}
            Value::String(text) => lines.push(format!("{}: {text}", way.trim_start())),
            other => lines.push(format!("{}: {other}", way.trim_start())),
        }
    }
    let mut lines = Vec::new();
    // Plain data; there is nothing in it that JSON cannot say.
    walk("", &serde_json::to_value(world).unwrap_or_default(), &mut lines);
    lines
}

const REFUSED: &str = "no route to host";

/// One of each rule. The third host is the one that something is wrong with, where it is one.
pub(super) static EXAMPLES: &[Example] = &[
    Example {
        rule: &hosts::NOBODY_ANSWERS,
        breaks: |world| {
            world.seen.cluster = None;
            world.seen.foundings.clear();
            for at in 0..3 {
                *world.host(at) = Answer::Silent(REFUSED.to_owned());
            }
        },
    },
    Example {
        rule: &hosts::NO_MAJORITY,
        breaks: |world| {
            world.seen.cluster = None;
            world.seen.foundings.clear();
            *world.host(0) = Answer::Hangs(Identity::Cluster);
            *world.host(1) = Answer::Silent(REFUSED.to_owned());
            *world.host(2) = Answer::Silent(REFUSED.to_owned());
        },
    },
    Example {
        rule: &hosts::DESK_NOT_KNOWN,
        breaks: |world| {
            world.seen.cluster = None;
            world.seen.foundings.clear();
            for at in 0..3 {
                *world.host(at) = Answer::Untrusted(Identity::Cluster);
            }
        },
    },
    Example {
        rule: &hosts::NOT_A_MEMBER,
        breaks: |world| world.never_joined(2, Answer::NotListening),
    },
    Example {
        rule: &hosts::FIRST_BOOT_STOPPED,
        breaks: |world| {
            let mut server = world.server(2).cloned().unwrap_or_default();
            server.clustered = false;
            let told = "stopped disks slot a1: disk WD-A100003 is not blank: ext4";
            server
                .notes
                .insert("user.lxseed.first-boot".to_owned(), told.to_owned());
            world.never_joined(2, Answer::Server(Identity::Own, server));
        },
    },
    Example {
        rule: &hosts::FIRST_BOOT_NOT_DONE,
        breaks: |world| {
            world.note("user.lxseed.first-boot.node3", "waiting seal cloud-init has not ended");
        },
    },
    Example {
        rule: &hosts::ANOTHER_MACHINE,
        breaks: |world| {
            let shown = "5b7a01c9e2f0446d8c13a9be57d0f28146e3bb90d7ca5f1208e9647f3a2c81d5";
            *world.host(2) = Answer::Foreign(shown.to_owned());
        },
    },
    Example {
        rule: &hosts::MEMBER_OFFLINE,
        breaks: |world| {
            *world.host(2) = Answer::Silent(REFUSED.to_owned());
            world.member(2, "Offline", "No heartbeat for 2m11s");
        },
    },
    Example {
        rule: &hosts::MEMBER_EVACUATED,
        breaks: |world| world.member(2, "Evacuated", "Unavailable due to maintenance"),
    },
    Example {
        rule: &hosts::MEMBER_NOT_ASKED,
        breaks: |world| *world.host(2) = Answer::Silent("timed out".to_owned()),
    },
    Example {
        rule: &versions::SEVERAL_FOUNDINGS,
        breaks: |world| "04d1be5573a9c2f8".clone_into(&mut world.seen.foundings[2].number),
    },
    Example {
        rule: &versions::ANOTHER_FOUNDING,
        breaks: |world| {
            for founding in &mut world.seen.foundings {
                "04d1be5573a9c2f8".clone_into(&mut founding.number);
            }
        },
    },
    Example {
        rule: &versions::VERSION_SKEW,
        breaks: |world| {
            if let Some(server) = world.server(2) {
                server.api_extensions = 334;
            }
        },
    },
    Example {
        rule: &versions::ANOTHER_TRACK,
        breaks: |world| {
            for at in 0..3 {
                if let Some(server) = world.server(at) {
                    "4.0.10".clone_into(&mut server.version);
                }
            }
        },
    },
    Example {
        rule: &versions::ANOTHER_KERNEL,
        breaks: |world| {
            if let Some(server) = world.server(2) {
                "4.15.0-213-generic".clone_into(&mut server.kernel);
            }
        },
    },
    Example {
        rule: &pools::POOL_MISSING,
        breaks: |world| {
            world.cluster(|cluster| {
                cluster.pools.retain(|pool| pool.name != "data2");
                cluster.member_pools.retain(|own| own.pool != "data2");
            });
        },
    },
    Example {
        rule: &pools::POOL_OF_ANOTHER_DRIVER,
        breaks: |world| world.cluster(|cluster| "btrfs".clone_into(&mut cluster.pools[1].driver)),
    },
    Example {
        rule: &pools::POOL_IN_TROUBLE,
        breaks: |world| world.cluster(|cluster| "Errored".clone_into(&mut cluster.pools[1].status)),
    },
    Example {
        rule: &pools::POOL_ON_ANOTHER_SOURCE,
        breaks: |world| world.cluster(|cluster| "tank/lxd".clone_into(&mut cluster.member_pools[5].source)),
    },
    Example {
        rule: &pools::POOL_ON_LOOP_FILE,
        breaks: |world| {
            let file = "/var/snap/lxd/common/lxd/disks/data1.img";
            world.cluster(|cluster| file.clone_into(&mut cluster.member_pools[4].source));
        },
    },
    Example {
        rule: &pools::POOL_NOT_DECLARED,
        breaks: |world| {
            world.cluster(|cluster| {
                cluster.pools.push(Pool {
                    name: "scratch".to_owned(),
                    driver: "dir".to_owned(),
                    status: "Created".to_owned(),
                });
            });
        },
    },
    Example {
        rule: &trust::MEMBER_NOT_DECLARED,
        breaks: |world| {
            world.cluster(|cluster| {
                cluster.members.push(Member {
                    name: "node9".to_owned(),
                    url: "https://192.168.10.19:8443".to_owned(),
                    status: "Online".to_owned(),
                    message: "Fully operational".to_owned(),
                });
            });
        },
    },
    Example {
        rule: &trust::HOST_NOT_TRUSTED,
        breaks: |world| {
            world.never_joined(2, Answer::Silent(REFUSED.to_owned()));
            world.cluster(|cluster| cluster.certificates.retain(|known| known.name != "node3"));
        },
    },
    Example {
        rule: &trust::PERSON_NOT_TRUSTED,
        breaks: |world| world.cluster(|cluster| cluster.certificates.retain(|known| known.name != "desk")),
    },
    Example {
        rule: &trust::SERVER_NOT_DECLARED,
        breaks: |world| stranger(world, "node9", "server"),
    },
    Example {
        rule: &trust::CLIENT_NOT_DECLARED,
        breaks: |world| stranger(world, "mallory", "client"),
    },
    Example {
        rule: &trust::METRICS_NOT_DECLARED,
        breaks: |world| stranger(world, "prometheus", "metrics"),
    },
    Example {
        rule: &trust::TRUST_IS_OVER,
        breaks: |world| {
            let own = world.fingerprint("node3");
            world.never_joined(2, Answer::Silent(REFUSED.to_owned()));
            world.note("user.lxseed.trusted.node3", &format!("2026-11-16 {own}"));
        },
    },
    Example {
        rule: &certificates::CERTIFICATE_ENDED,
        breaks: |world| world.now = datetime!(2036-11-24 08:00 UTC),
    },
    Example {
        rule: &certificates::CERTIFICATE_ENDS,
        breaks: |world| world.now = datetime!(2036-11-23 00:00 UTC) - Duration::days(60),
    },
    Example {
        rule: &certificates::PAIR_NOT_ROTATED,
        breaks: |world| world.seen.hosts[2].earlier_pair = true,
    },
    Example {
        rule: &certificates::HOST_NOT_ROTATED,
        breaks: |world| {
            world.cluster(|cluster| {
                let mut known = cluster.certificates.iter_mut();
                if let Some(own) = known.find(|known| known.name == "node3") {
                    own.fingerprint = "12".repeat(32);
                }
            });
        },
    },
    Example {
        rule: &seeds::KEYS_NOT_SEALED,
        breaks: |world| {
            world.cluster(|cluster| {
                cluster.notes.remove("user.lxseed.sealed.node3");
            });
        },
    },
    Example {
        rule: &seeds::SEED_IS_OLDER,
        breaks: |world| world.note("user.lxseed.sealed.node3", "node3-0b64d1fa2c7785e9"),
    },
];

fn stranger(world: &mut World, name: &str, kind: &str) {
    world.cluster(|cluster| {
        cluster.certificates.push(Certificate {
            name: name.to_owned(),
            kind: kind.to_owned(),
            fingerprint: "d41c7aa90b5e38f2617cc94e02ab8fd35970e6b1c48a2d3f9e1076b5a2c3f4d8".to_owned(),
            pem: String::new(),
        });
    });
}
