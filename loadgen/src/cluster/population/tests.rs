use std::collections::HashSet;

use super::*;
use crate::cluster::SimulatedCluster;

async fn mk_cluster(options: PopulationOptions) -> (SimulatedCluster, Population) {
    let cluster = SimulatedCluster::builder().start().await.unwrap();
    let population = Population::new(options).unwrap();
    population.settle_in(&cluster);
    (cluster, population)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Addresses in all slices, which must be those of running pods with the name and node the slice says.
fn checked_addresses(cluster: &SimulatedCluster) -> HashSet<String> {
    let mut addresses = HashSet::new();
    for slice in cluster.list("endpointslices") {
        let endpoints = slice["endpoints"].as_array().unwrap();
        assert!(endpoints.len() <= 100);
        for endpoint in endpoints {
            let (namespace, name) = (text(endpoint, "/targetRef/namespace"), text(endpoint, "/targetRef/name"));
            let pod = cluster.get("pods", namespace, name).unwrap_or_else(|| panic!("no pod {namespace}/{name}"));
            assert_eq!(text(&pod, "/status/podIP"), text(endpoint, "/addresses/0"));
            assert_eq!(text(&pod, "/spec/nodeName"), text(endpoint, "/nodeName"));
            assert_eq!(text(&pod, "/metadata/uid"), text(endpoint, "/targetRef/uid"));
            assert!(addresses.insert(text(&pod, "/status/podIP").to_owned()), "an address stands twice");
        }
    }
    addresses
}

#[tokio::test]
async fn sizes_are_those_asked_for() {
    let options =
        PopulationOptions { services: 200, pods: 1000, endpoints: true, monitors: 7, ..PopulationOptions::small() };
    let (cluster, population) = mk_cluster(options).await;
    for (plural, count) in [
        ("nodes", 10),
        ("namespaces", 6),
        ("services", 200),
        ("pods", 1003),
        ("endpoints", 200),
        ("replicasets", 200),
        ("servicemonitors", 7),
        ("secrets", 5),
        ("configmaps", 5),
        ("ingresses", 5),
        ("jobs", 5),
    ] {
        assert_eq!(cluster.size(plural).0, count, "{plural}");
    }
    assert_eq!(checked_addresses(&cluster).len(), 1000);
    assert!(cluster.size("endpointslices").0 > 200, "large services have several slices");
    assert_eq!(population.expected().values().sum::<u64>(), 1000);
    let pod = &cluster.list("pods")[5];
    let size = pod.to_string().len();
    assert!((2_000..4_000).contains(&size), "a pod has {size} bytes");
}

#[tokio::test]
async fn collectors_are_those_of_the_operator() {
    for daemon_set in [false, true] {
        let options = PopulationOptions { daemon_set, unready_collectors: 1, ..PopulationOptions::small() };
        let (cluster, _) = mk_cluster(options).await;
        let pods = cluster.list("pods");
        let label = "/metadata/labels/app.kubernetes.io~1component";
        let collectors: Vec<&Value> = pods.iter().filter(|pod| text(pod, label) == "opentelemetry-collector").collect();
        let ready = |pod: &&&Value| pod["status"]["conditions"][1]["status"] == "True";
        assert_eq!((collectors.len(), collectors.iter().filter(ready).count()), (3, 2));
        let nodes: HashSet<&str> = collectors.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
        assert_eq!(nodes.len(), 3, "each on its own node");
        let owner = if daemon_set { "DaemonSet" } else { "StatefulSet" };
        assert!(collectors.iter().all(|pod| text(pod, "/metadata/ownerReferences/0/kind") == owner));
    }
}

#[tokio::test]
async fn equal_seeds_give_equal_clusters() {
    let names = async |seed| {
        let (cluster, _) = mk_cluster(PopulationOptions { seed, ..PopulationOptions::small() }).await;
        cluster.list("pods").iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(4).await, names(4).await);
    assert_ne!(names(4).await, names(5).await);
}

#[tokio::test]
async fn every_churn_leaves_a_consistent_cluster() {
    for kind in [ClusterChurnKind::PodReplacement, ClusterChurnKind::RollingDeployment, ClusterChurnKind::NodeLoss] {
        let (cluster, mut population) = mk_cluster(PopulationOptions::small()).await;
        let before = checked_addresses(&cluster);
        let mut churn = ClusterChurn::new(kind, 30.0, 1);
        let expected = churn.advance(&mut population, &cluster, 1.0);
        let after = checked_addresses(&cluster);
        assert_eq!((after.len(), cluster.size("pods").0), (200, 203), "{kind:?}");
        let new: HashSet<String> = after.difference(&before).map(|ip| format!("\"{ip}:9090\"")).collect();
        let told: HashSet<String> = expected.iter().map(|expected| expected.text.clone()).collect();
        assert!(new.is_subset(&told) && new.len() > 15, "{kind:?}: {} new", new.len());
        let nodes = cluster.size("nodes").0;
        assert!(if kind == ClusterChurnKind::NodeLoss { nodes >= 9 } else { nodes == 10 }, "{kind:?}");
    }
}

#[tokio::test]
async fn edited_monitors_have_a_path_of_their_own() {
    let options = PopulationOptions { monitors: 6, ..PopulationOptions::small() };
    let (cluster, mut population) = mk_cluster(options).await;
    let mut churn = ClusterChurn::new(ClusterChurnKind::MonitorEdits, 1.0, 1);
    let expected = churn.advance(&mut population, &cluster, 3.0);
    assert_eq!(expected.len(), 3);
    let all: String = cluster.list("servicemonitors").iter().map(Value::to_string).collect();
    assert!(all.contains(&expected[2].text), "{all}");
    assert_eq!(expected[2].place, Place::ScrapeConfigs);
}

#[test]
fn sizes_that_do_not_go_together_are_refused() {
    let small = PopulationOptions::small;
    for (options, part) in [
        (PopulationOptions { nodes: 0, ..small() }, "pods need nodes"),
        (PopulationOptions { namespaces: 0, ..small() }, "need namespaces"),
        (PopulationOptions { jobs: 7, ..small() }, "7 jobs cannot be dealt evenly to 5 namespaces"),
        (PopulationOptions { pods: 9_000_000, ..small() }, "too many"),
    ] {
        let error = Population::new(options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
