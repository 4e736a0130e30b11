//! Thousands of monitors: how long until ready, what an edit costs, what it does not.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::program::Running;
use crate::world::{World, mk_slice};

const MONITORS: usize = 2_000;
const NAMESPACES: usize = 200;
const SECRETS: usize = 500;
const EDITS: usize = 100;

const CONFIG: &str = "collector_namespace: ns-0\nallow_insecure_auth_secrets: true\n\
                      prometheus_cr: {enabled: true, service_monitor_selector: {}}\n";

fn namespace(number: usize) -> String {
    format!("ns-{}", number % NAMESPACES)
}

/// A monitor of one Service; the first [`SECRETS`] scrape with a password of their own.
fn mk_monitor(number: usize, path: &str) -> Json {
    let mut endpoint = json!({"port": "web", "path": path, "interval": "30s", "relabelings": [
        {"action": "replace", "sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"},
    ]});
    if number < SECRETS {
        let key = |key: &str| json!({"name": format!("secret-{number}"), "key": key});
        endpoint["basicAuth"] = json!({"username": key("user"), "password": key("password")});
    }
    json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
        "metadata": {"name": format!("monitor-{number}"), "namespace": namespace(number), "labels": {"team": "a"}},
        "spec": {"selector": {"matchLabels": {"app": format!("app-{number}")}}, "endpoints": [endpoint]},
    })
}

fn populate(world: &World) {
    for number in 0..NAMESPACES {
        world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number)}}));
    }
    for number in 0..MONITORS {
        let (namespace, name) = (namespace(number), format!("app-{number}"));
        let labels = json!({"app": name});
        world.apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"ports": [{"name": "web", "port": 80}]},
        }));
        world.apply(mk_slice(&namespace, &name, &labels, "web", 80));
        world.apply(mk_monitor(number, "/metrics"));
        if number < SECRETS {
            world.apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("secret-{number}"), "namespace": namespace},
                "stringData": {"user": "u", "password": "p"},
            }));
        }
    }
}

/// Resident bytes of this process, the simulated cluster included.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

async fn translations(running: &Running) -> u64 {
    running.json("/debug/monitors?per_page=1").await["translations"].as_u64().unwrap()
}

/// From an edit to its being served. Asks for the one job only: all of them are megabytes.
async fn edit(world: &World, running: &Running, number: usize, path: &str) -> Duration {
    let job = format!("serviceMonitor/{}/monitor-{number}/0", namespace(number));
    let begun = Instant::now();
    world.apply(mk_monitor(number, path));
    running.wait_for(&format!("/debug/scrape_configs?job={job}"), |_, body| body.contains(path)).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo test --release -p ta-server --test resources -- --ignored --nocapture"]
async fn two_thousand_monitors() {
    let world = World::new().await;
    populate(&world);
    let (before, begun) = (resident(), Instant::now());
    let running = world.start(CONFIG).await;
    running.wait_for("/debug/monitors?per_page=1", |_, body| body.contains("\"published\":true")).await;
    let listed = begun.elapsed();
    let running = running.ready().await;
    let ready = begun.elapsed();
    assert_eq!(running.json("/jobs").await.as_object().unwrap().len(), MONITORS);
    let memory = resident().saturating_sub(before) >> 20;
    let first = translations(&running).await;

    let mut took = Vec::new();
    for number in 0..EDITS {
        took.push(edit(&world, &running, number * (MONITORS / EDITS), &format!("/edit-{number}")).await);
    }
    took.sort();
    let edited = translations(&running).await - first;
    let (median, p99) = (took[EDITS / 2], took[EDITS * 99 / 100]);
    println!(
        "{MONITORS} monitors in {NAMESPACES} namespaces, {SECRETS} secrets: jobs after {listed:?}, ready after {ready:?}, {memory} MiB more, {first} \
         translations; an edit is served in {median:?} (p99 {p99:?}), {EDITS} edits cost {edited} translations"
    );
    assert_eq!((first, edited), (MONITORS as u64, EDITS as u64), "nobody else is translated again");
    running.stop().await;
}
