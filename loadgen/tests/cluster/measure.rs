//! The measure of allocators, against one that is known to be slow or wrong.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use ta_loadgen::cluster::{
    ClusterChurnKind, Expectation, Place, PopulationOptions, ProbeOptions, Probes, RunOptions, SimulatedCluster, Stage,
    census, run,
};
use ta_loadgen::loopback::{Endpoint, resolve};

/// Answers every request with what `body` makes of its path.
async fn mk_allocator(body: impl Fn(&str) -> String + Send + Sync + 'static) -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let body = Arc::new(body);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let body = body.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let text = body(request.uri().path());
                async move { Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(text)))) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    resolve(&format!("http://{address}"), false).unwrap()
}

fn listing(addresses: &[&str]) -> String {
    let groups: Vec<Value> = addresses.iter().map(|address| json!({"targets": [address], "labels": {}})).collect();
    json!({"collector-0": {"_link": "", "targets": groups}}).to_string()
}

fn mk_probes(endpoint: Endpoint, patience: Duration) -> Probes {
    Probes::new(ProbeOptions { endpoint, probes: 1, every: Duration::from_millis(10), patience })
}

fn mk_expectation(text: &str) -> Expectation {
    Expectation { place: Place::Targets("a/b".to_owned()), text: text.to_owned(), at: Instant::now() }
}

#[tokio::test]
async fn latency_lasts_until_the_change_is_served() {
    let asked = AtomicU64::new(0);
    let allocator = mk_allocator(move |path| {
        assert_eq!(path, "/jobs/a%2Fb/targets");
        if asked.fetch_add(1, Ordering::Relaxed) < 3 { "{}".to_owned() } else { listing(&["10.0.0.1:9090"]) }
    })
    .await;
    let mut probes = mk_probes(allocator, Duration::from_secs(20));
    probes.offer(mk_expectation("\"10.0.0.1:9090\""));
    probes.offer(mk_expectation("no probe is idle for this one"));
    let served = probes.finish().await;
    assert_eq!((served.micros.len(), served.unseen), (1, 0));
    assert!(served.micros.max() >= 30_000, "seen at the fourth look: {} µs", served.micros.max());
}

#[tokio::test]
async fn what_is_never_served_is_counted() {
    let mut probes = mk_probes(mk_allocator(|_| listing(&["10.0.0.2:9090"])).await, Duration::from_millis(30));
    probes.offer(mk_expectation("\"10.0.0.1:9090\""));
    let served = probes.finish().await;
    assert_eq!((served.micros.len(), served.unseen), (0, 1));
}

#[tokio::test]
async fn a_census_names_the_jobs_that_are_wrong() {
    let allocator = mk_allocator(|path| match path {
        "/jobs/good/targets" => listing(&["a:1", "b:1"]),
        "/jobs/doubled/targets" => listing(&["a:1", "a:1"]),
        _ => "not ready".to_owned(),
    })
    .await;
    let expected: BTreeMap<String, u64> = ["good", "doubled", "broken"].map(|job| (job.to_owned(), 2)).into();
    let counted = census(&allocator, &expected).await;
    assert_eq!(counted.targets, 3);
    assert_eq!(counted.wrong, [("broken".to_owned(), 0), ("doubled".to_owned(), 1)].into());
}

/// An allocator without relabelling: a job is one component of a namespace, as its name says.
fn serve(cluster: &SimulatedCluster, path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches("/jobs/").split("%2F").collect();
    let slices = cluster.list("endpointslices");
    let of_job = |slice: &&Value| {
        let metadata = &slice["metadata"];
        metadata["namespace"] == parts[1] && metadata["labels"]["app.kubernetes.io/component"] == parts[2]
    };
    let addresses: Vec<String> = slices
        .iter()
        .filter(of_job)
        .flat_map(|slice| slice["endpoints"].as_array().unwrap())
        .map(|endpoint| format!("{}:9090", endpoint["addresses"][0].as_str().unwrap()))
        .collect();
    listing(&addresses.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_run_measures_an_allocator_from_its_first_target_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = RunOptions {
        server: SimulatedCluster::builder(),
        population: PopulationOptions::small(),
        directory: directory.path().to_owned(),
        strategy: "per-node".to_owned(),
        command: None,
        measure: None,
        watch_pid: Some(std::process::id()),
        patience: Duration::from_secs(20),
        churn: Some(ClusterChurnKind::PodReplacement),
        rate: 40.0,
        duration: Duration::from_secs(1),
        probes: 2,
        probe_every: Duration::from_millis(5),
    };
    let mut stage = Stage::set(&options).await.unwrap();
    let config: Value = serde_json::from_slice(&std::fs::read(&stage.config).unwrap()).unwrap();
    assert_eq!(config["config"]["scrape_configs"].as_array().unwrap().len(), 10);
    assert_eq!(config["allocation_strategy"], "per-node");
    let cluster = stage.cluster.clone();
    options.measure = Some(mk_allocator(move |path| serve(&cluster, path)).await);
    let report = run(&mut stage, &options, &|_| ()).await.unwrap();
    assert_eq!((report.targets, report.targets_served), (200, Some(200)), "{:?}", report.wrong_jobs);
    let latency = report.change_to_served.unwrap();
    assert!(latency.count > 3 && latency.unseen == 0 && latency.max < 1.0, "{latency:?}");
    assert!((20..=40).contains(&report.changes), "{}", report.changes);
    assert!(report.process.unwrap().rss_max > 1_000_000);
    assert_eq!(report.objects["pods"], 203);
}
