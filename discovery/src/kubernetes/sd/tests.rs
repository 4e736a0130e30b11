//! One SD config, with watches that are told what they see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::{AttachMetadata, KubernetesSelector, ScrapeConfig, SdConfig};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::kubernetes::client::KubeSettings;
use crate::kubernetes::kinds::{Namespaces, ReplicaSets};
use crate::kubernetes::watch::{Condition, Feed, Scope, WatchSettings};
use crate::sink::{GroupChange, GroupKey, GroupSink};
use crate::source::{Delivery, News, StandardSources};
use crate::status::{ProviderStatus, Status};
use crate::supervisor::{BackOff, Supervisor};

type Labels = BTreeMap<String, String>;

/// A source at work and what it has delivered.
struct Source {
    watches: Watches,
    cluster: Cluster,
    status: Arc<ProviderStatus>,
    news: mpsc::Receiver<Delivery>,
    groups: BTreeMap<String, Vec<Labels>>,
    /// Groups delivered since last asked.
    delivered: Vec<String>,
    synced: usize,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), SourceError>>,
}

impl Source {
    async fn start(config: KubernetesSdConfig) -> Self {
        let all = Arc::new(Status::default());
        let watches = Watches::new(all.clone(), WatchSettings::default());
        let cluster = Cluster::detached("test");
        let (sender, news) = mpsc::channel(16);
        let status = all.provider("kubernetes/0".into(), "kubernetes", 1);
        let deliver = Deliver::new(1, 1, sender, status.clone());
        let cancel = CancellationToken::new();
        let kubernetes = Kubernetes::with_cluster(watches.clone(), cluster.clone());
        let task = tokio::spawn(run(config, kubernetes, deliver, cancel.clone()));
        tokio::task::yield_now().await; // it subscribes: what a feed says stays, though the feed goes
        let (groups, delivered) = (BTreeMap::new(), Vec::new());
        Self { watches, cluster, status, news, groups, delivered, synced: 0, cancel, task }
    }

    fn feed<K: Kind>(&self) -> Feed<K> {
        self.feed_of(Scope::default())
    }

    fn feed_of<K: Kind>(&self, scope: Scope) -> Feed<K> {
        Feed::new(&self.watches, &self.cluster, scope)
    }

    /// Takes deliveries until `condition` holds.
    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            let next = tokio::time::timeout(Duration::from_secs(30), self.news.recv()).await;
            let delivery = next.unwrap_or_else(|_| panic!("waited in vain: {what}; there is {:?}", self.groups));
            match delivery.expect("the source is at work").news {
                News::Begin => panic!("nothing to begin anew"),
                News::Synced => self.synced += 1,
                News::Groups(groups) => groups.into_iter().for_each(|(source, group)| self.take(&source, &group)),
            }
        }
    }

    fn take(&mut self, source: &str, group: &TargetGroup) {
        let labels = |target| group.labels(target).map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        let targets: Vec<Labels> = (0..group.len()).map(labels).collect();
        self.delivered.push(source.to_owned());
        match targets.is_empty() {
            true => drop(self.groups.remove(source)),
            false => drop(self.groups.insert(source.to_owned(), targets)),
        }
    }

    async fn until_synced(&mut self) {
        self.until("synced", |source| source.synced > 0).await;
        self.delivered.clear();
    }

    /// Waits until the first target of a group has this value for a label; `-`: it has none.
    async fn until_label(&mut self, source: &str, name: &str, value: &str) {
        let what = format!("{name} of {source} should be {value}");
        self.until(&what, |this| this.label(source, name) == value).await;
    }

    fn label(&self, source: &str, name: &str) -> &str {
        let targets = self.groups.get(source).map(Vec::as_slice).unwrap_or_default();
        let value = targets.first().and_then(|target| target.get(&format!("__meta_kubernetes_{name}")));
        value.map_or("-", String::as_str)
    }

    /// What was delivered since last asked, sorted.
    fn take_delivered(&mut self) -> Vec<String> {
        let mut delivered = std::mem::take(&mut self.delivered);
        delivered.sort();
        delivered
    }

    /// Waits for a moment in which nothing is on its way, and asserts that nothing was.
    async fn assert_nothing_comes(&mut self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(self.news.try_recv().is_err(), "something was delivered");
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn mk_config(role: KubernetesRole) -> KubernetesSdConfig {
    KubernetesSdConfig {
        api_server: String::new(),
        role,
        kubeconfig_file: String::new(),
        http: Default::default(),
        own_namespace: false,
        namespaces: Vec::new(),
        selectors: Vec::new(),
        attach_metadata: AttachMetadata::default(),
    }
}

fn mk_pod(name: &str, node: &str, label: &str) -> String {
    json!({"metadata": {"namespace": "a", "name": name, "labels": {"l": label},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "controller": true}]},
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        "status": {"podIP": "10.0.0.1"}})
    .to_string()
}

fn mk_slice(namespace: &str, name: &str, pods: &[&str]) -> String {
    let endpoint = |pod: &&str| json!({"addresses": ["10.0.0.1"], "nodeName": "n1", "targetRef": {"kind": "Pod", "namespace": "a", "name": pod}});
    json!({"metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": "s"}},
        "ports": [{"port": 80}], "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>()})
    .to_string()
}

/// Something that is only a name and labels.
fn mk(namespace: &str, name: &str, labels: Value) -> String {
    json!({"metadata": {"namespace": namespace, "name": name, "labels": labels}}).to_string()
}

fn mk_owned(name: &str, owner: &str) -> String {
    json!({"metadata": {"namespace": "a", "name": name,
        "ownerReferences": [{"kind": "Deployment", "name": owner, "controller": true}]}})
    .to_string()
}

#[tokio::test]
async fn slices_wait_for_all_they_look_up_and_follow_it() {
    let mut source = Source::start(mk_config(KubernetesRole::EndpointSlice)).await;
    let (slices, services, pods) = (source.feed::<EndpointSlices>(), source.feed::<Services>(), source.feed::<Pods>());
    slices.list([&*mk_slice("a", "s-1", &["p1"]), &mk_slice("a", "s-2", &["p2"])]);
    pods.list([&*mk_pod("p1", "n1", "one"), &mk_pod("p2", "n1", "two")]);
    source.assert_nothing_comes().await;
    services.list([&*mk("a", "s", json!({"s": "1"}))]);
    source.until_synced().await;
    assert_eq!(source.groups.len(), 2);
    assert_eq!(source.label("endpointslice/a/s-1", "pod_label_l"), "one");
    assert_eq!(source.label("endpointslice/a/s-2", "service_label_s"), "1");

    pods.put(&mk_pod("p1", "n1", "other"));
    source.until_label("endpointslice/a/s-1", "pod_label_l", "other").await;
    assert_eq!(source.take_delivered(), ["endpointslice/a/s-1"], "one pod, one group");
    pods.delete(&ObjectKey::new("a", "p2"));
    source.until_label("endpointslice/a/s-2", "pod_name", "-").await;
    pods.put(&mk_pod("p2", "n1", "again"));
    source.until_label("endpointslice/a/s-2", "pod_label_l", "again").await;
    services.put(&mk("a", "s", json!({"s": "2"})));
    source.until_label("endpointslice/a/s-1", "service_label_s", "2").await;
    source.until_label("endpointslice/a/s-2", "service_label_s", "2").await;
    services.delete(&ObjectKey::new("a", "s"));
    source.until_label("endpointslice/a/s-1", "service_name", "-").await;

    slices.put(&mk_slice("a", "s-1", &["p2"]));
    source.until_label("endpointslice/a/s-1", "pod_name", "p2").await;
    source
        .until("service_name of the other slice goes", |this| this.label("endpointslice/a/s-2", "service_name") == "-")
        .await;
    source.take_delivered();
    pods.put(&mk_pod("p1", "n1", "nobody asks"));
    pods.put(&mk_pod("p2", "n1", "both ask"));
    source.until_label("endpointslice/a/s-1", "pod_label_l", "both ask").await;
    source.until_label("endpointslice/a/s-2", "pod_label_l", "both ask").await;
    assert_eq!(source.take_delivered(), ["endpointslice/a/s-1", "endpointslice/a/s-2"]);

    slices.delete(&ObjectKey::new("a", "s-1"));
    source.until("a slice goes", |this| !this.groups.contains_key("endpointslice/a/s-1")).await;
    slices.list([]);
    source.until("all slices go", |this| this.groups.is_empty()).await;
    assert_eq!(source.synced, 1);
    source.stop().await;
}

#[tokio::test]
async fn pods_follow_nodes_namespaces_and_owners() {
    let attach = AttachMetadata { node: true, namespace: true, deployment: true, ..AttachMetadata::default() };
    let mut source =
        Source::start(KubernetesSdConfig { attach_metadata: attach, ..mk_config(KubernetesRole::Pod) }).await;
    let (pods, nodes) = (source.feed::<Pods>(), source.feed::<Nodes>());
    let (namespaces, sets) = (source.feed::<Namespaces>(), source.feed::<ReplicaSets>());
    pods.list([&*mk_pod("p1", "n1", "x"), &mk_pod("p2", "n2", "x")]);
    nodes.list([&*mk("", "n1", json!({"zone": "a"}))]);
    namespaces.list([]);
    source.assert_nothing_comes().await;
    sets.list([]);
    source.until_synced().await;
    let (one, two) = ("pod/a/p1", "pod/a/p2");
    assert_eq!(source.groups.keys().collect::<Vec<_>>(), [one], "pods on nodes that are not there are no targets");
    assert_eq!(source.label(one, "pod_deployment_name"), "-");

    nodes.put(&mk("", "n2", json!({"zone": "b"})));
    source.until_label(two, "node_label_zone", "b").await;
    assert_eq!(source.take_delivered(), [two]);
    sets.put(&mk_owned("rs", "web"));
    source.until_label(one, "pod_deployment_name", "web").await;
    source.until_label(two, "pod_deployment_name", "web").await;
    namespaces.put(&mk("", "a", json!({"env": "prod"})));
    source.until_label(one, "namespace_label_env", "prod").await;
    source.until_label(two, "namespace_label_env", "prod").await;
    namespaces.put(&mk("", "b", json!({"env": "none of ours"})));
    nodes.delete(&ObjectKey::cluster_wide("n1"));
    source.until("pods of a lost node go", |this| !this.groups.contains_key(one)).await;
    assert_eq!(source.label(two, "node_label_zone"), "b");
    source.stop().await;
}

#[tokio::test]
async fn nodes_keep_the_last_group_they_had() {
    let mut source = Source::start(KubernetesSdConfig {
        namespaces: vec!["a".to_owned()], // means nothing to nodes
        attach_metadata: AttachMetadata { node: true, namespace: true, deployment: true, job: true, cronjob: true },
        ..mk_config(KubernetesRole::Node)
    })
    .await;
    let nodes = source.feed::<Nodes>();
    let mk_node = |name: &str, addresses: Value| {
        json!({"metadata": {"name": name}, "status": {"addresses": addresses}}).to_string()
    };
    let address = json!([{"type": "InternalIP", "address": "10.0.0.1"}]);
    nodes.list([&*mk_node("n1", address.clone()), &mk_node("n2", json!([]))]);
    source.until_synced().await;
    assert_eq!(source.groups.keys().collect::<Vec<_>>(), ["node/n1"]);
    nodes.put(&mk_node("n1", json!([])));
    nodes.put(&mk_node("n2", address));
    source.until("the second node comes", |this| this.groups.contains_key("node/n2")).await;
    assert_eq!(source.label("node/n1", "node_address_InternalIP"), "10.0.0.1");
    nodes.delete(&ObjectKey::cluster_wide("n1"));
    source.until("a node goes", |this| !this.groups.contains_key("node/n1")).await;
    source.stop().await;
}

#[tokio::test]
async fn each_namespace_is_a_world_of_its_own() {
    let mut source = Source::start(KubernetesSdConfig {
        namespaces: vec!["b".to_owned(), "a".to_owned(), "b".to_owned()],
        own_namespace: true, // "default", see Cluster::detached
        ..mk_config(KubernetesRole::EndpointSlice)
    })
    .await;
    let of = |namespace: &str| Scope { namespace: Some(namespace.into()), ..Scope::default() };
    for namespace in ["a", "b", "default"] {
        source.feed_of::<Services>(of(namespace)).list([]);
        source
            .feed_of::<Pods>(of(namespace))
            .list([&*mk_pod("p", "n1", namespace)].into_iter().filter(|_| namespace == "a"));
        let slices = source.feed_of::<EndpointSlices>(of(namespace));
        source.assert_nothing_comes().await;
        slices.list([&*mk_slice(namespace, "s", &["p"])]);
    }
    source.until_synced().await;
    assert_eq!(
        source.groups.keys().collect::<Vec<_>>(),
        ["endpointslice/a/s", "endpointslice/b/s", "endpointslice/default/s"]
    );
    assert_eq!(source.label("endpointslice/a/s", "pod_label_l"), "a");
    assert_eq!(source.label("endpointslice/b/s", "pod_label_l"), "-", "the pod is in another namespace");
    source.stop().await;
}

#[tokio::test]
async fn selectors_narrow_the_watch_of_their_role() {
    let selector = |role: &str, label: &str, field: &str| KubernetesSelector {
        role: role.to_owned(),
        label: label.to_owned(),
        field: field.to_owned(),
    };
    let mut source = Source::start(KubernetesSdConfig {
        selectors: vec![selector("endpointslice", "e=1", ""), selector("pod", "p=1", "status.phase=Running")],
        ..mk_config(KubernetesRole::EndpointSlice)
    })
    .await;
    let of = |label: &str, field: &str| Scope {
        namespace: None,
        label_selector: label.to_owned(),
        field_selector: field.to_owned(),
    };
    source.feed::<Services>().list([]);
    source.feed_of::<Pods>(of("p=1", "status.phase=Running")).list([]);
    source.feed_of::<EndpointSlices>(of("e=1", "")).list([&*mk_slice("a", "s", &["p"])]);
    source.until_synced().await;
    assert_eq!(source.groups.len(), 1);
    source.stop().await;
}

#[tokio::test]
async fn what_fails_is_told_and_takes_nothing_away() {
    let mut source = Source::start(mk_config(KubernetesRole::Endpoints)).await;
    let (endpoints, services, pods) =
        (source.feed::<EndpointsKind>(), source.feed::<Services>(), source.feed::<Pods>());
    let object = json!({"metadata": {"namespace": "a", "name": "s"}, "subsets": [{"addresses": [{"ip": "1"}], "ports": [{"port": 1}]}]});
    endpoints.list([&*object.to_string()]);
    pods.list([]);
    services.condition(Condition::Forbidden("services is forbidden".to_owned()));
    source.assert_nothing_comes().await;
    let view = source.status.view();
    assert_eq!((view.consecutive_failures, &*view.last_error), (1, "services: services is forbidden"));
    services.list([]);
    source.until_synced().await;
    assert_eq!(source.status.view().consecutive_failures, 0);

    endpoints.condition(Condition::Failing("connection refused".to_owned()));
    pods.condition(Condition::Absent);
    source.assert_nothing_comes().await;
    let error = source.status.view().last_error;
    assert_eq!(error, "endpoints: connection refused (and 1 more)");
    assert_eq!(source.groups.len(), 1);
    endpoints.put("{\"metadata\": {\"namespace\": \"a\", \"name\": \"s\"}, \"subsets\": 7}");
    source.assert_nothing_comes().await;
    source.stop().await;
}

#[tokio::test]
async fn owners_that_may_not_be_seen_cost_their_labels_only() {
    let attach = AttachMetadata { deployment: true, cronjob: true, ..AttachMetadata::default() };
    let mut source =
        Source::start(KubernetesSdConfig { attach_metadata: attach, ..mk_config(KubernetesRole::Pod) }).await;
    let (pods, sets) = (source.feed::<Pods>(), source.feed::<ReplicaSets>());
    let jobs = source.feed::<crate::kubernetes::kinds::Jobs>();
    pods.list([&*mk_pod("p1", "n1", "x")]);
    jobs.condition(Condition::Forbidden("no".to_owned()));
    sets.condition(Condition::Failing("not yet".to_owned()));
    source.assert_nothing_comes().await;
    sets.condition(Condition::Forbidden("no".to_owned()));
    source.until_synced().await;
    assert_eq!(source.label("pod/a/p1", "pod_deployment_name"), "-");
    assert_eq!(source.status.view().last_error, "replicasets.apps: no (and 1 more)");
    sets.list([&*mk_owned("rs", "web")]);
    source.until_label("pod/a/p1", "pod_deployment_name", "web").await;
    source.stop().await;
}

#[tokio::test]
async fn many_are_delivered_in_batches_and_one_change_touches_one() {
    const SLICES: usize = 3 * BATCH / 2;
    let mut source = Source::start(mk_config(KubernetesRole::EndpointSlice)).await;
    let (slices, pods) = (source.feed::<EndpointSlices>(), source.feed::<Pods>());
    let names: Vec<[String; 2]> = (0..SLICES).map(|n| [format!("p{n}-0"), format!("p{n}-1")]).collect();
    let all: Vec<String> = names.iter().flatten().map(|name| mk_pod(name, "n1", "x")).collect();
    pods.list(all.iter().map(String::as_str));
    let all: Vec<String> =
        names.iter().enumerate().map(|(n, [a, b])| mk_slice("a", &format!("s{n}"), &[a, b])).collect();
    slices.list(all.iter().map(String::as_str));
    source.feed::<Services>().list([]);
    source.until_synced().await;
    assert_eq!(source.groups.len(), SLICES);
    pods.put(&mk_pod("p7-1", "n1", "changed"));
    source.until("the change comes", |this| !this.delivered.is_empty()).await;
    assert_eq!(source.take_delivered(), ["endpointslice/a/s7"]);
    source.assert_nothing_comes().await;
    source.stop().await;
}

#[tokio::test]
async fn a_config_that_reaches_no_server_says_so() {
    let all = Arc::new(Status::default());
    let (sender, _news) = mpsc::channel(16);
    let deliver = Deliver::new(1, 1, sender, all.provider("kubernetes/0".into(), "kubernetes", 1));
    let kubernetes = Kubernetes::new(Watches::new(all, WatchSettings::default()), KubeSettings::default());
    let config =
        KubernetesSdConfig { kubeconfig_file: "/nonexistent/config".to_owned(), ..mk_config(KubernetesRole::Pod) };
    let error = run(config, kubernetes, deliver, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/config"), "{error}");
}

/// Two configs of one job that find the same pod: two groups of one source, each goes with its own config.
#[tokio::test]
async fn overlapping_configs_of_one_job_do_not_disturb_each_other() {
    let within = |namespace: &str| KubernetesSdConfig {
        namespaces: vec![namespace.to_owned()],
        ..mk_config(KubernetesRole::Pod)
    };
    let jobs = |configs: &[KubernetesSdConfig]| {
        let configs = configs.iter().map(|config| SdConfig::Kubernetes(Box::new(config.clone()))).collect();
        let job = ScrapeConfig { sd_configs: configs, ..ScrapeConfig::new("j") };
        Arc::new(JobTable::new(1, vec![(Arc::new(job), Origin::File)], FilterStrategy::RelabelConfig))
    };
    let status = Arc::new(Status::default());
    let mut sources = StandardSources::new(status.clone());
    let cluster = Cluster::detached("test");
    sources.kubernetes = Kubernetes::with_cluster(sources.kubernetes.watches.clone(), cluster.clone());
    let watches = sources.kubernetes.watches.clone();
    let everywhere = Feed::<Pods>::new(&watches, &cluster, Scope::default());
    let in_a = Feed::<Pods>::new(&watches, &cluster, Scope { namespace: Some("a".into()), ..Scope::default() });
    let sink = Arc::new(Sink::default());
    let (tables, receiver) = watch::channel(jobs(&[mk_config(KubernetesRole::Pod), within("a")]));
    let supervisor = Supervisor::new(sink.clone(), Arc::new(sources), status, BackOff::default());
    let task = tokio::spawn(supervisor.run(receiver, CancellationToken::new()));

    everywhere.list([&*mk_pod("p1", "n1", "x")]);
    in_a.list([&*mk_pod("p1", "n1", "x"), &mk_pod("p2", "n1", "x")]);
    sink.until(&["pod/a/p1", "pod/a/p1", "pod/a/p2"]).await;
    in_a.delete(&ObjectKey::new("a", "p1"));
    sink.until(&["pod/a/p1", "pod/a/p2"]).await;
    tables.send(jobs(&[within("a")])).unwrap();
    sink.until(&["pod/a/p2"]).await;
    task.abort();
}

/// The sources of the groups there are.
#[derive(Debug, Default)]
struct Sink(Mutex<BTreeSet<GroupKey>>);

impl GroupSink for Sink {
    fn apply(&self, changes: Vec<GroupChange>) {
        let mut groups = self.0.lock().unwrap();
        for change in changes {
            match change {
                GroupChange::Replace(key, _) => drop(groups.replace(key)),
                GroupChange::Remove(key) => assert!(groups.remove(&key)),
            }
        }
    }

    fn synced(&self, _job: &Arc<str>) {}
}

impl Sink {
    async fn until(&self, wanted: &[&str]) {
        let there = || {
            let mut sources: Vec<String> = self.0.lock().unwrap().iter().map(|key| key.source.to_string()).collect();
            sources.sort();
            sources
        };
        let began = Instant::now();
        while there() != wanted {
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}, not {wanted:?}", there());
            tokio::task::yield_now().await;
        }
    }
}
