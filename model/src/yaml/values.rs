//! Values that decode themselves.

use std::collections::BTreeMap;

use super::{Decoder, Dialect, Node, Resolved, Scalar, Value};
use crate::secret::Secret;

/// A value that can be read from a node that is not null. `Default` is what null resets it to.
pub trait Decode: Default {
    /// Decodes `node`. `None` means that it recorded an error.
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self>;
}

impl Decode for String {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.text(node)
    }
}

impl Decode for Secret {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let is_text =
            |scalar: &Scalar| matches!(decoder.dialect(), Dialect::Prometheus(_)) || scalar.resolve() == Resolved::Str;
        if matches!(&node.value, Value::Scalar(scalar) if !is_text(scalar)) {
            decoder.error(node.line, "a secret must be a string (quote it)"); // the usual message quotes the value
            return None;
        }
        decoder.text(node).map(Self::new)
    }
}

impl Decode for bool {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        match resolved(node) {
            Some(Resolved::Bool(value)) => Some(value),
            _ => none(decoder, node, "bool"),
        }
    }
}

impl Decode for u64 {
    /// A float loses its fraction (`1e+06` is how the operator writes large limits); a negative number is an error.
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        /// 2^64: the first float that does not fit.
        const LIMIT: f64 = 18_446_744_073_709_551_616.0;
        match resolved(node) {
            Some(Resolved::Int(value)) => u64::try_from(value).ok().or_else(|| none(decoder, node, "unsigned integer")),
            Some(Resolved::Uint(value)) => Some(value),
            Some(Resolved::Float(value)) if value > -1.0 && value < LIMIT => Some(value as u64),
            _ => none(decoder, node, "unsigned integer"),
        }
    }
}

impl Decode for i64 {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        /// 2^63: the first float that does not fit.
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        match resolved(node) {
            Some(Resolved::Int(value)) => Some(value),
            Some(Resolved::Float(value)) if (-LIMIT..LIMIT).contains(&value) => Some(value as i64),
            _ => none(decoder, node, "integer"),
        }
    }
}

impl Decode for f64 {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        match resolved(node) {
            Some(Resolved::Int(value)) => Some(value as f64),
            Some(Resolved::Uint(value)) => Some(value as f64),
            Some(Resolved::Float(value)) => Some(value),
            _ => none(decoder, node, "float"),
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        T::decode(decoder, node).map(Some)
    }
}

impl<T: Decode> Decode for Vec<T> {
    /// A null entry becomes the zero value, as Go has it.
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.list(node, decode_or_zero)
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            return none(decoder, node, "mapping");
        };
        let mut map = Self::new();
        for entry in entries {
            let key = match decoder.dialect() {
                Dialect::Prometheus(_) if entry.key.resolve() == Resolved::Null => String::new(),
                _ => decoder.key_text(&entry.key),
            };
            if let Some(value) = decoder.at_key(&key, |decoder| decode_or_zero(decoder, &entry.value)) {
                map.insert(key, value);
            }
        }
        Some(map)
    }
}

fn decode_or_zero<T: Decode>(decoder: &mut Decoder, node: &Node) -> Option<T> {
    if node.is_null() { Some(T::default()) } else { T::decode(decoder, node) }
}

fn resolved(node: &Node) -> Option<Resolved> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.resolve()),
        _ => None,
    }
}

fn none<T>(decoder: &mut Decoder, node: &Node, wanted: &str) -> Option<T> {
    decoder.mismatch(node, wanted);
    None
}
