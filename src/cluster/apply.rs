//! Carrying out a plan: the one place that changes a cluster.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use thiserror::Error;

use super::ask::{AskError, block_on, connections, read};
use super::connection::{ANSWER_TIMEOUT, Connection, Unanswered};
use super::plan::{Plan, Step};
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
        for (at, step) in plan.steps.iter().enumerate() {
            let done = || match (at, plan.steps.len()) {
                (0, _) => "nothing before it was changed; run it again".to_owned(),
                (at, all) => format!("{at} of {all} steps are done, and a second run goes on from there"),
            };
            one_step(&hosts, step).await.map_err(|trouble| match trouble {
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
async fn one_step(hosts: &[(&str, &Connection)], step: &Step) -> Result<(), Option<(String, Unanswered)>> {
    // The one that leaves may be the one that was asked before.
    let leaving = match step {
        Step::Remove { member, .. } | Step::Evacuate { member } => member.as_str(),
        _ => "",
    };
    let repeatable = !matches!(
        step,
        Step::Evacuate { .. } | Step::DeclarePool { .. } | Step::MakePool { .. }
    );
    let mut tries = 1;
    loop {
        let trouble = match answering(hosts, leaving).await {
            None => None,
            Some((member, connection)) => match carry_out(connection, step, tries > 1).await {
                Ok(()) => return Ok(()),
                Err(why) => Some((member.to_owned(), why)),
            },
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

/// The first member whose database answers; another one than `leaving`, if there is one.
async fn answering<'a>(hosts: &[(&'a str, &'a Connection)], leaving: &str) -> Option<(&'a str, &'a Connection)> {
    for (name, connection) in hosts.iter().filter(|(name, _)| *name != leaving) {
        let members = read::<Vec<Value>>(connection, "/1.0/cluster/members?recursion=1").await;
        if members.is_ok_and(|members| !members.is_empty()) {
            return Some((name, connection));
        }
    }
    None
}

async fn carry_out(connection: &Connection, step: &Step, again: bool) -> Result<(), Unanswered> {
    let post =
        |path: String, body: Value| async move { connection.change(Method::POST, &path, &body, WORK_TIMEOUT).await };
    match step {
        Step::Trust {
            name,
            type_,
            fingerprint,
            certificate,
        } => {
            if again {
                // LXD tells its peers after it has written the certificate down. Where that failed, some of them do not know
                // it until it is written once more.
                let path = format!("/1.0/certificates/{fingerprint}");
                gone_is_done(
                    connection
                        .change(Method::DELETE, &path, &json!({}), ANSWER_TIMEOUT)
                        .await,
                )?;
            }
            let body = json!({"type": type_, "name": name, "certificate": certificate, "restricted": false});
            connection
                .change(Method::POST, "/1.0/certificates", &body, ANSWER_TIMEOUT)
                .await
        }
        Step::Distrust { fingerprint, .. } => {
            let path = format!("/1.0/certificates/{fingerprint}");
            gone_is_done(
                connection
                    .change(Method::DELETE, &path, &json!({}), ANSWER_TIMEOUT)
                    .await,
            )
        }
        Step::Note { key, value } => {
            let body = json!({"config": {key: value}});
            connection.change(Method::PATCH, "/1.0", &body, ANSWER_TIMEOUT).await
        }
        Step::Evacuate { member } => {
            let path = format!("/1.0/cluster/members/{member}/state");
            post(path, json!({"action": "evacuate"})).await
        }
        Step::Remove { member, lost } => {
            let force = if *lost { "?force=1" } else { "" };
            let path = format!("/1.0/cluster/members/{member}{force}");
            gone_is_done(connection.change(Method::DELETE, &path, &json!({}), WORK_TIMEOUT).await)
        }
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

/// Removing a member takes its certificate along, as LXD does by itself.
fn gone_is_done(answer: Result<(), Unanswered>) -> Result<(), Unanswered> {
    match answer {
        Err(Unanswered::Refused { code: 404, .. }) => Ok(()),
        other => other,
    }
}
