//! What is wrong with text that is no YAML, in words for whoever wrote it: the parser says where it gave up.

use std::ops::Range;

/// Why a text is no YAML, and what to do.
pub(super) struct Cause {
    /// Where it is, if the parser noticed only later.
    pub(super) at: Option<Range<usize>>,
    /// In a few words; none if the parser's say it.
    pub(super) why: Option<String>,
    pub(super) help: String,
    /// What to put where, if that is beyond doubt.
    pub(super) fix: Option<(Range<usize>, &'static str)>,
}

impl Cause {
    fn new(why: &str, help: &str) -> Self {
        Self {
            at: None,
            why: Some(why.to_owned()).filter(|why| !why.is_empty()),
            help: help.to_owned(),
            fix: None,
        }
    }

    fn at(mut self, at: Range<usize>) -> Self {
        self.at = Some(at);
        self
    }
}

/// The cause behind what the parser says at a place.
pub(super) fn cause(said: &str, text: &str, place: usize) -> Cause {
    let says = |words: &str| said.contains(words);
    let line = line_at(text, place);
    if let Some(conflict) = conflict(text) {
        let help = "a merge conflict was left in: keep one of the two sides, and take the marks out";
        return Cause::new("a mark of a merge conflict", help).at(conflict);
    }
    if says("tab") {
        let help = "indent with spaces: YAML takes no tabs there";
        return match tab_of_indentation(text, line.start) {
            Some(tab) => Cause::new("a tab", help).at(tab..tab + 1),
            None => Cause::new("a tab", help),
        };
    }
    if let Some(colon) = lacks_a_space(text, line.clone()).or_else(|| lacks_a_space(text, line_before(text, &line))) {
        let key = text[line_at(text, colon)]
            .trim_start()
            .split(':')
            .next()
            .unwrap_or_default();
        let mut cause = Cause::new(
            &format!("a space is missing behind `{}:`", key.trim_start_matches("- ")),
            "put a space behind the colon",
        )
        .at(colon..colon + 1);
        cause.fix = Some((colon + 1..colon + 1, " "));
        return cause;
    }
    by_words(says, text, line)
}

fn by_words(says: impl Fn(&str) -> bool, text: &str, line: Range<usize>) -> Cause {
    let words = text[line].trim();
    if says("u{0}") || says("\0") {
        return Cause::new("a NUL byte", "the file was cut or is not text: write it anew, as UTF-8");
    }
    if says("unexpected character") {
        return Cause::new("", "a value that begins with this character needs quotes");
    }
    if says("unknown anchor") {
        let help = "what begins with * is an alias: write `&NAME` before the value that it stands for, above it in the same document; text needs quotes";
        return Cause::new("the alias stands for nothing", help);
    }
    if says("unsupported tag") {
        return Cause::new(
            "",
            "profiles are plain YAML: take the tag out; text that begins with ! needs quotes",
        );
    }
    if says("recursive") {
        return Cause::new("the alias stands for what it is a part of", "write out what is meant");
    }
    if says("unclosed quote") {
        return Cause::new("the quote that begins here has no end", "close it, or take it out");
    }
    if says("escape") {
        return Cause::new(
            "",
            "a backslash means something in double quotes: write it twice, or use single quotes",
        );
    }
    if words.contains("{{") || words.contains("{%") {
        return Cause::new("", "a template was left in: write what it stands for");
    }
    if says("expected key") && words.starts_with("- ") || words == "-" {
        let help = "take the `- ` out, or put the list below a key of its own";
        return Cause::new("an item of a list stands among keys", help);
    }
    if says("flow") || says("',' or") || says("misplaced bracket") || says("illegal placement") {
        return Cause::new(
            "",
            "a bracket is open that should be closed, or the other way round; between brackets entries end with a comma",
        );
    }
    if says("mapping values") && words.matches(": ").count() < 2 {
        return Cause::new(
            "",
            "put the key in the same column as its neighbours; a value with `: ` in it needs quotes",
        );
    }
    if says("expected key") || says("indent") {
        return Cause::new("", "put the key in the same column as its neighbours");
    }
    Cause::new("", "a value with `: ` or ` #` in it needs quotes")
}

/// The line that a byte is in, without its end.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    start..end
}

fn line_before(text: &str, line: &Range<usize>) -> Range<usize> {
    match line.start {
        0 => 0..0,
        start => line_at(text, start - 1),
    }
}

/// The first mark of git between two versions.
fn conflict(text: &str) -> Option<Range<usize>> {
    let start = if text.starts_with("<<<<<<< ") {
        0
    } else {
        text.find("\n<<<<<<< ")? + 1
    };
    Some(line_at(text, start))
}

/// The first tab before the words of a line, from a line on.
fn tab_of_indentation(text: &str, from: usize) -> Option<usize> {
    let mut start = from;
    for line in text[from..].split_inclusive('\n') {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indentation].find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// The colon of a line that is a key with its value right behind.
fn lacks_a_space(text: &str, line: Range<usize>) -> Option<usize> {
    let words = text[line.clone()].trim_end();
    let key = words.trim_start().trim_start_matches("- ");
    let colon = key.find(':')?;
    let is_key = colon > 0
        && key[..colon]
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let follows = key[colon + 1..].chars().next()?;
    let is_value = !follows.is_whitespace() && follows != ':' && !key[colon + 1..].starts_with("//");
    (is_key && is_value && !key.contains(": ")).then(|| line.start + words.len() - key.len() + colon)
}
