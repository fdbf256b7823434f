//! The files of a cluster and its hosts: `build` writes them, `build --check` and `diff` compare them with the existing
//! tree.

use std::sync::OnceLock;

use lxseed::installer::Installers;
use lxseed::media::seed_image;
use lxseed::model::Cluster;
use lxseed::seed::{ClusterKeys, File, Renderer};

use super::CommandError;

/// Makes the files of a site's clusters.
pub(super) struct Files {
    /// Made for the first that is rendered: it packs the scripts, which takes as long as checking hundreds of hosts.
    templates: OnceLock<(Renderer, Installers)>,
    images: bool,
}

impl Files {
    /// `images`: with the image of each host's seed.
    pub(super) fn new(images: bool) -> Self {
        Self {
            templates: OnceLock::new(),
            images,
        }
    }

    fn templates(&self) -> Result<&(Renderer, Installers), CommandError> {
        if let Some(templates) = self.templates.get() {
            return Ok(templates);
        }
        // Threads that meet here make them each, and one is kept: no thread waits for another.
        let made = (Renderer::new()?, Installers::new()?);
        Ok(self.templates.get_or_init(|| made))
    }

    /// Those of the `at`-th host. They follow from what [`lxseed::seed::cluster_digest`] digests and from nothing else.
    pub(super) fn host(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<Vec<File>, CommandError> {
        let (renderer, installers) = self.templates()?;
        let mut files = renderer.host(cluster, at, keys)?;
        files.extend(installers.files(cluster, &cluster.hosts[at])?);
        if self.images {
            files.push(seed_image::iso_beside(&files)?);
        }
        Ok(files)
    }

    /// Those of the cluster as a whole; the same holds for them.
    pub(super) fn cluster(&self, cluster: &Cluster, keys: &ClusterKeys) -> Result<Vec<File>, CommandError> {
        Ok(self.templates()?.0.cluster(cluster, keys))
    }
}
