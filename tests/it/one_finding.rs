//! One cause, one finding: what was not read whole feeds no other rule.
//!
//! Good sites are changed at every key in every way a hand slips, as in [`crate::mutants`]. Where a mutant is no
//! profile any more (`S…`, `P…`), that is all there is to say of it: whatever a rule of meaning would add follows from
//! what could not be read.

use std::collections::HashSet;

use camino::Utf8Path;
use lxseed::check::{Checked, check_files};
use lxseed::finding::Finding;
use lxseed::source::Content;
use rayon::prelude::*;

use crate::mutants::mutate;
use crate::mutants::tree::{self, Site, Style};
use crate::support::NOW;

/// Sites that have nearly every key. With `LXSEED_MUTANTS=all` some more are looked at.
const SITES: &[&str] = &["profiles/lab", "profiles/rack"];
const MORE_SITES: &[&str] = &[
    "tests/good/client-certificates",
    "tests/good/two-models-of-machines-allowed",
    "tests/good/wipe",
];

/// What is done to them. With `LXSEED_MUTANTS=all` it is everything, which takes a minute.
const SLIPS: &[&str] = &[
    "key misspelt",
    "key of another name",
    "as nothing",
    "as text",
    "as an empty mapping",
    "in a mapping",
];

fn check(site: &Site) -> Checked {
    let files = site.iter().map(|file| {
        let (text, _) = tree::write(file, Style::Block);
        (
            Utf8Path::new("site").join(&file.path),
            Content::Bytes(text.into_bytes()),
        )
    });
    check_files(Utf8Path::new("site"), files.collect(), NOW)
}

fn is_of_shape(finding: &Finding) -> bool {
    finding.rule.code.starts_with(['S', 'P'])
}

/// Whether no rule reports one place twice.
fn has_a_place_each(checked: &Checked) -> bool {
    let mut places = HashSet::new();
    let mut findings = checked.findings().iter();
    findings.all(|finding| places.insert((finding.rule.code, finding.primary.span)))
}

fn shown(checked: &Checked) -> String {
    let lines = checked.findings().iter().map(|finding| {
        let file = checked.sources().file(finding.primary.span.file);
        let line = file.place(finding.primary.span.used().start as usize).line;
        format!(
            "   {} {}:{line}: {} ({})\n",
            finding.rule.code, file.path, finding.message, finding.help
        )
    });
    lines.collect()
}

#[test]
fn what_is_no_profile_is_reported_once() {
    let mut looked_at = 0;
    let mut more = Vec::new();
    let all = std::env::var_os("LXSEED_MUTANTS").is_some_and(|which| which == "all");
    let more_sites = MORE_SITES.iter().filter(|_| all);
    for site in SITES.iter().chain(more_sites) {
        let original = tree::read(&Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(site));
        assert_eq!(check(&original).findings().len(), 0, "{site}");
        let mut mutants = Vec::new();
        mutate::each(&original, |mutant| {
            let what = mutant.what.as_str();
            // What comes from somewhere else is there twice, or leaves something else without.
            let is_one_mistake = !what.starts_with("copy") && !what.starts_with("swap");
            let is_chosen = SLIPS.iter().any(|slip| what.starts_with(slip)) && !what.contains("rack-b");
            if is_one_mistake && (all || is_chosen) {
                mutants.push(mutant);
            }
        });
        let reports: Vec<Option<String>> = mutants
            .par_iter()
            .map(|mutant| {
                let checked = check(&mutant.site);
                if !has_a_place_each(&checked) {
                    return Some(format!(
                        "-- {} ({site}), one place twice:\n{}",
                        mutant.what,
                        shown(&checked)
                    ));
                }
                let of_shape = checked.findings().iter().filter(|finding| is_of_shape(finding)).count();
                (of_shape > 0).then(|| {
                    let consequences = checked.findings().len() > of_shape;
                    if consequences || of_shape > 1 {
                        format!("-- {} ({site}):\n{}", mutant.what, shown(&checked))
                    } else {
                        String::new()
                    }
                })
            })
            .collect();
        let reports = reports.into_iter().flatten();
        for report in reports {
            looked_at += 1;
            if !report.is_empty() {
                more.push(report);
            }
        }
    }
    println!(
        "{looked_at} mutants are no profiles, {} are reported more than once",
        more.len()
    );
    assert!(looked_at > 500, "only {looked_at} mutants");
    assert!(more.is_empty(), "{}", more.concat());
}
