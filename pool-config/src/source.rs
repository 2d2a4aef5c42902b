//! The texts that a configuration is read from, and places in them.
//!
//! A configuration may come from several texts: the file, the overlay of an environment, and one variable for each
//! key that the process's environment overrides. A [`Place`] is small and is copied into every value of the tree;
//! what it points into is kept once, in [`Sources`].

use std::fmt;

/// Which of the [`Sources`] a [`Place`] points into; the order is that in which they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct SourceId(u32);

impl SourceId {
    /// The source that is read first: the file itself.
    pub(crate) const FIRST: Self = Self(0);
}

/// Where something is written: the source, line and column counted from 1, and the bytes to underline.
///
/// Ordered by source and then as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) line: u32,
    /// In characters.
    pub(crate) column: u32,
    /// Where the text begins, in bytes from the beginning of the source.
    pub(crate) start: u32,
    /// Where it ends; equal to `start` for what has no text, such as the value after `key:`.
    pub(crate) end: u32,
}

impl Place {
    /// The start of the first source: the place of what concerns all of it.
    pub(crate) const START: Self = Self::start_of(SourceId::FIRST);

    /// The start of `source`: the place of what concerns all of it.
    pub(crate) const fn start_of(source: SourceId) -> Self {
        Self { source, line: 1, column: 1, start: 0, end: 0 }
    }

    /// Where `offset` bytes of `text` have gone by.
    pub(crate) fn at_offset(source: SourceId, text: &[u8], offset: usize) -> Self {
        let before = String::from_utf8_lossy(&text[..offset]);
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        let line = count(before.matches('\n').count() + 1);
        let column = count(last_line.chars().count() + 1);
        Self { source, line, column, start: count(offset), end: count(offset) }
    }
}

/// `n` as the numbers of places are kept; no source is so large that this would cut it.
pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// One text that was read.
pub(crate) struct Source {
    pub(crate) kind: SourceKind,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What a text is, which decides how it is named and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// A file, or text that stands for one.
    File,
    /// A variable of the environment: the text is `NAME=value`.
    Variable {
        /// Whether the value must never be shown.
        secret: bool,
    },
}

impl fmt::Debug for Source {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// All texts of one configuration, in the order in which they were read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    sources: Vec<Source>,
}

impl Sources {
    /// The sources of a configuration that is one text.
    #[cfg(test)]
    pub(crate) fn of(name: &str, text: &str) -> Self {
        let mut sources = Self::default();
        sources.add_file(name, text.to_owned());
        sources
    }

    pub(crate) fn add_file(&mut self, name: &str, text: String) -> SourceId {
        self.add(Source { kind: SourceKind::File, name: name.to_owned(), text })
    }

    /// Adds the variable `name`, and returns the places of its name and of its value.
    pub(crate) fn add_variable(&mut self, name: &str, value: &str, secret: bool) -> (Place, Place) {
        let text = format!("{name}={value}");
        let (name_end, end) = (count(name.len()), count(text.len()));
        let source = self.add(Source {
            kind: SourceKind::Variable { secret },
            name: format!("environment variable {name}"),
            text,
        });
        let column = count(name.chars().count() + 2);
        let name = Place { source, line: 1, column: 1, start: 0, end: name_end };
        (name, Place { source, line: 1, column, start: name_end + 1, end })
    }

    fn add(&mut self, source: Source) -> SourceId {
        let id = SourceId(count(self.sources.len()));
        self.sources.push(source);
        id
    }

    /// The source that `place` points into, if it is one of these.
    pub(crate) fn get(&self, place: Place) -> Option<&Source> {
        self.sources.get(usize::try_from(place.source.0).ok()?)
    }

    /// All of them, in the order in which they were read.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// What the source of `place` is called: the file as it was named, or `environment variable NAME`.
    pub(crate) fn name(&self, place: Place) -> &str {
        self.get(place).map_or("", |source| &source.name)
    }

    pub(crate) fn is_variable(&self, place: Place) -> bool {
        self.get(place).is_some_and(|source| matches!(source.kind, SourceKind::Variable { .. }))
    }

    /// The text of the source with this id; empty if there is none.
    pub(crate) fn text(&self, id: SourceId) -> &str {
        self.get(Place::start_of(id)).map_or("", |source| &source.text)
    }

    /// How a message that stands at `here` names another place: `line 8`, `overlay.yaml line 8`, or a variable.
    pub(crate) fn whereabouts(&self, place: Place, here: Place) -> String {
        match self.get(place) {
            Some(Source { kind: SourceKind::Variable { .. }, name, .. }) => name.clone(),
            Some(Source { name, .. }) if place.source != here.source => {
                format!("{name} line {}", place.line)
            }
            _ => format!("line {}", place.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_after_some_bytes_counts_lines_and_characters() {
        let place = |offset| {
            let Place { line, column, .. } = Place::at_offset(SourceId::FIRST, "a\nüb\n".as_bytes(), offset);
            (line, column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(2), (2, 1));
        assert_eq!(place(4), (2, 2));
        assert_eq!(place(6), (3, 1));
    }

    #[test]
    fn places_are_ordered_by_source_and_then_as_they_are_read() {
        let place = |source, line, column| Place { source, line, column, start: 0, end: 0 };
        assert!(place(SourceId(0), 9, 9) < place(SourceId(1), 1, 1));
        assert!(place(SourceId(1), 1, 9) < place(SourceId(1), 2, 1));
    }

    #[test]
    fn another_place_is_named_as_far_as_it_differs() {
        let mut sources = Sources::default();
        let base = Place { line: 3, ..Place::start_of(sources.add_file("a.yaml", String::new())) };
        let overlay = Place { line: 8, ..Place::start_of(sources.add_file("b.yaml", String::new())) };
        let (_, variable) = sources.add_variable("POOL__X", "1", false);
        assert_eq!(sources.whereabouts(base, base), "line 3");
        assert_eq!(sources.whereabouts(overlay, base), "b.yaml line 8");
        assert_eq!(sources.whereabouts(variable, base), "environment variable POOL__X");
    }

    #[test]
    fn a_variable_is_read_as_its_name_and_its_value() {
        let mut sources = Sources::default();
        let (name, value) = sources.add_variable("POOL__X", "ü1", true);
        let text = |place: Place| &sources.text(place.source)[place.start as usize..place.end as usize];
        assert_eq!((text(name), text(value)), ("POOL__X", "ü1"));
        assert_eq!(value.column, 9);
        assert!(!format!("{sources:?}").contains("ü1"));
    }
}
