//! What a verb has learnt of a living cluster, written into its cluster.yaml: surely, or by the person.

use camino::Utf8Path;
use lxseed::check::{Checked, check, check_with};
use lxseed::source::{Addition, Edited, SourceFile};

use super::CommandError;
use super::replace::replace;
use crate::terminal::printer::Printer;

/// Adds to a cluster's profile, and says so; where that cannot be done for sure, says what is to be written. `consequence` is
/// the code of an error that the addition is known to bring: the person has the next word then.
pub(super) fn add(
    site: &Utf8Path,
    cluster: &str,
    addition: &Addition<'_>,
    consequence: Option<&str>,
    printer: &mut Printer,
) {
    let now = super::now();
    let before = check(site, now);
    let Some((file, edited)) = before.with_addition(cluster, addition) else {
        return;
    };
    let why = match edited {
        Edited::There => return,
        Edited::ByHand => "where it belongs cannot be told for sure, or another value is in its place".to_owned(),
        Edited::Text(text) => match write(site, &before, file, &text, consequence) {
            Ok(()) => {
                printer.note(format_args!(
                    "note: wrote `{}` to {}: commit it",
                    addition.line(),
                    file.path
                ));
                return;
            }
            Err(error) => error.to_string(),
        },
    };
    printer.note(format_args!(
        "note: write `{}` at the top of {}, beside `name`: {why}",
        addition.line(),
        file.path
    ));
}

fn write(
    site: &Utf8Path,
    before: &Checked,
    file: &SourceFile,
    text: &str,
    consequence: Option<&str>,
) -> Result<(), CommandError> {
    // Whose file it is, and who else reads it, a link does not tell.
    if file.path.is_symlink() {
        return Err(CommandError::Refused("it is a link".to_owned()));
    }
    let after = check_with(site, &file.path, text, super::now());
    if let Some(error) = after.new_error_since(before)
        && Some(error.rule.code) != consequence
    {
        return Err(CommandError::Refused(format!(
            "{} would follow: {}",
            error.rule.code, error.message
        )));
    }
    replace(file, text, "changed")
}
