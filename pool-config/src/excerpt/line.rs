//! One line of a source as it may be shown, and which part of the source each part of it stands for.

use std::ops::Range;

use crate::shown::MASK;

/// A line that is built from left to right out of text that is shown and text that is masked.
#[derive(Debug, Default)]
pub(crate) struct Line {
    source: Range<usize>,
    text: String,
    runs: Vec<Run>,
}

/// A part of the line: text as it is in the source, or the mask that stands for it.
#[derive(Debug)]
struct Run {
    source: Range<usize>,
    text: Range<usize>,
    is_masked: bool,
}

impl Line {
    /// An empty line that stands for these bytes of the source.
    pub(crate) fn new(source: Range<usize>) -> Self {
        Self { source, text: String::new(), runs: Vec::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the byte at `offset` of the source, or the line break after this line, is meant by it.
    pub(crate) fn holds(&self, offset: usize) -> bool {
        (self.source.start..=self.source.end).contains(&offset)
    }

    /// Adds what the source, whose text this is, holds at `range`.
    pub(crate) fn show(&mut self, source: &str, range: Range<usize>) {
        self.add(&source[range.clone()], range, false);
    }

    /// Adds a mask for what the source holds at `range`. Masks that touch are one.
    pub(crate) fn mask(&mut self, range: Range<usize>) {
        let text = if self.runs.last().is_some_and(|run| run.is_masked) { "" } else { MASK };
        self.add(text, range, true);
    }

    fn add(&mut self, text: &str, source: Range<usize>, is_masked: bool) {
        if source.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(text);
        let end = self.text.len();
        match self.runs.last_mut() {
            Some(last) if last.is_masked == is_masked => {
                last.source.end = source.end;
                last.text.end = end;
            }
            _ => self.runs.push(Run { source, text: start..end, is_masked }),
        }
    }

    /// The part of the text that stands for these bytes of the source: all of a mask, if part of it is meant.
    pub(crate) fn place_of(&self, source: Range<usize>) -> Range<usize> {
        let first = self.runs.partition_point(|run| run.source.end <= source.start);
        let start = self.runs.get(first).map_or(self.text.len(), |run| match run.is_masked {
            true => run.text.start,
            false => run.text.start + source.start.saturating_sub(run.source.start),
        });
        let last = self.runs.partition_point(|run| run.source.end < source.end);
        let end = self.runs.get(last).map_or(self.text.len(), |run| match run.is_masked {
            true => run.text.end,
            false => run.text.start + source.end.saturating_sub(run.source.start),
        });
        let start = self.text.floor_char_boundary(start);
        if source.is_empty() { start..start } else { start..self.text.floor_char_boundary(end).max(start) }
    }
}
