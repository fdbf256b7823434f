//! `lxseed image`

use std::io::Write as _;

use lxseed::media::{self, MediaError, seed_image};
use lxseed::tree::{self, AtomicFile, OutputError};

use super::{CommandError, Outcome, keys};
use crate::cli::{ImageArgs, ImageFormat};
use crate::terminal::printer::Printer;

pub(super) fn image(args: &ImageArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let refused = |error: MediaError| CommandError::Refused(format!("{}: {error}", args.seed));
    let folder = args
        .seed
        .canonicalize_utf8()
        .ok()
        .filter(|folder| folder.is_dir())
        .ok_or_else(|| {
            CommandError::Refused(format!(
                "{} is not a folder: give the folder of one host, such as out/lab/node1",
                args.seed
            ))
        })?;
    if let Some(root) = tree::root_above(&folder)? {
        let loaded = keys::beside_tree(&args.secret, root)?;
        // What was edited by hand after the build would no longer be what was checked.
        let below = folder.strip_prefix(root).unwrap_or(&folder);
        let files = seed_image::FILES.map(|name| below.join(name));
        tree::as_built(root, &files, loaded.as_ref().map(|loaded| &loaded.secret))?;
        if loaded.is_none() {
            printer.note(format_args!(
                "note: without the site secret it was not checked who wrote {}: name it with --secret-file",
                root.join(tree::MANIFEST)
            ));
        }
    }
    let found = media::folder_seed(&folder).map_err(refused)?;
    let summary = found.summary().map_err(refused)?;
    let (format, words) = match args.format {
        ImageFormat::Iso => (seed_image::Format::Iso, "ISO 9660"),
        ImageFormat::Fat => (seed_image::Format::Fat, "FAT"),
    };
    let file = AtomicFile::begin(&args.output, media::is_seed_image)?;
    let image = found.image(format).map_err(refused)?;
    file.file().write_all(image.expose()).map_err(OutputError::from)?;
    file.commit()?;
    printer.line(format_args!(
        "{} written: {words} image labelled {} for {}, {} bytes; it holds this host's keys",
        args.output,
        seed_image::LABEL,
        summary.host,
        image.expose().len(),
    ));
    Ok(Outcome::Done)
}
