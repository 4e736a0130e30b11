//! A simulated cluster and the whole program beside it, in this process.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use ta_loadgen::cluster::{ClusterBuilder, SimulatedCluster};
use ta_model::cr::split;
use ta_server::Environment;

use crate::program::Running;
use crate::yaml_json::to_json;

const FLEET: &str = "collectors: {static: [{name: otelcol-collector-0}]}\n";

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
        let text = format!("{FLEET}kube_config_file_path: {}\n{text}", kubeconfig.display());
        Running::start_in(self.dir.path(), &text, &Environment::new()).await
    }
}

fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
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
