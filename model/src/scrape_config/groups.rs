//! Target groups as file and HTTP discovery answer with them (Prometheus: `discovery/targetgroup/targetgroup.go`).
//!
//! Answers come from anywhere and may be large, so JSON goes straight into groups: no value tree, nothing looked at twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::types::StaticGroup;
use crate::labels::NameScheme;
use crate::quote::quote;
use crate::yaml::{Decode, Decoder, Dialect, Node, Strings, YamlError, parse};

/// Why an answer was refused, as a whole: half an answer would delete targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// Not JSON, or not a list of groups; says where.
    #[error("{0}")]
    Json(String),
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// YAML, but not a list of groups; says where.
    #[error("{0}")]
    Content(String),
    #[error("nil target group item found")]
    NullGroup,
}

/// Decodes a JSON list of `{"targets": [address], "labels": {name: value}}`; `null` is an empty list.
///
/// As in Go: keys match in any letter case, the last of two equal keys wins, null is an empty string or list, and bytes that
/// are not UTF-8 become U+FFFD.
///
/// # Errors
/// Unknown keys, values of another type, null groups, empty label names, and anything after the list.
pub fn decode_groups_json(bytes: &[u8]) -> Result<Vec<StaticGroup>, GroupsError> {
    let text = String::from_utf8_lossy(bytes);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let groups = deserializer.deserialize_option(GroupsVisitor).and_then(|groups| deserializer.end().map(|()| groups));
    let groups: Vec<Option<StaticGroup>> = groups.map_err(|error| GroupsError::Json(error.to_string()))?;
    groups.into_iter().map(|group| group.ok_or(GroupsError::NullGroup)).collect()
}

/// Decodes the YAML form; an empty document is an empty list, scalars become text as written.
///
/// # Errors
/// Unknown or repeated keys, values of another kind, null groups, empty label names.
pub fn decode_groups_yaml(text: &str) -> Result<Vec<StaticGroup>, GroupsError> {
    let document = parse(text)?;
    if let Some(duplicate) = document.duplicate_keys.first() {
        let message = format!("line {}: key {} already set in mapping", duplicate.line, quote(&duplicate.key));
        return Err(GroupsError::Content(message));
    }
    let mut decoder = Decoder::new(Dialect::Prometheus(Strings::AsWritten), "");
    let mut has_null = false;
    let groups = decoder.list(&document.root, |decoder, node: &Node| {
        has_null |= node.is_null();
        StaticGroup::decode(decoder, node)
    });
    let problems = decoder.finish();
    if let Some(problem) = problems.errors.first().or(problems.warnings.first()) {
        return Err(GroupsError::Content(problem.to_string()));
    }
    if has_null { Err(GroupsError::NullGroup) } else { Ok(groups.unwrap_or_default()) }
}

/// `null`, or a list of groups.
struct GroupsVisitor;

impl<'de> Visitor<'de> for GroupsVisitor {
    type Value = Vec<Option<StaticGroup>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of target groups")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut groups = Vec::new();
        while let Some(group) = seq.next_element_seed(OrNull(GroupVisitor))? {
            groups.push(group);
        }
        Ok(groups)
    }
}

/// Runs a visitor, or gives `None` for null.
struct OrNull<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for OrNull<V> {
    type Value = Option<V::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OrNull<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self.0).map(Some)
    }
}

struct GroupVisitor;

impl<'de> Visitor<'de> for GroupVisitor {
    type Value = StaticGroup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StaticGroup, A::Error> {
        let mut group = StaticGroup::default();
        while let Some(key) = map.next_key_seed(TextVisitor)? {
            if key.eq_ignore_ascii_case("targets") {
                group.targets = map.next_value_seed(OrNull(TargetsVisitor))?.unwrap_or_default();
            } else if key.eq_ignore_ascii_case("labels") {
                group.labels = map.next_value_seed(OrNull(LabelsVisitor))?.unwrap_or_default();
            } else {
                return Err(A::Error::custom(format_args!("unknown field {}", quote(&key))));
            }
        }
        Ok(group)
    }
}

struct TargetsVisitor;

impl<'de> Visitor<'de> for TargetsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut targets = Vec::new();
        while let Some(target) = seq.next_element_seed(OrNull(TextVisitor))? {
            targets.push(target.unwrap_or_default().into_owned());
        }
        Ok(targets)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some(name) = map.next_key_seed(TextVisitor)? {
            let value = map.next_value_seed(OrNull(TextVisitor))?.unwrap_or_default();
            if !NameScheme::Utf8.is_valid_label_name(&name) {
                return Err(A::Error::custom(format_args!("{} is not a valid label name", quote(&name))));
            }
            labels.insert(name.into_owned(), value.into_owned());
        }
        Ok(labels)
    }
}

/// A string, borrowed from the input where it has no escapes.
struct TextVisitor;

impl<'de> DeserializeSeed<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }
}
