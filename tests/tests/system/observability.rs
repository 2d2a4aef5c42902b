//! What pools tell, read by those it is meant for: a real Prometheus, a real Alertmanager, and their tools.

mod alertmanager;
mod documents;
mod prometheus;
mod push;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use pool_tests::ask;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use crate::root;
use crate::service::as_from_a_shell;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The example `monitored` of `pool-monitor` as a process of its own.
struct Monitored {
    process: Child,
    address: SocketAddr,
}

impl Monitored {
    /// Starts it with these variables.
    async fn start(variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(program().await);
        command.env("LISTEN", "127.0.0.1:0").env_remove("RUST_LOG").envs(variables.iter().cloned());
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the example ended");
                if let Some(address) = line.strip_prefix("listening on http://") {
                    return address.parse().unwrap();
                }
            }
        };
        let address = timeout(PATIENCE, listening).await.unwrap();
        Monitored { process, address }
    }

    async fn get(&self, path: &str) -> String {
        let answer = ask::get(self.address, path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text
    }

    /// Does what a button of a control panel would do.
    async fn post(&self, path: &str) {
        let answer = ask::post(self.address, path, &Value::Null).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }

    /// SIGKILL: nothing is said to anybody any more.
    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// The program, built once.
async fn program() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(build).await.clone()
}

async fn build() -> PathBuf {
    let arguments = "build --locked --workspace --all-features --example monitored --message-format json";
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments.split(' ')).current_dir(root()).stderr(Stdio::inherit());
    let output = as_from_a_shell(&mut cargo).output().await.unwrap();
    assert!(output.status.success(), "the example is not built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut built = messages.filter(|message| message["target"]["name"] == "monitored");
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}

/// What a tool wrote, and whether it was content.
struct Verdict {
    is_content: bool,
    text: String,
}

/// Runs a tool of Prometheus' or Alertmanager's on what it reads from its standard input.
async fn tool(program: &str, arguments: &[&str], input: &str) -> Verdict {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `scripts/test.sh --install` installs it"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // In a task of its own: it may write before it has read everything.
    let writing = tokio::spawn(async move {
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
    });
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it does not end").unwrap();
    writing.await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Verdict { is_content: output.status.success(), text: String::from_utf8(text).unwrap() }
}

/// Asks until the answer is as it should be, and returns it.
async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    let asking = async {
        loop {
            let answer = ask().await;
            if is_so(&answer) {
                return answer;
            }
            last = Some(answer);
            sleep(Duration::from_millis(100)).await;
        }
    };
    match timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: still {last:?}"),
    }
}
