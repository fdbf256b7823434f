//! Which files a build writes for a cluster and its hosts: `build` writes them, `diff` compares them with what stands.

use std::sync::OnceLock;

use lxseed::media;
use lxseed::model::Cluster;
use lxseed::render::{ClusterKeys, File, RenderError, Renderer};

use super::CommandError;

/// Makes the files of a site's clusters.
pub(super) struct Files {
    /// Made for the first that is rendered: it packs the scripts, which takes as long as checking hundreds of hosts.
    renderer: OnceLock<Renderer>,
    images: bool,
}

impl Files {
    /// `images`: with the image of each host's seed.
    pub(super) fn new(images: bool) -> Self {
        Self {
            renderer: OnceLock::new(),
            images,
        }
    }

    fn renderer(&self) -> Result<&Renderer, RenderError> {
        if let Some(renderer) = self.renderer.get() {
            return Ok(renderer);
        }
        // Threads that meet here make one each, and one of them is kept: no thread waits for another.
        let made = Renderer::new()?;
        Ok(self.renderer.get_or_init(|| made))
    }

    /// Those of the `at`-th host. What they follow from has to be in [`lxseed::render::Inputs::host`], or a build takes a host
    /// for unchanged that is not.
    pub(super) fn host(
        &self,
        cluster: &Cluster,
        at: usize,
        keys: &ClusterKeys,
    ) -> Result<Vec<File>, CommandError> {
        let mut files = self.renderer()?.host(cluster, at, keys)?;
        if self.images {
            files.push(media::seed::iso_beside(&files)?);
        }
        Ok(files)
    }

    /// Those of the cluster as a whole; the same holds for [`lxseed::render::Inputs::cluster`].
    pub(super) fn cluster(
        &self,
        cluster: &Cluster,
        keys: &ClusterKeys,
    ) -> Result<Vec<File>, CommandError> {
        Ok(self.renderer()?.cluster(cluster, keys))
    }
}
