//! One file per verb, and what several verbs share: `accept`, `addition`, `base_image`, `files`, `fleet`, `keys`, `living`, `reach`, `replace`, `selection`, `staleness`.

mod accept;
mod addition;
mod admit;
mod apply;
mod bake;
mod base_image;
mod bring_back;
mod build;
mod build_check;
mod check;
mod diff;
mod explain;
mod files;
mod fix;
mod fleet;
mod image;
mod inspect;
mod keys;
mod living;
mod reach;
mod replace;
mod rescue;
mod retire;
mod rotate;
mod rotate_host;
mod schema;
mod secret;
mod selection;
mod show;
mod site;
mod staleness;
mod status;
mod threads;
mod upgrade;
mod verify;

use thiserror::Error;

use crate::cli::{Cli, Command, SecretArgs, SecretCommand};
use crate::terminal::printer::Printer;
use crate::terminal::signals;
use lxseed::cluster::{ApplyError, AskError, Refusal, SshError, UpgradeError};
use lxseed::installer::debian::DebianError;
use lxseed::media::MediaError;
use lxseed::model::ModelError;
use lxseed::seed::RenderError;
use lxseed::tree::OutputError;
use lxseed::trust::source::SecretOptions;
use lxseed::trust::{SecretError, TrustError};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// The profiles have errors, which have been shown.
    Findings,
    /// The existing tree is not what a build would write, or the machines are not as declared.
    OutOfDate,
    /// No machine answered.
    NobodyAnswers,
}

/// Why a run could not go on.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Installer(#[from] DebianError),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Ssh(#[from] SshError),
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error(transparent)]
    Unwanted(#[from] Refusal),
    #[error("cannot write the host keys that ssh shall believe: {0}")]
    HostKeys(std::io::Error),
    #[error("cannot tell the current folder: {0}")]
    CurrentFolder(std::io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
}

impl CommandError {
    /// What it is about, a line for each.
    pub(crate) fn details(&self) -> &[String] {
        match self {
            Self::Unwanted(refusal) => &refusal.records,
            _ => &[],
        }
    }

    /// Whether the command line itself was wrong.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}

/// The one look at the clock.
fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}

pub(crate) fn run(cli: Cli, printer: &mut Printer) -> Result<Outcome, CommandError> {
    threads::start(cli.jobs)?;
    // Whatever these make holds keys.
    if matches!(
        cli.command,
        Command::Bake(_) | Command::Build(_) | Command::Image(_) | Command::Secret(SecretCommand::New { .. })
    ) {
        signals::watch();
    }
    match cli.command {
        Command::Check(args) => check::check(&args, printer),
        Command::Explain(args) => explain::explain(&args, printer),
        Command::Show(args) => show::show(&args, printer),
        Command::Build(args) => build::build(&args, printer),
        Command::Diff(args) => diff::diff(&args, printer),
        Command::Bake(args) => bake::bake(&args, printer),
        Command::Image(args) => image::image(&args, printer),
        Command::Inspect(args) => inspect::inspect(&args, printer),
        Command::Status(args) => status::status(&args, printer),
        Command::Verify(args) => verify::verify(&args, printer),
        Command::Admit(args) => admit::admit(&args, printer),
        Command::Return(args) => bring_back::bring_back(&args, printer),
        Command::Retire(args) => retire::retire(&args, printer),
        Command::Rescue(args) => rescue::rescue(&args, printer),
        Command::Plan(args) => apply::plan(&args, printer),
        Command::Apply(args) => apply::apply(&args, printer),
        Command::Upgrade(args) => upgrade::upgrade(&args, printer),
        Command::Rotate(command) => rotate::rotate(&command, printer),
        Command::Secret(command) => secret::secret(command, printer),
        Command::Schema {
            output: Some(folder), ..
        } => schema::write(&folder, printer),
        Command::Schema { what, .. } => Ok(schema::schema(what, printer)),
    }
}

fn secret_options(args: &SecretArgs) -> SecretOptions {
    SecretOptions {
        file: args.secret_file.clone(),
        command: args.secret_command.clone(),
        variable: std::env::var("LXSEED_SECRET").ok(),
    }
}

fn current_folder() -> Result<camino::Utf8PathBuf, CommandError> {
    let folder = std::env::current_dir().map_err(CommandError::CurrentFolder)?;
    camino::Utf8PathBuf::from_path_buf(folder)
        .map_err(|path| CommandError::Refused(format!("the current folder's name is not UTF-8: {}", path.display())))
}
