//! Manifests: files of several documents and lists, as people keep them and `kubectl get -o yaml` prints them.

use std::collections::BTreeMap;

use super::base64;
use super::cluster::{self, Pod, Service};
use super::decode::{Metadata, placed};
use super::lookup::{Reference, ValueKind};
use super::objects::Objects;
use super::types::{API_GROUP, Kind, Resource};
use crate::secret::Secret;
use crate::yaml::{Entry, Fields, Node, Problem, Scalar, Value, YamlError, parse_all};

/// An object that is no Secret, ConfigMap, Namespace, Service or Pod although it says so. Objects of the four kinds end
/// up in [`Objects::invalid`] instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind} {name}: {reason}")]
pub struct ManifestError {
    pub line: usize,
    pub kind: String,
    pub name: String,
    pub reason: String,
}

/// Splits a text into its objects: documents one by one, lists entry by entry, empty documents left out.
///
/// # Errors
/// The text is not YAML.
pub fn split(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut objects = Vec::new();
    for document in parse_all(text)? {
        flatten(document.root, &mut objects);
    }
    Ok(objects)
}

fn flatten(node: Node, objects: &mut Vec<Node>) {
    if node.is_null() {
        return;
    }
    let kind = text_of(&node, "kind");
    let Some(of_list) = kind.strip_suffix("List").map(str::to_owned) else {
        objects.push(node);
        return;
    };
    let version = text_of(&node, "apiVersion").to_owned();
    let Value::Map(entries) = node.value else { return };
    for entry in entries {
        let Value::List(nodes) = entry.value.value else { continue };
        if &*entry.key.text != "items" {
            continue;
        }
        for mut node in nodes {
            // entries of a typed list need not say what they are
            fill_in(&mut node, "kind", &of_list);
            fill_in(&mut node, "apiVersion", &version);
            flatten(node, objects);
        }
    }
}

fn fill_in(node: &mut Node, key: &str, text: &str) {
    let missing = node.get(key).is_none();
    let (line, column) = (node.line, node.column);
    if let Value::Map(entries) = &mut node.value
        && missing
        && !text.is_empty()
    {
        let key = Scalar { text: key.into(), quoted: true };
        entries.push(Entry { key, line, value: Node { line, column, value: text.into() } });
    }
}

fn text_of<'n>(node: &'n Node, key: &str) -> &'n str {
    match node.get(key).map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => &scalar.text,
        _ => "",
    }
}

impl Objects {
    /// Where objects go that do not say their namespace, as `kubectl` would put them.
    const DEFAULT_NAMESPACE: &str = "default";

    /// Adds an object of any kind; a later one of the same name replaces an earlier one. False: it is of no interest.
    ///
    /// # Errors
    /// It is a Secret, ConfigMap, Namespace, Service or Pod that cannot be read.
    pub fn add(&mut self, object: &Node) -> Result<bool, ManifestError> {
        let (version, kind) = (text_of(object, "apiVersion"), text_of(object, "kind"));
        let known = Kind::parse(kind).filter(|_| version.split('/').next() == Some(API_GROUP));
        if let Some(kind) = known {
            self.add_resource(kind, object);
            return Ok(true);
        }
        if version != "v1" {
            return Ok(false);
        }
        let added = match kind {
            "Secret" => self.add_values(object, ValueKind::Secret),
            "ConfigMap" => self.add_values(object, ValueKind::ConfigMap),
            "Namespace" => self.add_namespace(object),
            "Service" => self.add_service(object),
            "Pod" => self.add_pod(object),
            _ => return Ok(false),
        };
        match added {
            Ok(()) => Ok(true),
            Err(problems) => {
                let reasons: Vec<String> = problems.iter().map(placed).collect();
                let name = object.get("metadata").map_or("", |metadata| text_of(metadata, "name")).to_owned();
                let line = problems.first().map_or(object.line, |problem| problem.line);
                Err(ManifestError { line, kind: kind.to_owned(), name, reason: reasons.join("; ") })
            }
        }
    }

    fn add_resource(&mut self, kind: Kind, object: &Node) {
        match Resource::from_node(kind, object) {
            Ok(mut resource) => {
                default_namespace(&mut resource.id.namespace);
                self.invalid.remove(&resource.id);
                self.resources.insert(resource.id.clone(), resource);
            }
            Err(mut invalid) => {
                default_namespace(&mut invalid.id.namespace);
                self.resources.remove(&invalid.id);
                self.invalid.insert(invalid.id.clone(), invalid);
            }
        }
    }

    fn add_values(&mut self, object: &Node, kind: ValueKind) -> Result<(), Vec<Problem>> {
        let (metadata, values) = cluster::decode(object, |fields, metadata| (metadata, read_values(fields, kind)))?;
        let Metadata { mut namespace, name, .. } = metadata;
        default_namespace(&mut namespace);
        self.values.insert(Reference { kind, namespace, name }, values);
        Ok(())
    }

    fn add_namespace(&mut self, object: &Node) -> Result<(), Vec<Problem>> {
        let Metadata { name, mut labels, .. } = cluster::decode(object, |_, metadata| metadata)?;
        labels.insert("kubernetes.io/metadata.name".into(), name.clone()); // the API server sees to that
        self.namespaces.insert(name, labels);
        Ok(())
    }

    fn add_service(&mut self, object: &Node) -> Result<(), Vec<Problem>> {
        let mut service = cluster::decode(object, Service::read)?;
        default_namespace(&mut service.namespace);
        self.services.insert((service.namespace.clone(), service.name.clone()), service);
        Ok(())
    }

    fn add_pod(&mut self, object: &Node) -> Result<(), Vec<Problem>> {
        let mut pod = cluster::decode(object, Pod::read)?;
        default_namespace(&mut pod.namespace);
        self.pods.insert((pod.namespace.clone(), pod.name.clone()), pod);
        Ok(())
    }
}

/// The keys of a Secret or ConfigMap that the API server sent.
///
/// # Errors
/// It is none, with its place and without any value.
pub fn values_of(kind: ValueKind, object: &serde_json::Value) -> Result<BTreeMap<String, Secret>, String> {
    cluster::decode(&Node::from(object), |fields, _| read_values(fields, kind))
        .map_err(|problems| problems.iter().map(placed).collect::<Vec<_>>().join("; "))
}

fn default_namespace(namespace: &mut String) {
    if namespace.is_empty() {
        Objects::DEFAULT_NAMESPACE.clone_into(namespace);
    }
}

/// `data`, base64 in a Secret, and `stringData`, which wins.
fn read_values(fields: &mut Fields<'_, '_>, kind: ValueKind) -> BTreeMap<String, Secret> {
    let mut data: BTreeMap<String, Secret> = BTreeMap::new();
    fields.set("data", &mut data);
    if kind == ValueKind::ConfigMap {
        return data;
    }
    for (key, value) in &mut data {
        match base64::decode(value.reveal()) {
            Some(bytes) => *value = Secret::new(String::from_utf8_lossy(&bytes)),
            None => fields.error("data", format!("{key}: not base64")),
        }
    }
    let mut plain: BTreeMap<String, Secret> = BTreeMap::new();
    fields.set("stringData", &mut plain);
    data.extend(plain);
    data
}
