//! The syntax of references in a text: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, and `$$` for a `$`.

use crate::problem::Mistake;

/// One part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that stands for itself; `$$` comes as the `$` that it means.
    Text(&'a str),
    Reference(Reference<'a>),
    /// Something that begins as a reference and is none.
    Flawed(Flaw),
}

/// `${NAME}`, and what to do if the variable has no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) otherwise: Otherwise<'a>,
}

/// What to do if a variable has no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Otherwise<'a> {
    /// It is a mistake, unless the variable is set and empty.
    Refuse,
    /// Put this in.
    Default(&'a str),
    /// It is a mistake, and this is what its author says about it.
    Explain(&'a str),
}

/// Why something is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Unclosed,
    NoName,
    UnknownOperator,
    Nested,
}

impl Flaw {
    /// As a message says it. What is written is not repeated: it may be part of a password.
    pub(super) fn mistake(self) -> Mistake {
        let found = match self {
            Self::Unclosed => "`${` without a `}`",
            Self::NoName => "`${` without the name of a variable",
            Self::UnknownOperator => "the name of a variable followed by neither `}`, `:-` nor `:?`",
            Self::Nested => "a reference inside a reference",
        };
        let help = match self {
            Self::Nested => "give the inner variable its default where it is set",
            _ => "names hold letters, digits and `_`; write `$$` for a dollar sign",
        };
        Mistake::new(found, "${NAME}, ${NAME:-default} or ${NAME:?message}", help)
    }
}

/// The parts of `text`, each with what it is written as.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = (&str, Piece<'_>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (len, piece) = first_piece(rest)?;
        let (written, after) = rest.split_at(len);
        rest = after;
        Some((written, piece))
    })
}

/// The length of the first part of `text`, and what it is.
fn first_piece(text: &str) -> Option<(usize, Piece<'_>)> {
    if text.is_empty() {
        return None;
    }
    if text.starts_with("$$") {
        return Some((2, Piece::Text("$")));
    }
    let Some(inside) = text.strip_prefix("${") else {
        // A `$` before anything else stands for itself, as in `SELECT $1`.
        let len = if text.starts_with('$') { 1 } else { text.find('$').unwrap_or(text.len()) };
        return Some((len, Piece::Text(&text[..len])));
    };
    let Some(len) = inside.find('}') else {
        return Some((text.len(), Piece::Flawed(Flaw::Unclosed)));
    };
    let inside = &inside[..len];
    let piece = reference(inside).map_or_else(Piece::Flawed, Piece::Reference);
    Some((len + "${}".len(), piece))
}

/// What stands between the braces.
fn reference(inside: &str) -> Result<Reference<'_>, Flaw> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, rest) = inside.split_at(inside.find(|c| !is_part(c)).unwrap_or(inside.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Flaw::NoName);
    }
    let otherwise = match (rest.strip_prefix(":-"), rest.strip_prefix(":?")) {
        (Some(default), _) => Otherwise::Default(default),
        (_, Some(message)) => Otherwise::Explain(message),
        _ if rest.is_empty() => Otherwise::Refuse,
        _ => return Err(Flaw::UnknownOperator),
    };
    if rest.contains("${") { Err(Flaw::Nested) } else { Ok(Reference { name, otherwise }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Piece<'_> {
        let mut all: Vec<_> = pieces(text).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        let (written, piece) = all.remove(0);
        assert_eq!(written, text);
        piece
    }

    fn reference(name: &'static str, otherwise: Otherwise<'static>) -> Piece<'static> {
        Piece::Reference(Reference { name, otherwise })
    }

    #[test]
    fn a_reference_has_a_name_and_perhaps_an_alternative() {
        assert_eq!(only("${A_1}"), reference("A_1", Otherwise::Refuse));
        assert_eq!(only("${_a:-b c}"), reference("_a", Otherwise::Default("b c")));
        assert_eq!(only("${A:-}"), reference("A", Otherwise::Default("")));
        assert_eq!(only("${A:?set it: now}"), reference("A", Otherwise::Explain("set it: now")));
    }

    #[test]
    fn what_is_no_reference_is_told_apart() {
        assert_eq!(only("${A"), Piece::Flawed(Flaw::Unclosed));
        assert_eq!(only("${}"), Piece::Flawed(Flaw::NoName));
        assert_eq!(only("${1A}"), Piece::Flawed(Flaw::NoName));
        assert_eq!(only("${:-x}"), Piece::Flawed(Flaw::NoName));
        assert_eq!(only("${ A}"), Piece::Flawed(Flaw::NoName));
        assert_eq!(only("${A-x}"), Piece::Flawed(Flaw::UnknownOperator));
        assert_eq!(only("${A:+x}"), Piece::Flawed(Flaw::UnknownOperator));
        assert_eq!(only("${A:}"), Piece::Flawed(Flaw::UnknownOperator));
    }

    #[test]
    fn a_reference_inside_a_reference_is_refused() {
        assert_eq!(pieces("${A:-${B}}").next().unwrap().1, Piece::Flawed(Flaw::Nested));
    }

    #[test]
    fn a_dollar_sign_is_written_twice_or_stands_for_itself() {
        let text: String = pieces("a$$b $1 $c $${D} $")
            .map(|(_, piece)| match piece {
                Piece::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(text, "a$b $1 $c ${D} $");
    }

    #[test]
    fn the_parts_put_together_are_the_text() {
        for text in ["", "x", "é${A}ü$$${B:-$}$", "$$$${A}", "${A}${", "$é"] {
            assert_eq!(pieces(text).map(|(written, _)| written).collect::<String>(), text);
        }
    }
}
