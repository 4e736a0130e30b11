use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ta_loadgen::cluster::{Fault, FaultKind, SimulatedCluster, Verbs};

use crate::client::{Next, Watch, get, open, send};
use crate::{mk_cluster, mk_pod, names};

const PODS: &str = "/api/v1/pods";
const WATCH: &str = "/api/v1/pods?watch=true&resourceVersion=0";

#[tokio::test]
async fn requests_are_refused_as_told() {
    let cluster = mk_cluster().await;
    for (kind, code, reason) in [
        (FaultKind::Forbidden, 403, "Forbidden"),
        (FaultKind::Unauthorized, 401, "Unauthorized"),
        (FaultKind::TooManyRequests { retry_after: Some(3) }, 429, "TooManyRequests"),
        (FaultKind::Gone, 410, "Expired"),
        (FaultKind::Status { code: 503 }, 503, "InternalError"),
    ] {
        cluster.faults().add(Fault::new("pods", kind).times(1));
        let answer = get(&cluster, PODS).await;
        assert_eq!((answer.status, answer.json["reason"].as_str()), (code, Some(reason)));
        assert_eq!(
            answer.headers.get("retry-after").map(|value| value.to_str().unwrap()),
            (code == 429).then_some("3")
        );
        assert_eq!(get(&cluster, PODS).await.status, 200, "once is once");
    }
    assert_eq!(cluster.requests_of("pods").refused, 5);
    assert_eq!(cluster.requests_of("pods").lists, 10);
}

#[tokio::test]
async fn faults_hit_what_they_name() {
    let cluster = mk_cluster().await;
    let faults = cluster.faults();
    faults.add(Fault::new("pods", FaultKind::Forbidden).on(Verbs::Watch));
    faults.add(Fault::new("secrets", FaultKind::Forbidden).in_namespace("a"));
    faults.add(Fault::new("configmaps", FaultKind::Forbidden).in_namespace(""));
    for (path, code) in [
        (PODS, 200),
        (WATCH, 403),
        ("/api/v1/namespaces/a/secrets", 403),
        ("/api/v1/namespaces/b/secrets/x", 404),
        ("/api/v1/configmaps", 403),
        ("/api/v1/namespaces/a/configmaps", 200),
    ] {
        assert_eq!(open(cluster.address(), "GET", path, &[], "").await.unwrap().status(), code, "{path}");
    }
    let allowed = async |resource: &str, verb: &str, namespace: &str| {
        let attributes = json!({"resource": resource, "verb": verb, "namespace": namespace});
        let body = json!({"spec": {"resourceAttributes": attributes}}).to_string();
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        send(&cluster, "POST", path, &[], &body).await.unwrap().json["status"]["allowed"].clone()
    };
    assert_eq!(allowed("pods", "watch", "").await, Value::Bool(false));
    assert_eq!(allowed("pods", "list", "").await, Value::Bool(true));
    assert_eq!(allowed("secrets", "list", "a").await, Value::Bool(false));
    assert_eq!(allowed("configmaps", "list", "a").await, Value::Bool(true));
    faults.clear("pods");
    assert_eq!(allowed("pods", "watch", "").await, Value::Bool(true));
    assert_eq!(faults.all().len(), 2);
}

#[tokio::test]
async fn tokens_are_checked_and_rotated() {
    let cluster = SimulatedCluster::builder().token("one").start().await.unwrap();
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        send(&cluster, "GET", PODS, &[("Authorization", &bearer)], "").await.unwrap().status
    };
    assert_eq!((ask("one").await, ask("two").await, get(&cluster, PODS).await.status), (200, 401, 401));
    cluster.faults().set_token(Some("two"));
    assert_eq!((ask("one").await, ask("two").await), (401, 200));
    assert_eq!(get(&cluster, "/livez").await.status, 200, "health is open to everybody");
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(cluster.kubeconfig(directory.path()).unwrap()).unwrap();
    assert!(text.contains(&cluster.url()) && text.contains("tokenFile"), "{text}");
    assert_eq!(std::fs::read_to_string(directory.path().join("token")).unwrap(), "two");
}

#[tokio::test]
async fn connections_break_as_told() {
    let cluster = mk_cluster().await;
    (0..4).for_each(|number| drop(cluster.apply(mk_pod("a", &number.to_string()))));
    cluster.faults().add(Fault::new("*", FaultKind::Reset).times(1));
    let reset = send(&cluster, "GET", PODS, &[], "").await.unwrap_err();
    assert!(reset.contains("ConnectionReset") || reset.contains("IncompleteMessage"), "{reset}");
    cluster.faults().add(Fault::new("pods", FaultKind::Truncated).times(1));
    assert!(send(&cluster, "GET", PODS, &[], "").await.is_err(), "half a list");
    assert_eq!(names(&get(&cluster, PODS).await.json).len(), 4);

    let mut watch = Watch::open(&cluster, &format!("{WATCH}&labelSelector=none")).await;
    cluster.garble_watches("pods");
    assert!(matches!(watch.next().await, Next::Garbage(_)));
    cluster.break_watches("*");
    assert_eq!(watch.next().await, Next::Broken);
    let mut watch = Watch::open(&cluster, &format!("{WATCH}&labelSelector=none")).await;
    cluster.end_watches("pods");
    assert_eq!(watch.next().await, Next::End);
}

#[tokio::test]
async fn latency_and_slowness_take_their_time() {
    let cluster = mk_cluster().await;
    cluster.apply(mk_pod("a", "x")).unwrap();
    cluster.faults().add(Fault::new("pods", FaultKind::Latency { millis: 60 }));
    let start = Instant::now();
    get(&cluster, PODS).await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    cluster.faults().clear("pods");
    // some 450 bytes
    cluster.faults().add(Fault::new("pods", FaultKind::Slow { bytes_per_second: 4000 }));
    let start = Instant::now();
    assert_eq!(names(&get(&cluster, PODS).await.json), ["x"]);
    assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_hangs_goes_on_when_it_may() {
    let cluster = mk_cluster().await;
    let mut watch = Watch::open(&cluster, &format!("{WATCH}&timeoutSeconds=1&allowWatchBookmarks=true")).await;
    cluster.faults().add(Fault::new("pods", FaultKind::Hang));
    cluster.apply(mk_pod("a", "x")).unwrap();
    assert!(watch.silent().await, "an open watch falls silent");
    let list = get(&cluster, PODS);
    tokio::pin!(list);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut list).await.is_err());
    cluster.faults().clear_all();
    assert_eq!(list.await.status, 200);
    assert!(watch.brief().await.starts_with("ADDED x"));
}

#[tokio::test]
async fn the_server_goes_and_comes_back_on_its_port() {
    let cluster = mk_cluster().await;
    let mut watch = Watch::open(&cluster, WATCH).await;
    cluster.down().await;
    assert!(matches!(watch.next().await, Next::Broken | Next::End));
    assert!(open(cluster.address(), "GET", PODS, &[], "").await.is_err(), "nobody listens");
    cluster.apply(mk_pod("a", "x")).unwrap();
    cluster.up().await;
    assert_eq!(names(&get(&cluster, PODS).await.json), ["x"]);
    while cluster.requests_of("pods").watches_open > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn everything_can_be_done_over_http() {
    let cluster = mk_cluster().await;
    let address = cluster.admin_url().trim_start_matches("http://").parse().unwrap();
    let admin = async |method: &str, path: &str, body: &str| {
        open(address, method, path, &[], body).await.unwrap().status().as_u16()
    };
    for (method, path, body, code) in [
        ("POST", "/faults", "{\"resource\": \"pods\", \"kind\": {\"status\": {\"code\": 502}}, \"times\": 1}", 200),
        ("POST", "/faults", "{\"kind\": \"forbidden\", \"verbs\": \"write\", \"namespace\": \"a\"}", 200),
        ("POST", "/faults", "{\"kind\": \"gremlins\"}", 400),
        ("PUT", "/kinds/probes", "{\"installed\": false}", 200),
        ("PUT", "/kinds/gadgets", "{\"installed\": false}", 404),
        ("POST", "/watches/*/break", "", 200),
        ("POST", "/watches/*/tickle", "", 404),
        ("GET", "/requests", "", 200),
        ("GET", "/sizes", "", 200),
        ("GET", "/", "", 200),
    ] {
        assert_eq!(admin(method, path, body).await, code, "{method} {path} {body}");
    }
    assert_eq!(get(&cluster, PODS).await.status, 502);
    assert_eq!(get(&cluster, "/apis/monitoring.coreos.com/v1/probes").await.status, 404);
    assert_eq!(cluster.faults().all().len(), 1);
    assert_eq!(admin("PUT", "/token", "{\"token\": \"t\"}").await, 200);
    assert_eq!(get(&cluster, PODS).await.status, 401);
    assert_eq!(admin("PUT", "/token", "{\"token\": null}").await, 200);
    assert_eq!(admin("DELETE", "/faults/*", "").await, 200);
    assert!(cluster.faults().all().is_empty());
    let before = cluster.revision();
    assert_eq!(admin("POST", "/compact", "").await, 200);
    assert!(cluster.revision() > before);
    assert_eq!((admin("POST", "/down", "").await, admin("POST", "/up", "").await), (200, 200));
    assert_eq!(get(&cluster, PODS).await.status, 200);
}
