//! Whether the members are one cluster: one founding, one LXD, the declared track and kernel.

use std::collections::BTreeMap;

use super::super::status::State;
use super::{View, few};
use crate::finding::{Findings, Rule, rules};
use crate::target::Version;

rules! {
pub(super) static SEVERAL_FOUNDINGS: Rule = Rule::error(
    "L011",
    "several-foundings",
    "Each founding of a cluster draws a number, and members of different numbers are different clusters under one name and one certificate. Their \
     databases know nothing of one another, and a verb that asks one of them would decide for half of the machines.",
);

pub(super) static ANOTHER_FOUNDING: Rule = Rule::error(
    "L012",
    "another-founding",
    "The number of the founding is in the profile, and the cluster that answers has another one: it was formed anew, so what was on the record of the \
     first one is not on its, or the profile is of another cluster of that name.",
);

pub(super) static VERSION_SKEW: Rule = Rule::error(
    "L013",
    "version-skew",
    "All members of a cluster have to run one version of LXD with one number of API extensions: who has more waits for the others (`Blocked`), and a \
     host with another version cannot join. Snaps update by themselves, each machine at its own hour.",
);

pub(super) static ANOTHER_TRACK: Rule = Rule::error(
    "L014",
    "another-track",
    "The members run an LXD that cannot come from the declared channel. A host that is installed now would get another version than they have, and \
     could not join. A track only goes up: LXD's database cannot be brought back.",
);

pub(super) static ANOTHER_KERNEL: Rule = Rule::warning(
    "L015",
    "another-kernel",
    "The machine runs another kernel of Ubuntu than the profile declares. Which ZFS tools LXD takes, and whether it works with that pool at all, follows \
     from the kernel; a machine that is installed anew gets the declared one. A kernel that is not Ubuntu's cannot be declared and is not judged.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    foundings(view, findings);
    skew(view, findings);
    track(view, findings);
    kernel(view, findings);
}

fn foundings(view: &View<'_>, findings: &mut Findings) {
    let numbers = &view.status.foundings;
    if let [number] = numbers.as_slice() {
        another_founding(view, number, findings);
    }
    if numbers.len() < 2 {
        return;
    }
    let groups: Vec<String> = numbers
        .iter()
        .map(|number| {
            let of = view.seen.foundings.iter().filter(|founding| founding.number == *number);
            let members: Vec<&str> = of.map(|founding| founding.member.as_str()).collect();
            format!("{number} of {}", few(&members))
        })
        .collect();
    let message = format!(
        "the members of {} belong to {} foundings: {}",
        view.name(),
        numbers.len(),
        few(&groups)
    );
    let help = "decide which cluster is to stay; switch the machines of the other off, save what is on them, and install them anew";
    let finding = findings.add(&SEVERAL_FOUNDINGS, view.places.cluster, message, help);
    for founding in &view.seen.foundings {
        let text = format!("founding {}", founding.number);
        finding.also(view.places.host(&founding.member), text);
    }
}

fn another_founding(view: &View<'_>, number: &str, findings: &mut Findings) {
    let Some(declared) = view.wish.cluster.formed.as_deref() else {
        return;
    };
    if declared == number {
        return;
    }
    let message = format!(
        "the members of {} belong to the founding {number}, and {declared} is declared",
        view.name()
    );
    let help = "change nothing before it is known which of the two has the instances; then declare that one's number";
    findings.add(&ANOTHER_FOUNDING, view.places.formed, message, help);
}

/// Whether a host belongs to another cluster of the same name than the one that was asked.
pub(super) fn is_of_another_founding(view: &View<'_>, host: &str) -> bool {
    let number = |name: &str| {
        let mut foundings = view.seen.foundings.iter();
        foundings.find(|founding| founding.member == name)
    };
    let asked = view.seen.cluster.as_ref().and_then(|cluster| number(&cluster.through));
    match (asked, number(host)) {
        (Some(asked), Some(own)) => asked.number != own.number,
        _ => false,
    }
}

fn skew(view: &View<'_>, findings: &mut Findings) {
    let mut builds: BTreeMap<(&str, usize), Vec<&str>> = BTreeMap::new();
    for host in view.hosts() {
        if let Some(server) = host.server() {
            let build = (server.version.as_str(), server.api_extensions);
            builds.entry(build).or_default().push(host.host.name.as_str());
        }
    }
    let blocked = view.hosts().filter(|host| host.status.state == State::Blocked);
    let blocked: Vec<&str> = blocked.map(|host| host.host.name.as_str()).collect();
    if builds.len() < 2 && blocked.is_empty() {
        return;
    }
    let call = |(version, extensions): &(&str, usize)| format!("LXD {version} with {extensions} API extensions");
    let mut groups: Vec<String> = builds
        .iter()
        .map(|(build, hosts)| format!("{} on {}", call(build), few(hosts)))
        .collect();
    if !blocked.is_empty() {
        groups.push(format!("another one on {}, which waits for the others", few(&blocked)));
    }
    let message = format!("the hosts of {} run different LXDs: {}", view.name(), few(&groups));
    let help = format!(
        "bring all of them to the newest that one has: lxseed upgrade --channel {} --only {}",
        view.wish.cluster.channel,
        view.name()
    );
    let finding = findings.add(&VERSION_SKEW, view.places.channel, message, help);
    // Where all have the same but a few, the few are shown.
    let most = builds.values().map(Vec::len).max().unwrap_or(0);
    for (build, hosts) in builds.iter().filter(|(_, hosts)| hosts.len() < most || most == 1) {
        for host in hosts {
            finding.also(view.places.host(host), call(build));
        }
    }
    for host in blocked {
        finding.also(view.places.host(host), "waits for the others");
    }
}

fn track(view: &View<'_>, findings: &mut Findings) {
    let channel = &view.wish.cluster.channel;
    let others: Vec<(&str, &str)> = view
        .hosts()
        .filter_map(|host| Some((host.host.name.as_str(), host.server()?.version.as_str())))
        .filter(|(_, version)| !channel.may_have(version))
        .collect();
    let Some((_, version)) = others.first() else {
        return;
    };
    let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
    let message = format!(
        "LXD {version} on {} is not of {channel}, which is declared",
        few(&names)
    );
    let help = format!(
        "declare the track that runs, or bring the hosts to the declared one if it is the newer: lxseed upgrade --channel {channel} --only {}",
        view.name()
    );
    findings
        .add(&ANOTHER_TRACK, view.places.channel, message, help)
        .label("declared");
}

fn kernel(view: &View<'_>, findings: &mut Findings) {
    let cluster = view.wish.cluster;
    let declared = cluster.ubuntu.kernel(cluster.kernel);
    let others: Vec<(&str, &str)> = view
        .hosts()
        .filter_map(|host| Some((host.host.name.as_str(), host.server()?.kernel.as_str())))
        .filter(|(_, kernel)| Version::of_kernel(kernel).is_some_and(|version| version != declared.linux))
        .collect();
    let Some((_, running)) = others.first() else {
        return;
    };
    let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
    let message = format!(
        "{} run{} Linux {running}, and {} is {}",
        few(&names),
        if names.len() == 1 { "s" } else { "" },
        cluster.kernel.word(),
        declared.linux
    );
    let help = "declare the kernel that runs; or install the declared one on the machine, and restart it";
    findings
        .add(&ANOTHER_KERNEL, view.places.kernel, message, help)
        .label("declared");
}
