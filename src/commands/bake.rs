//! `lxseed bake`

use camino::Utf8Path;
use lxseed::installer::debian::{self, DebianError, Menu, Source};
use lxseed::media::carried::{self, Carried};
use lxseed::media::install_iso::{self, Base, Fleet};
use lxseed::media::{MediaError, seed_image};
use lxseed::model::{CarriedSnap, Cluster, Host, Kernel, Site};
use lxseed::report::sanitize;
use lxseed::seed::{File, PROGRAM};
use lxseed::tree::{AtomicFile, BuildInfo, ClusterInfo, Manifest};
use lxseed::trust::SiteSecret;
use lxseed::trust::source;

use super::build::Selection;
use super::check::{counted, show};
use super::files::Files;
use super::{CommandError, Outcome, bake_image, current_folder, keys, secret_options};
use crate::cli::{BakeArgs, Finish};
use crate::terminal::printer::Printer;

pub(super) fn bake(args: &BakeArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.site);
    if show(&checked, "; nothing was written", printer) == Outcome::Findings {
        return Ok(Outcome::Findings);
    }
    let site = checked.accept()?;
    let selection = Selection::parse(args.only.as_deref(), &site)?;
    let chosen = chosen(&site, &selection);
    match (&args.iso, &args.image) {
        (Some(iso), _) => bake_iso(args, iso, &chosen, printer),
        (None, Some(image)) => bake_image::bake_image(args, image, &chosen, printer),
        (None, None) => Err(CommandError::Usage(
            "say which image to start from: --iso or --image".to_owned(),
        )),
    }
}

/// One medium for a fleet.
fn bake_iso(
    args: &BakeArgs,
    iso: &Utf8Path,
    chosen: &Chosen<'_>,
    printer: &mut Printer,
) -> Result<Outcome, CommandError> {
    check_kernel_args(&args.kernel_args)?;
    let refused = |error| CommandError::Refused(format!("{iso}: {error}"));
    let refused_or_full = |error, what: String, state: &str| {
        if no_space(&error) {
            CommandError::Refused(format!("{what}: no space is left there; {state}"))
        } else {
            refused(error)
        }
    };
    refuse_itself(args, iso)?;
    let image = Source::open(iso, args.in_place).map_err(refused)?;
    let loaded = secret(args)?;
    let poweroff = args.finish == Finish::Poweroff;
    let files = files(chosen, &loaded.secret, poweroff)?;
    let about = about(chosen, &loaded.secret);
    let carried = snaps(chosen)?;
    let entries = carried.iter().map(|file| file.entry.clone());
    let manifest = Manifest::describe(about, &files, entries);
    // One kernel for the whole medium: what only the later one drives would not be seen, and the earlier one's machines run with it, too.
    let wants_hwe = chosen
        .iter()
        .any(|(cluster, _)| cluster.kernel == Kernel::Hwe);
    let title = title(chosen);
    let menu = Menu {
        title: &title,
        kernel_args: &args.kernel_args,
        hwe: wants_hwe && image.hwe,
    };
    let base = Base {
        file: image.file(),
        path: image.path(),
    };
    let fleet = Fleet {
        replaced: image.menus(&menu).map_err(refused)?,
        folder: debian::FOLDER,
        files: &files,
        carried: &carried,
        manifest: &manifest,
    };
    let target = match &args.output {
        Some(output) => {
            let refused = |error| {
                let what = format!("{output} cannot be written");
                refused_or_full(error, what, "nothing was left behind")
            };
            let target = AtomicFile::begin(output, |path| {
                matches!(install_iso::read(path, &debian::layout()), Ok(Some(_)))
            })?;
            let (digest, session) =
                install_iso::copy_and_session(base, target.file(), target.folder(), &fleet)
                    .map_err(refused)?;
            check_digest(args, iso, &image, &digest, printer)?;
            session.put(base, target.file()).map_err(refused)?;
            target.commit()?;
            output
        }
        None => {
            let session = install_iso::session(base, image.folder(), &fleet).map_err(refused)?;
            session.put_in_place(base).map_err(|error| {
                refused_or_full(error, format!("{iso} cannot grow"), "it is as it was")
            })?;
            iso
        }
    };
    printer.line(&format!(
        "{} written: {}, installs {}; it holds their keys",
        sanitize(target.as_str()),
        sanitize(&image.info),
        sanitize(&title),
    ));
    for (cluster, hosts) in chosen {
        for at in hosts {
            let host = &cluster.hosts[*at];
            printer.line(&format!(
                "  {}/{} by {}{}",
                cluster.name,
                host.name,
                match &host.dmi_serial {
                    Some(serial) => format!("serial number {serial}"),
                    None => host.mac.to_string(),
                },
                host.reinstall
                    .as_ref()
                    .map(|number| format!(", over installation {number}"))
                    .unwrap_or_default(),
            ));
        }
    }
    for (cluster, _) in chosen
        .iter()
        .filter(|(cluster, _)| !cluster.snaps.is_empty())
    {
        let stems: Vec<String> = cluster.snaps.iter().map(CarriedSnap::stem).collect();
        printer.line(&format!("  {} installs {}", cluster.name, stems.join(", ")));
    }
    if wants_hwe && !image.hwe {
        printer.note(
            "note: this image has no HWE kernel for the installer itself: a machine whose network card or disk controller needs one stops there",
        );
    }
    printer.note(
        "note: at boot it installs by itself after 15 seconds and ERASES the system disk of the machine it finds itself in, but no system that lxseed \
         installed",
    );
    printer.note(if poweroff {
        "note: pull it out when the machine has switched itself off"
    } else {
        "note: pull it out when the machine restarts: started from it again, it keeps its system, and waits"
    });
    Ok(Outcome::Done)
}

fn no_space(error: &MediaError) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error, MediaError::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
}

/// The file to write must not be the one to start from: with another name it is, or with a link.
pub(super) fn refuse_itself(args: &BakeArgs, source: &Utf8Path) -> Result<(), CommandError> {
    let itself = args.output.as_ref().is_some_and(|output| {
        matches!((output.canonicalize(), source.canonicalize()), (Ok(one), Ok(other)) if one == other)
    });
    if !itself {
        return Ok(());
    }
    let instead = if args.iso.is_some() {
        ", or change this one with --in-place"
    } else {
        ""
    };
    Err(CommandError::Refused(format!(
        "{source} is the image to start from: write another file{instead}"
    )))
}

/// The site secret. A medium is made of hosts that were built, so it is there.
pub(super) fn secret(args: &BakeArgs) -> Result<source::Loaded, CommandError> {
    source::load(&secret_options(&args.secret), &args.site, &current_folder()?)?.ok_or_else(|| {
        CommandError::Refused(
            "there is no site secret yet, so these hosts have never been built: run `lxseed build` first"
                .to_owned(),
        )
    })
}

/// What a medium is of, for its manifest.
pub(super) fn about(chosen: &Chosen<'_>, secret: &SiteSecret) -> BuildInfo {
    let clusters = chosen.iter().map(|(cluster, hosts)| ClusterInfo {
        name: cluster.name.to_string(),
        hosts: hosts
            .iter()
            .map(|at| cluster.hosts[*at].name.to_string())
            .collect(),
        ..ClusterInfo::default()
    });
    BuildInfo {
        program: PROGRAM.to_owned(),
        secret_fingerprint: secret.fingerprint(),
        clusters: clusters.collect(),
    }
}

/// The chosen hosts of each cluster, by their place in it.
pub(super) type Chosen<'a> = [(&'a Cluster, Vec<usize>)];

fn chosen<'a>(site: &'a Site, selection: &Selection) -> Vec<(&'a Cluster, Vec<usize>)> {
    let chosen = site.clusters.iter().map(|cluster| {
        let hosts = (0..cluster.hosts.len())
            .filter(|at| selection.takes_host(cluster, cluster.hosts[*at].name.as_str()))
            .collect::<Vec<_>>();
        (cluster, hosts)
    });
    chosen.filter(|(_, hosts)| !hosts.is_empty()).collect()
}

/// Everything for the medium's folder.
fn files(
    chosen: &Chosen<'_>,
    secret: &SiteSecret,
    poweroff: bool,
) -> Result<Vec<File>, CommandError> {
    let renderer = Files::new(false);
    let hosts = chosen
        .iter()
        .flat_map(|(cluster, hosts)| hosts.iter().map(|at| (*cluster, &cluster.hosts[*at])));
    let hosts: Vec<(&Cluster, &Host)> = hosts.collect();
    let mut files = debian::medium(hosts.into_iter(), poweroff).map_err(DebianError::from)?;
    for (cluster, hosts) in chosen {
        let keys = keys::derive(cluster, secret)?;
        for at in hosts {
            let of_host = renderer.host(cluster, *at, &keys)?;
            files.extend(of_host.into_iter().filter(|file| {
                let name = file.path.file_name().unwrap_or_default();
                name == "preseed.cfg" || seed_image::FILES.contains(&name)
            }));
        }
    }
    Ok(files)
}

/// The snaps of every cluster that asks for some.
fn snaps(chosen: &Chosen<'_>) -> Result<Vec<Carried>, CommandError> {
    let mut all = Vec::new();
    for (cluster, _) in chosen {
        let folder = Utf8Path::new(cluster.name.as_str()).join(carried::SNAPS);
        let snaps = Carried::snaps(cluster, &folder);
        all.extend(snaps.map_err(|error| CommandError::Refused(error.to_string()))?);
    }
    Ok(all)
}

/// What the boot menu calls the fleet: `lab (2 machines)`.
fn title(chosen: &Chosen<'_>) -> String {
    let machines: usize = chosen.iter().map(|(_, hosts)| hosts.len()).sum();
    let names = match chosen {
        [(cluster, hosts)] if hosts.len() == 1 => {
            return format!("{}/{}", cluster.name, cluster.hosts[hosts[0]].name);
        }
        [(cluster, _)] => cluster.name.to_string(),
        clusters => counted(clusters.len(), "cluster"),
    };
    format!("{names} ({})", counted(machines, "machine"))
}

/// They end up in two boot menus, whose languages read more into a text than words.
fn check_kernel_args(text: &str) -> Result<(), CommandError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || " -_=,.:/@+%".contains(c);
    match text.chars().find(|c| !fine(*c)) {
        Some(c) => Err(CommandError::Usage(format!(
            "--kernel-args: `{}` means something to a boot loader and cannot be passed on",
            c.escape_debug()
        ))),
        None => Ok(()),
    }
}

/// A damaged download installs half a machine. A remix of one's own is fine, once it is said.
fn check_digest(
    args: &BakeArgs,
    iso: &Utf8Path,
    image: &Source,
    digest: &str,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    match image.claims {
        Some(published) if published.sha256 == digest => {
            printer.note(&format!("note: {} is as it was published", published.name));
            Ok(())
        }
        Some(published) if !args.unpublished => Err(CommandError::Refused(format!(
            "{iso} says it is Ubuntu {}, but its SHA-256 is {digest} and {} was published with {}: download it again, or pass \
             --unpublished if it is a remix of yours; nothing was written",
            published.release, published.name, published.sha256
        ))),
        Some(published) => {
            printer.note(&format!(
                "note: {iso} is not the {} that was published, and is taken because of --unpublished; it has SHA-256 {digest}",
                published.name
            ));
            Ok(())
        }
        None => {
            printer.note(&format!(
                "note: {iso} is none of the images whose SHA-256 is known; it has {digest}"
            ));
            Ok(())
        }
    }
}
