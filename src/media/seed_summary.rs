//! What a seed says about its machine, keys left out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::MediaError;
use super::seed_image::Seed;
use crate::encoding;
use crate::foreign;
use crate::seed::FIRSTBOOT;
use crate::trust::SecretBytes;

/// What a seed is for. Whoever made the seed chose these texts: they are not fit for a terminal as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedSummary {
    /// What cloud-init tells one build of a machine from another by.
    pub instance_id: String,
    /// The host's name.
    pub host: String,
    /// The hardware addresses that it is matched by.
    pub macs: Vec<String>,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<String>,
    /// What the first boot's script was given, if there is one of ours: `CLUSTER`, `ROLE`, `UBUNTU`, `KERNEL`,
    /// `CHANNEL`.
    pub script: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData {
    instance_id: String,
    lxseed_host: Option<String>,
    /// In seeds that others made.
    local_hostname: Option<String>,
}

#[derive(Deserialize)]
struct NetworkConfig {
    #[serde(default)]
    ethernets: BTreeMap<String, Ethernet>,
    #[serde(default)]
    bonds: BTreeMap<String, Ethernet>,
    #[serde(default)]
    vlans: BTreeMap<String, Ethernet>,
    #[serde(default)]
    bridges: BTreeMap<String, Ethernet>,
}

#[derive(Deserialize)]
struct Ethernet {
    #[serde(default, rename = "match")]
    matches: Match,
    #[serde(default)]
    addresses: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Match {
    macaddress: Option<String>,
}

#[derive(Deserialize)]
struct UserData {
    #[serde(default)]
    write_files: Vec<WriteFile>,
}

#[derive(Deserialize)]
struct WriteFile {
    path: String,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    content: String,
}

/// The largest script that is unpacked to be looked at.
const MAX_SCRIPT: u64 = 1 << 20;

impl Seed {
    /// What it is for.
    ///
    /// # Errors
    /// If its files do not read as what lxseed writes.
    pub fn summary(&self) -> Result<SeedSummary, MediaError> {
        let meta: MetaData = read(self, "meta-data")?.unwrap_or_default();
        let mut summary = SeedSummary {
            instance_id: meta.instance_id,
            host: meta.lxseed_host.or(meta.local_hostname).unwrap_or_default(),
            ..SeedSummary::default()
        };
        if let Some(network) = read::<NetworkConfig>(self, "network-config")? {
            let layers = [network.ethernets, network.bonds, network.vlans, network.bridges];
            for ethernet in layers.into_iter().flat_map(BTreeMap::into_values) {
                summary.macs.extend(ethernet.matches.macaddress);
                summary.addresses.extend(ethernet.addresses);
            }
        }
        let user_data: Option<UserData> = read(self, "user-data")?;
        let script = user_data
            .iter()
            .flat_map(|data| &data.write_files)
            .find(|file| file.path == FIRSTBOOT);
        if let Some(script) = script {
            summary.script = variables(script)?;
        }
        Ok(summary)
    }
}

/// The summary of a seed that has this text as each of its files.
pub(crate) fn summary_of(text: &[u8]) -> Result<SeedSummary, MediaError> {
    let user_data = [b"#cloud-config\n", text].concat();
    let seed = Seed::new(|name| {
        let bytes = if name == "user-data" { &user_data[..] } else { text };
        Ok(Some(SecretBytes::new(bytes.to_vec())))
    })?;
    seed.summary()
}

/// The messages of the YAML reader show what they stumbled over, which may be a key.
fn read<T: DeserializeOwned>(seed: &Seed, name: &str) -> Result<Option<T>, MediaError> {
    let Some(bytes) = seed.file(name).filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    let not_ours = || MediaError::Malformed(format!("{name} is not what lxseed writes"));
    let text = str::from_utf8(bytes).map_err(|_| not_ours())?;
    foreign::yaml(text).map(Some).map_err(|_| not_ours())
}

/// The variables at the top of the script.
fn variables(script: &WriteFile) -> Result<BTreeMap<String, String>, MediaError> {
    let damaged = || MediaError::Malformed("user-data carries a damaged lxseed-firstboot".into());
    let mut bytes = STANDARD.decode(&script.content).map_err(|_| damaged())?;
    if script.encoding.starts_with("gz") {
        bytes = encoding::gunzip(&bytes, MAX_SCRIPT).map_err(|_| damaged())?;
    }
    let text = String::from_utf8(bytes).map_err(|_| damaged())?;
    let top = text.split("\n# ---- ").next().unwrap_or_default();
    let pairs = top.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        // A list holds names alone.
        let list = value.strip_prefix('(').and_then(|v| v.strip_suffix(')'));
        let value = match list {
            Some(list) => list.replace('\'', ""),
            None => value.strip_prefix('\'')?.strip_suffix('\'')?.replace(r"'\''", "'"),
        };
        (!name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
            .then(|| (name.to_owned(), value))
    });
    Ok(pairs.collect())
}
