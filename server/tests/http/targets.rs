//! `/jobs/{job}/targets`.

use hyper::StatusCode;
use serde_json::{Value, json};
use ta_engine::{StrategyConfig, StrategyKind};

use crate::support::{Setup, World, mk_jobs};

const PATH: &str = "/jobs/test-job/targets?collector_id=test-collector";

fn mk_world() -> World {
    World::new(&mk_jobs(&["test-job"]), &["test-collector"])
}

/// The shape of one element.
fn element(address: &str, value: &str) -> Value {
    json!({"targets": [address], "labels": {"__address__": address, "test_label": value}})
}

// S2
#[tokio::test]
async fn no_targets_is_an_empty_list() {
    let answer = mk_world().get_all_ways(PATH).await;
    assert_eq!(answer.body, "[]\n");
    assert_eq!(answer.content_type(), "application/json");
}

// S3
#[tokio::test]
async fn one_target_in_exactly_these_bytes() {
    let mut world = mk_world();
    let labels = [("__address__", "test-url"), ("__meta_empty", ""), ("test_label", "a\"<b>&\u{2028}")];
    world.group("test-job", "0", &[("__meta_group", "g")], &[&labels]);
    let answer = world.get_all_ways(PATH).await;
    assert_eq!(
        answer.text(),
        "[{\"targets\":[\"test-url\"],\"labels\":{\"__address__\":\"test-url\",\"__meta_empty\":\"\",\
         \"__meta_group\":\"g\",\"test_label\":\"a\\\"\\u003cb\\u003e\\u0026\\u2028\"}}]\n"
    );
}

// S4
#[tokio::test]
async fn equal_targets_are_served_once() {
    let mut world = mk_world();
    world.targets("test-job", &[("test-url", "test-value"), ("test-url", "test-value")]);
    assert_eq!(world.get_all_ways(PATH).await.json(), json!([element("test-url", "test-value")]));
}

// S5
#[tokio::test]
async fn two_targets() {
    let mut world = mk_world();
    world.targets("test-job", &[("test-url", "test-value"), ("test-url2", "test-value2")]);
    let expected = json!([element("test-url", "test-value"), element("test-url2", "test-value2")]);
    assert_eq!(world.get_all_ways(PATH).await.json(), expected);
}

// S38, and its like
#[tokio::test]
async fn who_has_nothing_gets_an_empty_list() {
    let mut world = mk_world();
    world.targets("test-job", &[("test-url", "test-value")]);
    for path in [
        "/jobs/nonexistent/targets?collector_id=test-collector",
        "/jobs/test-job/targets?collector_id=unknown",
        "/jobs/test-job/targets?collector_id=",
        "/jobs/test-job/targets?collector_id",
        "/jobs/test-job/targets?collector_id=unknown&collector_id=test-collector",
        "/jobs//targets?collector_id=test-collector",
        "/jobs/%ff/targets?collector_id=test-collector",
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "[]\n"), "{path}");
        assert_eq!(answer.content_type(), "application/json");
    }
}

// S29
#[tokio::test]
async fn a_job_name_is_decoded_exactly_once() {
    for (name, segment) in [
        ("serviceMonitor/ns/app/0", "serviceMonitor%2Fns%2Fapp%2F0"),
        ("a b", "a+b"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a%b", "a%25b"),
        ("a%41", "a%2541"),
        ("€?#&", "%E2%82%AC%3F%23%26"),
    ] {
        let mut world = World::new(&mk_jobs(&[name]), &["c"]);
        world.targets(name, &[("test-url", "v")]);
        let answer = world.get(&format!("/jobs/{segment}/targets?collector_id=c")).await;
        assert_eq!(answer.json(), json!([element("test-url", "v")]), "{name}");
    }
}

#[tokio::test]
async fn a_malformed_escape_is_named() {
    for (path, offending) in [("/jobs/a%zz/targets?collector_id=c", "\"%zz\"\n"), ("/jobs/%b/targets", "\"%b\"\n")] {
        let answer = mk_world().get(path).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::INTERNAL_SERVER_ERROR, offending));
        assert_eq!(answer.content_type(), "application/json");
    }
}

// S28
#[tokio::test]
async fn without_collector_id_all_collectors_are_listed_with_links_that_work() {
    let mut world = World::new(&mk_jobs(&["a/b c"]), &["one", "two", "x&y z"]);
    world.targets("a/b c", &[("url1", "v"), ("url2", "v")]);
    let answer = world.get_all_ways("/jobs/a%2Fb+c/targets").await;
    assert!(answer.text().ends_with("}\n"));
    let listing = answer.json();
    let members = listing.as_object().unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["one", "two", "x&y z"]);
    assert_eq!(members["x&y z"]["_link"], "/jobs/a%2Fb+c/targets?collector_id=x%26y+z");
    assert_eq!(members["x&y z"]["targets"], json!([]));
    for member in members.values() {
        let linked = world.get(member["_link"].as_str().unwrap()).await;
        assert_eq!(linked.json(), member["targets"]);
    }
    let listed: usize = members.values().map(|member| member["targets"].as_array().unwrap().len()).sum();
    assert_eq!(listed, 2);
}

#[tokio::test]
async fn a_malformed_collector_id_is_as_if_not_given() {
    let world = mk_world();
    let answer = world.get("/jobs/test-job/targets?collector_id=%zz").await;
    assert_eq!(
        answer.json(),
        json!({"test-collector": {"_link": "/jobs/test-job/targets?collector_id=test-collector", "targets": []}})
    );
}

#[tokio::test]
async fn without_collectors_there_are_no_shares() {
    let mut world = World::new(&mk_jobs(&["test-job"]), &[]);
    world.targets("test-job", &[("url", "v")]);
    assert_eq!(world.get_all_ways("/jobs/test-job/targets").await.text(), "{}\n");
    assert_eq!(world.get(PATH).await.text(), "[]\n");
    // and they come back with the collectors
    world.set_collectors(&["test-collector"]);
    assert_eq!(world.get(PATH).await.json(), json!([element("url", "v")]));
}

#[tokio::test]
async fn unassigned_targets_are_in_nobodys_share() {
    let strategy = StrategyConfig { strategy: StrategyKind::PerNode, ..StrategyConfig::default() };
    let setup = Setup { strategy, ..Setup::default() };
    let mut world = World::with(setup, &mk_jobs(&["test-job"]), &["test-collector"]);
    world.targets("test-job", &[("url", "v")]);
    assert_eq!(world.get(PATH).await.text(), "[]\n");
    assert_eq!(world.get("/jobs/test-job/targets").await.json()["test-collector"]["targets"], json!([]));
}

#[tokio::test]
async fn a_share_is_the_same_whole_or_in_pieces() {
    let mut world = mk_world();
    world.many_targets("test-job", 1500);
    let streamed = world.get_all_ways(PATH).await;
    let object = world.get_all_ways("/jobs/test-job/targets").await;
    assert!(streamed.body.len() > 1 << 20);
    assert!(world.engine.warm(&|| false) > 1 << 20);
    let whole = world.get_all_ways(PATH).await;
    assert!(whole.body == streamed.body);
    assert_eq!(whole.header("etag"), streamed.header("etag"));
    assert!(world.get_all_ways("/jobs/test-job/targets").await.body == object.body);
    assert_eq!(object.json()["test-collector"]["targets"], streamed.json());
}

#[tokio::test]
async fn the_tag_follows_the_bytes() {
    let mut world = mk_world();
    world.targets("test-job", &[("url", "v")]);
    let before = world.get(PATH).await;
    world.targets("test-job", &[("url", "w")]);
    let tag = before.header("etag").to_owned();
    let after = world.get_with(PATH, &[("if-none-match", &tag)]).await;
    assert_eq!(after.json(), json!([element("url", "w")]));
    world.targets("test-job", &[("url", "v")]);
    assert_eq!(world.get(PATH).await.header("etag"), tag);
}

#[tokio::test]
async fn nothing_is_compressed_unasked() {
    let mut world = mk_world();
    world.targets("test-job", &[("url", "v")]);
    let prometheus = [("accept", "application/json"), ("x-prometheus-refresh-interval-seconds", "30")];
    let answer = world.get_with(PATH, &prometheus).await;
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.json(), json!([element("url", "v")]));
    let refused = world.get_with(PATH, &[("accept-encoding", "gzip;q=0, *;q=0")]).await;
    assert_eq!(refused.header("content-encoding"), "");
}
