//! What is left when a test process is killed: nothing.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{LONG, base_of, is_running};

#[tokio::test]
async fn a_killed_test_process_leaves_no_server_and_no_folder_behind() {
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_pool-tests-server")).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = || lines.next().expect("it started its server").unwrap();
    let folder = PathBuf::from(line());
    let processes: Vec<i32> = line().split(' ').map(|process| process.parse().unwrap()).collect();
    assert!(processes.len() > 1 && processes.iter().all(|process| is_running(*process)), "{processes:?}");
    assert!(base_of(&folder).exists());

    child.kill().unwrap();
    child.wait().unwrap();
    timeout(LONG, async {
        while processes.iter().any(|process| is_running(*process)) || base_of(&folder).exists() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("left behind: some of {processes:?}, or {}", base_of(&folder).display()));
}
