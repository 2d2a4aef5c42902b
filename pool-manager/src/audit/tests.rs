//! Real files, and pools that lead nowhere.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use pool_core::fake::{Act, FakeConnector};
use pool_core::{Pool, PoolBuilder};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

fn log(path: &Path, events: &[AuditEvent]) -> AuditLog {
    AuditLog { path: Some(path.to_owned()), events: events.to_vec() }
}

const ALL: [AuditEvent; 6] = [
    AuditEvent::Acquire,
    AuditEvent::Release,
    AuditEvent::Create,
    AuditEvent::Close,
    AuditEvent::Error,
    AuditEvent::Reload,
];

/// A folder, the file in it, and the log that writes it.
fn audit(events: &[AuditEvent]) -> (TempDir, PathBuf, Audit) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = Audit::open(&log(&path, events)).unwrap().unwrap();
    (folder, path, audit)
}

fn pool(audit: &Audit) -> (PoolBuilder<FakeConnector>, FakeConnector) {
    let connector = FakeConnector::new();
    let builder = Pool::builder(connector.clone()).name("orders").min_connections(0);
    (builder.observer(audit.clone()), connector)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(path: &Path) -> Vec<String> {
    lines(path).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

/// A record of something, and the line of it.
fn line_of(operation: Operation) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(1_795_224_900_250);
    let mut line = Vec::new();
    Record { time, pool: Some(Box::from("orders")), operation }.write(&mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn without_a_path_there_is_no_log() {
    assert!(Audit::open(&AuditLog::default()).unwrap().is_none());
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
    let error = Audit::open(&log(Path::new("/no/such/folder/audit.jsonl"), &ALL)).unwrap_err();
    insta::assert_snapshot!(error, @"open the audit log `/no/such/folder/audit.jsonl`: see that its folder exists and may be written to");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("No such file"));
}

#[test]
fn a_line_is_an_object_with_everything_that_is_known() {
    let wait = Duration::from_micros(1_234);
    let site = std::panic::Location::caller();
    let lines = [
        Operation::Acquire { connection: 7, wait, site },
        Operation::Release { connection: 7, usage: wait },
        Operation::Create { connection: 7, took: wait },
        Operation::Close { connection: 7, reason: "idle_timeout", age: wait },
        Operation::Reload { applied: false, message: String::from("2 \"problems\"\n") },
        Operation::Lost { count: 7 },
    ];
    let text: String = lines.map(line_of).concat();
    insta::assert_snapshot!(text.replace(&format!(":{}\"", site.line()), ":40\""), @r#"
    {"time":"2026-11-21T01:35:00.250Z","event":"acquire","pool":"orders","connection":7,"wait_ms":1.234,"site":"pool-manager/src/audit/tests.rs:40"}
    {"time":"2026-11-21T01:35:00.250Z","event":"release","pool":"orders","connection":7,"usage_ms":1.234}
    {"time":"2026-11-21T01:35:00.250Z","event":"create","pool":"orders","connection":7,"connect_ms":1.234}
    {"time":"2026-11-21T01:35:00.250Z","event":"close","pool":"orders","connection":7,"age_ms":1.234,"reason":"idle_timeout"}
    {"time":"2026-11-21T01:35:00.250Z","event":"reload","pool":"orders","applied":false,"message":"2 \"problems\"\n"}
    {"time":"2026-11-21T01:35:00.250Z","event":"lost","pool":"orders","count":7}
    "#);
}

#[tokio::test(start_paused = true)]
async fn everything_that_happens_to_a_connection_is_written_in_order() {
    let (_folder, path, audit) = audit(&ALL);
    let (builder, connector) = pool(&audit);
    connector.connects().always(Act::Slow(Duration::from_millis(20)));
    let pool = builder.build().unwrap();
    let (guard, line) = (pool.acquire().await.unwrap(), line!());
    tokio::time::sleep(Duration::from_millis(250)).await;
    drop(guard);
    pool.close(Duration::from_secs(9)).await;
    pool.acquire().await.unwrap_err();
    audit.reload(true, "pool `orders` was removed");
    audit.close().await;

    let lines = lines(&path);
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["create", "acquire", "release", "close", "error", "reload"]);
    let time = &lines[0]["time"].as_str().unwrap();
    assert_eq!((time.len(), time.ends_with('Z')), (24, true), "{time}");
    assert_eq!(lines[0]["connect_ms"], 20.0);
    assert_eq!(lines[1]["wait_ms"], 20.0);
    assert_eq!(lines[1]["site"], format!("{}:{line}", file!()));
    assert_eq!(lines[2]["usage_ms"], 250.0);
    assert_eq!((&lines[3]["reason"], &lines[3]["age_ms"]), (&"pool_closed".into(), &250.0.into()));
    assert_eq!(lines[4]["kind"], "acquire_failed");
    assert_eq!(lines[4]["message"], "failed to acquire a connection from pool `orders`: the pool is closed");
    assert_eq!((&lines[5]["applied"], &lines[5]["pool"]), (&true.into(), &Value::Null));
    assert!(lines[..5].iter().all(|line| line["pool"] == "orders"));
    assert!(lines[..4].iter().all(|line| line["connection"] == 1));
    assert_eq!(audit.stats(), AuditStats { written: 6, ..AuditStats::default() });
}

#[tokio::test(start_paused = true)]
async fn only_what_is_wanted_is_written() {
    for (wanted, written) in [
        (vec![AuditEvent::Create, AuditEvent::Close], vec!["create", "close"]),
        (vec![AuditEvent::Release], vec!["release"]),
        (vec![AuditEvent::Error], vec!["error"]),
        (vec![AuditEvent::Reload], vec!["reload"]),
        (vec![], vec![]),
    ] {
        let (_folder, path, audit) = audit(&wanted);
        let uses = wanted.contains(&AuditEvent::Release);
        assert_eq!(audit.wants_uses(), uses, "{wanted:?}");
        let (builder, _connector) = pool(&audit);
        let pool = builder.build().unwrap();
        drop(pool.acquire().await.unwrap());
        pool.close(Duration::from_secs(9)).await;
        pool.acquire().await.unwrap_err();
        audit.reload(false, "1 problem");
        audit.close().await;
        assert_eq!(events(&path), written);
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_is_written_with_its_kind_and_its_line_of_code() {
    let (_folder, path, audit) = audit(&[AuditEvent::Error]);
    let (builder, connector) = pool(&audit);
    let pool = builder.leak_detection_threshold(Duration::from_secs(2)).build().unwrap();
    let (guard, line) = (pool.acquire().await.unwrap(), line!());
    tokio::time::sleep(Duration::from_secs(40)).await;
    connector.resets().next(Act::Fail("no reset"));
    guard.soil();
    drop(guard);
    tokio::time::sleep(Duration::from_secs(1)).await;
    connector.connects().next(Act::Fail("connection refused"));
    drop(pool.acquire().await.unwrap());
    audit.close().await;
    let lines = lines(&path);
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["leaked", "reset_failed", "connect_failed"]);
    assert_eq!(lines[0]["site"], format!("{}:{line}", file!()));
    assert_eq!(lines[1]["connection"], 1);
    assert!(lines[2]["message"].as_str().unwrap().ends_with("connection refused"), "{}", lines[2]);
}

#[tokio::test]
async fn after_a_rotation_lines_go_to_the_new_file() {
    let (folder, path, audit) = audit(&ALL);
    let old = folder.path().join("audit.jsonl.1");
    audit.reload(true, "first");
    audit.flush().await;
    fs::rename(&path, &old).unwrap();
    audit.reload(true, "second");
    audit.flush().await;
    // Somebody else made the file already.
    fs::rename(&path, folder.path().join("audit.jsonl.2")).unwrap();
    File::create(&path).unwrap();
    audit.reload(true, "third");
    audit.flush().await;
    // Copied and cut, as `copytruncate` does it.
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    audit.reload(true, "fourth");
    audit.close().await;
    assert_eq!(lines(&old)[0]["message"], "first");
    assert_eq!(lines(&folder.path().join("audit.jsonl.2"))[0]["message"], "second");
    assert_eq!(lines(&path).len(), 1);
    assert_eq!(lines(&path)[0]["message"], "fourth");
}

#[tokio::test]
async fn a_wish_to_reopen_is_heeded_without_anything_to_write() {
    let (folder, path, audit) = audit(&ALL);
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    audit.reopen();
    audit.flush().await;
    assert!(lines(&path).is_empty());
}

#[tokio::test]
async fn a_path_that_becomes_unwritable_costs_no_line_as_long_as_the_old_file_is_there() {
    let (folder, path, audit) = audit(&ALL);
    audit.reload(true, "first");
    audit.flush().await;
    let old = folder.path().join("audit.jsonl.1");
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    audit.reload(true, "second");
    audit.flush().await;
    let failure = audit.stats().failure.unwrap();
    assert!(failure.contains("folder"), "{failure}");
    assert_eq!(lines(&old).len(), 2);

    // Then it is deleted, and there is nowhere to write to.
    fs::remove_file(&old).unwrap();
    audit.reload(true, "third");
    audit.reload(true, "fourth");
    audit.flush().await;
    assert_eq!((audit.stats().written, audit.stats().lost), (2, 2));

    fs::remove_dir(&path).unwrap();
    audit.reload(true, "fifth");
    audit.close().await;
    assert_eq!(audit.stats(), AuditStats { written: 4, lost: 2, ..AuditStats::default() });
    let lines = lines(&path);
    assert_eq!((&lines[0]["event"], &lines[0]["count"]), (&"lost".into(), &2.into()));
    assert_eq!(lines[1]["message"], "fifth");
}

#[tokio::test]
async fn a_full_disk_is_told_and_not_waited_for() {
    let full = Audit::open(&log(Path::new("/dev/full"), &ALL)).unwrap().unwrap();
    full.reload(true, "first");
    full.flush().await;
    full.reload(true, "second");
    full.flush().await;
    let stats = full.stats();
    assert_eq!((stats.written, stats.lost), (0, 2));
    assert!(stats.failure.unwrap().contains("No space left"));
}

// The disk stands still: a pipe that nobody reads.
#[tokio::test(start_paused = true)]
async fn a_pool_never_waits_for_the_disk_and_what_does_not_fit_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    // For reading and writing: so that neither side waits for the other to open it.
    let pipe = File::options().read(true).write(true).open(&path).unwrap();
    let over_pipe = |event| {
        let file = LogFile::of(path.clone(), pipe.try_clone().unwrap());
        Audit::write_to(file, path.clone(), vec![event]).unwrap()
    };
    let (audit, end) = (over_pipe(AuditEvent::Acquire), over_pipe(AuditEvent::Reload));
    let (builder, _connector) = pool(&audit);
    let pool = builder.build().unwrap();
    let uses = 3 * CAPACITY;
    for _ in 0..uses {
        drop(pool.acquire().await.unwrap());
    }
    let lost = audit.stats().lost;
    assert!(lost > CAPACITY as u64, "{lost}");
    assert!(audit.stats().waiting <= 2 * CAPACITY, "one queue full, and one in hand");

    let reader = std::thread::spawn(move || {
        let (mut told, mut acquires, mut tail) = (0, 0, Vec::new());
        for line in BufReader::new(pipe).lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            match line["event"].as_str().unwrap() {
                "acquire" => acquires += 1,
                "lost" => told += line["count"].as_u64().unwrap(),
                _ => return (told, acquires, tail),
            }
            tail.push(line["event"].clone());
        }
        unreachable!("the pipe has a writer: us")
    });
    audit.flush().await;
    end.reload(true, "end");
    end.close().await;
    let (told, acquires, tail) = reader.join().unwrap();
    assert_eq!((told, acquires), (lost, uses as u64 - lost));
    assert_eq!(tail.last(), Some(&"lost".into()), "behind what was there before");
    assert_eq!(audit.stats().failure, None);
}

#[tokio::test]
async fn what_happens_after_the_close_is_not_written_and_harms_nobody() {
    let (_folder, path, audit) = audit(&ALL);
    audit.close().await;
    audit.reload(true, "too late");
    audit.flush().await;
    audit.close().await;
    assert!(lines(&path).is_empty());
    assert_eq!(audit.stats(), AuditStats::default());
}

#[tokio::test]
async fn the_last_clone_ends_the_log_when_all_is_written() {
    let (_folder, path, audit) = audit(&ALL);
    let queue = Arc::downgrade(&audit.0.queue);
    (0..1_000).for_each(|number| audit.clone().reload(true, number.to_string()));
    drop(audit);
    // The thread's own handle is the last one.
    while queue.strong_count() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(lines(&path).len(), 1_000);
}
