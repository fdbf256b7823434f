//! `lxseed explain`

use lxseed::check::rules;
use lxseed::profile::did_you_mean;
use lxseed::report;

use super::{CommandError, Outcome};
use crate::cli::ExplainArgs;
use crate::terminal::printer::Printer;

pub(super) fn explain(args: &ExplainArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let rules = rules();
    let mut texts = Vec::new();
    if args.list {
        texts.push(report::rule_list());
    } else if args.reference {
        texts.push(report::rule_reference());
    }
    for wanted in &args.rules {
        let found = rules
            .iter()
            .find(|rule| rule.code.eq_ignore_ascii_case(wanted) || rule.slug == wanted.as_str());
        match found {
            Some(rule) => texts.push(report::explain(rule)),
            None => {
                let names = rules.iter().flat_map(|rule| [rule.code, rule.slug]);
                let help = did_you_mean(wanted, names).map_or_else(
                    || "`lxseed explain --list` lists them all".to_owned(),
                    |similar| format!("did you mean `{similar}`?"),
                );
                return Err(CommandError::Usage(format!(
                    "there is no rule `{wanted}`; {help}"
                )));
            }
        }
    }
    printer.styled(&format!("{}\n", texts.join("\n\n").trim_end()));
    Ok(Outcome::Done)
}
