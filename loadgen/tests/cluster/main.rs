//! The simulated API server over HTTP, as clients see it.

#![allow(clippy::unwrap_used, reason = "test helpers are tests too")]

mod client;
mod faults;
mod kubectl;
mod lists;
mod measure;
mod watches;
mod writes;

use serde_json::{Value, json};
use ta_loadgen::cluster::SimulatedCluster;

async fn mk_cluster() -> SimulatedCluster {
    SimulatedCluster::builder().start().await.unwrap()
}

fn mk_pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    })
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
}
