//! Label selectors in the spellings that upstream and its operator write.

use std::collections::BTreeMap;

use ta_model::yaml::{Decode, Decoder, Node, Strings, Value};

/// Selectors that are empty where not given are decoded as such: keys in any letter case, labels must be strings.
pub use ta_model::cr::{LabelSelector as Selector, MatchExpression};

/// Selectors that are nil where not given have a decoder of their own upstream: two spellings of each key and no other
/// (camel case wins), and label values that are no strings become strings.
pub(super) fn decode_nullable(decoder: &mut Decoder, node: &Node) -> Option<Option<Selector>> {
    let mut selector = Selector::default();
    let entries: &[_] = match &node.value {
        Value::Map(entries) => entries,
        _ => {
            decoder.mismatch(node, "mapping");
            return None;
        }
    };
    for entry in entries {
        let key = &*entry.key.text;
        if !["matchLabels", "matchlabels", "matchExpressions", "matchexpressions"].contains(&key) {
            let message = "not known in a selector, ignored; the keys are matchLabels and matchExpressions";
            decoder.at_key(key, |decoder| decoder.warn(entry.line, message));
        }
    }
    let pick = |camel: &str, lower: &str| node.get(camel).or_else(|| node.get(lower)).filter(|node| !node.is_null());
    if let Some(labels) = pick("matchLabels", "matchlabels") {
        selector.match_labels = decoder.at_key("matchLabels", |decoder| stringified(decoder, labels))?;
    }
    if let Some(expressions) = pick("matchExpressions", "matchexpressions") {
        selector.match_expressions = decoder.at_key("matchExpressions", |decoder| Vec::decode(decoder, expressions))?;
    }
    Some(Some(selector))
}

fn stringified(decoder: &mut Decoder, node: &Node) -> Option<BTreeMap<String, String>> {
    let Value::Map(entries) = &node.value else {
        decoder.mismatch(node, "mapping");
        return None;
    };
    let mut labels = BTreeMap::new();
    for entry in entries {
        let key = entry.key.string(Strings::RoundTripped).into_owned();
        match &entry.value.value {
            Value::Scalar(scalar) => drop(labels.insert(key, scalar.string(Strings::RoundTripped).into_owned())),
            _ => decoder.at_key(&key, |decoder| decoder.mismatch(&entry.value, "string")),
        }
    }
    Some(labels)
}
