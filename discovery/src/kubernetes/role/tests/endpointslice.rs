use super::*;

fn mk(ports: Value, endpoints: Value) -> Value {
    json!({"kind": "EndpointSlice", "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
        "metadata": {"namespace": "ns1", "name": "web-x1", "labels": {"kubernetes.io/service-name": "web"}}})
}

fn shared() -> Value {
    json!({"namespace": "ns1", "endpointslice_address_type": "IPv4", "endpointslice_name": "web-x1",
        "endpointslice_label_kubernetes_io_service_name": "web",
        "endpointslice_labelpresent_kubernetes_io_service_name": "true"})
}

fn pod_ref() -> Value {
    json!({"kind": "Pod", "namespace": "ns1", "name": "web-0"})
}

/// The worked example of the specification.
#[test]
fn pods_give_their_labels_and_their_other_ports() {
    let slice = mk(
        json!([{"name": "http", "port": 8080, "protocol": "TCP"}]),
        json!([{"addresses": ["10.0.0.5"], "conditions": {"ready": true}, "nodeName": "n1", "targetRef": pod_ref()}]),
    );
    let container = |name: &str, image: &str, init: &str, port_name: &str, number: &str, protocol: &str| {
        json!({"__address__": format!("10.0.0.5:{number}"), "pod_container_name": name, "pod_container_image": image,
            "pod_container_init": init, "pod_container_port_name": port_name, "pod_container_port_number": number,
            "pod_container_port_protocol": protocol})
    };
    let endpoint = json!({"endpointslice_port_name": "http", "endpointslice_port_protocol": "TCP",
        "endpointslice_port": "8080", "endpointslice_endpoint_conditions_ready": "true",
        "endpointslice_address_target_kind": "Pod", "endpointslice_address_target_name": "web-0",
        "endpointslice_endpoint_node_name": "n1"});
    assert_targets(
        targets(&slice, &[mk_service(), mk_pod(), mk_node("n1"), mk_namespace()], NOTHING),
        all([shared(), service_meta(), pod_meta()]),
        &[
            all([endpoint, container("app", "img:1", "false", "http", "8080", "TCP")]),
            container("app", "img:1", "false", "metrics", "9090", "TCP"),
            container("init", "img:3", "true", "", "7000", "UDP"),
        ],
    );
    let found = targets(&slice, &[mk_service(), mk_pod(), mk_node("n1"), mk_namespace()], EVERYTHING);
    assert_eq!(values(found.clone(), "node_name"), ["n1", "-", "-"], "no node for what is no endpoint");
    assert_eq!(values(found, "namespace_label_env"), ["prod"; 3]);
}

#[test]
fn what_is_missing_has_no_label_and_what_is_empty_has() {
    let slice = mk(
        json!([{"name": "", "protocol": "", "port": 0, "appProtocol": ""}, {"name": null}]),
        json!([
            {"addresses": ["10.0.0.1", "fd00::1"], "conditions": {"ready": false, "serving": true, "terminating": null},
             "hostname": "", "nodeName": "", "zone": "", "targetRef": {},
             "deprecatedTopology": {"topology.kubernetes.io/zone": "z"}},
            {"addresses": ["a.example"], "conditions": null}]),
    );
    let empty = |address: &str| {
        json!({"__address__": address, "endpointslice_endpoint_conditions_ready": "false",
            "endpointslice_endpoint_conditions_serving": "true", "endpointslice_endpoint_hostname": "",
            "endpointslice_endpoint_node_name": "", "endpointslice_endpoint_zone": "",
            "endpointslice_address_target_kind": "", "endpointslice_address_target_name": "",
            "endpointslice_endpoint_topology_topology_kubernetes_io_zone": "z",
            "endpointslice_endpoint_topology_present_topology_kubernetes_io_zone": "true"})
    };
    let port = json!({"endpointslice_port_name": "", "endpointslice_port_protocol": "", "endpointslice_port": "0",
        "endpointslice_port_app_protocol": ""});
    assert_targets(
        targets(&slice, &[], NOTHING),
        shared(),
        &[
            all([empty("10.0.0.1:0"), port.clone()]),
            all([empty("[fd00::1]:0"), port.clone()]),
            empty("10.0.0.1"),
            empty("fd00::1"),
            all([json!({"__address__": "a.example:0"}), port]),
            json!({"__address__": "a.example"}),
        ],
    );
}

#[test]
fn a_port_without_number_covers_nothing() {
    let slice = mk(json!([{"name": "all"}]), json!([{"addresses": ["10.0.0.5"], "targetRef": pod_ref()}]));
    let found = targets(&slice, &[mk_pod()], NOTHING);
    assert_eq!(addresses(found.clone()), ["10.0.0.5", "10.0.0.5:8080", "10.0.0.5:9090", "10.0.0.5:7000"]);
    assert_eq!(values(found.clone(), "pod_container_name"), ["-", "app", "app", "init"]);
    assert_eq!(values(found, "pod_name"), ["web-0"; 4]);
}

#[test]
fn the_container_says_the_protocol() {
    let slice =
        mk(json!([{"port": 7000, "protocol": "TCP"}]), json!([{"addresses": ["10.0.0.5"], "targetRef": pod_ref()}]));
    assert_eq!(values(targets(&slice, &[mk_pod()], NOTHING), "pod_container_port_protocol"), ["UDP", "TCP", "TCP"]);
}

#[test]
fn references_to_nodes_come_before_node_names() {
    let slice = mk(
        json!([{"port": 1}]),
        json!([
            {"addresses": ["1"], "nodeName": "n1", "targetRef": {"kind": "Node", "name": "n2"}},
            {"addresses": ["2"], "nodeName": "n1", "targetRef": {"kind": "Node", "name": "gone"}},
            {"addresses": ["3"], "nodeName": "n1", "targetRef": {"kind": "Other", "name": "n2"}},
            {"addresses": ["4"]}]),
    );
    let found = targets(&slice, &[mk_node("n1"), mk_node("n2")], EVERYTHING);
    assert_eq!(values(found, "node_name"), ["n2", "-", "n1", "-"]);
}

#[test]
fn the_second_family_of_a_dual_stack_service_has_no_targets() {
    let slice = |family: &str| {
        let mut slice = mk(json!([{"port": 1}]), json!([{"addresses": ["x"]}]));
        set(&mut slice, "/addressType", json!(family));
        slice
    };
    let service = |policy: Value, families: Value| {
        let mut service = mk_service();
        set(&mut service, "/spec/ipFamilyPolicy", policy);
        set(&mut service, "/spec/ipFamilies", families);
        service
    };
    for (policy, families, family, wanted) in [
        ("RequireDualStack", json!(["IPv4", "IPv6"]), "IPv4", 1),
        ("RequireDualStack", json!(["IPv4", "IPv6"]), "IPv6", 0),
        ("PreferDualStack", json!(["IPv6"]), "IPv4", 0),
        ("PreferDualStack", json!(["IPv6"]), "FQDN", 0),
        ("PreferDualStack", json!([]), "IPv6", 1),
        ("PreferDualStack", json!(null), "IPv6", 1),
        ("SingleStack", json!(["IPv4"]), "IPv6", 1),
        ("", json!(["IPv4"]), "IPv6", 1),
    ] {
        let found = targets(&slice(family), &[service(json!(policy), families)], NOTHING).unwrap();
        assert_eq!(found.len(), wanted, "{policy} {family}");
    }
    assert_eq!(targets(&slice("IPv6"), &[], NOTHING).unwrap().len(), 1, "without the service nobody knows");
}

#[test]
fn without_ports_or_endpoints_there_is_no_target() {
    let endpoint = json!([{"addresses": ["10.0.0.5"], "targetRef": pod_ref()}]);
    for (ports, endpoints) in [(json!(null), endpoint), (json!([{"port": 1}]), json!(null)), (json!([]), json!([]))] {
        assert_eq!(targets(&mk(ports, endpoints), &[mk_pod()], NOTHING), Some(vec![]));
    }
}
