//! `/debug/monitors`, `/debug/monitor`, and the metrics of resources.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use serde_json::json;
use ta_model::cr::{
    Answer, Cause, DeniedJob, Explanation, Kind, ObjectId, ObjectState, Reference, Rejection, Step, Unselected,
    ValueKind,
};
use ta_server::http::{DiscoveryStatus, ResourceStatus, ResourceWatchStatus, StatusSource};

use crate::support::{Setup, World};

/// Resources as they might stand.
#[derive(Debug)]
struct Cluster(ResourceStatus);

impl StatusSource for Cluster {
    fn status(&self) -> DiscoveryStatus {
        DiscoveryStatus::default()
    }

    fn resources(&self) -> Option<ResourceStatus> {
        Some(self.0.clone())
    }

    fn explain(&self, ids: &[ObjectId]) -> Vec<Explanation> {
        let walk = |id: &ObjectId| {
            let step = |question: &str, answer| Step { question: question.into(), answer, detail: "so <it> is".into() };
            let mut steps = vec![step("Is it deployed?", Answer::Yes)];
            if id.name == "lonely" {
                steps.push(step("Which Services match?", Answer::No));
            }
            Explanation { id: id.clone(), steps }
        };
        ids.iter().map(walk).collect()
    }
}

fn mk_id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::ServiceMonitor, namespace: "shop".into(), name: name.into() }
}

fn mk_used(jobs: usize, denied: Vec<DeniedJob>) -> ObjectState {
    ObjectState::Used { jobs, denied, warnings: Vec::new() }
}

fn mk_world() -> World {
    let denied = DeniedJob { job: "serviceMonitor/shop/partly/0".into(), reason: "tls_config.ca_file: /x".into() };
    let secret = Reference { kind: ValueKind::Secret, namespace: "shop".into(), name: "s".into() };
    let rejection = Rejection { cause: Cause::Invalid, reason: "endpoints[0]: no <good>".into() };
    let objects = vec![
        (mk_id("fine"), mk_used(2, Vec::new())),
        (mk_id("lonely"), mk_used(1, Vec::new())),
        (mk_id("other"), ObjectState::Unselected(Unselected::NamespaceDenied)),
        (mk_id("partly"), mk_used(1, vec![denied])),
        (mk_id("wrong"), ObjectState::Rejected(rejection)),
        (mk_id("zz"), ObjectState::Waiting(vec![secret])),
    ];
    let forbidden = ResourceWatchStatus {
        kind: "Probe",
        problem: "probes is forbidden".into(),
        needed: true,
        ..ResourceWatchStatus::default()
    };
    let status = ResourceStatus {
        objects,
        watches: vec![ResourceWatchStatus { kind: "ServiceMonitor", synced: true, ..forbidden.clone() }, forbidden],
        is_published: true,
        generations: 7,
        passes: 3,
        took: Duration::from_millis(30),
        last_pass: Some(SystemTime::UNIX_EPOCH),
    };
    let setup = Setup { status: Arc::new(Cluster(status)), ..Setup::default() };
    World::with(setup, "", &["c"])
}

const HTML: &[(&str, &str)] = &[("accept", "text/html")];

#[tokio::test]
async fn every_object_with_what_is_in_its_way() {
    let world = mk_world();
    let rows = world.get_with("/debug/monitors", HTML).await.rows();
    let wanted = [
        ["ServiceMonitor shop/wrong", "rejected (invalid)", "0", "endpoints[0]: no &lt;good&gt;"],
        ["ServiceMonitor shop/zz", "waiting", "0", "not read yet: secret shop/s"],
        [
            "ServiceMonitor shop/partly",
            "used in part",
            "1",
            "deny_fs_access_through_sms leaves out serviceMonitor/shop/partly/0: tls_config.ca_file: /x",
        ],
        ["ServiceMonitor shop/fine", "used", "2", ""],
        ["ServiceMonitor shop/lonely", "used", "1", "Which Services match? so &lt;it&gt; is"],
        ["ServiceMonitor shop/other", "not selected", "0", "its namespace is in deny_namespaces"],
    ];
    assert_eq!(rows, wanted.map(|row| row.map(str::to_owned).to_vec()));
    let page = world.get_with("/debug/monitors?q=LONELY&per_page=1", HTML).await;
    assert_eq!(page.rows().len(), 1);
    assert!(page.page().contains("probes is forbidden"));
    assert_eq!(world.get_with("/debug/monitors?state=used", HTML).await.rows().len(), 3);
    assert_eq!(world.get_with("/debug/monitors?page=9", HTML).await.rows().len(), 0);
}

#[tokio::test]
async fn one_object_question_by_question() {
    let world = mk_world();
    let answer = world.get_with("/debug/monitor?id=ServiceMonitor/shop/lonely", HTML).await;
    assert!(answer.page().contains("<title>ServiceMonitor shop/lonely</title>"));
    assert_eq!(answer.rows()[1], ["Which Services match?", "no", "so &lt;it&gt; is"]);
    for id in ["", "?id=ServiceMonitor/shop/gone", "?id=Pod/shop/lonely", "?id=lonely"] {
        let answer = world.get_with(&format!("/debug/monitor{id}"), HTML).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(world.get(&format!("/debug/monitor{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn the_same_for_programs() {
    let world = mk_world();
    let all = world.get("/debug/monitors").await.json();
    assert_eq!((&all["total"], &all["published"], &all["translations"]), (&json!(6), &json!(true), &json!(7)));
    let first = &all["objects"][0];
    assert_eq!(
        (&first["name"], &first["state"], &first["cause"], &first["reason"]),
        (&json!("wrong"), &json!("rejected"), &json!("invalid"), &json!("endpoints[0]: no <good>"))
    );
    assert_eq!(all["watches"][1]["problem"], "probes is forbidden");
    let lonely = world.get("/debug/monitors?q=lonely").await.json();
    assert_eq!(lonely["objects"].as_array().unwrap().len(), 1);
    assert_eq!(lonely["objects"][0]["steps"][1]["answer"], "no");
    let one = world.get("/debug/monitor?id=ServiceMonitor/shop/zz").await.json();
    assert_eq!(
        (&one["references"], &one["obstacle"]),
        (&json!(["secret shop/s"]), &json!("not read yet: secret shop/s"))
    );
}

#[tokio::test]
async fn where_resources_are_not_watched() {
    let world = World::new("", &["c"]);
    let page = world.get_with("/debug/monitors", HTML).await;
    assert!(page.page().contains("prometheus_cr.enabled"));
    assert_eq!(world.get("/debug/monitors").await.json()["enabled"], false);
    assert!(!world.get("/metrics").await.text().contains("opentelemetry_allocator_resources"));
}

#[tokio::test]
async fn resources_are_counted() {
    let answer = mk_world().get("/metrics").await;
    let value = |start: &str| {
        let line = answer.text().lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}"));
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let of = |name: &str, labels: &str| value(&format!("opentelemetry_allocator_resource{name}{{{labels}"));
    assert_eq!(of("s", "kind=\"ServiceMonitor\""), "6");
    assert_eq!(of("s", "kind=\"Probe\""), "0");
    assert_eq!(of("s_selected", "kind=\"ServiceMonitor\""), "5");
    assert_eq!(of("s_waiting", "kind=\"ServiceMonitor\""), "1");
    let rejected = |reason: &str| {
        let line = answer.text().lines().find(|line| {
            line.starts_with("opentelemetry_allocator_resources_rejected{")
                && line.contains("kind=\"ServiceMonitor\"")
                && line.contains(&format!("reason=\"{reason}\""))
        });
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!((rejected("invalid"), rejected("unreadable")), ("1".into(), "0".into()));
    assert_eq!(of("_translations_total", ""), "7");
    assert_eq!(of("_generation_duration_seconds_count", ""), "3");
    assert_eq!(of("_generation_timestamp_seconds", ""), "0");
}
