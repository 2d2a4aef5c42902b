//! The way to a value from the top of the tree, as problems name it: `pools["orders"].max_connections`.

use std::fmt;

use crate::shown::shown;
use crate::yaml::{Entry, Node, Value};

/// The section that holds everything, and whose name would therefore say nothing.
pub(crate) const MAIN_SECTION: &str = "connection_pool";

/// A chain of keys and items, kept on the stack of whoever walks the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The document itself.
    Document,
    /// What stands under a key.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list, by its name if it has one.
    Item(&'a Path<'a>, usize, Option<&'a str>),
}

impl Path<'_> {
    /// Whether this is the list of pools.
    pub(crate) fn is_pools(&self) -> bool {
        matches!(self, Path::Key(Path::Key(Path::Document, MAIN_SECTION), "pools"))
    }

    /// Whether these are tags, whose names are those of the author: none has a meaning here.
    pub(crate) fn is_tags(&self) -> bool {
        matches!(self, Path::Key(_, "tags"))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Path::Document | Path::Key(Path::Document, MAIN_SECTION) => Ok(()),
            Path::Key(Path::Document | Path::Key(Path::Document, MAIN_SECTION), key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Item(parent, _, Some(name)) => write!(f, "{parent}[{}]", shown(name)),
            Path::Item(parent, index, None) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// The text under the key `name` of a mapping.
pub(crate) fn name_of(item: &Node) -> Option<&str> {
    let Value::Map(entries) = &item.value else { return None };
    entries.iter().find_map(|Entry { key, value }| match (&key.value, &value.value) {
        (Value::Text(key), Value::Text(name)) if key == "name" => Some(name.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_below_the_main_section() {
        let main = Path::Key(&Path::Document, MAIN_SECTION);
        let pools = Path::Key(&main, "pools");
        let named = Path::Item(&pools, 0, Some("orders"));
        let unnamed = Path::Item(&pools, 1, None);
        assert_eq!(main.to_string(), "");
        assert_eq!(Path::Key(&Path::Document, "x").to_string(), "x");
        assert_eq!(Path::Key(&named, "port").to_string(), r#"pools["orders"].port"#);
        assert_eq!(Path::Key(&unnamed, "port").to_string(), "pools[1].port");
        assert!(pools.is_pools() && !main.is_pools());
    }
}
