//! prometheus-operator resources, with their real definitions installed.

use serde_json::{Value, json};

use crate::acceptance::{allocator, eventually, free_port, get, get_json, wait_ready};
use crate::cluster::Cluster;
use crate::objects::{mk_pod, mk_service, mk_slice};
use crate::roles::add_collector;
use crate::{addresses, all_rules, set, write_config};

const MONITORING: &str = "/apis/monitoring.coreos.com/v1/namespaces/opentelemetry";

/// The example of upstream's troubleshooting page.
fn mk_service_monitor() -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
        "metadata": {"name": "sm-example", "labels": {"app.kubernetes.io/name": "py-prometheus-app", "release": "prometheus"}},
        "spec": {
            "selector": {"matchLabels": {"app": "my-app"}},
            "namespaceSelector": {"matchNames": ["opentelemetry"]},
            "endpoints": [{"port": "prom", "path": "/metrics"}, {"port": "py-client-port", "interval": "15s"}, {"port": "py-server-port"}],
        },
    })
}

fn mk_pod_monitor(name: &str) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "my-app"}}, "podMetricsEndpoints": [{"port": "prom"}]},
    })
}

fn jobs(port: u16) -> Result<Vec<String>, String> {
    Ok(get_json(port, "/jobs")?.as_object().ok_or("no object")?.keys().cloned().collect())
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn monitors_become_jobs_also_of_a_kind_installed_later() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path());
    cluster.grant("reader", &all_rules());
    cluster.install("servicemonitors");
    cluster.create("/api/v1/namespaces", &json!({"metadata": {"name": "opentelemetry"}}));
    let (core, labels) = ("/api/v1/namespaces/opentelemetry", json!({"app": "my-app"}));
    let ports = [("prom", 8080), ("py-client-port", 8081), ("py-server-port", 8082)];
    cluster.create(&format!("{core}/pods"), &mk_pod("app-0", &labels, "node-a", "10.3.0.1", &ports));
    cluster.create(&format!("{core}/services"), &mk_service("py-prometheus-app", &labels, &ports));
    let slice = mk_slice("py-prometheus-app", "opentelemetry", &[("app-0", "10.3.0.1")], &ports);
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/opentelemetry/endpointslices", &slice);
    cluster.create(&format!("{MONITORING}/servicemonitors"), &mk_service_monitor());
    add_collector(&cluster);
    let more = json!({
        "prometheus_cr": {
            "enabled": true,
            "service_monitor_selector": {}, "pod_monitor_selector": {}, "probe_selector": {}, "scrape_config_selector": {},
        },
        "config": {"scrape_configs": [{"job_name": "otel-collector", "static_configs": [{"targets": ["0.0.0.0:8888"]}]}]},
    });
    let kubeconfig = cluster.kubeconfig("one");
    let port = free_port();
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, more));
    wait_ready(port);

    let of_monitor = |number: usize| format!("serviceMonitor/opentelemetry/sm-example/{number}");
    let mut wanted = vec!["otel-collector".to_owned(), of_monitor(0), of_monitor(1), of_monitor(2)];
    eventually("three jobs of the monitor beside the one of the file", || {
        let now = jobs(port)?;
        if now == wanted { Ok(()) } else { Err(format!("{now:?}")) }
    });
    for (number, (_, target)) in ports.iter().enumerate() {
        let address = format!("10.3.0.1:{target}");
        eventually("each finds its port", || {
            let now = addresses(port, &of_monitor(number), &["collector-0"])?;
            if now == set(&[&address]) { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }

    cluster.install("podmonitors");
    cluster.create(&format!("{MONITORING}/podmonitors"), &mk_pod_monitor("pm-example"));
    let pod_job = "podMonitor/opentelemetry/pm-example/0".to_owned();
    wanted.insert(1, pod_job.clone());
    eventually("a pod monitor counts, though its kind came late", || {
        let now = jobs(port)?;
        if now == wanted { Ok(()) } else { Err(format!("{now:?}")) }
    });
    eventually("it finds the pod", || {
        let now = addresses(port, &pod_job, &["collector-0"])?;
        if now == set(&["10.3.0.1:8080"]) { Ok(()) } else { Err(format!("{now:?}")) }
    });

    // mislabelled: no Service matches any more, and the page says so
    let selector = json!({"spec": {"selector": {"matchLabels": {"app": "bleh"}}}});
    cluster.patch(&format!("{MONITORING}/servicemonitors/sm-example"), &selector);
    eventually("the targets are gone", || {
        let now = addresses(port, &of_monitor(0), &["collector-0"])?;
        if now.is_empty() { Ok(()) } else { Err(format!("{now:?}")) }
    });
    eventually("the page says what matches nothing", || {
        let (_, page) = get(port, "/debug/monitors")?;
        let said = page.contains("sm-example") && page.contains("bleh");
        said.then_some(()).ok_or(page)
    });

    cluster.delete(&format!("{MONITORING}/servicemonitors/sm-example"));
    eventually("its jobs go with it, and only they", || {
        let now = jobs(port)?;
        if now == ["otel-collector", &pod_job] { Ok(()) } else { Err(format!("{now:?}")) }
    });
}
