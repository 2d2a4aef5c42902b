//! `poolctl show`: a configuration as it is understood.

use serde_json::json;

use crate::cli::{Format, Show};
use crate::exit::Failure;
use crate::output;

pub(crate) fn show(arguments: &Show) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    let listing = loaded.listing(arguments.resolved);
    match arguments.format {
        Format::Text => output::print(&listing.to_yaml(arguments.origin)),
        Format::Json => {
            let values: Vec<_> = listing
                .values
                .iter()
                .map(|value| {
                    let mut json = json!({ "path": value.path, "value": value.value });
                    if arguments.origin {
                        json["origin"] = json!(value.origin.to_string());
                    }
                    json
                })
                .collect();
            output::print_json(&json!({ "values": values }))
        }
    }
}
