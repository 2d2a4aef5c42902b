//! `poolctl schema` and `poolctl man`: what there is, for editors and for people.

use anyhow::Context as _;
use clap::CommandFactory;
use pool_config::{json_schema, reference};

use crate::cli::{Arguments, SchemaFormat};
use crate::exit::{Failure, USAGE};
use crate::output;

pub(crate) fn print(format: SchemaFormat) -> Result<u8, Failure> {
    match format {
        SchemaFormat::Json => output::print_json(json_schema().as_value()),
        SchemaFormat::Markdown => output::print(&reference()),
    }
}

/// The page of the program, followed by those of its commands.
pub(crate) fn print_manual() -> Result<u8, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page).and_then(|()| {
        let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
        commands.cloned().try_for_each(|command| clap_mangen::Man::new(command).render(&mut page))
    });
    rendered.context("write the manual page").map_err(Failure::with(USAGE))?;
    output::print(&String::from_utf8_lossy(&page))
}
