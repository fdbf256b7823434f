//! `lxseed build --check`: is the existing tree what a build would write?

use camino::{Utf8Path, Utf8PathBuf};
use lxseed::model::{Cluster, Site};
use lxseed::seed::File;
use lxseed::tree::ExistingTree;
use lxseed::trust::SiteSecret;
use rayon::prelude::*;

use super::files::Files;
use super::staleness::{Comparison, StaleReason, Status};
use super::{CommandError, Outcome, keys};
use crate::cli::BuildArgs;
use crate::terminal::printer::Printer;
use crate::terminal::table::counted;

/// Names every file that is out of date, and says why. Nothing is written, no lock is taken, and no secret is made.
pub(super) fn build_check(args: &BuildArgs, site: &Site, printer: &mut Printer) -> Result<Outcome, CommandError> {
    let existing = ExistingTree::read(&args.output)?;
    let output = &args.output;
    if existing.manifest().is_none() {
        printer.line(format_args!("{output} is out of date: nothing was built yet"));
        return Ok(Outcome::OutOfDate);
    }
    // With a tree but no secret this is an error, not a new secret.
    let Some(loaded) = keys::existing(&args.secret, &args.site, &args.output, &existing)? else {
        return Ok(Outcome::OutOfDate);
    };
    let work = Work {
        existing: &existing,
        comparison: Comparison::new(&existing, &loaded.secret, !args.no_seed_iso),
        secret: &loaded.secret,
        files: Files::new(!args.no_seed_iso),
    };
    let found = site
        .clusters
        .par_iter()
        .map(|cluster| work.cluster(cluster))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut lines, mut files) = (Vec::new(), 0);
    for mut cluster in found {
        files += cluster.files;
        lines.append(&mut cluster.lines);
    }
    for removed in work.comparison.removed(site) {
        lines.push(format!("{removed} is in no profile any more"));
    }
    lines.extend(work.comparison.forged().map(ToOwned::to_owned));
    for (path, fault) in existing.own_faults() {
        let path = if path == "" { Utf8Path::new(".") } else { path };
        lines.push(format!("{path} {fault}"));
    }
    for line in &lines {
        printer.line(line);
    }
    if lines.is_empty() {
        let hosts = site.clusters.iter().map(|cluster| cluster.hosts.len());
        printer.line(format_args!(
            "{output} is up to date: {}, {}",
            counted(site.clusters.len(), "cluster"),
            counted(hosts.sum(), "host")
        ));
        return Ok(Outcome::Done);
    }
    let files = match files {
        0 => "only its manifest.json and SHA256SUMS".to_owned(),
        files => counted(files, "file"),
    };
    printer.line(format_args!("{output} is out of date: {files} would be written anew"));
    Ok(Outcome::OutOfDate)
}

struct Work<'a> {
    existing: &'a ExistingTree,
    comparison: Comparison<'a>,
    secret: &'a SiteSecret,
    files: Files,
}

/// The differences of a cluster.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    /// How many files a build would write.
    files: usize,
}

impl Work<'_> {
    fn cluster(&self, cluster: &Cluster) -> Result<Found, CommandError> {
        let folder = Utf8PathBuf::from(cluster.name.as_str());
        let status = self
            .comparison
            .cluster(cluster, std::slice::from_ref(&folder), |paths| {
                self.existing.state(paths)
            })?;
        let Status::Stale(reason) = status.status else {
            return Ok(Found::default());
        };
        let keys = keys::derive(cluster, self.secret)?;
        let mut found = Found::default();
        let is_new = reason == StaleReason::New;
        let files = self.files.cluster(cluster, &keys)?;
        self.compare(&files, is_new, &mut found);
        let hosts = (0..cluster.hosts.len())
            .into_par_iter()
            .map(|at| self.files.host(cluster, at, &keys))
            .collect::<Result<Vec<_>, _>>()?;
        for (host, files) in cluster.hosts.iter().zip(hosts) {
            let folder = folder.join(host.name.as_str());
            let unknown = self.existing.paths(&folder).next().is_none();
            if unknown && !is_new {
                found.lines.push(format!("{folder} was not built yet"));
            }
            self.compare(&files, unknown, &mut found);
            let no_more = self.existing.paths(&folder);
            let no_more = no_more.filter(|path| files.iter().all(|file| file.path != *path));
            let no_more = no_more.map(|path| format!("{path} is not written any more"));
            found.lines.extend(no_more);
        }
        found.lines.sort_unstable();
        // What was altered is named by itself.
        if !matches!(reason, StaleReason::Files(_) | StaleReason::Manifest) {
            found.lines.insert(0, format!("{folder} {reason}"));
        }
        Ok(found)
    }

    /// Compares rendered files with the existing ones, and names those that differ unless their folder was named.
    fn compare(&self, files: &[File], named: bool, found: &mut Found) {
        for file in files {
            let Some(difference) = self.existing.difference(file) else {
                continue;
            };
            found.files += 1;
            if !named {
                found.lines.push(format!("{} {difference}", file.path));
            }
        }
    }
}
