//! The release contract: Ubuntu × kernel × LXD channel × storage driver.

use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::model::Kernel;
use crate::profile::{Cluster, Spanned, entries, quoted, scalar};
use crate::target::lxd::{Channel, Track};
use crate::target::{self, Release};

pub(super) static CHECKS: &[&Check] = &[
    &UNKNOWN_RELEASE,
    &UNKNOWN_CHANNEL,
    &DRIVER_NOT_ON_KERNEL,
    &KERNEL_BELOW_DOCUMENTED,
    &UNSTABLE_CHANNEL,
    &OLD_TRACK,
];

static UNKNOWN_RELEASE: Check = Check::error(
    "R001",
    "unknown-release",
    unknown_release,
    "lxseed writes answers for the installer of a release and for its cloud-init. From 20.04 on Ubuntu's server has another installer.",
)
.example(
    &[Edit::Replace("cluster.yaml", "ubuntu: \"18.04\"", "ubuntu: \"20.04\"")],
    &[],
);

fn unknown_release(site: &SiteView<'_>, report: &mut Report<'_>) {
    for ubuntu in site.profiles().filter_map(|profile| profile.ubuntu.as_ref()) {
        if let Err(why) = ubuntu.value.parse::<&Release>() {
            let finding = report.add(
                ubuntu.span,
                format!("unknown release {}: {why}", quoted(&ubuntu.value)),
                format!("write `ubuntu: \"{}\"`", target::newest().version),
            );
            finding.label("unknown release");
            // Another way to write the same; any other release is not a matter of spelling.
            if let Some(release) = Release::suggested_by(&ubuntu.value) {
                finding.fix(ubuntu.span, scalar(release.version));
            }
        }
    }
}

static UNKNOWN_CHANNEL: Check = Check::error(
    "R002",
    "unknown-channel",
    unknown_channel,
    "The channel decides which LXD all members run. Tracks before 4.0 cannot be joined without a password, later ones than 5.21 ask for a \
     newer kernel, and without a track the newest LTS is installed, whose ZFS tools do not fit the 4.15 kernel.",
)
.example(
    &[Edit::Replace("cluster.yaml", "5.0/stable", "latest/stable")],
    &[Edit::Replace("cluster.yaml", "5.0/stable", "\"5.0\"")],
);

fn unknown_channel(site: &SiteView<'_>, report: &mut Report<'_>) {
    for channel in written_channels(site) {
        if let Err(why) = channel.value.parse::<Channel>() {
            let suggestion = Channel::suggested_by(&channel.value);
            let help = match &suggestion {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None => "use 5.0/stable or 5.21/stable".to_owned(),
            };
            let finding = report.add(
                channel.span,
                format!("unknown channel {}: {why}", quoted(&channel.value)),
                help,
            );
            finding.label("unknown channel");
            if let Some(suggestion) = suggestion {
                finding.fix(channel.span, suggestion.to_string());
            }
        }
    }
}

fn written_channels<'a>(site: &SiteView<'a>) -> impl Iterator<Item = &'a Spanned<String>> {
    site.profiles().filter_map(written_channel)
}

fn written_channel(cluster: &Cluster) -> Option<&Spanned<String>> {
    cluster.lxd.as_ref()?.value.channel.as_ref()
}

/// The channel a cluster installs from, unless it is one that was reported.
pub(super) fn channel(cluster: &Cluster) -> Option<Channel> {
    match cluster.lxd.as_ref().map(|lxd| lxd.value.channel.as_ref()) {
        Some(Some(channel)) => channel.value.parse().ok(),
        // The key is there but its value was wrong, or is not there: the default is what would be installed.
        Some(None) | None => release(cluster).map(Channel::default_of),
    }
}

/// The release a cluster runs, unless it is one that was reported.
pub(in crate::check) fn release(cluster: &Cluster) -> Option<&'static Release> {
    cluster.ubuntu.as_ref()?.value.parse().ok()
}

/// The kernel a cluster runs: HWE unless said otherwise, since the documented kernel of LXD 5.0 is 5.4.
pub(in crate::check) fn kernel(cluster: &Cluster) -> Kernel {
    cluster.kernel.as_ref().map_or(Kernel::Hwe, |kernel| kernel.value)
}

static DRIVER_NOT_ON_KERNEL: Check = Check::error(
    "R003",
    "driver-not-on-kernel",
    driver_not_on_kernel,
    "LXD's snap carries its own ZFS tools and picks them by the version of the kernel's module: kernel 4.15 has ZFS 0.7, the HWE kernel \
     5.4 has 0.8. LXD 5.21 brings tools from 0.8 on, so on 4.15 it stops with \"Required tool 'zpool' is missing\".",
)
.example(
    &[
        Edit::Replace("cluster.yaml", "5.0/stable", "5.21/stable"),
        Edit::Replace("cluster.yaml", "kernel: hwe", "kernel: ga"),
        Edit::Replace("cluster.yaml", "admin:\n", "allow: {kernel-below-documented: tried on one machine}\nadmin:\n"),
    ],
    &[
        Edit::Replace("cluster.yaml", "5.0/stable", "5.21/stable"),
        Edit::Replace("cluster.yaml", "admin:\n", "allow: {kernel-below-documented: tried on one machine}\nadmin:\n"),
    ],
);

fn driver_not_on_kernel(site: &SiteView<'_>, report: &mut Report<'_>) {
    for cluster in site.profiles() {
        let Some(channel) = channel(cluster) else {
            continue;
        };
        let Some(release) = release(cluster) else {
            continue;
        };
        for (name, pool) in entries(cluster.pools.as_ref()) {
            let Some(driver) = &pool.value.driver else {
                continue;
            };
            let Some(why) = channel.track.refuses(release.kernel(kernel(cluster)), driver.value) else {
                continue;
            };
            let message = format!("pool {} cannot be {}: {why}", quoted(&name.value), driver.value.word());
            let finding = report.add(
                driver.span,
                message,
                "write `kernel: hwe`, use channel 5.0/stable, or another driver",
            );
            finding.label("not with this kernel and channel");
            if let Some(channel) = written_channel(cluster) {
                finding.also(channel.span, "the channel");
            }
            if let Some(kernel) = &cluster.kernel {
                finding
                    .also(kernel.span, "the kernel")
                    .fix(kernel.span, Kernel::Hwe.word());
            }
        }
    }
}

static KERNEL_BELOW_DOCUMENTED: Check = Check::warning(
    "R004",
    "kernel-below-documented",
    kernel_below_documented,
    "LXD documents the oldest kernel it is tested with: 5.4 for 5.0, 5.15 for 5.21 (\"older kernels should also work to some degree\"). The \
     machines have 4.15 (ga) or 5.4 (hwe).",
)
.example(
    &[Edit::Replace("cluster.yaml", "kernel: hwe", "kernel: ga")],
    &[],
);

fn kernel_below_documented(site: &SiteView<'_>, report: &mut Report<'_>) {
    for document in site.clusters.iter().filter_map(|cluster| cluster.cluster) {
        let cluster = &document.value;
        let Some(channel) = channel(cluster) else {
            continue;
        };
        let Some(release) = release(cluster) else {
            continue;
        };
        let wanted = |kernel| channel.track.wants_newer_kernel(release.kernel(kernel));
        let Some(documented) = wanted(kernel(cluster)) else {
            continue;
        };
        let written = written_channel(cluster);
        let span = match (&cluster.kernel, written) {
            (Some(kernel), _) => kernel.span,
            (None, Some(channel)) => channel.span,
            (None, None) => document.span,
        };
        let message = format!(
            "LXD {channel} documents kernel {documented}, which is newer than the {} kernel of {}",
            kernel(cluster).word(),
            release.version
        );
        let help = format!(
            "use `kernel: hwe` and channel 5.0/stable, or accept it: `allow: {{{}: \"why\"}}`",
            report.rule.slug
        );
        let still_older = wanted(Kernel::Hwe);
        let finding = report.add(span, message, help);
        finding.label("older than documented");
        if let (Some(kernel), Some(channel)) = (&cluster.kernel, written) {
            finding.also(channel.span, "the channel");
            if still_older.is_none() {
                finding.fix(kernel.span, Kernel::Hwe.word());
            }
        }
    }
}

static UNSTABLE_CHANNEL: Check = Check::warning(
    "R005",
    "unstable-channel",
    unstable_channel,
    "All members of a cluster must run the very same LXD; what is not yet released as stable changes under them from one day to the next.",
)
.example(
    &[Edit::Replace("cluster.yaml", "5.0/stable", "5.0/candidate")],
    &[],
);

fn unstable_channel(site: &SiteView<'_>, report: &mut Report<'_>) {
    for text in written_channels(site) {
        let Ok(channel) = text.value.parse::<Channel>() else {
            continue;
        };
        if !channel.is_stable() {
            let stable = channel.stable();
            report
                .add(
                    text.span,
                    format!("channel {} is not stable", quoted(&text.value)),
                    format!("use {stable}"),
                )
                .label("not stable")
                .fix(text.span, stable.to_string());
        }
    }
}

static OLD_TRACK: Check = Check::warning(
    "R006",
    "old-track",
    old_track,
    "LXD 4.0 gets security fixes only. It makes zpools with `zpool create -f`, which overwrites what is on a disk, where 5.0.3 and later refuse, and \
     it drops what it does not know in a preseed without a word, where 5.0.2 and later say so. 5.0 runs on both kernels.",
)
.example(
    &[Edit::Replace("cluster.yaml", "5.0/stable", "4.0/stable")],
    &[],
);

fn old_track(site: &SiteView<'_>, report: &mut Report<'_>) {
    for text in written_channels(site) {
        if text
            .value
            .parse::<Channel>()
            .is_ok_and(|channel| channel.track == Track::V4_0)
        {
            let newer = Channel::default_channel();
            report
                .add(
                    text.span,
                    format!("channel {} gets security fixes only", quoted(&text.value)),
                    format!("use {newer}, or accept it: `allow: {{{}: \"why\"}}`", report.rule.slug),
                )
                .label("an old track")
                .fix(text.span, newer.to_string());
        }
    }
}
