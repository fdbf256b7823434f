//! Which files a build writes for a cluster and its hosts: `build` writes them, `diff` compares them with what stands.

use lxseed::media;
use lxseed::model::Cluster;
use lxseed::render::{ClusterKeys, File, Renderer};

use super::CommandError;

/// Makes the files of a site's clusters.
pub(super) struct Files {
    renderer: Renderer,
    images: bool,
}

impl Files {
    /// `images`: with the image of each host's seed.
    pub(super) fn new(images: bool) -> Result<Self, CommandError> {
        Ok(Self {
            renderer: Renderer::new()?,
            images,
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
        let mut files = self.renderer.host(cluster, at, keys)?;
        if self.images {
            files.push(media::seed::iso_beside(&files)?);
        }
        Ok(files)
    }

    /// Those of the cluster as a whole; the same holds for [`lxseed::render::Inputs::cluster`].
    pub(super) fn cluster(&self, cluster: &Cluster, keys: &ClusterKeys) -> Vec<File> {
        self.renderer.cluster(cluster, keys)
    }
}
