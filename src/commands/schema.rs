//! `lxseed schema`

use std::fs;

use camino::Utf8Path;
use clap::ValueEnum;
use lxseed::report;
use lxseed::report::schema::Kind;

use super::{CommandError, Outcome};
use crate::cli::SchemaOf;
use crate::terminal::printer::Printer;

pub(super) fn schema(what: Option<SchemaOf>, printer: &mut Printer) -> Outcome {
    let text = match what {
        Some(SchemaOf::Cluster) => Kind::Cluster.text(),
        Some(SchemaOf::Host) => Kind::Host.text(),
        Some(SchemaOf::Disks) => Kind::Disks.text(),
        Some(SchemaOf::Report) => report::json_schema(),
        None => {
            list(printer);
            return Outcome::Done;
        }
    };
    printer.styled(&(text + "\n"));
    Outcome::Done
}

/// Writes the schemas of the profiles beside a site, and prints what an editor's settings need to find them: by a glob,
/// which holds for every document of a file.
pub(super) fn write(folder: &Utf8Path, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Refused(format!("{folder} cannot be written: {error}"));
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let mut globs = serde_json::Map::new();
    for kind in Kind::ALL {
        let path = folder.join(format!("{}.json", kind.name()));
        fs::write(&path, kind.text() + "\n").map_err(|error| failed(&error))?;
        let named = match path.is_absolute() || path.starts_with("..") {
            true => path.to_string(),
            false => format!("./{}", path.strip_prefix(".").unwrap_or(&path)),
        };
        globs.insert(named, format!("**/{}", kind.files()).into());
    }
    let settings = serde_json::json!({"yaml.schemas": globs});
    printer.note(format_args!(
        "{folder} written. In the editor's settings of this workspace (.vscode/settings.json):"
    ));
    // Serialization of plain values into memory does not fail.
    printer.styled(&(serde_json::to_string_pretty(&settings).unwrap_or_default() + "\n"));
    Ok(Outcome::Done)
}

/// Lists the schemas, and says how an editor finds one.
fn list(printer: &mut Printer) {
    for value in SchemaOf::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
    {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        printer.line(format_args!("lxseed schema {:8} {help}", value.get_name()));
    }
    printer.line("");
    printer.line(
        "`lxseed schema -o schema` writes those of the profiles, and prints the settings for an editor. Without settings, \
         name one in the first line of the profiles it is for, again below each `---`:",
    );
    printer.line("# yaml-language-server: $schema=cluster.json");
}
