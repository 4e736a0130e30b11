//! The collectors file: what is good comes into force, what is not changes nothing.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{PATIENCE, until};
use ta_discovery::{CollectorFile, CollectorFileStatus, DirectoryWatcher, Status};
use ta_model::CollectorSet;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Running {
    collectors: watch::Receiver<CollectorSet>,
    status: CollectorFileStatus,
    _stop: DropGuard,
}

fn start(path: &Path) -> Running {
    let watcher = DirectoryWatcher::new(Arc::new(Status::default()));
    let (hour, settle) = (Duration::from_secs(3600), Duration::from_millis(10));
    let file = CollectorFile::new(path.to_owned(), watcher, hour, settle, Arc::new(SystemTime::now));
    let (sender, collectors) = watch::channel(CollectorSet::default());
    let (status, cancel) = (file.status(), CancellationToken::new());
    tokio::spawn(file.run(sender, cancel.clone()));
    Running { collectors, status, _stop: cancel.drop_guard() }
}

async fn next(running: &mut Running) -> Vec<String> {
    timeout(PATIENCE, running.collectors.changed()).await.unwrap().unwrap();
    running.collectors.borrow_and_update().iter().map(|one| format!("{}@{}", one.name, one.node)).collect()
}

#[tokio::test]
async fn the_last_good_list_stays_in_force() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("collectors.yaml");
    fs::write(&path, "- {name: b}\n- {name: a, node_name: n1}\n").unwrap();
    let mut running = start(&path);
    assert_eq!(next(&mut running).await, ["a@n1", "b@"]);

    for (broken, error) in [
        ("- {name: a}\n- {name: a}\n", "used twice"),
        ("- {name", "line"),
        ("", "empty"),
        ("- {node_name: n}", "needs a name"),
    ] {
        fs::write(&path, broken).unwrap();
        until(error, || running.status.view().last_error.contains(error)).await;
    }
    fs::remove_file(&path).unwrap();
    until("its absence", || running.status.view().last_error.contains("cannot read")).await;
    assert!(!running.collectors.has_changed().unwrap());
    assert_eq!(running.status.view().collectors, 2);

    fs::write(&path, r#"[{"name": "a", "node_name": "n2"}]"#).unwrap(); // the same pod name on another node
    assert_eq!(next(&mut running).await, ["a@n2"]);
    assert_eq!(running.status.view().consecutive_failures, 0);
}

#[tokio::test]
async fn a_first_list_without_collectors_is_told_as_well() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("collectors.json");
    fs::write(&path, "[]").unwrap();
    let mut running = start(&path);
    assert_eq!(next(&mut running).await, Vec::<String>::new());
    assert!(running.status.view().last_success.is_some());
}

#[tokio::test]
async fn a_file_that_comes_later_is_noticed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("collectors.yaml");
    let mut running = start(&path);
    until("its absence", || running.status.view().consecutive_failures > 0).await;
    fs::write(&path, "- name: a").unwrap();
    assert_eq!(next(&mut running).await, ["a@"]);
}
