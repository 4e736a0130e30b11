use serde_json::{Value, json};

use super::*;
use crate::kubernetes::object::Kind;

const POD: &str = include_str!("../../../testdata/kubernetes/pod.json");

fn keep<K: Kind>(object: Value) -> Result<K::Kept, String> {
    K::keep(object.to_string().as_bytes())
}

#[test]
fn a_life_like_pod_is_small() {
    let pod = Pods::keep(POD.as_bytes()).unwrap();
    let view = pod.view();
    assert_eq!((view.ip, view.ready, view.controller.name), ("10.12.40.17", "true", "checkout-7c9d8b6f5"));
    assert_eq!((view.meta.labels.count(), view.meta.annotations.count()), (7, 4));
    let json: Value = serde_json::from_str(POD).unwrap();
    assert_eq!((Pods::bytes(&pod), json.to_string().len()), (869, 7960), "told in the docs of Pod");
}

#[test]
fn what_makes_no_label_makes_no_difference() {
    let pod = Pods::keep(POD.as_bytes()).unwrap();
    let mut later: Value = serde_json::from_str(POD).unwrap();
    later["metadata"]["managedFields"] = json!(null);
    later["metadata"]["resourceVersion"] = json!("9");
    later["status"]["conditions"][1]["lastTransitionTime"] = json!("2027-01-01T00:00:00Z");
    later["spec"]["containers"][0]["env"] = json!([{"odd": [1, {}]}]);
    later["new"] = json!({"unknown": [null, 1.5]});
    assert_eq!(keep::<Pods>(later.clone()).unwrap(), pod);
    later["status"]["conditions"][2]["status"] = json!("False");
    assert_ne!(keep::<Pods>(later).unwrap(), pod);

    let with = |labels: &str| Nodes::keep(format!(r#"{{"metadata": {{"labels": {labels}}}}}"#).as_bytes()).unwrap();
    assert_eq!(with(r#"{"a": "1", "b": "2"}"#), with(r#"{"b": "2", "a": "1"}"#));
    assert_ne!(with(r#"{"a": "1", "b": "2"}"#), with(r#"{"a": "12", "b": ""}"#));
}

#[test]
fn null_is_as_good_as_missing() {
    let empty = keep::<Pods>(json!({})).unwrap();
    for pod in [
        json!({"metadata": null, "spec": null, "status": null}),
        json!({"metadata": {"labels": null, "annotations": null, "ownerReferences": null, "uid": null}}),
        json!({"spec": {"containers": null, "initContainers": [], "nodeName": null}}),
        json!({"status": {"conditions": [null], "containerStatuses": null, "podIP": null, "phase": null}}),
        json!({"Metadata": {"labels": {"a": "b"}}, "STATUS": {"podIP": "1"}, "status": {"podip": "1"}}), // names match exactly
    ] {
        assert_eq!(keep::<Pods>(pod.clone()).unwrap(), empty, "{pod}");
    }
    let slice =
        json!({"ports": [null], "endpoints": [null, {"addresses": [null], "conditions": null, "targetRef": null}]});
    let slice = keep::<EndpointSlices>(slice).unwrap();
    assert_eq!(slice.view().endpoints.map(|endpoint| endpoint.addresses.count()).collect::<Vec<_>>(), [0, 1]);
    assert!(slice.view().ports.all(|port| port.number.is_none() && port.name.is_none()));
    assert_eq!(keep::<Services>(json!({"spec": {"ports": [null]}})).unwrap().view().ports.next().unwrap().number, "0");
    assert!(keep::<Namespaces>(json!(null)).is_ok());
    assert!(keep::<Ingresses>(json!({"spec": {"tls": null, "rules": [{"http": null}]}})).is_ok());
}

#[test]
fn what_go_cannot_decode_neither_can_we() {
    for pod in [
        json!([]),
        json!("pod"),
        json!({"metadata": []}),
        json!({"metadata": {"labels": {"a": 1}}}),
        json!({"metadata": {"labels": ["a"]}}),
        json!({"metadata": {"annotations": {"a": {}}}}),
        json!({"metadata": {"ownerReferences": [{"controller": "true"}]}}),
        json!({"status": {"podIP": 1}}),
        json!({"status": {"phase": {}}}),
        json!({"spec": {"containers": {}}}),
        json!({"spec": {"containers": ["c"]}}),
        json!({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}}),
        json!({"spec": {"containers": [{"ports": [{"containerPort": 80.5}]}]}}),
        json!({"spec": {"containers": [{"ports": [{"containerPort": 3_000_000_000_u32}]}]}}),
    ] {
        let error = keep::<Pods>(pod.clone()).expect_err(&pod.to_string());
        assert!(error.contains("invalid"), "{error}");
    }
    assert!(Pods::keep(&POD.as_bytes()[..POD.len() / 2]).is_err());
    assert!(Pods::keep(b"").is_err());
    assert!(keep::<EndpointSlices>(json!({"endpoints": [{"conditions": {"ready": "true"}}]})).is_err());
    assert!(keep::<Nodes>(json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": "1"}}}})).is_err());
}

#[test]
fn odd_text_is_text() {
    let pod = Pods::keep(b"{\"status\": {\"podIP\": \"\xFF\\u00e9\\n\", \"phase\": \"\xC3\xA9\"}}").unwrap();
    assert_eq!((pod.view().ip, pod.view().phase), ("\u{FFFD}é\n", "é"));
    let huge = "x".repeat(300_000);
    let pod = keep::<Pods>(json!({"metadata": {"annotations": {"huge": huge}}})).unwrap();
    assert_eq!(pod.view().meta.annotations.map(|pair| pair.value.len()).collect::<Vec<_>>(), [300_000]);
    let error = keep::<Pods>(json!({"metadata": {"annotations": {"huge": "x".repeat(1_200_000)}}})).unwrap_err();
    assert!(error.contains("longer than"), "{error}");
}

#[test]
fn ports_are_printed_as_go_prints_them() {
    let spec = json!({"spec": {"containers": [{"ports": [{"containerPort": -1}, {}, {"containerPort": 65536}]}]}});
    let pod = keep::<Pods>(spec).unwrap();
    let (container, _) = pod.view().containers().next().unwrap();
    let numbers: Vec<&str> = container.ports.map(|port| port.number).collect();
    assert_eq!(numbers, ["18446744073709551615", "0", "65536"]);
    let service = keep::<Services>(json!({"spec": {"ports": [{"port": -1}]}})).unwrap();
    assert_eq!(service.view().ports.next().unwrap().number, "-1");
}
