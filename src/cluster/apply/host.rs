//! A member gets other keys of its own: what is waited for before its machine gets them, and after.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::super::ask::{AskError, answers_to, members};
use super::super::connection::{ANSWER_TIMEOUT, Unanswered};
use super::super::host_keys::Machine;
use super::super::seen::{Answer, Identity};
use super::Desk;
use crate::trust::KeyPair;

/// Members hear of a change one after the other; this is how often it is looked whether all have.
const LOOKS: usize = 30;

/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Desk<'_> {
    pub(super) fn machine_of(&self, host: &str) -> Result<&Machine<'_>, Unanswered> {
        let own = self.machine.filter(|machine| machine.name == host);
        own.ok_or_else(|| Unanswered::Other(format!("the way to the machine {host} is not known")))
    }

    /// Once every member takes the new pair; a member that is not told it in time would be shut out.
    pub(super) async fn give_server(&self, at: usize, host: &str, fingerprint: &str) -> Result<(), Unanswered> {
        let machine = self.machine_of(host)?;
        for tried in 0..LOOKS {
            let deaf = self.refusing(machine.server(), host).await?;
            if deaf.is_empty() {
                break;
            }
            if tried + 1 == LOOKS {
                let why = format!("its new certificate is not taken yet by {}", deaf.join(", "));
                return Err(Unanswered::Other(why));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            // LXD tells its peers after it has written a certificate down; where that failed they hear of it with the next change.
            let path = format!("/1.0/certificates/{fingerprint}");
            let record = self.connections[at].get(&path).await?;
            let name = record["name"].as_str().unwrap_or(host);
            self.name(at, name, fingerprint).await?;
        }
        machine
            .give_server()
            .map_err(|why| Unanswered::Other(format!("{why}")))?;
        let own = self.position(host).unwrap_or(at);
        for _ in 0..LOOKS {
            let there = members(&self.connections[own]).await.is_ok_and(|members| {
                let own = members.iter().find(|member| member.name == host);
                own.is_some_and(|own| !matches!(own.status.as_str(), "Offline" | "Blocked"))
            });
            if there {
                return Ok(());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let why = format!("{host} has its new pair, and the others miss it still: `lxseed status` tells");
        Err(Unanswered::Other(why))
    }

    /// The members that do not take a pair, but for the one that it belongs to, which may be just starting.
    async fn refusing(&self, pair: &KeyPair, host: &str) -> Result<Vec<String>, Unanswered> {
        let Some((_, members)) = self.answering(0, host).await.or(self.answering(0, "").await) else {
            return Err(Unanswered::Other("no member answers any more".to_owned()));
        };
        let answers = answers_to(self.cluster, self.keys, pair).await;
        let answers = answers.map_err(|why| Unanswered::Other(why.to_string()))?;
        let takes = |name: &str| {
            let mut answers = answers.iter();
            answers.any(|(own, answer)| own == name && matches!(answer, Answer::Server(Identity::Cluster, _)))
        };
        let others = members.into_iter().map(|member| member.name);
        Ok(others.filter(|name| name != host && !takes(name)).collect())
    }

    /// Under the name that it has already nothing changes, and every member reads the list anew all the same.
    pub(super) async fn name(&self, at: usize, name: &str, fingerprint: &str) -> Result<(), Unanswered> {
        let path = format!("/1.0/certificates/{fingerprint}");
        let body = json!({"name": name});
        self.connections[at]
            .change(Method::PATCH, &path, &body, ANSWER_TIMEOUT)
            .await
    }

    /// Until no member takes an earlier pair.
    pub(super) async fn await_refusal(&self, at: usize, name: &str, fingerprint: &str) -> Result<(), Unanswered> {
        let Some(machine) = self.machine else {
            return Ok(());
        };
        let mut takers = Vec::new();
        for _ in 0..LOOKS {
            let found = self.takers(machine, &[]).await;
            takers = found.map_err(|why| Unanswered::Other(why.to_string()))?;
            if takers.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            self.name(at, name, fingerprint).await?;
        }
        Err(Unanswered::Other(format!(
            "its earlier pair is still taken by {}",
            takers.join(", ")
        )))
    }

    /// Who takes an earlier pair of a member, but for those that are trusted.
    pub(super) async fn takers(&self, machine: &Machine<'_>, trusted: &[&str]) -> Result<Vec<String>, AskError> {
        let mut takers = Vec::new();
        for pair in machine
            .earlier()
            .filter(|pair| !trusted.contains(&pair.fingerprint.as_str()))
        {
            let answers = answers_to(self.cluster, self.keys, pair).await?;
            let taking = answers
                .into_iter()
                .filter(|(_, answer)| matches!(answer, Answer::Server(Identity::Cluster, _)));
            takers.extend(taking.map(|(name, _)| name));
        }
        takers.sort();
        takers.dedup();
        Ok(takers)
    }
}
