//! The cluster of the examples: what its profiles declare, and what it shows while all is as declared.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::macros::datetime;

use super::super::seen::{
    Answer, Certificate, ClusterSeen, Founding, HostSeen, Identity, Member, MemberPool, Pool, Seen, Server,
};
use super::{Wish, fingerprint, verify};
use crate::check::{self, Checked};
use crate::manager::lxd::preseed::source_on_record;
use crate::model::{Cluster, Site};
use crate::seed::{ClusterKeys, HostKeys};
use crate::trust::{DESK_NAME, SiteSecret};

/// A site secret for everybody to read. It protects nothing.
const SECRET: &str =
    "lxseed-secret-1 2026-11-23 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f cdb0375e";

/// When the example is looked at.
const NOW: OffsetDateTime = datetime!(2026-12-01 12:00 UTC);

/// All that is held against the profiles.
#[derive(Clone, Serialize)]
pub(in crate::cluster) struct World {
    /// When.
    #[serde(serialize_with = "day")]
    pub(in crate::cluster) now: OffsetDateTime,
    /// The instance-ids of the seeds that a build would write.
    pub(in crate::cluster) instances: Vec<Vec<String>>,
    /// What was seen.
    #[serde(flatten)]
    pub(in crate::cluster) seen: Seen,
}

fn day<S: Serializer>(now: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&now.date())
}

impl World {
    pub(in crate::cluster) fn host(&mut self, at: usize) -> &mut Answer {
        &mut self.seen.hosts[at].answer
    }

    pub(in crate::cluster) fn server(&mut self, at: usize) -> Option<&mut Server> {
        match &mut self.seen.hosts[at].answer {
            Answer::Server(_, server) => Some(server),
            _ => None,
        }
    }

    pub(in crate::cluster) fn cluster(&mut self, change: impl FnOnce(&mut ClusterSeen)) {
        if let Some(cluster) = &mut self.seen.cluster {
            change(cluster);
        }
    }

    pub(in crate::cluster) fn member(&mut self, at: usize, status: &str, message: &str) {
        self.cluster(|cluster| {
            status.clone_into(&mut cluster.members[at].status);
            message.clone_into(&mut cluster.members[at].message);
        });
    }

    /// A host of the cluster that was never in it.
    pub(in crate::cluster) fn never_joined(&mut self, at: usize, answer: Answer) {
        *self.host(at) = answer;
        let name = self.seen.hosts[at].name.clone();
        self.cluster(|cluster| {
            cluster.members.retain(|member| member.name != name);
            cluster.member_pools.retain(|pool| pool.member != name);
            cluster.notes.retain(|key, _| !key.ends_with(&name));
        });
    }

    /// Of the server certificate that is trusted under a name.
    pub(in crate::cluster) fn fingerprint(&self, name: &str) -> String {
        let mut known = self.seen.cluster.iter().flat_map(|cluster| &cluster.certificates);
        let own = known.find(|known| known.name == name);
        own.map_or_else(String::new, |own| own.fingerprint.clone())
    }

    pub(in crate::cluster) fn note(&mut self, key: &str, value: &str) {
        self.cluster(|cluster| {
            cluster.notes.insert(key.to_owned(), value.to_owned());
        });
    }
}

/// The profiles of the example, what they come to, and what a good cluster of them shows.
pub(in crate::cluster) struct Good {
    pub(in crate::cluster) profiles: Checked,
    pub(in crate::cluster) site: Site,
    pub(in crate::cluster) keys: ClusterKeys,
    pub(in crate::cluster) world: World,
}

impl Good {
    /// None if the example itself is broken, which a test would have shown.
    pub(in crate::cluster) fn new() -> Option<Self> {
        let profiles = check::example::formed();
        let site = profiles.accept().ok()?;
        let cluster = site.clusters.first()?;
        let secret = SiteSecret::parse(SECRET).ok()?;
        let name = cluster.name.as_str();
        let hosts = cluster.hosts.iter().map(|host| {
            Some(HostKeys {
                server: secret.lxd_server(name, host.name.as_str(), host.generation).ok()?,
                ssh: secret.ssh_host_key(name, host.name.as_str(), host.generation).ok()?,
            })
        });
        let keys = ClusterKeys {
            cluster: secret.lxd_cluster(name, cluster.generation).ok()?,
            earlier: None,
            desk: cluster
                .desk
                .and_then(|generation| secret.lxd_desk(name, generation).ok()),
            spares: Vec::new(),
            hosts: hosts.collect::<Option<_>>()?,
        };
        let hosts = cluster.hosts.iter();
        let instances: Vec<Vec<String>> = hosts
            .map(|host| vec![format!("{}-5c2f0d8a91b7e364", host.name)])
            .collect();
        let world = World {
            now: NOW,
            seen: seen(cluster, &keys, &instances),
            instances,
        };
        Some(Self {
            profiles,
            world,
            keys,
            site,
        })
    }

    /// What is found of a world.
    pub(in crate::cluster) fn verified(self, world: &World) -> Checked {
        let found = self.site.clusters.first().map(|cluster| {
            let wish = Wish {
                cluster,
                keys: &self.keys,
                instances: &world.instances,
            };
            verify(&self.profiles, wish, &world.seen, world.now)
        });
        self.profiles.verified(found.unwrap_or_default())
    }
}

fn seen(cluster: &Cluster, keys: &ClusterKeys, instances: &[Vec<String>]) -> Seen {
    let founding = cluster.formed.clone().unwrap_or_default();
    let names = || cluster.hosts.iter().map(|host| host.name.to_string());
    let mut notes = BTreeMap::from([("user.lxseed.founding".to_owned(), founding.clone())]);
    for (name, instance) in names().zip(instances) {
        notes.insert(format!("user.lxseed.sealed.{name}"), instance.concat());
    }
    let server = Server {
        version: "5.0.2".to_owned(),
        api_extensions: 318,
        kernel: "5.4.0-150-generic".to_owned(),
        clustered: true,
        notes: BTreeMap::new(),
    };
    let hosts = cluster.hosts.iter().map(|host| HostSeen {
        name: host.name.to_string(),
        address: host.endpoint(),
        answer: Answer::Server(Identity::Cluster, server.clone()),
        earlier_pair: false,
    });
    Seen {
        hosts: hosts.collect(),
        foundings: names()
            .map(|member| Founding {
                member,
                number: founding.clone(),
            })
            .collect(),
        cluster: Some(ClusterSeen {
            through: cluster.bootstrap.to_string(),
            members: cluster
                .hosts
                .iter()
                .map(|host| Member {
                    name: host.name.to_string(),
                    url: format!("https://{}", host.endpoint()),
                    status: "Online".to_owned(),
                    message: "Fully operational".to_owned(),
                })
                .collect(),
            pools: cluster
                .pools
                .iter()
                .map(|pool| Pool {
                    name: pool.name.clone(),
                    driver: pool.driver.word().to_owned(),
                    status: "Created".to_owned(),
                })
                .collect(),
            member_pools: member_pools(cluster),
            certificates: certificates(cluster, keys),
            notes,
        }),
    }
}

fn member_pools(cluster: &Cluster) -> Vec<MemberPool> {
    let each = cluster
        .hosts
        .iter()
        .flat_map(|host| cluster.pools.iter().map(move |pool| (host, pool)));
    let uuid = "3ca13424-46f7-48ef-87ca-6656327dd7a4";
    each.map(|(host, pool)| MemberPool {
        member: host.name.to_string(),
        pool: pool.name.clone(),
        source: source_on_record(pool, host).unwrap_or_else(|| uuid.to_owned()),
        total: Some(960_197_124_096),
        used: Some(1_073_741_824),
        trouble: None,
    })
    .collect()
}

fn certificates(cluster: &Cluster, keys: &ClusterKeys) -> Vec<Certificate> {
    let of = |name: &str, kind: &str, fingerprint: &str, pem: &str| Certificate {
        name: name.to_owned(),
        kind: kind.to_owned(),
        fingerprint: fingerprint.to_owned(),
        pem: pem.to_owned(),
    };
    let hosts = cluster.hosts.iter().zip(&keys.hosts);
    let hosts = hosts.map(|(host, keys)| {
        let own = &keys.server;
        of(host.name.as_str(), "server", &own.fingerprint, &own.certificate_pem)
    });
    let desk = keys.desk.iter();
    let desk = desk.map(|desk| of(DESK_NAME, "client", &desk.fingerprint, &desk.certificate_pem));
    let people = cluster.admin.lxd_certificates.iter().filter_map(|person| {
        let fingerprint = fingerprint(&person.pem)?;
        Some(of(&person.name, "client", &fingerprint, &person.pem))
    });
    hosts.chain(desk).chain(people).collect()
}
