//! The consoles' keyboard.

use super::release::release;
use crate::check::registry::{Check, Report};
use crate::check::view::SiteView;
use crate::finding::Edit;
use crate::profile::{Keyboard, did_you_mean, quoted, scalar};
use crate::target::Keyboards;

pub(super) static CHECKS: &[&Check] = &[&UNKNOWN_LAYOUT, &UNKNOWN_VARIANT];

// Texts of the examples.
const CLUSTER: &str = "cluster.yaml";
const ADMIN: &str = "admin:\n";

static UNKNOWN_LAYOUT: Check = Check::error(
    "T009",
    "unknown-keyboard-layout",
    unknown_layout,
    "With a layout that xkb does not have the console keeps the keyboard it had, and a password for it cannot be typed as it was thought of. Layouts have \
     the names of countries for the most part, not of languages, and not those of the older console keymaps; xkeyboard-config(7) has them all.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "keyboard: {layout: uk}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "keyboard: {layout: gb}\nadmin:\n")],
);

/// Names of languages, and of keymaps of kbd, whose layouts are called otherwise.
const OTHERWISE: &[(&str, &str)] = &[
    ("uk", "gb"),
    ("en", "us"),
    ("english", "us"),
    ("usa", "us"),
    ("german", "de"),
    ("french", "fr"),
    ("sv", "se"),
    ("da", "dk"),
    ("cs", "cz"),
    ("el", "gr"),
    ("ja", "jp"),
    ("ko", "kr"),
    ("nb", "no"),
    ("sl", "si"),
    ("sg", "ch"),
    ("et", "ee"),
];

/// What each profile says of a keyboard, and what its release has.
fn keyboards<'a>(site: &SiteView<'a>) -> impl Iterator<Item = (&'a Keyboard, Keyboards)> {
    site.profiles()
        .filter_map(|profile| Some((&profile.keyboard.as_ref()?.value, release(profile)?.keyboards)))
}

/// The variants of a layout, if there is such a layout.
fn variants(keyboards: Keyboards, layout: &str) -> Option<&'static [&'static str]> {
    let mut layouts = keyboards.iter();
    layouts
        .find(|(known, _)| *known == layout)
        .map(|(_, variants)| *variants)
}

/// The layout that was meant, if it can be told which.
fn layout_meant(keyboards: Keyboards, text: &str) -> Option<&'static str> {
    let plain = text.trim().to_ascii_lowercase();
    // de_DE.UTF-8, de-latin1, de(nodeadkeys), us,de
    let end = plain.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(plain.len());
    let first = &plain[..end];
    let otherwise = OTHERWISE.iter().find(|(other, _)| *other == first);
    let exact = otherwise.map_or(first, |(_, layout)| layout);
    let names = || keyboards.iter().map(|(layout, _)| *layout);
    names()
        .find(|layout| *layout == exact)
        .or_else(|| did_you_mean(first, names()))
}

fn unknown_layout(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (keyboard, known) in keyboards(site) {
        let Some(layout) = keyboard.layout.as_ref() else {
            continue;
        };
        if variants(known, &layout.value).is_some() {
            continue;
        }
        let message = if layout.value.contains(',') {
            format!("{} is more than one layout", quoted(&layout.value))
        } else {
            format!("there is no keyboard layout {}", quoted(&layout.value))
        };
        let finding = match layout_meant(known, &layout.value) {
            Some(meant) => report
                .add(layout.span, message, format!("did you mean `{meant}`?"))
                .fix(layout.span, scalar(meant)),
            None => report.add(layout.span, message, "write a layout's name such as `de`, `gb` or `us`"),
        };
        finding.label("not one layout of xkb");
    }
}

static UNKNOWN_VARIANT: Check = Check::error(
    "T010",
    "unknown-keyboard-variant",
    unknown_variant,
    "A variant is one of its layout's own: `nodeadkeys` of `de` is none of `us`. With one that the layout does not have the console keeps the keyboard \
     it had.",
)
.example(
    &[Edit::Replace(CLUSTER, ADMIN, "keyboard: {layout: de, variant: no-dead-keys}\nadmin:\n")],
    &[Edit::Replace(CLUSTER, ADMIN, "keyboard: {layout: de, variant: nodeadkeys}\nadmin:\n")],
);

fn unknown_variant(site: &SiteView<'_>, report: &mut Report<'_>) {
    for (keyboard, known) in keyboards(site) {
        let (Some(layout), Some(variant)) = (&keyboard.layout, &keyboard.variant) else {
            continue;
        };
        let Some(own) = variants(known, &layout.value).filter(|own| !own.contains(&variant.value.as_str())) else {
            continue;
        };
        let message = format!("the layout {} has no variant {}", layout.value, quoted(&variant.value));
        let bare = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
        let same = own.iter().copied().find(|known| bare(known) == bare(&variant.value));
        let finding = match same.or_else(|| did_you_mean(&variant.value, own.iter().copied())) {
            Some(meant) => report
                .add(variant.span, message, format!("did you mean `{meant}`?"))
                .fix(variant.span, scalar(meant)),
            None if own.is_empty() => report.add(variant.span, message, "leave `variant` out: it has none"),
            None => report.add(variant.span, message, format!("it has {}", own.join(", "))),
        };
        finding.label("not one of its own").also(layout.span, "its layout");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::bionic::BIONIC;

    #[test]
    fn the_layout_that_was_meant() {
        for (text, meant) in [
            ("uk", Some("gb")),
            ("DE", Some("de")),
            ("de-latin1", Some("de")),
            ("de_DE.UTF-8", Some("de")),
            ("us,de", Some("us")),
            ("en_GB", Some("us")),
            ("klingon", None),
            ("", None),
        ] {
            assert_eq!(layout_meant(BIONIC.keyboards, text), meant, "{text}");
        }
    }
}
