//! Carrying out a plan: the one place that changes a cluster.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use thiserror::Error;

use super::ask::{AskError, block_on, connections, members};
use super::connection::{ANSWER_TIMEOUT, Connection, Unanswered};
use super::notes::RETURN;
use super::plan::{Plan, Step};
use super::seen::{Identity, Member};
use super::votes;
use crate::model::Cluster;
use crate::seed::ClusterKeys;

/// What LXD does with disks or instances may take this long.
const WORK_TIMEOUT: Duration = Duration::from_secs(600);

/// A plan was not carried out to its end.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// Nothing could be asked at all.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// No member answers.
    #[error("no member of {cluster} answers any more; {done}")]
    NobodyAnswers {
        /// The cluster.
        cluster: String,
        /// How far it came.
        done: String,
    },
    /// LXD refused a step, or did not answer it.
    #[error("{member} was asked to {step}, and {why}; {done}")]
    Step {
        /// Who was asked.
        member: String,
        /// What was asked of it.
        step: String,
        /// What it said.
        why: String,
        /// How far it came.
        done: String,
    },
}

/// Carries out the steps in their order, through the first member whose database answers; `told` hears of each that is
/// done. Whatever is cut off is found by the next plan.
///
/// # Errors
/// See [`ApplyError`]; the steps before the one that is named are done.
pub fn apply(
    cluster: &Cluster,
    keys: &ClusterKeys,
    plan: &Plan,
    told: &mut dyn FnMut(&Step),
) -> Result<(), ApplyError> {
    let connections = connections(cluster, keys)?;
    let names = cluster.hosts.iter().map(|host| host.name.as_str());
    let hosts: Vec<(&str, &Connection)> = names.zip(&connections).collect();
    block_on(async {
        // Who has answered is asked first the next time: a host that is off costs its time-out once.
        let mut first = 0;
        for (at, step) in plan.steps.iter().enumerate() {
            let done = || match (at, plan.steps.len()) {
                (0, _) => "nothing before it was changed; run it again".to_owned(),
                (at, all) => format!("{at} of {all} steps are done, and a second run goes on from there"),
            };
            one_step(cluster, keys, &hosts, &mut first, step)
                .await
                .map_err(|trouble| match trouble {
                    None => ApplyError::NobodyAnswers {
                        cluster: cluster.name.to_string(),
                        done: done(),
                    },
                    Some((member, why)) => ApplyError::Step {
                        member,
                        step: step.to_string(),
                        why: why.to_string(),
                        done: done(),
                    },
                })?;
            told(step);
        }
        Ok(())
    })?
}

/// How often a step is tried, where a second time does no harm.
const TRIES: usize = 6;

/// A database that has lost its leader has another one after seconds.
const PAUSE: Duration = Duration::from_secs(2);

/// Carries out one step; the error has the member that was asked, if there was one.
async fn one_step(
    cluster: &Cluster,
    keys: &ClusterKeys,
    hosts: &[(&str, &Connection)],
    first: &mut usize,
    step: &Step,
) -> Result<(), Option<(String, Unanswered)>> {
    // The one that leaves may be the one that was asked before.
    let leaving = match step {
        Step::Remove { member, .. } | Step::Evacuate { member } | Step::TakeVote { member, .. } => member.as_str(),
        _ => "",
    };
    let repeatable = !matches!(
        step,
        Step::Evacuate { .. } | Step::DeclarePool { .. } | Step::MakePool { .. }
    );
    let mut tries = 1;
    loop {
        let trouble = match answering(hosts, *first, leaving).await {
            None => None,
            Some((at, members)) => {
                *first = at;
                let (name, connection) = hosts[at];
                let done = match step {
                    Step::TakeVote { member, address } => take_vote(cluster, keys, at, member, address).await,
                    Step::HandKey { host } => hand_key(keys, hosts, host).await,
                    _ => carry_out(connection, step, &members, tries > 1).await,
                };
                match done {
                    Ok(()) => return Ok(()),
                    Err(why) => Some((name.to_owned(), why)),
                }
            }
        };
        let passes = match &trouble {
            None => true,
            Some((_, Unanswered::Refused { code, .. })) => *code >= 500,
            Some((_, why)) => matches!(
                why,
                Unanswered::Hangs | Unanswered::Silent(_) | Unanswered::NotListening
            ),
        };
        if !passes || !repeatable || tries == TRIES {
            return Err(trouble);
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// A member whose database answers, and who is on record: the first one from `first` on, and another one than `leaving`.
async fn answering(hosts: &[(&str, &Connection)], first: usize, leaving: &str) -> Option<(usize, Vec<Member>)> {
    let from_first = (first..hosts.len()).chain(0..first);
    for at in from_first.filter(|at| hosts[*at].0 != leaving) {
        if let Ok(members) = members(hosts[at].1).await
            && !members.is_empty()
        {
            return Some((at, members));
        }
    }
    None
}

/// Through the host's own certificate, which is a member's: so it may speak to the database, and only it and its like.
async fn take_vote(
    cluster: &Cluster,
    keys: &ClusterKeys,
    through: usize,
    member: &str,
    address: &str,
) -> Result<(), Unanswered> {
    let own = cluster.hosts.iter().zip(&keys.hosts);
    let own = own.filter(|(host, _)| host.name.as_str() == member);
    let Some((_, own)) = own.last() else {
        return Err(Unanswered::Nonsense(format!("{member} has no keys")));
    };
    let to = |endpoint| {
        let pin = vec![(Identity::Cluster, keys.cluster.certificate_der.clone())];
        Connection::new(endpoint, pin, Some(&own.server)).map_err(|why| Unanswered::Nonsense(why.to_string()))
    };
    let leader = votes::leader(&to(cluster.hosts[through].endpoint())?).await?;
    let endpoint = leader
        .parse()
        .map_err(|_| Unanswered::Nonsense(format!("its database is led by {leader:?}, which is no address")))?;
    votes::make_spare(&to(endpoint)?, address).await
}

/// Over a connection that is pinned to the host's own certificate: nobody else can read it.
async fn hand_key(keys: &ClusterKeys, hosts: &[(&str, &Connection)], name: &str) -> Result<(), Unanswered> {
    let key = String::from_utf8_lossy(keys.cluster.private_key_pem.expose());
    let body = json!({"config": {RETURN: key}});
    let Some((_, host)) = hosts.iter().find(|(host, _)| *host == name) else {
        return Err(Unanswered::Nonsense(format!("{name} is not declared")));
    };
    host.get("/1.0").await?;
    if host.identity() != Some(Identity::Own) {
        return Err(Unanswered::Refused {
            code: 409,
            text: "it is a member by now".to_owned(),
        });
    }
    host.change(Method::PATCH, "/1.0", &body, ANSWER_TIMEOUT).await
}

async fn carry_out(connection: &Connection, step: &Step, members: &[Member], again: bool) -> Result<(), Unanswered> {
    let post =
        |path: String, body: Value| async move { connection.change(Method::POST, &path, &body, WORK_TIMEOUT).await };
    let on_record = |name: &str| members.iter().find(|member| member.name == name);
    match step {
        Step::Trust {
            name,
            type_,
            fingerprint,
            certificate,
        } => {
            let path = format!("/1.0/certificates/{fingerprint}");
            let is_there = connection.get(&path).await.is_ok();
            // It has joined by now, or another desk was quicker.
            if is_there && (!again || on_record(name).is_some()) {
                return Ok(());
            }
            if is_there {
                // LXD tells its peers after it has written the certificate down. Where that failed, some of them do not know
                // it until it is written once more.
                delete(connection, &path, ANSWER_TIMEOUT).await?;
            }
            let body = json!({"type": type_, "name": name, "certificate": certificate, "restricted": false});
            connection
                .change(Method::POST, "/1.0/certificates", &body, ANSWER_TIMEOUT)
                .await
        }
        Step::Distrust { fingerprint, .. } => {
            delete(connection, &format!("/1.0/certificates/{fingerprint}"), ANSWER_TIMEOUT).await
        }
        Step::Note { key, value } => {
            let body = json!({"config": {key: value}});
            connection.change(Method::PATCH, "/1.0", &body, ANSWER_TIMEOUT).await
        }
        Step::Evacuate { member } => {
            let path = format!("/1.0/cluster/members/{member}/state");
            post(path, json!({"action": "evacuate"})).await
        }
        Step::Remove { member, lost: false } => {
            delete(connection, &format!("/1.0/cluster/members/{member}"), WORK_TIMEOUT).await
        }
        Step::Remove { member, lost: true } => match on_record(member) {
            // What was decided was decided of one that is away.
            Some(found) if found.status != "Offline" => Err(Unanswered::Refused {
                code: 409,
                text: format!("{member} is {} again, and was not removed", found.status.to_lowercase()),
            }),
            _ => {
                let path = format!("/1.0/cluster/members/{member}?force=1");
                delete(connection, &path, WORK_TIMEOUT).await
            }
        },
        // Neither is a matter of the member that is asked for the cluster.
        Step::TakeVote { .. } | Step::HandKey { .. } => Ok(()),
        Step::DeclarePool {
            pool,
            driver,
            member,
            source,
        } => {
            let body = json!({"name": pool, "driver": driver, "config": {"source": source}});
            post(format!("/1.0/storage-pools?target={member}"), body).await
        }
        Step::MakePool { pool, driver } => {
            post("/1.0/storage-pools".to_owned(), json!({"name": pool, "driver": driver})).await
        }
    }
}

/// What is gone already is done: LXD takes a member's certificate along by itself.
async fn delete(connection: &Connection, path: &str, limit: Duration) -> Result<(), Unanswered> {
    match connection.change(Method::DELETE, path, &json!({}), limit).await {
        Err(Unanswered::Refused { code: 404, .. }) => Ok(()),
        other => other,
    }
}
