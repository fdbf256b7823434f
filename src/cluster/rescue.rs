//! What to do about a database that does not answer: LXD's own ways, with the names and addresses of this cluster. Pure,
//! and nothing here is done by lxseed: which copy of a database goes on is for a person to decide.
//!
//! From LXD's `doc/howto/cluster_recover.md`, `lxd/main_cluster.go` and `lxd/cluster/recover.go` of 5.0.2 and 5.21.7.

use super::seen::{Answer, ClusterSeen, HostSeen, Identity, Seen};
use crate::model::Cluster;
use crate::target::lxd::DATABASE;

/// What a declared host may still have of the cluster's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    /// Its LXD runs under the cluster's certificate, and the desk hears no more of it.
    Hangs,
    /// The same, and it does not know the desk: whether its database answers is not known.
    Mute,
    /// The machine is on, and no LXD listens.
    Stopped,
    /// Nobody that is this host answers.
    Gone,
    /// Its LXD is in no cluster: it never was a member, or the machine was installed anew.
    None,
}

impl From<&Answer> for Copy {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Server(Identity::Cluster, _) | Answer::Hangs(Identity::Cluster) => Self::Hangs,
            Answer::Untrusted(Identity::Cluster) => Self::Mute,
            Answer::NotListening => Self::Stopped,
            Answer::Silent(_) | Answer::Foreign(_) | Answer::Nonsense(_) => Self::Gone,
            Answer::Server(Identity::Own, _) | Answer::Hangs(Identity::Own) | Answer::Untrusted(Identity::Own) => {
                Self::None
            }
        }
    }
}

/// How a host was found, for a person.
fn found(host: &HostSeen) -> String {
    match &host.answer {
        Answer::Silent(why) => format!("nobody answers ({why})"),
        Answer::NotListening => "the machine is on, and no LXD listens".to_owned(),
        Answer::Foreign(_) | Answer::Nonsense(_) => "something else answers at its address".to_owned(),
        Answer::Hangs(Identity::Cluster) | Answer::Server(Identity::Cluster, _) => {
            "its LXD runs, and its database does not answer".to_owned()
        }
        Answer::Untrusted(Identity::Cluster) => "its LXD runs, and does not know the desk".to_owned(),
        _ => "its LXD is in no cluster: it never was a member, or the machine was installed anew".to_owned(),
    }
}

/// Tells whether the cluster's database answers, and what a person can do where it does not: a line of text each, without
/// line ends. Commands for a machine stand alone in their lines, after five spaces.
#[must_use]
pub fn rescue(cluster: &Cluster, seen: &Seen) -> Vec<String> {
    let mut told = Told {
        cluster,
        seen,
        lines: Vec::new(),
        number: 0,
    };
    match &seen.cluster {
        Some(answering) => told.nothing_lost(answering),
        None => told.no_answer(),
    }
    told.lines
}

/// The text as far as it is written.
struct Told<'a> {
    cluster: &'a Cluster,
    seen: &'a Seen,
    lines: Vec<String>,
    number: usize,
}

impl Told<'_> {
    fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    fn step(&mut self, text: &str) {
        self.number += 1;
        let number = self.number;
        self.line(format!("{number}. {text}"));
    }

    fn more(&mut self, text: impl AsRef<str>) {
        self.line(format!("   {}", text.as_ref()));
    }

    fn commands<'a>(&mut self, commands: impl IntoIterator<Item = &'a str>) {
        for command in commands {
            self.line(format!("     {command}"));
        }
    }

    /// The names of the hosts of a kind.
    fn of(&self, kinds: &[Copy]) -> Vec<String> {
        let hosts = self.seen.hosts.iter();
        let hosts = hosts.filter(|host| kinds.contains(&Copy::from(&host.answer)));
        hosts.map(|host| host.name.clone()).collect()
    }

    /// How one gets there.
    fn way_to(&self, name: &str) -> String {
        let hosts = self.seen.hosts.iter().find(|host| host.name == name);
        let address = hosts.map_or_else(String::new, |host| host.address.ip().to_string());
        format!("{name} (ssh {}@{address})", self.cluster.admin.user)
    }

    fn ways_to(&self, names: &[String]) -> String {
        let ways: Vec<String> = names.iter().map(|name| self.way_to(name)).collect();
        and(&ways)
    }

    fn nothing_lost(&mut self, answering: &ClusterSeen) {
        let name = &self.cluster.name;
        self.line(format!(
            "{name}: the database answers (asked {}), so a majority of its voters is there: nothing is to be rescued",
            answering.through
        ));
        for host in &self.seen.hosts {
            let label = format!("{name}/{}", host.name);
            let record = answering.members.iter().find(|member| member.name == host.name);
            let text = match (record, Copy::from(&host.answer)) {
                (Some(_), Copy::None) => format!(
                    "is on record, and the machine was installed anew: `lxseed return {label}` brings it back with what is on its data disks, \
                     `lxseed retire {label} --lost N` gives that up"
                ),
                (Some(member), Copy::Gone) if member.status == "Offline" => format!(
                    "is offline: switch it on. If the machine is gone for good, with what is on it: `lxseed retire {label} --lost N`"
                ),
                (Some(member), _) if member.status == "Online" => continue,
                (Some(member), _) => format!(
                    "is {}, and its machine is on: `lxseed status` tells more",
                    member.status.to_lowercase()
                ),
                (None, _) => "is no member: `lxseed status` tells more".to_owned(),
            };
            self.lines.push(format!("  {} {text}", host.name));
        }
    }

    fn no_answer(&mut self) {
        let (hangs, mute) = (self.of(&[Copy::Hangs]), self.of(&[Copy::Mute]));
        let (stopped, gone) = (self.of(&[Copy::Stopped]), self.of(&[Copy::Gone, Copy::None]));
        self.line(format!(
            "{}: no member's database answers; every declared address was asked",
            self.cluster.name
        ));
        for host in &self.seen.hosts {
            self.lines
                .push(format!("  {} at {}: {}", host.name, host.address, found(host)));
        }
        self.line("Nothing was changed. lxseed changes nothing here: what follows is LXD's own way, for a person.");
        if hangs.is_empty() && !mute.is_empty() {
            self.not_known(&mute);
        } else if hangs.is_empty() {
            self.nobody(&stopped);
        } else if gone.is_empty() {
            self.all_there();
        } else {
            let with_copy = self.of(&[Copy::Hangs, Copy::Mute, Copy::Stopped]);
            self.recover(&with_copy, &gone);
        }
    }

    /// No LXD that answers can be told to hang.
    fn not_known(&mut self, mute: &[String]) {
        let ways = self.ways_to(mute);
        self.step(&format!(
            "The desk has no key that is trusted there, so it is not known whether the database answers. On {ways}:"
        ));
        self.commands(["sudo lxc cluster list"]);
        self.more("If it lists the members, nothing is to be rescued. If it says nothing for half a minute, the database has no majority: bring");
        self.more("machines that are off back; if they are gone for good, LXD's documentation has the way (How to recover a cluster).");
    }

    /// Nobody shows the cluster's certificate.
    fn nobody(&mut self, stopped: &[String]) {
        if !stopped.is_empty() {
            let ways = self.ways_to(stopped);
            self.step(&format!(
                "On {ways} the machine is on, and no LXD listens. Unless it is stopped for a rescue that is under way:"
            ));
            self.commands(["sudo lxseed-firstboot status", "sudo snap start lxd"]);
        }
        self.step("Switch the machines on that are off, or ask from where their network can be reached.");
        self.more("LXD comes back by itself once a majority of its voters runs; nothing is lost by waiting. Then: lxseed status");
    }

    /// No machine is missing that could have taken the majority along.
    fn all_there(&mut self) {
        let names: Vec<String> = self.seen.hosts.iter().map(|host| host.name.clone()).collect();
        self.step("No machine is gone, so no vote is: LXD starts, or its members do not reach one another. Ask again in a minute: lxseed rescue");
        let ways = self.ways_to(&names);
        self.step(&format!("If that lasts, look on {ways}:"));
        self.commands([
            "sudo snap services lxd",
            "sudo journalctl -u snap.lxd.daemon -n 50",
            "date",
            "sudo lxd cluster show",
        ]);
        self.more("Clocks that are apart, certificates that have ended (lxseed verify) and a network that is cut keep members from one another: mend that,");
        self.more("and LXD comes back by itself. No database is to be recovered while every machine has its own.");
        self.addresses();
    }

    /// The addresses that LXD has are not the declared ones.
    fn addresses(&mut self) {
        self.step("If `lxd cluster show` has other addresses than the profiles, and the machines have the ones of the profiles:");
        self.more("stop LXD on every member, and keep a copy of its database:");
        self.stop_and_copy();
        let members: Vec<String> = self
            .cluster
            .hosts
            .iter()
            .map(|host| format!("{} {}", host.name, host.endpoint()))
            .collect();
        let once = self.cluster.channel.copies_edited_database();
        self.more(if once {
            "then once, on a member whose role is voter, and with no other change than the addresses:"
        } else {
            "then on every member, and with no other change than the addresses:"
        });
        self.commands(["sudo lxd cluster edit"]);
        self.more(format!("The profiles have {}.", and(&members)));
        if once {
            self.more(format!(
                "Copy {DATABASE}/lxd_recovery_db.tar.gz, which that makes, to the same place on every other member."
            ));
        }
        self.more("Then on every member:");
        self.commands(["sudo snap start lxd"]);
    }

    fn stop_and_copy(&mut self) {
        let copy = format!("sudo cp -a {DATABASE} /root/lxd-database-$(date +%Y%m%dT%H%M%S)");
        self.commands(["sudo snap stop lxd", copy.as_str()]);
    }

    /// Machines are gone, and those that are left have copies of the database.
    fn recover(&mut self, left: &[String], gone: &[String]) {
        self.bring_back(left, gone);
        let ways = self.ways_to(left);
        self.step(&format!(
            "Stop LXD and keep a copy of its database on {ways}. What runs in its instances stops with it."
        ));
        self.stop_and_copy();
        self.choose(left);
        self.take(left);
        self.afterwards(gone);
    }

    fn bring_back(&mut self, left: &[String], gone: &[String]) {
        let each = or(gone);
        self.step(&format!("If {each} can be brought back with its own disks, do that and stop here: LXD comes back by itself once a majority of its"));
        self.more(
            "voters runs, and nothing is lost. Of two members one has a vote, of more three (cluster.max_voters).",
        );
        // A majority of three voters; of two members the only one.
        let enough = if self.seen.hosts.len() > 2 { 2 } else { 1 };
        if gone.len() < enough {
            self.more(format!(
                "One of {} is too few to cost the majority, if all of them are members: LXD may be about to start, or {} do not reach one another.",
                self.seen.hosts.len(),
                and(left)
            ));
            self.more("Ask again in a minute (lxseed rescue) before anything else, and read there: sudo journalctl -u snap.lxd.daemon -n 50");
        }
        self.more(format!(
            "Go on only when {} gone for good. Go and look: if they run, and this desk merely does not see them, what follows makes",
            are(gone)
        ));
        self.more("two clusters of one. None of them may ever start its LXD again with the database that it has now.");
    }

    fn choose(&mut self, left: &[String]) {
        let list = format!("sudo ls -l {DATABASE}/global");
        let looks = ["sudo lxd cluster list-database", "sudo lxd cluster show", list.as_str()];
        match left {
            [only] => {
                self.step(&format!("See what the copy of {only} is:"));
                self.commands(looks);
                self.more(format!(
                    "`role: spare` beside {only} means that it has no copy: then stop here, and start LXD again (sudo snap start lxd)."
                ));
            }
            _ => {
                self.step("See on each which copy is the newest, and take that one:");
                self.commands(looks);
                self.more("It has the highest number after `Latest dqlite segment ID`; between equal ones take a `voter` before a `stand-by`. A `spare` has no copy.");
                self.more("A file named open-… that is younger than the last numbered one may hold more than the number tells.");
            }
        }
    }

    fn take(&mut self, left: &[String]) {
        let way = match left {
            [only] => self.way_to(only),
            _ => format!("that one, {}", or(left)),
        };
        self.step(&format!("On {way}; it asks once:"));
        self.commands([
            "sudo lxd cluster recover-from-quorum-loss",
            "sudo snap start lxd",
            "sudo lxd waitready --timeout=120",
            "sudo lxc cluster list",
        ]);
        self.more("After half a minute the list has it as ONLINE. From here on its database is the cluster's.");
        if left.len() > 1 && self.cluster.channel.copies_edited_database() {
            self.more("Where two or more of them are `voter` or `stand-by`, LXD from 5.21.3 on wants this instead, with the role of whoever is gone set");
            self.more("to `spare` and two of the others `voter`; it writes a database that is copied to the same place on the others:");
            self.commands(["sudo lxd cluster edit"]);
            self.more(format!("{DATABASE}/lxd_recovery_db.tar.gz"));
        }
        if left.len() > 1 {
            self.step("Then on the others, one after the other, each when the list has the one before as ONLINE:");
            self.commands(["sudo snap start lxd"]);
        }
    }

    fn afterwards(&mut self, gone: &[String]) {
        let name = &self.cluster.name;
        let bootstrap = self.cluster.bootstrap.as_str();
        let retire: Vec<String> = gone.iter().map(|host| format!("lxseed retire {name}/{host}")).collect();
        self.step("Then, at the desk:");
        self.commands(std::iter::once("lxseed status").chain(retire.iter().map(String::as_str)));
        self.more("Each lists what is on record for that host, and how to give it up (--lost). A new machine under its name: docs/life.md.");
        if gone.iter().any(|host| host == bootstrap) {
            self.more(format!(
                "{bootstrap} is the bootstrap host: name another one in `bootstrap:` first, and build."
            ));
        }
        self.more("Lost is what the database was told after the last entry of the copy that was taken, and whatever lay on the machines that are gone.");
        self.more("The copies in /root hold the cluster's configuration: remove them when all is well.");
    }
}

fn listed(names: &[String], word: &str) -> String {
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

fn and(names: &[String]) -> String {
    listed(names, "and")
}

fn or(names: &[String]) -> String {
    listed(names, "or")
}

fn are(names: &[String]) -> String {
    format!("{} {}", and(names), if names.len() == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests;
