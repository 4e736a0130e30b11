//! Watches over real connections, of `loadgen`'s simulated API server and its faults.
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use ta_discovery::{
    Condition, Kind, KubeSettings, Kubernetes, Resource, Scope, Status, Subscription, WatchSettings, WatchView, Watches,
};
use ta_loadgen::cluster::{ClusterBuilder, Fault, FaultKind, SimulatedCluster, Verbs};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Pods by their IP.
#[derive(Debug)]
struct Ips;

impl Kind for Ips {
    type Kept = String;
    const RESOURCE: Resource = Resource { group: "", version: "v1", plural: "pods", kind: "Pod", namespaced: true };

    fn keep(json: &[u8]) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Pod {
            status: Status,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            #[serde(rename = "podIP")]
            pod_ip: String,
        }
        let pod: Pod = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(pod.status.pod_ip)
    }

    fn bytes(kept: &String) -> usize {
        kept.len()
    }
}

struct Setup {
    server: SimulatedCluster,
    status: Arc<Status>,
    kubernetes: Kubernetes,
    pods: Subscription<Ips>,
    bell: Arc<Notify>,
    directory: TempDir,
}

fn put(server: &SimulatedCluster, name: &str, ip: &str) {
    let metadata = json!({"name": name, "namespace": "n", "labels": {"app": name}});
    server.apply(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"podIP": ip}})).unwrap();
}

/// A watch of the pods `a` and `b`, in sync.
async fn mk_setup(server: ClusterBuilder) -> Setup {
    let server = server.start().await.unwrap();
    put(&server, "a", "1");
    put(&server, "b", "2");
    let directory = TempDir::new().unwrap();
    let kube_config_file = server.kubeconfig(directory.path()).unwrap().to_str().unwrap().to_owned();
    let status = Arc::new(Status::default());
    let settings = WatchSettings {
        page_size: 2,
        first_retry: Duration::from_millis(5),
        max_retry: Duration::from_millis(50),
        answer_timeout: Duration::from_secs(2),
        stream_timeout: Duration::from_secs(1),
        watch_timeout: Duration::from_secs(60),
        ..WatchSettings::default()
    };
    let watches = Watches::new(status.clone(), settings);
    let kubernetes = Kubernetes::new(watches, KubeSettings { kube_config_file, ..KubeSettings::default() });
    let bell = Arc::new(Notify::new());
    let pods = kubernetes.watches.subscribe(&kubernetes.cluster().unwrap(), Scope::default(), bell.clone());
    let setup = Setup { server, status, kubernetes, pods, bell, directory };
    setup.until(&[("a", "1"), ("b", "2")]).await;
    setup
}

impl Setup {
    fn view(&self) -> WatchView {
        self.status.watches().remove(0)
    }

    fn now(&self) -> Vec<(String, String)> {
        let all = self.pods.all().into_iter();
        let mut now: Vec<_> = all.map(|(key, ip)| (key.name.to_string(), ip.to_string())).collect();
        now.sort();
        now
    }

    async fn until(&self, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(name, ip)| ((*name).to_owned(), (*ip).to_owned())).collect();
        let coming = async {
            while self.now() != expected {
                self.bell.notified().await;
            }
        };
        let came = timeout(Duration::from_secs(60), coming).await;
        came.unwrap_or_else(|_| panic!("{:?}, {:?}", self.now(), self.view()));
    }

    async fn until_condition(&self, condition: impl Fn(&Condition) -> bool) {
        let coming = async {
            while !condition(&self.pods.condition()) {
                self.bell.notified().await;
            }
        };
        timeout(Duration::from_secs(60), coming).await.unwrap_or_else(|_| panic!("{:?}", self.view()));
    }
}

#[tokio::test]
async fn lists_come_as_streams_or_pages_as_the_server_has_them() {
    for (server, requests) in [
        (SimulatedCluster::builder(), 1),
        (SimulatedCluster::builder().watch_list(false), 3),
        (SimulatedCluster::builder().watch_list(false).pages_at_zero(true), 3),
    ] {
        let setup = mk_setup(server).await;
        setup.until_condition(|condition| *condition == Condition::Watching).await;
        assert_eq!((setup.view().requests, setup.view().lists, setup.view().errors), (requests, 1, 0));
        put(&setup.server, "c", "3");
        setup.until(&[("a", "1"), ("b", "2"), ("c", "3")]).await;
        setup.server.expire_watches("pods"); // now a list of two pages, if there are pages
        setup.server.delete("pods", "n", "a");
        put(&setup.server, "b", "4");
        setup.until(&[("b", "4"), ("c", "3")]).await;
    }
}

#[tokio::test]
async fn whatever_happens_to_watches_they_go_on_with_what_there_is() {
    let setup = mk_setup(SimulatedCluster::builder()).await;
    let server = &setup.server;
    let troubles: [(&str, &dyn Fn()); 6] = [
        ("break", &|| server.break_watches("pods")),
        ("end", &|| server.end_watches("pods")),
        ("expire", &|| server.expire_watches("pods")),
        ("garbage", &|| server.garble_watches("pods")),
        ("compacted and broken", &|| {
            server.compact();
            server.break_watches("pods");
        }),
        ("reset", &|| {
            server.faults().add(Fault::new("pods", FaultKind::Reset).on(Verbs::Read).times(3));
            server.break_watches("pods");
        }),
    ];
    for (round, (trouble, cause)) in troubles.into_iter().enumerate() {
        cause();
        let ip = format!("{round}{trouble}");
        put(server, "a", &ip);
        server.delete("pods", "n", "b");
        setup.until(&[("a", &ip)]).await;
        put(server, "b", &ip);
        setup.until(&[("a", &ip), ("b", &ip)]).await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_takes_nothing_along() {
    let setup = mk_setup(SimulatedCluster::builder()).await;
    setup.server.down().await;
    setup.until_condition(|condition| matches!(condition, Condition::Failing(_))).await;
    assert_eq!(setup.now().len(), 2);
    assert!(setup.pods.synced());
    setup.server.delete("pods", "n", "a");
    setup.server.compact();
    setup.server.up().await;
    setup.until(&[("b", "2")]).await;
    setup.until_condition(|condition| *condition == Condition::Watching).await;
}

#[tokio::test]
async fn answers_that_say_no_are_told_apart() {
    let setup = mk_setup(SimulatedCluster::builder()).await;
    for (kind, expected) in [
        (FaultKind::Forbidden, "Forbidden(\"403 Forbidden"),
        (FaultKind::Unauthorized, "Failing(\"401 Unauthorized"),
        (FaultKind::TooManyRequests { retry_after: None }, "Failing(\"429 Too Many Requests"),
        (FaultKind::Status { code: 503 }, "Failing(\"503 Service Unavailable"),
        (FaultKind::Status { code: 404 }, "Absent"),
    ] {
        setup.server.faults().add(Fault::new("pods", kind));
        setup.server.expire_watches("pods");
        setup.until_condition(|condition| format!("{condition:?}").starts_with(expected)).await;
        assert_eq!(setup.now().len(), 2);
        setup.server.faults().clear_all();
        setup.until_condition(|condition| *condition == Condition::Watching).await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_asked_again() {
    let mut setup = mk_setup(SimulatedCluster::builder()).await;
    setup.server.faults().add(Fault::new("pods", FaultKind::Hang));
    let scope = Scope { namespace: Some("n".into()), ..Scope::default() };
    setup.pods = setup.kubernetes.watches.subscribe(&setup.kubernetes.cluster().unwrap(), scope, setup.bell.clone());
    setup.until_condition(|condition| *condition == Condition::Failing("no answer for 2 s".into())).await;
    setup.server.faults().clear_all();
    setup.until(&[("a", "1"), ("b", "2")]).await;
}

#[tokio::test]
async fn lists_that_are_cut_off_are_asked_for_again() {
    let setup = mk_setup(SimulatedCluster::builder().watch_list(false)).await;
    setup.server.faults().add(Fault::new("pods", FaultKind::Truncated).on(Verbs::List).times(3));
    put(&setup.server, "c", "3");
    setup.server.expire_watches("pods");
    setup.server.delete("pods", "n", "a");
    setup.until(&[("b", "2"), ("c", "3")]).await;
}

#[tokio::test]
async fn a_token_is_read_again_when_the_old_one_is_refused() {
    let setup = mk_setup(SimulatedCluster::builder().token("old")).await;
    std::fs::write(setup.directory.path().join("token"), "new\n").unwrap();
    setup.server.faults().set_token(Some("new"));
    setup.server.break_watches("pods");
    put(&setup.server, "c", "3");
    setup.until(&[("a", "1"), ("b", "2"), ("c", "3")]).await;
}

#[tokio::test]
async fn hundreds_of_watches_run_side_by_side() {
    let setup = mk_setup(SimulatedCluster::builder()).await;
    let cluster = setup.kubernetes.cluster().unwrap();
    let bell = Arc::new(Notify::new());
    let scope = |n: usize| Scope { label_selector: format!("app,x!={n}"), ..Scope::default() };
    let subscribe = |n| setup.kubernetes.watches.subscribe::<Ips>(&cluster, scope(n), bell.clone());
    let many: Vec<_> = (0..300).map(subscribe).collect();
    let all_have = async |count: usize| {
        let coming = async {
            while !many.iter().all(|pods| pods.all().len() == count) {
                bell.notified().await;
            }
        };
        timeout(Duration::from_secs(60), coming).await.expect("all of them see it");
    };
    all_have(2).await;
    put(&setup.server, "c", "3");
    all_have(3).await;
    assert_eq!(setup.server.requests_of("pods").watches_open, 301);
}
