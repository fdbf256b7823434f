//! `lxseed inspect`

use std::collections::HashSet;

use camino::Utf8Path;
use lxseed::installer::debian;
use lxseed::media::bundled::SNAPS;
use lxseed::media::cloud_image::{self, Planted};
use lxseed::media::install_iso::{self, Baked};
use lxseed::media::{self, SeedImage, SeedSummary, seed_image};
use lxseed::tree::{self, Author, Inspected, Manifest};
use lxseed::trust::SiteSecret;

use super::{CommandError, Outcome, keys};
use crate::cli::InspectArgs;
use crate::terminal::printer::Printer;
use crate::terminal::table::{aligned, counted};

pub(super) fn inspect(args: &InspectArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let path = &args.file;
    if path.is_dir() {
        let secret = secret_for(args, printer)?;
        return match tree::inspect(path, secret.as_ref())? {
            Some(found) => Ok(tree(path, &found, printer)),
            None => {
                // The folder of one cluster or host.
                let above = path.canonicalize_utf8().ok().and_then(|whole| {
                    let mut above = whole.ancestors().skip(1);
                    above
                        .find(|above| above.join(tree::MANIFEST).is_file())
                        .map(Utf8Path::to_owned)
                });
                let give = above.map_or_else(
                    || "give the folder that `lxseed build` wrote, or an image".to_owned(),
                    |above| format!("it is a part of {above}, which can be inspected"),
                );
                Err(CommandError::Refused(format!(
                    "{path} holds no manifest.json of lxseed: {give}"
                )))
            }
        };
    }
    if args.secret.is_given() {
        return Err(CommandError::Usage(format!(
            "a site secret tells who wrote a folder, and {path} is none: leave --secret-file and --secret-command out"
        )));
    }
    // Whatever is no ISO 9660 image at all is said below.
    if let Ok(Some(image)) = install_iso::read(path, &debian::layout()) {
        return Ok(baked_image(path, &image, printer));
    }
    match cloud_image::read(path) {
        Ok(Some(image)) => return Ok(cloud_image(path, &image, printer)),
        Ok(None) => {}
        // What is stored like a disk is nothing else.
        Err(error) if cloud_image::is_disk(path) => {
            return Err(CommandError::Refused(format!("{path}: {error}")));
        }
        Err(_) => {}
    }
    let image = media::seed_image(path).map_err(|error| CommandError::Refused(format!("{path}: {error}")))?;
    Ok(show_seed(path, &image, printer))
}

/// The secret that tells who wrote a folder. One that nobody asked for is no reason to stop if it is of no use.
fn secret_for(args: &InspectArgs, printer: &mut Printer) -> Result<Option<SiteSecret>, CommandError> {
    match keys::beside_tree(&args.secret, &args.file) {
        Ok(loaded) => Ok(loaded.map(|loaded| loaded.secret)),
        Err(error) if args.secret.is_given() => Err(error),
        Err(error) => {
            printer.note(format_args!("note: {error}"));
            Ok(None)
        }
    }
}

fn tree(path: &Utf8Path, found: &Inspected, printer: &mut Printer) -> Outcome {
    let manifest = &found.manifest;
    let hosts: usize = manifest.clusters.iter().map(|c| c.hosts.len()).sum();
    printer.line(format_args!(
        "{}: {}, {}, {}, built by lxseed {} with site secret {}",
        path,
        counted(manifest.clusters.len(), "cluster"),
        counted(hosts, "host"),
        counted(manifest.files.len(), "file"),
        manifest.version,
        manifest.secret_fingerprint,
    ));
    hosts_of(path, manifest, printer);
    for fault in &found.faults {
        let (path, fault) = fault;
        printer.note(format_args!("{} {fault}", path));
    }
    for path in &found.extra {
        printer.note(format_args!("{} was written by no build", path));
    }
    let faults = found.faults.len() + found.extra.len();
    let unproven = is_unproven(found.author, printer);
    if faults == 0 {
        printer.line(match found.author {
            Some(Author::Build) => "every file is as it was built",
            _ => "every file is as manifest.json has it",
        });
        if unproven { Outcome::Findings } else { Outcome::Done }
    } else {
        printer.note(format_args!(
            "{} of {} altered: build again",
            counted(faults, "file"),
            path
        ));
        Outcome::Findings
    }
}

/// A table of each cluster's hosts, of what their seeds say.
fn hosts_of(path: &Utf8Path, manifest: &Manifest, printer: &mut Printer) {
    let images: HashSet<&Utf8Path> = manifest
        .files
        .iter()
        .filter(|entry| entry.path.file_name() == Some(seed_image::ISO))
        .filter_map(|entry| entry.path.parent())
        .collect();
    for cluster in &manifest.clusters {
        printer.line(&cluster.name);
        let rows: Vec<[String; 5]> = cluster
            .hosts
            .iter()
            .map(|host| {
                let folder = path.join(&cluster.name).join(host);
                // What is wrong with a seed is reported below, file by file.
                let summary = media::folder_seed(&folder)
                    .and_then(|seed| seed.summary())
                    .unwrap_or_default();
                let image = images.contains(&*Utf8Path::new(&cluster.name).join(host));
                [
                    host.clone(),
                    list(&summary.addresses),
                    list(&summary.macs),
                    summary.instance_id,
                    if image {
                        seed_image::ISO.to_owned()
                    } else {
                        String::new()
                    },
                ]
            })
            .collect();
        for line in aligned(&rows) {
            printer.line(line);
        }
    }
}

/// Says what is not known of who wrote the manifest. Gives whether a secret was at hand and did not confirm it.
fn is_unproven(author: Option<Author>, printer: &mut Printer) -> bool {
    match author {
        None => {
            printer.note(
                "note: without the site secret it was not checked who wrote manifest.json: name it with --secret-file",
            );
            false
        }
        Some(Author::Build) => false,
        Some(Author::Unknown) => {
            printer.note("manifest.json is of an earlier lxseed and does not show who wrote it: build again");
            true
        }
        Some(Author::Other) => {
            printer.note(
                "manifest.json was not written by a build with this secret: build again, or name the secret that it was \
                 built with by --secret-file",
            );
            true
        }
    }
}

fn baked_image(path: &Utf8Path, image: &Baked, printer: &mut Printer) -> Outcome {
    let manifest = &image.manifest;
    printer.line(format_args!(
        "{}: install medium for {}, made by lxseed {} with site secret {}",
        path,
        counted(image.hosts.len(), "host"),
        manifest.version,
        manifest.secret_fingerprint,
    ));
    printer.line(format_args!("  {}", image.source));
    printer.line(format_args!("  boots by {}", image.boot));
    let rows: Vec<[String; 3]> = image
        .hosts
        .iter()
        .map(|[mac, cluster, host, serial]| {
            let by = if serial.is_empty() {
                mac.clone()
            } else {
                format!("serial number {serial}")
            };
            [format!("{cluster}/{host}"), "is".to_owned(), by]
        })
        .collect();
    for line in aligned(&rows) {
        printer.line(line);
    }
    let snaps = manifest.files.iter().filter_map(|entry| {
        let mut parts = entry.path.as_str().rsplit('/');
        let name = parts.next()?.strip_suffix(".snap")?;
        (parts.next() == Some(SNAPS)).then(|| format!("{} installs {name}", parts.next().unwrap_or_default()))
    });
    for snap in snaps {
        printer.line(format_args!("  {}", snap));
    }
    let mut faults: Vec<String> = image
        .faults
        .iter()
        .map(|path| format!("{} is not what was put on it", path))
        .collect();
    if !image.boot.everywhere() {
        faults.push("it does not boot everywhere: as CD and as stick, on BIOS and on UEFI".to_owned());
    }
    for fault in &faults {
        printer.note(fault);
    }
    if faults.is_empty() {
        printer.line("every file is as it was put on it");
        Outcome::Done
    } else {
        Outcome::Findings
    }
}

fn cloud_image(path: &Utf8Path, image: &Planted, printer: &mut Printer) -> Outcome {
    let manifest = &image.manifest;
    let hosts = manifest.clusters.iter().flat_map(|cluster| {
        let hosts = cluster.hosts.iter();
        hosts.map(move |host| format!("{}/{host}", cluster.name))
    });
    printer.line(format_args!(
        "{}: cloud image for {}, {}, made by lxseed {} with site secret {}",
        path,
        list(&hosts.collect::<Vec<_>>()),
        image.format,
        manifest.version,
        manifest.secret_fingerprint,
    ));
    let mut rows = vec![
        ["system".to_owned(), image.system.clone()],
        ["instance-id".to_owned(), image.summary.instance_id.clone()],
        ["boots".to_owned(), list(&image.summary.macs)],
        ["address".to_owned(), list(&image.summary.addresses)],
    ];
    rows.extend((!image.snaps.is_empty()).then(|| ["snaps".to_owned(), list(&image.snaps)]));
    for line in aligned(&rows) {
        printer.line(line);
    }
    for path in &image.faults {
        printer.note(format_args!("{} is not what was put on it", path));
    }
    if image.faults.is_empty() {
        printer.line("every file is as it was put on it");
        Outcome::Done
    } else {
        Outcome::Findings
    }
}

fn show_seed(path: &Utf8Path, image: &SeedImage, printer: &mut Printer) -> Outcome {
    let format = match image.format {
        seed_image::Format::Iso => "ISO 9660",
        seed_image::Format::Fat => "FAT",
    };
    let preparer = match image.preparer.strip_prefix("LXSEED ") {
        Some(version) => format!(", made by lxseed {}", version),
        None => String::new(),
    };
    printer.line(format_args!(
        "{}: NoCloud seed, {format} labelled {}, {} bytes{preparer}",
        path, image.label, image.size,
    ));
    let SeedSummary {
        instance_id,
        host,
        macs,
        addresses,
        script,
    } = &image.summary;
    let value = |name: &str| script.get(name).cloned().unwrap_or_default();
    let mut rows = vec![
        ["host".to_owned(), host.clone()],
        ["instance-id".to_owned(), instance_id.clone()],
        ["boots".to_owned(), list(macs)],
        ["address".to_owned(), list(addresses)],
    ];
    if !script.is_empty() {
        rows.extend([
            ["cluster".to_owned(), value("CLUSTER")],
            ["role".to_owned(), value("ROLE")],
            [
                "system".to_owned(),
                format!(
                    "Ubuntu {} {}, LXD {}",
                    value("UBUNTU"),
                    value("KERNEL"),
                    value("CHANNEL")
                ),
            ],
        ]);
    }
    let snaps = value("OFFLINE");
    if !snaps.is_empty() {
        rows.push([
            "snaps".to_owned(),
            format!(
                "{}, from /var/lib/lxseed/snaps or a medium labelled LXD-SNAPS",
                snaps.replace(' ', ", ")
            ),
        ]);
    }
    rows.extend(image.files.iter().map(|(name, size, sha256)| {
        let secret = if *name == "user-data" { ", holds keys" } else { "" };
        [(*name).to_owned(), format!("sha256 {sha256}, {size} bytes{secret}")]
    }));
    rows.extend((!image.others.is_empty()).then(|| ["also there".to_owned(), image.others.join(", ")]));
    for line in aligned(&rows) {
        printer.line(line);
    }
    if image.label != seed_image::LABEL {
        printer.note(format_args!(
            "cloud-init before 19.1 looks for the label {} in exactly this spelling: make the image anew with `lxseed image`",
            seed_image::LABEL
        ));
        return Outcome::Findings;
    }
    Outcome::Done
}

fn list(texts: &[String]) -> String {
    texts.join(", ")
}
