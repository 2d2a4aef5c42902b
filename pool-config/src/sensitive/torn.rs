//! A secret that YAML tears apart: in `{password: x7,y8}` the password is `x7`, and `y8` is a key without a value.

use super::{is_known_key, is_secret_key};
use crate::yaml::{Entry, Node, Value};

/// Whether one of `entries` holds a secret, of which another may be a part that was torn off.
pub(crate) fn has_secret(entries: &[Entry]) -> bool {
    entries.iter().any(|Entry { key, value }| {
        matches!(&key.value, Value::Text(key) if is_secret_key(key)) && !is_nothing(value)
    })
}

/// Whether `entry`, which stands beside a secret, may be a part of it: an unknown key after which nothing is written.
pub(crate) fn may_be_torn_off(entry: &Entry) -> bool {
    let is_known = matches!(&entry.key.value, Value::Text(key) if is_known_key(key));
    !is_known && is_nothing(&entry.value)
}

fn is_nothing(node: &Node) -> bool {
    matches!(node.value, Value::Null) && node.place.start == node.place.end
}
