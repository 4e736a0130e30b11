//! One version of an object, kept as the text that is served.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::kinds::Kind;

/// What stands before the revision in every object; the revision itself is put in when an object is sent, so a version
/// that only moves to another revision (a deletion, a selector no longer matching) shares its text.
const HEAD: &str = "\"metadata\":{\"resourceVersion\":\"";

/// A version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    /// `namespace/name`, or the name alone.
    pub(crate) key: Arc<str>,
    /// Its `resourceVersion`.
    pub(crate) revision: u64,
    text: Text,
}

/// An object without `kind`, `apiVersion` and `resourceVersion`: from the other fields of `metadata` to the last brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    json: Arc<[u8]>,
    /// End of `metadata`, behind its brace.
    metadata: u32,
    /// Where the object of labels stands; empty if there is none.
    labels: (u32, u32),
}

impl Text {
    /// Takes `metadata` and every other field of an object.
    pub(crate) fn new(object: &Map<String, Value>) -> Text {
        let mut writer = TextWriter::default();
        if let Some(Value::Object(metadata)) = object.get("metadata") {
            for (name, value) in metadata.iter().filter(|(name, _)| *name != "resourceVersion") {
                writer.metadata(name, &value.to_string());
            }
        }
        writer.end_metadata();
        for (name, value) in object {
            if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
                writer.field(name, &value.to_string());
            }
        }
        writer.finish()
    }

    /// Bytes kept.
    pub(crate) fn len(&self) -> usize {
        self.json.len()
    }
}

/// Writes a [`Text`] from ready-made JSON: first the fields of `metadata`, then the others.
#[derive(Debug, Default)]
pub(crate) struct TextWriter {
    json: String,
    metadata: u32,
    labels: (u32, u32),
}

impl TextWriter {
    /// Adds a field of `metadata`.
    pub(crate) fn metadata(&mut self, name: &str, json: &str) {
        self.write(name, json);
        if name == "labels" {
            self.labels = ((self.json.len() - json.len()) as u32, self.json.len() as u32);
        }
    }

    /// No more metadata.
    pub(crate) fn end_metadata(&mut self) {
        self.json.push('}');
        self.metadata = self.json.len() as u32;
    }

    /// Adds a field beside `metadata`.
    pub(crate) fn field(&mut self, name: &str, json: &str) {
        self.write(name, json);
    }

    pub(crate) fn finish(mut self) -> Text {
        self.json.push('}');
        Text { json: self.json.into_bytes().into(), metadata: self.metadata, labels: self.labels }
    }

    fn write(&mut self, name: &str, json: &str) {
        self.json.push(',');
        if name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
            self.json.extend(["\"", name, "\""]);
        } else {
            self.json.push_str(&Value::String(name.to_owned()).to_string());
        }
        self.json.extend([":", json]);
    }
}

/// How objects are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Whole.
    Whole,
    /// As an element of a list: like whole, but built-in kinds go without `kind` and `apiVersion`.
    Element,
    /// `PartialObjectMetadata`.
    Metadata,
}

impl Object {
    pub(crate) fn new(key: Arc<str>, revision: u64, text: Text) -> Object {
        Object { key, revision, text }
    }

    pub(crate) fn text(&self) -> &Text {
        &self.text
    }

    /// Namespace (empty for cluster-wide kinds) and name.
    pub(crate) fn place(&self) -> (&str, &str) {
        self.key.split_once('/').unwrap_or(("", &self.key))
    }

    /// The labels, as far as they are an object of strings.
    pub(crate) fn labels(&self) -> Vec<(String, String)> {
        let (from, to) = self.text.labels;
        let parsed = serde_json::from_slice::<Map<String, Value>>(&self.text.json[from as usize..to as usize]);
        let text = |(name, value)| if let Value::String(value) = value { Some((name, value)) } else { None };
        parsed.map(|labels| labels.into_iter().filter_map(text).collect()).unwrap_or_default()
    }

    /// Writes the object as of `revision`.
    pub(crate) fn write(&self, kind: &Kind, shape: Shape, revision: u64, out: &mut Vec<u8>) {
        out.push(b'{');
        match shape {
            Shape::Metadata => out.extend(b"\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","),
            Shape::Element if !kind.custom => {}
            _ => out.extend(format!("\"kind\":\"{}\",\"apiVersion\":\"{}\",", kind.kind, kind.api_version()).bytes()),
        }
        out.extend(HEAD.bytes());
        out.extend(revision.to_string().bytes());
        out.push(b'"');
        if shape == Shape::Metadata {
            out.extend(&self.text.json[..self.text.metadata as usize]);
            out.push(b'}');
        } else {
            out.extend(&self.text.json[..]);
        }
    }

    /// The object as a value.
    pub(crate) fn value(&self, kind: &Kind) -> Map<String, Value> {
        let mut json = Vec::new();
        self.write(kind, Shape::Whole, self.revision, &mut json);
        // the text was written from a value or by the generator's templates
        serde_json::from_slice(&json).unwrap_or_default()
    }
}

/// The key of an object.
pub(crate) fn key(namespace: &str, name: &str) -> Arc<str> {
    if namespace.is_empty() { name.into() } else { format!("{namespace}/{name}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kinds::KindId;
    use serde_json::json;

    fn mk_object(value: Value) -> Object {
        let Value::Object(map) = value else { panic!("not an object") };
        Object::new(key("ns", "a"), 7, Text::new(&map))
    }

    fn written(object: &Object, kind: &str, shape: Shape) -> Value {
        let mut json = Vec::new();
        object.write(KindId::by_plural(kind).unwrap().get(), shape, 8, &mut json);
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn every_shape_is_served_from_one_text() {
        let metadata =
            json!({"name": "a", "namespace": "ns", "labels": {"x": "y\"é", "z": ""}, "resourceVersion": "1"});
        let object = mk_object(json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"a": [1]}}));
        let mut expected = metadata;
        expected["resourceVersion"] = "8".into();
        let whole = json!({"kind": "Pod", "apiVersion": "v1", "metadata": expected, "spec": {"a": [1]}});
        assert_eq!(written(&object, "pods", Shape::Whole), whole);
        assert_eq!(written(&object, "pods", Shape::Element), json!({"metadata": expected, "spec": {"a": [1]}}));
        assert!(written(&object, "probes", Shape::Element).get("kind").is_some(), "custom resources keep their kind");
        let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": expected});
        assert_eq!(written(&object, "pods", Shape::Metadata), partial);
        assert_eq!(object.labels(), [("x".to_owned(), "y\"é".to_owned()), ("z".to_owned(), String::new())]);
        assert_eq!(object.place(), ("ns", "a"));
    }

    #[test]
    fn labels_that_are_none_are_no_labels() {
        for labels in [json!(null), json!([]), json!("x"), json!({"a": 5})] {
            assert!(mk_object(json!({"metadata": {"name": "a", "labels": labels}})).labels().is_empty());
        }
        assert!(mk_object(json!({"metadata": {"name": "a"}})).labels().is_empty());
    }
}
