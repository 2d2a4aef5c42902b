//! `poolctl diff`: what differs between two files.

use pool_config::{Changes, KeyChange, PoolChangeKind};
use serde_json::{Value as Json, json};

use crate::cli::{Diff, Format};
use crate::exit::Failure;
use crate::output;

pub(crate) fn diff(arguments: &Diff) -> Result<u8, Failure> {
    let old = arguments.reading.load_valid(&arguments.old)?;
    let new = arguments.reading.load_valid(&arguments.new)?;
    let changes = pool_config::diff(&old.config, &new.config);
    match arguments.format {
        Format::Text if changes.is_empty() => output::print("no difference\n"),
        Format::Text => {
            let restart = changes.restart_only().count();
            let refused = if restart == 0 {
                String::new()
            } else {
                format!("a reload would be refused: {restart} of these changes need a restart\n")
            };
            output::print(&format!("{changes}{refused}"))
        }
        Format::Json => output::print_json(&changes_json(&changes)),
    }
}

fn changes_json(changes: &Changes) -> Json {
    let pools: Vec<_> = changes
        .pools
        .iter()
        .map(|pool| {
            json!({
                "name": pool.name,
                "kind": match pool.kind {
                    PoolChangeKind::Added => "added",
                    PoolChangeKind::Removed => "removed",
                    PoolChangeKind::Changed => "changed",
                },
                "class": pool.class().to_string(),
                "keys": pool.keys.iter().map(key_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "pools": pools,
        "rest": changes.rest.iter().map(key_json).collect::<Vec<_>>(),
        "needsRestart": changes.restart_only().count() > 0,
    })
}

fn key_json(key: &KeyChange) -> Json {
    json!({ "path": key.path, "old": key.old, "new": key.new, "class": key.class.to_string() })
}
