//! `lxseed schema`

use clap::ValueEnum;
use lxseed::report;
use lxseed::report::schema::Kind;

use super::Outcome;
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
        "Write each into a file, and name it in the first line of the profiles it is for, again below each `---`:",
    );
    printer.line("# yaml-language-server: $schema=cluster.json");
}
