//! What each host has of LXD's snap, and what the store offers.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::super::ask::{AskError, block_on, connections, read, see};
use super::super::connection::Connection;
use super::super::seen::Seen;
use super::super::ssh::{Ssh, SshError};
use super::{Build, OnHost, Role, UpgradeSeen, UpgradeWish};
use crate::model::Cluster;
use crate::seed::ClusterKeys;

/// Asks a machine what it knows by itself.
const LOCAL: Duration = Duration::from_secs(60);

/// The store is on the other side of the network.
const STORE: Duration = Duration::from_secs(150);

/// So many `ssh` at a time.
const AT_A_TIME: usize = 16;

/// A line for each thing: a word, and the rest. That LXD waits is in its log alone ("Wait for other cluster nodes to upgrade their versions"
/// up to 5.0, "members to align" in 5.21), and counts from the daemon's start on; what it did before is in there, too.
const SNAPS: &str = r#"
PATH=$PATH:/snap/bin
export LC_ALL=C
lxd=/var/snap/lxd/common/lxd
unit=snap.lxd.daemon.service
echo "kernel $(uname -r)"
timeout 40 snap list | awk 'NR > 1 { print "snap", $1, $2, $3, $4 }'
[ ! -e $lxd/cluster.crt ] || echo "clustered yes"
[ ! -s /var/lib/lxseed/problem ] || echo "problem $(head -n 1 /var/lib/lxseed/problem)"
echo "unit $(systemctl show -p ActiveState $unit | sed 's/.*=//')"
tail -n 3 $lxd/logs/lxd.log 2>/dev/null | sed 's/^/log /'
pid=$(systemctl show -p MainPID $unit | sed 's/.*=//')
age=$(ps -o etimes= -p "${pid:-0}" | tr -d ' ')
said=$(tail -n 100 $lxd/logs/lxd.log 2>/dev/null | grep -E 'other cluster (nodes|members) to (upgrade|align)' | tail -n 1)
at=$(printf '%s\n' "$said" | sed -nE 's/^t(ime)?="?([^" ]+).*/\2/p')
if [ -n "$age" ] && [ -n "$at" ]; then
    [ "$(date -d "$at" +%s)" -lt $(($(date +%s) - age - 1)) ] || echo "waits yes"
fi
exit 0
"#;

const OFFER: &str = r#"PATH=$PATH:/snap/bin LC_ALL=C exec timeout 120 snap info lxd"#;

/// Looks at all hosts of a cluster from the desk: at their LXDs over its API, at their snaps over `ssh`, and at the store through the
/// first member where it has to be known.
///
/// # Errors
/// If nothing can be asked at all; a host that does not answer is no error.
pub fn see_upgrade(
    cluster: &Cluster,
    keys: &ClusterKeys,
    ssh: &Ssh<'_>,
    wish: &UpgradeWish,
) -> Result<UpgradeSeen, AskError> {
    let connections = connections(cluster, keys)?;
    let (seen, roles) = block_on(async {
        let seen = see(cluster, &connections).await;
        let roles = roles(cluster, &connections, &seen).await;
        (seen, roles)
    })?;
    let hosts = on_hosts(cluster, ssh);
    let mut found = hosts
        .iter()
        .filter_map(|host| host.as_ref().ok())
        .filter(|host| host.clustered);
    let first = found.next().map(OnHost::age);
    let is_one = found.all(|other| Some(other.age()) == first);
    let asks_store = is_one && wish.revision.is_none() && cluster.snaps.is_empty();
    let asked = cluster.hosts.iter().zip(&hosts).find(|(_, host)| host.is_ok());
    let offer = asked
        .filter(|_| asks_store)
        .map(|(host, _)| offer(ssh, host.name.as_str(), &wish.channel.to_string()));
    Ok(UpgradeSeen {
        seen,
        roles,
        hosts,
        offer,
    })
}

/// What LXD tells of a member's part in the database. `database-leader` came with 4.22; without it nobody is known to lead.
#[derive(Deserialize)]
struct RoleRecord {
    server_name: String,
    #[serde(default)]
    database: bool,
    #[serde(default)]
    roles: Vec<String>,
}

/// Whether instances are on their way from or to a member: an evacuation goes on in LXD when whoever asked for it is gone.
pub(super) fn is_moving(cluster: &Cluster, keys: &ClusterKeys) -> Result<bool, AskError> {
    let connections = connections(cluster, keys)?;
    block_on(async {
        for connection in &connections {
            // By state, each with a list.
            let Ok(found) = read::<BTreeMap<String, Vec<Operation>>>(connection, "/1.0/operations?recursion=1").await
            else {
                continue;
            };
            return found.values().flatten().any(Operation::is_move);
        }
        false
    })
}

/// A piece of work that LXD has taken on, and its own words for it (lxd/db/operationtype, 4.16 to 6).
#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    description: String,
    #[serde(default)]
    status_code: u16,
}

impl Operation {
    /// 103 is a running one.
    fn is_move(&self) -> bool {
        let words = ["Evacuating cluster member", "Restoring cluster member"];
        self.status_code == 103 && words.contains(&self.description.as_str())
    }
}

async fn roles(cluster: &Cluster, connections: &[Connection], seen: &Seen) -> BTreeMap<String, Role> {
    let through = seen.cluster.as_ref().map(|found| found.through.as_str());
    let at = cluster
        .hosts
        .iter()
        .position(|host| Some(host.name.as_str()) == through);
    let Some(connection) = at.and_then(|at| connections.get(at)) else {
        return BTreeMap::new();
    };
    let records = read::<Vec<RoleRecord>>(connection, "/1.0/cluster/members?recursion=1").await;
    let role = |record: &RoleRecord| {
        let has = |word: &str| record.roles.iter().any(|role| role == word);
        match () {
            () if has("database-leader") => Role::Leader,
            () if has("database") || (record.database && !has("database-standby")) => Role::Voter,
            () => Role::None,
        }
    };
    let records = records.unwrap_or_default();
    records
        .into_iter()
        .map(|record| (record.server_name.clone(), role(&record)))
        .collect()
}

fn on_hosts(cluster: &Cluster, ssh: &Ssh<'_>) -> Vec<Result<OnHost, String>> {
    let mut found = Vec::new();
    for some in cluster.hosts.chunks(AT_A_TIME) {
        found.extend(thread::scope(|scope| {
            let asked: Vec<_> = some
                .iter()
                .map(|host| scope.spawn(|| on_host(ssh, host.name.as_str()).map_err(|why| why.to_string())))
                .collect();
            let answers = asked.into_iter().map(|one| one.join());
            answers
                .map(|answer| answer.unwrap_or_else(|_| Err("it was not asked to the end".to_owned())))
                .collect::<Vec<_>>()
        }));
    }
    found
}

/// What one host has of LXD's snap.
pub(super) fn on_host(ssh: &Ssh<'_>, host: &str) -> Result<OnHost, SshError> {
    let said = ssh.run(host, SNAPS, &[], &[], LOCAL)?;
    Ok(OnHost::parse(&String::from_utf8_lossy(&said)))
}

impl OnHost {
    fn parse(said: &str) -> Self {
        let mut host = Self::default();
        for line in said.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "kernel" => rest.clone_into(&mut host.kernel),
                "snap" => {
                    let mut columns = rest.split(' ');
                    let mut next = || columns.next().unwrap_or_default();
                    let (name, version, revision, tracking) = (next(), next(), next(), next());
                    host.snaps.insert(name.to_owned(), revision.parse().unwrap_or_default());
                    if name == "lxd" {
                        version.clone_into(&mut host.version);
                        tracking.clone_into(&mut host.tracking);
                    }
                }
                "clustered" => host.clustered = true,
                "problem" => host.problem = Some(rest.to_owned()),
                "unit" => rest.clone_into(&mut host.unit),
                "waits" => host.waits = true,
                "log" => host.log.push(rest.to_owned()),
                _ => {}
            }
        }
        host
    }
}

fn offer(ssh: &Ssh<'_>, host: &str, channel: &str) -> Result<Build, String> {
    let said = ssh.run(host, OFFER, &[], &[], STORE).map_err(|why| why.to_string())?;
    offered(&String::from_utf8_lossy(&said), channel)
        .ok_or_else(|| format!("{host} was asked what the store has, and nothing of it is in {channel}"))
}

/// What `snap info` says of a channel: `  5.0/stable:    5.0.3-babaaf8 2024-05-27 (28460) 114MB -`. An arrow means what is in the
/// channel above, the more stable one.
fn offered(said: &str, channel: &str) -> Option<Build> {
    let mut above = None;
    let list = said.lines().skip_while(|line| !line.starts_with("channels:")).skip(1);
    for line in list.take_while(|line| line.starts_with(' ')) {
        let (name, rest) = line.trim().split_once(':')?;
        let mut words = rest.split_whitespace();
        let version = words.next().unwrap_or_default();
        let number = words.find_map(|word| word.strip_prefix('(')?.strip_suffix(')'));
        let build = match number.and_then(|number| number.parse().ok()) {
            Some(revision) => Some(Build {
                revision,
                version: version.to_owned(),
            }),
            None if version == "^" || version == "↑" => above,
            None => None,
        };
        if name == channel {
            return build;
        }
        above = build;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_host_says_is_read() {
        let said = "kernel 5.4.0-150-generic\nsnap core20 20230801 2015 latest/stable\nsnap lxd 5.0.3-babaaf8 27948 5.0/stable\n\
                    clustered yes\nunit active\nlog time=\"x\" level=warning\nlog two\nwaits yes\n";
        let host = OnHost::parse(said);
        assert_eq!((host.revision(), host.tracking.as_str()), (27948, "5.0/stable"));
        assert!(host.clustered && host.waits && host.problem.is_none());
        assert_eq!(host.log.len(), 2);
        assert_eq!(OnHost::parse(""), OnHost::default());
    }

    /// As snapd 2.58 prints it.
    #[test]
    fn what_the_store_has_is_read() {
        let said = "name:      lxd\nsummary:   LXD - container and VM manager\ntracking:  5.0/stable\nchannels:\n  \
                    5.21/stable:      5.21.2-22f93f4 2024-08-06 (29351) 109MB -\n  5.21/candidate:   ↑\n  \
                    5.0/stable:       5.0.3-babaaf8  2024-05-27 (28460)  92MB -\n  5.0/candidate:    5.0.4-497fe1e  2024-10-01 (31333)  92MB -\n  \
                    5.0/beta:         ^\n  4.0/stable:       --\n  4.0/candidate:    ^\ninstalled:          5.0.2-838e1b2 (24323) 132MB held\n";
        let revision = |channel| offered(said, channel).map(|build| build.revision);
        assert_eq!(revision("5.0/stable"), Some(28460));
        assert_eq!(revision("5.0/beta"), Some(31333));
        assert_eq!(revision("5.21/candidate"), Some(29351));
        assert_eq!(revision("4.0/candidate"), None);
        assert_eq!(revision("6/stable"), None);
        assert_eq!(offered("error: no snap found", "5.0/stable"), None);
    }
}
