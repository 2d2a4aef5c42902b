//! Where secrets come from.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pool_config::SecretSource;
use rustix::fs::{Access, access};

use super::Look;

impl Look<'_> {
    /// A secret; `path` is that of its clear text.
    pub(super) fn at_secret(&mut self, path: &str, source: &SecretSource) {
        match source {
            SecretSource::Environment(variable) => self.at_variable(&format!("{path}_env"), variable),
            SecretSource::File(file) => self.at_secret_file(&format!("{path}_file"), file),
            SecretSource::Command(words) => self.at_command(&format!("{path}_command"), words),
            // It stands in the file itself, or comes from where nobody can look.
            _ => {}
        }
    }

    fn at_variable(&mut self, path: &str, variable: &str) {
        let found = match env::var_os(variable) {
            None => format!("`{variable}`, which is not set"),
            Some(value) if value.is_empty() => format!("`{variable}`, which is empty"),
            Some(_) => return,
        };
        let help = "set it in the environment of the service, and of whoever checks";
        self.error(path, found, "a variable that holds the secret", help);
    }

    fn at_secret_file(&mut self, path: &str, file: &Path) {
        let expected = "a file that holds the secret";
        let Some(content) = self.at_file(path, file, expected) else { return };
        if content.trim_ascii().is_empty() {
            let help = "write the secret into it";
            self.error(path, format!("`{}`, which is empty", file.display()), expected, help);
        }
        self.at_permissions(path, file);
    }

    /// A file that nobody else should be able to read.
    pub(super) fn at_permissions(&mut self, path: &str, file: &Path) {
        let Ok(metadata) = fs::metadata(file) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o004 != 0 {
            let found =
                format!("`{}`, which everybody on this machine can read (mode {mode:o})", file.display());
            self.warn(
                path,
                found,
                "a file that only the service can read",
                "take that right away: chmod o-rwx",
            );
        }
    }

    fn at_command(&mut self, path: &str, words: &[String]) {
        let Some(program) = words.first() else { return };
        let found = match find(program, env::var_os("PATH").as_deref()) {
            Found::Program => return,
            Found::Nowhere => format!("`{program}`, which cannot be found"),
            Found::NotExecutable(file) => format!("`{}`, which this user cannot run", file.display()),
        };
        let help = "install it, or write its whole path; a service often has a shorter PATH than a shell";
        self.error(path, found, "a program that prints the secret", help);
    }
}

/// What became of the search for a program.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Program,
    NotExecutable(PathBuf),
    Nowhere,
}

/// Looks for a program as the system does: by its path if there is a slash in it, else along `PATH`.
fn find(program: &str, search_path: Option<&OsStr>) -> Found {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![PathBuf::from(program)]
    } else {
        env::split_paths(search_path.unwrap_or_default()).map(|folder| folder.join(program)).collect()
    };
    let files: Vec<_> = candidates.into_iter().filter(|file| file.is_file()).collect();
    if files.iter().any(|file| access(file, Access::EXEC_OK).is_ok()) {
        return Found::Program;
    }
    files.into_iter().next().map_or(Found::Nowhere, Found::NotExecutable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_the_system_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("print-secret");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let path = folder.path().as_os_str();
        assert_eq!(find("print-secret", Some(path)), Found::NotExecutable(file.clone()));
        assert_eq!(find(file.to_str().unwrap(), None), Found::NotExecutable(file.clone()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("print-secret", Some(path)), Found::Program);
        assert_eq!(find(file.to_str().unwrap(), None), Found::Program);
        assert_eq!(find("print-secret", None), Found::Nowhere);
        assert_eq!(find("/no/such/program", Some(path)), Found::Nowhere);
        assert_eq!(find(folder.path().to_str().unwrap(), None), Found::Nowhere, "a folder");
    }
}
