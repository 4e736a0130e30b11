//! The whole program in this process, with short intervals.

// each test program uses its part of this
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use ta_server::config::Config;
use ta_server::{Args, Environment, Limits, Program, config};

/// Long for a machine under load; nothing here waits for time to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether something has happened: leaves the processor to what should make it happen.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

const SETTINGS: &str = "\
listen_addr: 127.0.0.1:0
engine: {min_interval: 5ms, threads: 1}
http: {drain: 0s}
";

/// A running program and a client for it.
pub(crate) struct Running {
    address: SocketAddr,
    client: reqwest::Client,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// From a configuration and an environment.
    pub(crate) async fn start_in(dir: &Path, text: &str, env: &Environment) -> Self {
        let file = dir.join("ta.yaml");
        std::fs::write(&file, format!("{SETTINGS}{text}")).unwrap();
        let args = Args::parse(["target-allocator".into()]).unwrap();
        let loaded = config::load(&file, env, &args.overrides).unwrap();
        Self::of(loaded.config, env).await
    }

    /// From a configuration that is loaded.
    pub(crate) async fn of(config: Config, env: &Environment) -> Self {
        assert_eq!(config.missing_functions(), Vec::<String>::new());
        let program = Program::start(config, env, Limits { cpus: 1, memory: None }).await.unwrap();
        let address = program.address();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let ended = tokio::spawn(program.run_until(async { stopped.await.unwrap() }));
        Self { address, client: reqwest::Client::builder().no_proxy().build().unwrap(), stop, ended }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Polls until `is_so` likes the answer.
    pub(crate) async fn wait_for(&self, path: &str, is_so: impl Fn(u16, &str) -> bool) {
        let begun = Instant::now();
        loop {
            let (status, body) = self.get(path).await;
            if is_so(status, &body) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays at {status}: {body}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) async fn ready(self) -> Self {
        self.wait_for("/readyz", |status, _| status == 200).await;
        self
    }

    /// The addresses of `job` that `collector` gets.
    pub(crate) async fn share(&self, job: &str, collector: &str) -> BTreeSet<String> {
        let groups = self.json(&format!("/jobs/{job}/targets?collector_id={collector}")).await;
        let groups = groups.as_array().unwrap().iter();
        groups.map(|group| group["targets"][0].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}
