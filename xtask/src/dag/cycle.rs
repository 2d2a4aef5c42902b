//! A circle in a graph of names.

use std::collections::{BTreeMap, BTreeSet};

/// The first circle found, as a path whose last name is its first; names are visited in their order, so the same
/// graph gives the same path.
pub(super) fn find<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut finished = BTreeSet::new();
    graph.keys().find_map(|start| visit(start, graph, &mut Vec::new(), &mut finished))
}

fn visit<'a>(
    node: &'a str,
    graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    path: &mut Vec<&'a str>,
    finished: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = path.iter().position(|seen| *seen == node) {
        return Some([&path[start..], &[node]].concat());
    }
    if finished.contains(node) {
        return None;
    }
    path.push(node);
    for next in graph.get(node).into_iter().flatten() {
        if let Some(circle) = visit(next, graph, path, finished) {
            return Some(circle);
        }
    }
    path.pop();
    finished.insert(node);
    None
}
