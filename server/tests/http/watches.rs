//! Watches of Kubernetes objects: their page, their JSON, their metrics.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ta_server::http::{DiscoveryStatus, StatusSource, WatchState, WatchStatus, WatchTotals};

use crate::support::{Setup, World, mk_jobs};

#[derive(Debug)]
struct Watching;

fn mk_watch(resource: &str, state: WatchState) -> WatchStatus {
    let cluster = "https://10.0.0.1:443".into();
    let (objects, bytes, requests) = (3, 1 << 20, 4);
    WatchStatus { cluster, resource: resource.to_owned(), state, objects, bytes, requests, ..WatchStatus::default() }
}

impl StatusSource for Watching {
    fn status(&self) -> DiscoveryStatus {
        let fine = WatchStatus {
            namespace: Some("shop".into()),
            label_selector: "app=web".to_owned(),
            synced: true,
            last_event: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)),
            ..mk_watch("pods", WatchState::Watching)
        };
        let forbidden = WatchStatus {
            errors: 2,
            last_error: "pods is <forbidden>".to_owned(),
            last_error_at: Some(SystemTime::now()),
            undecodable: 1,
            last_undecodable: "shop/odd: no".to_owned(),
            ..mk_watch("pods", WatchState::Forbidden("pods is <forbidden>".to_owned()))
        };
        let absent = mk_watch("endpointslices.discovery.k8s.io", WatchState::Absent);
        let ended = WatchTotals { events: 9, errors: 1, requests: 2, ..WatchTotals::default() };
        let watch_totals = [("secrets".to_owned(), ended)].into();
        DiscoveryStatus { watches: vec![fine, absent, forbidden], watch_totals, ..DiscoveryStatus::default() }
    }
}

fn mk_world() -> World {
    World::with(Setup { status: Arc::new(Watching), ..Setup::default() }, &mk_jobs(&["a"]), &["c"])
}

const BROWSER: &[(&str, &str)] = &[("accept", "text/html,*/*")];

#[tokio::test]
async fn people_see_the_worst_first_and_may_search() {
    let world = mk_world();
    let page = world.get_with("/debug/watches", BROWSER).await;
    let rows = page.rows();
    assert_eq!(
        rows.iter().map(|row| &*row[0]).collect::<Vec<_>>(),
        ["pods everywhere", "endpointslices.discovery.k8s.io everywhere", "pods in shop with app=web",]
    );
    assert_eq!(rows[0][2], "forbidden; nothing is known yet pods is &lt;forbidden&gt;");
    assert_eq!(rows[0][4], "1.0 MiB");
    assert!(rows[0][9].contains("1 times an object could not be read: shop/odd: no"), "{:?}", rows[0]);
    assert_eq!(rows[1][2], "the server does not have this kind");
    assert_eq!(world.get_with("/debug/watches?q=SHOP", BROWSER).await.rows().len(), 1);
    assert!(world.get("/").await.page().contains("1 watches of Kubernetes are failing"));
}

#[tokio::test]
async fn others_get_json() {
    let watches = mk_world().get("/debug/watches").await.json();
    let watches = watches.as_array().unwrap();
    assert_eq!(watches.len(), 3);
    assert_eq!((&watches[0]["namespace"], &watches[0]["state"]), (&"shop".into(), &"watching".into()));
    assert_eq!((&watches[0]["last_event"], &watches[0]["last_error_at"]), (&1.5.into(), &serde_json::Value::Null));
    assert_eq!(
        (&watches[2]["namespace"], &watches[2]["message"]),
        (&serde_json::Value::Null, &"pods is <forbidden>".into())
    );
    let none = World::new(&mk_jobs(&["a"]), &["c"]);
    assert_eq!(none.get("/debug/watches").await.text(), "[]\n");
    assert!(none.get_with("/debug/watches", BROWSER).await.page().contains("Nothing is watched"));
}

#[tokio::test]
async fn metrics_are_sums_by_resource() {
    let answer = mk_world().get("/metrics").await;
    let scope = "otel_scope_name=\"targetallocator\",otel_scope_schema_url=\"\",otel_scope_version=\"\"";
    for (name, more, expected) in [
        ("watch_objects", "resource=\"pods\"", "6"),
        ("watch_bytes", "resource=\"pods\"", "2097152"),
        // of watches that are no more
        ("watch_events_total", "resource=\"secrets\"", "9"),
        ("watch_errors_total", "resource=\"secrets\"", "1"),
        ("watch_undecodable_objects_total", "resource=\"secrets\"", "0"),
        ("requests_total", "resource=\"secrets\"", "2"),
        ("watches", "resource=\"pods\",state=\"watching\"", "1"),
        ("watches", "resource=\"pods\",state=\"forbidden\"", "1"),
        ("watches", "resource=\"pods\",state=\"failing\"", "0"),
    ] {
        let line = format!("opentelemetry_allocator_kubernetes_{name}{{{scope},{more}}} {expected}\n");
        assert!(answer.text().contains(&line), "{line}");
    }
}
