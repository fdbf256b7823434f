//! Text from profiles on its way to a terminal.

use std::borrow::Cow;

/// Shows control characters, and those that change the direction of text, as escapes: a profile could otherwise move
/// the cursor, change colours, or make a line read as something else than it is.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| {
        if is_unsafe(c) {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    });
    Cow::Owned(shown.collect())
}

fn is_unsafe(c: char) -> bool {
    let steers_direction = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_control() || steers_direction
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn escapes_reach_no_terminal() {
        assert_eq!(sanitize("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(sanitize("plain é 漢"), "plain é 漢");
    }
}
