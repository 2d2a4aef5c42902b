//! Texts in which `{{ $value }}` and `{{ $labels.NAME }}` stand for something: the two words of Prometheus' templates that are
//! known here. All else is text.

use super::super::labels::Labels;
use super::super::matcher::is_label_name;

/// A part of a text.
enum Piece<'a> {
    Text(&'a str),
    Value,
    Label(&'a str),
}

/// Calls `put` with each part, in their order.
fn pieces<'a>(text: &'a str, mut put: impl FnMut(Piece<'a>)) {
    let mut rest = text;
    let mut searched = 0;
    while let Some(at) = rest[searched..].find("{{").map(|at| at + searched) {
        let inner = rest[at + 2..].split_once("}}");
        let word = inner.and_then(|(word, after)| Some((known(word.trim())?, after)));
        let Some((piece, after)) = word else {
            // The second of three braces may begin what the first does not.
            searched = at + 1;
            continue;
        };
        put(Piece::Text(&rest[..at]));
        put(piece);
        (rest, searched) = (after, 0);
    }
    put(Piece::Text(rest));
}

fn known(word: &str) -> Option<Piece<'_>> {
    if word == "$value" {
        return Some(Piece::Value);
    }
    word.strip_prefix("$labels.").filter(|name| is_label_name(name)).map(Piece::Label)
}

/// With what they stand for in place of the words.
pub(super) fn expand(text: &str, labels: &Labels, value: Option<f64>) -> String {
    let mut expanded = String::with_capacity(text.len());
    pieces(text, |piece| match piece {
        Piece::Text(text) => expanded.push_str(text),
        Piece::Value => {
            expanded.push_str(&value.map_or_else(|| "NaN".to_owned(), |value| value.to_string()));
        }
        Piece::Label(name) => expanded.push_str(labels.get(name)),
    });
    expanded
}

/// The same text as a template of Prometheus', which stands for the same: what begins one there and none here is shown as it is.
pub(crate) fn for_prometheus(text: &str) -> String {
    let mut template = String::with_capacity(text.len());
    pieces(text, |piece| match piece {
        Piece::Text(text) => template.push_str(&literal_for_prometheus(text)),
        Piece::Value => template.push_str("{{ $value }}"),
        Piece::Label(name) => template.extend(["{{ $labels.", name, " }}"]),
    });
    template
}

/// A template of Prometheus' that shows this text.
pub(crate) fn literal_for_prometheus(text: &str) -> String {
    let mut template = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find('{').map(|at| rest.split_at(at)) {
        let after = from.trim_start_matches('{');
        let braces = &from[..from.len() - after.len()];
        template.push_str(before);
        if braces.len() > 1 || after.is_empty() {
            // Also one alone at the end: it would run into a template that follows.
            template.extend([r#"{{ ""#, braces, r#"" }}"#]);
        } else {
            template.push_str(braces);
        }
        rest = after;
    }
    template + rest
}
