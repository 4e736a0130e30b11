//! `kubernetes_sd_configs` in all roles.

use serde_json::{Value, json};

use crate::acceptance::{allocator, eventually, free_port, get_json, wait_ready};
use crate::cluster::{Cluster, NAMESPACE};
use crate::objects::{mk_endpoints, mk_ingress, mk_node, mk_pod, mk_service, mk_slice};
use crate::{addresses, all_rules, set, write_config};

const COLLECTORS: [&str; 1] = ["collector-0"];
const PORTS: [(&str, u16); 1] = [("http", 8080)];

/// Makes the shop: a service `web` over the pods given, described both ways.
pub(crate) fn mk_shop(cluster: &Cluster, pods: &[(&str, &str)]) {
    cluster.create("/api/v1/nodes", &mk_node("node-a", "192.0.2.1"));
    cluster.create("/api/v1/namespaces", &json!({"metadata": {"name": "shop"}}));
    let labels = json!({"app": "web"});
    for (name, ip) in pods {
        cluster.create("/api/v1/namespaces/shop/pods", &mk_pod(name, &labels, "node-a", ip, &PORTS));
    }
    cluster.create("/api/v1/namespaces/shop/services", &mk_service("web", &labels, &[("http", 80)]));
    cluster.create("/api/v1/namespaces/shop/endpoints", &mk_endpoints("web", "shop", pods, &PORTS));
    let slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
    cluster.create(slices, &mk_slice("web", "shop", pods, &PORTS));
    cluster.create("/apis/networking.k8s.io/v1/namespaces/shop/ingresses", &mk_ingress("front", "shop.example"));
}

/// One job for each role, in namespace `shop`.
pub(crate) fn role_jobs() -> Value {
    let job = |role: &str| json!({"job_name": role, "kubernetes_sd_configs": [{"role": role, "namespaces": {"names": ["shop"]}}]});
    let roles = ["node", "service", "pod", "endpoints", "endpointslice", "ingress"];
    json!({"config": {"scrape_configs": roles.map(job)}})
}

pub(crate) fn add_collector(cluster: &Cluster) {
    let pod = mk_pod("collector-0", &json!({"app": "collector"}), "node-a", "10.1.0.1", &[]);
    cluster.create(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), &pod);
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn every_role_finds_its_targets_and_follows_changes() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path());
    cluster.grant("reader", &all_rules());
    mk_shop(&cluster, &[("web-0", "10.2.0.1"), ("web-1", "10.2.0.2")]);
    add_collector(&cluster);
    let kubeconfig = cluster.kubeconfig("one");
    let port = free_port();
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, role_jobs()));
    wait_ready(port);

    let expect = |job: &str, wanted: &[&str]| {
        eventually(&format!("{job} has {wanted:?}"), || {
            let now = addresses(port, job, &COLLECTORS)?;
            if now == set(wanted) { Ok(()) } else { Err(format!("{now:?}")) }
        });
    };
    expect("node", &["192.0.2.1:10250"]);
    expect("service", &["web.shop.svc:80"]);
    for role in ["pod", "endpoints", "endpointslice"] {
        expect(role, &["10.2.0.1:8080", "10.2.0.2:8080"]);
    }
    expect("ingress", &["shop.example"]);

    let groups = get_json(port, "/jobs/endpointslice/targets?collector_id=collector-0").unwrap();
    let labels = &groups[0]["labels"];
    for (name, value) in [
        ("__meta_kubernetes_namespace", "shop"),
        ("__meta_kubernetes_service_name", "web"),
        ("__meta_kubernetes_pod_node_name", "node-a"),
        ("__meta_kubernetes_pod_container_port_name", "http"),
        ("__meta_kubernetes_pod_label_app", "web"),
    ] {
        assert_eq!(labels[name], value, "{name}: {labels}");
    }

    // a pod is replaced; a service gets a port; an ingress and a node go
    let shop = "/api/v1/namespaces/shop";
    cluster.delete(&format!("{shop}/pods/web-1"));
    cluster.create(&format!("{shop}/pods"), &mk_pod("web-2", &json!({"app": "web"}), "node-a", "10.2.0.3", &PORTS));
    let now = [("web-0", "10.2.0.1"), ("web-2", "10.2.0.3")];
    cluster.patch(&format!("{shop}/endpoints/web"), &mk_endpoints("web", "shop", &now, &PORTS));
    let slice = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web-abcde";
    cluster.patch(slice, &mk_slice("web", "shop", &now, &PORTS));
    let ports = json!({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]}});
    cluster.patch(&format!("{shop}/services/web"), &ports);
    cluster.delete("/apis/networking.k8s.io/v1/namespaces/shop/ingresses/front");
    cluster.delete("/api/v1/nodes/node-a");
    for role in ["pod", "endpoints", "endpointslice"] {
        expect(role, &["10.2.0.1:8080", "10.2.0.3:8080"]);
    }
    expect("service", &["web.shop.svc:80", "web.shop.svc:9090"]);
    expect("ingress", &[]);
    expect("node", &[]);
}
