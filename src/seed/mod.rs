//! From the model to bytes: pure functions that touch neither clock, file system nor environment.

mod bare;
mod digest;
mod file;
mod first_boot;
mod network;
mod packages;
pub(crate) mod user_data;
pub(crate) mod write_files;

use std::mem;

use camino::Utf8PathBuf;
use thiserror::Error;

use crate::manager::lxd;
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
#[must_use]
pub fn cluster_files(cluster: &Cluster) -> Vec<&'static str> {
    let desk = cluster.desk.map(|_| "desk.crt");
    ["known_hosts", "cluster.crt"].into_iter().chain(desk).collect()
}

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
    /// What members show that have not been given that one yet: the pair before it. No seed has it.
    pub earlier: Option<KeyPair>,
    /// What the desk speaks to members by; none with `desk: none`.
    pub desk: Option<KeyPair>,
    /// One entry per host.
    pub hosts: Vec<HostKeys>,
    /// The certificate of each spare's first keys, in PEM.
    pub spares: Vec<String>,
}

/// Holds the parsed templates.
pub struct Renderer {
    scripts: first_boot::Scripts,
}

impl Renderer {
    /// Parses the templates.
    ///
    /// # Errors
    /// If a template is not well-formed, which a test of every build would have shown.
    pub fn new() -> Result<Self, RenderError> {
        Ok(Self {
            scripts: first_boot::Scripts::new()?,
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
        let desk = keys.desk.iter().map(|desk| desk.certificate_pem.clone());
        let contents = contents.into_iter().chain(desk);
        cluster_files(cluster)
            .into_iter()
            .zip(contents)
            .map(|(name, text)| File {
                path: folder.join(name),
                content: Content::Public(text.into_bytes()),
            })
            .collect()
    }

    /// Everything of one host, the `at`-th of its cluster, in the order of [`HOST_FILES`].
    ///
    /// # Errors
    /// If a document does not read back as what was meant.
    pub fn host(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<Vec<File>, RenderError> {
        let folder = folder(cluster, at);
        let mut contents = self.contents(cluster, at, keys)?;
        let files = HOST_FILES.iter().map(|(name, content)| File {
            path: folder.join(name),
            content: content(&mut contents),
        });
        Ok(files.collect())
    }

    /// What cloud-init calls the instance that the seed of the `at`-th host makes: another seed, another instance.
    ///
    /// # Errors
    /// As of [`Renderer::host`].
    pub fn instance_id(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<String, RenderError> {
        Ok(self.contents(cluster, at, keys)?.instance_id)
    }

    fn contents(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<Contents, RenderError> {
        self.make(cluster, at, keys).map_err(|error| match error {
            ContentError::Yaml(name, source) => RenderError::Yaml {
                path: folder(cluster, at).join(name),
                source,
            },
            ContentError::Shell(error) => error.into(),
        })
    }

    fn make(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<Contents, ContentError> {
        let (host, own) = (&cluster.hosts[at], &keys.hosts[at]);
        let named = |name| move |source| ContentError::Yaml(name, source);
        let first_boot = self.scripts.first_boot(cluster, at)?;
        let unit = self.scripts.unit();
        let certificate = &keys.cluster.certificate_pem;
        let lxd_preseed = lxd::preseed::preseed(cluster, host, certificate).map_err(named("lxd-preseed.yaml"))?;
        let written = write_files::write_files(cluster, at, keys, &first_boot, unit, &lxd_preseed);
        let user_data = user_data::user_data(cluster, host, &own.ssh, self.scripts.bootcmd(), &written)
            .map_err(named("user-data"))?;
        let user_data = SecretBytes::new(user_data.into_bytes());
        let network_config = network::network_config(&cluster.network, host).map_err(named("network-config"))?;
        let instance_id = user_data::instance_id(host, &user_data, &network_config);
        let meta_data = user_data::meta_data(host, &instance_id).map_err(named("meta-data"))?;
        Ok(Contents {
            instance_id,
            user_data,
            meta_data,
            network_config,
            lxd_preseed,
            server_crt: own.server.certificate_pem.clone(),
            first_boot: first_boot.text,
            unit: unit.text.clone(),
        })
    }
}

/// Where the files of a host lie.
fn folder(cluster: &Cluster, at: usize) -> Utf8PathBuf {
    Utf8PathBuf::from(cluster.name.as_str()).join(cluster.hosts[at].name.as_str())
}

/// What the files of a host hold.
struct Contents {
    instance_id: String,
    user_data: SecretBytes,
    meta_data: String,
    network_config: String,
    lxd_preseed: String,
    server_crt: String,
    first_boot: String,
    unit: String,
}

/// Which file could not be made, and why.
enum ContentError {
    Yaml(&'static str, yaml::YamlError),
    Shell(ShellError),
}

impl From<ShellError> for ContentError {
    fn from(error: ShellError) -> Self {
        Self::Shell(error)
    }
}

/// Takes the content of one file.
type Take = fn(&mut Contents) -> Content;

/// Every file that is made of a host, but for what its installer needs: its name, and what takes its content. A file
/// that is to come out of a build is named here and made in [`Renderer::make`]; what cloud-init writes on the
/// machine is in `write_files`.
const HOST_FILES: &[(&str, Take)] = &[
    ("user-data", |made| {
        Content::Secret(mem::replace(&mut made.user_data, SecretBytes::new(Vec::new())))
    }),
    ("meta-data", |made| public(&mut made.meta_data)),
    ("network-config", |made| public(&mut made.network_config)),
    ("lxd-preseed.yaml", |made| public(&mut made.lxd_preseed)),
    // For a cluster that this host was declared in after it was formed: a member is told to trust it.
    ("server.crt", |made| public(&mut made.server_crt)),
    ("lxseed-firstboot", |made| {
        Content::Script(mem::take(&mut made.first_boot).into_bytes())
    }),
    ("lxseed-firstboot.service", |made| public(&mut made.unit)),
];

fn public(text: &mut String) -> Content {
    Content::Public(mem::take(text).into_bytes())
}
