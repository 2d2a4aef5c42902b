//! The line of a source that a problem points at, with the place underlined and without anything secret.
//!
//! What may be shown is decided for a whole source at once by [`Visible`]; this file finds the line, cuts it to what a
//! terminal holds, and draws it.

mod line;
mod visible;

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::excerpt::line::Line;
use crate::excerpt::visible::Visible;
use crate::problem::Severity;
use crate::shown::printable;
use crate::source::{Place, SourceId, Sources};

/// The most characters of a line that are shown.
const MAX_CHARS: usize = 100;

/// How many of them stand before the place, in a line that is cut.
const MAX_BEFORE: usize = 40;

const CUT: char = '…';

/// A line of a source, safe to show, and the part of it to underline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    line: u32,
    text: String,
    /// In bytes of `text`, on character boundaries; empty for a point.
    place: Range<usize>,
}

impl Excerpt {
    /// The line, the underlining and the cure, over several lines.
    pub(crate) fn render(&self, severity: Severity, help: &str, color: bool) -> String {
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = AnnotationKind::Primary.span(self.place.clone());
        let line = usize::try_from(self.line).unwrap_or(1);
        let snippet = Snippet::source(self.text.as_str()).line_start(line).annotation(place);
        let group = Group::with_level(level).element(snippet).element(Level::HELP.message(help));
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// Makes the excerpts of one configuration.
///
/// Ask in the order of the sources: only the line before is remembered.
pub(crate) struct Excerpts<'a> {
    sources: &'a Sources,
    visible: Option<(SourceId, Visible<'a>)>,
    line: Option<(SourceId, Line)>,
}

impl<'a> Excerpts<'a> {
    pub(crate) fn new(sources: &'a Sources) -> Self {
        Self { sources, visible: None, line: None }
    }

    /// What can be shown of the line of `place`; `None` if nothing can.
    pub(crate) fn at(&mut self, place: Place) -> Option<Excerpt> {
        let line = self.line_of(place)?;
        let underlined = line.place_of(to_usize(place.start)..to_usize(place.end));
        let (text, place_in_text) = cut(line.text(), underlined);
        let (text, place_in_text) = printable_around(&text, place_in_text);
        if text.trim().is_empty() {
            return None;
        }
        Some(Excerpt { line: place.line, text, place: place_in_text })
    }

    fn line_of(&mut self, place: Place) -> Option<&Line> {
        let start = to_usize(place.start);
        let is_same = |(source, line): &(SourceId, Line)| *source == place.source && line.holds(start);
        if !self.line.as_ref().is_some_and(is_same) {
            let source = self.sources.get(place)?;
            if self.visible.as_ref().is_none_or(|(id, _)| *id != place.source) {
                self.visible = Some((place.source, Visible::of(source)));
            }
            let (_, visible) = self.visible.as_ref()?;
            self.line = Some((place.source, visible.line(line_at(&source.text, start))?));
        }
        self.line.as_ref().map(|(_, line)| line)
    }
}

/// The line that `offset` stands in, without its line break.
fn line_at(text: &str, offset: usize) -> Range<usize> {
    let offset = text.floor_char_boundary(offset);
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let line = &text[start..end];
    start..start + line.strip_suffix('\r').unwrap_or(line).len()
}

/// `text` and `place` in it, if need be without what stands far from the place.
fn cut(text: &str, place: Range<usize>) -> (String, Range<usize>) {
    if text.len() <= MAX_CHARS {
        return (text.to_owned(), place);
    }
    let before = text[..place.start].char_indices().rev().take(MAX_BEFORE).last();
    let start = before.map_or(place.start, |(at, _)| at);
    let end = text[start..].char_indices().nth(MAX_CHARS).map_or(text.len(), |(at, _)| start + at);
    let mut shown = String::new();
    if start > 0 {
        shown.push(CUT);
    }
    let shift = |at: usize| at.clamp(start, end) - start + if start > 0 { CUT.len_utf8() } else { 0 };
    shown.push_str(&text[start..end]);
    if end < text.len() {
        shown.push(CUT);
    }
    (shown, shift(place.start)..shift(place.end))
}

/// `text` without what a terminal would obey, and where `place` of it then is.
fn printable_around(text: &str, place: Range<usize>) -> (String, Range<usize>) {
    let mut shown = printable(&text[..place.start]);
    let start = shown.len();
    shown.push_str(&printable(&text[place.clone()]));
    let end = shown.len();
    shown.push_str(&printable(&text[place.end..]));
    (shown, start..end)
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
