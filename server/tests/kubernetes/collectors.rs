//! Collectors are pods.

use serde_json::json;

use crate::support::{NAMESPACE, STATIC_JOB, World, mk_collector, now, shares, wait_for_collectors};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_come_and_go() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.collector("c-1", "n1");
    // pods that are no collectors: not selected, elsewhere, without a node
    let mut other = mk_collector("other", "n0");
    other["metadata"]["labels"]["app"] = "web".into();
    let mut elsewhere = mk_collector("elsewhere", "n0");
    elsewhere["metadata"]["namespace"] = "shop".into();
    let mut pending = mk_collector("pending", "");
    pending["spec"].as_object_mut().unwrap().remove("nodeName");
    for pod in [other, elsewhere, pending] {
        world.cluster.apply(pod).unwrap();
    }
    let running = world.start(STATIC_JOB).await.ready().await;
    wait_for_collectors(&running, "fixed", &["c-0", "c-1"]).await;
    assert_eq!(shares(&running, "fixed", &["c-0", "c-1"]).await.iter().sum::<usize>(), 6);

    world.collector("c-2", "n2");
    wait_for_collectors(&running, "fixed", &["c-0", "c-1", "c-2"]).await;
    assert_eq!(shares(&running, "fixed", &["c-0", "c-1", "c-2"]).await.iter().sum::<usize>(), 6);
    world.delete_pod("c-0");
    wait_for_collectors(&running, "fixed", &["c-1", "c-2"]).await;
    assert_eq!(shares(&running, "fixed", &["c-0", "c-1", "c-2"]).await[0], 0);

    let metrics = running.get("/metrics").await.1;
    assert!(metrics.contains("opentelemetry_allocator_collectors_discovered{otel_scope_name=\"targetallocator\""));
    let watches = running.json("/debug/watches").await;
    let watch = &watches.as_array().unwrap()[0];
    assert_eq!((&watch["resource"], &watch["namespace"]), (&json!("pods"), &json!(NAMESPACE)));
    assert_eq!((&watch["label_selector"], &watch["objects"]), (&json!("app=collector"), &json!(3)));
    assert_eq!((&watch["state"], &watch["synced"]), (&json!("watching"), &json!(true)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_moves_takes_its_nodes_targets_along() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    let job = "\
allocation_strategy: per-node
config:
  scrape_configs:
  - job_name: fixed
    static_configs:
    - {targets: ['a:1'], labels: {__meta_kubernetes_pod_node_name: n0}}
    - {targets: ['b:1'], labels: {__meta_kubernetes_pod_node_name: n1}}
";
    let running = world.start(job).await.ready().await;
    let share = "/jobs/fixed/targets?collector_id=c-0";
    assert!(running.get(share).await.1.contains("a:1"));
    world.collector("c-0", "n1");
    running.wait_for(share, |_, body| body.contains("b:1") && !body.contains("a:1")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_ready_keeps_its_targets_for_the_grace_period() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.collector("c-1", "n1");
    let running = world.start(&format!("collector_not_ready_grace_period: 2s\n{STATIC_JOB}")).await.ready().await;
    let mut unready = mk_collector("c-0", "n0");
    unready["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": now()}]);
    world.cluster.apply(unready).unwrap();
    // nothing else happens: the program has to look at the clock
    wait_for_collectors(&running, "fixed", &["c-1"]).await;
    world.collector("c-0", "n0");
    wait_for_collectors(&running, "fixed", &["c-0", "c-1"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_being_deleted_is_a_collector_or_not_as_configured() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    let mut terminating = mk_collector("c-1", "n1");
    terminating["metadata"]["deletionTimestamp"] = json!(now());
    world.cluster.apply(terminating).unwrap();
    let running = world.start(STATIC_JOB).await.ready().await;
    wait_for_collectors(&running, "fixed", &["c-0"]).await;
    running.stop().await;
    let keep = format!("collectors: {{terminating: keep}}\n{STATIC_JOB}");
    let running = world.start(&keep).await.ready().await;
    wait_for_collectors(&running, "fixed", &["c-0", "c-1"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_selector_every_pod_but_the_allocators_is_a_collector() {
    let world = World::new().await;
    for (name, app) in [("ta-1", "ta"), ("ta-2", "ta"), ("web", "web")] {
        let mut pod = mk_collector(name, "n0");
        pod["metadata"]["labels"] = json!({"app": app, "pod-template-hash": name});
        world.cluster.apply(pod).unwrap();
    }
    let running = world.start_in(STATIC_JOB, &[("HOSTNAME", "ta-1")]).await.ready().await;
    wait_for_collectors(&running, "fixed", &["web"]).await;
    running.stop().await;
    let running = world.start_in(STATIC_JOB, &[("HOSTNAME", "a-node"), ("POD_NAME", "ta-2")]).await.ready().await;
    wait_for_collectors(&running, "fixed", &["web"]).await;
    running.stop().await;
}
