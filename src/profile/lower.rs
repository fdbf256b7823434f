//! From a YAML tree to typed values: every mistake of shape is reported, none ends the walk.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::leaks::{holds_login, holds_private_key, names_a_password};
use super::placeholders::is_unfilled;
use super::rules::{DUPLICATE_KEY, INVALID_VALUE, MISSING_KEY, PLACEHOLDER, UNKNOWN_KEY, WRONG_TYPE};
use super::scalar::scalar;
use super::shared::of_one_machine;
use super::wishes::{self, Answer};
use crate::finding::{Finding, Findings};
use crate::source::{Key, Kind, Node, Span};

/// A value and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    /// The value.
    pub(crate) value: T,
    /// Its place; for a key of a mapping, the key's.
    pub(crate) span: Span,
}

/// A mapping from names the user chose to values of one type, in the order written.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    entries: Vec<(Spanned<String>, Spanned<T>)>,
    /// Names whose values are not among the entries, since they were reported.
    unread: Vec<Spanned<String>>,
    /// There may be more names: a key is not text, or an entry is a mapping that does not belong here.
    nameless: bool,
}

/// The entries of an optional mapping.
pub(crate) fn entries<T>(named: Option<&Spanned<Named<T>>>) -> &[(Spanned<String>, Spanned<T>)] {
    named.map_or(&[], |named| &named.value.entries)
}

/// The names of an optional mapping whose values were reported.
pub(crate) fn unread<T>(named: Option<&Spanned<Named<T>>>) -> &[Spanned<String>] {
    named.map_or(&[], |named| &named.value.unread)
}

impl<T> Named<T> {
    /// The entry of that name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&(Spanned<String>, Spanned<T>)> {
        self.entries.iter().find(|(key, _)| key.value == name)
    }

    /// The same names with other values.
    pub(super) fn map<U>(self, of: impl Fn(T) -> U) -> Named<U> {
        let entries = self.entries.into_iter().map(|(name, Spanned { value, span })| {
            let value = of(value);
            (name, Spanned { value, span })
        });
        Named {
            entries: entries.collect(),
            unread: self.unread,
            nameless: self.nameless,
        }
    }

    /// All entries, in the order written.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (Spanned<String>, Spanned<T>)> {
        self.entries.iter()
    }

    /// Whether there is an entry whose name is not known.
    pub(crate) fn has_nameless(&self) -> bool {
        self.nameless
    }

    /// Whether every entry that is written is among the entries.
    pub(crate) fn is_whole(&self) -> bool {
        self.unread.is_empty() && !self.nameless
    }

    /// Whether there is an entry of that name, or may be.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.nameless || self.get(name).is_some() || self.unread.iter().any(|unread| unread.value == name)
    }
}

/// Which keys of a mapping are not known, or not in full, because something about them was reported. A rule that says
/// that something is *not* there asks first; what was not read whole feeds no other rule.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    /// The keys there are.
    #[cfg_attr(not(debug_assertions), allow(dead_code, reason = "for the assertion alone"))]
    keys: &'static [FieldSpec],
    unread: Vec<&'static str>,
}

impl Unread {
    /// Whether the key may be written after all where it is absent, or hold more than was read.
    pub(crate) fn key(&self, key: &str) -> bool {
        debug_assert!(self.keys.iter().any(|(known, _)| *known == key), "no key {key}");
        self.unread.contains(&key)
    }

    /// The same of several keys.
    pub(crate) fn any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.key(key))
    }
}

/// The name of a value in messages, such as `network.mac`. It is put together only when a message needs it.
#[derive(Clone, Copy)]
pub(crate) struct Where<'a> {
    above: Option<&'a Self>,
    name: &'a str,
}

impl<'a> Where<'a> {
    pub(super) fn top(name: &'a str) -> Self {
        Self { above: None, name }
    }

    pub(super) fn below<'b>(&'b self, name: &'b str) -> Where<'b> {
        Where {
            above: Some(self),
            name,
        }
    }

    /// The key itself.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    /// Whether it is among what hosts share.
    fn is_shared(&self) -> bool {
        let mut at = Some(self);
        std::iter::from_fn(|| {
            let here = at?;
            at = here.above;
            Some(here)
        })
        .any(|here| ["defaults", "models"].contains(&here.name) && here.above.is_some_and(|top| top.above.is_none()))
    }

    /// The key that it is below.
    pub(super) fn parent(&self) -> Option<&'a str> {
        self.above.map(|above| above.name)
    }
}

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            write!(f, "{above}.")?;
        }
        f.write_str(self.name)
    }
}

/// A type that a YAML value can be lowered to. `None` means that the reason has been reported.
pub(crate) trait Lower: Sized {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self>;
}

/// A scalar written as text, with a syntax of its own.
pub(crate) trait FromText: Sized {
    /// What is expected, for example "a MAC address such as 52:54:00:12:34:56".
    const EXPECTED: &'static str;
    /// The parsed value, or why the text is not one.
    fn from_text(text: &str) -> Result<Self, Misfit>;
    /// JSON Schema keywords for the texts that are one. They may let pass what the parser refuses, never the other way
    /// round.
    fn limits() -> Value;
    /// How the value is spelled that a bare number can only mean.
    fn suggested_by_number(_number: u64) -> Option<String> {
        None
    }
}

/// Why a text is not a value.
pub(crate) struct Misfit {
    /// In a few words.
    pub(crate) why: String,
    /// The value that was meant, as it should be spelled, where that is beyond doubt.
    pub(crate) suggestion: Option<String>,
}

impl<T: Into<String>> From<T> for Misfit {
    fn from(why: T) -> Self {
        Self {
            why: why.into(),
            suggestion: None,
        }
    }
}

impl Misfit {
    /// With the value that was meant, if that is known.
    pub(super) fn suggestion(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl<T: FromText> Lower for T {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        let text = text::<T>(node, where_, findings)?;
        match T::from_text(text) {
            Ok(value) => Some(value),
            Err(Misfit { why, suggestion }) => {
                let trimmed = || Some(text.trim()).filter(|text| T::from_text(text).is_ok());
                let suggestion = suggestion.or_else(|| trimmed().map(str::to_owned));
                let finding = findings.add(
                    &INVALID_VALUE,
                    node.span,
                    format!("`{where_}` is {}: {why}", quoted(text)),
                    format!("write {}", T::EXPECTED),
                );
                finding.label(why);
                if let Some(suggestion) = suggestion {
                    finding.fix(node.span, scalar(&suggestion)).sure();
                }
                None
            }
        }
    }
}

/// The text of a text node; numbers and booleans are reported, since YAML has already changed what was written.
fn text<'a, T: FromText>(node: &'a Node, where_: Where<'_>, findings: &mut Findings) -> Option<&'a str> {
    let expected = T::EXPECTED;
    let Kind::Text(text) = &node.kind else {
        let help = match node.kind {
            Kind::Bool(_) | Kind::Number | Kind::Unsigned(_) if expected == String::EXPECTED => {
                "put it in quotes, so that YAML keeps it as it is written".to_owned()
            }
            Kind::List(_) | Kind::Map(_) => format!("write {expected} alone"),
            _ => format!("write {expected}"),
        };
        let suggestion = match node.kind {
            Kind::Unsigned(number) => T::suggested_by_number(number),
            _ => None,
        };
        let finding = wrong_type(node, where_, "text", help, findings);
        if let Some(suggestion) = suggestion {
            finding.fix(node.span, scalar(&suggestion)).sure();
        }
        if matches!(node.kind, Kind::Bool(_) | Kind::Number | Kind::Unsigned(_)) && expected == String::EXPECTED {
            finding
                .fix(node.span.before(), "\"")
                .fix(node.span.behind(), "\"")
                .sure();
        }
        return None;
    };
    // A block (`|`) of one line is that line.
    let line = text.trim_end_matches('\n');
    let text = if line.contains('\n') { text.as_str() } else { line };
    if text.is_empty() {
        let help = format!("write {expected}, or leave the key out");
        findings
            .add(&INVALID_VALUE, node.span, format!("`{where_}` is empty"), help)
            .label("empty");
        return None;
    }
    // Reported as a leak.
    if holds_login(text) {
        findings.left_out += 1;
        return None;
    }
    // Left out rather than handed on: no other rule has anything to say of it.
    if is_unfilled(where_, text) {
        let message = format!("`{where_}` was to be filled in: it is {}", quoted(text));
        findings
            .add(&PLACEHOLDER, node.span, message, "write the real value")
            .label("a placeholder");
        return None;
    }
    Some(text)
}

/// Whether brackets around the text as it is written make a list or a mapping of it: it is plain, on one line, and has
/// nothing in it that means something else between brackets.
fn fits_into_brackets(node: &Node) -> bool {
    let Kind::Text(text) = &node.kind else {
        return false;
    };
    !text.is_empty()
        && node.span.range().len() == text.len()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._/-+=@ ".contains(&byte))
}

pub(super) fn wrong_type<'a>(
    node: &Node,
    where_: Where<'_>,
    wanted: &str,
    help: String,
    findings: &'a mut Findings,
) -> &'a mut Finding {
    findings
        .add(
            &WRONG_TYPE,
            node.span,
            format!("`{where_}` is {}, but it takes {wanted}", node.kind.noun()),
            help,
        )
        .label(format!("this is {}", node.kind.noun()))
}

/// A value cut to what fits in a message.
pub(crate) fn quoted(text: &str) -> String {
    if holds_private_key(text) {
        return "a private key".to_owned();
    }
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}

/// What to do where no whole number was found.
pub(super) const WHOLE_NUMBER: &str = "write a whole number such as 2";

impl Lower for u32 {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            Kind::Unsigned(value) if u32::try_from(value).is_ok() => u32::try_from(value).ok(),
            _ => {
                let help = WHOLE_NUMBER.to_owned();
                let finding = wrong_type(node, where_, "a whole number", help, findings);
                if let Kind::Text(text) = &node.kind
                    && let Ok(number) = text.parse::<Self>()
                    && *text == number.to_string()
                {
                    finding.fix(node.span, number.to_string()).sure();
                }
                None
            }
        }
    }
}

impl Lower for bool {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        let help = "write true or false, without quotes".to_owned();
        let finding = wrong_type(node, where_, "a boolean", help, findings);
        // In YAML 1.2 `yes` is text; in quotes `true` is, too.
        if let Kind::Text(text) = &node.kind {
            match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => {
                    finding.fix(node.span, "true").sure();
                }
                "false" | "no" | "off" | "n" => {
                    finding.fix(node.span, "false").sure();
                }
                _ => {}
            }
        }
        None
    }
}

impl<T: Lower> Lower for Vec<Spanned<T>> {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            let help = format!("write `{}: [ … ]`", where_.name);
            let finding = wrong_type(node, where_, "a list", help, findings);
            if fits_into_brackets(node) {
                finding.fix(node.span.before(), "[").fix(node.span.behind(), "]").sure();
            }
            return None;
        };
        let lowered = items.iter().filter_map(|item| {
            let value = T::lower(item, where_, findings)?;
            Some(Spanned { value, span: item.span })
        });
        Some(lowered.collect())
    }
}

impl<T: Lower> Lower for Named<T> {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            wrong_type(
                node,
                where_,
                "a mapping",
                format!("write `{}: {{name: …}}`", where_.name),
                findings,
            );
            return None;
        };
        let mut named = Self {
            entries: Vec::with_capacity(entries.len()),
            unread: Vec::new(),
            nameless: entries.iter().any(|(key, _)| key.name.is_none()),
        };
        for (name, key, value) in distinct(entries, where_, findings) {
            let name = Spanned {
                value: name.to_owned(),
                span: key.span,
            };
            match T::lower(value, where_.below(&name.value), findings) {
                Some(lowered) => {
                    let value = Spanned {
                        value: lowered,
                        span: value.span,
                    };
                    named.entries.push((name, value));
                }
                // A mapping of which nothing is known may hold the names that belong here, a level too deep.
                None if matches!(value.kind, Kind::Map(_)) => named.nameless = true,
                None => named.unread.push(name),
            }
        }
        Some(named)
    }
}

/// The entries with a text key, each name once; what is not is reported.
fn distinct<'a>(
    entries: &'a [(Key, Node)],
    where_: Where<'_>,
    findings: &mut Findings,
) -> Vec<(&'a str, &'a Key, &'a Node)> {
    // Searching so few names is faster than hashing them.
    const MANY: usize = 24;
    let mut first_use: HashMap<&str, Span> = HashMap::new();
    let mut kept: Vec<(&str, &Key, &Node)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(name) = key.name.as_deref() else {
            findings.add(
                &WRONG_TYPE,
                key.span,
                format!("a key of `{where_}` is not text"),
                "put the key in quotes".to_owned(),
            );
            continue;
        };
        let first = if entries.len() < MANY {
            let mut before = kept.iter();
            before.find(|(before, ..)| *before == name).map(|(_, key, _)| key.span)
        } else {
            let first = first_use.get(name).copied();
            first_use.entry(name).or_insert(key.span);
            first
        };
        if let Some(first) = first {
            findings
                .add(
                    &DUPLICATE_KEY,
                    key.span,
                    format!("{} is given twice", quoted(name)),
                    "keep one of the two",
                )
                .label("given again here")
                .also(first, "first given here");
            continue;
        }
        kept.push((name, key, value));
    }
    kept
}

/// The entries of a mapping whose keys are fixed.
pub(super) struct Fields<'a> {
    entries: Vec<(&'a str, &'a Key, &'a Node)>,
    where_: Where<'a>,
    specs: &'static [FieldSpec],
    /// Keys that were reported, or that may be what was meant by a key that was.
    unread: Vec<&'static str>,
}

/// Name of a key, and how it must be there.
pub(super) type FieldSpec = (&'static str, Presence);

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
    /// It must be there, on the host itself or among what hosts share, which is laid under it.
    Shared,
    /// Optional, and the key suggested where a bare value is given in place of the mapping.
    Usual,
}

impl Presence {
    fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::Shared)
    }
}

impl<'a> Fields<'a> {
    /// Takes a mapping apart and reports unknown, repeated and missing keys.
    pub(super) fn of(
        node: &'a Node,
        where_: Where<'a>,
        specs: &'static [FieldSpec],
        findings: &mut Findings,
    ) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            not_a_mapping(node, where_, specs, findings);
            return None;
        };
        let mut kept = distinct(entries, where_, findings);
        if is_foreign(&kept, where_, specs) {
            let keys: Vec<&Key> = kept.iter().map(|(_, key, _)| *key).collect();
            nothing_known(where_, &keys, specs, findings);
            return None;
        }
        let mut absent: Vec<FieldSpec> = specs
            .iter()
            .copied()
            .filter(|(name, _)| !kept.iter().any(|(key, ..)| key == name))
            .collect();
        // What is there under a misspelt name is not missing as well.
        let mut unread: Vec<&'static str> = Vec::new();
        let mut strange: Vec<&Key> = Vec::new();
        let mut wishes = 0;
        let mut is_open = entries.iter().any(|(key, _)| key.name.is_none());
        kept.retain(|(name, key, _)| {
            let known = specs.iter().any(|(known, _)| known == name);
            if known {
                return true;
            }
            // A password is reported as such, which says more than that its key is unknown.
            if names_a_password(name) {
                is_open = true;
                return false;
            }
            let asked = AskedKey { key, name, where_ };
            match asked.report(&absent, findings) {
                Asked::Meant(similar) => {
                    unread.push(similar);
                    absent.retain(|(absent, _)| *absent != similar);
                }
                Asked::Wish => wishes += 1,
                Asked::Strange => strange.push(key),
            }
            false
        });
        if kept.is_empty() && unread.is_empty() && !is_open && !entries.is_empty() {
            if wishes == 0 {
                nothing_known(where_, &strange, specs, findings);
            }
            return None;
        }
        let missing: Vec<&str> = required(&absent).collect();
        // What is empty was to be filled in.
        is_open |= !strange.is_empty() || entries.is_empty() && !missing.is_empty();
        strange_and_missing(node, where_, specs, (&strange, &missing), findings);
        unread.extend(
            absent
                .iter()
                .filter(|(_, presence)| is_open || presence.is_required())
                .map(|(name, _)| *name),
        );
        Some(Self {
            entries: kept,
            where_,
            specs,
            unread,
        })
    }

    /// One field, lowered; absent if it is not there or was reported.
    pub(super) fn take<T: Lower>(&mut self, name: &'static str, findings: &mut Findings) -> Option<Spanned<T>> {
        let (_, _, node) = self.entries.iter().find(|(key, _, _)| *key == name)?;
        let before = findings.count();
        let value = T::lower(node, self.where_.below(name), findings);
        if findings.count() > before {
            self.unread.push(name);
        }
        let span = node.span;
        value.map(|value| Spanned { value, span })
    }

    /// What was not read whole, once every field has been taken.
    pub(super) fn unread(self) -> Unread {
        Unread {
            keys: self.specs,
            unread: self.unread,
        }
    }
}

/// Reports the keys that nobody knows, and those that are missing unless they were most likely meant by them.
fn strange_and_missing(
    node: &Node,
    where_: Where<'_>,
    specs: &[FieldSpec],
    (strange, missing): (&[&Key], &[&str]),
    findings: &mut Findings,
) {
    let explained = !missing.is_empty() && missing.len() <= strange.len();
    for key in strange {
        let help = match missing {
            _ if !explained => keys_here(specs),
            [one] => format!("did you mean `{one}`, which is missing?"),
            several => format!("did you mean one of those that are missing, {}?", listed(several)),
        };
        unknown_key(where_, key, help, findings);
    }
    if !explained {
        missing_keys(node, where_, missing, findings);
    }
}

/// Whether a document is of another program: it has several keys, and none of ours or anything near.
fn is_foreign(entries: &[(&str, &Key, &Node)], where_: Where<'_>, specs: &[FieldSpec]) -> bool {
    let ours =
        |name: &str| names_a_password(name) || specs.iter().any(|(known, _)| *known == name || is_slip(name, known));
    where_.above.is_none() && entries.len() > 1 && !entries.iter().any(|(name, ..)| ours(name))
}

/// A key that the mapping has not.
struct AskedKey<'a> {
    key: &'a Key,
    name: &'a str,
    where_: Where<'a>,
}

/// What a key that the mapping has not is.
enum Asked {
    /// Another name of this one; reported.
    Meant(&'static str),
    /// Something that lxseed has no key for here; reported.
    Wish,
    /// Nobody knows; not reported yet.
    Strange,
}

impl AskedKey<'_> {
    /// Reports the key if it can be told what was meant. What is there already was not.
    fn report(&self, absent: &[FieldSpec], findings: &mut Findings) -> Asked {
        let Self { key, name, where_ } = *self;
        let similar = did_you_mean(name, absent.iter().map(|(absent, _)| *absent));
        let slip = similar.filter(|similar| is_slip(name, similar));
        let similar = similar.filter(|_| !name.contains(':'));
        let slip = slip.filter(|_| !name.contains(':'));
        if let Some(instead) = of_one_machine(name).filter(|_| where_.is_shared()) {
            unknown_key(where_, key, instead.to_owned(), findings).label("not shared");
            return Asked::Wish;
        }
        let answer = wishes::answer(name, |name| absent.iter().any(|(absent, _)| *absent == name));
        match (slip, answer, similar) {
            (Some(meant), ..) => {
                let finding = unknown_key(where_, key, format!("did you mean `{meant}`?"), findings);
                finding.fix(key.span, meant).sure();
                Asked::Meant(meant)
            }
            (None, Some(Answer::Called(meant)), _) => {
                unknown_key(where_, key, format!("it is called `{meant}` here"), findings).fix(key.span, meant);
                Asked::Meant(meant)
            }
            (None, Some(Answer::Instead(instead)), _) => {
                unknown_key(where_, key, instead.to_owned(), findings);
                Asked::Wish
            }
            (None, None, Some(meant)) => {
                unknown_key(where_, key, format!("did you mean `{meant}`?"), findings).fix(key.span, meant);
                Asked::Meant(meant)
            }
            (None, None, None) => match name
                .split_once(':')
                .filter(|(key, _)| absent.iter().any(|(absent, _)| absent == key))
            {
                // Between brackets `key:value` is one word.
                Some((glued, _)) => {
                    let Some((meant, _)) = absent.iter().find(|(absent, _)| *absent == glued) else {
                        return Asked::Strange;
                    };
                    let finding = unknown_key(where_, key, format!("a space is missing behind `{glued}:`"), findings);
                    if let Some(at) = key.span.inside(glued.len() + 1) {
                        finding.fix(at, " ").sure();
                    }
                    Asked::Meant(meant)
                }
                None => Asked::Strange,
            },
        }
    }
}

fn required<'a>(specs: &'a [FieldSpec]) -> impl Iterator<Item = &'static str> + 'a {
    let required = specs.iter().filter(|(_, presence)| presence.is_required());
    required.map(|(name, _)| *name)
}

fn keys_here(specs: &[FieldSpec]) -> String {
    let keys: Vec<&str> = specs.iter().map(|(known, _)| *known).collect();
    format!("the keys here are {}", keys.join(", "))
}

/// Reports a mapping of which no key is known: it is another one than belongs here, and that is one mistake.
fn nothing_known(where_: Where<'_>, strange: &[&Key], specs: &[FieldSpec], findings: &mut Findings) {
    let [first, rest @ ..] = strange else { return };
    let finding = unknown_key(where_, first, keys_here(specs), findings);
    if !rest.is_empty() {
        let names: Vec<String> = strange
            .iter()
            .map(|key| quoted(key.name.as_deref().unwrap_or_default()))
            .collect();
        finding.message = match names.as_slice() {
            [first, second] => format!("`{where_}` has no keys {first} and {second}"),
            _ => format!(
                "`{where_}` has no key {}, nor any of the {} others here",
                names[0],
                rest.len()
            ),
        };
    }
}

fn unknown_key<'a>(where_: Where<'_>, key: &Key, help: String, findings: &'a mut Findings) -> &'a mut Finding {
    let name = key.name.as_deref().unwrap_or_default();
    let message = format!("`{where_}` has no key {}", quoted(name));
    findings.add(&UNKNOWN_KEY, key.span, message, help).label("unknown key")
}

/// Reports the keys that a mapping has to have and lacks: one place, one finding.
fn missing_keys(node: &Node, where_: Where<'_>, missing: &[&str], findings: &mut Findings) {
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let lines: Vec<String> = missing.iter().map(|name| format!("`{name}: …`")).collect();
    let is = if missing.len() == 1 { "is" } else { "are" };
    let message = format!("`{where_}` has no {}", listed(&names));
    findings
        .add(&MISSING_KEY, node.span, message, format!("add {}", listed(&lines)))
        .label(format!("{} {is} missing here", listed(&names)));
}

/// Reports that something else stands where a mapping belongs.
fn not_a_mapping(node: &Node, where_: Where<'_>, specs: &[FieldSpec], findings: &mut Findings) {
    let keys: Vec<&str> = specs.iter().map(|(name, _)| *name).collect();
    let help = format!("it has the keys {}", keys.join(", "));
    let finding = wrong_type(node, where_, "a mapping", help, findings);
    let usual = specs.iter().find(|(_, presence)| *presence == Presence::Usual);
    let only = match (required(specs).collect::<Vec<_>>().as_slice(), specs) {
        ([only], _) | ([], [(only, _)]) => Some(*only),
        _ => usual.map(|(usual, _)| *usual),
    };
    if let Some(only) = only.filter(|_| fits_into_brackets(node)) {
        finding
            .fix(node.span.before(), format!("{{{only}: "))
            .fix(node.span.behind(), "}")
            .sure();
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// Whether one name is the other with a slip of the hand in it.
fn is_slip(name: &str, meant: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    plain(name) == meant || (meant.len() > 3 && strsim::damerau_levenshtein(name, meant) <= 2)
}

/// The known name that was most likely meant.
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| {
            let alike = strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
            (alike, candidate)
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// Declares a profile type once: the struct, its keys, which of them are required, how it is lowered, and its schema
/// for editors. JSON Schema keywords after `=` say what [`crate::check`] or a parser demands of a field, or of the
/// whole, beyond its type.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        pub(crate) struct $name:ident {
            $( $(#[doc = $field_doc:literal])* $presence:ident $field:ident: $type:ty $(= $limits:expr)?, )*
        }
        $( = $whole:expr )?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            /// Something in it was reported, so a key that is absent here may be there after all.
            #[allow(dead_code, reason = "of few records a rule wants to know")]
            pub(crate) incomplete: bool,
            /// Which keys were not read whole.
            #[allow(dead_code, reason = "of few records a rule wants to know")]
            pub(crate) unread: $crate::profile::lower::Unread,
            $( $(#[doc = $field_doc])* pub(crate) $field: Option<$crate::profile::lower::Spanned<$type>>, )*
        }

        impl $crate::profile::lower::Lower for $name {
            fn lower(
                node: &$crate::source::Node,
                where_: $crate::profile::lower::Where<'_>,
                findings: &mut $crate::finding::Findings,
            ) -> Option<Self> {
                const SPECS: &[$crate::profile::lower::FieldSpec] =
                    &[$( (stringify!($field), record!(@presence $presence)), )*];
                let before = findings.count();
                let mut fields = $crate::profile::lower::Fields::of(node, where_, SPECS, findings)?;
                $( let $field = fields.take(stringify!($field), findings); )*
                Some(Self {
                    incomplete: findings.count() > before,
                    unread: fields.unread(),
                    $( $field, )*
                })
            }
        }

        impl $crate::profile::describe::Describe for $name {
            fn schema() -> serde_json::Value {
                use $crate::profile::describe::{Describe, Property, object};
                let properties = vec![$( Property {
                    name: stringify!($field),
                    required: record!(@presence $presence) == $crate::profile::lower::Presence::Required,
                    docs: &[$( $field_doc ),*],
                    schema: <$type as Describe>::schema(),
                    limits: record!(@limits $( $limits )?),
                }, )*];
                object(&[$( $doc ),*], record!(@limits $( $whole )?), properties)
            }
        }
    };
    (@presence required) => { $crate::profile::lower::Presence::Required };
    (@presence shared) => { $crate::profile::lower::Presence::Shared };
    (@presence optional) => { $crate::profile::lower::Presence::Optional };
    (@presence usual) => { $crate::profile::lower::Presence::Usual };
    (@limits) => { serde_json::Value::Null };
    (@limits $limits:expr) => { $limits };
}

pub(super) use record;
