//! What a real API server does to its clients.

use serde_json::json;

use crate::acceptance::{allocator, eventually, free_port, get, wait_ready};
use crate::cluster::{Cluster, NAMESPACE};
use crate::objects::mk_pod;
use crate::roles::{add_collector, mk_shop, role_jobs};
use crate::{addresses, all_rules, set, write_config};

const COLLECTORS: [&str; 1] = ["collector-0"];
const SHOP_PODS: &str = "/api/v1/namespaces/shop/pods";

fn add_pod(cluster: &Cluster, name: &str, ip: &str) {
    cluster.create(SHOP_PODS, &mk_pod(name, &json!({"app": "web"}), "node-a", ip, &[("http", 8080)]));
}

/// Waits until the job `pod` has exactly these; that it never had fewer than `at_least` on the way is asserted.
fn expect_pods(port: u16, wanted: &[&str], at_least: &[&str]) {
    eventually(&format!("job pod has {wanted:?}"), || {
        let now = addresses(port, "pod", &COLLECTORS)?;
        assert!(now.is_superset(&set(at_least)), "targets were lost on the way: {now:?}");
        if now == set(wanted) { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn the_server_restarts_and_forgets_its_history_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path());
    cluster.grant("reader", &all_rules());
    mk_shop(&cluster, &[("web-0", "10.2.0.1")]);
    add_collector(&cluster);
    let kubeconfig = cluster.kubeconfig("one");
    let port = free_port();
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, role_jobs()));
    wait_ready(port);
    expect_pods(port, &["10.2.0.1:8080"], &["10.2.0.1:8080"]);

    cluster.down();
    assert_eq!(addresses(port, "pod", &COLLECTORS).unwrap(), set(&["10.2.0.1:8080"]), "the server is gone");
    cluster.up();
    add_pod(&cluster, "web-1", "10.2.0.2");
    expect_pods(port, &["10.2.0.1:8080", "10.2.0.2:8080"], &["10.2.0.1:8080"]);

    // while the allocator is cut off, a pod comes, one goes, and the history of both is dropped
    cluster.elsewhere(|cluster| {
        cluster.delete(&format!("{SHOP_PODS}/web-0"));
        add_pod(cluster, "web-2", "10.2.0.3");
        cluster.compact();
    });
    expect_pods(port, &["10.2.0.2:8080", "10.2.0.3:8080"], &["10.2.0.2:8080"]);
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn what_is_forbidden_is_reported_and_found_once_granted() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path());
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]);
    cluster.grant("little", &rules);
    mk_shop(&cluster, &[("web-0", "10.2.0.1")]);
    add_collector(&cluster);
    let kubeconfig = cluster.kubeconfig("one");
    let port = free_port();
    let caps = json!({"readiness": {"job_cap": "2s"}});
    let mut more = role_jobs();
    more.as_object_mut().unwrap().extend(caps.as_object().unwrap().clone());
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, more));
    wait_ready(port);
    expect_pods(port, &["10.2.0.1:8080"], &[]);
    eventually("the page names what is forbidden", || {
        let (_, page) = get(port, "/debug/watches")?;
        let said = page.contains("endpointslices") && page.to_lowercase().contains("forbidden");
        said.then_some(()).ok_or(page)
    });
    assert_ne!(
        get(port, "/jobs/endpointslice/targets?collector_id=collector-0").unwrap().0,
        200,
        "not known, not empty"
    );

    cluster.grant("reader", &all_rules());
    eventually("the endpoint slices are found", || {
        let now = addresses(port, "endpointslice", &COLLECTORS)?;
        if now == set(&["10.2.0.1:8080"]) { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

#[test]
#[ignore = "needs a kube-apiserver: make e2e"]
fn a_token_that_expires_is_replaced_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path());
    cluster.grant("reader", &all_rules());
    mk_shop(&cluster, &[("web-0", "10.2.0.1")]);
    add_collector(&cluster);
    let kubeconfig = cluster.kubeconfig("one");
    let port = free_port();
    let _allocator = allocator(folder.path(), &write_config(folder.path(), port, &kubeconfig, role_jobs()));
    wait_ready(port);
    expect_pods(port, &["10.2.0.1:8080"], &["10.2.0.1:8080"]);

    cluster.delete(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/one"));
    cluster.write_token("two");
    cluster.down(); // ends the watches, which outlive their token
    cluster.up();
    add_pod(&cluster, "web-1", "10.2.0.2");
    expect_pods(port, &["10.2.0.1:8080", "10.2.0.2:8080"], &["10.2.0.1:8080"]);
}
