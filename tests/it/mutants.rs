//! Good sites, changed at every key in every way a hand slips: each mutant is refused where it was changed, or does no
//! harm.
//!
//! A mutant is *refused* if a finding of the refused site points into the lines that were changed; for what was
//! dropped, into the mapping or list that lost it. It is *harmless* if the site is accepted and what is built from it
//! is the same as before or still fits together. Everything else has *escaped*: a refusal that points elsewhere only, a
//! build that fails, a panic.

mod characters;
mod grammar;
pub(crate) mod mutate;
pub(crate) mod tree;
mod valid;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Mutex;

use crate::support::NOW;
use camino::{Utf8Path, Utf8PathBuf};
use lxseed::check::{Checked, check_files};
use lxseed::finding::{Finding, Severity};
use lxseed::source::{Content, Span};
use rayon::prelude::*;
use tree::{Lines, Site, Style};
use valid::Builder;

/// The sites that are changed, and how they are written. With `LXSEED_MUTANTS=all` every good site is as well, in one
/// style; that takes ten minutes, and `LXSEED_MUTANTS_FROM=NAME` goes on at the good site of that name.
const SITES: &[(&str, &[Style])] = &[
    ("profiles/rack", &[Style::Flow]),
    ("tests/good/two-clusters-of-one", &[Style::Block]),
    ("tests/good/client-certificates", &[Style::Flow]),
    ("tests/good/two-models-of-machines-allowed", &[Style::Anchored]),
];

fn sites() -> Vec<(Utf8PathBuf, &'static [Style])> {
    let top = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sites: Vec<(Utf8PathBuf, &[Style])> =
        SITES.iter().map(|(site, styles)| (top.join(site), *styles)).collect();
    if std::env::var_os("LXSEED_MUTANTS").is_some_and(|which| which == "all") {
        let good = top.join("tests/good").read_dir_utf8().unwrap();
        let mut every: Vec<(Utf8PathBuf, &[Style])> = good
            .map(|entry| (entry.unwrap().into_path(), &[Style::Block][..]))
            // The second reader knows neither `%YAML 1.2` nor the escape of a slash.
            .filter(|(site, _)| !site.file_name().unwrap().starts_with("text-"))
            // Files that profiles name are not changed, and not read.
            .filter(|(site, _)| {
                !["cloud-config", "offline"]
                    .iter()
                    .any(|name| site.file_name().unwrap().starts_with(name))
            })
            .collect();
        every.sort_by(|a, b| a.0.cmp(&b.0));
        if let Ok(first) = std::env::var("LXSEED_MUTANTS_FROM") {
            every.retain(|(site, _)| site.file_name() >= Some(&first));
            sites.clear();
        }
        sites.extend(every);
    }
    sites
}

/// Of so many mutants of a site one is looked at, but for `LXSEED_MUTANTS=all`.
const EACH: usize = 3;

/// More hosts than any cluster of these sites has.
const HOSTS: usize = 8;

/// A name that files have in reports.
const FOLDER: &str = "site";

enum Verdict {
    Refused,
    Harmless,
    Escaped(String),
}

/// A site as files in memory, and the lines of each that were changed.
struct Written {
    files: Vec<(Utf8PathBuf, Content)>,
    changed: HashMap<Utf8PathBuf, Vec<Lines>>,
}

fn written(site: &Site, style: Style) -> Written {
    let (mut files, mut changed) = (Vec::new(), HashMap::new());
    for file in site {
        let path = Utf8Path::new(FOLDER).join(&file.path);
        let (text, lines) = tree::write(file, style);
        files.push((path.clone(), Content::Bytes(text.into_bytes())));
        changed.insert(path, lines);
    }
    Written { files, changed }
}

fn check(files: Vec<(Utf8PathBuf, Content)>) -> Checked {
    check_files(Utf8Path::new(FOLDER), files, NOW)
}

/// Every place a finding points at.
fn places(finding: &Finding) -> impl Iterator<Item = Span> {
    let secondary = finding.secondary.iter().map(|label| label.span);
    std::iter::once(finding.primary.span)
        .chain(secondary)
        .flat_map(|span| std::iter::once(span.used()).chain(span.anchored()))
}

/// What has been built already, by the model it was built from.
struct Built<'a> {
    builder: &'a Builder,
    known: Mutex<HashMap<u64, Result<(), String>>>,
}

impl Built<'_> {
    fn of(&self, checked: &Checked) -> Result<(), String> {
        let site = checked.accept().map_err(|error| error.to_string())?;
        let mut hasher = DefaultHasher::new();
        format!("{site:?}").hash(&mut hasher);
        let model = hasher.finish();
        if let Some(known) = self.known.lock().unwrap().get(&model) {
            return known.clone();
        }
        let result = self.builder.trouble(&site);
        self.known.lock().unwrap().insert(model, result.clone());
        result
    }
}

fn judge(site: &Site, style: Style, built: &Built<'_>) -> Verdict {
    judge_by(site, style, |checked| built.of(checked))
}

/// The same without a look at what would be built.
fn place(site: &Site, style: Style) -> Verdict {
    judge_by(site, style, |_| Ok(()))
}

fn judge_by(site: &Site, style: Style, build: impl Fn(&Checked) -> Result<(), String>) -> Verdict {
    let Written { files, changed } = written(site, style);
    let text = |files: &[(Utf8PathBuf, Content)]| {
        let parts = files.iter().filter(|(path, _)| !changed[path].is_empty());
        let parts = parts.map(|(path, content)| match content {
            Content::Bytes(bytes) => format!(
                "== {path}, lines {:?}\n{}",
                changed[path],
                String::from_utf8_lossy(bytes)
            ),
            _ => String::new(),
        });
        parts.collect::<String>()
    };
    let shown = text(&files);
    let Ok((checked, result)) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let checked = check(files);
        let accepted = checked.count(Severity::Error) == 0;
        let result = accepted.then(|| build(&checked));
        (checked, result)
    })) else {
        return Verdict::Escaped(format!("a panic\n{shown}"));
    };
    match result {
        Some(Ok(())) => Verdict::Harmless,
        Some(Err(why)) => Verdict::Escaped(format!("accepted, but {why}\n{shown}")),
        None => {
            let sources = checked.sources();
            let points_there = checked.findings().iter().flat_map(places).any(|span| {
                let line = sources.file(span.file).place(span.start as usize).line;
                let lines = changed.get(&sources.file(span.file).path);
                lines.is_some_and(|lines| lines.iter().any(|lines| lines.contains(&line)))
            });
            if points_there {
                return Verdict::Refused;
            }
            let found: String = checked
                .findings()
                .iter()
                .map(|finding| {
                    let source = sources.file(finding.primary.span.file);
                    let place = source.place(finding.primary.span.used().start as usize);
                    let (code, path) = (finding.rule.code, &source.path);
                    format!("   {code} {path}:{}: {}\n", place.line, finding.message)
                })
                .collect();
            Verdict::Escaped(format!("refused elsewhere only:\n{found}{shown}"))
        }
    }
}

#[test]
fn every_mutant_is_refused_where_it_was_changed_or_does_no_harm() {
    let builder = Builder::new(HOSTS);
    let of_each = if std::env::var_os("LXSEED_MUTANTS").is_some_and(|which| which == "all") {
        1
    } else {
        EACH
    };
    let (mut refused, mut harmless, mut escaped) = (0, 0, Vec::new());
    for (at, (site, styles)) in sites().into_iter().enumerate() {
        let name = site.file_name().unwrap();
        let original = tree::read(&site);
        let built = Built {
            builder: &builder,
            known: Mutex::default(),
        };
        for style in styles {
            let checked = check(written(&original, *style).files);
            assert_eq!(
                checked.findings().len(),
                0,
                "{name} in {style:?}: {:#?}",
                checked.findings()
            );
            built.of(&checked).unwrap_or_else(|why| panic!("{name}: {why}"));
            let mut mutants = Vec::new();
            mutate::each(&original, |mutant| mutants.push(mutant));
            // The sites have most keys in common, and each of them begins elsewhere.
            let some: Vec<_> = mutants.iter().skip(at % of_each).step_by(of_each).collect();
            let verdicts: Vec<(String, Verdict)> = some
                .par_iter()
                .map(|mutant| {
                    (
                        format!("{} ({name} in {style:?})", mutant.what),
                        judge(&mutant.site, *style, &built),
                    )
                })
                .collect();
            for (what, verdict) in verdicts {
                match verdict {
                    Verdict::Refused => refused += 1,
                    Verdict::Harmless => harmless += 1,
                    Verdict::Escaped(why) => escaped.push(format!("-- {what}: {why}\n")),
                }
            }
        }
    }
    println!(
        "mutants {}, refused {refused}, harmless {harmless}, escaped {}",
        refused + harmless + escaped.len(),
        escaped.len()
    );
    assert!(escaped.is_empty(), "{}", escaped.concat());
    assert!(refused > 0 && harmless > 0);
}

/// Sites in which every key of an identifier has a value of every form.
const IDENTIFIERS: &[&str] = &[
    "every-identifier",
    "found-by-names-of-every-make",
    "found-by-paths-of-every-bus",
    "found-in-every-way",
    "ssh-keys-of-every-kind",
    "client-certificates",
    "sizes-in-every-unit",
    "network-ipv6",
];

/// A slip that cannot be meant is refused where it was made. What can be meant, another serial number or free address, is
/// another site; `grammar` says which is which. With `LXSEED_MUTANTS=all` every character of every value slips in every
/// way.
#[test]
fn a_slip_of_one_character_is_refused_unless_the_value_may_be_meant() {
    let all = std::env::var_os("LXSEED_MUTANTS").is_some_and(|which| which == "all");
    let most = if all { usize::MAX } else { 6 };
    let good = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let (mut refused, mut meant, mut escaped) = (0, 0, Vec::new());
    for name in IDENTIFIERS {
        let original = tree::read(&good.join(name));
        let mut slips = Vec::new();
        characters::each(&original, most, |slip| slips.push(slip));
        let verdicts: Vec<(Verdict, bool)> = slips
            .par_iter()
            .map(|slip| {
                assert!(grammar::is_known(slip), "no pattern for {}", slip.mutant.what);
                assert!(
                    grammar::fits(slip),
                    "{:?} of {} is not what it can be",
                    slip.original,
                    slip.key
                );
                (place(&slip.mutant.site, Style::Block), grammar::is_wrong(slip))
            })
            .collect();
        for (slip, (verdict, is_wrong)) in slips.iter().zip(verdicts) {
            match verdict {
                Verdict::Refused => refused += 1,
                Verdict::Harmless if !is_wrong => meant += 1,
                Verdict::Harmless => escaped.push(format!("-- {} ({name}): accepted\n", slip.mutant.what)),
                Verdict::Escaped(why) => escaped.push(format!("-- {} ({name}): {why}\n", slip.mutant.what)),
            }
        }
    }
    println!(
        "slips {}, refused {refused}, may be meant {meant}, escaped {}",
        refused + meant + escaped.len(),
        escaped.len()
    );
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), escaped.concat());
    assert!(refused > 0 && meant > 0);
}
