//! Slots: each that is used can be found, each that is written is used.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::disk_names::{Fault, fault};
use super::disk_numbers::{Number, numbers};
use super::disk_refs::{DiskRef, disk_refs, is_placeholder};
use crate::check::registry::{Check, Report};
use crate::check::view::{HostView, SiteView, Use, uses, uses_are_known, ways};
use crate::finding::{Edit, Finding};
use crate::model::FindBy;
use crate::profile::{Disks, Document, Spanned, did_you_mean, entries, listed, quoted, scalar};
use crate::source::{Sources, Span};

pub(super) static CHECKS: &[&Check] = &[
    &SLOT_NOT_FOUND,
    &SLOT_TWO_WAYS,
    &UNUSED_SLOT,
    &WIPE_MISMATCH,
    &UNUSED_PROFILE_SLOT,
];

/// A slot in use that a host has no way to find.
struct Unfound<'a> {
    /// The host's place among the site's hosts.
    at: usize,
    host: &'a HostView<'a>,
    disks: &'a Document<Disks>,
    wanted: Use<'a>,
    /// A slot that nothing uses and that was most likely meant.
    similar: Option<&'a str>,
    /// No host of the disks profile has it or names it, so the mistake is in the profile.
    everywhere: bool,
}

fn unfound<'a>(site: &'a SiteView<'a>) -> Vec<Unfound<'a>> {
    let mut hosts_of: HashMap<Span, usize> = HashMap::new();
    let mut missing_on: HashMap<Span, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, host) in site.hosts().enumerate() {
        let Some(disks) = host.disks.filter(|_| !host.slots_unread) else {
            continue;
        };
        *hosts_of.entry(disks.span).or_default() += 1;
        let used = &host.used;
        let unused: Vec<&str> = host
            .slots
            .keys()
            .copied()
            .filter(|name| !used.iter().any(|wanted| wanted.slot.value == *name))
            .collect();
        let missing: Vec<Use<'_>> = used
            .iter()
            .copied()
            .filter(|wanted| {
                let slot = host.slots.get(wanted.slot.value.as_str());
                // A path instead of a slot is reported as such.
                !wanted.slot.value.starts_with("/dev/")
                    && slot.is_none_or(|slot| slot.ways.is_empty() && !slot.incomplete)
            })
            .collect();
        // Each unused slot is matched with at most one missing slot.
        let mut suggestions: HashMap<&str, &str> = HashMap::new();
        for name in &unused {
            let names = missing.iter().map(|wanted| wanted.slot.value.as_str());
            if let Some(similar) = did_you_mean(name, names) {
                suggestions.entry(similar).or_insert(name);
            }
        }
        // Names as short as `a1` are never similar; if one slot is left on each side, they belong together.
        if let ([wanted], [name]) = (missing.as_slice(), unused.as_slice())
            && written_on_host(host, name).is_some()
        {
            suggestions.entry(&wanted.slot.value).or_insert(name);
        }
        for wanted in missing {
            let similar = suggestions.get(wanted.slot.value.as_str()).copied();
            // A host that writes the slot, or a similar name, agrees with the disks profile.
            let own = written_on_host(host, &wanted.slot.value).is_some();
            let names_it = own || (similar.is_some() && described(disks, &wanted.slot.value).is_some());
            if !names_it {
                *missing_on.entry(wanted.slot.span).or_default() += 1;
            }
            found.push(Unfound {
                at,
                host,
                disks,
                wanted,
                similar,
                everywhere: false,
            });
        }
    }
    for one in &mut found {
        one.everywhere = missing_on.get(&one.wanted.slot.span) == hosts_of.get(&one.disks.span);
    }
    found
}

/// The entries of one host; the list is sorted by host.
fn of_host<'a, 'b>(unfound: &'b [Unfound<'a>], at: usize) -> &'b [Unfound<'a>] {
    let from = unfound.partition_point(|one| one.at < at);
    let to = unfound.partition_point(|one| one.at <= at);
    &unfound[from..to]
}

/// The slot of that name as the disks profile describes it.
fn described<'a>(disks: &'a Document<Disks>, name: &str) -> Option<&'a Spanned<String>> {
    let slots = disks.value.slots.as_ref()?;
    slots.value.get(name).map(|(key, _)| key)
}

/// The slot of that name as the host writes it.
fn written_on_host<'a>(host: &HostView<'a>, name: &str) -> Option<&'a Spanned<String>> {
    let slots = host.host().slots.as_ref()?;
    slots.value.get(name).map(|(key, _)| key)
}

static SLOT_NOT_FOUND: Check = Check::error(
    "D004",
    "slot-not-found",
    slot_not_found,
    "Every slot that the system or a volume uses needs one way to find its disk, in the disks profile if it is the same on every machine of \
     the model, on the host if it differs.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        ", a2: {serial: WD-A200002}",
        "",
    )],
    &[],
);

fn slot_not_found(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut reported = HashSet::new();
    // What is missing in one place is one finding.
    let mut missing: Vec<&Unfound<'_>> = Vec::new();
    let unfound = unfound(site);
    for one in &unfound {
        if missing.first().is_some_and(|first| first.at != one.at) {
            not_found_on_host(&missing, site, report);
            missing.clear();
        }
        let asked = one.wanted.slot.span;
        if one.everywhere {
            if reported.insert(asked) {
                let of_slot = |other: &&Unfound<'_>| other.wanted.slot.span == asked;
                not_found_anywhere(one, unfound.iter().filter(of_slot).count(), report);
            }
            continue;
        }
        // Misspelt on the host: reported there as a slot that nothing uses.
        let misspelt = |similar| written_on_host(one.host, similar).is_some();
        if one.similar.is_some_and(misspelt) {
            continue;
        }
        if written_on_host(one.host, &one.wanted.slot.value).is_some() {
            not_found_on_host(&[one], site, report);
        } else {
            missing.push(one);
        }
    }
    not_found_on_host(&missing, site, report);
}

/// Reports a slot that so many hosts of the disks profile have no way to find, which is all of them.
fn not_found_anywhere(one: &Unfound<'_>, hosts: usize, report: &mut Report<'_>) {
    let asked = one.wanted.slot;
    let slot = &asked.value;
    let shown = format!("slot {} of {}", quoted(slot), one.wanted.user());
    let in_profile = described(one.disks, slot).map(|key| key.span);
    let message = match hosts {
        1 => format!("nothing says how {} finds {shown}", one.host.label()),
        _ => format!("nothing says how any of {hosts} hosts finds {shown}"),
    };
    let help = match one.similar {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!(
            "write `{slot}: {{by_path: …}}` in `slots:` of the disks profile if it is the same on all machines, else \
             `{slot}: {{serial: …}}` in `slots:` of each host"
        ),
    };
    let similar = one
        .similar
        .and_then(|similar| Some((similar, one.host.slots.get(similar)?)));
    let finding = report.add(in_profile.unwrap_or(asked.span), message, help);
    match (in_profile, similar) {
        (Some(_), _) => {
            finding
                .label("says nothing of where the disk is")
                .also(asked.span, "the slot is used here");
        }
        (None, Some((name, similar))) => {
            finding
                .label("the slot is used here")
                .also(similar.span, "this slot is not used")
                .fix(asked.span, scalar(name));
        }
        (None, None) => {
            finding.label("the slot is used here");
            if let Some(slots) = &one.disks.value.slots {
                finding.also(slots.span, "it is not among these slots");
            }
        }
    }
    if similar.is_none() {
        let place = place_of_slots(one.host);
        finding.also(place, "a host, which does not say it either");
    }
}

/// Reports slots of one host that other hosts of the disks profile have a way to find.
fn not_found_on_host(missing: &[&Unfound<'_>], site: &SiteView<'_>, report: &mut Report<'_>) {
    let [one, rest @ ..] = missing else { return };
    let asked = one.wanted.slot;
    let slot = &asked.value;
    let each = |show: &dyn Fn(&Unfound<'_>) -> String| missing.iter().map(|one| show(one)).collect::<Vec<_>>();
    let shown = each(&|one| format!("slot {} of {}", quoted(&one.wanted.slot.value), one.wanted.user()));
    let entries = each(&|one| format!("{}: {{serial: …}}", one.wanted.slot.value)).join(", ");
    let on_host = written_on_host(one.host, slot).map(|key| key.span);
    let help = match (on_host, &one.host.host().slots) {
        (Some(_), _) => format!("write how it is found, such as `{entries}`"),
        (None, Some(_)) => format!("add `{entries}` to the host's slots"),
        (None, None) => format!("add `slots: {{{entries}}}` to the host"),
    };
    let message = format!("nothing says how {} finds {}", one.host.label(), listed(&shown));
    let place = on_host.unwrap_or_else(|| place_of_slots(one.host));
    let finding = report.add(place, message, help);
    match (on_host, rest.len()) {
        (Some(_), _) => finding.label("says nothing of where the disk is"),
        (None, 0) => finding.label(format!("{} is missing here", quoted(slot))),
        (None, more) => finding.label(format!("{} and {more} more are missing here", quoted(slot))),
    };
    finding.also(asked.span, "the slot is used here");
    let similar = one.similar.and_then(|similar| one.host.slots.get(similar));
    if let Some(in_profile) = described(one.disks, slot) {
        finding.also(in_profile.span, "nor does the disks profile say it");
    } else if let Some(similar) = similar {
        finding.also(similar.span, "this slot is not used");
    } else if let Some(slots) = &one.disks.value.slots {
        finding.also(slots.span, "nor is it among these");
    }
    point_at_choice(site, one.host, finding);
}

/// Where there are several disks profiles, the host may name the wrong one.
fn point_at_choice(site: &SiteView<'_>, host: &HostView<'_>, finding: &mut Finding) {
    let of_many = site
        .clusters
        .iter()
        .any(|cluster| cluster.folder.disks.len() > 1 && cluster.hosts.iter().any(|own| std::ptr::eq(own, host)));
    if let (true, Some(name), Some(disks)) = (of_many, &host.host().disks, host.disks) {
        finding
            .also(name.span, "the host is of this model")
            .also(disks.span, "the model's name");
    }
}

/// The span of a host's slots, or of the host if it has none.
fn place_of_slots(host: &HostView<'_>) -> Span {
    let slots = host.host().slots.as_ref();
    slots.map_or(host.document.span, |slots| slots.span)
}

static SLOT_TWO_WAYS: Check = Check::error(
    "D005",
    "slot-two-ways",
    slot_two_ways,
    "If two ways to find a disk disagree, one of the two is wrong, and nobody can say which: the guard would have to stop the machine.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{serial: WD-A100001, wwn: \"0x50014ee2b1c2d301\"}",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{serial: WD-A100001, min_size: 900GB}",
    )],
);

fn slot_two_ways(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (name, slot) in site.written_slots() {
        let mut ways = ways(&slot.value);
        if let (Some((first, first_value)), Some((second, value))) = (ways.next(), ways.next()) {
            report
                .add(
                    value.span,
                    format!(
                        "slot {} is found both by {} and by {}",
                        quoted(&name.value),
                        first.word(),
                        second.word()
                    ),
                    "keep one way; min_size and max_size can stand beside it",
                )
                .label("a second way")
                .also(first_value.span, "one way");
        }
    }
}

static UNUSED_SLOT: Check = Check::error(
    "D006",
    "unused-slot",
    unused_slot,
    "A slot on a host that neither the system nor a volume uses is a misspelt name: the slot that was meant would be found in another way or \
     not at all.",
)
.example(
    &[Edit::Replace("hosts/hosts.yaml", "a1: {serial: WD-A100002}", "al: {serial: WD-A100002}")],
    &[],
);

/// A slot on a host that nothing uses, and no other slot is meant.
struct Unused<'a> {
    host: &'a HostView<'a>,
    disks: &'a Document<Disks>,
    name: &'a Spanned<String>,
}

fn unused_slot(site: &SiteView<'_>, report: &mut Report<'_>) {
    let unfound = unfound(site);
    let mut unused: Vec<Unused<'_>> = Vec::new();
    for (at, host) in site.hosts().enumerate() {
        let Some(disks) = host.disks.filter(|_| host.uses_are_known()) else {
            continue;
        };
        let is_used = |name: &Spanned<String>| host.used.iter().any(|wanted| wanted.slot.value == name.value);
        let written = entries(host.host().slots.as_ref()).iter();
        for (name, _) in written.filter(|(name, _)| !is_used(name)) {
            let suggestion = of_host(&unfound, at)
                .iter()
                .find(|one| one.similar == Some(name.value.as_str()));
            match suggestion {
                // The name in the disks profile is the wrong one, and reported there.
                Some(suggestion) if suggestion.everywhere => {}
                Some(suggestion) => misspelt_slot(host, name, suggestion.wanted.slot, report),
                None => unused.push(Unused { host, disks, name }),
            }
        }
    }
    // What many hosts have and their disks profile does not use is one mistake, most likely the profile's.
    let mut of_profile: BTreeMap<(Span, &str), Vec<&Unused<'_>>> = BTreeMap::new();
    for one in &unused {
        let key = (one.disks.span, one.name.value.as_str());
        of_profile.entry(key).or_default().push(one);
    }
    for same in of_profile.values() {
        not_used(site, same, report);
    }
}

/// Reports a slot whose name is near that of one that the host does not find.
fn misspelt_slot(host: &HostView<'_>, name: &Spanned<String>, meant: &Spanned<String>, report: &mut Report<'_>) {
    let message = format!("nothing on {} uses slot {}", host.label(), quoted(&name.value));
    report
        .add(name.span, message, format!("did you mean `{}`?", meant.value))
        .label("not used by the disks profile")
        .also(meant.span, "this slot is, and nothing says how to find it")
        .fix(name.span, scalar(&meant.value));
}

/// Reports a slot of one or more hosts of a disks profile that the profile does not use.
fn not_used(site: &SiteView<'_>, same: &[&Unused<'_>], report: &mut Report<'_>) {
    let Some(first) = same.first() else { return };
    let used = &first.host.used;
    let mut names: Vec<&str> = Vec::new();
    for name in used.iter().map(|used| used.slot.value.as_str()) {
        // A path in the place of a slot is reported as that.
        if !names.contains(&name) && !name.starts_with("/dev/") {
            names.push(name);
        }
    }
    let who = match same.len() {
        1 => first.host.label().to_owned(),
        hosts => format!("{hosts} hosts"),
    };
    let help = if names.is_empty() {
        "say in its disks profile what is made of it, or take it out".to_owned()
    } else {
        format!("the slots of its disks profile are {}", names.join(", "))
    };
    let message = format!("nothing on {who} uses slot {}", quoted(&first.name.value));
    let finding = report.add(first.name.span, message, help);
    finding.label("not used by the disks profile");
    let volumes = first.disks.value.volumes.as_ref();
    let span = volumes.map_or(first.disks.span, |volumes| volumes.span);
    finding.also(span, "the volumes are made of other slots");
    if let Some(second) = same.get(1).filter(|second| second.name.span != first.name.span) {
        finding.also(second.name.span, "on another host");
    }
    point_at_choice(site, first.host, finding);
}

static WIPE_MISMATCH: Check = Check::error(
    "D013",
    "wipe-mismatch",
    wipe_mismatch,
    "`wipe` lets data on one very disk be overwritten, so it names that disk by its serial number and stands on the host that holds it. If the \
     slot is found by another serial number, or the number is that of another slot's disk, of this machine or another, the permission can \
     never apply; nor can it at the system's slot, whose disk the installer erases and the first boot never. For what lxseed or LXD may have made of a disk, the machine's \
     message prints a word to write behind the serial number, `SERIAL/WORD`: eight digits of 0 to 9 and a to f, which stand for what is on \
     the disk then. It does not fit what is made of the disk afterwards.",
)
.example(
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{serial: WD-A100001, wipe: WD-A10001}",
    )],
    &[Edit::Replace(
        "hosts/hosts.yaml",
        "{serial: WD-A100001}",
        "{serial: WD-A100001, wipe: WD-A100001}",
    )],
);

/// Whether `wipe` can name the disk that is found this way: no if another serial number is given. The name below by-id
/// of a SATA or NVMe disk is its model and serial number.
fn may_be_same_disk(by: FindBy, value: &str, wipe: &str) -> bool {
    match by {
        FindBy::Serial => value == wipe,
        FindBy::ById => {
            let named = ["ata-", "nvme-"].iter().find_map(|bus| value.strip_prefix(bus));
            named.is_none_or(|named| {
                ["eui.", "nvme.", "uuid."].iter().any(|kind| named.starts_with(kind))
                    || named == wipe
                    || named.strip_suffix(wipe).is_some_and(|model| model.ends_with('_'))
            })
        }
        FindBy::Wwn => {
            // A serial number that is a World Wide Name itself, as SAS disks have, is this one or another disk's.
            let named = numbers(FindBy::Serial, wipe);
            let is_name = matches!(named.as_slice(), [Number::WorldWideName(_)]);
            !is_name || numbers(by, value).iter().any(|own| named.contains(own))
        }
        FindBy::ByPath | FindBy::Hctl => true,
    }
}

/// Digits of the word behind the serial number.
const WORD_DIGITS: usize = 8;

/// The serial number in `wipe`, and the word behind its last slash where there is one. A serial number may have slashes
/// itself.
pub(super) fn wipe_parts(wipe: &str) -> (&str, Option<&str>) {
    match wipe.rsplit_once('/') {
        Some((serial, word)) if !serial.is_empty() && is_word(word) => (serial, Some(word)),
        _ => (wipe, None),
    }
}

fn is_word(text: &str) -> bool {
    text.len() == WORD_DIGITS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// Why `wipe` names no disk. What is a placeholder is reported as that.
pub(super) fn wipe_fault(wipe: &str) -> Option<Fault> {
    let (serial, _) = wipe_parts(wipe);
    if is_placeholder(serial) {
        return None;
    }
    fault(FindBy::Serial, serial)
}

/// Where `wipe` is the slot's serial number and something behind a slash that is no word: that something. Without a
/// serial number to go by, only what can hardly be meant otherwise.
fn bad_word<'a>(by: FindBy, value: &str, wipe: &'a str) -> Option<&'a str> {
    let (serial, word) = wipe.rsplit_once('/')?;
    if is_word(word) || serial.is_empty() || may_be_exactly(by, value, wipe) {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let as_word = is_word(&lower) || matches!(lower.as_str(), "" | "word" | "xxxxxxxx");
    (may_be_exactly(by, value, serial) || (as_word && may_be_same_disk(by, value, serial))).then_some(word)
}

/// Whether the slot is found by this serial number, and by nothing that leaves it open.
fn may_be_exactly(by: FindBy, value: &str, serial: &str) -> bool {
    matches!(by, FindBy::Serial | FindBy::ById)
        && may_be_same_disk(by, value, serial)
        && !may_be_same_disk(by, value, "\0")
}

/// What people write who want to allow it for whatever disk is there.
const WORDS: [&str; 13] = [
    "yes", "no", "true", "false", "on", "off", "all", "any", "always", "never", "force", "wipe", "serial",
];

fn wipe_mismatch(site: &SiteView<'_>, report: &mut Report<'_>) {
    let mut of_profiles: HashSet<Span> = HashSet::new();
    for disks in site.disks() {
        for (_, slot) in entries(disks.slots.as_ref()) {
            if let Some(wipe) = &slot.value.wipe {
                of_profiles.insert(wipe.span);
                let message = "a disks profile cannot allow data to be overwritten";
                report
                    .add(wipe.span, message, "write `wipe` on the host that holds the disk")
                    .label("belongs on a host");
            }
        }
    }
    let owners = Owners::of(site);
    // The serial numbers that `wipe` names where the slot is found by its place.
    let mut named: HashMap<String, Span> = HashMap::new();
    for (_, own) in disk_refs(site) {
        let slot = own.host.slots.get(own.slot);
        let is_first = slot
            .and_then(|slot| slot.ways.first())
            .is_some_and(|(by, _)| *by == own.by);
        let wipe = slot.and_then(|slot| slot.wipe).filter(|_| is_first);
        let Some(wipe) = wipe.filter(|wipe| wipe_fault(&wipe.value).is_none() && !of_profiles.contains(&wipe.span))
        else {
            continue;
        };
        let (serial, _) = wipe_parts(&wipe.value);
        let owner = owners.other_than(serial, &own);
        if wipe_of_no_disk(wipe, &own, report) || wipe_of_slot(wipe, &own, owner, site.sources, report) {
            continue;
        }
        if let Some(owner) = owner {
            let message = format!(
                "`wipe` of {} names disk {} of {}",
                own.place_beside(owner, site.sources),
                quoted(serial),
                owner.place_beside(&own, site.sources)
            );
            report
                .add(wipe.span, message, "write the serial number of the disk in this slot")
                .label("another slot's disk")
                .also(owner.span, "the disk is in this slot");
            continue;
        }
        match named.get(&serial.to_ascii_lowercase()) {
            // Of slots that are found by their serial numbers, one has another than its own.
            Some(first) if own.by != FindBy::Serial && *first != wipe.span => {
                report
                    .add(
                        wipe.span,
                        format!("`wipe` of two slots names disk {}", quoted(serial)),
                        "write each slot's own serial number; the halves of a mirror have one each",
                    )
                    .label("another slot's disk")
                    .also(*first, "named here, too");
            }
            Some(_) => {}
            None => {
                named.insert(serial.to_ascii_lowercase(), wipe.span);
            }
        }
    }
}

/// Reports a `wipe` at the system's slot, or one that names no disk at all, and says whether it is one.
fn wipe_of_no_disk(wipe: &Spanned<String>, own: &DiskRef<'_>, report: &mut Report<'_>) -> bool {
    let system = own
        .host
        .used
        .iter()
        .find(|used| used.is_system() && used.slot.value == own.slot);
    if let Some(system) = system {
        report
            .add(
                wipe.span,
                format!("`wipe` stands at the system's slot {}", quoted(own.slot)),
                "take it out: the installer erases the system's disk without it, and the first boot never does",
            )
            .label("of the system's disk")
            .also(system.slot.span, "the system's slot");
        return true;
    }
    let (serial, _) = wipe_parts(&wipe.value);
    if WORDS.contains(&serial.to_ascii_lowercase().as_str()) && !may_be_exactly(own.by, own.value, serial) {
        report
            .add(
                wipe.span,
                format!(
                    "`wipe` takes the serial number of the very disk, not {}",
                    quoted(serial)
                ),
                "write the serial number as the machine's message prints it",
            )
            .label("no serial number");
        return true;
    }
    false
}

/// The slots of all hosts by the numbers of their disks.
struct Owners<'a>(HashMap<(bool, String), Vec<(Number, DiskRef<'a>)>>);

impl<'a> Owners<'a> {
    fn of(site: &'a SiteView<'a>) -> Self {
        let mut owners: HashMap<(bool, String), Vec<(Number, DiskRef<'_>)>> = HashMap::new();
        // Most sites overwrite nothing.
        if site.written_slots().any(|(_, slot)| slot.value.wipe.is_some()) {
            for (_, disk) in disk_refs(site) {
                for number in numbers(disk.by, disk.value) {
                    owners.entry(Self::key(&number)).or_default().push((number, disk));
                }
            }
        }
        Self(owners)
    }

    /// A serial number that is too short to be known by its end is only known as a whole.
    fn key(number: &Number) -> (bool, String) {
        number.key().unwrap_or_else(|| match number {
            Number::Serial(number) | Number::WorldWideName(number) => (false, number.clone()),
        })
    }

    /// Who has the disk of that serial number, if it is another slot and not this one.
    fn other_than(&self, serial: &str, own: &DiskRef<'_>) -> Option<&DiskRef<'a>> {
        let mut other = None;
        for named in numbers(FindBy::Serial, serial) {
            for (number, disk) in self.0.get(&Self::key(&named)).into_iter().flatten() {
                if number.is_same(&named) && disk.is_of_same_slot(own) {
                    return None;
                }
                if number.is_same(&named) {
                    other = other.or(Some(disk));
                }
            }
        }
        other
    }
}

/// Reports a `wipe` that cannot apply to the disk its slot is found by, and says whether it has. `owner` is another slot that
/// has the disk it names.
fn wipe_of_slot(
    wipe: &Spanned<String>,
    own: &DiskRef<'_>,
    owner: Option<&DiskRef<'_>>,
    sources: &Sources,
    report: &mut Report<'_>,
) -> bool {
    let (by, value) = (own.by, own.value);
    if let Some(word) = bad_word(by, value, &wipe.value) {
        let lower = wipe.value.to_ascii_lowercase();
        let finding = report.add(
            wipe.span,
            format!("`wipe` has {} behind the serial number, which is no word", quoted(word)),
            "write it as the machine's message prints it: eight digits of 0 to 9 and a to f",
        );
        finding.label("no word");
        if let (Some((serial, _)), (_, Some(word))) = (wipe.value.rsplit_once('/'), wipe_parts(&lower)) {
            finding.fix(wipe.span, scalar(&format!("{serial}/{word}")));
        }
        return true;
    }
    let (serial, word) = wipe_parts(&wipe.value);
    if [serial, &wipe.value]
        .iter()
        .any(|named| may_be_same_disk(by, value, named))
    {
        return false;
    }
    let finding = report.add(
        wipe.span,
        format!(
            "`wipe` names disk {}, and the slot has {} {}",
            quoted(serial),
            by.word(),
            quoted(value)
        ),
        "write the serial number of the disk whose data may go",
    );
    finding.label("another serial number").also(own.span, "the slot's disk");
    if let Some(owner) = owner {
        let label = format!("this is the disk, in {}", owner.place_beside(own, sources));
        finding.also(owner.span, label);
    }
    // A change that lets a disk be overwritten is suggested only for a single typing error.
    let slip = strsim::damerau_levenshtein(serial, value) <= 1 || serial.eq_ignore_ascii_case(value);
    if by == FindBy::Serial && slip && owner.is_none() {
        let suggestion = word.map_or_else(|| value.to_owned(), |word| format!("{value}/{word}"));
        finding.fix(wipe.span, scalar(&suggestion));
    }
    true
}

static UNUSED_PROFILE_SLOT: Check = Check::warning(
    "D026",
    "unused-profile-slot",
    unused_profile_slot,
    "A slot of a disks profile that neither the system nor a volume uses does nothing: its disk stays as it is. Most likely a volume names \
     another slot than it should.",
)
.example(
    &[Edit::Replace(
        "disks/model.yaml",
        "slots:\n",
        "slots:\n  c1: {by_path: \"pci-0000:00:17.0-ata-6\", min_size: 900GB}\n",
    )],
    &[],
);

fn unused_profile_slot(site: &SiteView<'_>, report: &mut Report<'_>) {
    let unfound = unfound(site);
    for disks in site.disks().filter(|disks| uses_are_known(disks)) {
        let used = uses(disks);
        for (name, _) in entries(disks.slots.as_ref()) {
            let is_used = used.iter().any(|wanted| wanted.slot.value == name.value);
            let is_reported = unfound.iter().any(|one| {
                let similar = one.similar.and_then(|similar| one.host.slots.get(similar));
                similar.is_some_and(|similar| similar.span == name.span)
            });
            if !is_used && !is_reported {
                report
                    .add(
                        name.span,
                        format!("neither the system nor a volume uses slot {}", quoted(&name.value)),
                        "use it in a volume, or take it out",
                    )
                    .label("not used");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_by_id_name_tells_the_serial_number() {
        let same = |value: &str, wipe: &str| may_be_same_disk(FindBy::ById, value, wipe);
        assert!(same("ata-WDC_WD40_WD-1", "WD-1"));
        assert!(same("ata-WDC_WD40_WD-1", "WDC_WD40_WD-1"));
        assert!(same("nvme-SAMSUNG_X_S4", "S4"));
        // These say nothing about the serial number.
        assert!(same("wwn-0x5000", "WD-1") && same("nvme-eui.0025", "WD-1") && same("scsi-35000", "X"));
        assert!(!same("ata-WDC_WD40_WD-1", "WD-2"));
        assert!(!same("ata-WDC_WD40_WD-1", "D-1"));
    }

    #[test]
    fn the_word_is_behind_the_last_slash() {
        assert_eq!(wipe_parts("WD-1"), ("WD-1", None));
        assert_eq!(wipe_parts("WD-1/0a1b2c3d"), ("WD-1", Some("0a1b2c3d")));
        assert_eq!(wipe_parts("S/N/1/0a1b2c3d"), ("S/N/1", Some("0a1b2c3d")));
        assert_eq!(wipe_parts("S/N/1"), ("S/N/1", None));
        assert_eq!(wipe_parts("/0a1b2c3d"), ("/0a1b2c3d", None));
        assert_eq!(wipe_parts("WD-1/0A1B2C3D"), ("WD-1/0A1B2C3D", None));
        assert_eq!(wipe_parts("WD-1/0a1b2c3"), ("WD-1/0a1b2c3", None));
    }

    #[test]
    fn what_is_no_word_is_told_from_a_serial_number() {
        let serial = |wipe| bad_word(FindBy::Serial, "WD/1", wipe);
        assert_eq!(serial("WD/1"), None);
        assert_eq!(serial("WD/1/0a1b2c3d"), None);
        assert_eq!(serial("WD/1/0A1B2C3D"), Some("0A1B2C3D"));
        assert_eq!(serial("WD/1/0a1b2c"), Some("0a1b2c"));
        assert_eq!(serial("WD/2/0a1b2c"), None);
        let place = |wipe| bad_word(FindBy::ByPath, "pci-0000:00:17.0-ata-1", wipe);
        assert_eq!(place("S/N"), None);
        assert_eq!(place("WD-1/0a1b2c"), None);
        assert_eq!(place("WD-1/WORD"), Some("WORD"));
        assert_eq!(place("WD-1/0A1B2C3D"), Some("0A1B2C3D"));
        // A serial number that ends like a word.
        assert_eq!(bad_word(FindBy::Serial, "WD/0A1B2C3D", "WD/0A1B2C3D"), None);
    }
}
