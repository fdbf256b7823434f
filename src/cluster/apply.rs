//! Carrying out a plan: the one place that changes a cluster.

mod host;

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use thiserror::Error;

use super::ask::{AskError, block_on, connection, connections, members};
use super::connection::{ANSWER_TIMEOUT, Connection, Unanswered};
use super::host_keys::Machine;
use super::notes::RETURN;
use super::seen::{Identity, Member, Seen};
use super::step::{Plan, Step};
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
    carry_out(cluster, keys, None, plan, told)
}

/// The same for a plan that has steps on a machine itself.
///
/// # Errors
/// As [`apply`].
pub fn apply_on(
    cluster: &Cluster,
    keys: &ClusterKeys,
    machine: &Machine<'_>,
    plan: &Plan,
    told: &mut dyn FnMut(&Step),
) -> Result<(), ApplyError> {
    carry_out(cluster, keys, Some(machine), plan, told)
}

/// The members that take a pair which a member had before, though it is out of the trust: they were not told.
///
/// # Errors
/// If nothing can be asked at all.
pub fn takers(
    cluster: &Cluster,
    keys: &ClusterKeys,
    machine: &Machine<'_>,
    seen: &Seen,
) -> Result<Vec<String>, AskError> {
    let connections = connections(cluster, keys)?;
    let desk = Desk {
        cluster,
        keys,
        machine: Some(machine),
        connections: &connections,
    };
    let known = seen.cluster.iter().flat_map(|found| &found.certificates);
    let known: Vec<&str> = known.map(|known| known.fingerprint.as_str()).collect();
    block_on(desk.takers(machine, &known))?
}

fn carry_out(
    cluster: &Cluster,
    keys: &ClusterKeys,
    machine: Option<&Machine<'_>>,
    plan: &Plan,
    told: &mut dyn FnMut(&Step),
) -> Result<(), ApplyError> {
    let connections = connections(cluster, keys)?;
    let desk = Desk {
        cluster,
        keys,
        machine,
        connections: &connections,
    };
    block_on(async {
        // Who has answered is asked first the next time: a host that is off costs its time-out once.
        let mut first = 0;
        for (at, step) in plan.steps.iter().enumerate() {
            let done = || match (at, plan.steps.len()) {
                (0, _) => "nothing before it was changed; run it again".to_owned(),
                (at, all) => format!("{at} of {all} steps are done, and a second run goes on from there"),
            };
            desk.step(step, &mut first).await.map_err(|trouble| match trouble {
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

const CLUSTER_PAIR: &str = "/1.0/cluster/certificate";

/// What has to be known to carry out a step.
struct Desk<'a> {
    cluster: &'a Cluster,
    keys: &'a ClusterKeys,
    /// The one whose own keys are replaced, where they are.
    machine: Option<&'a Machine<'a>>,
    /// One for each declared host, in their order.
    connections: &'a [Connection],
}

impl Desk<'_> {
    /// Carries out one step; the error has the member that was asked, if there was one.
    async fn step(&self, step: &Step, first: &mut usize) -> Result<(), Option<(String, Unanswered)>> {
        // The one that leaves may be the one that was asked before.
        let leaving = match step {
            Step::Remove { member, .. } | Step::Evacuate { member } | Step::TakeVote { member, .. } => member.as_str(),
            _ => "",
        };
        let repeatable = !matches!(
            step,
            Step::Evacuate { .. }
                | Step::Restore { .. }
                | Step::DeclarePool { .. }
                | Step::MakePool { .. }
                | Step::GivePair { .. }
                | Step::GivePairTo { .. }
                | Step::GiveServer { .. }
                | Step::GiveSsh { .. }
        );
        let mut tries = 1;
        loop {
            let through = match step {
                // It shows another pair than its peers, and may have no database to be asked through.
                Step::GivePairTo { member, .. } => self.position(member).map(|at| (at, Vec::new())),
                _ => self.answering(*first, leaving).await,
            };
            let trouble = match through {
                None => None,
                Some((at, members)) => {
                    *first = at;
                    match self.carry_out(at, step, &members, tries > 1).await {
                        Ok(()) => return Ok(()),
                        Err(why) => {
                            let asked = match step {
                                Step::GiveServer { host, .. } | Step::GiveSsh { host, .. } => host.clone(),
                                _ => self.cluster.hosts[at].name.to_string(),
                            };
                            Some((asked, why))
                        }
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

    fn position(&self, name: &str) -> Option<usize> {
        self.cluster.hosts.iter().position(|host| host.name.as_str() == name)
    }

    /// A member whose database answers, and who is on record: the first one from `first` on, and another one than `leaving`.
    async fn answering(&self, first: usize, leaving: &str) -> Option<(usize, Vec<Member>)> {
        let from_first = (first..self.connections.len()).chain(0..first);
        for at in from_first.filter(|at| self.cluster.hosts[*at].name.as_str() != leaving) {
            if let Ok(members) = members(&self.connections[at]).await
                && !members.is_empty()
            {
                return Some((at, members));
            }
        }
        None
    }

    /// A connection to a host with the pair of a member: there are things that LXD takes from no client.
    fn as_member(&self, at: usize, member: &str) -> Result<Connection, Unanswered> {
        let Some(own) = self.position(member).map(|own| &self.keys.hosts[own].server) else {
            return Err(Unanswered::Nonsense(format!("{member} is not declared")));
        };
        let connection = connection(&self.cluster.hosts[at], &self.keys.hosts[at], self.keys, Some(own));
        connection.map_err(|why| Unanswered::Nonsense(why.to_string()))
    }

    /// Whom the member that is asked calls the leader of the database is the one that can take a vote.
    async fn take_vote(&self, through: usize, member: &str, address: &str) -> Result<(), Unanswered> {
        let leader = votes::leader(&self.as_member(through, member)?).await?;
        let mut hosts = self.cluster.hosts.iter();
        let Some(at) = hosts.position(|host| host.endpoint().to_string() == leader) else {
            let why = format!("its database is led by {leader}, which is not declared");
            return Err(Unanswered::Nonsense(why));
        };
        votes::make_spare(&self.as_member(at, member)?, address).await
    }

    /// Over a connection that is pinned to the host's own certificate: nobody else can read it.
    async fn hand_key(&self, name: &str, members: &[Member]) -> Result<(), Unanswered> {
        let Some(host) = self.position(name).map(|at| &self.connections[at]) else {
            return Err(Unanswered::Nonsense(format!("{name} is not declared")));
        };
        host.get("/1.0").await?;
        let is_away = |member: &Member| member.name == name && member.status == "Offline";
        if host.identity() != Some(Identity::Own) || !members.iter().any(is_away) {
            return Err(Unanswered::Refused {
                code: 409,
                text: format!("{name} is a member that is there by now, or none any more"),
            });
        }
        let body = json!({"config": {RETURN: self.cluster_key()?}});
        host.change(Method::PATCH, "/1.0", &body, ANSWER_TIMEOUT).await
    }

    fn cluster_key(&self) -> Result<&str, Unanswered> {
        let key = std::str::from_utf8(self.keys.cluster.private_key_pem.expose());
        key.map_err(|why| Unanswered::Nonsense(why.to_string()))
    }

    /// The cluster's pair as LXD's API takes it.
    fn pair(&self) -> Result<Value, Unanswered> {
        let certificate = &self.keys.cluster.certificate_pem;
        Ok(json!({"cluster_certificate": certificate, "cluster_certificate_key": self.cluster_key()?}))
    }

    /// As itself, or as another member where its own keys of the declared generation have not reached it yet.
    async fn give_pair_to(&self, at: usize, member: &str) -> Result<(), Unanswered> {
        let others = self.cluster.hosts.iter().map(|host| host.name.as_str());
        let mut last = Ok(());
        for name in std::iter::once(member).chain(others.filter(|name| *name != member)) {
            let peer = self.as_member(at, name)?.into_peer();
            last = peer
                .change(Method::PUT, CLUSTER_PAIR, &self.pair()?, ANSWER_TIMEOUT)
                .await;
            if !matches!(last, Err(Unanswered::Refused { code: 401 | 403, .. })) {
                break;
            }
        }
        last
    }

    async fn carry_out(&self, at: usize, step: &Step, members: &[Member], again: bool) -> Result<(), Unanswered> {
        let connection = &self.connections[at];
        let post = |path: String, body: Value| async move {
            connection.change(Method::POST, &path, &body, WORK_TIMEOUT).await
        };
        let on_record = |name: &str| members.iter().find(|member| member.name == name);
        match step {
            Step::Trust {
                name,
                type_,
                fingerprint,
                certificate,
            } => {
                let body = json!({"type": type_, "name": name, "certificate": certificate, "restricted": false});
                trust(connection, fingerprint, &body, again, on_record(name).is_some()).await
            }
            Step::Distrust { fingerprint, .. } => {
                delete(connection, &format!("/1.0/certificates/{fingerprint}"), ANSWER_TIMEOUT).await
            }
            Step::GiveServer { host, fingerprint, .. } => self.give_server(at, host, fingerprint).await,
            Step::GiveSsh { host, .. } => {
                let machine = self.machine_of(host)?;
                machine.give_ssh().map_err(|why| Unanswered::Other(format!("{why}")))
            }
            Step::Name { name, fingerprint } => {
                self.name(at, name, fingerprint).await?;
                self.await_refusal(at, name, fingerprint).await
            }
            Step::Note { key, value } => {
                let body = json!({"config": {key: value}});
                connection.change(Method::PATCH, "/1.0", &body, ANSWER_TIMEOUT).await
            }
            Step::GivePair { .. } => match members.iter().find(|member| member.status == "Offline") {
                Some(away) => Err(Unanswered::Refused {
                    code: 409,
                    text: format!("{} is offline by now, and nobody was given the pair", away.name),
                }),
                None => {
                    connection
                        .change(Method::PUT, CLUSTER_PAIR, &self.pair()?, WORK_TIMEOUT)
                        .await
                }
            },
            // It takes it from whom it knows for a member, and from 5.21 on from nobody else.
            Step::GivePairTo { member, .. } => self.give_pair_to(at, member).await,
            Step::Evacuate { member } | Step::Restore { member } => {
                let is_evacuation = matches!(step, Step::Evacuate { .. });
                let action = if is_evacuation { "evacuate" } else { "restore" };
                post(
                    format!("/1.0/cluster/members/{member}/state"),
                    json!({"action": action}),
                )
                .await
            }
            Step::Remove { member, lost } => remove(connection, member, on_record(member), *lost).await,
            Step::TakeVote { member, address } => self.take_vote(at, member, address).await,
            Step::HandKey { host } => self.hand_key(host, members).await,
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
}

/// Lets a certificate in, again if it was tried before.
async fn trust(
    connection: &Connection,
    fingerprint: &str,
    body: &Value,
    again: bool,
    has_joined: bool,
) -> Result<(), Unanswered> {
    let path = format!("/1.0/certificates/{fingerprint}");
    let is_there = connection.get(&path).await.is_ok();
    // It has joined by now, or another desk was quicker.
    if is_there && (!again || has_joined) {
        return Ok(());
    }
    if is_there {
        // LXD tells its peers after it has written the certificate down. Where that failed, some of them do not know it until it is
        // written once more.
        delete(connection, &path, ANSWER_TIMEOUT).await?;
    }
    connection
        .change(Method::POST, "/1.0/certificates", body, ANSWER_TIMEOUT)
        .await
}

/// Takes a member out; by force where it is lost, as long as the cluster has it on record as away.
async fn remove(connection: &Connection, member: &str, found: Option<&Member>, lost: bool) -> Result<(), Unanswered> {
    let path = format!("/1.0/cluster/members/{member}");
    match found {
        // What was decided was decided of one that is away.
        Some(found) if lost && found.status != "Offline" => Err(Unanswered::Refused {
            code: 409,
            text: format!("{member} is {} again, and was not removed", found.status.to_lowercase()),
        }),
        _ if lost => delete(connection, &format!("{path}?force=1"), WORK_TIMEOUT).await,
        _ => delete(connection, &path, WORK_TIMEOUT).await,
    }
}

/// What is gone already is done: LXD takes a member's certificate along by itself.
async fn delete(connection: &Connection, path: &str, limit: Duration) -> Result<(), Unanswered> {
    match connection.change(Method::DELETE, path, &json!({}), limit).await {
        Err(Unanswered::Refused { code: 404, .. }) => Ok(()),
        other => other,
    }
}
