//! Credentials from the output of a command, such as the client of a secret store.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, copy, sink};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    BoxFuture, CommandProblem, CredentialError, CredentialProvider, Credentials, Secret, without_line_break,
};

/// Below the default `connect_timeout` of a pool, so that the error tells of the command.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// More than any password or token. [`CommandProblem::TooLong`] names the number.
const OUTPUT_LIMIT: usize = 64 * 1024;

/// How many characters of a complaint are passed on.
const COMPLAINT_LIMIT: usize = 200;

/// Runs a command; what it writes to standard output is the password.
///
/// It is started directly, without a shell, with an empty standard input. One line break at the end of its
/// output is dropped. An error tells how the command ended and the first line it wrote to standard error,
/// never what it wrote to standard output.
///
/// # Examples
///
/// ```
/// use pool_drivers::credentials::CommandCredentials;
/// use std::time::Duration;
///
/// let provider = CommandCredentials::new("vault")
///     .args(["kv", "get", "-field=password", "secret/redis"])
///     .user("orders")
///     .cache_for(Duration::from_secs(60));
/// ```
pub struct CommandCredentials {
    program: OsString,
    arguments: Vec<OsString>,
    user: Option<String>,
    time_limit: Duration,
    cache_for: Duration,
    /// The last password, and until when it may be used. Held while the command runs, so that it runs once.
    cached: Mutex<Option<(Secret, Instant)>>,
}

impl CommandCredentials {
    /// The program, looked for in `PATH` unless it has a slash.
    pub fn new(program: impl Into<OsString>) -> Self {
        CommandCredentials {
            program: program.into(),
            arguments: Vec::new(),
            user: None,
            time_limit: TIME_LIMIT,
            cache_for: Duration::ZERO,
            cached: Mutex::new(None),
        }
    }

    /// Adds arguments. They are passed on as they are.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The user name.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// How long the command may take. Then it is killed. Default 4 s.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How long its output is used again. Default 0 = the command runs for each connection. Failures are not
    /// kept.
    #[must_use]
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.cache_for = time;
        self
    }

    async fn password(&self) -> Result<Secret, CredentialError> {
        if self.cache_for.is_zero() {
            return self.run().await;
        }
        let mut cached = self.cached.lock().await;
        if let Some((password, until)) = &*cached
            && Instant::now() < *until
        {
            return Ok(password.clone());
        }
        let password = self.run().await?;
        *cached = Some((password.clone(), Instant::now() + self.cache_for));
        Ok(password)
    }

    async fn run(&self) -> Result<Secret, CredentialError> {
        match timeout(self.time_limit, self.output()).await {
            Ok(output) => output,
            Err(_) => Err(self.failed(CommandProblem::TimedOut(self.time_limit), None)),
        }
    }

    async fn output(&self) -> Result<Secret, CredentialError> {
        let lost = |error| self.failed(CommandProblem::Lost, Some(error));
        // Cancel: dropping the child kills it.
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.failed(CommandProblem::NotStarted, Some(error)))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) =
            tokio::try_join!(beginning(stdout, false), beginning(stderr, true)).map_err(lost)?;
        let output = String::from_utf8(stdout);
        if output.as_ref().is_ok_and(|text| text.len() > OUTPUT_LIMIT) {
            return Err(self.failed(CommandProblem::TooLong, None));
        }
        let status = child.wait().await.map_err(lost)?;
        if !status.success() {
            return Err(self.failed(CommandProblem::Failed { status, complaint: first_line(&stderr) }, None));
        }
        match output {
            Ok(text) => Ok(Secret::new(without_line_break(Secret::new(text).expose()))),
            Err(_) => Err(self.failed(CommandProblem::NotText, None)),
        }
    }

    fn failed(&self, problem: CommandProblem, source: Option<io::Error>) -> CredentialError {
        let program = self.program.to_string_lossy().into_owned();
        CredentialError::Command { program, problem, source: source.map(Arc::new) }
    }
}

/// The first bytes of what is written, one more than the limit if there are more. With `drain` it reads on, lest
/// the writer gets stuck.
async fn beginning(stream: Option<impl AsyncRead + Unpin>, drain: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(OUTPUT_LIMIT as u64 + 1).read_to_end(&mut bytes).await?;
        if drain {
            copy(&mut stream, &mut sink()).await?;
        }
    }
    Ok(bytes)
}

/// The first line, fit to be shown.
fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(COMPLAINT_LIMIT).collect()
}

impl CredentialProvider for CommandCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>> {
        Box::pin(async {
            let password = self.password().await?;
            Ok(Credentials { user: self.user.clone(), password: Some(password) })
        })
    }
}

/// Shows the program, but not its arguments: they may hold secrets.
impl fmt::Debug for CommandCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandCredentials")
            .field("program", &self.program)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pool_core::ErrorClass;

    use super::*;

    fn shell(script: &str) -> CommandCredentials {
        CommandCredentials::new("sh").args(["-c", script])
    }

    async fn password(provider: &CommandCredentials) -> String {
        provider.credentials().await.unwrap().password.unwrap().expose().to_owned()
    }

    #[tokio::test]
    async fn the_output_is_the_password() {
        let provider = CommandCredentials::new("printf").args(["%s\\n", "$HOME; hunter2"]).user("alice");
        let got = provider.credentials().await.unwrap();
        assert_eq!(got.user.as_deref(), Some("alice"));
        assert_eq!(got.password.unwrap().expose(), "$HOME; hunter2");
        assert!(!format!("{provider:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_failure_tells_the_first_line_of_the_complaint_and_nothing_of_the_output() {
        let error = shell("echo hunter2; echo 'no such key' >&2; echo hunter2 >&2; exit 3")
            .credentials()
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "get credentials from the command `sh`: it ended with exit status: 3: no such key"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Transient);
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let provider = CommandCredentials::new("sh")
            .args(["-c", "echo $$ > \"$0\"; exec sleep 60"])
            .args([&pid])
            .time_limit(Duration::from_secs(1));
        let error = provider.credentials().await.unwrap_err();
        assert_eq!(error.to_string(), "get credentials from the command `sh`: it was not done within 1s");
        let process = std::path::Path::new("/proc").join(fs::read_to_string(pid).unwrap().trim());
        let gone = async {
            // A zombie until tokio has waited for it.
            while fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains("sleep")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_command_that_does_not_exist_is_named() {
        let error = CommandCredentials::new("/no/such/command").credentials().await.unwrap_err();
        assert_eq!(error.to_string(), "get credentials from the command `/no/such/command`");
        assert_eq!(error.class(), ErrorClass::Auth);
    }

    #[tokio::test]
    async fn more_output_than_a_password_can_be_is_refused() {
        let error = shell("yes hunter2").credentials().await.unwrap_err();
        assert!(error.to_string().ends_with("its output is longer than 64 KiB"), "{error}");
    }

    #[tokio::test]
    async fn a_complaint_without_end_does_not_block() {
        let got = password(&shell("head -c 1000000 /dev/zero >&2; echo hunter2")).await;
        assert_eq!(got, "hunter2");
    }

    #[tokio::test]
    async fn output_is_cached_for_as_long_as_said() {
        let directory = tempfile::tempdir().unwrap();
        let runs = directory.path().join("runs");
        let script = format!("echo x >> {0}; wc -l < {0}", runs.display());

        let each = shell(&script);
        assert_eq!((password(&each).await, password(&each).await), ("1".to_owned(), "2".to_owned()));

        let cached = shell(&script).cache_for(Duration::from_secs(60));
        let both = tokio::join!(password(&cached), password(&cached));
        assert_eq!(both, ("3".to_owned(), "3".to_owned()));
        assert_eq!(password(&cached).await, "3");

        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        assert_eq!(password(&cached).await, "4");
    }
}
