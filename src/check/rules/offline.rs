//! The offline bundle: are the snaps in the folder whole, and are they the ones that the machines need?

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use super::release::{channel, release};
use crate::check::registry::{Check, Report};
use crate::check::view::{ClusterView, SiteView};
use crate::finding::Edit;
use crate::model::BundledSnap;
use crate::profile::{Spanned, quoted};
use crate::snap::{ASSERT, Claims, Examined, Meta, NoMeta, SNAP, SnapFile};
use crate::target;
use crate::target::lxd::Channel;

pub(super) static CHECKS: &[&Check] = &[
    &NO_SNAPS,
    &SNAP_MISSING,
    &SNAP_TWICE,
    &SNAP_WITHOUT_ASSERTION,
    &INVALID_ASSERTION,
    &SNAP_ALTERED,
    &UNREADABLE_SNAP,
    &SNAP_OF_ANOTHER_CHANNEL,
    &SNAP_OF_ANOTHER_ARCHITECTURE,
];

/// The snaps that hold the program snapd; one of them is enough.
const PROGRAMS: [&str; 2] = ["snapd", "core"];

/// One snap of a folder.
struct Found<'a> {
    file: &'a SnapFile,
    /// The file of its assertions.
    assertion: Option<&'a SnapFile>,
    /// What these say of it.
    claims: Option<Result<Claims, String>>,
}

/// What one cluster's machines shall be given.
struct Bundle<'a> {
    /// The folder, as it is written.
    written: &'a Spanned<String>,
    /// The folder, as it is found.
    folder: Utf8PathBuf,
    channel: Option<Channel>,
    /// What the machines run on, as snapd calls it.
    architecture: &'static str,
    snaps: Vec<Found<'a>>,
}

fn bundles<'a>(site: &SiteView<'a>) -> Vec<Bundle<'a>> {
    let bundles = site.clusters.iter().filter_map(|cluster| Bundle::of(site, cluster));
    let bundles: Vec<Bundle<'a>> = bundles.collect();
    // A hundred megabytes each: read side by side, and once for all rules and clusters.
    bundles
        .iter()
        .flat_map(|bundle| &bundle.snaps)
        .collect::<Vec<_>>()
        .into_par_iter()
        .for_each(|snap| {
            let _: Result<&Examined, &str> = snap.file.examine();
        });
    bundles
}

impl<'a> Bundle<'a> {
    fn of(site: &SiteView<'a>, cluster: &ClusterView<'a>) -> Option<Self> {
        let document = cluster.cluster?;
        let profile = &document.value;
        let offline = profile.lxd.as_ref()?.value.offline.as_ref()?;
        let written = offline.value.snaps.as_ref()?;
        let cluster_file = &site.sources.file(document.span.file).path;
        let around = cluster_file.parent().unwrap_or(Utf8Path::new(""));
        let folder = normal(&around.join(&written.value));
        let in_folder = |file: &&SnapFile| file.path().parent().map(normal) == Some(folder.clone());
        let files: Vec<&SnapFile> = site.snaps.iter().filter(in_folder).collect();
        let snaps = files
            .iter()
            .filter(|file| file.path().extension() == Some(SNAP))
            .map(|file| {
                let beside = file.path().with_extension(ASSERT);
                let assertion = files.iter().copied().find(|file| file.path() == beside);
                Found {
                    file,
                    assertion,
                    claims: assertion.map(|file| Claims::read(&file.text()?)),
                }
            })
            .collect();
        Some(Self {
            written,
            folder,
            channel: channel(profile),
            architecture: release(profile).unwrap_or_else(target::newest).architecture,
            snaps,
        })
    }

    fn named(&self, name: &str) -> Option<&Found<'a>> {
        self.snaps.iter().find(|snap| snap.name() == name)
    }

    /// The program snapd, LXD's base and LXD: what is there of them, and in words what is not. The order is the one to
    /// install them in.
    fn needed(&self) -> (Vec<&Found<'a>>, Vec<(&str, &'static str)>) {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        let lxd = self.named("lxd");
        match PROGRAMS.iter().find_map(|name| self.named(name)) {
            Some(program) => there.push(program),
            None => missing.push(("snapd", "")),
        }
        // What LXD's snap says counts if it is the snap that it should be.
        let base = lxd.and_then(Found::meta).map(|meta| meta.base.as_deref());
        match base.map(|base| base.unwrap_or("core")) {
            Some(base) if there.iter().any(|snap| snap.name() == base) => {}
            Some(base) => match self.named(base) {
                Some(base) => there.push(base),
                None => missing.push((base, ", the base that this lxd stands on")),
            },
            None => {}
        }
        match lxd {
            Some(lxd) => there.push(lxd),
            None => missing.push(("lxd", "")),
        }
        (there, missing)
    }
}

impl Found<'_> {
    /// What the store calls it, or else its file.
    fn name(&self) -> &str {
        match &self.claims {
            Some(Ok(claims)) => &claims.name,
            _ => {
                let stem = self.file.path().file_stem().unwrap_or_default();
                stem.rsplit_once('_').map_or(stem, |(name, _)| name)
            }
        }
    }

    /// What it is, if that is what its assertions say.
    fn whole(&self) -> Option<&Examined> {
        let Some(Ok(claims)) = &self.claims else {
            return None;
        };
        let found = self.file.examine().ok()?;
        (found.size == claims.size && found.digest == claims.digest).then_some(found)
    }

    fn meta(&self) -> Option<&Meta> {
        self.whole()?.meta.as_ref().ok()
    }
}

/// The path without `.`, and without `..` where a folder comes before it.
fn normal(path: &Utf8Path) -> Utf8PathBuf {
    let mut normal = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if matches!(normal.components().next_back(), Some(Utf8Component::Normal(_))) => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

/// The snaps that the machines of a cluster are given, in the order to install them in; nothing if they get them from
/// the store. Only for a site without findings.
pub(in crate::check) fn bundled(site: &SiteView<'_>, cluster: &ClusterView<'_>) -> Vec<BundledSnap> {
    let Some(bundle) = Bundle::of(site, cluster) else {
        return Vec::new();
    };
    let (there, _) = bundle.needed();
    there
        .into_iter()
        .filter_map(|snap| {
            let Some(Ok(claims)) = &snap.claims else {
                return None;
            };
            Some(BundledSnap {
                name: claims.name.clone(),
                revision: claims.revision,
                size: claims.size,
                digest: claims.digest.clone(),
                snap: snap.file.path().to_owned(),
                assertion: snap.assertion?.path().to_owned(),
            })
        })
        .collect()
}

/// The example site with a bundle, and further edits.
macro_rules! with_bundle {
    ($($edit:expr),* $(,)?) => {
        &[
            Edit::Replace("cluster.yaml", "{channel: 5.0/stable}", "{channel: 5.0/stable, offline: {snaps: snaps}}"),
            Edit::Bytes("snaps/snapd_20092.snap", include_bytes!("../example/snaps/snapd_20092.snap")),
            Edit::Bytes("snaps/snapd_20092.assert", include_bytes!("../example/snaps/snapd_20092.assert")),
            Edit::Bytes("snaps/core20_1974.snap", include_bytes!("../example/snaps/core20_1974.snap")),
            Edit::Bytes("snaps/core20_1974.assert", include_bytes!("../example/snaps/core20_1974.assert")),
            Edit::Bytes("snaps/lxd_24322.snap", include_bytes!("../example/snaps/lxd_24322.snap")),
            Edit::Bytes("snaps/lxd_24322.assert", include_bytes!("../example/snaps/lxd_24322.assert")),
            $($edit),*
        ]
    };
}

pub(super) use with_bundle;

static NO_SNAPS: Check = Check::error(
    "O001",
    "no-snaps",
    no_snaps,
    "The folder holds what `snap download` wrote for snapd, for LXD and for the base of LXD. It is named from cluster.yaml on and lies inside the \
     site; two clusters may share one.",
)
.example(
    &[Edit::Replace(
        "cluster.yaml",
        "{channel: 5.0/stable}",
        "{channel: 5.0/stable, offline: {snaps: snaps}}",
    )],
    with_bundle!(),
);

fn no_snaps(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        if bundle.snaps.is_empty() {
            let channel = bundle.channel.unwrap_or_else(Channel::default_channel);
            report
                .add(
                    bundle.written.span,
                    format!("there are no snaps in {}", quoted(bundle.folder.as_str())),
                    format!(
                        "name a folder inside the site, relative to cluster.yaml, and run there: snap download snapd; snap download lxd \
                         --channel={channel}; and the same for the base that `snap info --verbose ./lxd_*.snap` tells"
                    ),
                )
                .label("no snaps there");
        }
    }
}

static SNAP_MISSING: Check = Check::error(
    "O002",
    "snap-missing",
    snap_missing,
    "Without a network a machine can install LXD only if it is given everything that LXD stands on: the program snapd, newer than the installed system's, and the \
     very base that LXD's snap asks for.",
)
.example(
    with_bundle!(
        Edit::Remove("snaps/core20_1974.snap"),
        Edit::Remove("snaps/core20_1974.assert"),
    ),
    with_bundle!(),
);

fn snap_missing(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        if bundle.snaps.is_empty() {
            continue;
        }
        let (_, missing) = bundle.needed();
        for (name, what) in missing {
            let channel = match (&bundle.channel, name) {
                (Some(channel), "lxd") => format!(" --channel={channel}"),
                _ => String::new(),
            };
            report
                .add(
                    bundle.written.span,
                    format!("{} has no {name}{what}", quoted(bundle.folder.as_str())),
                    format!("run there: snap download {name}{channel}"),
                )
                .label("not complete");
        }
    }
}

static SNAP_TWICE: Check = Check::error(
    "O003",
    "snap-twice",
    snap_twice,
    "All members of a cluster must run the same revision of LXD. With two files of one snap it would be chance which of them is installed.",
)
.example(
    with_bundle!(
        Edit::Bytes("snaps/lxd_24323.snap", include_bytes!("../example/snaps/lxd_24322.snap")),
        Edit::Bytes("snaps/lxd_24323.assert", include_bytes!("../example/snaps/lxd_24322.assert")),
    ),
    with_bundle!(),
);

fn snap_twice(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for (at, snap) in bundle.snaps.iter().enumerate() {
            let earlier = &bundle.snaps[..at];
            if let Some(other) = earlier.iter().find(|other| other.name() == snap.name()) {
                report
                    .add(
                        bundle.written.span,
                        format!(
                            "{} and {} are the same snap, {}",
                            other.file.path(),
                            snap.file.path(),
                            snap.name()
                        ),
                        "move one of the two away",
                    )
                    .label("one snap twice");
            }
        }
    }
}

static SNAP_WITHOUT_ASSERTION: Check = Check::error(
    "O004",
    "snap-without-assertion",
    snap_without_assertion,
    "snapd takes a file without the store's assertions only as \"dangerous\": it is then not connected to what LXD needs, and is never refreshed.",
)
.example(
    with_bundle!(Edit::Remove("snaps/snapd_20092.assert")),
    with_bundle!(),
);

fn snap_without_assertion(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for snap in bundle.snaps.iter().filter(|snap| snap.claims.is_none()) {
            let assertion = snap.file.path().with_extension(ASSERT);
            report
                .add(
                    bundle.written.span,
                    format!("{} is there, but not {assertion}", snap.file.path()),
                    "`snap download` writes both: copy it here, too, or download the snap again",
                )
                .label("a snap without its assertions");
        }
    }
}

static INVALID_ASSERTION: Check = Check::error(
    "O005",
    "invalid-assertion",
    invalid_assertion,
    "A .assert file is a stream of assertions: among them a snap-revision, which tells digest, size and revision of one snap, and a snap-declaration, \
     which tells its name. Their signatures are not verified here; snapd does that on the machine.",
)
.example(
    with_bundle!(Edit::Write("snaps/snapd_20092.assert", "type: snap-revision\n")),
    with_bundle!(),
);

fn invalid_assertion(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for snap in &bundle.snaps {
            if let (Some(Err(why)), Some(assertion)) = (&snap.claims, snap.assertion) {
                report
                    .add(
                        bundle.written.span,
                        format!("{} cannot be taken: {why}", assertion.path()),
                        "download the snap again with `snap download`",
                    )
                    .label("assertions that say nothing of a snap");
            }
        }
    }
}

static SNAP_ALTERED: Check = Check::error(
    "O006",
    "snap-altered",
    snap_altered,
    "The assertions tell the size and the SHA3-384 of the snap they belong to. A snap with others is cut off, damaged or of another revision, and \
     snapd would refuse it on the machine.",
)
.example(
    with_bundle!(Edit::Write("snaps/core20_1974.snap", "hsqs, and then the download broke off\n")),
    with_bundle!(),
);

fn snap_altered(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for snap in &bundle.snaps {
            let (Some(Ok(claims)), Ok(found)) = (&snap.claims, snap.file.examine()) else {
                continue;
            };
            let Claims { name, revision, .. } = claims;
            let why = if found.size != claims.size {
                format!(
                    "it has {} bytes, and revision {revision} of {name} has {}",
                    found.size, claims.size
                )
            } else if found.digest != claims.digest {
                format!("its SHA3-384 is not that of revision {revision} of {name}")
            } else {
                continue;
            };
            report
                .add(
                    bundle.written.span,
                    format!("{} is not what its assertions say: {why}", snap.file.path()),
                    "download the snap again with `snap download`",
                )
                .label("a snap that is not whole");
        }
    }
}

static UNREADABLE_SNAP: Check = Check::error(
    "O007",
    "unreadable-snap",
    unreadable_snap,
    "A snap is a squashfs with a meta/snap.yaml. That of LXD tells which base it stands on and which version it is.",
)
.example(
    with_bundle!(
        Edit::Bytes("snaps/lxd_24322.snap", include_bytes!("../example/snaps/lxd_1.snap")),
        Edit::Bytes(
            "snaps/lxd_24322.assert",
            include_bytes!("../example/snaps/lxd_1.assert")
        ),
    ),
    with_bundle!(),
);

fn unreadable_snap(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for snap in &bundle.snaps {
            let again = "download the snap again with `snap download`";
            let (why, help) = match snap.file.examine() {
                Err(why) => (why, again),
                Ok(_) => match snap.whole().map(|found| &found.meta) {
                    Some(Err(NoMeta::Damaged(why))) => (why.as_str(), again),
                    // Of the others no more is asked than what their assertions say.
                    Some(Err(NoMeta::Packed(why))) if snap.name() == "lxd" => (
                        why.as_str(),
                        "the store's own snap of LXD is packed with xz: take that one",
                    ),
                    _ => continue,
                },
            };
            report
                .add(
                    bundle.written.span,
                    format!("{} cannot be used: {why}", snap.file.path()),
                    help,
                )
                .label("a snap that cannot be read");
        }
    }
}

static SNAP_OF_ANOTHER_CHANNEL: Check = Check::error(
    "O008",
    "snap-of-another-channel",
    snap_of_another_channel,
    "What lxseed writes for LXD depends on its track. `snap download lxd` without --channel brings the newest LTS, which may be another one.",
)
.example(
    with_bundle!(
        Edit::Replace("cluster.yaml", "5.0/stable", "4.0/stable"),
        Edit::Replace("cluster.yaml", "admin:\n", "allow: {old-track: the other machines have it}\nadmin:\n"),
    ),
    with_bundle!(),
);

fn snap_of_another_channel(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        let (Some(channel), Some(lxd)) = (&bundle.channel, bundle.named("lxd")) else {
            continue;
        };
        let Some(version) = lxd.meta().map(Meta::version) else {
            continue;
        };
        if !channel.may_have(version) {
            report
                .add(
                    bundle.written.span,
                    format!(
                        "{} is LXD {}, which is not of channel {channel}",
                        lxd.file.path(),
                        quoted(version)
                    ),
                    format!("run there: snap download lxd --channel={channel}"),
                )
                .label("LXD of another channel");
        }
    }
}

static SNAP_OF_ANOTHER_ARCHITECTURE: Check = Check::error(
    "O009",
    "snap-of-another-architecture",
    snap_of_another_architecture,
    "`snap download` brings what the machine that it runs on could install. The install media are for amd64.",
)
.example(
    with_bundle!(
        Edit::Bytes(
            "snaps/lxd_24322.snap",
            include_bytes!("../example/snaps/lxd_24323.snap")
        ),
        Edit::Bytes(
            "snaps/lxd_24322.assert",
            include_bytes!("../example/snaps/lxd_24323.assert")
        ),
    ),
    with_bundle!(),
);

fn snap_of_another_architecture(site: &SiteView<'_>, report: &mut Report<'_>) {
    for bundle in bundles(site) {
        for snap in &bundle.snaps {
            let Some(meta) = snap.meta() else { continue };
            let fits = |architecture: &String| architecture == bundle.architecture || architecture == "all";
            // Without a word about it a snap is for all.
            if !meta.architectures.is_empty() && !meta.architectures.iter().any(fits) {
                report
                    .add(
                        bundle.written.span,
                        format!(
                            "{} is for {}, and the machines are {}",
                            snap.file.path(),
                            quoted(&meta.architectures.join(", ")),
                            bundle.architecture
                        ),
                        "run `snap download` on a machine of that kind, or with UBUNTU_STORE_ARCH=amd64",
                    )
                    .label("a snap for other machines");
            }
        }
    }
}
