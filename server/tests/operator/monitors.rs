//! Targets from the cluster, and jobs from resources of the prometheus-operator.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{WIDE, World};

/// A ServiceMonitor of endpoints for Services with these labels.
fn mk_monitor(name: &str, selects: &Value, endpoints: Value) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": selects}, "endpoints": endpoints},
    })
}

/// A ScrapeConfig of the cluster's nodes.
fn mk_node_job(name: &str) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "ScrapeConfig", "metadata": {"name": name},
        "spec": {"kubernetesSDConfigs": [{"role": "Node"}]},
    })
}

/// Whether `grep 'first.*second'` finds a line.
fn has_line(text: &str, first: &str, second: &str) -> bool {
    text.lines().any(|line| line.find(first).is_some_and(|at| line[at..].contains(second)))
}

#[test]
fn e05_kubernetes_sd_per_node() {
    let world = World::new("obs", &WIDE);
    let collectors = [("nodes-collector-b7x2k", 1), ("nodes-collector-q9d4z", 2), ("nodes-collector-m3f8w", 3)];
    for (name, node) in collectors {
        world.collector("nodes", name, &format!("node-{node}"));
    }
    let pod = world.pod("nodes", include_str!("files/e05-kubernetes-sd.yaml")).start().ready();
    let text = pod.get("/scrape_configs").1;
    assert!(has_line(&text, "kubelet", "/var/run/secrets/kubernetes.io/serviceaccount/token"), "{text}");

    // the names of collectors are found in the answer for nobody in particular
    let of_all = pod.wait_for("/jobs/kubelet/targets", |body| collectors.iter().all(|(name, _)| body.contains(name)));
    let named: Value = serde_json::from_str(&of_all).unwrap();
    assert_eq!(named.as_object().unwrap().len(), 3);
    for (name, node) in collectors {
        pod.wait_for_share("kubelet", name, &[&format!("192.0.2.{node}:10250")]);
        let groups = pod.groups("kubelet", name);
        assert_eq!(groups[0]["labels"]["__meta_kubernetes_node_name"], format!("node-{node}"));
    }
}

#[test]
fn e06_resources_of_every_kind() {
    let world = World::new("obs", &WIDE);
    world.collector("watching", "watching-collector-0", "node-1");
    let pod = world.pod("watching", include_str!("files/e06-monitors.yaml")).start().ready();
    let operators = json!({"app.kubernetes.io/managed-by": "opentelemetry-operator"});
    world.service("watching-collector-monitoring", &operators, "monitoring", "10.1.0.1", 8888);
    world.apply(mk_monitor("watching", &operators, json!([{"port": "monitoring"}])));
    for path in ["/scrape_configs", "/jobs"] {
        pod.wait_for_texts(path, &["serviceMonitor/obs/watching/0"]);
    }
    pod.wait_for_share("serviceMonitor/obs/watching/0", "watching-collector-0", &["10.1.0.1:8888"]);
}

#[test]
fn e06_scrape_classes() {
    let world = World::new("obs", &WIDE);
    world.collector("classes", "classes-collector-0", "node-1");
    let pod = world.pod("classes", include_str!("files/e06-classes.yaml")).start();
    world.apply(mk_node_job("every-node"));
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "Probe", "metadata": {"name": "blackbox"},
        "spec": {
            "jobName": "http-get", "scrapeClass": "tls-config", "interval": "60s", "module": "http_2xx",
            "prober": {"url": "blackbox.monitoring.svc:19115", "scheme": "http", "path": "/probe"},
            "targets": {"staticConfig": {"static": ["https://example.com"]}},
        },
    }));
    let pod = pod.ready();
    let jobs = ["scrapeConfig/obs/every-node", "probe/obs/blackbox"];
    for path in ["/scrape_configs", "/jobs"] {
        pod.wait_for_texts(path, &jobs);
    }
    let configs = pod.json("/scrape_configs");
    assert_eq!(configs[jobs[1]]["tls_config"]["ca_file"], "/class-ca.pem");
    assert_eq!(configs[jobs[0]]["scrape_protocols"], json!(["PrometheusText1.0.0"]));

    // a ServiceMonitor of the same class
    let labels = json!({"app": "classy"});
    world.service("classy", &labels, "metrics", "10.1.0.9", 8080);
    let mut monitor = mk_monitor("classy-monitor", &labels, json!([{"port": "metrics", "interval": "10s"}]));
    monitor["spec"]["scrapeClass"] = "tls-config".into();
    world.apply(monitor);
    let text = pod.wait_for_texts("/scrape_configs", &["classy-monitor"]);
    assert!(has_line(&text, "classy-monitor", "class-ca.pem"), "the name stands before what belongs to it: {text}");
    let configs: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(configs["serviceMonitor/obs/classy-monitor/0"]["tls_config"]["ca_file"], "/class-ca.pem");
}

#[test]
fn e06_namespaces_by_label() {
    let world = World::new("obs", &WIDE);
    world.collector("found", "found-collector-0", "node-1");
    world.label_namespace(json!({"ns-label": "e2e"}));
    let pod = world.pod("found", include_str!("files/e06-namespaces.yaml")).start().ready();
    world.apply(mk_node_job("in-a-labelled-namespace"));
    pod.wait_for_texts("/scrape_configs", &["scrapeConfig/obs/in-a-labelled-namespace"]);
    world.label_namespace(json!({}));
    pod.wait_for("/scrape_configs", |body| body.trim() == "{}");
}

#[test]
fn e09_no_files_through_monitors() {
    let world = World::new("obs", &WIDE);
    world.collector("denyfs", "denyfs-collector-0", "node-1");
    let pod = world.pod("denyfs", include_str!("files/e09-deny-fs.yaml")).start().ready();
    let labels = json!({"app": "shop"});
    world.service("shop", &labels, "metrics", "10.1.0.9", 9123);
    world.service("shop-safe", &labels, "safe-metrics", "10.1.0.9", 9124);
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let endpoints = json!([
        {"port": "metrics", "interval": "10s", "bearerTokenFile": token},
        {"port": "safe-metrics", "interval": "10s"},
    ]);
    world.apply(mk_monitor("shop", &labels, endpoints));
    let text = pod.wait_for_texts("/scrape_configs", &["safe-metrics"]);
    assert!(!text.contains("credentials_file") && !text.contains(token), "{text}");
    assert_eq!(pod.jobs(), BTreeSet::from(["serviceMonitor/obs/shop/1".to_owned()]));
    pod.wait_for_share("serviceMonitor/obs/shop/1", "denyfs-collector-0", &["10.1.0.9:9124"]);
}

#[test]
fn e10_only_its_own_namespace() {
    let world = World::confined("top-secret", &WIDE, &["obs"]);
    world.collector("watching", "watching-collector-0", "node-1");
    let pod = world.pod("own", include_str!("files/e10-allow.yaml")).arg("--zap-log-level=debug").start().ready();
    world.own_monitor("own", &pod, &json!({}));
    let job = "serviceMonitor/top-secret/own-targetallocator/0";
    pod.wait_for_texts("/scrape_configs", &[job]);
    pod.wait_for_share(job, "watching-collector-0", &[&format!("127.0.0.1:{}", pod.port)]);
    assert!(pod.log().contains("\"level\":\"debug\""));
    // it did not even try elsewhere
    let refused = world.cluster.requests().into_iter().filter(|(_, counts)| counts.refused > 0);
    assert_eq!(refused.map(|(resource, _)| resource).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn e10_all_namespaces_but_one() {
    let world = World::new("obs", &WIDE);
    world.collector("watching", "watching-collector-0", "node-1");
    let pod = world.pod("own", include_str!("files/e10-deny.yaml")).arg("--zap-log-level=debug").start().ready();
    let labels = json!({"app": "secret"});
    let mut denied = mk_monitor("own-targetallocator", &labels, json!([{"port": "targetallocation"}]));
    denied["metadata"]["namespace"] = "top-secret".into();
    world.cluster.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "top-secret"}})).unwrap();
    world.apply(denied);
    world.own_monitor("own", &pod, &json!({}));
    let text = pod.wait_for_texts("/scrape_configs", &["serviceMonitor/obs/own-targetallocator/0"]);
    assert!(!text.contains("top-secret"), "{text}");
    // both have been looked at by now, or the denied one never will be
    world.apply(mk_monitor("later", &json!({}), json!([{"port": "targetallocation"}])));
    let text = pod.wait_for_texts("/scrape_configs", &["serviceMonitor/obs/later/0"]);
    assert!(!text.contains("top-secret"), "{text}");
}

/// Names that dashboards for upstream's allocator ask for, and its suite looks for without minding what it finds. Those of
/// the process are missing: they come from /proc, which there is none of here.
const METRICS: [&str; 14] = [
    "opentelemetry_allocator_collectors_allocatable",
    "opentelemetry_allocator_collectors_discovered",
    "opentelemetry_allocator_events_total",
    "opentelemetry_allocator_http_duration_seconds_bucket",
    "opentelemetry_allocator_http_duration_seconds_count",
    "opentelemetry_allocator_http_duration_seconds_sum",
    "opentelemetry_allocator_process_target_groups_duration_seconds_bucket",
    "opentelemetry_allocator_process_targets_duration_seconds_bucket",
    "opentelemetry_allocator_targets",
    "opentelemetry_allocator_targets_per_collector",
    "opentelemetry_allocator_targets_remaining",
    "opentelemetry_allocator_targets_unassigned",
    "opentelemetry_allocator_time_to_allocate_bucket",
    "target_info",
];

#[test]
fn e11_its_own_metrics() {
    let world = World::new("obs", &WIDE);
    world.collector("simplest", "simplest-collector-0", "node-1");
    let pod = world.pod("simplest", include_str!("files/e11-metrics.yaml")).start().ready();
    world.own_monitor("simplest", &pod, &json!({}));
    let job = "serviceMonitor/obs/simplest-targetallocator/0";
    // the target that the collector is given is the very pod
    pod.wait_for_texts("/jobs", &[job]);
    pod.wait_for_share(job, "simplest-collector-0", &[&format!("127.0.0.1:{}", pod.port)]);
    let text = pod.get("/metrics").1;
    let names: BTreeSet<&str> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()).collect();
    let missing: Vec<&&str> = METRICS.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
}

#[test]
fn e21_its_own_job_beside_others() {
    let (role, later_kinds) = WIDE.split_at(11);
    assert_eq!(later_kinds, ["scrapeconfigs", "probes"], "an older role, which knows no such kinds");
    let world = World::new("obs", role);
    world.collector("simplest", "simplest-collector-0", "node-1");
    let pod = world.pod("simplest", include_str!("files/e21-monitors.yaml")).start().ready();
    world.own_monitor("simplest", &pod, &json!({}));
    pod.wait_for_texts("/jobs", &["serviceMonitor/obs/simplest-targetallocator/0"]);
}
