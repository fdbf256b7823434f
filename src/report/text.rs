//! Findings for a person, drawn the way rustc draws its own.

use std::collections::HashSet;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};

use super::entry::Report;
use super::sanitize::sanitize;
use crate::finding::{Finding, Label, Severity};
use crate::source::{FileId, Sources, Span};

/// Labels of one file that are further apart than this many bytes are shown as separate excerpts: the renderer looks
/// through the whole excerpt, which in a file with 10,000 hosts would take its time.
const WINDOW_BYTES: usize = 16 * 1024;

/// Every finding of a report as it is drawn; in brief, a line where its rule was drawn before.
pub fn texts(report: &Report<'_>) -> impl Iterator<Item = String> {
    let (sources, masked) = (report.checked.sources(), report.checked.masked());
    let mut drawn = HashSet::new();
    report.findings.iter().enumerate().map(move |(at, finding)| {
        if !report.brief || drawn.insert(finding.rule.code) {
            return render(finding, sources, masked);
        }
        // Lines stand together, apart from what is drawn.
        let next = report.findings.get(at + 1);
        let ends = next.is_none_or(|next| !drawn.contains(next.rule.code));
        line(finding, sources) + if ends { "\n" } else { "" }
    })
}

/// One finding on one line.
fn line(finding: &Finding, sources: &Sources) -> String {
    let span = finding.primary.span.used();
    let file = sources.file(span.file);
    let place = file.place(span.range().start);
    let severity = match finding.rule.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let text = format!(
        "{severity}[{}]: {}:{}:{}: {}",
        finding.rule.code, file.path, place.line, place.column, finding.message
    );
    sanitize(&text).into_owned()
}

/// Draws one finding, with escape sequences for colour; the printer takes them out where they do not belong.
pub(super) fn render(finding: &Finding, sources: &Sources, masked: &[Span]) -> String {
    let level = match finding.rule.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = format!("{} [{}]", sanitize(&finding.message), finding.rule.slug);
    let mut group = Group::with_title(level.primary_title(title).id(finding.rule.code));
    let labels = labels(finding);
    for window in windows(&labels, sources) {
        let file = sources.file(window.file);
        let path = sanitize(file.path.as_str()).into_owned();
        if file.text.is_empty() {
            group = group.element(Origin::path(path).line(1).char_column(1));
            continue;
        }
        let line = file.line(window.range.start);
        let shown = Shown::of(&file.text, window.file, window.range.clone(), masked);
        let mut snippet = Snippet::source(shown.text.clone()).line_start(line).path(path);
        for (kind, span, text) in &window.labels {
            let annotation = kind.span(shown.range(*span));
            snippet = snippet.annotation(match sanitize(text) {
                text if text.is_empty() => annotation,
                text => annotation.label(text.into_owned()),
            });
        }
        group = group.element(snippet);
    }
    let help = sanitize(&finding.help).into_owned();
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    match fix(finding, sources, masked) {
        None => renderer.render(&[group.element(Level::HELP.message(help))]),
        Some(snippet) => {
            let mend = Group::with_title(Level::HELP.secondary_title(help)).element(snippet);
            renderer.render(&[group, mend])
        }
    }
}

/// What is written under which place. A value that an alias brings is shown where it is used, and where it is written.
fn labels(finding: &Finding) -> Vec<(AnnotationKind, Span, &str)> {
    let secondary = finding.secondary.iter();
    let given: Vec<(AnnotationKind, &Label)> = std::iter::once((AnnotationKind::Primary, &finding.primary))
        .chain(secondary.map(|label| (AnnotationKind::Context, label)))
        .collect();
    let mut labels: Vec<(AnnotationKind, Span, &str)> = given
        .iter()
        .map(|(kind, label)| (*kind, label.span.used(), label.text.as_str()))
        .collect();
    for written in given.iter().filter_map(|(_, label)| label.span.anchored()) {
        if !labels.iter().any(|(_, span, _)| *span == written) {
            labels.push((AnnotationKind::Context, written, "written here"));
        }
    }
    labels
}

/// The source text with the finding's fix in it.
fn fix<'a>(finding: &Finding, sources: &Sources, masked: &[Span]) -> Option<Snippet<'a, Patch<'a>>> {
    let (first, _) = finding.fix.first()?;
    let file = sources.file(first.file);
    let mut range = whole_lines(&file.text, *first);
    for (span, _) in &finding.fix {
        let lines = whole_lines(&file.text, *span);
        range = range.start.min(lines.start)..range.end.max(lines.end);
    }
    let one_place = finding.fix.iter().all(|(span, _)| span.file == first.file);
    // What is blotted out must not come back as part of a change.
    let hidden = masked
        .iter()
        .any(|span| span.file == first.file && (span.start as usize) < range.end && range.start < span.end as usize);
    if !one_place || hidden || range.len() > WINDOW_BYTES {
        return None;
    }
    let shown = Shown::of(&file.text, first.file, range.clone(), masked);
    let snippet = Snippet::source(shown.text.clone()).line_start(file.line(range.start));
    let patches = finding
        .fix
        .iter()
        .map(|(span, replacement)| Patch::new(shown.range(*span), sanitize(replacement).into_owned()));
    Some(snippet.patches(patches))
}

/// A stretch of whole lines of one file, with the labels in it.
struct Window<'a> {
    file: FileId,
    range: Range<usize>,
    labels: Vec<(AnnotationKind, Span, &'a str)>,
}

fn windows<'a>(labels: &[(AnnotationKind, Span, &'a str)], sources: &Sources) -> Vec<Window<'a>> {
    let mut windows: Vec<Window<'a>> = Vec::new();
    for label in labels {
        let (_, span, _) = *label;
        let range = whole_lines(&sources.file(span.file).text, span);
        let near = windows.iter_mut().find(|window| {
            let union = window.range.start.min(range.start)..window.range.end.max(range.end);
            window.file == span.file && union.len() <= WINDOW_BYTES
        });
        match near {
            Some(window) => {
                window.range = window.range.start.min(range.start)..window.range.end.max(range.end);
                window.labels.push(*label);
            }
            None => windows.push(Window {
                file: span.file,
                range,
                labels: vec![*label],
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
    /// The stretch of the file.
    range: Range<usize>,
    /// For each change of length: the place in the file behind it, and how much longer the text is from there on.
    shifts: Vec<(usize, isize)>,
}

impl Shown {
    fn of(text: &str, file: FileId, range: Range<usize>, masked: &[Span]) -> Self {
        let hidden: Vec<Range<usize>> = masked
            .iter()
            .filter(|span| span.file == file)
            .map(|span| span.range())
            .collect();
        let start = range.start;
        let mut shown = Self {
            text: String::with_capacity(range.len()),
            range: range.clone(),
            shifts: Vec::new(),
        };
        let mut chars = text[range].char_indices().peekable();
        let mut longer = 0_isize;
        while let Some((at, c)) = chars.next() {
            let at = at + start;
            let before = shown.text.len();
            if c == '\r' && chars.peek().is_none_or(|(_, next)| *next == '\n') {
                // The end of a line as Windows writes it.
            } else if at == 0 && c == '\u{feff}' {
                // The mark that Windows puts before UTF-8; no editor counts it as a column.
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

    /// Where a span of the file is in the text.
    fn range(&self, span: Span) -> Range<usize> {
        let start = self.at(span.start as usize);
        start..self.at((span.end as usize).min(self.range.end)).max(start)
    }

    /// Where a byte of the file is in the text.
    fn at(&self, place: usize) -> usize {
        let behind = self.shifts.partition_point(|(at, _)| *at <= place);
        let longer = behind.checked_sub(1).map_or(0, |last| self.shifts[last].1);
        (place - self.range.start)
            .saturating_add_signed(longer)
            .min(self.text.len())
    }
}
