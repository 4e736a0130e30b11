use super::*;

fn mk(subsets: Value) -> Value {
    json!({"kind": "Endpoints", "metadata": {"namespace": "ns1", "name": "web", "labels": {"e": "1"}}, "subsets": subsets})
}

fn shared() -> Value {
    json!({"namespace": "ns1", "endpoints_name": "web", "endpoints_label_e": "1", "endpoints_labelpresent_e": "true"})
}

fn pod_ref() -> Value {
    json!({"kind": "Pod", "namespace": "ns1", "name": "web-0"})
}

#[test]
fn a_target_for_each_address_and_port_ready_or_not() {
    let endpoints = mk(json!([
        {"addresses": [{"ip": "10.0.0.1", "hostname": "h", "nodeName": "n1"}],
         "notReadyAddresses": [{"ip": "fd00::2", "targetRef": {"kind": "Other", "name": "o"}}, {"ip": "10.0.0.1"}],
         "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]},
        {"addresses": [{"ip": "10.0.0.9"}]}]));
    let target = |ip: &str, port: &str, name: &str, protocol: &str, ready: &str, more: Value| {
        let own = json!({"__address__": format!("{ip}:{port}"), "endpoint_port_name": name,
            "endpoint_port_protocol": protocol, "endpoint_ready": ready});
        all([own, more])
    };
    let first = json!({"endpoint_hostname": "h", "endpoint_node_name": "n1"});
    let other = json!({"endpoint_address_target_kind": "Other", "endpoint_address_target_name": "o"});
    assert_targets(
        targets(&endpoints, &[mk_node("n1"), mk_service(), mk_namespace()], NOTHING),
        all([shared(), service_meta()]),
        &[
            target("10.0.0.1", "80", "http", "TCP", "true", first.clone()),
            target("[fd00::2]", "80", "http", "TCP", "false", other.clone()),
            target("10.0.0.1", "80", "http", "TCP", "false", json!({})),
            target("10.0.0.1", "53", "", "UDP", "true", first),
            target("[fd00::2]", "53", "", "UDP", "false", other),
            target("10.0.0.1", "53", "", "UDP", "false", json!({})),
        ],
    );
}

#[test]
fn pods_give_their_labels_and_their_other_ports() {
    let endpoints = mk(json!([{"addresses": [{"ip": "10.0.0.5", "nodeName": "n1", "targetRef": pod_ref()}],
        "ports": [{"name": "web", "port": 8080, "protocol": "SCTP"}]}]));
    let container = |name: &str, image: &str, init: &str, port_name: &str, number: &str, protocol: &str| {
        json!({"__address__": format!("10.0.0.5:{number}"), "pod_container_name": name, "pod_container_image": image,
            "pod_container_init": init, "pod_container_port_name": port_name, "pod_container_port_number": number,
            "pod_container_port_protocol": protocol})
    };
    let endpoint = json!({"endpoint_port_name": "web", "endpoint_port_protocol": "SCTP", "endpoint_ready": "true",
        "endpoint_address_target_kind": "Pod", "endpoint_address_target_name": "web-0", "endpoint_node_name": "n1"});
    assert_targets(
        targets(&endpoints, &[mk_pod(), mk_node("n1")], NOTHING),
        all([shared(), pod_meta()]),
        &[
            all([endpoint.clone(), container("app", "img:1", "false", "http", "8080", "SCTP")]),
            container("app", "img:1", "false", "metrics", "9090", "TCP"),
            container("init", "img:3", "true", "", "7000", "UDP"),
        ],
    );
    let found = targets(&endpoints, &[mk_pod(), mk_node("n1"), mk_namespace()], EVERYTHING);
    assert_eq!(values(found.clone(), "node_name"), ["n1", "-", "-"], "no node for what is no endpoint");
    assert_eq!(values(found, "namespace_label_env"), ["prod"; 3]);
}

#[test]
fn of_containers_with_the_same_port_the_last_counts() {
    let mut pod = mk_pod();
    set(&mut pod, "/spec/initContainers/0/ports/0/containerPort", json!(8080));
    let endpoints = mk(json!([{"addresses": [{"ip": "10.0.0.5", "targetRef": pod_ref()}], "ports": [{"port": 8080}]}]));
    assert_eq!(values(targets(&endpoints, &[pod.clone()], NOTHING), "pod_container_name"), ["init", "app"]);
    assert_eq!(addresses(targets(&endpoints, &[pod], NOTHING)), ["10.0.0.5:8080", "10.0.0.5:9090"]);
}

#[test]
fn a_pod_without_ip_has_no_other_ports() {
    let mut pod = mk_pod();
    set(&mut pod, "/status/podIP", json!(""));
    let endpoints =
        mk(json!([{"notReadyAddresses": [{"ip": "10.0.0.5", "targetRef": pod_ref()}], "ports": [{"port": 1}]}]));
    let found = targets(&endpoints, &[pod], NOTHING);
    assert_eq!(addresses(found.clone()), ["10.0.0.5:1"]);
    assert_eq!(values(found.clone(), "pod_name"), ["web-0"]);
    assert_eq!(values(found, "pod_container_name"), ["-"]);
}

#[test]
fn a_pod_that_is_not_there_costs_its_labels_only() {
    let endpoints = mk(json!([{"addresses": [
        {"ip": "1", "targetRef": {"kind": "Pod", "namespace": "ns2", "name": "web-0"}},
        {"ip": "2", "targetRef": {"kind": "Pod", "name": "web-0"}},
        {"ip": "3", "targetRef": {"kind": "pod", "namespace": "ns1", "name": "web-0"}}], "ports": [{"port": 1}]}]));
    let found = targets(&endpoints, &[mk_pod()], NOTHING);
    assert_eq!(addresses(found.clone()), ["1:1", "2:1", "3:1"]);
    assert_eq!(values(found, "pod_name"), ["-"; 3]);
}

#[test]
fn a_pod_seen_twice_is_covered_by_both() {
    let address = |ip: &str| json!({"ip": ip, "targetRef": pod_ref()});
    let endpoints = mk(json!([{"addresses": [address("10.0.0.5")], "ports": [{"port": 8080}]},
        {"notReadyAddresses": [address("10.0.0.6")], "ports": [{"port": 9090}]}]));
    let wanted = ["10.0.0.5:8080", "10.0.0.6:9090", "10.0.0.5:7000"];
    assert_eq!(addresses(targets(&endpoints, &[mk_pod()], NOTHING)), wanted);
}

#[test]
fn node_names_come_before_references_to_nodes() {
    let endpoints = mk(json!([{"addresses": [
        {"ip": "1", "nodeName": "n1", "targetRef": {"kind": "Node", "name": "n2"}},
        {"ip": "2", "targetRef": {"kind": "Node", "name": "n2"}},
        {"ip": "3", "nodeName": "gone", "targetRef": {"kind": "Node", "name": "n2"}},
        {"ip": "4"}], "ports": [{"port": 1}]}]));
    let found = targets(&endpoints, &[mk_node("n1"), mk_node("n2")], EVERYTHING);
    assert_eq!(values(found, "node_name"), ["n1", "n2", "-", "-"]);
}

#[test]
fn without_subsets_there_is_no_target() {
    for subsets in [json!(null), json!([]), json!([null]), json!([{"ports": [{"port": 1}]}])] {
        assert_eq!(targets(&mk(subsets), &[], NOTHING), Some(vec![]));
    }
}
