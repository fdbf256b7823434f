//! The site secret of a run, and what is derived from it.

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::{Cluster, Host};
use lxseed::seed::{ClusterKeys, HostKeys};
use lxseed::tree::ExistingTree;
use lxseed::trust::source::{self, Loaded, Origin, SecretOptions};
use lxseed::trust::{KeyPair, SiteSecret};
use rayon::prelude::*;

use super::{CommandError, current_folder, secret_options};
use crate::cli::SecretArgs;
use crate::terminal::printer::Printer;

/// Of spares, which are not declared yet, so that no profile gives them another one.
const FIRST_GENERATION: u32 = 1;

/// All keys of a cluster: the bootstrap host's files name every member's certificate.
///
/// # Errors
/// If a host would have a certificate that is retired.
pub(super) fn derive(cluster: &Cluster, secret: &SiteSecret) -> Result<ClusterKeys, CommandError> {
    let name = cluster.name.as_str();
    let hosts: Vec<HostKeys> = cluster
        .hosts
        .par_iter()
        .map(|host| of_host(cluster, host, secret, host.generation))
        .collect::<Result<_, CommandError>>()?;
    for (host, keys) in cluster.hosts.iter().zip(&hosts) {
        refuse_retired(cluster, host, &keys.server.fingerprint)?;
    }
    let spares = cluster.spares.par_iter().map(|spare| {
        let pair = secret.lxd_server(name, spare.as_str(), FIRST_GENERATION)?;
        Ok(pair.certificate_pem)
    });
    Ok(ClusterKeys {
        spares: spares.collect::<Result<_, CommandError>>()?,
        cluster: secret.lxd_cluster(name, cluster.generation)?,
        earlier: match cluster.generation {
            0 | 1 => None,
            generation => Some(secret.lxd_cluster(name, generation - 1)?),
        },
        desk: cluster
            .desk
            .map(|generation| secret.lxd_desk(name, generation))
            .transpose()?,
        hosts,
    })
}

fn of_host(cluster: &Cluster, host: &Host, secret: &SiteSecret, generation: u32) -> Result<HostKeys, CommandError> {
    let (cluster, host) = (cluster.name.as_str(), host.name.as_str());
    Ok(HostKeys {
        server: secret.lxd_server(cluster, host, generation)?,
        ssh: secret.ssh_host_key(cluster, host, generation)?,
    })
}

/// The keys that a host's machine may have instead of its declared ones, the likeliest first: of the generations before, of the one after
/// where the profile was put back, and of another secret that the machines still have keys of.
pub(super) fn other_keys_of(
    cluster: &Cluster,
    host: &Host,
    secret: &SiteSecret,
    old: Option<&SiteSecret>,
) -> Result<Vec<HostKeys>, CommandError> {
    let declared = host.generation;
    let before = |last: u32| (1..=last).rev().take(EARLIER_GENERATIONS);
    let of_old = old.map(|old| before(declared).map(move |generation| (old, generation)));
    let own = before(declared.saturating_sub(1)).chain([declared.saturating_add(1)]);
    let all = of_old
        .into_iter()
        .flatten()
        .chain(own.map(|generation| (secret, generation)));
    all.map(|(secret, generation)| of_host(cluster, host, secret, generation))
        .collect()
}

/// All keys of a cluster whose machines have those of another secret: the cluster's pair and the desk's are the new ones, and what a
/// machine shows and takes as its own is of the old one.
pub(super) fn derive_beside(
    cluster: &Cluster,
    secret: &SiteSecret,
    old: &SiteSecret,
) -> Result<ClusterKeys, CommandError> {
    let new = derive(cluster, secret)?;
    let old = derive(cluster, old)?;
    Ok(ClusterKeys {
        earlier: Some(old.cluster),
        hosts: old.hosts,
        ..new
    })
}

/// The certificates by which the desk may have been let in before the declared one, the latest first: of lower generations, or of
/// another secret that the machines still have keys of.
pub(super) fn earlier_desks(
    cluster: &Cluster,
    secret: &SiteSecret,
    old: Option<&SiteSecret>,
) -> Result<Vec<KeyPair>, CommandError> {
    let declared = cluster.desk.unwrap_or_default();
    let (secret, last) = match old {
        Some(old) => (old, declared),
        None => (secret, declared.saturating_sub(1)),
    };
    let generations = (1..=last).rev().take(EARLIER_GENERATIONS);
    generations
        .map(|generation| Ok(secret.lxd_desk(cluster.name.as_str(), generation)?))
        .collect()
}

/// How many earlier keys are tried: each is a look at all hosts.
const EARLIER_GENERATIONS: usize = 8;

/// Refuses a host whose keys were taken out of the cluster's trust for good. Which generation they were of, the profiles do
/// not tell.
fn refuse_retired(cluster: &Cluster, host: &Host, fingerprint: &str) -> Result<(), CommandError> {
    let Some(retired) = cluster.retired_as(fingerprint) else {
        return Ok(());
    };
    let next = host.generation.saturating_add(1);
    Err(CommandError::Refused(format!(
        "{}/{}: its certificate {fingerprint} is retired (`retired: {{{retired}: …}}` in cluster.yaml), so no member would ever let it in: \
         write `generation: {next}` on the host",
        cluster.name, host.name,
    )))
}

/// The site secret, if there is one. What was built with another one must not be taken for never built.
pub(super) fn existing(
    args: &SecretArgs,
    site: &Utf8Path,
    output: &Utf8Path,
    tree: &ExistingTree,
) -> Result<Option<Loaded>, CommandError> {
    let folder = current_folder()?;
    if let Some(loaded) = source::load(&secret_options(args), site, &folder)? {
        return Ok(Some(loaded));
    }
    let Some(previous) = tree.manifest() else {
        return Ok(None);
    };
    let path = source::default_location(site, &folder)?;
    Err(CommandError::Refused(format!(
        "{output} was built with site secret {}, which is not at {path} any more: put it back or name it with --secret-file; to start over \
         with new keys for every host, remove {output} first",
        previous.secret_fingerprint,
    )))
}

/// The site secret of machines that live: the one they were built with, and never a new one.
pub(super) fn of_living(args: &SecretArgs, site: &Utf8Path) -> Result<SiteSecret, CommandError> {
    let folder = current_folder()?;
    if let Some(loaded) = source::load(&secret_options(args), site, &folder)? {
        return Ok(loaded.secret);
    }
    let path = source::default_location(site, &folder)?;
    Err(CommandError::Refused(format!(
        "there is no site secret at {path}: the machines can be asked with the one alone that they were built with; put it there, or name it \
         with --secret-file"
    )))
}

/// Where the site secret of machines that live lies, or would, and where it came from if that is no file.
pub(super) fn file(args: &SecretArgs, site: &Utf8Path) -> Result<(Utf8PathBuf, Option<Origin>), CommandError> {
    let folder = current_folder()?;
    let loaded = source::load(&secret_options(args), site, &folder)?;
    match loaded.map(|loaded| loaded.origin) {
        Some(Origin::File(path) | Origin::Created(path)) => Ok((path, None)),
        other => Ok((source::default_location(site, &folder)?, other)),
    }
}

/// The site secret that the machines still have keys of, where the site has another one by now.
pub(super) fn old(file: &Utf8Path, site: &Utf8Path, secret: &SiteSecret) -> Result<SiteSecret, CommandError> {
    let options = SecretOptions {
        file: Some(file.to_owned()),
        ..SecretOptions::default()
    };
    let Some(loaded) = source::load(&options, site, &current_folder()?)? else {
        return Err(CommandError::Refused(format!("there is no site secret at {file}")));
    };
    if loaded.secret.fingerprint() == secret.fingerprint() {
        return Err(CommandError::Refused(format!(
            "{file} is the site's secret itself: make a new one first (`lxseed rotate all` tells how)"
        )));
    }
    Ok(loaded.secret)
}

/// The site secret to judge a finished tree by, if there is one: by default it is looked for above the tree, as it is
/// above the profiles.
pub(super) fn beside_tree(args: &SecretArgs, root: &Utf8Path) -> Result<Option<Loaded>, CommandError> {
    Ok(source::load(&secret_options(args), root, &current_folder()?)?)
}

/// The site secret; made if there is none and nothing has been built with another one.
pub(super) fn existing_or_new(
    args: &SecretArgs,
    site: &Utf8Path,
    output: &Utf8Path,
    tree: &ExistingTree,
    printer: &mut Printer,
) -> Result<Loaded, CommandError> {
    if let Some(loaded) = existing(args, site, output, tree)? {
        if let Some(previous) = tree.manifest()
            && previous.secret_fingerprint != loaded.secret.fingerprint()
        {
            printer.note(format_args!(
                "note: {output} was built with site secret {}; with {} every host has new keys",
                previous.secret_fingerprint,
                loaded.secret.fingerprint(),
            ));
        }
        return Ok(loaded);
    }
    let path = source::default_location(site, &current_folder()?)?;
    let creation = source::create(&path, today())?;
    if matches!(creation.loaded.origin, Origin::Created(_)) {
        advise_about_new_secret(&path, creation.ignored, printer);
    }
    Ok(creation.loaded)
}

/// What is built takes the clock for the creation date of a new secret alone; every later build takes it from the secret.
pub(super) fn today() -> time::Date {
    super::now().date()
}

pub(super) fn advise_about_new_secret(path: &Utf8Path, ignored: Option<bool>, printer: &mut Printer) {
    printer.note(format_args!(
        "note: made the site secret {path}. Every key is derived from it: back it up, keep it private."
    ));
    if ignored == Some(false) {
        printer.note(format_args!(
            "note: git does not ignore it yet: add `{}` to .gitignore",
            path.file_name().unwrap_or(path.as_str())
        ));
    }
}
