//! `file_sd_configs` over real files that change.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use common::{Discovery, labels, mk_millis, mk_static, until};
use ta_model::scrape_config::{FileSdConfig, SdConfig};
use tempfile::TempDir;

/// The interval is long: what the tests see came by events.
fn mk_file(patterns: &[String]) -> SdConfig {
    SdConfig::File(FileSdConfig { files: patterns.to_vec(), refresh_interval: mk_millis(3_600_000) })
}

fn start(directory: &TempDir, pattern: &str) -> Discovery {
    Discovery::start(vec![("a", vec![mk_file(&[path(directory, pattern)])])])
}

fn path(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

/// Replaces a file as editors do: the new text beside it, then renamed over it.
fn put(directory: &TempDir, name: &str, text: &str) {
    let beside = directory.path().join("beside.tmp");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, directory.path().join(name)).unwrap();
}

#[tokio::test]
async fn json_and_yaml_files_become_groups_with_their_path() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.json", r#"[{"targets": ["x:1", "y:1"], "labels": {"env": "prod", "__meta_filepath": "mine"}}]"#);
    put(&directory, ".b.yml", "- targets: [z:1]\n- targets: [w:1]\n  labels: {n: 0123}\n");
    put(&directory, "c.txt", "- targets: [no:1]");
    let discovery =
        Discovery::start(vec![("a", vec![mk_file(&[path(&directory, "*.json"), path(&directory, "*.yml")])])]);
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
    let (json, yaml) = (path(&directory, "a.json"), path(&directory, ".b.yml"));
    discovery.sink.read(|told| {
        assert_eq!(told.sources("a"), [format!("{yaml}:0"), format!("{yaml}:1"), format!("{json}:0")]);
        let targets = told.targets("a");
        assert_eq!(targets[2], labels([("__address__", "x:1"), ("__meta_filepath", &json), ("env", "prod")]));
        assert_eq!(targets[1], labels([("__address__", "w:1"), ("__meta_filepath", &yaml), ("n", "0123")]));
    });
    assert_eq!(discovery.status.file_mtimes().len(), 2);
    assert!(discovery.status.counters.file_scans.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn changes_shorter_lists_new_and_vanished_files_are_noticed() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.yml", "- targets: [x:1]\n- targets: [y:1]");
    let discovery = start(&directory, "*.yml");
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    put(&directory, "a.yml", "- targets: [x:2]");
    discovery.sink.until_addresses("a", &["x:2"]).await;
    fs::write(directory.path().join("b.yml"), "- targets: [z:1]").unwrap(); // in place
    discovery.sink.until_addresses("a", &["x:2", "z:1"]).await;
    fs::remove_file(directory.path().join("a.yml")).unwrap();
    discovery.sink.until_addresses("a", &["z:1"]).await;
    let mtimes = discovery.status.file_mtimes();
    assert_eq!((mtimes.len(), &*mtimes[0].0), (1, &*path(&directory, "b.yml")));
}

#[tokio::test]
async fn changes_below_a_relative_path_are_noticed() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.yml", "- targets: [x:1]");
    let up = "../".repeat(std::env::current_dir().unwrap().components().count() - 1);
    let relative = format!("{up}{}", path(&directory, "*.yml").trim_start_matches('/'));
    let discovery = Discovery::start(vec![("a", vec![mk_file(&[relative])])]);
    discovery.sink.until_addresses("a", &["x:1"]).await;
    put(&directory, "b.yml", "- targets: [y:1]");
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
}

#[tokio::test]
async fn a_broken_file_keeps_its_targets_and_costs_no_other_file_anything() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.json", r#"[{"targets": ["x:1"]}]"#);
    put(&directory, "b.json", r#"[{"targets": ["y:1"]}]"#);
    let discovery = start(&directory, "*.json");
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    for (n, (broken, error)) in [
        (r#"[{"targets": ["x:1"]"#, "a.json"),
        (r#"[{"targets": ["x:1"], "port": 1}]"#, "unknown field"),
        (r#"[{"targets": [1]}]"#, "a.json"),
        (r#"[{"targets": ["x:1"], "labels": {"a": 1}}]"#, "a.json"),
        (r"[null]", "nil target group item found"),
        (r#"{"targets": ["x:1"]}"#, "a.json"),
        ("", "a.json"),
    ]
    .into_iter()
    .enumerate()
    {
        put(&directory, "a.json", broken);
        put(&directory, "b.json", &format!(r#"[{{"targets": ["y:{n}"]}}]"#));
        discovery.sink.until_addresses("a", &["x:1", &format!("y:{n}")]).await;
        discovery.until_error(error).await;
    }
    assert!(discovery.status.counters.file_read_errors.load(Ordering::Relaxed) >= 7);
    put(&directory, "a.json", r#"[{"targets": ["x:9"]}]"#);
    discovery.sink.until_addresses("a", &["x:9", "y:6"]).await;
    until("recovered", || discovery.provider().consecutive_failures == 0).await;
}

#[tokio::test]
async fn a_null_document_is_an_empty_list() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.json", r#"[{"targets": ["x:1"]}]"#);
    put(&directory, "b.yml", "- targets: [y:1]");
    let discovery =
        Discovery::start(vec![("a", vec![mk_file(&[path(&directory, "a.json"), path(&directory, "b.yml")])])]);
    discovery.sink.until_addresses("a", &["x:1", "y:1"]).await;
    put(&directory, "a.json", "null");
    discovery.sink.until_addresses("a", &["y:1"]).await;
    put(&directory, "b.yml", "# nothing");
    discovery.sink.until_addresses("a", &[]).await;
}

#[tokio::test]
async fn files_that_are_all_broken_from_the_start_keep_the_job_unsynced() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.json", "[");
    let discovery = Discovery::start(vec![
        ("a", vec![mk_file(&[path(&directory, "a.json")])]),
        ("b", vec![mk_file(&[path(&directory, "missing.json")])]),
        ("c", vec![mk_static(&["x:1"])]),
    ]);
    discovery.sink.until("b and c synced", |told| told.is_synced("b") && told.is_synced("c")).await;
    let failures = || discovery.status.providers().iter().map(|view| view.refresh_failures).max();
    until("several tries", || failures() >= Some(6)).await;
    discovery.sink.read(|told| assert!(!told.is_synced("a")));
    put(&directory, "a.json", r#"[{"targets": ["x:1"]}]"#);
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
}

#[tokio::test]
async fn one_file_that_is_broken_from_the_start_delays_the_others_but_does_not_stop_them() {
    let directory = TempDir::new().unwrap();
    put(&directory, "a.json", "[");
    put(&directory, "b.json", r#"[{"targets": ["y:1"]}]"#);
    let discovery = start(&directory, "*.json");
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
    discovery.sink.until_addresses("a", &["y:1"]).await;
    assert!(discovery.provider().refresh_failures >= 4);
}

/// Kubernetes mounts a ConfigMap as `key -> ..data/key`, `..data -> ..<time>/`, and swaps `..data` for an update.
#[tokio::test]
async fn a_config_map_update_is_noticed() {
    let directory = TempDir::new().unwrap();
    let swap_to = |version: &str, text: &str| {
        let data = directory.path().join(version);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("a.yml"), text).unwrap();
        let link = directory.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &link).unwrap();
        fs::rename(link, directory.path().join("..data")).unwrap();
    };
    swap_to("..1", "- targets: [x:1]");
    std::os::unix::fs::symlink("..data/a.yml", directory.path().join("a.yml")).unwrap();
    let discovery = start(&directory, "a.yml");
    discovery.sink.until_addresses("a", &["x:1"]).await;
    swap_to("..2", "- targets: [x:2]");
    discovery.sink.until_addresses("a", &["x:2"]).await;
    fs::remove_dir_all(directory.path().join("..1")).unwrap();
    swap_to("..3", "- targets: [x:3]");
    discovery.sink.until_addresses("a", &["x:3"]).await;
}

#[tokio::test]
async fn a_directory_that_comes_later_is_found_at_the_next_refresh_and_watched_from_then_on() {
    let directory = TempDir::new().unwrap();
    let pattern = path(&directory, "later/*.yml");
    let config = SdConfig::File(FileSdConfig { files: vec![pattern], refresh_interval: mk_millis(20) });
    let discovery = Discovery::start(vec![("a", vec![config])]);
    discovery.sink.until("a synced", |told| told.is_synced("a")).await;
    fs::create_dir(directory.path().join("later")).unwrap();
    put(&directory, "later/a.yml", "- targets: [x:1]");
    discovery.sink.until_addresses("a", &["x:1"]).await;
    assert_eq!(discovery.status.counters.file_watcher_errors.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_says_nothing_about_its_files() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("a.yml"), "- targets: [x:1]").unwrap();
    let config =
        SdConfig::File(FileSdConfig { files: vec![path(&directory, "inner/*.yml")], refresh_interval: mk_millis(20) });
    let discovery = Discovery::start(vec![("a", vec![config])]);
    discovery.sink.until_addresses("a", &["x:1"]).await;
    // a link to itself: neither there nor absent, even for root
    let aside = directory.path().join("aside");
    fs::rename(&inner, &aside).unwrap();
    std::os::unix::fs::symlink(&inner, &inner).unwrap();
    discovery.until_error("cannot be read").await;
    discovery.sink.read(|told| assert_eq!(told.addresses("a").len(), 1));
    fs::remove_file(&inner).unwrap();
    discovery.sink.until_addresses("a", &[]).await; // now it is gone for good
    assert!(Path::new(&aside).exists());
}
