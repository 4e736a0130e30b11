//! The allocator against a real kube-apiserver. Ignored by default, as building one takes long: `make e2e` runs them.

#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

#[path = "../acceptance/mod.rs"]
mod acceptance;
mod cluster;
mod faults;
mod fleet;
mod monitors;
mod objects;
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use acceptance::get_json;

/// What the allocator's service account needs for everything.
fn all_rules() -> Value {
    let read = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]});
    json!([
        read("", &["pods", "nodes", "services", "endpoints", "namespaces", "secrets", "configmaps"]),
        read("discovery.k8s.io", &["endpointslices"]),
        read("networking.k8s.io", &["ingresses"]),
        read("monitoring.coreos.com", &["servicemonitors", "podmonitors", "probes", "scrapeconfigs"]),
    ])
}

/// Writes a configuration with collectors `app=collector`, and what `more` adds.
fn write_config(folder: &Path, port: u16, kubeconfig: &Path, more: Value) -> PathBuf {
    let mut config = json!({
        "listen_addr": format!("127.0.0.1:{port}"),
        "kube_config_file_path": kubeconfig,
        "collector_namespace": cluster::NAMESPACE,
        "collector_selector": {"matchLabels": {"app": "collector"}},
        "collector_not_ready_grace_period": "1s",
        "filter_strategy": "relabel-config",
        "http": {"drain": "0s"},
    });
    let Value::Object(more) = more else { panic!("an object") };
    config.as_object_mut().unwrap().extend(more);
    let file = folder.join("allocator.yaml"); // JSON is YAML
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// A path segment, as a client that escapes everything would write it.
fn escape(job: &str) -> String {
    job.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Which addresses each collector has of `job`. Collectors without targets are left out.
fn shares(port: u16, job: &str, collectors: &[&str]) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let mut shares = BTreeMap::new();
    for collector in collectors {
        let groups = get_json(port, &format!("/jobs/{}/targets?collector_id={collector}", escape(job)))?;
        let targets = groups.as_array().ok_or("no list")?.iter().flat_map(|group| group["targets"].as_array());
        let addresses: BTreeSet<String> = targets.flatten().map(|one| one.as_str().unwrap().to_owned()).collect();
        if !addresses.is_empty() {
            shares.insert((*collector).to_owned(), addresses);
        }
    }
    Ok(shares)
}

/// All addresses of `job`; an error if two collectors have one of them.
fn addresses(port: u16, job: &str, collectors: &[&str]) -> Result<BTreeSet<String>, String> {
    let shares = shares(port, job, collectors)?;
    let all: BTreeSet<String> = shares.values().flatten().cloned().collect();
    let sum: usize = shares.values().map(BTreeSet::len).sum();
    if sum == all.len() { Ok(all) } else { Err(format!("targets with two collectors: {shares:?}")) }
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|one| (*one).to_owned()).collect()
}
