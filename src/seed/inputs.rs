//! What files follow from, as digests. Rendering is pure, so a host whose digest is the one it was built from need not be
//! rendered again.

use std::net::IpAddr;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::RenderError;
use crate::hex;
use crate::model::{Cluster, ClusterParts, Host, HostParts, Name};

/// A digest of this program's sources, templates and dependencies, in hexadecimal: another program may write other bytes.
pub const PROGRAM: &str = env!("LXSEED_SOURCES");

/// The digests of one cluster. They say nothing about the site secret but which one it is.
#[derive(Debug)]
pub struct Inputs<'a> {
    cluster: &'a Cluster,
    secret: &'a str,
    /// Whether the tree has images of the seeds.
    images: bool,
    shared: String,
}

/// What the other hosts of a cluster may know of a host: its place in the cluster and its keys follow from these.
#[derive(Serialize)]
struct Member<'a> {
    name: &'a Name,
    address: IpAddr,
    generation: u32,
}

impl<'a> Inputs<'a> {
    /// Digests what all hosts of a cluster have in common. `secret` is the site secret's fingerprint, `images` whether a host's
    /// seed stands in the tree as an image, too.
    ///
    /// # Errors
    /// If a value cannot be written down, which no value of the model is known to do.
    pub fn of(cluster: &'a Cluster, secret: &'a str, images: bool) -> Result<Self, RenderError> {
        // Taken apart by name: a new field has to be given a place here before this compiles.
        let ClusterParts {
            name,
            ubuntu,
            kernel,
            channel,
            snaps,
            bootstrap,
            alone,
            network,
            pools,
            admin,
            hosts,
        } = &**cluster;
        let members: Vec<_> = hosts.iter().map(Member::of).collect();
        let shared = digest(&(
            name, ubuntu, kernel, channel, snaps, bootstrap, alone, network, pools, admin, members,
        ))?;
        Ok(Self {
            cluster,
            secret,
            images,
            shared,
        })
    }

    /// What every host of the cluster follows from: `cluster.yaml`, and who its members are. Program and secret are not in it.
    #[must_use]
    pub fn shared(&self) -> &str {
        &self.shared
    }

    /// Everything that the files of the cluster as a whole follow from. All hosts are in it, by their digests.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn cluster<'h>(&self, hosts: impl Iterator<Item = &'h str>) -> Result<String, RenderError> {
        let hosts: Vec<&str> = hosts.collect();
        digest(&(PROGRAM, self.secret, &self.shared, hosts))
    }

    /// Everything that the files of the `at`-th host follow from.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn host(&self, at: usize) -> Result<String, RenderError> {
        digest(&(
            PROGRAM,
            self.secret,
            self.images,
            &self.shared,
            &self.cluster.hosts[at],
        ))
    }
}

impl<'a> Member<'a> {
    fn of(host: &'a Host) -> Self {
        // A host's disks and interface are its own: nothing that another host is given may follow from them.
        let HostParts {
            name,
            generation,
            address,
            dmi_serial: _,
            reinstall: _,
            mac: _,
            os_slot: _,
            disks: _,
            volumes: _,
        } = &**host;
        Self {
            name,
            address: *address,
            generation: *generation,
        }
    }
}

/// 128 bits, since it is compared with that of the same host only. JSON keeps parts apart, and looks the same everywhere.
fn digest(parts: &impl Serialize) -> Result<String, RenderError> {
    let text = serde_json::to_vec(parts).map_err(RenderError::Inputs)?;
    Ok(hex::encode(&Sha256::digest(&text)[..16]))
}
