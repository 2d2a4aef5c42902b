//! Cleans up behind a test process, however it ends.
//!
//! A drop does it as a rule. But a test process may be killed, or abort, or leave something in a `static`. So a small
//! shell program runs beside it, reads its standard input until that closes, which the system does at the latest when
//! the test process is gone, and then kills the servers that are left and removes the folder that they are all in.
//!
//! Why not the kernel's signal at the death of a parent: it comes at the death of the *thread* that started the
//! child, and tests share servers between threads.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::process::Pid;

use super::error::ServerError;

/// Reads `+ PID` and `- PID`. At the end, stops each server that is left, kills its children and then itself, and
/// removes the folder. A process's parent is the second word behind its name, which is in brackets.
const PROGRAM: &str = r#"
parent_of() { stat=$(cat "$1/stat" 2>/dev/null) || return 1; set -- ${stat##*)}; parent=$2; }
servers=
while read -r what pid; do
    if [ "$what" = + ]; then servers="$servers $pid"; continue; fi
    rest=
    for server in $servers; do [ "$server" = "$pid" ] || rest="$rest $server"; done
    servers=$rest
done
for server in $servers; do
    kill -STOP "$server"
    for process in /proc/[0-9]*; do
        parent_of "$process" && [ "$parent" = "$server" ] && kill -KILL "${process#/proc/}"
    done
    kill -KILL "$server"
done
exec rm -rf "$1"
"#;

struct Janitor {
    base: PathBuf,
    input: Mutex<ChildStdin>,
}

static JANITOR: LazyLock<Result<Janitor, String>> =
    LazyLock::new(|| Janitor::employ().map_err(|error| error.to_string()));

impl Janitor {
    fn employ() -> std::io::Result<Self> {
        // Others must be able to pass through it: the users that servers run as.
        let pass = std::fs::Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("pool-tests-").permissions(pass).tempdir()?;
        let mut shell = Command::new("/bin/sh")
            .args(["-c", PROGRAM, "sh"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in ours, which a terminal interrupts as a whole.
            .process_group(0)
            .spawn()?;
        let input = Mutex::new(shell.stdin.take().expect("its input was asked for"));
        Ok(Janitor { base: folder.keep(), input })
    }
}

fn janitor() -> Result<&'static Janitor, ServerError> {
    JANITOR.as_ref().map_err(|error| {
        ServerError::system("employ a janitor for the temporary folder")(std::io::Error::other(error.clone()))
    })
}

/// The folder of this process, in which everything is made that must be gone after it.
pub(crate) fn base() -> Result<&'static Path, ServerError> {
    janitor().map(|janitor| janitor.base.as_path())
}

/// Has the process killed when this one ends.
pub(super) fn watch(pid: Pid) -> Result<(), ServerError> {
    tell('+', pid)
}

/// Takes `watch` back. A janitor that is not there any more needs no word.
pub(super) fn forget(pid: Pid) {
    tell('-', pid).unwrap_or_default();
}

fn tell(what: char, pid: Pid) -> Result<(), ServerError> {
    let mut input = janitor()?.input.lock().unwrap_or_else(PoisonError::into_inner);
    // In one piece, so that the shell never reads half a line.
    let line = format!("{what} {}\n", pid.as_raw_nonzero());
    input.write_all(line.as_bytes()).map_err(ServerError::system("speak with the janitor"))
}
