//! `lxseed diff`: what a build would change in the existing tree.

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::Cluster;
use lxseed::report::sanitize;
use lxseed::seed::{ClusterKeys, File};
use lxseed::tree::{ExistingTree, Fault, State};
use lxseed::trust::SiteSecret;
use rayon::prelude::*;
use similar::TextDiff;

use super::accept::accept;
use super::files::Files;
use super::reach::{self, Seed, Seeds};
use super::staleness::{Comparison, StaleReason, Status};
use super::{CommandError, Outcome, keys};
use crate::cli::DiffArgs;
use crate::terminal::printer::Printer;
use crate::terminal::redact::Redactor;

/// Clusters that are compared before what they differ in is printed: enough for all cores, and few enough for memory.
const AT_ONCE: usize = 16;

pub(super) fn diff(args: &DiffArgs, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let checked = lxseed::check::check(&args.site, super::now());
    let Some(site) = accept(checked, "", printer)? else {
        return Ok(Outcome::Findings);
    };
    let existing = ExistingTree::read(&args.output)?;
    let Some(loaded) = keys::existing(&args.secret, &args.site, &args.output, &existing)? else {
        // Without a secret nothing was built, and what would be cannot be rendered.
        printer.line(format_args!("{}: nothing was built yet", args.output));
        return Ok(Outcome::OutOfDate);
    };
    let work = Work {
        existing: &existing,
        comparison: Comparison::new(&existing, &loaded.secret, !args.no_seed_iso),
        secret: &loaded.secret,
        files: Files::new(!args.no_seed_iso),
        site: &args.site,
        output: &args.output,
    };
    let (mut same, mut reach) = (true, Vec::new());
    for clusters in site.clusters.chunks(AT_ONCE) {
        let texts = clusters
            .par_iter()
            .map(|cluster| work.cluster(cluster))
            .collect::<Result<Vec<_>, _>>()?;
        for found in texts {
            for text in found.texts {
                same = false;
                print(&text, printer);
            }
            reach.extend(found.reach);
        }
    }
    for removed in work.comparison.removed(&site) {
        same = false;
        print(&format!("only in {}: {removed}", args.output), printer);
    }
    if let Some(forged) = work.comparison.forged() {
        same = false;
        print(args.output.join(forged).as_str(), printer);
    }
    for (path, fault) in existing.own_faults() {
        same = false;
        print(&format!("{} {fault}", args.output.join(path)), printer);
    }
    for note in reach {
        printer.note(note);
    }
    Ok(if same { Outcome::Done } else { Outcome::OutOfDate })
}

/// Colours on a terminal. What was built may hold anything by now, so control characters are shown and not sent.
fn print(text: &str, printer: &mut Printer) {
    for line in text.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'-') => "\x1b[31m",
            Some(b'+') => "\x1b[32m",
            Some(b'@') => "\x1b[36m",
            _ => "",
        };
        let end = if colour.is_empty() { "" } else { "\x1b[0m" };
        // Scripts are indented with tabs here and there.
        let shown: Vec<_> = line.split('\t').map(sanitize).collect();
        printer.styled(&format!("{colour}{}{end}\n", shown.join("\t")));
    }
}

struct Work<'a> {
    existing: &'a ExistingTree,
    comparison: Comparison<'a>,
    secret: &'a SiteSecret,
    files: Files,
    site: &'a Utf8Path,
    output: &'a Utf8Path,
}

/// What a cluster differs in.
#[derive(Default)]
struct Found {
    /// One text a host, and one of the cluster as a whole.
    texts: Vec<String>,
    /// What a build would not bring to its machines.
    reach: Vec<String>,
}

impl Work<'_> {
    /// Everything of a cluster that is not what a build would write.
    fn cluster(&self, cluster: &Cluster) -> Result<Found, CommandError> {
        let folder = Utf8PathBuf::from(cluster.name.as_str());
        let compared = self
            .comparison
            .cluster(cluster, std::slice::from_ref(&folder), |paths| {
                self.existing.state(paths)
            })?;
        let keys = match compared.status {
            Status::UpToDate => return Ok(Found::default()),
            Status::Stale(StaleReason::New) => {
                return Ok(Found {
                    texts: vec![format!("only in the profiles: {folder}")],
                    ..Found::default()
                });
            }
            Status::Stale(_) => keys::derive(cluster, self.secret)?,
        };
        let mut texts = vec![self.compare(&self.files.cluster(cluster, &keys)?)];
        let hosts = (0..cluster.hosts.len())
            .into_par_iter()
            .map(|at| self.host(cluster, at, &keys))
            .collect::<Result<Vec<_>, CommandError>>()?;
        let (hosts, seeds): (Vec<String>, Vec<Seed>) = hosts.into_iter().unzip();
        texts.extend(hosts);
        texts.retain(|text| !text.is_empty());
        let seeds: Seeds = seeds.into_iter().enumerate().collect();
        Ok(Found {
            texts,
            reach: reach::notes(cluster, &seeds, self.site, "would change"),
        })
    }

    fn host(&self, cluster: &Cluster, at: usize, keys: &ClusterKeys) -> Result<(String, Seed), CommandError> {
        let folder = Utf8Path::new(cluster.name.as_str()).join(cluster.hosts[at].name.as_str());
        let files = self.files.host(cluster, at, keys)?;
        let seed = Seed::of(self.existing, cluster, at, &files);
        if self.existing.paths(&folder).next().is_none() {
            return Ok((format!("only in the profiles: {folder}"), seed));
        }
        let mut text = self.compare(&files);
        // A file that a later lxseed does not write any more.
        for path in self.existing.paths(&folder) {
            if !files.iter().any(|file| file.path == path) {
                text += &format!("only in {}: {path}\n", self.output);
            }
        }
        Ok((text, seed))
    }

    fn compare(&self, files: &[File]) -> String {
        files.iter().map(|file| self.file(file)).collect()
    }

    /// One file: a unified diff if its bytes differ, a line if only its mode does.
    fn file(&self, file: &File) -> String {
        let path = &file.path;
        let shown = self.output.join(path);
        let Ok(old) = self.existing.bytes(path) else {
            return format!("{shown} is missing\n");
        };
        let new = file.content.bytes();
        let mode = match self.existing.state(&[path]) {
            State::Damaged(faults) => faults
                .iter()
                .filter(|(_, fault)| matches!(fault, Fault::Mode { .. }))
                .map(|(_, fault)| format!("{shown} {fault}\n"))
                .collect(),
            _ => String::new(),
        };
        let old = old.expose();
        if old == new {
            return mode;
        }
        let secret = file.content.is_secret() || self.existing.is_secret(path);
        let (Ok(old), Ok(new)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else {
            return format!("{mode}{shown} differs, and is not text\n");
        };
        let mut redactor = Redactor::default();
        let mut text = |text: &str| {
            if secret { redactor.redact(text) } else { text.to_owned() }
        };
        let (old, new) = (text(old), text(new));
        let diff = TextDiff::from_lines(&old, &new)
            .unified_diff()
            .header(shown.as_str(), &format!("{shown} (new)"))
            .to_string();
        if diff.is_empty() {
            // The difference is in what a line looks like, its end for example, and not in what is shown of it.
            return format!("{mode}{shown} differs in what is hidden\n");
        }
        mode + &diff
    }
}
