//! `lxseed bake`

use camino::Utf8Path;
use lxseed::installer::debian::{DebianError, Menu, Source};
use lxseed::installer::{self, debian};
use lxseed::media::bundled::BundledFile;
use lxseed::media::cloud_image::{self, Format, Image};
use lxseed::media::install_iso::{self, Base, Fleet, NotPut};
use lxseed::media::{MediaError, seed_image};
use lxseed::model::{BundledSnap, Cluster, Host, Kernel};
use lxseed::seed::File;
use lxseed::tree::{AtomicFile, Manifest};
use lxseed::trust::SiteSecret;
use lxseed::trust::source;

use super::accept::accept;
use super::base_image::vouched_for;
use super::files::Files;
use super::fleet::{Chosen, build_info, chosen, snaps, title};
use super::selection::Selection;
use super::{CommandError, Outcome, current_folder, keys, secret_options};
use crate::cli::{BakeArgs, DiskFormat, Finish};
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;

pub(super) fn bake(args: &BakeArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.site, super::now());
    let Some(site) = accept(checked, "; nothing was written", printer)? else {
        return Ok(Outcome::Findings);
    };
    let selection = Selection::parse(args.only.as_deref(), &site)?;
    let chosen = chosen(&site, &selection);
    match (&args.iso, &args.image) {
        (Some(iso), _) => bake_iso(args, iso, &chosen, printer)?,
        (None, Some(image)) => bake_image(args, image, &chosen, printer)?,
        (None, None) => {
            return Err(CommandError::Usage(
                "say which image to start from: --iso or --image".to_owned(),
            ));
        }
    }
    Ok(Outcome::Done)
}

/// One medium for a fleet.
fn bake_iso(args: &BakeArgs, iso: &Utf8Path, chosen: &Chosen<'_>, printer: &mut Printer) -> Result<(), CommandError> {
    check_kernel_args(&args.kernel_args)?;
    let refused = |error| CommandError::Refused(format!("{iso}: {error}"));
    refuse_itself(args, iso)?;
    let image = Source::open(iso, args.in_place).map_err(refused)?;
    let loaded = secret(args)?;
    let poweroff = args.finish == Finish::Poweroff;
    let files = files(chosen, &loaded.secret, poweroff)?;
    let bundled = snaps(chosen)?;
    let entries = bundled.iter().map(|file| file.entry.clone());
    let manifest = Manifest::describe(build_info(chosen, &loaded.secret), &files, entries);
    // One kernel for the whole medium: what only the later one drives would not be seen, and the earlier one's machines
    // run with it, too.
    let wants_hwe = chosen.iter().any(|(cluster, _)| cluster.kernel == Kernel::Hwe);
    let title = title(chosen);
    let menu = Menu {
        title: &title,
        kernel_args: &args.kernel_args,
        hwe: wants_hwe && image.hwe,
    };
    let fleet = Fleet {
        replaced: image.menus(&menu).map_err(refused)?,
        folder: debian::FOLDER,
        files: &files,
        bundled: &bundled,
        manifest: &manifest,
    };
    let target = match &args.output {
        Some(output) => {
            write_iso(args, iso, output, &image, &fleet, printer)?;
            output
        }
        None => {
            let digest = image.digest().map_err(|error| refused(error.into()))?;
            vouched_for(args, iso, image.claims, &digest, printer)?;
            change_iso(iso, &image, &fleet)?;
            iso
        }
    };
    printer.line(format_args!(
        "{target} written: {}, installs {title}; it holds their keys",
        image.info,
    ));
    list_hosts(chosen, printer);
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
    Ok(())
}

/// Writes the medium into a file of its own.
fn write_iso(
    args: &BakeArgs,
    iso: &Utf8Path,
    output: &Utf8Path,
    image: &Source,
    fleet: &Fleet<'_>,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    let refused = |error| {
        let what = format!("{output} cannot be written");
        refused_or_full(iso, error, &what, "nothing was left behind")
    };
    let base = base(image);
    let target = AtomicFile::begin(output, |path| {
        matches!(install_iso::read(path, &debian::layout()), Ok(Some(_)))
    })?;
    let (digest, session) =
        install_iso::copy_and_session(base, target.file(), target.folder(), fleet).map_err(refused)?;
    vouched_for(args, iso, image.claims, &digest, printer)?;
    session.put(base, target.file()).map_err(refused)?;
    target.commit()?;
    Ok(())
}

/// Makes the medium of the image itself.
fn change_iso(iso: &Utf8Path, image: &Source, fleet: &Fleet<'_>) -> Result<(), CommandError> {
    let base = base(image);
    let session = install_iso::session(base, image.folder(), fleet)
        .map_err(|error| CommandError::Refused(format!("{iso}: {error}")))?;
    session
        .put_in_place(base)
        .map_err(|NotPut { error, left }| refused_or_full(iso, error, &format!("{iso} cannot grow"), left.words()))
}

fn base(image: &Source) -> Base<'_> {
    Base {
        file: image.file(),
        path: image.path(),
    }
}

fn refused_or_full(iso: &Utf8Path, error: MediaError, what: &str, state: &str) -> CommandError {
    CommandError::Refused(if error.is_full_disk() {
        format!("{what}: no space is left there; {state}")
    } else {
        format!("{iso}: {error}; {state}")
    })
}

/// By what the medium finds each host, and the snaps that it installs.
fn list_hosts(chosen: &Chosen<'_>, printer: &mut Printer) {
    for (cluster, hosts) in chosen {
        for at in hosts {
            let host = &cluster.hosts[*at];
            let by = match &host.dmi_serial {
                Some(serial) => format!("serial number {serial}"),
                None => host.mac.to_string(),
            };
            let over = match &host.reinstall {
                Some(number) => format!(", over installation {number}"),
                None => String::new(),
            };
            printer.line(format_args!("  {}/{} by {by}{over}", cluster.name, host.name));
        }
    }
    for (cluster, _) in chosen {
        if !cluster.snaps.is_empty() {
            printer.line(format_args!("  {} installs {}", cluster.name, stems(cluster)));
        }
    }
}

fn stems(cluster: &Cluster) -> String {
    let stems: Vec<String> = cluster.snaps.iter().map(BundledSnap::stem).collect();
    stems.join(", ")
}

/// One cloud image for one machine.
fn bake_image(
    args: &BakeArgs,
    image: &Utf8Path,
    chosen: &Chosen<'_>,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    let (cluster, at) = match chosen {
        [(cluster, hosts)] if hosts.len() == 1 => (*cluster, hosts[0]),
        _ => {
            return Err(CommandError::Usage(
                "a cloud image is for one machine: name it with --only CLUSTER/HOST".to_owned(),
            ));
        }
    };
    let Some(output) = &args.output else {
        return Err(CommandError::Usage("say which file to write with -o".to_owned()));
    };
    let refused = |error| CommandError::Refused(format!("{image}: {error}"));
    refuse_itself(args, image)?;
    let source = cloud_image::Source::open(image).map_err(refused)?;
    let format = match args.format {
        None => source.format,
        Some(DiskFormat::Raw) => Format::Raw,
        Some(DiskFormat::Qcow2) => Format::Qcow2,
    };
    let loaded = secret(args)?;
    let keys = keys::derive(cluster, &loaded.secret)?;
    let files = cloud_image::seed_files(&Files::new(false).host(cluster, at, &keys)?);
    let bundled = BundledFile::snaps(cluster, cloud_image::BUNDLED.into())
        .map_err(|error| CommandError::Refused(error.to_string()))?;
    let entries = bundled.iter().map(|file| file.entry.clone());
    let manifest = Manifest::describe(build_info(chosen, &loaded.secret), &files, entries);

    let ours = |path: &Utf8Path| matches!(cloud_image::read(path), Ok(Some(_)));
    let target = AtomicFile::begin(output, ours)?;
    // Where it is packed in the end, the disk as such lies beside it for a while, without a name.
    let unpacked = match format {
        Format::Raw => None,
        Format::Qcow2 => Some(AtomicFile::begin(output, |_| true)?),
    };
    let disk = unpacked.as_ref().unwrap_or(&target);
    let needed = source.needs().map_err(refused)? + bundled.iter().map(|file| file.entry.size).sum::<u64>();
    disk.check_space(needed * if unpacked.is_some() { 2 } else { 1 })?;
    let progress = Progress::new("reading the image");
    let digest = source.digest().map_err(|error| refused(error.into()))?;
    // A line of its own would be drawn over.
    progress.finish();
    vouched_for(args, image, None, &digest, printer)?;
    let progress = Progress::new("copying the image");
    source.unpack(disk.file()).map_err(refused)?;
    progress.step("looking at the image");
    let planted = Image::open(disk.file()).map_err(refused)?;
    planted.check_unused().map_err(refused)?;
    progress.step("planting the seed");
    planted.plant(&files, &bundled, &manifest).map_err(refused)?;
    if unpacked.is_some() {
        progress.step("packing the image");
        cloud_image::pack(disk.file(), target.file(), format).map_err(refused)?;
    }
    progress.finish();
    drop(unpacked);
    target.commit()?;
    printer.line(format_args!(
        "{output} written: {}, {format}, for {}/{} and no other machine; it holds its keys",
        planted.system, cluster.name, cluster.hosts[at].name,
    ));
    if !cluster.snaps.is_empty() {
        printer.line(format_args!("  it carries {}", stems(cluster)));
    }
    Ok(())
}

/// The file to write must not be the one to start from: with another name it is, or with a link.
fn refuse_itself(args: &BakeArgs, source: &Utf8Path) -> Result<(), CommandError> {
    let itself = args.output.as_ref().is_some_and(
        |output| matches!((output.canonicalize(), source.canonicalize()), (Ok(one), Ok(other)) if one == other),
    );
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
fn secret(args: &BakeArgs) -> Result<source::Loaded, CommandError> {
    source::load(&secret_options(&args.secret), &args.site, &current_folder()?)?.ok_or_else(|| {
        CommandError::Refused(
            "there is no site secret yet, so these hosts have never been built: run `lxseed build` first".to_owned(),
        )
    })
}

/// Everything for the medium's folder.
fn files(chosen: &Chosen<'_>, secret: &SiteSecret, poweroff: bool) -> Result<Vec<File>, CommandError> {
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
                installer::reads(name) || seed_image::FILES.contains(&name)
            }));
        }
    }
    Ok(files)
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
