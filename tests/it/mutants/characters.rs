//! One character of a value slips: it is dropped, typed twice, in the wrong order, in the wrong case, another digit, or
//! a quote too many.

use super::mutate::{Mutant, get, get_mut, name, places, way};
use super::tree::{Site, Value};

/// A slip, and what it was made of.
pub(crate) struct Slip {
    pub(crate) mutant: Mutant,
    /// The key that the text is the value of, of a list the list's, and the key above it.
    pub(crate) key: String,
    pub(crate) above: String,
    pub(crate) text: String,
    /// Whether it is the name of something in the site, so that a reference to it is as good as the one before.
    pub(crate) is_a_name: bool,
    /// The value before.
    pub(crate) original: String,
}

/// Calls `visit` with slips of every text, at most so many of each.
pub(crate) fn each(site: &Site, most: usize, mut visit: impl FnMut(Slip)) {
    let names: Vec<&str> = places(site)
        .iter()
        .filter(|at| way(site, at).last().is_some_and(|key| key == "name"))
        .filter_map(|at| match &get(site, at).value {
            Value::Text(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    for at in places(site) {
        let Value::Text(original) = &get(site, &at).value else {
            continue;
        };
        let way = way(site, &at);
        let mut keys = way.iter().rev().filter(|key| !key.starts_with('['));
        let key = keys.next().cloned().unwrap_or_default();
        let above = keys.next().cloned().unwrap_or_default();
        for (what, text) in sample(slips(original), most) {
            let mut changed = site.clone();
            let node = get_mut(&mut changed, &at);
            node.value = Value::Text(text.clone());
            node.changed = true;
            visit(Slip {
                mutant: Mutant {
                    what: format!("{what} of {}: {text:?}", name(site, &at)),
                    site: changed,
                },
                key: key.clone(),
                above: above.clone(),
                is_a_name: names.contains(&text.as_str()),
                text,
                original: original.clone(),
            });
        }
    }
}

/// So many of them, evenly from the first to the last of each kind.
fn sample(all: Vec<(&'static str, String)>, most: usize) -> Vec<(&'static str, String)> {
    let step = all.len().div_ceil(most).max(1);
    // Each text begins elsewhere, so that not all lose the same character.
    let start = all
        .first()
        .map_or(0, |(_, text)| text.bytes().map(usize::from).sum::<usize>() % step);
    all.into_iter().skip(start).step_by(step).collect()
}

fn slips(text: &str) -> Vec<(&'static str, String)> {
    let chars: Vec<char> = text.chars().collect();
    let mut all: Vec<(&str, String)> = Vec::new();
    let mut with = |what, at: usize, taken: usize, put: &[char]| {
        let mut changed = chars.clone();
        changed.splice(at..at + taken, put.iter().copied());
        all.push((what, changed.into_iter().collect()));
    };
    for (at, c) in chars.iter().copied().enumerate() {
        with("a dropped character", at, 1, &[]);
        with("a doubled character", at, 1, &[c, c]);
        if let Some(next) = chars.get(at + 1).filter(|next| **next != c) {
            with("two characters swapped", at, 2, &[*next, c]);
        }
        if c.is_ascii_alphabetic() {
            let other = if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            with("a letter in the other case", at, 1, &[other]);
        }
        if let Some(digit) = c.to_digit(10) {
            with(
                "another digit",
                at,
                1,
                &[char::from_digit((digit + 1) % 10, 10).unwrap()],
            );
        }
    }
    for quote in ['"', '\''] {
        with("a quote before", 0, 0, &[quote]);
        with("a quote behind", chars.len(), 0, &[quote]);
    }
    all.retain(|(_, slip)| slip != text && !slip.is_empty());
    all
}
