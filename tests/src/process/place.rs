//! Where one server lives: its folder, its port, and the user it runs as.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::error::ServerError;
use super::janitor;

/// How much of a log an error shows.
const LOG_LINES: usize = 40;
const LOG: &str = "log";
/// Folders to look for programs in beside PATH, separated by colons.
const FOLDERS: &str = "POOL_SERVER_FOLDERS";

/// The folder, port and user of one server.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    user: Option<User>,
    pub(super) port: u16,
    /// For servers that want another one for whoever looks after them.
    pub(super) second_port: u16,
}

impl Place {
    /// An empty folder that belongs to `user`, if we are root; else to us.
    pub(crate) fn new(program: &'static str, user: Option<&'static str>) -> Result<Self, ServerError> {
        let user = match user {
            Some(name) if rustix::process::geteuid().is_root() => Some(User::find(name, program)?),
            _ => None,
        };
        let folder = tempfile::Builder::new()
            .prefix(&format!("{program}-"))
            .tempdir_in(janitor::base()?)
            .map_err(ServerError::system("create a folder"))?;
        let place = Place { folder, user, port: 0, second_port: 0 };
        place.hand_over(place.folder())?;
        Ok(place)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn second_port(&self) -> u16 {
        self.second_port
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes a file that only the server's user can read, and returns its path.
    pub(crate) fn write(&self, name: &str, contents: &str) -> Result<PathBuf, ServerError> {
        let path = self.path(name);
        let fail = || ServerError::system(format!("write {}", path.display()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail())?;
        file.write_all(contents.as_bytes()).map_err(fail())?;
        self.hand_over(&path)?;
        Ok(path)
    }

    /// Copies a folder with all that is in it into this one.
    pub(crate) async fn copy(&self, from: &Path, name: &str) -> Result<(), ServerError> {
        let owner = self.user.map_or_else(String::new, |user| format!("{}:{}", user.uid, user.gid));
        let to = self.path(name);
        self.own_tool("cp", &[OsStr::new("-a"), from.as_os_str(), to.as_os_str()]).await?;
        if !owner.is_empty() {
            self.own_tool("chown", &[OsStr::new("-R"), OsStr::new(&owner), to.as_os_str()]).await?;
        }
        Ok(())
    }

    /// Turns the place of a template into a bare folder that stays until the process ends.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Runs a program to its end as the server's user, in the folder.
    ///
    /// Cancel: the program is killed.
    pub(crate) async fn run<S: AsRef<OsStr>>(
        &self,
        program: &'static str,
        arguments: &[S],
        environment: &[(&str, &str)],
    ) -> Result<(), ServerError> {
        let mut command = self.command(program)?;
        command.args(arguments).envs(environment.iter().copied());
        finish(program, command).await
    }

    /// The server itself: its words go to its log.
    pub(super) fn server_command(
        &self,
        program: &'static str,
        arguments: &[String],
    ) -> Result<Command, ServerError> {
        let path = self.path(LOG);
        let fail = || ServerError::system(format!("open {}", path.display()));
        let log = OpenOptions::new().append(true).create(true).open(&path).map_err(fail())?;
        let mut command = self.command(program)?;
        command.args(arguments).stdout(log.try_clone().map_err(fail())?).stderr(log).process_group(0);
        Ok(command)
    }

    /// The last lines of the log; empty when there is none.
    pub(super) fn log_end(&self) -> String {
        end_of(&std::fs::read(self.path(LOG)).unwrap_or_default())
    }

    pub(super) fn clear_log(&self) -> Result<(), ServerError> {
        File::create(self.path(LOG)).map(drop).map_err(ServerError::system("clear the log"))
    }

    /// As the server's user, with nothing from our environment that could change what it does.
    fn command(&self, program: &'static str) -> Result<Command, ServerError> {
        let mut command = Command::new(find(program)?);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder())
            // Errors are recognised by their English words.
            .env("LC_ALL", "C")
            .current_dir(self.folder())
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        Ok(command)
    }

    async fn own_tool(&self, program: &'static str, arguments: &[&OsStr]) -> Result<(), ServerError> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        finish(program, command).await
    }

    fn hand_over(&self, path: &Path) -> Result<(), ServerError> {
        let Some(user) = self.user else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid))
            .map_err(ServerError::system(format!("give {} to its user", path.display())))
    }
}

async fn finish(program: &'static str, command: Command) -> Result<(), ServerError> {
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(ServerError::system(format!("run `{program}`")))?;
    if output.status.success() {
        return Ok(());
    }
    let output_end = end_of(&[output.stdout, output.stderr].concat());
    Err(ServerError::Command { program, status: output.status, output: output_end })
}

fn end_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

/// A user of the system, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Why not `getpwnam`: it takes unsafe code, and a package adds its user to this file.
    fn find(name: &'static str, program: &'static str) -> Result<Self, ServerError> {
        let users =
            std::fs::read_to_string("/etc/passwd").map_err(ServerError::system("read /etc/passwd"))?;
        Self::parse(&users, name).ok_or(ServerError::NoUser { user: name, program })
    }

    fn parse(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            Some(User { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        })
    }
}

/// Finds a program in PATH, or where Debian puts servers: the newest PostgreSQL if there are several.
fn find(program: &'static str) -> Result<PathBuf, ServerError> {
    let others = match std::env::var_os(FOLDERS) {
        Some(folders) => std::env::split_paths(&folders).collect(),
        None => debians_folders(),
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    // What is named on purpose comes first, and so does a versioned folder: its programs belong together.
    let found = others.iter().cloned().chain(std::env::split_paths(&path)).map(|folder| folder.join(program));
    found.into_iter().find(|path| is_program(path)).ok_or_else(|| {
        let folders: Vec<_> = others.iter().map(|folder| folder.display().to_string()).collect();
        ServerError::Missing { program, folders: folders.join(", ") }
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn debians_folders() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    versions.into_iter().map(|(_, path)| path).chain(servers).collect()
}

/// Percent-encodes what may not stand as it is in the user, password or database of a URL.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0::/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:a,,:/b:/bin/sh\n";
        assert_eq!(User::parse(users, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(User::parse(users, "mysql"), None);
    }

    #[test]
    fn a_missing_program_is_named_together_with_what_installs_it() {
        let error = find("no-such-server").unwrap_err().to_string();
        assert!(error.starts_with("find the program `no-such-server` in PATH or "), "{error}");
        assert!(error.ends_with(": `scripts/test.sh --install` installs it"), "{error}");
    }

    #[test]
    fn only_harmless_characters_stand_as_they_are_in_a_url() {
        assert_eq!(encode("a-b:c@d/é"), "a-b%3Ac%40d%2F%C3%A9");
    }

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let log: String = (0..100).map(|line| format!("{line}\n")).collect();
        let end = end_of(log.as_bytes());
        assert!(end.starts_with("60\n") && end.ends_with("\n99"), "{end}");
        assert_eq!(end_of(b""), "");
    }
}
