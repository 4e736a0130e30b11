//! Many jobs at once.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

mod common;

use std::fs;

use common::{Discovery, mk_millis};
use ta_model::scrape_config::{FileSdConfig, SdConfig};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_jobs_with_a_file_each_are_read_and_watched() {
    const JOBS: usize = 1000;
    let directory = TempDir::new().unwrap();
    let path = |n: usize| directory.path().join(format!("{n}.json")).to_str().unwrap().to_owned();
    let names: Vec<String> = (0..JOBS).map(|n| format!("job-{n}")).collect();
    let jobs = names.iter().enumerate().map(|(n, name)| {
        fs::write(path(n), format!(r#"[{{"targets": ["host-{n}:1"]}}]"#)).unwrap();
        let config = FileSdConfig { files: vec![path(n)], refresh_interval: mk_millis(3_600_000) };
        (&**name, vec![SdConfig::File(config)])
    });
    let discovery = Discovery::start(jobs.collect());
    discovery.sink.until("all synced", |told| told.synced.len() == JOBS).await;
    fs::write(path(7), r#"[{"targets": ["host-7:2"]}]"#).unwrap();
    discovery.sink.until_addresses("job-7", &["host-7:2"]).await;
    assert_eq!(discovery.status.providers().len(), JOBS);
}
