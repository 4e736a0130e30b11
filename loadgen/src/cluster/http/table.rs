//! Tables: what `kubectl get` prints (Kubernetes: pkg/printers/internalversion/printers.go).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cluster::clock;
use crate::cluster::kinds::Kind;
use crate::cluster::object::{Object, Shape};

/// Name of a column, and whether it is shown with `-o wide` only.
type Column = (&'static str, bool);

/// The table of a list.
pub(super) fn answer(kind: &Kind, objects: &[Arc<Object>], metadata: Value, include: &str, columns: bool) -> Value {
    let rows = objects.iter().map(|object| row(kind, object, object.revision, include)).collect();
    table(kind, rows, metadata, columns)
}

/// The table of one event.
pub(super) fn one(kind: &Kind, object: &Object, revision: u64, metadata: Value, include: &str, columns: bool) -> Value {
    table(kind, vec![row(kind, object, revision, include)], metadata, columns)
}

fn table(kind: &Kind, rows: Vec<Value>, metadata: Value, columns: bool) -> Value {
    let definition = |(name, wide): &Column| {
        json!({"name": name, "type": "string", "format": if *name == "Name" { "name" } else { "" },
            "description": name, "priority": i32::from(*wide)})
    };
    let mut table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": rows});
    // the events of a watch after the first go without
    let definitions: Vec<Value> =
        if columns { self::columns(kind).iter().map(definition).collect() } else { Vec::new() };
    table["columnDefinitions"] = definitions.into();
    table
}

fn row(kind: &Kind, object: &Object, revision: u64, include: &str) -> Value {
    let value = object.value(kind);
    let mut row = json!({"cells": cells(kind, &value)});
    let shape = match include {
        "None" => return row,
        "Object" => Shape::Whole,
        _ => Shape::Metadata,
    };
    let mut bytes = Vec::new();
    object.write(kind, shape, revision, &mut bytes);
    row["object"] = serde_json::from_slice(&bytes).unwrap_or_default();
    row
}

fn columns(kind: &Kind) -> &'static [Column] {
    match kind.plural {
        "pods" => &[
            ("Name", false),
            ("Ready", false),
            ("Status", false),
            ("Restarts", false),
            ("Age", false),
            ("IP", true),
            ("Node", true),
        ],
        "nodes" => &[("Name", false), ("Status", false), ("Age", false), ("Version", false), ("Internal-IP", true)],
        "services" => &[("Name", false), ("Type", false), ("Cluster-IP", false), ("Port(s)", false), ("Age", false)],
        "namespaces" => &[("Name", false), ("Status", false), ("Age", false)],
        "endpointslices" => {
            &[("Name", false), ("AddressType", false), ("Ports", false), ("Endpoints", false), ("Age", false)]
        }
        "secrets" => &[("Name", false), ("Type", false), ("Data", false), ("Age", false)],
        "configmaps" => &[("Name", false), ("Data", false), ("Age", false)],
        "replicasets" => &[("Name", false), ("Desired", false), ("Ready", false), ("Age", false)],
        _ => &[("Name", false), ("Age", false)],
    }
}

fn cells(kind: &Kind, object: &Map<String, Value>) -> Vec<Value> {
    columns(kind).iter().map(|(name, _)| cell(kind, name, object).into()).collect()
}

fn cell(kind: &Kind, column: &str, object: &Map<String, Value>) -> String {
    let at = |pointer: &str| {
        let (first, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        let value = object.get(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) }
    };
    let text = |pointer: &str| match at(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "<none>".to_owned(),
        Some(other) => other.to_string(),
    };
    let list = |pointer: &str| at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let joined = |pointer: &str, each: &dyn Fn(&Value) -> String| {
        let all: Vec<String> = list(pointer).iter().map(each).collect();
        if all.is_empty() { "<none>".to_owned() } else { all.join(",") }
    };
    match (kind.plural, column) {
        (_, "Name") => text("metadata/name"),
        (_, "Age") => {
            let since = at("metadata/creationTimestamp").and_then(Value::as_str).and_then(clock::parse);
            since.map_or("<unknown>".to_owned(), clock::age)
        }
        ("pods", "Ready") => {
            let ready = list("status/containerStatuses").iter().filter(|status| status["ready"] == true).count();
            format!("{ready}/{}", list("spec/containers").len())
        }
        ("pods", "Status") if at("metadata/deletionTimestamp").is_some() => "Terminating".to_owned(),
        ("pods" | "namespaces", "Status") => text("status/phase"),
        ("pods", "Restarts") => {
            let restarts = list("status/containerStatuses").iter().filter_map(|status| status["restartCount"].as_u64());
            restarts.sum::<u64>().to_string()
        }
        ("pods", "IP") => text("status/podIP"),
        ("pods", "Node") => text("spec/nodeName"),
        ("nodes", "Status") => {
            let ready = list("status/conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            if ready { "Ready" } else { "NotReady" }.to_owned()
        }
        ("nodes", "Version") => text("status/nodeInfo/kubeletVersion"),
        ("nodes", "Internal-IP") => {
            let addresses = list("status/addresses").iter().find(|address| address["type"] == "InternalIP");
            addresses.and_then(|address| address["address"].as_str()).unwrap_or("<none>").to_owned()
        }
        ("services", "Type") => text("spec/type"),
        ("services", "Cluster-IP") => text("spec/clusterIP"),
        ("services", "Port(s)") => joined("spec/ports", &|port| format!("{}/{}", port["port"], protocol(port))),
        ("endpointslices", "AddressType") => text("addressType"),
        ("endpointslices", "Ports") => joined("ports", &|port| port["port"].to_string()),
        ("endpointslices", "Endpoints") => {
            joined("endpoints", &|one| one["addresses"][0].as_str().unwrap_or_default().to_owned())
        }
        ("secrets", "Type") => text("type"),
        ("secrets" | "configmaps", "Data") => at("data").and_then(Value::as_object).map_or(0, Map::len).to_string(),
        ("replicasets", "Desired") => text("spec/replicas"),
        ("replicasets", "Ready") => text("status/readyReplicas"),
        _ => "<none>".to_owned(),
    }
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}
