//! Every mutant of a site: each key of each mapping and each item of each list, changed in every way a hand slips.

use super::tree::{Node, Site, Value};

/// A site with one change in it.
pub(crate) struct Mutant {
    /// What was done where, for messages.
    pub(crate) what: String,
    pub(crate) site: Site,
}

/// The way to a value: file, document, and at each level which entry or item.
#[derive(Clone)]
pub(super) struct At {
    file: usize,
    document: usize,
    steps: Vec<usize>,
}

/// Calls `visit` with every mutant.
pub(crate) fn each(site: &Site, mut visit: impl FnMut(Mutant)) {
    for at in places(site) {
        let (parent, index) = at.parent();
        let siblings = children(get(site, &parent)).len();
        let name = name(site, &at);
        let old = get(site, &at).clone();
        let is_entry = matches!(get(site, &parent).value, Value::Map(_));
        let mut mutant = |what: &str, change: &dyn Fn(&mut Site)| {
            let mut changed = site.clone();
            change(&mut changed);
            visit(Mutant {
                what: format!("{what} {name}"),
                site: changed,
            });
        };

        mutant("drop", &|site| {
            let parent = get_mut(site, &parent);
            parent.changed = true;
            match &mut parent.value {
                Value::Map(entries) => drop(entries.remove(index)),
                Value::List(items) => drop(items.remove(index)),
                Value::Text(_) | Value::Bare(_) => unreachable!("it has children"),
            }
        });
        mutant("duplicate", &|site| {
            let twice = old.clone().changed();
            match &mut get_mut(site, &parent).value {
                Value::Map(entries) => {
                    entries[index].1.changed = true;
                    let key = entries[index].0.clone();
                    entries.insert(index + 1, (key, twice));
                }
                Value::List(items) => {
                    items[index].changed = true;
                    items.insert(index + 1, twice);
                }
                Value::Text(_) | Value::Bare(_) => unreachable!("it has children"),
            }
        });
        if is_entry {
            let key = keys(get(site, &parent))[index].clone();
            for (what, misspelt) in misspellings(&key) {
                mutant(&format!("key {what} of"), &|site| {
                    if let Value::Map(entries) = &mut get_mut(site, &parent).value {
                        entries[index].0.clone_from(&misspelt);
                        entries[index].1.changed = true;
                    }
                });
            }
        }
        for (what, value) in replacements(&old) {
            mutant(&what, &|site| {
                *get_mut(site, &at) = value.clone().changed();
            });
        }
        let beside = parent.child((index + 1) % siblings);
        if get(site, &beside).value != old.value {
            mutant("copy a sibling over", &|site| {
                *get_mut(site, &at) = get(site, &beside).clone().changed();
            });
            mutant("swap with a sibling", &|site| swap(site, &at, &beside));
        }
        if let Some(other_at) = counterpart(site, &at)
            && get(site, &other_at).value != old.value
        {
            mutant("copy another profile's over", &|site| {
                *get_mut(site, &at) = get(site, &other_at).clone().changed();
            });
            mutant("swap with another profile's", &|site| {
                swap(site, &at, &other_at);
            });
        }
    }
}

fn swap(site: &mut Site, a: &At, b: &At) {
    let (old_a, old_b) = (get(site, a).clone(), get(site, b).clone());
    *get_mut(site, a) = old_b.changed();
    *get_mut(site, b) = old_a.changed();
}

/// Other values in a value's place: of every other type, misspelt, empty.
fn replacements(old: &Node) -> Vec<(String, Node)> {
    let mut all: Vec<(String, Node)> = vec![
        ("as nothing".to_owned(), Node::bare("null")),
        ("left open".to_owned(), Node::bare("")),
        ("as a boolean".to_owned(), Node::bare("true")),
        ("as a number".to_owned(), Node::bare("12")),
        ("as zero".to_owned(), Node::bare("0")),
        ("as a number below zero".to_owned(), Node::bare("-1")),
        ("as a fraction".to_owned(), Node::bare("1.5")),
        ("as text".to_owned(), Node::text("other")),
        ("as empty text".to_owned(), Node::text("")),
        ("as a space".to_owned(), Node::text(" ")),
        ("as an empty list".to_owned(), Value::List(vec![]).into()),
        ("as an empty mapping".to_owned(), Value::Map(vec![]).into()),
        ("in a list".to_owned(), Value::List(vec![old.clone()]).into()),
        (
            "in a mapping".to_owned(),
            Value::Map(vec![("x".to_owned(), old.clone())]).into(),
        ),
    ];
    if let Value::Text(text) = &old.value {
        for (what, misspelt) in misspellings(text) {
            all.push((what.to_owned(), Node::text(&misspelt)));
        }
    }
    all.retain(|(_, value)| value.value != old.value);
    all
}

fn misspellings(text: &str) -> Vec<(&'static str, String)> {
    let chars: Vec<char> = text.chars().collect();
    let mut all = Vec::new();
    if let [init @ .., _] = &chars[..]
        && !init.is_empty()
    {
        all.push(("cut", init.iter().collect()));
    }
    if let Some(at) = chars.windows(2).position(|pair| pair[0] != pair[1]) {
        let mut swapped = chars.clone();
        swapped.swap(at, at + 1);
        all.push(("misspelt", swapped.iter().collect()));
    }
    if let Some(last) = chars.last() {
        all.push(("with the end twice", format!("{text}{last}")));
    }
    all.push(("in capitals", text.to_uppercase()));
    all.push(("of another name", "zzz".to_owned()));
    all.push(("with a space", format!("{text} ")));
    all.retain(|(_, other)| other != text);
    all
}

impl At {
    fn parent(&self) -> (Self, usize) {
        let mut parent = self.clone();
        let last = parent.steps.pop().expect("a document has no parent");
        (parent, last)
    }

    fn child(&self, step: usize) -> Self {
        let mut child = self.clone();
        child.steps.push(step);
        child
    }
}

/// Every value that has a parent, from the top.
pub(super) fn places(site: &Site) -> Vec<At> {
    let mut all = Vec::new();
    for (file, f) in site.iter().enumerate() {
        for document in 0..f.documents.len() {
            let top = At {
                file,
                document,
                steps: vec![],
            };
            collect(site, &top, &mut all);
        }
    }
    all
}

fn collect(site: &Site, at: &At, all: &mut Vec<At>) {
    for step in 0..children(get(site, at)).len() {
        let child = at.child(step);
        all.push(child.clone());
        collect(site, &child, all);
    }
}

fn children(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|(_, node)| node).collect(),
        Value::List(items) => items.iter().collect(),
        Value::Text(_) | Value::Bare(_) => vec![],
    }
}

fn keys(node: &Node) -> Vec<&String> {
    match &node.value {
        Value::Map(entries) => entries.iter().map(|(key, _)| key).collect(),
        _ => vec![],
    }
}

pub(super) fn get<'a>(site: &'a Site, at: &At) -> &'a Node {
    let top = &site[at.file].documents[at.document];
    at.steps.iter().fold(top, |node, step| children(node)[*step])
}

pub(super) fn get_mut<'a>(site: &'a mut Site, at: &At) -> &'a mut Node {
    let top = &mut site[at.file].documents[at.document];
    at.steps.iter().fold(top, |node, step| match &mut node.value {
        Value::Map(entries) => &mut entries[*step].1,
        Value::List(items) => &mut items[*step],
        Value::Text(_) | Value::Bare(_) => unreachable!("the way leads through it"),
    })
}

/// The keys on the way, as text.
pub(super) fn way(site: &Site, at: &At) -> Vec<String> {
    let mut node = &site[at.file].documents[at.document];
    let mut way = Vec::new();
    for step in &at.steps {
        way.push(match keys(node).get(*step) {
            Some(key) => (*key).clone(),
            None => format!("[{step}]"),
        });
        node = children(node)[*step];
    }
    way
}

pub(super) fn name(site: &Site, at: &At) -> String {
    format!("{}#{} {}", site[at.file].path, at.document, way(site, at).join("."))
}

/// The value at the same keys in the next profile of the same kind that has them.
fn counterpart(site: &Site, at: &At) -> Option<At> {
    let kind = |file: usize| {
        let path = &site[file].path;
        path.parent()
            .and_then(|folder| folder.file_name())
            .filter(|_| path.file_name() != Some("cluster.yaml"))
    };
    let wanted = way(site, at);
    let mut tops: Vec<(usize, usize)> = Vec::new();
    for (file, f) in site.iter().enumerate() {
        if kind(file) == kind(at.file) {
            tops.extend((0..f.documents.len()).map(|document| (file, document)));
        }
    }
    let own = tops.iter().position(|top| *top == (at.file, at.document)).unwrap();
    tops.rotate_left(own);
    tops.into_iter().skip(1).find_map(|(file, document)| {
        let mut other = At {
            file,
            document,
            steps: vec![],
        };
        for key in &wanted {
            let node = get(site, &other);
            let step = match keys(node).iter().position(|own| *own == key) {
                Some(step) => step,
                None => {
                    let step = key.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
                    (matches!(node.value, Value::List(_)) && step < children(node).len()).then_some(step)?
                }
            };
            other = other.child(step);
        }
        Some(other)
    })
}
