//! `lxseed secret`

use camino::Utf8PathBuf;
use lxseed::trust::source::{self, Origin};

use super::{CommandError, Outcome, current_folder, secret_options};
use crate::cli::SecretCommand;
use crate::terminal::printer::Printer;

pub(super) fn secret(command: SecretCommand, printer: &mut Printer) -> Result<Outcome, CommandError> {
    match command {
        SecretCommand::New { secret_file } => {
            let path = match secret_file {
                Some(path) => path,
                None => default_file()?,
            };
            let creation = source::create(&path, super::keys::today())?;
            if !matches!(creation.loaded.origin, Origin::Created(_)) {
                return Err(CommandError::Refused(format!(
                    "{path} is there already and holds site secret {}; a secret is never overwritten, since every key would be lost",
                    creation.loaded.secret.fingerprint(),
                )));
            }
            super::keys::advise_about_new_secret(&path, creation.ignored, printer);
            printer.line(creation.loaded.secret.fingerprint());
        }
        SecretCommand::Fingerprint { site, secret } => {
            let loaded = source::load(&secret_options(&secret), &site, &current_folder()?)?.ok_or_else(|| {
                CommandError::Refused("there is no site secret yet; make one with `lxseed secret new`".to_owned())
            })?;
            printer.line(loaded.secret.fingerprint());
        }
    }
    Ok(Outcome::Done)
}

/// Where a new secret goes if nobody says. A second one for the same site would be a mistake.
fn default_file() -> Result<Utf8PathBuf, CommandError> {
    let path = Utf8PathBuf::from("lxseed.secret");
    match source::above(&current_folder()?) {
        Some(found) => Err(CommandError::Refused(format!(
            "{found} is the secret of every site below it, so none is made here: for a site that shall have another, \
             name the new file with --secret-file {path}"
        ))),
        None => Ok(path),
    }
}
