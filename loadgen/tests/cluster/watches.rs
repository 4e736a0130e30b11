use std::time::Duration;

use serde_json::{Value, json};
use ta_loadgen::cluster::{Expiry, SimulatedCluster};

use crate::client::{Next, Watch, get};
use crate::{mk_cluster, mk_pod};

fn mk_labelled(name: &str, app: &str) -> Value {
    let mut pod = mk_pod("a", name);
    pod["metadata"]["labels"] = json!({"app": app});
    pod
}

#[tokio::test]
async fn changes_are_told_in_order_from_a_revision_on() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "old")).unwrap();
    let start = cluster.revision();
    let mut watch = Watch::open(&cluster, &format!("/api/v1/pods?watch=true&resourceVersion={start}")).await;
    cluster.apply(mk_pod("a", "new")).unwrap();
    cluster.apply(mk_labelled("new", "other")).unwrap();
    cluster.apply(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})).unwrap();
    cluster.delete("pods", "a", "new");
    let told = [watch.brief().await, watch.brief().await, watch.brief().await];
    let expected =
        [(1, "ADDED"), (2, "MODIFIED"), (4, "DELETED")].map(|(n, event)| format!("{event} new@{}", start + n));
    assert_eq!(told, expected, "a deletion has a revision of its own");
    // a second watch from the same revision is told the same
    let mut again = Watch::open(&cluster, &format!("/api/v1/namespaces/a/pods?watch=1&resourceVersion={start}")).await;
    assert_eq!([again.brief().await, again.brief().await, again.brief().await], told);
    let mut elsewhere =
        Watch::open(&cluster, &format!("/api/v1/namespaces/b/pods?watch=1&resourceVersion={start}")).await;
    assert!(elsewhere.silent().await);
    assert_eq!(cluster.requests_of("pods").watches, 3);
}

#[tokio::test]
async fn without_a_revision_what_is_there_comes_first() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    for query in ["watch=true", "watch=true&resourceVersion=0"] {
        let mut watch = Watch::open(&cluster, &format!("/api/v1/pods?{query}")).await;
        assert!(watch.brief().await.starts_with("ADDED x@"), "{query}");
        assert!(watch.silent().await);
    }
}

#[tokio::test]
async fn leaving_a_selector_is_a_deletion() {
    let cluster = mk_cluster().await;
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}&labelSelector=app%3Dweb", cluster.revision());
    let mut watch = Watch::open(&cluster, &path).await;
    for app in ["db", "web", "web", "db", "db", "web"] {
        cluster.apply(mk_labelled("x", app)).unwrap();
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        let Next::Event(event) = watch.next().await else { panic!("no event") };
        told.push((event["type"].clone(), event["object"]["metadata"]["labels"]["app"].clone()));
    }
    let expected = [("ADDED", "web"), ("DELETED", "web"), ("ADDED", "web")];
    assert_eq!(told, expected.map(|(event, app)| (json!(event), json!(app))), "shown as it was when it still matched");
}

#[tokio::test]
async fn bookmarks_come_to_those_who_want_them() {
    let cluster = SimulatedCluster::builder().bookmarks_every(Duration::from_millis(20)).start().await.unwrap();
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}", cluster.revision());
    let mut without = Watch::open(&cluster, &path).await;
    let mut with = Watch::open(&cluster, &format!("{path}&allowWatchBookmarks=true")).await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    cluster.apply(node).unwrap();
    let newest = format!("BOOKMARK -@{}", cluster.revision());
    // bookmarks reach the newest revision even if it is about another kind
    while with.brief().await != newest {}
    assert!(without.silent().await);
}

#[tokio::test]
async fn a_watch_ends_in_time_with_a_bookmark() {
    let cluster = mk_cluster().await;
    let path = "/api/v1/pods?watch=true&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true";
    let mut watch = Watch::open(&cluster, path).await;
    assert!(watch.brief().await.starts_with("BOOKMARK"));
    assert_eq!(watch.next().await, Next::End);
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = Watch::open(&cluster, &format!("/api/v1/pods?{query}")).await;
    assert!(watch.brief().await.starts_with("ADDED x"));
    let Next::Event(bookmark) = watch.next().await else { panic!("no bookmark") };
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], cluster.revision().to_string());
    cluster.apply(mk_pod("a", "y")).unwrap();
    assert!(watch.brief().await.starts_with("ADDED y"));
    let incomplete = get(&cluster, "/api/v1/pods?watch=true&sendInitialEvents=true").await;
    assert_eq!((incomplete.status, &incomplete.json["reason"]), (422, &json!("Invalid")));
    let old = SimulatedCluster::builder().watch_list(false).start().await.unwrap();
    let refused = get(&old, &format!("/api/v1/pods?{query}")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.json["message"].as_str().unwrap().contains("WatchList feature gate"));
}

#[tokio::test]
async fn a_revision_that_is_too_old_is_refused_in_both_ways() {
    for expiry in [Expiry::InStream, Expiry::Http] {
        let cluster = SimulatedCluster::builder().expiry(expiry).window(2).start().await.unwrap();
        let start = cluster.revision();
        (0..4).for_each(|number| drop(cluster.apply(mk_pod("a", &number.to_string()))));
        let path = format!("/api/v1/pods?watch=true&resourceVersion={start}");
        if expiry == Expiry::Http {
            let answer = get(&cluster, &path).await;
            assert_eq!((answer.status, &answer.json["reason"]), (410, &json!("Expired")));
            continue;
        }
        let mut watch = Watch::open(&cluster, &path).await;
        let Next::Event(event) = watch.next().await else { panic!("no event") };
        assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
        assert_eq!(watch.next().await, Next::End);
    }
}

#[tokio::test]
async fn compaction_stops_nobody_who_is_up_to_date_and_connected() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    let path = format!("/api/v1/pods?watch=true&resourceVersion={}", cluster.revision());
    let mut open = Watch::open(&cluster, &path).await;
    cluster.compact();
    cluster.apply(mk_pod("a", "y")).unwrap();
    assert!(open.brief().await.starts_with("ADDED y"));
    let mut late = Watch::open(&cluster, &path).await;
    assert!(late.brief().await.starts_with("ERROR"));
    cluster.expire_watches("pods");
    assert!(open.brief().await.starts_with("ERROR"));
    assert_eq!(open.next().await, Next::End);
}

#[tokio::test]
async fn a_kind_that_goes_away_ends_its_watches() {
    let cluster = mk_cluster().await;
    let path = "/apis/monitoring.coreos.com/v1/probes?watch=true&resourceVersion=0";
    let mut watch = Watch::open(&cluster, path).await;
    cluster.set_installed("probes", false);
    assert_eq!(watch.next().await, Next::End);
    assert_eq!(get(&cluster, path).await.status, 404);
}
