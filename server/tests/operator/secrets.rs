//! Secrets that resources refer to: followed, and shown to whom they are meant for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::pki::Authority;
use crate::pod::Pod;
use crate::world::{WIDE, World};

const JOB: &str = "serviceMonitor/obs/shop/0";
/// How a masked secret is written in JSON.
const MASKED: &str = "\\u003csecret\\u003e";

/// A Service, and a ServiceMonitor that logs in with user and password of a Secret.
pub(crate) fn add_shop(world: &World, address: &str, port: u16) {
    let labels = json!({"app": "shop"});
    world.service("shop", &labels, "metrics", address, port);
    let key = |key: &str| json!({"name": "shop-login", "key": key});
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "shop", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "endpoints": [{"port": "metrics", "interval": "10s",
                "basicAuth": {"username": key("username"), "password": key("password")}}],
        },
    }));
}

pub(crate) fn add_login(world: &World, user: &str, password: &str) {
    world.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-login"}, "type": "Opaque",
        "stringData": {"username": user, "password": password},
    }));
}

#[test]
fn e07_a_secret_that_changes_and_goes() {
    let world = World::new("obs", &WIDE);
    world.collector("secrets", "secrets-collector-0", "node-1");
    let mut pod = world.pod("secrets", include_str!("files/e07-secrets.yaml")).start().ready();
    add_login(&world, "user", "t0p$ecreT");
    add_shop(&world, "10.1.0.9", 9123);
    let text = pod.wait_for_texts("/scrape_configs", &[JOB, "basic_auth", "\"username\":\"user\""]);
    assert!(text.contains(MASKED) && !text.contains("t0p"), "{text}");

    add_login(&world, "newuser", "newP@ssw0rd");
    let text = pod.wait_for_texts("/scrape_configs", &[JOB, "basic_auth", "\"username\":\"newuser\""]);
    assert!(text.contains(MASKED) && !text.contains("newP@"), "{text}");

    world.delete("secrets", "shop-login");
    // noticed: the page for people says why there is no job any more
    pod.wait_for_texts("/debug/monitors?q=shop", &["missing_reference"]);
    assert_eq!((pod.get("/readyz").0, pod.get("/livez").0), (200, 200));
    assert!(pod.is_running());
}

#[test]
fn e08_real_passwords_over_plain_http_if_the_user_insists() {
    let world = World::new("obs", &WIDE);
    world.collector("insecure", "insecure-collector-0", "node-1");
    let pod = world.pod("insecure", include_str!("files/e08-insecure.yaml")).start().ready();
    add_login(&world, "user", "t0p$ecreT");
    add_shop(&world, "10.1.0.9", 9123);
    let text = pod.wait_for_texts("/scrape_configs", &["t0p"]);
    let configs: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(configs[JOB]["basic_auth"], json!({"username": "user", "password": "t0p$ecreT"}));
}

/// Metrics of kubelets through the API server's proxy, with the token of another service account.
fn mk_proxied_nodes() -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "ScrapeConfig", "metadata": {"name": "proxied-nodes"},
        "spec": {
            "kubernetesSDConfigs": [{"role": "Node"}],
            "relabelings": [
                {"action": "labelmap", "regex": "__meta_kubernetes_node_label_(.+)", "replacement": "$1", "separator": ";"},
                {"action": "replace", "regex": "(.*)", "replacement": "kubernetes.default.svc:443", "separator": ";",
                    "targetLabel": "__address__"},
                {"action": "replace", "regex": "(.+)", "replacement": "/api/v1/nodes/$1/proxy/metrics", "separator": ";",
                    "sourceLabels": ["__meta_kubernetes_node_name"], "targetLabel": "__metrics_path__"},
            ],
            "scheme": "HTTPS",
            "authorization": {"type": "Bearer", "credentials": {"name": "scraper-token", "key": "token"}},
            "tlsConfig": {"ca": {"secret": {"name": "scraper-token", "key": "ca.crt"}}, "insecureSkipVerify": false},
        },
    })
}

#[test]
fn e15_nodes_by_the_token_of_a_secret() {
    let world = World::new("obs", &WIDE);
    world.collector("nodes", "nodes-collector-0", "node-1");
    let (ca, cluster_ca) = (Authority::new("nodes-ca-cert"), Authority::new("the cluster").pem.cert);
    let server = ca.issue_for("nodes-targetallocator", 2025);
    let pod = world.pod("nodes", include_str!("files/e15-nodes.yaml")).tls_secret(&ca, &server).start().ready();
    world.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "scraper-token"},
        "type": "kubernetes.io/service-account-token", "stringData": {"token": "t0k3n-of-a-scraper", "ca.crt": cluster_ca},
    }));
    world.apply(mk_proxied_nodes());
    let job = "scrapeConfig/obs/proxied-nodes";
    let masked = pod.wait_for_texts("/scrape_configs", &[job]);
    pod.wait_for_texts("/jobs", &[job]);
    assert!(masked.contains(MASKED) && !masked.contains("t0k3n"), "{masked}");

    let revealed = over_mtls(&pod, "nodes-targetallocator", &ca, "/scrape_configs");
    let config = &serde_json::from_str::<Value>(&revealed).unwrap()[job];
    assert_eq!(config["authorization"], json!({"type": "Bearer", "credentials": "t0k3n-of-a-scraper"}));
    assert_eq!((&config["scheme"], &config["tls_config"]["ca"]), (&json!("https"), &json!(cluster_ca)));

    // after relabelling all three have one address: the path keeps them apart, and the collector relabels again
    let addresses = ["192.0.2.1:10250", "192.0.2.2:10250", "192.0.2.3:10250"];
    pod.wait_for_share(job, "nodes-collector-0", &addresses);
    let names = pod
        .groups(job, "nodes-collector-0")
        .into_iter()
        .map(|group| group["labels"]["__meta_kubernetes_node_name"].clone());
    let names: BTreeSet<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(names, BTreeSet::from(["node-1", "node-2", "node-3"].map(str::to_owned)));
}

/// What a client of the CA gets at the Service's HTTPS port.
pub(crate) fn over_mtls(pod: &Pod, service: &str, ca: &Authority, path: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let client = ca.client();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key, ca) = (file("tls.crt", &client.cert), file("tls.key", &client.key), file("ca.crt", &ca.pem.cert));
    let args = ["--cert", &cert, "--key", &key, "--cacert", &ca];
    pod.curl(&format!("https://{service}:443{path}"), &args).unwrap()
}
