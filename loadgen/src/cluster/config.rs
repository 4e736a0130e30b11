//! The allocator's configuration for a synthetic cluster.

use std::path::Path;

use serde_json::{Value, json};

use super::population::{Population, collector_labels};

/// A configuration file: collectors are the pods of the population, jobs its components by EndpointSlices, resources of the
/// prometheus-operator if there are any. It is JSON, which is YAML too.
pub fn allocator_config(population: &Population, kubeconfig: &Path, strategy: &str) -> String {
    let options = population.options();
    let kubeconfig = kubeconfig.to_string_lossy();
    let jobs = population.jobs().into_iter().take(options.jobs as usize);
    let jobs: Vec<Value> =
        jobs.map(|(name, namespace, component)| job(&name, &namespace, &component, &kubeconfig)).collect();
    let config = json!({
        "allocation_strategy": strategy,
        "filter_strategy": "relabel-config",
        "kube_config_file_path": kubeconfig,
        "collector_namespace": options.collector_namespace,
        "collector_selector": {"matchLabels": collector_labels(&options.collector_namespace)},
        "prometheus_cr": {"enabled": options.monitors > 0, "service_monitor_selector": {},
            "secret_namespaces": [""], "scrape_interval": "30s"},
        "config": {"scrape_configs": jobs},
    });
    format!("{config:#}\n")
}

/// A job as a ServiceMonitor makes it, in short.
fn job(name: &str, namespace: &str, component: &str, kubeconfig: &str) -> Value {
    let keep = |source: &str, regex: &str| json!({"source_labels": [source], "regex": regex, "action": "keep"});
    let copy = |source: &str, target: &str| json!({"source_labels": [source], "target_label": target});
    json!({
        "job_name": name,
        "scrape_interval": "30s",
        "kubernetes_sd_configs": [{"role": "endpointslice", "kubeconfig_file": kubeconfig,
            "namespaces": {"names": [namespace]}}],
        "relabel_configs": [
            keep("__meta_kubernetes_service_label_app_kubernetes_io_component", component),
            keep("__meta_kubernetes_endpointslice_port_name", "metrics"),
            copy("__meta_kubernetes_namespace", "namespace"),
            copy("__meta_kubernetes_service_name", "service"),
            copy("__meta_kubernetes_pod_name", "pod"),
            copy("__meta_kubernetes_pod_container_name", "container"),
            json!({"target_label": "endpoint", "replacement": "metrics"}),
        ],
    })
}
