//! The seeds that the members were made from, and whether their keys are gone from the machines.

use super::super::notes::Of;
use super::{HostView, View, few};
use crate::finding::{Findings, Rule, rules};

rules! {
pub(super) static KEYS_NOT_SEALED: Rule = Rule::error(
    "L030",
    "keys-not-sealed",
    "A seed brings private keys to a machine, and the last stage of the first boot removes all copies of them. Until it has told that it did, whoever \
     reads the machine's system disk or its seed has them.",
);

pub(super) static SEED_IS_OLDER: Rule = Rule::warning(
    "L031",
    "seed-is-older",
    "A machine follows the seed that it was made from. What has been changed in the profiles since, or in lxseed, is in no seed that it has seen, and \
     a build alone brings it nowhere.",
);
}

pub(super) fn find(view: &View<'_>, findings: &mut Findings) {
    let Some(found) = &view.seen.cluster else {
        return;
    };
    if !found.notes.keys().any(|key| key.starts_with(&Of::Sealed.head())) {
        return;
    }
    let mut older: Vec<&str> = Vec::new();
    let hosts = view.hosts().zip(view.wish.instances);
    for (host, instances) in hosts.filter(|(host, _)| host.is_member() && host.server().is_some()) {
        let sealed = found.notes.get(&Of::Sealed.key(host.name()));
        match sealed.map(|sealed| sealed.trim()).filter(|sealed| !sealed.is_empty()) {
            None => not_sealed(view, host, findings),
            Some(sealed) if instances.iter().all(|instance| instance != sealed) => older.push(host.host.name.as_str()),
            Some(_) => {}
        }
    }
    let place = match older.as_slice() {
        [] => return,
        [one] => view.places.host(one),
        _ => view.places.cluster,
    };
    let message = match older.as_slice() {
        [one] => format!("{one} was sealed with another seed than a build would write now"),
        _ => format!(
            "{} of {} were sealed with other seeds than a build would write now",
            few(&older),
            view.name()
        ),
    };
    let help = "to see what LXD can be told of the change, and to tell it: lxseed apply; for the rest build, and start the machine once with its new seed";
    findings.add(&SEED_IS_OLDER, place, message, help);
}

fn not_sealed(view: &View<'_>, host: HostView<'_>, findings: &mut Findings) {
    // It has not come that far, which is a finding of its own.
    if view.told(host).is_some() {
        return;
    }
    let name = host.name();
    let message = format!("{name} has not told that the keys of its seed are gone from it");
    let help = format!("on {name}: lxseed-firstboot status tells why; then: systemctl restart lxseed-firstboot");
    findings.add(&KEYS_NOT_SEALED, view.places.host(name), message, help);
}
