//! prometheus-operator resources, from a (simulated) API server to what collectors get and people see.

#![allow(clippy::unwrap_used)] // helpers of tests

mod program;
#[path = "resources/scale.rs"]
mod scale;
#[path = "resources/world.rs"]
mod world;
mod yaml_json;

use program::Running;
use serde_json::{Value as Json, json};
use ta_loadgen::cluster::{Fault, FaultKind, Verbs};
use world::{World, mk_slice};

const NS: &str = "opentelemetry";

/// The Services, the pod and the EndpointSlices behind the example's ServiceMonitor: the application of the page serves
/// three ports, by three Services.
fn add_application(world: &World) {
    world.apply_manifests("examples/resources/manifests");
    let labels = json!({"app": "my-app", "app.kubernetes.io/name": "py-prometheus-app"});
    for (name, port, number) in [
        ("py-prometheus-app", "prom", 8080),
        ("py-otel-client-svc", "py-client-port", 8082),
        ("py-otel-server-svc", "py-server-port", 8083),
    ] {
        world.apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NS, "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": port, "port": number}]},
        }));
        world.apply(mk_slice(NS, name, &labels, port, number));
    }
    world.apply(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "py-prometheus-app-575cfdd46-nfttj", "namespace": NS, "uid": "495d47ee-9a0e-49df-9b41-fe9e6f70090b",
            "labels": {"app": "my-app", "app.kubernetes.io/name": "py-prometheus-app", "pod-template-hash": "575cfdd46"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "py-prometheus-app-575cfdd46",
                "uid": "1", "controller": true}],
        },
        "spec": {
            "nodeName": "otel-target-allocator-talk-control-plane",
            "containers": [{"name": "my-app", "image": "otel-target-allocator-talk:0.1.0-py-prometheus-app",
                "ports": [{"name": "prom", "containerPort": 8080, "protocol": "TCP"}]}],
        },
        "status": {
            "phase": "Running", "podIP": "10.244.0.11", "hostIP": "172.24.0.2",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }));
    world.cluster.delete("pods", NS, "py-prometheus-app-0");
}

async fn mk_example() -> World {
    let world = World::new().await;
    add_application(&world);
    world
}

async fn start_example(world: &World) -> Running {
    world.start_file("examples/resources/targetallocator.yaml").await.ready().await
}

fn of_monitor(number: usize) -> String {
    format!("serviceMonitor/{NS}/sm-example/{number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_troubleshooting_page_answers_as_the_page_shows() {
    let world = mk_example().await;
    let running = start_example(&world).await;
    let jobs = running.json("/jobs").await;
    let wanted = json!({
        "otel-collector": {"_link": "/jobs/otel-collector/targets"},
        "podMonitor/opentelemetry/pm-example/0": {"_link": "/jobs/podMonitor%2Fopentelemetry%2Fpm-example%2F0/targets"},
        "serviceMonitor/opentelemetry/sm-example/0": {"_link": "/jobs/serviceMonitor%2Fopentelemetry%2Fsm-example%2F0/targets"},
        "serviceMonitor/opentelemetry/sm-example/1": {"_link": "/jobs/serviceMonitor%2Fopentelemetry%2Fsm-example%2F1/targets"},
        "serviceMonitor/opentelemetry/sm-example/2": {"_link": "/jobs/serviceMonitor%2Fopentelemetry%2Fsm-example%2F2/targets"},
    });
    assert_eq!(jobs, wanted);
    let targets = running.json("/jobs/serviceMonitor%2Fopentelemetry%2Fsm-example%2F0/targets").await;
    let of_collector = &targets["otelcol-collector-0"];
    assert_eq!(
        of_collector["_link"],
        "/jobs/serviceMonitor%2Fopentelemetry%2Fsm-example%2F0/targets?collector_id=otelcol-collector-0"
    );
    // what the monitor's rules will drop is not listed: the two other ports
    assert_eq!(of_collector["targets"].as_array().unwrap().len(), 1, "{of_collector}");
    let target = &of_collector["targets"][0];
    assert_eq!(target["targets"], json!(["10.244.0.11:8080"]));
    let shown: Json = serde_json::from_str(include_str!("resources/page_labels.json")).unwrap();
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(target["labels"][name], *value, "{name}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failures_of_the_page_are_told_with_their_reason() {
    const MONITOR: &str = "/debug/monitors?q=sm-example";
    let cases = [
        (Some("no-selector"), None, "Is there a selector for its kind? there is no selector for its kind"),
        (
            Some("other-labels"),
            None,
            "Do its labels match the selector? the selector wants app=my-app, has no label app",
        ),
        (None, Some("wrong-namespace"), "Which Services in namespace shop match app=my-app? there are no Services"),
        (None, Some("port-bleh"), "endpoints[0]: is there a Service port named prom? the ports are "),
    ];
    for (config, manifest, wanted) in cases {
        let world = mk_example().await;
        let file = |name: &str| format!("examples/resources/failures/{name}.yaml");
        if let Some(manifest) = manifest {
            world.apply_manifests(&file(manifest));
        }
        let config = config.map_or("examples/resources/targetallocator.yaml".to_owned(), file);
        let running = world.start_file(&config).await.ready().await;
        let is_so = |body: &str| {
            let page: Json = serde_json::from_str(body).unwrap();
            page["objects"][0]["obstacle"].as_str().is_some_and(|obstacle| obstacle.starts_with(wanted))
        };
        running.wait_for(MONITOR, |status, body| status == 200 && is_so(body)).await;
        running.stop().await;
    }
    // and where nothing is wrong, nothing is said to be
    let world = mk_example().await;
    let running = start_example(&world).await;
    let page = running.json("/debug/monitors").await;
    let obstacles: Vec<&Json> = page["objects"].as_array().unwrap().iter().map(|object| &object["obstacle"]).collect();
    assert_eq!(obstacles, ["", ""], "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_before_every_kind_was_listed() {
    let world = mk_example().await;
    world.cluster.faults().add(Fault::new("podmonitors", FaultKind::Hang));
    let running = world.start_file("examples/resources/targetallocator.yaml").await;
    running.wait_for("/debug/monitors?q=sm-example", |_, body| body.contains("\"state\":\"used\"")).await;
    for path in ["/readyz", "/scrape_configs", "/jobs"] {
        assert_eq!(running.get(path).await.0, 503, "{path}");
    }
    world.cluster.faults().clear_all();
    let running = running.ready().await;
    let configs = running.json("/scrape_configs").await;
    assert_eq!(configs.as_object().unwrap().len(), 5, "all at once");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_be_read_costs_only_itself() {
    let world = mk_example().await;
    world.cluster.faults().add(Fault::new("podmonitors", FaultKind::Forbidden));
    world.cluster.faults().add(Fault::new("probes", FaultKind::Forbidden));
    let running = start_example(&world).await;
    assert_eq!(running.json("/scrape_configs").await.as_object().unwrap().len(), 4);
    let page = running.json("/debug/monitors").await;
    let watch = page["watches"].as_array().unwrap().iter().find(|watch| watch["kind"] == "PodMonitor").unwrap();
    assert!(watch["problem"].as_str().unwrap().contains("forbidden"), "{watch}");
    assert!(running.get("/").await.1.contains("watches of prometheus-operator resources do not work"));
    world.cluster.faults().clear("podmonitors");
    running.wait_for("/scrape_configs", |_, body| body.contains("podMonitor/")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_installed_later_and_removed_are_followed() {
    let world = World::with(|builder| builder.without("servicemonitors").without("podmonitors")).await;
    add_application(&world);
    let running = start_example(&world).await;
    assert_eq!(running.json("/scrape_configs").await.as_object().unwrap().len(), 1);
    world.cluster.set_installed("servicemonitors", true);
    world.cluster.set_installed("podmonitors", true);
    running.wait_for("/jobs", |_, body| body.matches("_link").count() == 5).await;
    running.stop().await;
}

fn mk_auth_config() -> &'static str {
    "collector_namespace: opentelemetry\nallow_insecure_auth_secrets: true\n\
     prometheus_cr: {enabled: true, service_monitor_selector: {}, pod_monitor_selector: {}}\n"
}

fn mk_secret(user: &str) -> Json {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "scraper", "namespace": NS},
        "stringData": {"user": user, "password": "hunter2"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_followed_whether_they_may_be_watched_or_only_read() {
    for may_watch in [true, false] {
        let world = mk_example().await;
        if !may_watch {
            world.cluster.faults().add(Fault::new("secrets", FaultKind::Forbidden).on(Verbs::Read));
        }
        let running = world.start(mk_auth_config()).await.ready().await;
        let configs = running.json("/scrape_configs").await;
        assert_eq!(configs[format!("podMonitor/{NS}/pm-example/0")]["basic_auth"]["username"], "otel");
        if may_watch {
            // by way of a watch a change is there at once; looks at what may only be read are half a minute apart
            world.apply(mk_secret("otto"));
            running.wait_for("/scrape_configs", |_, body| body.contains("otto") && !body.contains("\"otel\"")).await;
            world.cluster.delete("secrets", NS, "scraper");
            running.wait_for("/scrape_configs", |status, body| status == 200 && !body.contains("podMonitor/")).await;
            assert_eq!(running.get("/readyz").await.0, 200);
            let page = running.json("/debug/monitors?q=pm-example").await;
            assert_eq!(page["objects"][0]["cause"], "missing_reference");
            world.apply(mk_secret("back"));
            running.wait_for("/scrape_configs", |_, body| body.contains("\"back\"")).await;
        }
        let log = world.cluster.request_log();
        let of_secrets: Vec<&String> = log.iter().filter(|line| line.contains("/secrets")).collect();
        assert!(!of_secrets.is_empty());
        let by_name = |line: &&String| line.contains("metadata.name%3Dscraper") || line.contains("/secrets/scraper");
        assert!(of_secrets.iter().all(by_name), "others are none of our business: {of_secrets:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_job_is_listed_with_its_targets() {
    let world = mk_example().await;
    let running = start_example(&world).await;
    let mut monitor = world.cluster.get("servicemonitors", NS, "sm-example").unwrap();
    monitor["metadata"] = json!({"name": "newer", "namespace": NS});
    world.apply(monitor);
    // whoever sees it listed gets its targets, and no empty list that would stand for half a minute
    running.wait_for("/scrape_configs", |_, body| body.contains("serviceMonitor/opentelemetry/newer/0")).await;
    let path = "/jobs/serviceMonitor%2Fopentelemetry%2Fnewer%2F0/targets?collector_id=otelcol-collector-0";
    assert_eq!(running.json(path).await.as_array().unwrap().len(), 1);
    world.cluster.delete("servicemonitors", NS, "newer");
    running.wait_for("/scrape_configs", |_, body| !body.contains("newer") && body.contains(&of_monitor(2))).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_object_or_a_name_that_is_taken_costs_nobody_else_anything() {
    let world = mk_example().await;
    let config = format!(
        "collector_namespace: opentelemetry\nprometheus_cr: {{enabled: true, service_monitor_selector: {{}}, \
         scrape_config_selector: {{}}}}\nconfig: {{scrape_configs: [{{job_name: {}, metrics_path: /file}}]}}\n",
        of_monitor(1)
    );
    let running = world.start(&config).await.ready().await;
    let configs = running.json("/scrape_configs").await;
    assert_eq!(configs.as_object().unwrap().len(), 3);
    assert_eq!(configs[of_monitor(1)]["metrics_path"], "/file", "the file has the word");
    // passes every schema, and would stop all changes upstream
    world.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "ScrapeConfig", "metadata": {"name": "poison", "namespace": NS},
        "spec": {"dnsSDConfigs": [{"names": ["a"], "type": "A", "port": 0}]},
    }));
    running.wait_for("/debug/monitors?state=rejected", |_, body| body.contains("\"poison\"")).await;
    let metrics = running.get("/metrics").await.1;
    let line = metrics.lines().find(|line| {
        line.starts_with("opentelemetry_allocator_resources_rejected{kind=\"ScrapeConfig\"")
            && line.contains("\"invalid\"")
    });
    assert!(line.unwrap().ends_with(" 1"), "{line:?}");
    let mut monitor = world.cluster.get("servicemonitors", NS, "sm-example").unwrap();
    monitor["spec"]["endpoints"][0]["path"] = "/edited".into();
    world.apply(monitor);
    running.wait_for("/scrape_configs", |_, body| body.contains("/edited")).await;
    running.stop().await;
}
