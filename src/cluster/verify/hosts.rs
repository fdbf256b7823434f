//! Which declared hosts are members, and why the others are not.

use std::collections::BTreeMap;

use super::super::seen::{Answer, Identity};
use super::super::status::State;
use super::{HostView, View, few};
use crate::finding::{Findings, Rule, rules};

rules! {
pub(super) static NOBODY_ANSWERS: Rule = Rule::error(
    "L001",
    "nobody-answers",
    "No LXD of this cluster answers at a declared address. All of them are off, or the desk is not in their network: a cluster of which nothing was \
     seen is not one that is well. Exit status 4 tells it from findings.",
);

pub(super) static NO_MAJORITY: Rule = Rule::error(
    "L002",
    "no-majority",
    "LXD keeps what a cluster knows in a database that answers while a majority of its voters is there (dqlite, which is Raft). Without one every \
     member waits, instances run on, and nothing can be changed. What answers shows that it is a member, and can tell no more.",
);

pub(super) static DESK_NOT_KNOWN: Rule = Rule::error(
    "L003",
    "desk-not-known",
    "The desk's certificate comes with the seed and is trusted at the founding. A cluster of an earlier seed, of `desk: none` or of another \
     generation of the desk's key does not know it, and tells nothing.",
);

pub(super) static NOT_A_MEMBER: Rule = Rule::error(
    "L004",
    "not-a-member",
    "A declared host that is in no cluster is a machine that was never switched on, is still being installed, or waits. What its first boot tells \
     is repeated word for word.",
);

pub(super) static FIRST_BOOT_STOPPED: Rule = Rule::error(
    "L005",
    "first-boot-stopped",
    "The first boot stops where it cannot know what a person wants, such as a disk that is not blank. It does nothing more by itself until what it \
     says is decided, and it says it word for word.",
);

pub(super) static FIRST_BOOT_NOT_DONE: Rule = Rule::warning(
    "L006",
    "first-boot-not-done",
    "A member whose first boot is not done has keys that lie open, or a seed that it was given later is not followed to the end.",
);

pub(super) static ANOTHER_MACHINE: Rule = Rule::error(
    "L007",
    "another-machine",
    "Every LXD of a site shows a certificate that is derived from the site secret. Who shows another one at a declared address is another machine, \
     or has the keys of another secret; nothing that it says is believed.",
);

pub(super) static MEMBER_OFFLINE: Rule = Rule::error(
    "L008",
    "member-offline",
    "The cluster has this member on record and has not heard of it for 20 seconds (`cluster.offline_threshold`). Its instances are down or cannot \
     be reached, and if it votes, one more member that goes may cost the majority.",
);

pub(super) static MEMBER_EVACUATED: Rule = Rule::warning(
    "L009",
    "member-evacuated",
    "An evacuated member takes no instances until it is restored. That is meant for an hour of maintenance, and easily forgotten.",
);

pub(super) static MEMBER_NOT_ASKED: Rule = Rule::error(
    "L010",
    "member-not-asked",
    "The cluster says that the member is there, and the desk could not ask it. What only the member itself knows, such as where its pools lie, was \
     not looked at.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    let whole = whole_cluster(view, findings);
    for host in view.hosts().filter(|host| !whole.covers(host)) {
        of_host(view, host, findings);
    }
}

/// What was said of the cluster as a whole, and which hosts that explains.
#[derive(Default)]
struct Explained {
    silent: bool,
    hanging: bool,
    unknown: bool,
}

impl Explained {
    fn covers(&self, host: &HostView<'_>) -> bool {
        match host.status.state {
            State::Off | State::Starting => self.silent,
            State::Hangs => self.hanging && is_of_cluster(host.answer),
            State::Unknown => self.unknown,
            _ => false,
        }
    }
}

fn is_of_cluster(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Hangs(Identity::Cluster) | Answer::Server(Identity::Cluster, _)
    )
}

fn is_silent(host: &HostView<'_>) -> bool {
    matches!(host.status.state, State::Off | State::Starting)
}

fn whole_cluster(view: &View<'_>, findings: &mut Findings) -> Explained {
    let mut explained = Explained::default();
    let (name, place) = (view.name(), view.places.cluster);
    let names = |wanted: &dyn Fn(&HostView<'_>) -> bool| -> Vec<&str> {
        let hosts = view.hosts().filter(wanted);
        hosts.map(|host| host.host.name.as_str()).collect()
    };
    let silent = names(&is_silent);
    let unknown = names(&|host| host.status.state == State::Unknown);
    if !unknown.is_empty() {
        explained.unknown = true;
        let message = match view.wish.keys.desk {
            None => format!(
                "{} of {name} cannot be asked: the desk has no key (`desk: none`)",
                few(&unknown)
            ),
            Some(_) => format!("LXD on {} does not know the desk of {name}", few(&unknown)),
        };
        let first = match view.wish.cluster.desk {
            None => "take `desk: none` out, and build; then on a member",
            Some(0 | 1) => "on a member",
            Some(_) => "if it knows an earlier generation of its key: lxseed rotate desk; else on a member",
        };
        let help = format!(
            "{first}: lxc config trust add lxseed-desk.crt, with out/{name}/desk.crt of the build copied there under that name"
        );
        findings.add(&DESK_NOT_KNOWN, view.places.desk, message, help);
    }
    if view.seen.cluster.is_some() {
        return explained;
    }
    let hanging = names(&|host| host.status.state == State::Hangs && is_of_cluster(host.answer));
    if !hanging.is_empty() {
        explained.silent = true;
        explained.hanging = true;
        let others = match silent.is_empty() {
            true => String::new(),
            false => format!("; {} cannot be reached", few(&silent)),
        };
        let message = format!(
            "the database of {name} does not answer {}: it starts, or has no majority of its voters{others}",
            few(&hanging)
        );
        let help = "switch on the members that are off; the database answers once a majority of its voters is there";
        findings.add(&NO_MAJORITY, place, message, help);
    } else if !silent.is_empty() && !view.seen.is_answered() {
        explained.silent = true;
        let message = format!("no host of {name} answers: {}", silence(view));
        let help = format!(
            "switch the hosts on, or ask from a desk that reaches {}",
            view.wish.cluster.network.subnet
        );
        findings.add(&NOBODY_ANSWERS, place, message, help);
    }
    explained
}

/// What the network says of those that are silent.
fn silence(view: &View<'_>) -> String {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for host in view.hosts().filter(is_silent) {
        let reason = match host.answer {
            Answer::Silent(why) => why,
            _ => "on, and no LXD listens",
        };
        by_reason
            .entry(reason)
            .or_default()
            .push(host.status.address.ip().to_string());
    }
    let groups = by_reason.iter();
    let groups: Vec<String> = groups
        .map(|(reason, hosts)| format!("{} ({reason})", few(hosts)))
        .collect();
    groups.join("; ")
}

fn of_host(view: &View<'_>, host: HostView<'_>, findings: &mut Findings) {
    let name = host.name();
    let place = view.places.host(name);
    let full = view.full(name);
    let message = host.status.message.as_deref().unwrap_or_default();
    match host.status.state {
        State::Foreign => {
            let help = "see what is at that address; if it is this host, it was built with another site secret: name that with --secret-file";
            findings.add(&ANOTHER_MACHINE, place, format!("{name}: {message}"), help);
        }
        State::Stopped => stopped(view, host, findings),
        State::Offline => {
            let members = view.seen.cluster.iter().flat_map(|cluster| &cluster.members);
            let record = members
                .filter(|member| member.name == name)
                .map(|member| member.message.as_str());
            let mut why: Vec<&str> = record.chain([message]).filter(|why| !why.is_empty()).collect();
            why.dedup();
            let why = match why.is_empty() {
                true => String::new(),
                false => format!(": {}", why.join("; ")),
            };
            let help = format!(
                "switch it on, or see what keeps its LXD from running; if its system disk died: lxseed return {full}; if it is gone for good with all that is on its pools: lxseed retire \
                 {full} --lost N"
            );
            findings.add(
                &MEMBER_OFFLINE,
                place,
                format!("the member {name} is offline{why}"),
                help,
            );
        }
        State::Evacuated => {
            let help = format!("when the work on it is done: lxc cluster restore {name}");
            findings.add(
                &MEMBER_EVACUATED,
                place,
                format!("the member {name} is evacuated"),
                help,
            );
        }
        State::Online => online(view, host, findings),
        // A member of another version than the others, which is a finding of its own.
        State::Blocked => {}
        State::Removed if super::versions::is_of_another_founding(view, name) => {}
        // The seed that would let it in is the first that it needs.
        _ if super::trust::is_to_be_admitted(view, host) || super::trust::is_over(view, host) => {}
        state => {
            let message = match message {
                "" => format!("{name} is not a member yet: its first boot is {}", state.word()),
                why => format!("{name} is not a member: {why}"),
            };
            findings.add(&NOT_A_MEMBER, place, message, help_for(state, &full));
        }
    }
}

fn help_for(state: State, full: &str) -> String {
    match state {
        State::Off => {
            format!("switch it on, with its install medium or seed; a host that shall not be: lxseed retire {full}")
        }
        State::Starting => {
            "wait until its installation is done; else its console and `journalctl -u lxseed-firstboot` on it tell"
                .to_owned()
        }
        State::Retired => format!(
            "to keep it out take it out of hosts/; to set it up anew raise its generation, build, and: lxseed admit {full}"
        ),
        State::Removed => format!("install it anew, and let it in: lxseed admit {full}"),
        State::Hangs => "wait a minute, and ask again; else `journalctl -u snap.lxd.daemon` on it tells".to_owned(),
        _ => format!("it goes on by itself once that is so; to see how it does: lxseed status ({full})"),
    }
}

fn stopped(view: &View<'_>, host: HostView<'_>, findings: &mut Findings) {
    let name = host.name();
    let stage = host.status.stage.as_deref().unwrap_or("its first boot");
    let why = host.status.message.as_deref().unwrap_or_default();
    let message = format!("the first boot of {name} stopped at {stage}: {why}");
    let help = format!("decide what it says; then on {name}: systemctl restart lxseed-firstboot");
    findings.add(&FIRST_BOOT_STOPPED, view.places.host(name), message, help);
}

fn online(view: &View<'_>, host: HostView<'_>, findings: &mut Findings) {
    let name = host.name();
    let told = view.told(host);
    let place = view.places.host(name);
    if told.as_ref().is_some_and(|told| told.state == "stopped") {
        stopped(view, host, findings);
    } else if let Some(told) = told.filter(|_| others_are_there(view, name)) {
        let why = match told.message.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        let message = format!(
            "the member {name} is not done with its first boot, stage {}{why}",
            told.stage
        );
        let help = "wait until it is; it goes on by itself, also after a restart";
        findings.add(&FIRST_BOOT_NOT_DONE, place, message, help);
    }
    if host.server().is_none() {
        let why = match (host.answer, host.status.message.as_deref()) {
            (Answer::NotListening, _) => "nobody listens there",
            (Answer::Untrusted(_), _) => "it does not take the desk's certificate",
            (Answer::Silent(why), _) => why,
            _ => "it gives no answer",
        };
        let message = format!(
            "the cluster says that {name} is there, and at {} the desk could not ask it: {why}",
            host.status.address
        );
        let help = "open the way from the desk to its address, port 8443, and ask again";
        findings.add(&MEMBER_NOT_ASKED, place, message, help);
    }
}

/// Whether nobody is missing that a first boot may wait for.
fn others_are_there(view: &View<'_>, name: &str) -> bool {
    let mut others = view.hosts().filter(|host| host.name() != name);
    others.all(|host| host.is_member())
}
