//! Profiles that passed every rule, turned into the model.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::rules::release::kernel;
use super::rules::{cloud_config, offline};
use super::view::{ClusterView, HostView, SiteView, volume_slots};
use super::wiring::{first_card, wiring};
use crate::model::{
    Admin, ClientCertificate, CloudConfig, Cluster, ClusterParts, Disk, Host, HostParts, Keyboard, ModelError, Network,
    Overlay, Pool, Retired, Services, Site, System, Volume, VolumeKind, When,
};
use crate::profile::{self, ClusterNetwork, Desk, Spanned, TrustFor, entries};
use crate::target::Release;
use crate::target::lxd::Channel;
use crate::trust;

/// A part that every site without errors has.
trait Present<T> {
    fn present(&self, what: &str) -> Result<&T, ModelError>;
}

impl<T> Present<T> for Option<Spanned<T>> {
    fn present(&self, what: &str) -> Result<&T, ModelError> {
        self.as_ref()
            .map(|found| &found.value)
            .ok_or_else(|| ModelError(format!("{what} is missing")))
    }
}

fn parsed<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T, ModelError> {
    text.parse().map_err(|why| ModelError(format!("{text}: {why}")))
}

pub(super) fn accept(site: &SiteView<'_>) -> Result<Site, ModelError> {
    let mut clusters = site
        .clusters
        .par_iter()
        .map(|view| cluster(site, view))
        .collect::<Result<Vec<_>, _>>()?;
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Site { clusters })
}

fn cluster(site: &SiteView<'_>, view: &ClusterView<'_>) -> Result<Cluster, ModelError> {
    let profile = view
        .profile()
        .ok_or_else(|| ModelError("cluster.yaml is missing".to_owned()))?;
    let network = profile.network.present("network")?;
    let ubuntu: &'static Release = parsed(profile.ubuntu.present("ubuntu")?)?;
    let channel = match profile.lxd.as_ref().and_then(|lxd| lxd.value.channel.as_ref()) {
        Some(channel) => parsed(&channel.value)?,
        None => Channel::default_of(ubuntu),
    };
    let pools = profile.pools.present("pools")?.iter().map(|(name, pool)| {
        Ok(Pool {
            name: name.value.clone(),
            driver: *pool.value.driver.present("driver")?,
            volume: pool
                .value
                .volume
                .as_ref()
                .map_or(&name.value, |volume| &volume.value)
                .clone(),
        })
    });
    let bootstrap = profile.bootstrap.present("bootstrap")?;
    let admin = profile.admin.present("admin")?;
    let certificates = entries(admin.lxd_certificates.as_ref()).iter();
    Cluster::new(ClusterParts {
        name: parsed(profile.name.present("name")?)?,
        ubuntu,
        kernel: kernel(profile),
        channel,
        snaps: offline::bundled(site, view),
        bootstrap: parsed(bootstrap.host.present("bootstrap.host")?)?,
        alone: bootstrap.is_alone().is_some(),
        network: Network {
            subnet: *network.subnet.present("subnet")?,
            gateway: *network.gateway.present("gateway")?,
            nameservers: values(network.nameservers.as_ref()),
            search: values(network.search.as_ref()),
            overlay: match (&network.overlay, &network.bridge) {
                (Some(overlay), _) => overlay.value,
                (None, None) => Overlay::Fan,
                // Instances are in the hosts' own network.
                (None, Some(_)) => Overlay::None,
            },
        },
        pools: pools.collect::<Result<_, ModelError>>()?,
        admin: Admin {
            user: admin.user.present("user")?.clone(),
            ssh_authorized_keys: values(admin.ssh_authorized_keys.as_ref()),
            password_hash: admin.password_hash.as_ref().map(|hash| hash.value.clone()),
            lxd_certificates: certificates
                .map(|(name, pem)| {
                    let certificate = trust::ClientCertificate::parse(&pem.value)
                        .map_err(|why| ModelError(format!("{}: {why}", name.value)))?;
                    Ok(ClientCertificate {
                        name: name.value.clone(),
                        pem: certificate.pem(),
                    })
                })
                .collect::<Result<_, ModelError>>()?,
        },
        services: services(profile),
        desk: match profile.desk.as_ref().map(|desk| &desk.value) {
            Some(Desk::None) => None,
            Some(Desk::Key {
                generation: Some(generation),
            }) => Some(generation.value),
            Some(Desk::Key { generation: None }) | None => Some(1),
        },
        generation: profile.generation.as_ref().map_or(1, |generation| generation.value),
        formed: profile.formed.as_ref().map(|number| number.value.clone()),
        spares: values(profile.spares.as_ref())
            .iter()
            .map(|name| parsed(name))
            .collect::<Result<_, _>>()?,
        trust_for: TrustFor::days(profile.trust_for.as_ref().map(|days| days.value)),
        retired: entries(profile.retired.as_ref())
            .iter()
            .map(|(name, fingerprints)| {
                Ok(Retired {
                    name: parsed(&name.value)?,
                    fingerprints: values(Some(fingerprints)),
                })
            })
            .collect::<Result<_, ModelError>>()?,
        hosts: {
            // Many hosts have the same file.
            let mut files = Files::default();
            let hosts = view.hosts.iter();
            hosts
                .map(|one| host(one, profile, network, system(site, view, one, &mut files)))
                .collect::<Result<_, _>>()?
        },
    })
}

fn services(profile: &profile::Cluster) -> Services {
    let keyboard = profile.keyboard.as_ref().map(|keyboard| &keyboard.value);
    let sources = profile.ntp.iter().flat_map(|ntp| ntp.value.sources());
    Services {
        timezone: profile.timezone.as_ref().map(|zone| zone.value.clone()),
        locale: profile.locale.as_ref().map(|locale| locale.value.clone()),
        keyboard: keyboard.and_then(|keyboard| {
            Some(Keyboard {
                layout: keyboard.layout.as_ref()?.value.clone(),
                variant: keyboard
                    .variant
                    .as_ref()
                    .map_or_else(String::new, |variant| variant.value.clone()),
            })
        }),
        ntp: sources.map(|source| source.value.clone()).collect(),
        proxy: profile.proxy.as_ref().map(|proxy| proxy.value.accepted()),
        apt: profile.apt.as_ref().map(|apt| apt.value.accepted()),
    }
}

/// Files of `cloud_config` that were taken, by name, and when their commands run.
type Files = HashMap<(String, Option<When>), Option<Arc<CloudConfig>>>;

fn system(site: &SiteView<'_>, cluster: &ClusterView<'_>, host: &HostView<'_>, files: &mut Files) -> System {
    let config = host.host().cloud_config.as_ref();
    let taken = config.map(|config| {
        let file = config
            .value
            .file
            .as_ref()
            .map_or_else(String::new, |file| file.value.clone());
        let when = config.value.runcmd.as_ref().map(|when| when.value);
        let take = || cloud_config::taken(cluster, &config.value, site.sources);
        files.entry((file, when)).or_insert_with(take).clone()
    });
    System {
        cloud_config: taken.flatten(),
        sysctl: entries(host.host().sysctl.as_ref())
            .iter()
            .map(|(name, setting)| (name.value.clone(), setting.value.0.clone()))
            .collect(),
    }
}

fn values<T: Clone>(list: Option<&Spanned<Vec<Spanned<T>>>>) -> Vec<T> {
    list.into_iter()
        .flat_map(|list| &list.value)
        .map(|item| item.value.clone())
        .collect()
}

fn host(
    view: &HostView<'_>,
    cluster: &profile::Cluster,
    common: &ClusterNetwork,
    system: System,
) -> Result<Host, ModelError> {
    let profile = view.host();
    let network = profile.network.present("network")?;
    let disks = view
        .disks
        .ok_or_else(|| ModelError(format!("{} has no disks profile", view.label())))?;
    let os_slot = disks.value.os.present("os")?.slot.present("os.slot")?.clone();
    let volumes: Vec<Volume> = view
        .volumes()
        .map(|(name, volume)| Volume {
            name: name.value.clone(),
            kind: match (&volume.value.mirror, &volume.value.zfs_mirror) {
                (Some(_), _) => VolumeKind::Mirror,
                (None, Some(_)) => VolumeKind::ZfsMirror,
                (None, None) => VolumeKind::Device,
            },
            slots: volume_slots(&volume.value).map(|slot| slot.value.clone()).collect(),
        })
        .collect();
    let used = |slot: &str| {
        slot == os_slot
            || volumes
                .iter()
                .any(|volume| volume.slots.iter().any(|used| used == slot))
    };
    // A disks profile may describe bays that this model of machine has and nothing uses.
    let disks = view.slots.iter().filter(|(name, _)| used(name)).map(|(name, slot)| {
        let (by, value) = slot
            .ways
            .first()
            .ok_or_else(|| ModelError(format!("slot {name} cannot be found")))?;
        Ok(Disk {
            slot: (*name).to_owned(),
            by: *by,
            value: value.value.clone(),
            min_size: slot.min_size.map(|size| size.value),
            max_size: slot.max_size.map(|size| size.value),
            wipe: slot.wipe.map(|serial| serial.value.clone()),
        })
    });
    let wiring = wiring(cluster, common, network)?;
    Host::new(HostParts {
        name: parsed(profile.name.present("name")?)?,
        generation: profile.generation.as_ref().map_or(1, |generation| generation.value),
        reinstall: profile.reinstall.as_ref().map(|number| number.value.clone()),
        dmi_serial: profile.dmi_serial.as_ref().map(|serial| serial.value.clone()),
        mac: first_card(&wiring, network)?,
        address: *network.address.present("address")?,
        wiring,
        disks: disks.collect::<Result<_, ModelError>>()?,
        os_slot,
        volumes,
        system,
    })
}
