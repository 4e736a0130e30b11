//! Why a target is where it is, or is not there.

use hyper::StatusCode;
use serde_json::json;

use crate::support::World;

const JOBS: &str = r#"
- job_name: shop
  relabel_configs:
  - {source_labels: [stage], regex: test, action: drop}
  - {source_labels: [team], target_label: owner}
  - {regex: team, action: labeldrop}
- job_name: mart
"#;

fn mk_world() -> World {
    let mut world = World::new(JOBS, &["collector-0"]);
    world.group(
        "shop",
        "s",
        &[("team", "web")],
        &[&[("__address__", "x:1"), ("stage", "prod")], &[("__address__", "y:1"), ("stage", "test")]],
    );
    world.group("mart", "s", &[], &[&[("__address__", "z:1")]]);
    world
}

#[tokio::test]
async fn a_kept_target_is_told_up_to_its_collector_and_when_that_last_asked() {
    let world = mk_world();
    let answer = world.get("/explain?q=x:1").await.json();
    assert_eq!(answer["job"], "shop");
    assert_eq!(answer["discovered_labels"], json!({"__address__": "x:1", "stage": "prod", "team": "web"}));
    assert_eq!(answer["labels"]["owner"], "web");
    assert_eq!(answer["seed_labels"]["__scheme__"], "http");
    assert_eq!((&answer["fate"], &answer["collector"]), (&json!("assigned"), &json!("collector-0")));
    assert_eq!(answer["strategy"], "least-weighted");
    assert_eq!((&answer["share_last_asked"], &answer["collector_last_asked"]), (&json!(null), &json!(null)));
    let owner = answer["rules"].as_array().unwrap().iter().find(|rule| rule["changes"][0]["label"] == "owner").unwrap();
    assert_eq!(owner["rule"], "action: replace, source_labels: [team], target_label: owner");
    assert_eq!((&owner["input"], &owner["changes"][0]["after"]), (&json!("web"), &json!("web")));

    let explain = format!("/explain?target_hash={}", answer["target_hash"]);
    world.get("/jobs/mart/targets?collector_id=collector-0").await;
    let by_hash = world.get(&explain).await.json();
    assert_eq!(by_hash["share_last_asked"], json!(null), "it asked for another job");
    assert!(by_hash["collector_last_asked"].as_u64().unwrap() > 1_700_000_000, "{by_hash}");
    world.get("/jobs/shop/targets?collector_id=collector-0").await;
    let by_hash = world.get(&explain).await.json();
    assert!(by_hash["share_last_asked"].as_u64().unwrap() > 1_700_000_000, "{by_hash}");
}

#[tokio::test]
async fn a_dropped_target_is_found_and_the_rule_that_drops_it_named() {
    let world = mk_world();
    let answer = world.get("/explain?q=Y:1").await.json();
    assert_eq!((&answer["fate"], &answer["collector"]), (&json!("dropped"), &json!(null)));
    let last = answer["rules"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["drops"], &last["input"]), (&json!(true), &json!("test")));
    assert_eq!(last["rule"], "action: drop, source_labels: [stage], regex: test");
}

#[tokio::test]
async fn several_matches_are_a_list_and_each_can_be_asked_for() {
    let world = mk_world();
    let answer = world.get("/explain?q=web").await.json();
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!((matches.len(), &answer["scanned"], &answer["next"]), (2, &json!(3), &json!(null)));
    assert_eq!(matches[1]["fate"], "dropped");
    let one = world.get(&format!("/explain?job=shop&number={}", matches[1]["number"])).await.json();
    assert_eq!(one["address"], "y:1");
    let nothing = world.get("/explain?q=nowhere").await.json();
    assert_eq!(nothing["matches"], json!([]));
    assert_eq!(world.get("/explain").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn people_get_a_page() {
    let world = mk_world();
    let html = [("accept", "text/html")];
    assert!(world.get_with("/explain", &html).await.page().contains("Search among all that was discovered"));
    let page = world.get_with("/explain?q=web", &html).await;
    assert_eq!(page.rows()[1][2], "dropped");
    assert!(page.page().contains("/explain?job=shop&amp;number=1"));
    let page = world.get_with("/explain?q=y:1", &html).await;
    assert!(page.page().contains("dropped by the last rule below"));
    let page = world.get_with("/explain?q=x:1", &html).await;
    assert!(page.page().contains("had the fewest targets"));
}
