//! `kubernetes_sd_configs`, from objects to answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::program::Running;
use crate::support::World;

/// Something of every kind.
fn mk_objects() -> Value {
    json!({"items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "sales"}}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n0", "labels": {"zone": "a"}},
         "status": {"addresses": [{"type": "InternalIP", "address": "10.9.0.1"}],
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
         "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web-0", "labels": {"app": "web"}},
         "spec": {"nodeName": "n0", "containers": [{"name": "web", "image": "web:1",
                  "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
         "status": {"phase": "Running", "podIP": "10.2.0.1", "hostIP": "10.9.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}]}},
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"namespace": "shop", "name": "web"},
         "subsets": [{"addresses": [{"ip": "10.2.0.1", "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0"}}],
                      "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}]},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"namespace": "shop", "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
         "endpoints": [{"addresses": ["10.2.0.1"], "conditions": {"ready": true}, "nodeName": "n0",
                        "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0"}}],
         "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"namespace": "shop", "name": "web"},
         "spec": {"rules": [{"host": "shop.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                  "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}},
    ]})
}

const ROLES: [&str; 6] = ["node", "service", "pod", "endpoints", "endpointslice", "ingress"];

/// Not where the collectors are, so that each job has one target.
const IN_SHOP: &str = ", namespaces: {names: [shop]}";

/// A job per role, called like it, `copies` times.
fn mk_jobs(copies: usize, more: &str) -> String {
    let mut text = "config:\n  scrape_configs:\n".to_owned();
    for copy in 0..copies {
        for role in ROLES {
            let name = if copy == 0 { role.to_owned() } else { format!("{role}-{copy}") };
            text.push_str(&format!("  - job_name: {name}\n    kubernetes_sd_configs: [{{role: {role}{more}}}]\n"));
        }
    }
    text
}

async fn labels(running: &Running, job: &str) -> BTreeMap<String, String> {
    let groups = running.json(&format!("/jobs/{job}/targets?collector_id=c-0")).await;
    let [group] = &groups.as_array().unwrap()[..] else { panic!("{job}: {groups}") };
    serde_json::from_value(group["labels"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_is_served() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.apply(mk_objects()).unwrap();
    let running = world.start(&mk_jobs(1, IN_SHOP)).await.ready().await;
    for (job, address, label, value) in [
        ("node", "10.9.0.1:10250", "__meta_kubernetes_node_label_zone", "a"),
        ("service", "web.shop.svc:80", "__meta_kubernetes_service_cluster_ip", "10.0.0.1"),
        ("pod", "10.2.0.1:8080", "__meta_kubernetes_pod_label_app", "web"),
        ("endpoints", "10.2.0.1:8080", "__meta_kubernetes_pod_name", "web-0"),
        ("endpointslice", "10.2.0.1:8080", "__meta_kubernetes_endpointslice_name", "web-x"),
        ("ingress", "shop.example", "__meta_kubernetes_ingress_path", "/"),
    ] {
        let labels = labels(&running, job).await;
        assert_eq!(labels["__address__"], address, "{job}");
        assert_eq!(labels.get(label).map(String::as_str), Some(value), "{job}: {labels:?}");
    }

    // a change of an object that is only looked up reaches the target
    let mut pod = world.cluster.get("pods", "shop", "web-0").unwrap();
    pod["metadata"]["labels"]["app"] = "shop".into();
    world.cluster.apply(pod).unwrap();
    for job in ["pod", "endpoints", "endpointslice"] {
        let path = format!("/jobs/{job}/targets?collector_id=c-0");
        running.wait_for(&path, |_, body| body.contains("\"__meta_kubernetes_pod_label_app\":\"shop\"")).await;
    }
    assert!(world.cluster.delete("nodes", "", "n0"));
    running.wait_for("/jobs/node/targets?collector_id=c-0", |_, body| body == "[]\n").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_jobs_open_as_many_watches_as_one() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.apply(mk_objects()).unwrap();
    let running = world.start(&mk_jobs(20, "")).await.ready().await;
    let watches = running.json("/debug/watches").await;
    let resources: Vec<&str> =
        watches.as_array().unwrap().iter().map(|watch| watch["resource"].as_str().unwrap()).collect();
    let mut sorted = resources.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "endpoints",
            "endpointslices.discovery.k8s.io",
            "ingresses.networking.k8s.io",
            "nodes",
            "pods", // those of all namespaces
            "pods", // the collectors
            "services"
        ]
    );
    assert!(labels(&running, "endpointslice-19").await.contains_key("__meta_kubernetes_endpointslice_name"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_an_odd_shape_costs_no_other_one() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.apply(mk_objects()).unwrap();
    let odd = [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "odd-0"}, "spec": 7}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "odd-1", "labels": null}, "status": null}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "obs", "name": "odd-2", "labels": {"app": "collector"}},
               "spec": {"nodeName": ["n0"]}}),
    ];
    for object in odd {
        world.cluster.apply(object).unwrap();
    }
    let running = world.start(&mk_jobs(1, IN_SHOP)).await.ready().await;
    assert_eq!(labels(&running, "pod").await["__address__"], "10.2.0.1:8080");
    let watches = running.json("/debug/watches").await;
    let undecodable = |watch: &Value| watch["undecodable"].as_u64().unwrap();
    assert!(
        watches
            .as_array()
            .unwrap()
            .iter()
            .filter(|watch| watch["resource"] == "pods")
            .all(|watch| undecodable(watch) > 0)
    );
    running.stop().await;
}
