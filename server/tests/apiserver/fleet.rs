//! Collectors are pods.

use serde_json::{Value, json};

use crate::acceptance::{allocator, eventually, free_port, get, wait_ready};
use crate::cluster::{Cluster, NAMESPACE};
use crate::objects::{mk_pod, mk_pod_status};
use crate::{addresses, all_rules, set, shares, write_config};

const TARGETS: [&str; 6] = ["10.9.0.1:80", "10.9.0.2:80", "10.9.0.3:80", "10.9.0.4:80", "10.9.0.5:80", "10.9.0.6:80"];
const ALL: [&str; 3] = ["collector-0", "collector-1", "collector-2"];

fn pods() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods")
}

fn add_collector(cluster: &Cluster, number: usize) {
    let ip = format!("10.1.0.{number}");
    let labels = json!({"app": "collector"});
    cluster.create(&pods(), &mk_pod(ALL[number], &labels, &format!("node-{number}"), &ip, &[]));
}

fn static_job() -> Value {
    json!({"config": {"scrape_configs": [{"job_name": "static", "static_configs": [{"targets": TARGETS}]}]}})
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn collectors_come_and_go_and_most_targets_stay() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path());
    cluster.grant("reader", &all_rules());
    let kubeconfig = cluster.kubeconfig("one");
    add_collector(&cluster, 0);
    add_collector(&cluster, 1);
    cluster.create(&pods(), &mk_pod("bystander", &json!({"app": "shop"}), "node-0", "10.1.0.9", &[]));
    let port = free_port();
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, static_job()));
    wait_ready(port);

    let two = eventually("two collectors share the six", || {
        let shares = shares(port, "static", &ALL)?;
        let all = addresses(port, "static", &ALL)?;
        (all == set(&TARGETS) && shares.len() == 2).then_some(shares.clone()).ok_or_else(|| format!("{shares:?}"))
    });

    add_collector(&cluster, 2);
    eventually("the third is known, nothing is lost, at least half stay", || {
        let now = shares(port, "static", &ALL)?;
        let page = get(port, "/debug/collector?collector_id=collector-2")?.0;
        let stayed: usize =
            two.iter().map(|(name, had)| now.get(name).map_or(0, |has| has.intersection(had).count())).sum();
        let all = addresses(port, "static", &ALL)? == set(&TARGETS);
        (page == 200 && all && stayed >= 3).then_some(()).ok_or_else(|| format!("{now:?}"))
    });

    // not ready for longer than the grace period: it loses its targets
    let status = json!({"status": mk_pod_status("10.1.0.0", false)});
    cluster.patch(&format!("{}/collector-0/status", pods()), &status);
    eventually("a collector that is not ready has no targets", || {
        let now = shares(port, "static", &ALL)?;
        let all = addresses(port, "static", &ALL)? == set(&TARGETS);
        (all && !now.contains_key("collector-0")).then_some(()).ok_or_else(|| format!("{now:?}"))
    });
    cluster.patch(&format!("{}/collector-0/status", pods()), &json!({"status": mk_pod_status("10.1.0.0", true)}));
    cluster.delete(&format!("{}/collector-1", pods()));
    cluster.delete(&format!("{}/collector-2", pods()));
    eventually("the only one left has all", || {
        let now = shares(port, "static", &ALL)?;
        (now.len() == 1 && now.get("collector-0") == Some(&set(&TARGETS)))
            .then_some(())
            .ok_or_else(|| format!("{now:?}"))
    });
}
