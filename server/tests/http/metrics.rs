//! `/metrics`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ta_engine::{StrategyConfig, StrategyKind};
use ta_server::http::{DiscoveryStatus, JobStatus, ProviderStatus, Refreshes, SdCounters, StatusSource};
use ta_server::metrics::Method;

use crate::support::{Answer, Setup, World, mk_jobs};

const SCOPE: &str = "otel_scope_name=\"targetallocator\",otel_scope_schema_url=\"\",otel_scope_version=\"\"";

/// The value of the series written exactly so.
fn value(answer: &Answer, series: &str) -> Option<f64> {
    let line =
        answer.text().lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A series of upstream's, with the labels every one of them has.
fn scoped(answer: &Answer, name: &str, labels_before: &str, labels_after: &str) -> Option<f64> {
    value(answer, &format!("opentelemetry_allocator_{name}{{{labels_before}{SCOPE}{labels_after}}}"))
}

#[tokio::test]
async fn values_are_those_of_the_snapshot() {
    let mut world = World::new(
        "- job_name: a\n  relabel_configs: [{source_labels: [test_label], regex: drop, action: drop}]\n- job_name: b\n",
        &["c0", "c1"],
    );
    world.targets("a", &[("1", "v"), ("2", "drop"), ("3", "v"), ("3", "v")]);
    let answer = world.get("/metrics").await;
    assert_eq!(answer.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(scoped(&answer, "targets", "job_name=\"a\",", ""), Some(4.0));
    assert_eq!(scoped(&answer, "targets", "job_name=\"b\",", ""), Some(0.0));
    assert_eq!(scoped(&answer, "targets_remaining", "", ""), Some(3.0));
    assert_eq!(scoped(&answer, "targets_dropped", "", ""), Some(1.0));
    assert_eq!(scoped(&answer, "targets_merged", "", ""), Some(1.0));
    assert_eq!(scoped(&answer, "targets_unassigned", "", ""), Some(0.0));
    assert_eq!(scoped(&answer, "collectors_allocatable", "", ",strategy=\"least-weighted\""), Some(2.0));
    let per_collector = "collector_name=\"c0\",";
    let strategy = ",strategy=\"least-weighted\"";
    assert_eq!(scoped(&answer, "targets_per_collector", per_collector, strategy), Some(1.0));
    assert_eq!(scoped(&answer, "imbalance_ratio", "", ""), Some(1.0));
    assert!(value(&answer, "process_resident_memory_bytes").is_some());
    assert!(answer.text().contains("target_info{service_name=\"test\""));
}

#[tokio::test]
async fn series_of_what_is_gone_are_gone() {
    let mut world = World::new(&mk_jobs(&["a", "b"]), &["c0", "c1"]);
    world.metrics.observe_job("a", Duration::from_millis(1));
    world.metrics.observe_job("b", Duration::from_millis(1));
    assert!(world.get("/metrics").await.text().contains("job_name=\"b\""));
    world.set_jobs(&mk_jobs(&["a"]));
    world.set_collectors(&["c0"]);
    let answer = world.get("/metrics").await;
    assert!(answer.text().contains("process_target_groups_duration_seconds_count{job_name=\"a\""));
    assert!(!answer.text().contains("job_name=\"b\""));
    assert!(!answer.text().contains("collector_name=\"c1\""));
}

#[tokio::test]
async fn unassigned_returns_to_zero() {
    let strategy = StrategyConfig { strategy: StrategyKind::PerNode, ..StrategyConfig::default() };
    let mut world = World::with(Setup { strategy, ..Setup::default() }, &mk_jobs(&["a"]), &["c"]);
    world.targets("a", &[("1", "v"), ("2", "v")]);
    let answer = world.get("/metrics").await;
    assert_eq!(scoped(&answer, "targets_unassigned", "", ""), Some(2.0));
    assert_eq!(scoped(&answer, "targets_unassigned_by_reason", "", ",reason=\"no_node\""), Some(2.0));
    assert!(world.get("/").await.page().contains("2 targets have no collector"));
    world.targets("a", &[]);
    let answer = world.get("/metrics").await;
    assert_eq!(scoped(&answer, "targets_unassigned", "", ""), Some(0.0));
    assert_eq!(scoped(&answer, "targets_unassigned_by_reason", "", ",reason=\"no_node\""), Some(0.0));
}

#[tokio::test]
async fn durations_have_upstreams_buckets_and_finer_ones() {
    let world = World::new(&mk_jobs(&["a"]), &["c"]);
    world.metrics.observe_allocation(Method::SetTargets, Duration::from_millis(2));
    world.metrics.observe_step(Duration::from_millis(3));
    world.metrics.published(SystemTime::UNIX_EPOCH + Duration::from_secs(7), 3);
    world.get("/jobs/a/targets?collector_id=c").await;
    world.get("/jobs//targets").await;
    world.get("/debug/pprof/").await;
    world.get("/debug/pprof/symbol").await;
    for nothing in ["/nothing", "/jobs/", "/debug/pprof"] {
        world.get(nothing).await;
    }
    world.method(hyper::Method::HEAD, "/jobs").await;
    let answer = world.get("/metrics").await;
    let text = answer.text();
    for bound in ["0", "5", "10", "25", "50", "75", "100", "250", "500", "750", "1000", "2500", "5000", "7500", "10000"]
    {
        assert!(
            text.contains(&format!(
                "time_to_allocate_bucket{{method=\"SetTargets\",{SCOPE},strategy=\"least-weighted\",le=\"{bound}\"}}"
            )),
            "{bound}"
        );
    }
    for bound in ["1", "5", "10", "30", "60", "120"] {
        assert!(
            text.contains(&format!("process_targets_duration_seconds_bucket{{{SCOPE},le=\"{bound}\"}}")),
            "{bound}"
        );
    }
    assert!(text.contains("le=\"0.005\""));
    let count = |path: &str| scoped(&answer, "http_duration_seconds_count", "", &format!(",path=\"{path}\""));
    assert_eq!(count("/jobs/:job_id/targets"), Some(2.0));
    assert_eq!(count("/debug/pprof/*profile"), Some(2.0));
    assert_eq!(count(""), Some(4.0), "unknown paths, redirects, and all but GET");
    assert_eq!(scoped(&answer, "target_moves_total", "", ""), Some(3.0));
    assert_eq!(scoped(&answer, "snapshot_timestamp_seconds", "", ""), Some(7.0));
}

#[tokio::test]
async fn families_can_be_chosen() {
    let world = World::new(&mk_jobs(&["a"]), &["c"]);
    let path = "/metrics?name[]=opentelemetry_allocator_targets&name%5B%5D=target_info&name[]=nothing";
    let answer = world.get(path).await;
    let families: Vec<_> = answer.text().lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(families, ["# TYPE opentelemetry_allocator_targets gauge", "# TYPE target_info gauge"]);
    assert!(answer.text().contains("# HELP opentelemetry_allocator_targets Number of targets discovered."));
}

#[tokio::test]
async fn masked_polls_are_counted_and_shown() {
    let world = World::new("- job_name: j\n  basic_auth: {username: u, password: hunter2}\n", &["c"]);
    assert!(world.get("/").await.page().contains("No problems known"));
    world.get("/scrape_configs").await;
    world.get_secure("/scrape_configs").await;
    let answer = world.get("/metrics").await;
    assert_eq!(scoped(&answer, "masked_config_polls_total", "", ""), Some(1.0));
    assert!(world.get("/").await.page().contains("polled over plain HTTP 1 times"));
    // no secret there is nothing to warn of
    let open = World::new(&mk_jobs(&["a"]), &["c"]);
    open.get("/scrape_configs").await;
    assert_eq!(scoped(&open.get("/metrics").await, "masked_config_polls_total", "", ""), Some(0.0));
}

#[derive(Debug)]
struct Discovery;

impl StatusSource for Discovery {
    fn status(&self) -> DiscoveryStatus {
        let refreshes = Refreshes { count: 3, sum: Duration::from_secs(2), buckets: [1, 1, 0, 1, 0] };
        let provider = ProviderStatus {
            name: "file/1".into(),
            mechanism: "file".to_owned(),
            jobs: vec!["a".into(), "b".into()],
            consecutive_failures: 2,
            last_error: "no such file <x>".to_owned(),
            refresh_failures: 5,
            refreshes,
            ..ProviderStatus::default()
        };
        let fine = ProviderStatus {
            name: "static/0".into(),
            mechanism: "static".to_owned(),
            synced: true,
            targets: 1234,
            ..ProviderStatus::default()
        };
        DiscoveryStatus {
            providers: vec![fine, provider],
            jobs: vec![JobStatus { name: "a".into(), targets: 9, last_update: Some(SystemTime::UNIX_EPOCH) }],
            files: vec![("/t.json".into(), SystemTime::UNIX_EPOCH + Duration::from_secs(5))],
            watches: Vec::new(),
            watch_totals: Default::default(),
            counters: SdCounters { updates: 4, http_failures: 1, ..SdCounters::default() },
        }
    }
}

#[tokio::test]
async fn discovery_reports_under_prometheus_names() {
    let setup = Setup { status: Arc::new(Discovery), ..Setup::default() };
    let world = World::with(setup, &mk_jobs(&["a", "b"]), &["c"]);
    let answer = world.get("/metrics").await;
    for (series, expected) in [
        ("prometheus_sd_discovered_targets{config=\"a\",name=\"\"}", 9.0),
        ("prometheus_sd_last_update_timestamp_seconds{config=\"a\",name=\"\"}", 0.0),
        ("prometheus_sd_updates_total{name=\"\"}", 4.0),
        ("prometheus_sd_failed_configs{name=\"\"}", 0.0),
        ("prometheus_sd_http_failures_total", 1.0),
        ("prometheus_sd_refresh_failures_total{config=\"b\",mechanism=\"file\"}", 5.0),
        ("prometheus_sd_refresh_duration_seconds_sum{config=\"a\",mechanism=\"file\"}", 2.0),
        ("prometheus_sd_refresh_duration_histogram_seconds_bucket{mechanism=\"file\",le=\"0.1\"}", 2.0),
        ("prometheus_sd_refresh_duration_histogram_seconds_bucket{mechanism=\"file\",le=\"+Inf\"}", 3.0),
        ("prometheus_sd_file_mtime_seconds{filename=\"/t.json\"}", 5.0),
    ] {
        assert_eq!(value(&answer, series), Some(expected), "{series}");
    }
    // what fails comes first on its page, and is a problem on the index
    let page = world.get("/debug/discovery").await;
    assert_eq!(page.rows()[0][0], "file/1");
    assert!(page.page().contains("no such file &lt;x&gt;"));
    assert!(page.rows()[1].contains(&"1,234".to_owned()));
    assert_eq!(world.get("/debug/discovery?q=STATIC").await.rows().len(), 1);
    assert!(world.get("/").await.page().contains("1 discovery providers are failing"));
}
