//! Carrying out one step of an upgrade.

use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::super::apply::{ApplyError, apply};
use super::super::ask::{AskError, look};
use super::super::seen::{Answer, Identity, Seen, Server};
use super::super::ssh::{Ssh, SshError};
use super::super::step::Plan;
use super::ask::{is_moving, on_host};
use super::{OnHost, UpgradeStep};
use crate::foreign;
use crate::model::{BundledSnap, Cluster};
use crate::seed::ClusterKeys;

/// A snap is downloaded, checked and mounted, and the daemon is started anew.
const REFRESH: Duration = Duration::from_secs(1800);

/// A hundred megabytes over a slow line.
const TRANSFER: Duration = Duration::from_secs(1800);

/// LXD starts, and brings its pools up.
const START: Duration = Duration::from_secs(300);

/// The last member brings the schema forward and tells the others, who look by themselves each minute; then each applies its patches.
const TOGETHER: Duration = Duration::from_secs(600);

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// A step was not carried out.
#[derive(Debug, Error)]
pub enum UpgradeError {
    /// Nothing could be asked at all.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// LXD refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A command on a host failed.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// A carried snap cannot be read.
    #[error("cannot read {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// Instances are on their way still.
    #[error("instances of {cluster} are on their way between members, and were for {} s: lxc operation list, on a member, shows them", .within.as_secs())]
    Moves {
        /// The cluster.
        cluster: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// A member is not back in time.
    #[error("LXD on {member} did not come back within {} s: {how}", .within.as_secs())]
    NotBack {
        /// The member.
        member: String,
        /// How long it was waited for.
        within: Duration,
        /// What is known of it.
        how: String,
    },
    /// All have the revision, and are not one cluster.
    #[error("the members did not come together within {} s: {how}", .within.as_secs())]
    NotTogether {
        /// How long it was waited for.
        within: Duration,
        /// What is known of them.
        how: String,
    },
}

/// snapd does one thing with a snap at a time: what an earlier run has begun is let come to its end. On 18.04 snapd's words are English
/// under this locale.
const REFRESH_TO: &str = r#"
PATH=$PATH:/snap/bin
export LC_ALL=C
tries=0
until said=$(snap refresh lxd --revision="$1" 2>&1); do
    tries=$((tries + 1))
    case $said in
    *"change in progress"*) [ "$tries" -lt 60 ] && sleep 10 && continue ;;
    esac
    printf '%s\n' "$said" >&2
    exit 10
done
"#;

const FOLLOW: &str = r#"PATH=$PATH:/snap/bin LC_ALL=C exec timeout 120 snap switch lxd --channel="$1""#;

const PUT: &str = r#"
umask 077
mkdir -p /var/lib/lxseed/snaps
cat >"/var/lib/lxseed/snaps/$1.part"
mv "/var/lib/lxseed/snaps/$1.part" "/var/lib/lxseed/snaps/$1"
"#;

/// Without its assertion it would be a `dangerous` one, which is not connected to what LXD needs.
const INSTALL: &str = r#"
PATH=$PATH:/snap/bin
export LC_ALL=C
cd /var/lib/lxseed/snaps || exit 10
snap ack "$1.assert" && snap install "./$1.snap" || exit 10
rm -f "$1.assert" "$1.snap"
"#;

/// Carries out one step, the first of a plan, and waits for what comes of it. Cut off anywhere, the next plan goes on.
///
/// # Errors
/// See [`UpgradeError`].
pub fn upgrade_step(
    cluster: &Cluster,
    keys: &ClusterKeys,
    ssh: &Ssh<'_>,
    step: &UpgradeStep,
) -> Result<(), UpgradeError> {
    match step {
        UpgradeStep::Cluster(step) => {
            let plan = Plan {
                steps: vec![step.clone()],
                ..Plan::default()
            };
            Ok(apply(cluster, keys, &plan, &mut |_| {})?)
        }
        UpgradeStep::Refresh { member, revision } => {
            await_moves(cluster, keys)?;
            let revision = revision.to_string();
            ssh.run(member, REFRESH_TO, &[revision.as_str()], &[], REFRESH)?;
            Ok(())
        }
        UpgradeStep::Follow { member, channel } => {
            let channel = channel.to_string();
            ssh.run(member, FOLLOW, &[channel.as_str()], &[], Duration::from_secs(150))?;
            Ok(())
        }
        UpgradeStep::Carry { member, snap } => {
            await_moves(cluster, keys)?;
            carry(cluster, ssh, member, snap)
        }
        UpgradeStep::Await { member } => await_member(cluster, keys, ssh, member),
        UpgradeStep::AwaitAll => await_all(cluster, keys, ssh),
    }
}

fn carry(cluster: &Cluster, ssh: &Ssh<'_>, member: &str, stem: &str) -> Result<(), UpgradeError> {
    let mut carried = cluster.snaps.iter();
    let Some(BundledSnap { snap, assertion, .. }) = carried.find(|snap| snap.stem() == stem) else {
        return Err(UpgradeError::File {
            path: stem.to_owned(),
            why: "the profile carries no such snap".to_owned(),
        });
    };
    for (path, end) in [(assertion, "assert"), (snap, "snap")] {
        let file = foreign::open(path, false).map_err(|why| UpgradeError::File {
            path: path.to_string(),
            why: why.to_string(),
        })?;
        let name = format!("{stem}.{end}");
        ssh.send(member, PUT, &[name.as_str()], file, TRANSFER)?;
    }
    ssh.run(member, INSTALL, &[stem], &[], REFRESH)?;
    Ok(())
}

/// An LXD that is stopped while an instance is on its way leaves half of it in two places.
fn await_moves(cluster: &Cluster, keys: &ClusterKeys) -> Result<(), UpgradeError> {
    let begin = Instant::now();
    while is_moving(cluster, keys)? {
        if begin.elapsed() > TOGETHER {
            return Err(UpgradeError::Moves {
                cluster: cluster.name.to_string(),
                within: TOGETHER,
            });
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn await_member(cluster: &Cluster, keys: &ClusterKeys, ssh: &Ssh<'_>, member: &str) -> Result<(), UpgradeError> {
    let begin = Instant::now();
    loop {
        let seen = look(cluster, keys)?;
        if takes_part(&seen, member).is_some() {
            return Ok(());
        }
        let asked = on_host(ssh, member);
        if asked.as_ref().is_ok_and(|on| on.waits) {
            return Ok(());
        }
        if begin.elapsed() > START {
            return Err(UpgradeError::NotBack {
                member: member.to_owned(),
                within: START,
                how: how(asked),
            });
        }
        thread::sleep(PAUSE);
    }
}

/// What a person has to know of an LXD that is not back.
fn how(asked: Result<OnHost, SshError>) -> String {
    match asked {
        Err(why) => why.to_string(),
        Ok(on) => {
            let log = if on.log.is_empty() {
                "its log is empty".to_owned()
            } else {
                format!("its log ends: {}", on.log.join(" | "))
            };
            format!("the daemon of {} is {}; {log}", on.version, on.unit)
        }
    }
}

/// A member that answers, and that the cluster has heard of.
fn takes_part<'a>(seen: &'a Seen, name: &str) -> Option<&'a Server> {
    let record = seen.cluster.iter().flat_map(|found| &found.members);
    let is_heard_of = |status: &str| status == "Online" || status == "Evacuated" || status == "Blocked";
    record
        .filter(|member| member.name == name)
        .find(|member| is_heard_of(&member.status))?;
    let host = seen.hosts.iter().find(|host| host.name == name)?;
    match &host.answer {
        Answer::Server(Identity::Cluster, server) if server.clustered => Some(server),
        _ => None,
    }
}

fn await_all(cluster: &Cluster, keys: &ClusterKeys, ssh: &Ssh<'_>) -> Result<(), UpgradeError> {
    let begin = Instant::now();
    loop {
        let seen = look(cluster, keys)?;
        let members: Vec<&str> = seen
            .cluster
            .iter()
            .flat_map(|found| &found.members)
            .map(|member| member.name.as_str())
            .collect();
        let builds: Vec<Option<(&str, usize)>> = members
            .iter()
            .map(|name| takes_part(&seen, name).map(|server| (server.version.as_str(), server.api_extensions)))
            .collect();
        let is_one = builds.windows(2).all(|pair| pair[0] == pair[1]) && builds.iter().all(Option::is_some);
        let is_blocked = seen
            .cluster
            .iter()
            .flat_map(|found| &found.members)
            .any(|member| member.status == "Blocked");
        if !members.is_empty() && is_one && !is_blocked {
            return Ok(());
        }
        if begin.elapsed() > TOGETHER {
            let hosts = cluster.hosts.iter().map(|host| host.name.as_str());
            let lines = hosts
                .filter(|name| takes_part(&seen, name).is_none())
                .map(|name| format!("{name}: {}", how(on_host(ssh, name))));
            return Err(UpgradeError::NotTogether {
                within: TOGETHER,
                how: lines.collect::<Vec<_>>().join("; "),
            });
        }
        thread::sleep(PAUSE);
    }
}
