//! Who says that an image to start from is what was published?

use camino::Utf8Path;
use lxseed::media::sums;
use lxseed::target::{self, Published};

use super::CommandError;
use crate::cli::BakeArgs;
use crate::terminal::printer::Printer;

/// Refuses an image that nobody vouches for: whoever could alter it on its way would own every machine made from it,
/// and a damaged download installs half a machine. `claims` is the published image that it says it is, if that is known.
///
/// What lxseed knows counts before a list that came with the image; what the user says in so many words counts most.
pub(super) fn vouched_for(
    args: &BakeArgs,
    image: &Utf8Path,
    claims: Option<Published>,
    digest: &str,
    printer: &mut Printer,
) -> Result<(), CommandError> {
    let refused = |why: String| Err(CommandError::Refused(format!("{image}: {why}; nothing was written")));
    if let Some(given) = &args.sha256 {
        if given == digest {
            printer.note(format_args!("note: {image} has the SHA-256 that was given"));
            return Ok(());
        }
        return refused(format!(
            "its SHA-256 is {digest}, and --sha256 says {given}: download it again"
        ));
    }
    let published = target::ALL
        .iter()
        .flat_map(|release| release.server_images)
        .find(|published| published.sha256 == digest);
    if let Some(published) = published {
        printer.note(format_args!("note: {} is as it was published", published.name));
        return Ok(());
    }
    if args.unpublished {
        printer.note(match claims {
            Some(published) => format!(
                "note: {image} is not the {} that was published, and is taken because of --unpublished; it has SHA-256 {digest}",
                published.name
            ),
            None => format!("note: {image} is taken because of --unpublished; it has SHA-256 {digest}"),
        });
        return Ok(());
    }
    if let Some(published) = claims {
        return Err(CommandError::Refused(format!(
            "{image} says it is Ubuntu {}, but its SHA-256 is {digest} and {} was published with {}: download it again, or pass \
             --unpublished if it is a remix of yours; nothing was written",
            published.release, published.name, published.sha256
        )));
    }
    match sums::listed(image) {
        Ok(Some((list, listed))) if listed == digest => {
            printer.note(format_args!(
                "note: {image} is as {list} says; whether that list is its publisher's is not looked at (gpg --verify SHA256SUMS.gpg SHA256SUMS)"
            ));
            Ok(())
        }
        Ok(Some((list, listed))) => refused(format!(
            "its SHA-256 is {digest}, and {list} says {listed}: download it again"
        )),
        Ok(None) => refused(format!(
            "nothing says that it is what was published: its SHA-256 is {digest}, which lxseed does not know. Lay the SHA256SUMS of \
             where it comes from beside it, pass the digest that is published there as --sha256, or pass --unpublished if the image is \
             your own"
        )),
        Err(error) => refused(error.to_string()),
    }
}
