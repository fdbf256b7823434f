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
        let text = mask(&file.text, &window, masked);
        let mut snippet = Snippet::source(text).line_start(line).path(path);
        for (kind, label) in &window.labels {
            let start = label.span.start as usize - window.range.start;
            let end = (label.span.end as usize).min(window.range.end) - window.range.start;
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

/// The window's text with secrets blotted out, at the same length.
fn mask(text: &str, window: &Window<'_>, masked: &[Span]) -> String {
    let hidden: Vec<Range<usize>> = masked
        .iter()
        .filter(|span| span.file == window.file)
        .map(|span| span.start as usize..span.end as usize)
        .collect();
    let shown = &text[window.range.clone()];
    if hidden.is_empty() {
        return shown.to_owned();
    }
    let mut out = String::with_capacity(shown.len());
    for (at, c) in shown.char_indices() {
        let at = at + window.range.start;
        if c != '\n' && hidden.iter().any(|range| range.contains(&at)) {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}
