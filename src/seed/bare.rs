//! Scripts as machines get them, without what is for readers alone. build.rs uses this, too.

/// Which language a line of a script is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The shell's, where a comment may stand.
    Shell,
    /// In a here-document that is a program in Python, which has the same comments.
    Python,
    /// In any other here-document.
    Text,
}

/// The word that ends a program in Python.
const PYTHON: &str = "PY";

/// The lines of a script, each with what it is.
pub(super) fn lines(script: &str) -> impl Iterator<Item = (Kind, &str)> {
    let mut until = None;
    script.lines().map(move |line| {
        let kind = match until {
            None => Kind::Shell,
            Some(PYTHON) => Kind::Python,
            Some(_) => Kind::Text,
        };
        if until.is_none() && !is_comment(line) {
            until = document(line);
        } else if until == Some(line) {
            until = None;
        }
        (kind, line)
    })
}

/// The script without empty lines and those that are comments as a whole. The headings of its parts stay, without their rules.
pub(super) fn without_comments(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    for (kind, line) in lines(script) {
        let heading = kind == Kind::Shell && line.starts_with("# ---- ");
        if kind != Kind::Text && !heading && (line.is_empty() || is_comment(line)) {
            continue;
        }
        bare.push_str(if heading {
            line.trim_end_matches('-').trim_end()
        } else {
            line
        });
        bare.push('\n');
    }
    bare
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The word that ends the here-document which this line begins.
fn document(line: &str) -> Option<&str> {
    let (_, word) = line.split_once("<<")?;
    let word = word.trim_start_matches('\'');
    let length = word.find(|c: char| !c.is_ascii_uppercase());
    word.get(..length.unwrap_or(word.len())).filter(|word| !word.is_empty())
}
