//! What the API server does to its clients, and what collectors notice of it: nothing.

use ta_loadgen::cluster::{Fault, FaultKind};

use crate::support::{STATIC_JOB, World, wait_for_collectors};

/// A job whose targets are the services of the cluster.
const SERVICES_JOB: &str = "  - {job_name: services, kubernetes_sd_configs: [{role: service}]}\n";

fn mk_service(name: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": name},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    })
}

fn mk_jobs() -> String {
    format!("{STATIC_JOB}{SERVICES_JOB}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_at_start_is_waited_for() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.down().await;
    let running = world.start(STATIC_JOB).await;
    running.wait_for("/debug/watches", |_, body| body.contains("\"state\":\"failing\"")).await;
    assert_eq!(running.get("/livez").await.0, 200);
    for path in ["/readyz", "/scrape_configs", "/jobs/fixed/targets?collector_id=c-0"] {
        assert_eq!(running.get(path).await.0, 503, "{path}");
    }
    world.cluster.up().await;
    let running = running.ready().await;
    assert_eq!(running.share("fixed", "c-0").await.len(), 6);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_cap_jobs_are_served_and_shares_are_not_said_to_be_empty() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.down().await;
    let running = world.start_with_cap("500ms", STATIC_JOB).await.ready().await;
    assert!(running.json("/scrape_configs").await["fixed"].is_object());
    assert_eq!(running.get("/jobs/fixed/targets?collector_id=c-0").await.0, 503);
    world.cluster.up().await;
    running.wait_for("/jobs/fixed/targets?collector_id=c-0", |status, _| status == 200).await;
    assert_eq!(running.share("fixed", "c-0").await.len(), 6);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_takes_nothing_along() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.collector("c-1", "n1");
    world.cluster.apply(mk_service("web")).unwrap();
    let running = world.start(&mk_jobs()).await.ready().await;
    wait_for_collectors(&running, "services", &["c-0", "c-1"]).await;
    running.wait_for("/jobs/services/targets", |_, body| body.contains("web.shop.svc:80")).await;
    let before = (running.get("/jobs/fixed/targets").await, running.get("/jobs/services/targets").await);

    world.cluster.down().await;
    // all watches have noticed, and tried in vain
    running
        .wait_for("/debug/watches", |_, body| {
            let watches: serde_json::Value = serde_json::from_str(body).unwrap();
            watches.as_array().unwrap().iter().all(|watch| watch["state"] == "failing")
        })
        .await;
    assert_eq!(running.get("/readyz").await.0, 200);
    let after = (running.get("/jobs/fixed/targets").await, running.get("/jobs/services/targets").await);
    assert_eq!(before, after);

    // what happened meanwhile is found out, deletions too
    world.delete_pod("c-0");
    world.collector("c-2", "n2");
    world.cluster.apply(mk_service("shop")).unwrap();
    assert!(world.cluster.delete("services", "shop", "web"));
    world.cluster.compact();
    world.cluster.up().await;
    wait_for_collectors(&running, "fixed", &["c-1", "c-2"]).await;
    running
        .wait_for("/jobs/services/targets", |_, body| body.contains("shop.shop.svc:80") && !body.contains("web.shop"))
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_that_must_not_be_listed_hold_nothing_up_and_lose_nothing() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.faults().add(Fault::new("pods", FaultKind::Forbidden));
    // the caps are 50 s
    let running = world.start(STATIC_JOB).await.ready().await;
    assert!(running.json("/scrape_configs").await["fixed"].is_object());
    assert_eq!(running.get("/jobs/fixed/targets?collector_id=c-0").await.0, 503);
    assert!(running.get("/debug/watches").await.1.contains("\"state\":\"forbidden\""));
    assert!(running.get("/").await.1.contains("watches of Kubernetes are failing"));
    world.cluster.faults().clear("pods");
    running.wait_for("/jobs/fixed/targets?collector_id=c-0", |status, _| status == 200).await;
    assert_eq!(running.share("fixed", "c-0").await.len(), 6);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_read_costs_only_the_job_that_asks_for_it() {
    let world = World::new().await;
    world.collector("c-0", "n0");
    world.cluster.apply(mk_service("web")).unwrap();
    world.cluster.faults().add(Fault::new("services", FaultKind::Forbidden));
    let running = world.start_with_cap("500ms", &mk_jobs()).await.ready().await;
    running.wait_for("/jobs/fixed/targets?collector_id=c-0", |status, _| status == 200).await;
    assert_eq!(running.share("fixed", "c-0").await.len(), 6);
    assert_eq!(running.get("/jobs/services/targets?collector_id=c-0").await.0, 503);
    assert!(running.json("/scrape_configs").await["services"].is_object());
    world.cluster.faults().clear("services");
    running.wait_for("/jobs/services/targets?collector_id=c-0", |status, _| status == 200).await;
    assert_eq!(running.share("services", "c-0").await, ["web.shop.svc:80".to_owned()].into());
    // and taken away again it costs nobody anything
    world.cluster.faults().add(Fault::new("services", FaultKind::Forbidden));
    world.cluster.break_watches("services");
    running.wait_for("/debug/watches", |_, body| body.contains("\"state\":\"forbidden\"")).await;
    assert_eq!(running.share("services", "c-0").await.len(), 1);
    running.stop().await;
}
