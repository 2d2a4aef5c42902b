//! Why a database of SQLite cannot be opened.

use pool_config::PoolConfig;
use pool_drivers::sqlite::{OpenProblem, SqliteConnector, SqliteError};

use super::super::report::FindingStatus;
use super::{Explain, Failure};
use crate::blueprint::{creates_file, in_one_line};

impl Explain for SqliteConnector {
    fn explain(&self, error: &SqliteError, pool: &PoolConfig) -> Failure {
        let SqliteError::Open { problem, .. } = error else {
            return Failure::unreachable(in_one_line(error), "look at the file");
        };
        // It was kept from being created here, which a pool would do.
        if *problem == OpenProblem::NoFile && creates_file(pool) {
            let text = "the file does not exist yet; the pool will create it";
            let failure = Failure::unreachable(text, "check the path if there should be one");
            return Failure { status: FindingStatus::Warning, ..failure };
        }
        let cure = match problem {
            OpenProblem::NoDirectory(_) => "create the directory, or correct the path",
            OpenProblem::IsDirectory | OpenProblem::EmptyPath => "write the path of a file",
            OpenProblem::NoFile => "correct the path, or add `mode=rwc` to the url to have it created",
            OpenProblem::NotADatabase => "correct the path, or restore the file",
            OpenProblem::ReadOnly => "let the process write the file and its directory",
            OpenProblem::Locked(_) => "find out which process has it, and let that end its transaction",
            _ => "look at the file, its directory and its file system",
        };
        // The problem begins with a colon, as it goes on with the sentence of the error.
        let said = problem.to_string();
        let text = said.trim_start_matches(": ");
        let text = if text.is_empty() { in_one_line(error) } else { text.to_owned() };
        Failure::unreachable(text, cure)
    }
}
