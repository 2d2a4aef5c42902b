//! Where a report goes.

#![expect(clippy::print_stdout, reason = "a command-line program talks to its user")]

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

/// Files that were asked for, open before the run: nobody wants to learn afterwards that it was for nothing.
pub(crate) struct Output {
    json: Option<(PathBuf, File)>,
    tables: Option<(PathBuf, File)>,
}

impl Output {
    /// Creates the files.
    ///
    /// # Errors
    ///
    /// When one cannot be created.
    pub(crate) fn create(json: Option<&PathBuf>, tables: Option<&PathBuf>) -> anyhow::Result<Self> {
        Ok(Output { json: create(json)?, tables: create(tables)? })
    }

    /// Writes the figures to their file, the tables to theirs or else to standard output.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn write(self, report: &impl Serialize, tables: &str) -> anyhow::Result<()> {
        if let Some((path, mut file)) = self.json {
            let text = serde_json::to_string_pretty(report).context("encode the report")?;
            writeln!(file, "{text}").with_context(|| format!("write to {}", path.display()))?;
        }
        match self.tables {
            Some((path, mut file)) => {
                file.write_all(tables.as_bytes()).with_context(|| format!("write to {}", path.display()))?;
            }
            None => print!("{tables}"),
        }
        Ok(())
    }
}

fn create(path: Option<&PathBuf>) -> anyhow::Result<Option<(PathBuf, File)>> {
    path.map(|path| {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok((path.clone(), file))
    })
    .transpose()
}
