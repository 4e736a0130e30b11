//! A real Prometheus, started on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use ta_model::scrape_config::KubernetesSdConfig;

use crate::Job;
use crate::common::Labels;

pub(crate) struct Prometheus {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

/// What Prometheus adds to discovered labels before relabelling.
const SEEDS: [&str; 5] = ["job", "__metrics_path__", "__scheme__", "__scrape_interval__", "__scrape_timeout__"];

impl Prometheus {
    pub(crate) fn start(jobs: &[Job]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = json!({"scrape_configs": jobs.iter().map(scrape_config).collect::<Vec<_>>()});
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).unwrap(); // JSON is YAML
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program())
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--scrape.discovery-reload-interval=100ms")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("prometheus starts");
        Self { child, folder, port }
    }

    /// The discovered labels of all targets, by job. An error while it does not answer.
    pub(crate) async fn targets(&self) -> Result<BTreeMap<String, Vec<Labels>>, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/targets?state=any", self.port);
        let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        assert_eq!(answer["data"]["activeTargets"], json!([]), "all are dropped");
        let mut jobs = BTreeMap::<String, Vec<Labels>>::new();
        for target in answer["data"]["droppedTargets"].as_array().into_iter().flatten() {
            let mut labels: Labels = serde_json::from_value(target["discoveredLabels"].clone()).unwrap();
            let job = labels["job"].clone();
            SEEDS.iter().for_each(|seed| drop(labels.remove(*seed)));
            jobs.entry(job).or_default().push(labels);
        }
        Ok(jobs)
    }

    pub(crate) fn assert_runs(&mut self) {
        let status = self.child.try_wait().unwrap();
        assert!(status.is_none(), "prometheus ended with {status:?}:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// `KUBERNETES_PROMETHEUS`, or what `scripts/need kubernetes-prometheus` fetches.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("KUBERNETES_PROMETHEUS") {
        return program.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/need");
    let mut command = Command::new(script);
    let output = command.arg("kubernetes-prometheus").stderr(Stdio::inherit()).output().expect("scripts/need starts");
    assert!(output.status.success(), "scripts/need kubernetes-prometheus failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn scrape_config(job: &Job) -> Value {
    json!({
        "job_name": job.name,
        "kubernetes_sd_configs": job.configs.iter().map(sd_config).collect::<Vec<_>>(),
        "relabel_configs": [{"source_labels": ["job"], "regex": ".*", "action": "drop"}],
    })
}

fn sd_config(config: &KubernetesSdConfig) -> Value {
    let selector = |selector: &ta_model::scrape_config::KubernetesSelector| {
        let mut all = json!({"role": selector.role, "label": selector.label});
        if !selector.field.is_empty() {
            all["field"] = json!(selector.field);
        }
        all
    };
    json!({
        "api_server": config.api_server,
        "role": config.role.as_str(),
        "namespaces": {"names": config.namespaces},
        "selectors": config.selectors.iter().map(selector).collect::<Vec<_>>(),
        "attach_metadata": {"node": config.attach_metadata.node},
    })
}
