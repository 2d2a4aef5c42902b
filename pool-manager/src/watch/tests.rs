//! Real files, on a paused clock.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const INTERVAL: Duration = Duration::from_secs(15);
const DEBOUNCE: Duration = Duration::from_millis(500);

fn reload() -> Reload {
    Reload { watch: Watch::Poll, interval: INTERVAL, debounce: DEBOUNCE, ..Reload::default() }
}

/// A folder with a file, and a watcher of it.
async fn watched(text: &str) -> (TempDir, PathBuf, ConfigWatcher) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection_pool.yaml");
    fs::write(&path, text).unwrap();
    let mut watcher = ConfigWatcher::new(&reload());
    assert!(watcher.watch([path.clone()]).await);
    (folder, path, watcher)
}

/// Writes a file as careful programs do: beside it, then over it.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// What is noticed within the next three rounds, and when.
async fn noticed(watcher: &mut ConfigWatcher) -> Option<(Noticed, Duration)> {
    let begun = Instant::now();
    let noticed = timeout(3 * INTERVAL, watcher.changed()).await.ok()?;
    Some((noticed, begun.elapsed()))
}

async fn changed(watcher: &mut ConfigWatcher) -> Vec<PathBuf> {
    let (noticed, _) = noticed(watcher).await.expect("a change");
    assert!(noticed.is_reason_to_reload() && noticed.missing.is_empty() && !noticed.hangup, "{noticed:?}");
    noticed.changed
}

async fn assert_quiet(watcher: &mut ConfigWatcher) {
    assert_eq!(noticed(watcher).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_is_reported_once_it_has_stayed_the_same() {
    let (_folder, path, mut watcher) = watched("a").await;
    replace(&path, "b");
    let (noticed, after) = noticed(&mut watcher).await.unwrap();
    assert_eq!(noticed, Noticed { changed: vec![path.clone()], ..Noticed::default() });
    // Timers are exact to a millisecond.
    assert!(
        after >= INTERVAL + DEBOUNCE && after <= INTERVAL + DEBOUNCE + Duration::from_millis(2),
        "{after:?}"
    );
    assert_quiet(&mut watcher).await;
    replace(&path, "a");
    assert_eq!(changed(&mut watcher).await, [path], "back to what it was is a change as well");
}

#[tokio::test(start_paused = true)]
async fn neither_a_new_date_nor_the_same_text_is_a_change() {
    let (_folder, path, mut watcher) = watched("a").await;
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_quiet(&mut watcher).await;
    fs::write(&path, "a").unwrap();
    assert_quiet(&mut watcher).await;
    replace(&path, "a");
    assert_quiet(&mut watcher).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_of_the_same_length_and_date_is_a_change() {
    let (_folder, path, mut watcher) = watched("password: canary-1").await;
    let date = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "password: canary-2").unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(date).unwrap();
    assert_eq!(changed(&mut watcher).await, [path]);
    assert!(!format!("{watcher:?}").contains("canary"), "{watcher:?}");
}

// A volume of Kubernetes: the file is a link over `..data`, which is a link to the present version, and is swapped.
#[tokio::test(start_paused = true)]
async fn a_link_that_is_swapped_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("..2026_1", "a"), ("..2026_2", "b"), ("..2026_3", "b")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("connection_pool.yaml"), text).unwrap();
    }
    let swap = |version: &str| {
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    swap("..2026_1");
    let path = at("connection_pool.yaml");
    symlink("..data/connection_pool.yaml", &path).unwrap();
    let mut watcher = ConfigWatcher::new(&reload());
    watcher.watch([path.clone()]).await;
    swap("..2026_2");
    fs::remove_dir_all(at("..2026_1")).unwrap();
    assert_eq!(changed(&mut watcher).await, [path]);
    swap("..2026_3");
    assert_quiet(&mut watcher).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_in_pieces_is_reported_when_it_is_whole() {
    let (_folder, path, mut watcher) = watched("pools: [a, b]").await;
    let begun = Instant::now();
    let writer = tokio::spawn({
        let path = path.clone();
        async move {
            // The first piece comes just before a reading, each further one just before the next.
            tokio::time::sleep(INTERVAL - Duration::from_millis(10)).await;
            for piece in ["", "pools:", "pools: [a, b", "pools: [a, b, c]"] {
                fs::write(&path, piece).unwrap();
                tokio::time::sleep(DEBOUNCE).await;
            }
        }
    });
    assert_eq!(changed(&mut watcher).await, [path]);
    assert!(begun.elapsed() >= INTERVAL + 4 * DEBOUNCE, "{:?}", begun.elapsed());
    writer.await.unwrap();
    assert_quiet(&mut watcher).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_written_file_that_is_undone_was_never_there() {
    let (_folder, path, mut watcher) = watched("a").await;
    let undo = {
        let path = path.clone();
        async move {
            tokio::time::sleep(INTERVAL - Duration::from_millis(10)).await;
            fs::write(&path, "").unwrap();
            tokio::time::sleep(DEBOUNCE).await;
            fs::write(&path, "a").unwrap();
        }
    };
    tokio::spawn(undo);
    assert_quiet(&mut watcher).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_told_once_and_its_return_is_a_change_only_if_it_is_different() {
    let (_folder, path, mut watcher) = watched("a").await;
    for (text, differs) in [("a", false), ("b", true)] {
        fs::remove_file(&path).unwrap();
        let (noticed, _) = noticed(&mut watcher).await.unwrap();
        assert!(!noticed.is_reason_to_reload());
        let reason = String::from("No such file or directory (os error 2)");
        assert_eq!(noticed.missing, [MissingFile { path: path.clone(), reason }]);
        assert_quiet(&mut watcher).await;
        fs::write(&path, text).unwrap();
        if differs {
            assert_eq!(changed(&mut watcher).await, std::slice::from_ref(&path));
        }
        assert_quiet(&mut watcher).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_keeps_nobody_waiting() {
    let (_folder, path, mut watcher) = watched("a").await;
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let (noticed, _) = noticed(&mut watcher).await.unwrap();
    assert_eq!(noticed.missing[0].reason, "it is no regular file");
}

#[tokio::test(start_paused = true)]
async fn files_come_and_go_and_those_that_stay_are_remembered() {
    let (folder, base, mut watcher) = watched("a").await;
    let overlay = folder.path().join("connection_pool.production.yaml");
    assert!(!watcher.watch([base.clone()]).await, "not new");
    // Not there yet: it changes when it appears.
    assert!(watcher.watch([base.clone(), overlay.clone(), overlay.clone()]).await);
    replace(&base, "b");
    fs::write(&overlay, "c").unwrap();
    assert!(!watcher.watch([overlay.clone(), base.clone()]).await);
    let mut both = changed(&mut watcher).await;
    both.sort();
    assert_eq!(both, [overlay.clone(), base.clone()]);
    watcher.watch([overlay]).await;
    replace(&base, "c");
    assert_quiet(&mut watcher).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_no_change() {
    let (_folder, path, mut watcher) = watched("a").await;
    for text in ["b", "c", "d"] {
        replace(&path, text);
        let mut changes = Vec::new();
        for _ in 0..200 {
            if let Ok(noticed) = timeout(Duration::from_millis(333), watcher.changed()).await {
                changes.extend(noticed.changed);
            }
        }
        assert_eq!(changes, std::slice::from_ref(&path));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_polled_if_that_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection_pool.yaml");
    let mut watcher = ConfigWatcher::new(&Reload { watch: Watch::Off, ..reload() });
    watcher.watch([path.clone()]).await;
    fs::write(&path, "a").unwrap();
    assert_quiet(&mut watcher).await;
}

#[tokio::test]
async fn a_hangup_is_told_at_once_and_what_changed_with_it() {
    let (_folder, path, _) = watched("a").await;
    for watch in [Watch::Poll, Watch::Off] {
        let mut watcher = ConfigWatcher::new(&Reload { watch, ..reload() });
        watcher.watch([path.clone()]).await;
        watcher.listen_to_hangups().unwrap();
        replace(&path, &format!("{watch:?}"));
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
        // Whatever is dropped halfway is told by a later call.
        let mut told = Vec::new();
        let enough = Instant::now() + Duration::from_secs(9);
        while told.is_empty() && Instant::now() < enough {
            told.extend(timeout(Duration::from_millis(5), watcher.changed()).await);
        }
        assert_eq!(told, [Noticed { changed: vec![path.clone()], hangup: true, ..Noticed::default() }]);
        assert!(timeout(DEBOUNCE, watcher.changed()).await.is_err(), "once");
    }
}
