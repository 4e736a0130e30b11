//! YAML as JSON: keys in any order, scalars by what they mean.

use serde_json::Value as Json;
use ta_model::yaml::{Node, Resolved, Value};

pub(crate) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::List(nodes) => nodes.iter().map(to_json).collect(),
        Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.text.to_string(), to_json(&entry.value))).collect()
        }
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Json::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Uint(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Str => (*scalar.text).into(),
        },
    }
}
