//! Kubernetes discovery against real Prometheus 2.53: the same objects from the same (simulated) API server, the same SD
//! configs, and every target must have the same discovered labels, at the start and after objects came, changed and
//! went.
//!
//! Prometheus is asked for what its relabelling dropped, which is everything: dropped targets are told with all labels,
//! one by one, however equal they are. What is newer than 2.53, and so left out of the comparison (the tables of
//! `src/kubernetes/role/tests` have it):
//!
//! | what | here |
//! |---|---|
//! | `node_condition_*` | taken from ours |
//! | init containers in the endpoint roles | their targets and `pod_container_init` taken from ours |
//! | pods on unknown nodes are no targets if nodes are attached | taken from theirs |
//! | the second family of dual-stack services has no targets | taken from theirs |
//! | `service_loadbalancer_ip` from the status | no generated service has one there |
//! | `attach_metadata` of namespace, deployment, job, cronjob | not asked for |
#![allow(clippy::unwrap_used)] // helpers of tests count as no tests to clippy

#[path = "../common/mod.rs"]
mod common;
mod objects;
mod prometheus;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Discovery, Labels};
use objects::World;
use prometheus::Prometheus;
use ta_loadgen::cluster::SimulatedCluster;
use ta_model::scrape_config::{AttachMetadata, KubernetesRole, KubernetesSdConfig, KubernetesSelector, SdConfig};
use tokio::time::{Instant, sleep};

/// Prometheus hands changes on every five seconds; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long nothing may get better before all endpoints are written again: Prometheus takes up the labels of pods with
/// the next change of their endpoints only.
const TOUCH: Duration = Duration::from_secs(15);

struct Job {
    name: &'static str,
    configs: Vec<KubernetesSdConfig>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovered_labels_are_those_of_prometheus() {
    let cluster = SimulatedCluster::builder().start().await.unwrap();
    let mut world = World::new(0x5eed);
    world.populate(&cluster);
    let jobs = jobs(&cluster.url());
    let mut prometheus = Prometheus::start(&jobs);
    let ours =
        |job: &Job| (job.name, job.configs.iter().map(|sd| SdConfig::Kubernetes(Box::new(sd.clone()))).collect());
    let discovery = Discovery::start(jobs.iter().map(ours).collect());

    let mut compared = compare(&discovery, &mut prometheus, &jobs, &mut world, &cluster).await;
    for round in 1..=3 {
        world.mutate(round, &cluster);
        compared += compare(&discovery, &mut prometheus, &jobs, &mut world, &cluster).await;
    }
    assert!(compared > 4 * 500, "only {compared} targets were compared");
    let told = discovery.status.providers();
    assert!(told.iter().all(|provider| provider.synced && provider.consecutive_failures == 0), "{told:?}");
}

/// All roles with and without nodes, in all namespaces and in some, with selectors, and one job with two overlapping
/// configs.
fn jobs(api_server: &str) -> Vec<Job> {
    use KubernetesRole::{EndpointSlice, Endpoints, Ingress, Node, Pod, Service};
    let plain = |role| KubernetesSdConfig {
        api_server: api_server.to_owned(),
        role,
        kubeconfig_file: String::new(),
        http: Default::default(),
        own_namespace: false,
        namespaces: Vec::new(),
        selectors: Vec::new(),
        attach_metadata: AttachMetadata::default(),
    };
    let with_node = |role| KubernetesSdConfig {
        attach_metadata: AttachMetadata { node: true, ..AttachMetadata::default() },
        ..plain(role)
    };
    let within = |role, names: &[&str]| KubernetesSdConfig {
        namespaces: names.iter().map(|name| (*name).to_owned()).collect(),
        ..plain(role)
    };
    let selected = |role, selectors: &[[&str; 3]]| {
        let selector = |[role, label, field]: &[&str; 3]| KubernetesSelector {
            role: (*role).to_owned(),
            label: (*label).to_owned(),
            field: (*field).to_owned(),
        };
        KubernetesSdConfig { selectors: selectors.iter().map(selector).collect(), ..plain(role) }
    };
    let one = |name, config| Job { name, configs: vec![config] };
    vec![
        one("node", plain(Node)),
        one("service", plain(Service)),
        one("service-within", within(Service, &["a", "b"])),
        one("pod", plain(Pod)),
        one("pod-node", with_node(Pod)),
        one("pod-selected", selected(Pod, &[["pod", "app in (web,db)", "spec.nodeName=n1"]])),
        one("endpoints", plain(Endpoints)),
        one("endpoints-node", with_node(Endpoints)),
        one("endpoints-within", within(Endpoints, &["b", "a"])),
        one("endpoints-selected", selected(Endpoints, &[["pod", "app=web", ""], ["service", "app", ""]])),
        one("slice", plain(EndpointSlice)),
        one("slice-node", with_node(EndpointSlice)),
        one("slice-within", within(EndpointSlice, &["a", "c"])),
        one("slice-selected", selected(EndpointSlice, &[["endpointslice", "app!=db", ""]])),
        one("ingress", plain(Ingress)),
        Job { name: "overlapping", configs: vec![plain(Pod), within(Pod, &["a"]), within(Service, &["a"])] },
    ]
}

/// Waits until both have the same targets for all jobs, and have seen the world's last mark. Gives how many.
async fn compare(
    discovery: &Discovery,
    prometheus: &mut Prometheus,
    jobs: &[Job],
    world: &mut World,
    cluster: &SimulatedCluster,
) -> usize {
    let began = Instant::now();
    let mut touched = Instant::now();
    loop {
        prometheus.assert_runs();
        let theirs = prometheus.targets().await.unwrap_or_default();
        let differ = jobs.iter().find_map(|job| difference(job, discovery, &theirs, world));
        let Some(difference) = differ else { return theirs.values().map(Vec::len).sum() };
        assert!(began.elapsed() < PATIENCE, "{difference}\n--- the end of Prometheus' log:\n{}", prometheus.log());
        if touched.elapsed() > TOUCH {
            world.touch_endpoints(cluster);
            touched = Instant::now();
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What is different, if anything is.
fn difference(
    job: &Job,
    discovery: &Discovery,
    theirs: &BTreeMap<String, Vec<Labels>>,
    world: &World,
) -> Option<String> {
    let role = |labels: &Labels, of: &str| labels.contains_key(&format!("__meta_kubernetes_{of}_name"));
    let ours = discovery.sink.read(|told| told.targets(job.name));
    if !ours.iter().any(|target| world.is_marked(target)) {
        return Some(format!("{}: the last mark is not among our {} targets", job.name, ours.len()));
    }
    let mut ours: Vec<Labels> = ours.into_iter().filter_map(|target| as_of_2_53(job, target)).collect();
    let old_only = |target: &Labels| {
        let nodes = job.configs[0].attach_metadata.node;
        let pods = job.configs[0].role == KubernetesRole::Pod;
        nodes && pods && !role(target, "node") || world.is_second_family(target)
    };
    let theirs = theirs.get(job.name).cloned().unwrap_or_default();
    let mut theirs: Vec<Labels> = theirs.into_iter().filter(|target| !old_only(target)).collect();
    ours.sort();
    theirs.sort();
    let ours_only: Vec<_> = ours.iter().filter(|target| theirs.binary_search(target).is_err()).collect();
    let theirs_only: Vec<_> = theirs.iter().filter(|target| ours.binary_search(target).is_err()).collect();
    let what = || {
        let labels = |target: Option<&&Labels>| target.map(|target| format!("{target:#?}")).unwrap_or_default();
        let counts = (ours.len(), theirs.len(), ours_only.len(), theirs_only.len());
        let (one, other) = (labels(ours_only.first()), labels(theirs_only.first()));
        format!("{}: (ours, theirs, ours only, theirs only) {counts:?}\nours {one}\ntheirs {other}", job.name)
    };
    (ours != theirs).then(what)
}

/// A target of ours without what is newer than Prometheus 2.53; `None`: all of it is newer.
fn as_of_2_53(job: &Job, mut target: Labels) -> Option<Labels> {
    let endpoints = matches!(job.configs[0].role, KubernetesRole::Endpoints | KubernetesRole::EndpointSlice);
    if endpoints && target.remove("__meta_kubernetes_pod_container_init").as_deref() == Some("true") {
        return None;
    }
    // Prometheus leaves out what has no value
    target.retain(|name, value| !value.is_empty() && !name.starts_with("__meta_kubernetes_node_condition_"));
    Some(target)
}
