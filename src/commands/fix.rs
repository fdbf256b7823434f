//! `lxseed check --fix`: the edits that are sure, made in the profiles.

use lxseed::check::Checked;

use super::CommandError;
use super::replace::replace;
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// Makes every sure edit, each file as a whole or not at all, and prints what was done.
pub(super) fn fix(checked: &Checked, printer: &mut Printer) -> Result<(), CommandError> {
    let mut done = 0;
    for fixed in checked.fixes() {
        replace(fixed.file, &fixed.text, "fixed")?;
        for finding in &fixed.findings {
            let place = fixed.file.place(finding.primary.span.range().start);
            printer.line(format_args!(
                "fixed {}:{}:{}: {} {}",
                fixed.file.path, place.line, place.column, finding.rule.code, finding.message
            ));
        }
        done += fixed.findings.len();
    }
    printer.line(match done {
        0 => "nothing that could be fixed for sure".to_owned(),
        _ => format!("{} fixed", counted(done, "finding")),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use camino::Utf8Path;

    use super::*;

    /// Between the check and the edit somebody saved the file: what he wrote stays, and nothing lies beside it.
    #[test]
    fn a_file_changed_meanwhile_is_not_fixed() {
        let folder = tempfile::tempdir().unwrap();
        let site = Utf8Path::from_path(folder.path()).unwrap();
        let base = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/mistakes/base/one-cluster/cluster.yaml"
        );
        let text = fs::read_to_string(base).unwrap().replace("  overlay: ", "  overlai: ");
        let path = site.join("cluster.yaml");
        fs::write(&path, &text).unwrap();
        let checked = lxseed::check::check(site, time::OffsetDateTime::UNIX_EPOCH);
        let saved = format!("{text}# saved meanwhile\n");
        fs::write(&path, &saved).unwrap();
        let refused = fix(&checked, &mut Printer::default()).unwrap_err().to_string();
        assert!(
            refused.contains("cluster.yaml was not fixed: it was changed while it was checked; check again"),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), saved);
        assert_eq!(fs::read_dir(site).unwrap().count(), 1);
        // With the file as it was, the same edit is made.
        fs::write(&path, &text).unwrap();
        fix(&checked, &mut Printer::default()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("  overlay: "));
    }
}
