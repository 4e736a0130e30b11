//! A simulated cluster and the whole program beside it, in this process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use ta_loadgen::cluster::{ClusterBuilder, SimulatedCluster};
use ta_model::cr::split;
use ta_model::yaml::{Node, Resolved, Value};
use ta_server::{Args, Environment, Limits, Program, config};

/// Long for a machine under load; nothing here waits for time to pass.
const PATIENCE: Duration = Duration::from_secs(60);

const SETTINGS: &str = "\
listen_addr: 127.0.0.1:0
engine: {min_interval: 5ms, threads: 1}
http: {drain: 0s}
collectors: {static: [{name: otelcol-collector-0}]}
";

pub(crate) struct World {
    pub(crate) cluster: SimulatedCluster,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(settings: impl FnOnce(ClusterBuilder) -> ClusterBuilder) -> Self {
        let cluster = settings(SimulatedCluster::builder()).start().await.unwrap();
        Self { cluster, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn apply(&self, object: Json) {
        self.cluster.apply(object).unwrap();
    }

    /// Applies a manifest, or all of a folder; the path is from the root of the repository.
    pub(crate) fn apply_manifests(&self, path: &str) {
        let path = from_root(path);
        let mut files: Vec<PathBuf> = match path.is_dir() {
            true => std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![path],
        };
        files.sort();
        for file in files {
            for node in split(&std::fs::read_to_string(file).unwrap()).unwrap() {
                self.apply(to_json(&node));
            }
        }
    }

    /// Starts the program on a configuration of the repository.
    pub(crate) async fn start_file(&self, path: &str) -> Running {
        self.start(&std::fs::read_to_string(from_root(path)).unwrap()).await
    }

    /// Starts the program on a configuration, completed by a fleet of one collector and short intervals.
    pub(crate) async fn start(&self, text: &str) -> Running {
        let kubeconfig = self.cluster.kubeconfig(self.dir.path()).unwrap();
        let file = self.dir.path().join("ta.yaml");
        let text = format!("{SETTINGS}kube_config_file_path: {}\n{text}", kubeconfig.display());
        std::fs::write(&file, text).unwrap();
        Running::start(&file).await
    }
}

fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A running program and a client for it.
pub(crate) struct Running {
    address: SocketAddr,
    client: reqwest::Client,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start(file: &Path) -> Self {
        let args = Args::parse(["target-allocator".into()]).unwrap();
        let env = Environment::new();
        let loaded = config::load(file, &env, &args.overrides).unwrap();
        assert_eq!(loaded.config.missing_functions(), Vec::<String>::new());
        let program = Program::start(loaded.config, &env, Limits { cpus: 1, memory: None }).await.unwrap();
        let address = program.address();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let ended = tokio::spawn(program.run_until(async { stopped.await.unwrap() }));
        Self { address, client: reqwest::Client::builder().no_proxy().build().unwrap(), stop, ended }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) async fn json(&self, path: &str) -> Json {
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
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn ready(self) -> Self {
        self.wait_for("/readyz", |status, _| status == 200).await;
        self
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

/// The slice of a Service with the one pod of the example behind it.
pub(crate) fn mk_slice(namespace: &str, service: &str, labels: &Json, port: &str, number: u16) -> Json {
    let mut labels = labels.clone();
    labels["kubernetes.io/service-name"] = service.into();
    labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io".into();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-bwbvn"), "namespace": namespace, "labels": labels,
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2024-06-21T20:01:37Z"},
        },
        "addressType": "IPv4",
        "ports": [{"name": port, "port": number, "protocol": "TCP"}],
        "endpoints": [{
            "addresses": ["10.244.0.11"],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "otel-target-allocator-talk-control-plane",
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": "py-prometheus-app-575cfdd46-nfttj"},
        }],
    })
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(to_json).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.text.to_string(), to_json(&entry.value))).collect()
        }
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Json::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Str => (*scalar.text).into(),
        },
    }
}
