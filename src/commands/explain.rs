//! `lxseed explain`

use lxseed::report;

use super::{CommandError, Outcome};
use crate::cli::ExplainArgs;
use crate::terminal::printer::Printer;

pub(super) fn explain(args: &ExplainArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let mut texts = Vec::new();
    if args.list {
        texts.push(report::rule_list());
    } else if args.reference {
        texts.push(report::rule_reference());
    }
    for wanted in &args.rules {
        match report::find_rule(wanted) {
            Ok(rule) => texts.push(report::explain(rule)),
            Err(similar) => {
                let help = similar.map_or_else(
                    || "`lxseed explain --list` lists them all".to_owned(),
                    |similar| format!("did you mean `{similar}`?"),
                );
                return Err(CommandError::Usage(format!("there is no rule `{wanted}`; {help}")));
            }
        }
    }
    printer.styled(&format!("{}\n", texts.join("\n\n").trim_end()));
    Ok(Outcome::Done)
}
