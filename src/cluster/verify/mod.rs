//! What was seen of a living cluster beside what its profile declares, as findings that point into the profile.
//!
//! One cause is one finding: of a host that is off nothing else is said, and what nobody could look at is not judged.

mod certificates;
mod example;
mod hosts;
mod pools;
mod seeds;
mod trust;
mod versions;
pub(super) mod world;

#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use super::seen::{Answer, Seen, Server, Told};
use super::status::{HostStatus, State, Status, status, told};
use crate::check::{Checked, Places};
use crate::finding::{Family, Findings, Rule};
use crate::model::{Cluster, Host};
use crate::seed::{ClusterKeys, HostKeys};
use crate::trust::ClientCertificate;
pub use example::{Example, Shown};

/// What all rules of this room are about.
pub(crate) static FAMILY: Family = Family::new('L', "The living cluster");

/// Every rule of this room, by code.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    let files = [
        hosts::RULES,
        versions::RULES,
        pools::RULES,
        trust::RULES,
        certificates::RULES,
        seeds::RULES,
    ];
    files.into_iter().flatten().copied()
}

/// A declared cluster and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Its profile.
    pub cluster: &'a Cluster,
    /// Its keys.
    pub keys: &'a ClusterKeys,
    /// By host, in the order of the profile: the instance-ids of the seed that a build would write, and of others that say the
    /// same to a machine that has followed them.
    pub instances: &'a [Vec<String>],
}

/// Holds what was seen against what is declared. The profiles are those that the cluster was read from.
#[must_use]
pub fn verify(profiles: &Checked, wish: Wish<'_>, seen: &Seen, now: OffsetDateTime) -> Findings {
    let mut findings = Findings::default();
    let Some(places) = profiles.places(wish.cluster.name.as_str()) else {
        return findings;
    };
    let view = View {
        wish,
        seen,
        status: status(wish.cluster, wish.keys, seen, now),
        places,
        now,
    };
    hosts::find(&view, &mut findings);
    versions::find(&view, &mut findings);
    pools::find(&view, &mut findings);
    trust::find(&view, &mut findings);
    certificates::find(&view, &mut findings);
    seeds::find(&view, &mut findings);
    findings
}

/// A cluster as the rules look at it.
struct View<'a> {
    wish: Wish<'a>,
    seen: &'a Seen,
    status: Status,
    places: Places,
    now: OffsetDateTime,
}

/// A declared host as the rules look at it.
#[derive(Clone, Copy)]
struct HostView<'a> {
    host: &'a Host,
    keys: &'a HostKeys,
    status: &'a HostStatus,
    answer: &'a Answer,
}

impl<'a> View<'a> {
    fn name(&self) -> &'a str {
        self.wish.cluster.name.as_str()
    }

    /// How a host is called on lxseed's command line.
    fn full(&self, host: &str) -> String {
        format!("{}/{host}", self.name())
    }

    fn hosts(&self) -> impl Iterator<Item = HostView<'_>> {
        let each = self.wish.cluster.hosts.iter().zip(&self.wish.keys.hosts);
        let each = each.zip(&self.status.hosts).zip(&self.seen.hosts);
        each.map(|(((host, keys), status), found)| HostView {
            host,
            keys,
            status,
            answer: &found.answer,
        })
    }

    /// What a host's first boot tells, unless that is that all is done.
    fn told(&self, host: HostView<'_>) -> Option<Told> {
        let found = self.seen.hosts.iter().find(|found| found.name == host.name())?;
        told(host.name(), found, self.seen.cluster.as_ref()).filter(|told| told.state != "done")
    }

    /// The members that are there.
    fn members(&self) -> impl Iterator<Item = HostView<'_>> {
        self.hosts().filter(HostView::is_member)
    }
}

impl<'a> HostView<'a> {
    fn name(&self) -> &'a str {
        self.host.name.as_str()
    }

    /// Whether the cluster has it on record as one that is there.
    fn is_member(&self) -> bool {
        matches!(self.status.state, State::Online | State::Evacuated)
    }

    /// What it says of itself, if it could be asked.
    fn server(&self) -> Option<&'a Server> {
        match self.answer {
            Answer::Server(_, server) => Some(server),
            _ => None,
        }
    }
}

/// The SHA-256 of a certificate; none if it is no certificate.
fn fingerprint(pem: &str) -> Option<String> {
    let certificate = ClientCertificate::parse(pem).ok()?;
    Some(certificate.fingerprint().to_owned())
}

/// A few names of many.
fn few<T: AsRef<str>>(names: &[T]) -> String {
    const FEW: usize = 5;
    let mut shown: Vec<String> = names.iter().take(FEW).map(|name| name.as_ref().to_owned()).collect();
    if names.len() > FEW {
        shown.push(format!("{} more", names.len() - FEW));
    }
    crate::profile::listed(&shown)
}
