//! `lxseed bake --image`

use camino::Utf8Path;
use lxseed::media::carried::Carried;
use lxseed::media::cloud_image::{self, Format, Image, Source};
use lxseed::model::CarriedSnap;
use lxseed::report::sanitize;
use lxseed::tree::{AtomicFile, Manifest};

use super::bake::{Chosen, about, refuse_itself, secret};
use super::files::Files;
use super::{CommandError, Outcome, keys};
use crate::cli::{BakeArgs, DiskFormat};
use crate::terminal::printer::Printer;
use crate::terminal::progress::Progress;

/// One cloud image for one machine.
pub(super) fn bake_image(
    args: &BakeArgs,
    image: &Utf8Path,
    chosen: &Chosen<'_>,
    printer: &mut Printer,
) -> Result<Outcome, CommandError> {
    let (cluster, at) = match chosen {
        [(cluster, hosts)] if hosts.len() == 1 => (*cluster, hosts[0]),
        _ => {
            return Err(CommandError::Usage(
                "a cloud image is for one machine: name it with --only CLUSTER/HOST".to_owned(),
            ));
        }
    };
    let Some(output) = &args.output else {
        return Err(CommandError::Usage(
            "say which file to write with -o".to_owned(),
        ));
    };
    let refused = |error| CommandError::Refused(format!("{image}: {error}"));
    refuse_itself(args, image)?;
    let source = Source::open(image).map_err(refused)?;
    let format = match args.format {
        None => source.format,
        Some(DiskFormat::Raw) => Format::Raw,
        Some(DiskFormat::Qcow2) => Format::Qcow2,
    };
    let loaded = secret(args)?;
    let keys = keys::derive(cluster, &loaded.secret)?;
    let files = cloud_image::seed_files(&Files::new(false).host(cluster, at, &keys)?);
    let carried = Carried::snaps(cluster, cloud_image::CARRIED.into())
        .map_err(|error| CommandError::Refused(error.to_string()))?;
    let entries = carried.iter().map(|file| file.entry.clone());
    let manifest = Manifest::describe(about(chosen, &loaded.secret), &files, entries);

    let ours = |path: &Utf8Path| matches!(cloud_image::read(path), Ok(Some(_)));
    let target = AtomicFile::begin(output, ours)?;
    // Where it is packed in the end, the disk as such lies beside it for a while, without a name.
    let unpacked = match format {
        Format::Raw => None,
        Format::Qcow2 => Some(AtomicFile::begin(output, |_| true)?),
    };
    let disk = unpacked.as_ref().unwrap_or(&target);
    let needed =
        source.needs().map_err(refused)? + carried.iter().map(|file| file.entry.size).sum::<u64>();
    disk.check_space(needed * if unpacked.is_some() { 2 } else { 1 })?;
    let progress = Progress::new("copying the image");
    source.unpack(disk.file()).map_err(refused)?;
    progress.step("looking at the image");
    let planted = Image::open(disk.file()).map_err(refused)?;
    planted.check_unused().map_err(refused)?;
    progress.step("planting the seed");
    planted
        .plant(&files, &carried, &manifest)
        .map_err(refused)?;
    if unpacked.is_some() {
        progress.step("packing the image");
        cloud_image::pack(disk.file(), target.file(), format).map_err(refused)?;
    }
    progress.finish();
    drop(unpacked);
    target.commit()?;
    let host = &cluster.hosts[at];
    printer.line(&format!(
        "{} written: {}, {format}, for {}/{} and no other machine; it holds its keys",
        sanitize(output.as_str()),
        sanitize(&planted.system),
        cluster.name,
        host.name,
    ));
    if !cluster.snaps.is_empty() {
        let stems: Vec<String> = cluster.snaps.iter().map(CarriedSnap::stem).collect();
        printer.line(&format!("  it carries {}", stems.join(", ")));
    }
    Ok(Outcome::Done)
}
