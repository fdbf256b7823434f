//! What would be lost with a member or a pool: asked only where somebody is about to lose it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ask::{AskError, block_on, connections, read};
use super::connection::{Connection, Unanswered};
use super::seen::{Records, Seen};
use crate::model::Cluster;
use crate::seed::ClusterKeys;

/// Whose records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordsOf<'a> {
    /// A member's.
    Member(&'a str),
    /// Each pool's, by its name, which no profile declares.
    UndeclaredPools,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

impl Project {
    /// Without this feature a project shows the custom volumes of the first one.
    fn has_volumes(&self) -> bool {
        self.name == "default"
            || self
                .config
                .get("features.storage.volumes")
                .is_some_and(|word| word == "true")
    }
}

#[derive(Deserialize)]
struct Instance {
    name: String,
    #[serde(default)]
    location: String,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    #[serde(default, rename = "type")]
    type_: String,
    #[serde(default)]
    location: String,
}

/// Instances and custom volumes in all projects, by the member or the pool that they are on, as the member that told of
/// the cluster has them on record. None if no member told, or not all could be asked: what cannot be asked is not known
/// to be empty.
///
/// # Errors
/// If nothing can be asked at all.
pub fn records(
    cluster: &Cluster,
    keys: &ClusterKeys,
    seen: &Seen,
    of: RecordsOf<'_>,
) -> Result<Option<BTreeMap<String, Records>>, AskError> {
    let Some(found) = &seen.cluster else {
        return Ok(None);
    };
    let connections = connections(cluster, keys)?;
    let hosts = cluster.hosts.iter().zip(&connections);
    let mut hosts = hosts.filter(|(host, _)| host.name.as_str() == found.through);
    let Some((_, connection)) = hosts.next() else {
        return Ok(None);
    };
    let names: Vec<&str> = found.pools.iter().map(|pool| pool.name.as_str()).collect();
    let undeclared = |name: &&str| cluster.pools.iter().all(|pool| pool.name != **name);
    block_on(async {
        match of {
            RecordsOf::Member(member) => {
                let records = of_member(connection, member, &names).await.ok()?;
                Some(BTreeMap::from([(member.to_owned(), records)]))
            }
            RecordsOf::UndeclaredPools => {
                let mut all = BTreeMap::new();
                for name in names.into_iter().filter(undeclared) {
                    all.insert(name.to_owned(), of_pool(connection, name).await.ok()?);
                }
                Some(all)
            }
        }
    })
}

async fn projects(connection: &Connection) -> Result<Vec<Project>, Unanswered> {
    read(connection, "/1.0/projects?recursion=1").await
}

/// Names, with the project where it is another one than LXD's first.
fn within(project: &str, name: &str) -> String {
    if project == "default" {
        name.to_owned()
    } else {
        format!("{project}/{name}")
    }
}

async fn of_member(connection: &Connection, member: &str, pools: &[&str]) -> Result<Records, Unanswered> {
    let mut records = Records::default();
    for project in projects(connection).await? {
        let name = &project.name;
        let path = format!("/1.0/instances?recursion=1&project={name}");
        let on_it = read::<Vec<Instance>>(connection, &path).await?;
        let on_it = on_it.into_iter().filter(|instance| instance.location == member);
        records
            .instances
            .extend(on_it.map(|instance| within(name, &instance.name)));
        for pool in pools.iter().filter(|_| project.has_volumes()) {
            let path = format!("/1.0/storage-pools/{pool}/volumes/custom?recursion=1&project={name}");
            let on_it = read::<Vec<Volume>>(connection, &path).await?;
            let on_it = on_it.into_iter().filter(|volume| volume.location == member);
            records
                .volumes
                .extend(on_it.map(|volume| within(name, &format!("{pool}/{}", volume.name))));
        }
    }
    Ok(records)
}

async fn of_pool(connection: &Connection, pool: &str) -> Result<Records, Unanswered> {
    let mut records = Records::default();
    for project in projects(connection).await? {
        let path = format!("/1.0/storage-pools/{pool}/volumes?recursion=1&project={}", project.name);
        for volume in read::<Vec<Volume>>(connection, &path).await? {
            let name = within(&project.name, &volume.name);
            match volume.type_.as_str() {
                "container" | "virtual-machine" => records.instances.push(name),
                "custom" if project.has_volumes() => records.volumes.push(name),
                _ => {}
            }
        }
    }
    Ok(records)
}
