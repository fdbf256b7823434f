//! Findings for a person, drawn the way rustc draws its own.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::sanitize::sanitize;
use crate::finding::{Finding, Label, Severity};
use crate::source::{FileId, Sources, Span};

/// Labels of one file that are further apart than this many bytes are shown as separate excerpts: the renderer looks through
/// the whole excerpt, which in a file with 10,000 hosts would take its time.
const WINDOW_BYTES: usize = 16 * 1024;

/// Draws one finding, with escape sequences for colour; the printer takes them out where they do not belong.
#[must_use]
pub fn render(finding: &Finding, sources: &Sources, masked: &[Span]) -> String {
    let level = match finding.rule.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = format!("{} [{}]", sanitize(&finding.message), finding.rule.slug);
    let mut group = Group::with_title(level.primary_title(title).id(finding.rule.code));
    let labels: Vec<(AnnotationKind, &Label)> =
        std::iter::once((AnnotationKind::Primary, &finding.primary))
            .chain(
                finding
                    .secondary
                    .iter()
                    .map(|label| (AnnotationKind::Context, label)),
            )
            .collect();
    for window in windows(&labels, sources) {
        let file = sources.file(window.file);
        let path = sanitize(file.path.as_str()).into_owned();
        if file.text.is_empty() {
            group = group.element(Origin::path(path).line(1).char_column(1));
            continue;
        }
        let line = file.text[..window.range.start]
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        let shown = Shown::of(&file.text, &window, masked);
        let mut snippet = Snippet::source(shown.text.clone())
            .line_start(line)
            .path(path);
        for (kind, label) in &window.labels {
            let start = shown.at(label.span.start as usize);
            let end = shown.at((label.span.end as usize).min(window.range.end));
            let annotation = kind.span(start..end.max(start));
            snippet = snippet.annotation(match sanitize(&label.text) {
                text if text.is_empty() => annotation,
                text => annotation.label(text.into_owned()),
            });
        }
        group = group.element(snippet);
    }
    let group = group.element(Level::HELP.message(sanitize(&finding.help).into_owned()));
    Renderer::styled()
        .decor_style(DecorStyle::Ascii)
        .render(&[group])
}

/// A stretch of whole lines of one file, with the labels in it.
struct Window<'a> {
    file: FileId,
    range: Range<usize>,
    labels: Vec<(AnnotationKind, &'a Label)>,
}

fn windows<'a>(labels: &[(AnnotationKind, &'a Label)], sources: &Sources) -> Vec<Window<'a>> {
    let mut windows: Vec<Window<'a>> = Vec::new();
    for (kind, label) in labels {
        let text = &sources.file(label.span.file).text;
        let range = whole_lines(text, label.span);
        let near = windows.iter_mut().find(|window| {
            let union = window.range.start.min(range.start)..window.range.end.max(range.end);
            window.file == label.span.file && union.len() <= WINDOW_BYTES
        });
        match near {
            Some(window) => {
                window.range = window.range.start.min(range.start)..window.range.end.max(range.end);
                window.labels.push((*kind, label));
            }
            None => windows.push(Window {
                file: label.span.file,
                range,
                labels: vec![(*kind, label)],
            }),
        }
    }
    windows
}

fn whole_lines(text: &str, span: Span) -> Range<usize> {
    let start = (span.start as usize).min(text.len());
    let end = (span.end as usize).clamp(start, text.len());
    let bytes = text.as_bytes();
    let from = bytes[..start]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let to = bytes[end..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |at| end + at);
    from..to
}

/// A window's text as it may be shown: secrets blotted out, and what could steer a terminal written as escapes.
struct Shown {
    text: String,
    /// Where the window starts in the file.
    start: usize,
    /// For each change of length: the place in the file behind it, and how much longer the text is from there on.
    shifts: Vec<(usize, isize)>,
}

impl Shown {
    fn of(file: &str, window: &Window<'_>, masked: &[Span]) -> Self {
        let hidden: Vec<Range<usize>> = masked
            .iter()
            .filter(|span| span.file == window.file)
            .map(|span| span.start as usize..span.end as usize)
            .collect();
        let start = window.range.start;
        let mut shown = Self {
            text: String::with_capacity(window.range.len()),
            start,
            shifts: Vec::new(),
        };
        let mut chars = file[window.range.clone()].char_indices().peekable();
        let mut longer = 0_isize;
        while let Some((at, c)) = chars.next() {
            let at = at + start;
            let before = shown.text.len();
            if c == '\r' && chars.peek().is_none_or(|(_, next)| *next == '\n') {
                // The end of a line as Windows writes it.
            } else if c != '\n' && hidden.iter().any(|range| range.contains(&at)) {
                shown.text.push('*');
            } else if matches!(c, '\n' | '\t') {
                shown.text.push(c);
            } else {
                let mut buffer = [0; 4];
                shown.text.push_str(&sanitize(c.encode_utf8(&mut buffer)));
            }
            let grown = shown.text.len() - before;
            if grown != c.len_utf8() {
                longer += grown.cast_signed() - c.len_utf8().cast_signed();
                shown.shifts.push((at + c.len_utf8(), longer));
            }
        }
        shown
    }

    /// Where a place of the file stands in the text.
    fn at(&self, place: usize) -> usize {
        let behind = self.shifts.partition_point(|(at, _)| *at <= place);
        let longer = behind.checked_sub(1).map_or(0, |last| self.shifts[last].1);
        (place - self.start)
            .saturating_add_signed(longer)
            .min(self.text.len())
    }
}
