//! A site's folder to profiles: read, parse and lower every file, on all cores, and collect what is wrong.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::cloud_config::{self, Extra, HEADER};
use super::copied::copied;
use super::leaks::{leaks, leaks_around, overlap};
use super::lower::{Lower, Spanned, WHOLE_NUMBER, Where, did_you_mean, quoted};
use super::rules::{
    EMPTY_FILE, FILES_DIFFER_BY_CASE, LINK_OUT_OF_SITE, MANY_CLUSTERS, NAME_OF_ANOTHER_FILE, NO_CLUSTER, NOT_UTF8,
    PRIVATE_KEY, SECRET_IN_SITE, STRAY_FILE, UNREADABLE, YAML_BUDGET, YAML_SYNTAX,
};
use super::shared::Groups;
use super::syntax;
use super::types::{Cluster, Disks, Host};
use crate::budget::{MAX_CLOUD_CONFIG_BYTES, MAX_SHARED_VALUES};
use crate::finding::Findings;
use crate::snap::SnapFile;
use crate::source::{self, FileId, FileTrouble, Kind, Layout, Node, ProfileFile, Role, Sources, Span, YamlError};

/// One YAML document that was lowered.
pub(crate) type Document<T> = Spanned<T>;

/// A `cluster.yaml` and the profiles beside it.
#[derive(Debug, Default)]
pub(crate) struct ClusterFolder {
    /// The cluster itself; absent if its file is missing or beyond reading.
    pub(crate) cluster: Option<Document<Cluster>>,
    /// Its hosts, by file and place.
    pub(crate) hosts: Vec<Document<Host>>,
    /// Its disks profiles.
    pub(crate) disks: Vec<Document<Disks>>,
    /// A host file could not be read, so a host that is not found may just be in there.
    pub(crate) hosts_incomplete: bool,
    /// The same for disks profiles.
    pub(crate) disks_incomplete: bool,
    /// The stretches of cluster.yaml that its hosts share.
    pub(crate) shared: Vec<Span>,
    /// Files that its hosts name.
    pub(crate) extras: Vec<Extra>,
    /// YAML files in the folder that nothing reads.
    pub(crate) stray: Vec<FileId>,
}

/// All profiles of a site, in a fixed order.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    /// The files.
    pub(crate) sources: Sources,
    /// One per folder that holds a `cluster.yaml`, by path.
    pub(crate) clusters: Vec<ClusterFolder>,
    /// Snaps and their assertions, by path.
    pub(crate) snaps: Vec<SnapFile>,
}

enum Lowered {
    Cluster(Option<Box<Document<Cluster>>>, Box<Groups>),
    /// The documents, and whether that is all there were.
    Disks(Vec<Document<Disks>>, bool),
    Hosts(Vec<Document<Host>>, bool),
    Nothing,
}

/// A profile's file after lowering.
struct LoweredFile {
    folder: Utf8PathBuf,
    role: Role,
    file: FileId,
    lowered: Lowered,
    findings: Findings,
}

/// Lowers the profiles of a site. The findings are those about files and shape.
pub(crate) fn load(site: &Utf8Path, mut layout: Layout) -> (Profiles, Findings) {
    let mut findings = Findings::default();
    let mut sources = Sources::default();
    if layout.missing {
        let message = format!("there is no folder {site}");
        report_no_cluster(site, message, &mut sources, &mut findings);
        let profiles = Profiles {
            sources,
            ..Profiles::default()
        };
        return (profiles, findings);
    }
    if let Some(why) = &layout.over_budget {
        let file = sources.add(site.to_owned(), String::new());
        let message = format!("{site} is not read: {why}");
        let help = "name the folder that holds the profiles and nothing else, or cut the site into several";
        findings.add(&UNREADABLE, file.start(), message, help);
        let profiles = Profiles {
            sources,
            ..Profiles::default()
        };
        return (profiles, findings);
    }
    let stray = report_layout(&layout, &mut sources, &mut findings);
    let rooted: BTreeSet<Utf8PathBuf> = layout
        .files
        .iter()
        .filter(|file| file.role == Role::Cluster)
        .map(|file| file.folder.clone())
        .collect();
    let lowered = lower_all(std::mem::take(&mut layout.files), &mut sources, &mut findings);
    let mut folders = assemble(lowered, &rooted, &mut findings);
    for (path, folder) in &mut folders {
        read_extras((site, &layout), path, folder, &mut sources, &mut findings);
    }
    passed_over(&folders, &stray, &sources, &mut findings);
    for file in stray {
        let mut around = sources.file(file).path.ancestors();
        let nearest = around.find(|folder| rooted.contains(*folder));
        if let Some(folder) = nearest.and_then(|nearest| folders.get_mut(nearest)) {
            folder.stray.push(file);
        }
    }
    for folder in folders.values() {
        cross_wired(folder, &sources, &mut findings);
        copied(folder, &mut findings);
    }
    if folders.is_empty() {
        let message = format!("{site} holds no cluster.yaml");
        report_no_cluster(site, message, &mut sources, &mut findings);
    }
    let profiles = Profiles {
        sources,
        clusters: folders.into_values().collect(),
        snaps: layout.snaps,
    };
    (profiles, findings)
}

/// Reports a site without any cluster.
fn report_no_cluster(site: &Utf8Path, message: String, sources: &mut Sources, findings: &mut Findings) {
    let file = sources.add(site.to_owned(), String::new());
    let help = match similar_folder(site) {
        Some(similar) => format!("did you mean {similar}?"),
        None => format!(
            "write {}, or name the folder that holds the profiles",
            site.join("NAME/cluster.yaml")
        ),
    };
    findings.add(&NO_CLUSTER, file.start(), message, help);
}

/// The folder that was most likely meant by one that is not there.
fn similar_folder(site: &Utf8Path) -> Option<Utf8PathBuf> {
    let parent = site.parent().filter(|_| !site.exists())?;
    let around = if parent.as_str().is_empty() {
        Utf8Path::new(".")
    } else {
        parent
    };
    let entries = around.read_dir_utf8().ok()?.flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_owned()).collect();
    names.sort_unstable();
    let similar = did_you_mean(site.file_name()?, names.iter().map(String::as_str))?;
    Some(parent.join(similar))
}

/// Reports what else is in a site than profiles. Returns the files that nothing reads.
fn report_layout(layout: &Layout, sources: &mut Sources, findings: &mut Findings) -> Vec<FileId> {
    let mut report = |rule, path: &Utf8PathBuf, message: String, help: &str| {
        let file = sources.add(path.clone(), String::new());
        findings.add(rule, file.start(), message, help);
        file
    };
    for (path, why) in &layout.errors {
        let message = format!("{path} cannot be read: {why}");
        report(&UNREADABLE, path, message, "make it readable or move it away");
    }
    for (path, target) in &layout.links_to_nothing {
        let message = format!("{path} is a link to {target}, which is not there");
        report(&UNREADABLE, path, message, "mend the link, or delete it");
    }
    let mut stray = Vec::with_capacity(layout.stray.len());
    for path in &layout.stray {
        let message = format!("{path} is not read");
        stray.push(report(&STRAY_FILE, path, message, &stray_help(path)));
    }
    for path in &layout.secrets {
        let message = format!("the site holds a secret: {path}");
        let help = "move it above the site's folder; profiles are shared, secrets are not";
        report(&SECRET_IN_SITE, path, message, help);
    }
    for path in &layout.private_keys {
        let message = format!("the site holds a private key: {path}");
        let help =
            "move it out of the site and replace the key pair: profiles are shared, so it has to be taken as known";
        report(&PRIVATE_KEY, path, message, help);
    }
    for path in &layout.links_out {
        let message = format!("{path} is a link that leads out of the site");
        let help = "copy what it leads to into the site";
        report(&LINK_OUT_OF_SITE, path, message, help);
    }
    stray
}

/// Lowers every file, on all cores. The order stays.
fn lower_all(files: Vec<ProfileFile>, sources: &mut Sources, findings: &mut Findings) -> Vec<LoweredFile> {
    let mut jobs = Vec::with_capacity(files.len());
    for file in files {
        let (text, trouble) = match file.text {
            Ok(text) => (text, None),
            // What comes before the first byte that is not UTF-8 can be shown.
            Err(mut trouble) => (trouble.take_prefix(), Some(trouble)),
        };
        jobs.push((file.folder, file.role, sources.add(file.path, text), trouble));
    }
    let sources = &*sources;
    differ_by_case(jobs.iter().map(|(_, _, file, _)| *file), sources, findings);
    let mut hosts: HashMap<Utf8PathBuf, usize> = HashMap::new();
    for (folder, _, file, _) in jobs.iter().filter(|(_, role, ..)| *role == Role::Host) {
        let documents = sources.file(*file).text.lines().filter(|line| line.starts_with("---"));
        *hosts.entry(folder.clone()).or_default() += documents.count() + 1;
    }
    let (clusters, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|(_, role, ..)| *role == Role::Cluster);
    // What hosts share is known before they are read.
    let mut lowered: Vec<LoweredFile> = clusters
        .into_par_iter()
        .map(|job| lower_job(job, sources, None))
        .collect();
    let mut groups: HashMap<Utf8PathBuf, &Groups> = HashMap::new();
    for one in &mut lowered {
        if let Lowered::Cluster(_, of_cluster) = &mut one.lowered {
            let hosts = hosts.get(&one.folder).copied().unwrap_or_default();
            if !of_cluster.fits(hosts) {
                let message = format!("so much is not laid under each of {hosts} hosts");
                let help =
                    format!("all hosts together take at most {MAX_SHARED_VALUES} values from `defaults` and `models`");
                one.findings.add(&YAML_BUDGET, of_cluster.span(), message, help);
            }
        }
    }
    for one in &lowered {
        if let Lowered::Cluster(_, of_cluster) = &one.lowered {
            groups.insert(one.folder.clone(), of_cluster);
        }
    }
    let others: Vec<LoweredFile> = others
        .into_par_iter()
        .map(|job| {
            let groups = groups.get(&job.0).copied();
            lower_job(job, sources, groups)
        })
        .collect();
    lowered.extend(others);
    lowered
}

/// A file that is read: the folder of its cluster, what it is for, and why it cannot be taken as text.
type Job = (Utf8PathBuf, Role, FileId, Option<FileTrouble>);

fn lower_job((folder, role, file, trouble): Job, sources: &Sources, groups: Option<&Groups>) -> LoweredFile {
    let source = sources.file(file);
    let mut findings = Findings::default();
    let mut lowered = match trouble {
        Some(trouble) => {
            leaks_around(&source.text, file, &mut findings);
            report_trouble(&trouble, &source.path, file, &mut findings);
            Lowered::Nothing
        }
        None => lower_file(&source.text, role, file, groups, &mut findings),
    };
    if role == Role::Cluster && matches!(lowered, Lowered::Nothing) {
        lowered = Lowered::Cluster(None, Box::new(Groups::of(None, file.start(), false)));
    }
    LoweredFile {
        folder,
        role,
        file,
        lowered,
        findings,
    }
}

/// Takes back what was said of files that turned out to be named by a host, or may be.
fn passed_over(
    folders: &BTreeMap<Utf8PathBuf, ClusterFolder>,
    stray: &[FileId],
    sources: &Sources,
    findings: &mut Findings,
) {
    let extras: HashMap<&Utf8Path, FileId> = folders
        .values()
        .flat_map(|folder| &folder.extras)
        .map(|extra| (extra.path.as_path(), extra.file))
        .collect();
    let is_unsure = |folder: &ClusterFolder| {
        let shared = folder.cluster.iter().flat_map(|cluster| cluster.value.shared());
        let mut unread = shared.map(|shared| shared.unread.key("cloud_config"));
        let mut hosts = folder.hosts.iter();
        unread.any(|unread| unread) || hosts.any(|host| host.value.unread.key("cloud_config"))
    };
    let unsure: Vec<&Utf8PathBuf> = folders
        .iter()
        .filter(|(_, folder)| is_unsure(folder))
        .map(|(path, _)| path)
        .collect();
    findings.list.retain(|finding| {
        let file = finding.primary.span.file;
        let path = &sources.file(file).path;
        let is_told_otherwise = extras.get(path.as_path()).is_some_and(|extra| *extra != file);
        let may_be_named = stray.contains(&file) && unsure.iter().any(|folder| path.starts_with(folder));
        !is_told_otherwise && !may_be_named
    });
}

/// Reads the files that hosts of a cluster name, each once.
fn read_extras(
    (site, layout): (&Utf8Path, &Layout),
    path: &Utf8Path,
    folder: &mut ClusterFolder,
    sources: &mut Sources,
    findings: &mut Findings,
) {
    let of_hosts = folder.hosts.iter().filter_map(|host| host.value.cloud_config.as_ref());
    let shared = folder.cluster.iter().flat_map(|cluster| cluster.value.shared());
    let shared = shared.filter_map(|shared| shared.cloud_config.as_ref());
    let named = of_hosts.chain(shared).filter_map(|config| config.value.file.as_ref());
    let paths: BTreeSet<Utf8PathBuf> = named.filter_map(|name| cloud_config::path(path, &name.value)).collect();
    for path in paths.into_iter().filter(|path| layout.stray.contains(path)) {
        let text = layout.text_of_stray(site, &path);
        let (text, trouble) = match text {
            Ok(text) if text.len() > MAX_CLOUD_CONFIG_BYTES => {
                (String::new(), Some(FileTrouble::TooLarge(text.len() as u64)))
            }
            Ok(text) => (text, None),
            Err(mut trouble) => (trouble.take_prefix(), Some(trouble)),
        };
        let file = sources.add(path.clone(), text);
        let text = &sources.file(file).text;
        let node = match trouble {
            Some(FileTrouble::TooLarge(bytes)) => {
                let message = format!(
                    "{path} is too large: {bytes} bytes, and a `#cloud-config` has at most {MAX_CLOUD_CONFIG_BYTES}"
                );
                findings.add(
                    &UNREADABLE,
                    file.start(),
                    message,
                    "it is in each host's seed: bring large files by other means",
                );
                None
            }
            Some(trouble) => {
                leaks_around(text, file, findings);
                report_trouble(&trouble, &path, file, findings);
                None
            }
            None if text.lines().next().map(str::trim_end) != Some(HEADER) => {
                leaks_around(text, file, findings);
                None
            }
            None => cloud_config::read(text, file, findings, |error, findings| {
                not_yaml(error, text, file, findings)
            }),
        };
        folder.extras.push(Extra { path, file, node });
    }
}

/// Puts the documents into the folders of their clusters. `rooted` are the folders with a cluster.yaml.
fn assemble(
    files: Vec<LoweredFile>,
    rooted: &BTreeSet<Utf8PathBuf>,
    findings: &mut Findings,
) -> BTreeMap<Utf8PathBuf, ClusterFolder> {
    let mut folders: BTreeMap<Utf8PathBuf, ClusterFolder> = BTreeMap::new();
    for one in files {
        findings.append(one.findings);
        let folder = match folders.entry(one.folder) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let path = new.key();
                if !rooted.contains(path) {
                    let message = format!("{path} has hosts or disks but no cluster.yaml");
                    let help = format!("write {}", path.join("cluster.yaml"));
                    findings.add(&NO_CLUSTER, one.file.start(), message, help);
                }
                new.insert(ClusterFolder::default())
            }
        };
        folder.take(one.lowered, one.role);
    }
    folders
}

impl ClusterFolder {
    fn take(&mut self, lowered: Lowered, role: Role) {
        match lowered {
            Lowered::Cluster(document, groups) => {
                self.cluster = document.map(|document| *document);
                self.shared = groups.regions();
            }
            Lowered::Hosts(documents, all) => {
                self.hosts.extend(documents);
                self.hosts_incomplete |= !all;
            }
            Lowered::Disks(documents, all) => {
                self.disks.extend(documents);
                self.disks_incomplete |= !all;
            }
            Lowered::Nothing => match role {
                Role::Cluster => {}
                Role::Host => self.hosts_incomplete = true,
                Role::Disks => self.disks_incomplete = true,
            },
        }
    }
}

/// What to do about a YAML file that nothing reads.
fn stray_help(path: &Utf8Path) -> String {
    if let Some(name) = profile_name(path.file_name().unwrap_or_default()) {
        return format!("name it {name} if it is a profile; else move it out of the site");
    }
    let similar = |name: Option<&str>, known: &[&'static str]| {
        let known = known.iter().copied();
        did_you_mean(name?, known.filter(|known| Some(*known) != name))
    };
    let folder = path.parent().and_then(Utf8Path::file_name);
    match (
        similar(path.file_name(), &["cluster.yaml"]),
        similar(folder, &["hosts", "disks"]),
    ) {
        (Some(name), _) => format!("did you mean to name it `{name}`?"),
        (_, Some(name)) => format!("did you mean to name its folder `{name}`?"),
        _ => "move it into hosts/ or disks/ beside a cluster.yaml, or out of the site".to_owned(),
    }
}

/// How a file that is called otherwise would have to be called to be read as a profile, if it is not.
fn profile_name(name: &str) -> Option<String> {
    const ENDINGS: &[&str] = &[
        "yaml", "yml", "json", "txt", "yamll", "yalm", "ymal", "yam", "conf", "cfg", "disabled", "off", "new",
    ];
    let mut stem = name.trim_start_matches('.').trim_end();
    while let Some((rest, ending)) = stem.rsplit_once('.')
        && !rest.is_empty()
        && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
    {
        stem = rest;
    }
    let called = format!("{stem}.yaml");
    (!stem.is_empty() && called != name).then_some(called)
}

/// Reports profiles whose paths differ by capitals only.
fn differ_by_case(files: impl Iterator<Item = FileId>, sources: &Sources, findings: &mut Findings) {
    let mut first: HashMap<String, FileId> = HashMap::new();
    for file in files {
        let path = &sources.file(file).path;
        let Some(other) = first.insert(path.as_str().to_lowercase(), file) else {
            continue;
        };
        let message = format!("{path} and {} differ in capitals only", sources.file(other).path);
        findings
            .add(
                &FILES_DIFFER_BY_CASE,
                file.start(),
                message,
                "delete one of the two, or name it otherwise",
            )
            .also(other.start(), "the other");
    }
}

/// Reports a file of one host that is called like another host.
fn cross_wired(folder: &ClusterFolder, sources: &Sources, findings: &mut Findings) {
    let mut in_file: HashMap<FileId, usize> = HashMap::new();
    let mut by_name: HashMap<&str, Span> = HashMap::new();
    for host in &folder.hosts {
        *in_file.entry(host.span.file).or_default() += 1;
        if let Some(name) = &host.value.name {
            by_name.insert(&name.value, name.span);
        }
    }
    for host in &folder.hosts {
        let file = sources.file(host.span.file);
        let (Some(name), Some(called)) = (&host.value.name, file.path.file_stem()) else {
            continue;
        };
        let Some(other) = by_name.get(called).filter(|_| name.value != called) else {
            continue;
        };
        if in_file.get(&host.span.file) == Some(&1) {
            let message = format!(
                "{} holds host {}, but {called} is another host",
                file.path,
                quoted(&name.value)
            );
            let help = format!("rename the file, or write `name: {called}` if they were mixed up");
            findings
                .add(&NAME_OF_ANOTHER_FILE, name.span, message, help)
                .label(format!("not {called}"))
                .also(*other, "the other host");
        }
    }
}

fn report_trouble(trouble: &FileTrouble, path: &Utf8Path, file: FileId, findings: &mut Findings) {
    match trouble {
        FileTrouble::Io(error) => {
            findings.add(
                &UNREADABLE,
                file.start(),
                format!("{path} cannot be read: {error}"),
                "make it readable or move it away",
            );
        }
        FileTrouble::NotAFile => {
            findings.add(
                &UNREADABLE,
                file.start(),
                format!("{path} is not a regular file"),
                "move it out of the site",
            );
        }
        FileTrouble::TooLarge(bytes) => {
            let message = format!(
                "{path} is too large: {bytes} bytes, and a profile has at most {}",
                source::MAX_FILE_BYTES
            );
            findings.add(
                &UNREADABLE,
                file.start(),
                message,
                "split it into several files, or move it out of the site",
            );
        }
        FileTrouble::NotUtf8 { valid_up_to, .. } => {
            let span = file.span(*valid_up_to, *valid_up_to);
            let message = "the file is not UTF-8 text";
            findings
                .add(&NOT_UTF8, span, message, "save it as UTF-8")
                .label("the first byte that is not UTF-8 follows here");
        }
    }
}

fn lower_file(text: &str, role: Role, file: FileId, groups: Option<&Groups>, findings: &mut Findings) -> Lowered {
    let mut documents = match source::parse(text, file) {
        Ok(documents) => documents,
        Err(error) => {
            // A key that was pasted as it is makes no YAML of what is around it.
            let keys = leaks_around(text, file, findings);
            if !keys.iter().any(|key| overlap(*key, error.span)) {
                not_yaml(&error, text, file, findings);
            }
            return Lowered::Nothing;
        }
    };
    if documents.is_empty() {
        leaks_around(text, file, findings);
        findings.add(
            &EMPTY_FILE,
            file.start(),
            "the file holds no profile",
            "write the profile, or delete the file",
        );
        return Lowered::Nothing;
    }
    for document in &documents {
        leaks(document, findings);
    }
    leaks_around(text, file, findings);
    let count = documents.len();
    let lowered = match role {
        // A second cluster is reported, and read once it has a folder of its own.
        Role::Cluster => {
            let (first, extra) = documents.split_at(1);
            if let Some(extra) = extra.first() {
                let message = "cluster.yaml holds more than one document";
                let help = "give each cluster a folder of its own";
                findings.add(&MANY_CLUSTERS, name_span(extra), message, help);
            }
            let cluster: Option<Document<Cluster>> = lower_documents(first, "cluster", findings).pop();
            let is_whole = cluster.as_ref().is_some_and(|cluster| shared_is_whole(&cluster.value));
            let groups = Groups::of(first.first(), file.start(), is_whole);
            Lowered::Cluster(cluster.map(Box::new), Box::new(groups))
        }
        Role::Disks => {
            let lowered: Vec<_> = lower_documents(&documents, "disks", findings);
            let all = lowered.len() == count;
            Lowered::Disks(lowered, all)
        }
        Role::Host => {
            if let Some(groups) = groups {
                documents = documents.into_iter().map(|host| groups.under(host)).collect();
            }
            let mut of_hosts = Findings::default();
            let lowered: Vec<_> = lower_documents(&documents, "host", &mut of_hosts);
            let all = lowered.len() == count;
            // What is wrong with what hosts share was reported where it is written.
            of_hosts.list.retain(|finding| finding.primary.span.file == file);
            findings.append(of_hosts);
            Lowered::Hosts(lowered, all)
        }
    };
    name_leading_zeros(text, findings);
    lowered
}

/// Whether nothing about what hosts share was reported.
fn shared_is_whole(cluster: &Cluster) -> bool {
    !cluster.unread.any(&["defaults", "models"])
        && cluster.models.as_ref().is_none_or(|models| models.value.is_whole())
        && cluster.shared().all(|shared| !shared.incomplete)
}

/// Reports text that cannot be read as YAML, by its cause.
fn not_yaml(error: &YamlError, text: &str, file: FileId, findings: &mut Findings) {
    let message = |why: &str| format!("this is not YAML that can be read: {why}");
    if error.over_budget {
        let help = "profiles nest at most 32 levels and expand aliases to about twice the file's size: write it out";
        findings.add(&YAML_BUDGET, error.span, message(&error.message), help);
        return;
    }
    let cause = syntax::cause(&error.message, text, error.span.range().start);
    let span = cause.at.map_or(error.span, |at| file.span(at.start, at.end));
    let why = cause.why.as_ref().unwrap_or(&error.message);
    let finding = findings.add(&YAML_SYNTAX, span, message(why), cause.help);
    if let Some((at, replacement)) = cause.fix {
        finding.fix(file.span(at.start, at.end), replacement).sure();
    }
}

/// A number with a zero in front has two meanings; which one YAML took cannot be told from its value.
fn name_leading_zeros(text: &str, findings: &mut Findings) {
    for finding in &mut findings.list {
        let written = text.get(finding.primary.span.range()).unwrap_or_default();
        let digits = written.strip_prefix('0').filter(|rest| !rest.is_empty());
        let Some(digits) = digits.filter(|_| finding.help == WHOLE_NUMBER) else {
            continue;
        };
        let plain = digits.trim_start_matches('0');
        let help = match (plain.parse::<u32>(), u32::from_str_radix(plain, 8)) {
            (Ok(decimal), Ok(octal)) if decimal != octal => {
                format!("`{written}` is {octal} or {decimal}, by the version of YAML: write it without the zero")
            }
            (Ok(_), _) => "write it without the zero".to_owned(),
            _ => continue,
        };
        finding.help = help;
        finding.label("begins with a zero");
    }
}

fn lower_documents<T: Lower>(documents: &[Node], what: &str, findings: &mut Findings) -> Vec<Document<T>> {
    documents
        .iter()
        .filter_map(|document| {
            let value = T::lower(document, Where::top(what), findings)?;
            Some(Spanned {
                value,
                span: name_span(document),
            })
        })
        .collect()
}

/// Where a document as a whole is shown: at its name if it has one.
fn name_span(document: &Node) -> Span {
    if let Kind::Map(entries) = &document.kind
        && let Some((_, name)) = entries.iter().find(|(key, _)| key.name.as_deref() == Some("name"))
    {
        return name.span;
    }
    document.span
}
