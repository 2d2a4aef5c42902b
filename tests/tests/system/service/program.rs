//! The example service as a process, and a client of it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use pool_tests::shop::Shop;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use crate::root;

/// Longer than anything takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What the service answered.
#[derive(PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// As a snapshot shows it.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

/// A process that says where it listens.
pub(super) struct Service {
    process: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Service {
    /// Starts the service on a copy of its configuration.
    pub(super) async fn start(shop: &Shop) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("connection_pool.yaml");
        std::fs::copy(example().join("connection_pool.yaml"), &file).unwrap();
        let mut command = Command::new(program().await);
        command.arg(file).envs(shop.variables());
        Self::run(command, folder).await
    }

    /// Starts a command that runs the service; what it logs goes to a file of the folder.
    pub(super) async fn run(mut command: Command, folder: tempfile::TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.env("LISTEN", "127.0.0.1:0").env_remove("RUST_LOG").env_remove("POOL_ENV");
        let mut process = command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the service ended");
                if let Some(address) = line.strip_prefix("listening on http://") {
                    return address.parse().unwrap();
                }
            }
        };
        let address = timeout(10 * PATIENCE, listening).await.unwrap();
        Service { process, address, folder }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        ask(self.address, Method::GET, path.to_owned(), String::new()).await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, json: &str) -> Answer {
        ask(self.address, Method::POST, path.to_owned(), json.to_owned()).await.unwrap()
    }

    /// Asks, and goes on without waiting for the answer.
    pub(super) fn begin(&self, path: &str) -> tokio::task::JoinHandle<hyper::Result<Answer>> {
        tokio::spawn(ask(self.address, Method::GET, path.to_owned(), String::new()))
    }

    /// A number of `/stats`, by its JSON pointer.
    pub(super) async fn number(&self, pointer: &str) -> u64 {
        let stats = self.get("/stats").await.json();
        stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {stats}"))
    }

    /// Waits until a number of `/stats` is this one.
    pub(super) async fn until(&self, pointer: &str, number: u64) {
        let begun = Instant::now();
        while self.number(pointer).await != number {
            assert!(begun.elapsed() < PATIENCE, "{pointer} is never {number}\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a path answers with this status, and returns that answer.
    pub(super) async fn until_status(&self, path: &str, status: u16) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.status == status {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} still says {answer:?}\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nobody can connect any more.
    pub(super) async fn until_it_takes_nobody(&self) {
        let begun = Instant::now();
        while TcpStream::connect(self.address).await.is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it still listens");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(super) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.process.wait()).await.expect("it does not end").unwrap()
    }

    /// Its configuration.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("connection_pool.yaml")
    }

    /// Changes its configuration, at every place where the first text stands.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "no {from} in\n{text}");
        // At once: it looks at the file by itself.
        let next = self.folder.path().join("next.yaml");
        std::fs::write(&next, text.replace(from, to)).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    /// Waits until it has logged this.
    pub(super) async fn until_logged(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{text} is not in\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that it has logged, in which no password may be.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(!log.contains("canary"), "a password was logged");
        log
    }
}

async fn ask(address: SocketAddr, method: Method, path: String, body: String) -> hyper::Result<Answer> {
    let stream = TcpStream::connect(address).await.unwrap();
    let exchange = async {
        let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, address.to_string()).header(CONTENT_TYPE, "application/json");
        let response = client.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok(Answer { status, text: String::from_utf8(body.into()).unwrap() })
    };
    timeout(PATIENCE, exchange).await.expect("no answer")
}

/// The folder of the service.
pub(super) fn example() -> PathBuf {
    root().join("pool-manager/examples/service")
}

/// The program, built as `scripts/example_service.sh` does it. After a build of all tests that takes a moment.
async fn program() -> &'static Path {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM.get_or_init(build).await
}

/// Takes away what cargo tells a test of its package: the build scripts of some crates run again where it is other than it
/// was, and everything that is built on them is built again.
pub(crate) fn as_from_a_shell(command: &mut Command) -> &mut Command {
    let told = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

async fn build() -> PathBuf {
    let arguments = "build --locked --workspace --all-features --example service --message-format json";
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments.split(' ')).current_dir(root()).stderr(Stdio::inherit());
    let output = as_from_a_shell(&mut cargo).output().await.unwrap();
    assert!(output.status.success(), "the example is not built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut built = messages.filter(|message| message["target"]["name"] == "service");
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from)).unwrap()
}
