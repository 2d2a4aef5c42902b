//! What may be shown of a line of text that is not YAML.
//!
//! Where a value ends cannot be known here: a quote may be missing, or the colon. So whatever may belong to a secret
//! is hidden: from the name of one, or from a key that nobody knows, to the end of its line, and every line after it up to
//! one that begins with a key at most as deep; and all the rest of the text if brackets or quotes are open, or if nothing
//! follows the name on its line, because then the secret may be any of the lines below.

use std::ops::Range;

use crate::excerpt::line::Line;
use crate::sensitive::{Judge, credentials_in, is_secret_key, words};

/// Text beyond this is not searched for secrets, and not shown. A configuration is a hundredth of it.
const MAX_BYTES: usize = 1024 * 1024;

/// The line at `range`; `None` if it may continue a secret.
pub(super) fn line(text: &str, range: Range<usize>) -> Option<Line> {
    let mut judge = Judge::new();
    if range.end > MAX_BYTES || continues_a_secret(text, range.clone(), &mut judge) {
        return None;
    }
    let range = range.start..range.start + without_comment(&text[range.clone()]).len();
    let written = &text[range.clone()];
    let end = hidden_from(written, &mut judge).unwrap_or(written.len());
    let mut hidden: Vec<_> = credentials_in(&written[..end]);
    hidden.push(end..written.len());
    let hidden: Vec<_> = hidden.iter().map(|h| h.start + range.start..h.end + range.start).collect();
    Some(super::all_but(&hidden, text, range))
}

/// `line` up to what is a comment, unless it stands in quotes; a comment may tell anything.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').map(|(at, _)| at).find(begins).map_or(line, |at| &line[..at])
}

/// What the lines so far leave hidden.
#[derive(Clone, Copy)]
enum Hidden {
    Nothing,
    /// Everything up to a key in this column, or left of it.
    DeeperThan(usize),
    Everything,
}

fn continues_a_secret(text: &str, line: Range<usize>, judge: &mut Judge) -> bool {
    let mut hidden = Hidden::Nothing;
    let mut open_brackets = 0_usize;
    for before in text[..line.start].split('\n') {
        hidden = after(hidden, before, &mut open_brackets, judge);
    }
    let line = &text[line];
    match hidden {
        Hidden::Nothing => false,
        Hidden::DeeperThan(column) => !begins_with_a_key(line, column),
        Hidden::Everything => true,
    }
}

fn after(hidden: Hidden, line: &str, open_brackets: &mut usize, judge: &mut Judge) -> Hidden {
    let was_open = *open_brackets > 0;
    for c in line.chars() {
        match c {
            '{' | '[' => *open_brackets += 1,
            '}' | ']' => *open_brackets = open_brackets.saturating_sub(1),
            _ => {}
        }
    }
    if is_secret_key_alone(without_comment(line)) {
        return Hidden::Everything;
    }
    let hidden = match hidden {
        Hidden::DeeperThan(column) if begins_with_a_key(line, column) => Hidden::Nothing,
        hidden => hidden,
    };
    if !matches!(hidden, Hidden::Nothing) || hidden_from(line, judge).is_none() {
        return hidden;
    }
    let has_open_quote = |quote| line.matches(quote).count() % 2 == 1;
    if was_open || *open_brackets > 0 || has_open_quote('"') || has_open_quote('\'') {
        return Hidden::Everything;
    }
    Hidden::DeeperThan(column(line))
}

/// Where in `line` what may be a secret begins: after the name of one or an unknown key, or at an anchor, which a secret may
/// refer to.
fn hidden_from(line: &str, judge: &mut Judge) -> Option<usize> {
    let mut is_hidden = |word: &Range<usize>| {
        let name = &line[word.clone()];
        // The URL of a receiver of alerts is a secret as a whole, and whose URL it is cannot be known here.
        let may_be_shown = |judge: &mut Judge| name != "url" && judge.shows_value_of(name);
        is_secret_key(name) || (is_key(&line[word.end..]) && !may_be_shown(judge))
    };
    let name = words(line).find(|word| is_hidden(word)).map(|word| word.end);
    [line.find('&'), name, unfinished_url(line)].into_iter().flatten().min()
}

/// Whether a word is a key, by what follows it.
fn is_key(rest: &str) -> bool {
    let unquoted = rest.trim_start_matches(['"', '\'']);
    let after_colon = unquoted.trim_start().strip_prefix(':');
    let is_quoted = unquoted.len() < rest.len();
    after_colon.is_some_and(|after| is_quoted || after.is_empty() || after.starts_with(char::is_whitespace))
}

/// Whether nothing follows the name of a secret in `line`, or nothing but an anchor and tags.
fn is_secret_key_alone(line: &str) -> bool {
    let names = words(line).filter(|word| is_secret_key(&line[word.clone()]));
    let Some(name) = names.last() else { return false };
    let rest = line[name.end..].trim_start_matches(|c: char| c.is_whitespace() || "\"':".contains(c));
    rest.split_whitespace().all(|word| word.starts_with(['&', '!']))
}

/// Where a URL begins whose password may stand on the next line.
fn unfinished_url(line: &str) -> Option<usize> {
    let start = line.find("://")? + "://".len();
    let rest = &line[start..];
    let (_, port) = rest.split_once(':')?;
    let is_port = port.starts_with(|c: char| c.is_ascii_digit());
    (!rest.contains('@') && !is_port).then_some(start)
}

/// The column of the first key, from 0; a dash that begins an item of a list counts as space.
fn column(line: &str) -> usize {
    line.len() - without_margin(line).len()
}

fn begins_with_a_key(line: &str, at_most: usize) -> bool {
    let rest = without_margin(line);
    let key = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    let ends_as_a_key =
        key.strip_prefix(':').is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
    column(line) <= at_most && key.len() < rest.len() && ends_as_a_key
}

fn without_margin(line: &str) -> &str {
    let mut rest = line.trim_start_matches(' ');
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start_matches(' ');
    }
    rest
}
