use super::*;

fn mk(addresses: Value) -> Value {
    json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/os": "linux"}, "annotations": {"é/1": "v"}},
        "spec": {"providerID": "p://1"},
        "status": {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk.Pressure", "status": "Unknown"}]}})
}

#[test]
fn the_kubelet_is_the_target() {
    let node = mk(json!([{"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "InternalIP", "address": "10.0.0.2"}, {"type": "x.y", "address": ""}]));
    assert_targets(
        targets(&node, &[], EVERYTHING),
        json!({"node_name": "n1", "node_provider_id": "p://1", "node_condition_ready": "true",
            "node_condition_disk_pressure": "unknown", "node_label_kubernetes_io_os": "linux",
            "node_labelpresent_kubernetes_io_os": "true", "node_annotation___1": "v", "node_annotationpresent___1": "true"}),
        &[json!({"__address__": "10.0.0.1:10250", "instance": "n1", "node_address_Hostname": "h",
            "node_address_InternalIP": "10.0.0.1", "node_address_x_y": ""})],
    );
}

#[test]
fn addresses_have_an_order() {
    let kinds = ["Hostname", "LegacyHostIP", "ExternalDNS", "ExternalIP", "InternalDNS", "InternalIP"];
    for known in 1..=kinds.len() {
        let addresses = kinds[..known].iter().map(|kind| json!({"type": kind, "address": kind})).collect();
        let wanted = format!("{}:10250", kinds[known - 1]);
        assert_eq!(super::addresses(targets(&mk(addresses), &[], NOTHING)), [wanted]);
    }
    let ipv6 = mk(json!([{"type": "InternalIP", "address": "fd00::1"}]));
    assert_eq!(super::addresses(targets(&ipv6, &[], NOTHING)), ["[fd00::1]:10250"]);
}

#[test]
fn without_an_address_nothing_changes() {
    for addresses in [json!([]), json!(null), json!([{"type": "Other", "address": "1"}])] {
        assert_eq!(targets(&mk(addresses), &[], NOTHING), None);
    }
}

#[test]
fn a_kubelet_without_port_is_at_zero() {
    let node = json!({"kind": "Node", "metadata": {"name": "n"},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "daemonEndpoints": null}});
    assert_targets(
        targets(&node, &[], NOTHING),
        json!({"node_name": "n", "node_provider_id": ""}),
        &[json!({"__address__": "10.0.0.1:0", "instance": "n", "node_address_InternalIP": "10.0.0.1"})],
    );
}
