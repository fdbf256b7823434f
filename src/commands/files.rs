//! Which files a build writes for a cluster and its hosts: `build` writes them, `diff` compares them with what stands.

use lxseed::model::Cluster;
use lxseed::render::{ClusterKeys, File, Renderer};

use super::CommandError;

/// Makes the files of a site's clusters.
pub(super) struct Files {
    renderer: Renderer,
}

impl Files {
    pub(super) fn new() -> Result<Self, CommandError> {
        Ok(Self {
            renderer: Renderer::new()?,
        })
    }

    /// Those of the `at`-th host. What they follow from has to be in [`lxseed::render::Inputs::host`], or a build takes a host
    /// for unchanged that is not.
    pub(super) fn host(
        &self,
        cluster: &Cluster,
        at: usize,
        keys: &ClusterKeys,
    ) -> Result<Vec<File>, CommandError> {
        Ok(self.renderer.host(cluster, at, keys)?)
    }

    /// Those of the cluster as a whole; the same holds for [`lxseed::render::Inputs::cluster`].
    pub(super) fn cluster(&self, cluster: &Cluster, keys: &ClusterKeys) -> Vec<File> {
        self.renderer.cluster(cluster, keys)
    }
}
