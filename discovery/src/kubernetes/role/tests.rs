//! Roles as tables: objects as the API server gives them, the labels of each target.

mod endpoints;
mod endpointslice;
mod ingress;
mod node;
mod pod;
mod service;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::kubernetes::kinds::{
    EndpointSlices, EndpointsKind, Ingresses, Jobs, Namespaces, Nodes, Pods, ReplicaSets, Services,
};
use crate::kubernetes::object::Kind;

type Labels = BTreeMap<String, String>;

const NOTHING: AttachMetadata =
    AttachMetadata { node: false, namespace: false, deployment: false, job: false, cronjob: false };
const EVERYTHING: AttachMetadata =
    AttachMetadata { node: true, namespace: true, deployment: true, job: true, cronjob: true };

/// The objects there are to look up.
struct World(Vec<Value>);

impl World {
    fn find<K: Kind>(&self, namespace: &str, name: &str) -> Option<Arc<K::Kept>> {
        let meta = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let found = self.0.iter().find(|object| {
            object["kind"] == K::RESOURCE.kind && meta(object, "namespace") == namespace && meta(object, "name") == name
        });
        found.map(|object| Arc::new(K::keep(object.to_string().as_bytes()).unwrap()))
    }
}

impl LookUp for World {
    fn service(&mut self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.find::<Services>(namespace, name)
    }
    fn pod(&mut self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.find::<Pods>(namespace, name)
    }
    fn node(&mut self, name: &str) -> Option<Arc<Node>> {
        self.find::<Nodes>("", name)
    }
    fn namespace(&mut self, name: &str) -> Option<Arc<Namespace>> {
        self.find::<Namespaces>("", name)
    }
    fn replica_set(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>> {
        self.find::<ReplicaSets>(namespace, name)
    }
    fn job(&mut self, namespace: &str, name: &str) -> Option<Arc<Controlled>> {
        self.find::<Jobs>(namespace, name)
    }
}

/// The targets of an object, in the order of the group. `None`: nothing changes.
fn targets(object: &Value, others: &[Value], attach: AttachMetadata) -> Option<Vec<Labels>> {
    match object["kind"].as_str().unwrap() {
        "Node" => group::<Nodes>(object, others, attach),
        "Service" => group::<Services>(object, others, attach),
        "Pod" => group::<Pods>(object, others, attach),
        "Endpoints" => group::<EndpointsKind>(object, others, attach),
        "EndpointSlice" => group::<EndpointSlices>(object, others, attach),
        "Ingress" => group::<Ingresses>(object, others, attach),
        kind => panic!("{kind} has no role"),
    }
}

fn group<K: Kind<Kept: Role>>(object: &Value, others: &[Value], attach: AttachMetadata) -> Option<Vec<Labels>> {
    let kept = K::keep(object.to_string().as_bytes()).unwrap();
    let mut world = World(others.to_vec());
    let mut builder = GroupBuilder::new();
    let mut drawing = Drawing::new(&mut builder, &mut world, attach);
    let meta = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    let group = kept.group(meta("namespace"), meta("name"), &mut drawing)?;
    let labels = |target| group.labels(target).map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
    Some((0..group.len()).map(labels).collect())
}

/// Labels that are all strings; names get the prefix unless they are no meta labels.
fn labels(object: Value) -> Labels {
    let name =
        |name: String| if name.starts_with("__") || name == "instance" { name } else { PREFIX.to_owned() + &name };
    let Value::Object(object) = object else { panic!("not an object") };
    object.into_iter().map(|(key, value)| (name(key), value.as_str().unwrap().to_owned())).collect()
}

/// Asserts that the targets are these, each with the labels of `shared`, too.
#[track_caller]
fn assert_targets(found: Option<Vec<Labels>>, shared: Value, each: &[Value]) {
    let shared = labels(shared);
    let with_shared = |own: &Value| {
        let mut all = shared.clone();
        all.extend(labels(own.clone()));
        all
    };
    let wanted: Vec<Labels> = each.iter().map(with_shared).collect();
    let found = found.expect("a group");
    for (position, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let differ = |one: &Labels, other: &Labels| -> Labels {
            one.iter()
                .filter(|(name, value)| other.get(*name) != Some(value))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect()
        };
        let (missing, unwanted) = (differ(wanted, found), differ(found, wanted));
        assert_eq!((missing, unwanted), Default::default(), "target {position}: what is missing, what is too much");
    }
    assert_eq!(found.len(), wanted.len());
}

fn addresses(found: Option<Vec<Labels>>) -> Vec<String> {
    found.expect("a group").into_iter().map(|target| target["__address__"].clone()).collect()
}

/// A value of one label in each target, `-` where it has none.
fn values(found: Option<Vec<Labels>>, name: &str) -> Vec<String> {
    let name = PREFIX.to_owned() + name;
    let value = |target: &Labels| target.get(&name).cloned().unwrap_or_else(|| "-".to_owned());
    found.expect("a group").iter().map(value).collect()
}

/// The pod of the worked examples: `app` with two ports, `init` with one, `bare` without.
fn mk_pod() -> Value {
    json!({"kind": "Pod", "metadata": {
        "namespace": "ns1", "name": "web-0", "uid": "u",
        "labels": {"app": "web"}, "annotations": {"a.b/c": ""},
        "ownerReferences": [
            {"kind": "Other", "name": "o"},
            {"kind": "ReplicaSet", "name": "web-5d", "controller": true},
            {"kind": "Second", "name": "s", "controller": true}]},
      "spec": {"nodeName": "n1",
        "containers": [
            {"name": "app", "image": "img:1", "ports": [
                {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}]},
            {"name": "bare", "image": "img:2"}],
        "initContainers": [{"name": "init", "image": "img:3", "ports": [{"containerPort": 7000, "protocol": "UDP"}]}],
        "ephemeralContainers": [{"name": "debug", "image": "img:4"}]},
      "status": {"phase": "Running", "podIP": "10.0.0.5", "podIPs": [{"ip": "10.0.0.5"}, {"ip": "fd00::5"}],
        "hostIP": "192.0.2.1",
        "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "app", "containerID": "containerd://1"}],
        "initContainerStatuses": [{"name": "init", "containerID": "containerd://3"}, {"name": "app", "containerID": "x"}]}})
}

/// What every target of [`mk_pod`] has, in every role.
fn pod_meta() -> Value {
    json!({"pod_ip": "10.0.0.5", "pod_ready": "true", "pod_phase": "Running", "pod_node_name": "n1",
        "pod_host_ip": "192.0.2.1", "pod_uid": "u", "pod_name": "web-0", "pod_label_app": "web",
        "pod_labelpresent_app": "true", "pod_annotation_a_b_c": "", "pod_annotationpresent_a_b_c": "true",
        "pod_controller_kind": "ReplicaSet", "pod_controller_name": "web-5d"})
}

fn mk_service() -> Value {
    json!({"kind": "Service", "metadata": {"namespace": "ns1", "name": "web", "labels": {"team": "x"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.9.0.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}})
}

/// What endpoints of [`mk_service`] have of it.
fn service_meta() -> Value {
    json!({"service_name": "web", "service_label_team": "x", "service_labelpresent_team": "true"})
}

fn mk_node(name: &str) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "labels": {"zone": name}}})
}

fn node_meta(name: &str) -> Value {
    json!({"node_name": name, "node_label_zone": name, "node_labelpresent_zone": "true"})
}

fn mk_namespace() -> Value {
    json!({"kind": "Namespace", "metadata": {"name": "ns1", "labels": {"env": "prod"}, "annotations": {"note": "n"}}})
}

fn namespace_meta() -> Value {
    json!({"namespace_label_env": "prod", "namespace_labelpresent_env": "true",
        "namespace_annotation_note": "n", "namespace_annotationpresent_note": "true"})
}

/// A replica set or job with its controller.
fn mk_controlled(kind: &str, name: &str, owner: &str, owner_name: &str) -> Value {
    json!({"kind": kind, "metadata": {"namespace": "ns1", "name": name,
        "ownerReferences": [{"kind": owner, "name": owner_name, "controller": true}]}})
}

/// All of these objects' fields in one; later ones count.
fn all<const N: usize>(parts: [Value; N]) -> Value {
    parts.into_iter().flat_map(|part| part.as_object().unwrap().clone()).collect::<serde_json::Map<_, _>>().into()
}

/// Sets what a JSON pointer names.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(entries) => entries[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}
