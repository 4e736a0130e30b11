//! Installed by kustomize, without an operator.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::acceptance::eventually;
use crate::pod::Pod;
use crate::world::{World, mk_pod};

/// What the base's ClusterRole grants, as far as there is something like it here. Of ConfigMaps it grants `get` alone,
/// which nothing here needs.
const ROLE: [&str; 10] = [
    "servicemonitors",
    "podmonitors",
    "probes",
    "scrapeconfigs",
    "namespaces",
    "nodes",
    "services",
    "endpoints",
    "pods",
    "endpointslices",
];

const TARGETS: [&str; 6] =
    ["target-a:8080", "target-b:8080", "target-c:8080", "target-d:8080", "target-e:8080", "target-f:8080"];

fn add_collector(world: &World, number: usize) {
    world.apply(mk_pod(&format!("collector-{number}"), &json!({"app": "otel-collector"}), "node-1"));
}

/// The address of each target, and the collector that has it; once all six are with the first `count` collectors.
fn wait_for_all(pod: &Pod, count: usize) -> BTreeMap<String, usize> {
    eventually("all six are assigned, each once", || {
        let mut owners = BTreeMap::new();
        for collector in 0..count {
            for address in pod.share("test-targets", &format!("collector-{collector}")) {
                assert_eq!(owners.insert(address, collector), None, "in two shares");
            }
        }
        if owners.keys().eq(TARGETS) { Ok(owners) } else { Err(format!("{owners:?}")) }
    })
}

#[test]
fn e22_a_fleet_that_grows_and_shrinks() {
    let world = World::new("obs", &ROLE);
    let pod = world.pod("standalone", include_str!("files/e22-standalone.yaml")).start().ready();
    (0..2).for_each(|number| add_collector(&world, number));
    let of_two = wait_for_all(&pod, 2);

    add_collector(&world, 2);
    pod.wait_for_texts("/jobs/test-targets/targets", &["collector-2"]);
    let of_three = wait_for_all(&pod, 3);
    let stayed = of_two.iter().filter(|(address, owner)| of_three[*address] == **owner).count();
    assert!(stayed >= 3, "{stayed} stayed: {of_two:?} {of_three:?}");

    world.delete("pods", "collector-2");
    pod.wait_for("/jobs/test-targets/targets", |body| !body.contains("collector-2"));
    assert_eq!(wait_for_all(&pod, 2), of_two, "as before");
    assert_eq!(pod.share("test-targets", "collector-2"), BTreeSet::new());

    for path in ["/jobs", "/scrape_configs"] {
        assert!(pod.get(path).1.contains("test-targets"), "{path}");
    }
    for probe in ["/livez", "/readyz"] {
        assert_eq!(pod.get(probe).0, 200, "{probe}");
    }
    let (status, body) = pod.get("/jobs/test-targets/targets?collector_id=nonexistent");
    assert_eq!((status, body.trim()), (200, "[]"));
}

#[test]
fn e23_resources_that_were_there_first() {
    let world = World::new("obs", &ROLE);
    let labels = json!({"app": "metrics-app"});
    world.apply(mk_pod("metrics-app-0", &labels, "node-2"));
    world.service("metrics-app", &labels, "metrics", "10.1.0.1", 9123);
    let metadata = |suffix: &str| json!({"name": format!("metrics-app-{suffix}")});
    let selector = json!({"matchLabels": labels});
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata("sm"),
        "spec": {"selector": selector, "endpoints": [{"port": "metrics"}]},
    }));
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata("pm"),
        "spec": {"selector": selector, "podMetricsEndpoints": [{"port": "metrics"}]},
    }));
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "ScrapeConfig", "metadata": metadata("sc"),
        "spec": {"staticConfigs": [{"targets": ["metrics-app:9123"]}]},
    }));
    let pod = world.pod("standalone", include_str!("files/e23-resources.yaml")).start().ready();
    add_collector(&world, 0);
    let jobs =
        ["serviceMonitor/obs/metrics-app-sm/0", "podMonitor/obs/metrics-app-pm/0", "scrapeConfig/obs/metrics-app-sc"];
    assert_eq!(pod.jobs(), jobs.map(str::to_owned).into(), "from the first answer on");
    for (job, address) in jobs.iter().zip(["10.1.0.1:9123", "10.1.0.1:9123", "metrics-app:9123"]) {
        pod.wait_for_share(job, "collector-0", &[address]);
    }
    world.delete("servicemonitors", "metrics-app-sm");
    pod.wait_for("/scrape_configs", |body| !body.contains(jobs[0]));
    assert_eq!(pod.jobs(), [jobs[1], jobs[2]].map(str::to_owned).into());
}
