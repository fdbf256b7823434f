//! From a YAML tree to typed values: every mistake of shape is reported, none ends the walk.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::leaks::{holds_private_key, names_a_password};
use super::placeholders::is_unfilled;
use super::rules::{DUPLICATE_KEY, INVALID_VALUE, MISSING_KEY, PLACEHOLDER, UNKNOWN_KEY, WRONG_TYPE};
use super::scalar::scalar;
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
pub(crate) struct Named<T>(pub(crate) Vec<(Spanned<String>, Spanned<T>)>);

/// The entries of an optional mapping.
pub(crate) fn entries<T>(named: Option<&Spanned<Named<T>>>) -> &[(Spanned<String>, Spanned<T>)] {
    named.map_or(&[], |named| &named.value.0)
}

/// Optional mappings that are absent mean "none".
impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The entry of that name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&(Spanned<String>, Spanned<T>)> {
        self.0.iter().find(|(key, _)| key.value == name)
    }

    /// All entries, in the order written.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (Spanned<String>, Spanned<T>)> {
        self.0.iter()
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

    fn below<'b>(&'b self, name: &'b str) -> Where<'b> {
        Where {
            above: Some(self),
            name,
        }
    }

    /// The key itself.
    pub(super) fn name(&self) -> &'a str {
        self.name
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
                    finding.fix(node.span, scalar(&suggestion));
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
            finding.fix(node.span, scalar(&suggestion));
        }
        if matches!(node.kind, Kind::Bool(_) | Kind::Number | Kind::Unsigned(_)) && expected == String::EXPECTED {
            finding.fix(node.span.before(), "\"").fix(node.span.behind(), "\"");
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

impl Lower for u32 {
    fn lower(node: &Node, where_: Where<'_>, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            Kind::Unsigned(value) if u32::try_from(value).is_ok() => u32::try_from(value).ok(),
            _ => {
                let help = "write a whole number such as 2".to_owned();
                let finding = wrong_type(node, where_, "a whole number", help, findings);
                if let Kind::Text(text) = &node.kind
                    && let Ok(number) = text.parse::<Self>()
                    && *text == number.to_string()
                {
                    finding.fix(node.span, number.to_string());
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
                    finding.fix(node.span, "true");
                }
                "false" | "no" | "off" | "n" => {
                    finding.fix(node.span, "false");
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
                finding.fix(node.span.before(), "[").fix(node.span.behind(), "]");
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
        let mut named = Vec::with_capacity(entries.len());
        for (name, key, value) in distinct(entries, where_, findings) {
            if let Some(lowered) = T::lower(value, where_.below(name), findings) {
                named.push((
                    Spanned {
                        value: name.to_owned(),
                        span: key.span,
                    },
                    Spanned {
                        value: lowered,
                        span: value.span,
                    },
                ));
            }
        }
        Some(Self(named))
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
}

/// Name of a key, and how it must be there.
pub(super) type FieldSpec = (&'static str, Presence);

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
    /// Optional, and the key suggested where a bare value is given in place of the mapping.
    Usual,
}

impl<'a> Fields<'a> {
    /// Takes a mapping apart and reports unknown, repeated and missing keys.
    pub(super) fn of(node: &'a Node, where_: Where<'a>, specs: &[FieldSpec], findings: &mut Findings) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let keys: Vec<&str> = specs.iter().map(|(name, _)| *name).collect();
            let help = format!("it has the keys {}", keys.join(", "));
            let finding = wrong_type(node, where_, "a mapping", help, findings);
            let required = specs.iter().filter(|(_, presence)| *presence == Presence::Required);
            let usual = specs.iter().find(|(_, presence)| *presence == Presence::Usual);
            let only = match (required.collect::<Vec<_>>().as_slice(), specs) {
                ([(only, _)], _) | ([], [(only, _)]) => Some(only),
                _ => usual.map(|(usual, _)| usual),
            };
            if let Some(only) = only.filter(|_| fits_into_brackets(node)) {
                finding
                    .fix(node.span.before(), format!("{{{only}: "))
                    .fix(node.span.behind(), "}");
            }
            return None;
        };
        let mut kept = distinct(entries, where_, findings);
        // Required keys that are there under a misspelt name are not missing as well.
        let mut suggested: Vec<&str> = Vec::new();
        kept.retain(|(name, key, _)| {
            let known = specs.iter().any(|(known, _)| known == name);
            // A password is reported as such, which says more than that its key is unknown.
            if !known && !names_a_password(name) {
                let similar = did_you_mean(name, specs.iter().map(|(known, _)| *known));
                let help = match similar {
                    Some(similar) => format!("did you mean `{similar}`?"),
                    None => {
                        let keys: Vec<&str> = specs.iter().map(|(known, _)| *known).collect();
                        format!("the keys here are {}", keys.join(", "))
                    }
                };
                suggested.extend(similar);
                let message = format!("`{where_}` has no key {}", quoted(name));
                let finding = findings.add(&UNKNOWN_KEY, key.span, message, help);
                finding.label("unknown key");
                if let Some(similar) = similar {
                    finding.fix(key.span, similar);
                }
            }
            known
        });
        for (name, presence) in specs {
            if *presence == Presence::Required
                && !suggested.contains(name)
                && !entries.iter().any(|(key, _)| key.name.as_deref() == Some(name))
            {
                findings
                    .add(
                        &MISSING_KEY,
                        node.span,
                        format!("`{where_}` has no `{name}`"),
                        format!("add `{name}: …`"),
                    )
                    .label(format!("`{name}` is missing here"));
            }
        }
        Some(Self { entries: kept, where_ })
    }

    /// One field, lowered; absent if it is not there or was reported.
    pub(super) fn take<T: Lower>(&self, name: &str, findings: &mut Findings) -> Option<Spanned<T>> {
        let (_, _, node) = self.entries.iter().find(|(key, _, _)| *key == name)?;
        let value = T::lower(node, self.where_.below(name), findings)?;
        Some(Spanned { value, span: node.span })
    }
}

/// The known name that was most likely meant.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
            $( $(#[doc = $field_doc])* pub(crate) $field: Option<$crate::profile::lower::Spanned<$type>>, )*
        }

        impl $crate::profile::lower::Lower for $name {
            fn lower(
                node: &$crate::source::Node,
                where_: $crate::profile::lower::Where<'_>,
                findings: &mut $crate::finding::Findings,
            ) -> Option<Self> {
                let specs = &[$( (stringify!($field), record!(@presence $presence)), )*];
                let before = findings.list.len();
                let fields = $crate::profile::lower::Fields::of(node, where_, specs, findings)?;
                $( let $field = fields.take(stringify!($field), findings); )*
                Some(Self {
                    incomplete: findings.list.len() > before,
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
    (@presence optional) => { $crate::profile::lower::Presence::Optional };
    (@presence usual) => { $crate::profile::lower::Presence::Usual };
    (@limits) => { serde_json::Value::Null };
    (@limits $limits:expr) => { $limits };
}

pub(super) use record;
