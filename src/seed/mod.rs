//! From the model to bytes: pure functions that touch neither clock, file system nor environment.

mod digest;
mod file;
mod first_boot;
mod network;
pub(crate) mod user_data;
pub(crate) mod write_files;

use camino::Utf8PathBuf;
use thiserror::Error;

use crate::model::Cluster;
use crate::shell::ShellError;
use crate::trust::{KeyPair, SecretBytes, SshHostKey};
use crate::yaml;

pub use digest::{PROGRAM, cluster_digest};
pub use file::{Content, File};

/// A file could not be rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A YAML document.
    #[error("{path}: {source}")]
    Yaml {
        /// Which one.
        path: Utf8PathBuf,
        /// Why.
        source: yaml::YamlError,
    },
    /// A script.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// The digest of what a cluster's files follow from.
    #[error("cannot digest the profiles' values: {0}")]
    Digest(serde_json::Error),
}

/// Where cloud-init plants the first boot's script.
pub(crate) const FIRSTBOOT: &str = "/usr/local/sbin/lxseed-firstboot";

/// The files of a cluster as a whole, in its folder.
pub const CLUSTER_FILES: [&str; 2] = ["known_hosts", "cluster.crt"];

/// The keys of one host.
#[derive(Debug)]
pub struct HostKeys {
    /// Its LXD identity, `server.crt` and `server.key`.
    pub server: KeyPair,
    /// Its SSH host key.
    pub ssh: SshHostKey,
}

/// The keys of a cluster; hosts in the cluster's own order.
#[derive(Debug)]
pub struct ClusterKeys {
    /// What all members serve once the cluster is formed.
    pub cluster: KeyPair,
    /// One entry per host.
    pub hosts: Vec<HostKeys>,
}

/// Holds the parsed templates, and which forms of documents were read back.
pub struct Renderer {
    scripts: first_boot::Scripts,
    yaml: yaml::Writer,
}

impl Renderer {
    /// Parses the templates.
    ///
    /// # Errors
    /// If a template is not well-formed, which a test of every build would have shown.
    pub fn new() -> Result<Self, RenderError> {
        Ok(Self {
            scripts: first_boot::Scripts::new()?,
            yaml: yaml::Writer::default(),
        })
    }

    /// What belongs to a cluster as a whole: what the administrator's `ssh` and `lxc` need to trust it.
    #[must_use]
    pub fn cluster(&self, cluster: &Cluster, keys: &ClusterKeys) -> Vec<File> {
        let folder = Utf8PathBuf::from(cluster.name.as_str());
        let contents = [
            write_files::known_hosts(cluster, keys),
            keys.cluster.certificate_pem.clone(),
        ];
        CLUSTER_FILES
            .into_iter()
            .zip(contents)
            .map(|(name, text)| File {
                path: folder.join(name),
                content: Content::Public(text.into_bytes()),
            })
            .collect()
    }

    /// Everything of one host, the `at`-th of its cluster.
    ///
    /// # Errors
    /// If a document does not read back as what was meant.
    pub fn host(
        &self,
        cluster: &Cluster,
        at: usize,
        keys: &ClusterKeys,
    ) -> Result<Vec<File>, RenderError> {
        let host = &cluster.hosts[at];
        let folder = Utf8PathBuf::from(cluster.name.as_str()).join(host.name.as_str());
        let named = |name: &str, result: Result<String, yaml::YamlError>| {
            result.map_err(|source| RenderError::Yaml {
                path: folder.join(name),
                source,
            })
        };
        let firstboot = self.scripts.first_boot(cluster, at)?;
        let unit = self.scripts.unit();
        let yaml = &self.yaml;
        let preseed = named(
            "lxd-preseed.yaml",
            crate::manager::lxd::preseed::preseed(
                yaml,
                cluster,
                host,
                &keys.cluster.certificate_pem,
            ),
        )?;
        let planted = write_files::planted(cluster, at, keys, &firstboot, unit, &preseed);
        let user_data = SecretBytes::new(
            named(
                "user-data",
                user_data::user_data(yaml, cluster, host, &keys.hosts[at].ssh, &planted),
            )?
            .into_bytes(),
        );
        let network_config = named(
            "network-config",
            network::network_config(yaml, &cluster.network, host),
        )?;
        let meta_data = named(
            "meta-data",
            user_data::meta_data(yaml, host, &user_data, &network_config),
        )?;
        let file = |name: &str, content| File {
            path: folder.join(name),
            content,
        };
        Ok(vec![
            file("user-data", Content::Secret(user_data)),
            file("meta-data", Content::Public(meta_data.into_bytes())),
            file(
                "network-config",
                Content::Public(network_config.into_bytes()),
            ),
            file("lxd-preseed.yaml", Content::Public(preseed.into_bytes())),
            // For a cluster that this host was declared in after it was formed: a member is told to trust it.
            file(
                "server.crt",
                Content::Public(keys.hosts[at].server.certificate_pem.clone().into_bytes()),
            ),
            file(
                "lxseed-firstboot",
                Content::Script(firstboot.text.into_bytes()),
            ),
            file(
                "lxseed-firstboot.service",
                Content::Public(unit.text.as_bytes().to_vec()),
            ),
        ])
    }
}
