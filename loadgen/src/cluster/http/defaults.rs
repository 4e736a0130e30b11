//! What a real server fills in when an object is written over HTTP, as far as discovery sees it
//! (Kubernetes: pkg/apis/*/v1/defaults.go).

use serde_json::{Map, Value, json};

use crate::cluster::kinds::Kind;

/// Fills in defaults.
pub(super) fn fill(kind: &Kind, object: &mut Map<String, Value>) {
    match kind.plural {
        "pods" => pod(object),
        "services" => service(object),
        "endpoints" => {
            for subset in list(object.get_mut("subsets")) {
                list(subset.get_mut("ports")).for_each(|port| set(port, "protocol", json!("TCP")));
            }
        }
        "endpointslices" => {
            for port in list(object.get_mut("ports")) {
                set(port, "protocol", json!("TCP"));
                set(port, "name", json!(""));
            }
        }
        "namespaces" => {
            set_in(object, "status", "phase", json!("Active"));
            set_in(object, "spec", "finalizers", json!(["kubernetes"]));
        }
        "secrets" => {
            object.entry("type").or_insert(json!("Opaque"));
        }
        _ => {}
    }
}

fn pod(object: &mut Map<String, Value>) {
    for field in ["containers", "initContainers"] {
        for container in list(object.get_mut("spec").and_then(|spec| spec.get_mut(field))) {
            list(container.get_mut("ports")).for_each(|port| set(port, "protocol", json!("TCP")));
        }
    }
    for (field, value) in
        [("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler")]
    {
        set_in(object, "spec", field, json!(value));
    }
    set_in(object, "status", "phase", json!("Pending"));
}

fn service(object: &mut Map<String, Value>) {
    set_in(object, "spec", "type", json!("ClusterIP"));
    set_in(object, "spec", "sessionAffinity", json!("None"));
    for port in list(object.get_mut("spec").and_then(|spec| spec.get_mut("ports"))) {
        set(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        set(port, "targetPort", number);
    }
}

fn list(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}

fn set(value: &mut Value, field: &str, default: Value) {
    if let Value::Object(map) = value {
        map.entry(field).or_insert(default);
    }
}

fn set_in(object: &mut Map<String, Value>, part: &str, field: &str, default: Value) {
    set(object.entry(part).or_insert_with(|| json!({})), field, default);
}
