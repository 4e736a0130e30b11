//! Label selectors (apimachinery: `pkg/apis/meta/v1`, `pkg/labels/selector.go`).

use std::collections::BTreeMap;
use std::fmt;

use crate::quote::quote;
use crate::scrape_config::selector::{check_key, is_name};
use crate::yaml::{Decode, Decoder, Node};

/// A label selector. The default selects everything; where a selector may be missing it is an `Option`, and what `None`
/// selects is said there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    pub match_labels: BTreeMap<String, String>,
    pub match_expressions: Vec<MatchExpression>,
}

/// One entry of `matchExpressions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchExpression {
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`; anything else fails [`LabelSelector::check`].
    pub operator: String,
    pub values: Vec<String>,
}

/// The part of a selector that labels fail, in Kubernetes' notation, and what they have instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub requirement: String,
    pub key: String,
    /// The value that is there; `None`: no such label.
    pub found: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wants {}, ", self.requirement)?;
        match &self.found {
            Some(value) => write!(f, "has {}={value}", self.key),
            None => write!(f, "has no label {}", self.key),
        }
    }
}

impl LabelSelector {
    /// True if it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Checks keys, operators and values.
    ///
    /// # Errors
    /// The first part that is no requirement, in Kubernetes' words.
    pub fn check(&self) -> Result<(), String> {
        for (key, value) in &self.match_labels {
            check_key(key)?;
            check_value(value)?;
        }
        self.match_expressions.iter().try_for_each(MatchExpression::check)
    }

    /// Whether `labels` match. A selector that fails [`check`](Self::check) matches nothing.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.mismatch(labels).is_none()
    }

    /// The first requirement that `labels` fail; `None` if they match.
    #[must_use]
    pub fn mismatch(&self, labels: &BTreeMap<String, String>) -> Option<Mismatch> {
        let mismatch = |key: &String, requirement: String| {
            Some(Mismatch { requirement, key: key.clone(), found: labels.get(key).cloned() })
        };
        if let Some((key, value)) = self.match_labels.iter().find(|(key, value)| labels.get(*key) != Some(*value)) {
            return mismatch(key, format!("{key}={value}"));
        }
        let failed = self.match_expressions.iter().find(|expression| !expression.matches(labels))?;
        mismatch(&failed.key, failed.to_string())
    }
}

/// As the API server takes it: requirements by key, values sorted; empty for the selector of everything.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.match_labels.iter().map(|(key, value)| (key, format!("{key}={value}")));
        let expressions = self.match_expressions.iter().map(|expression| (&expression.key, expression.to_string()));
        let mut requirements: Vec<(&String, String)> = labels.chain(expressions).collect();
        requirements.sort_by_key(|(key, _)| *key);
        let texts: Vec<String> = requirements.into_iter().map(|(_, text)| text).collect();
        f.write_str(&texts.join(","))
    }
}

impl MatchExpression {
    fn check(&self) -> Result<(), String> {
        match self.operator.as_str() {
            "In" | "NotIn" if self.values.is_empty() => {
                let why = "for 'in', 'notin' operators, values set can't be empty";
                return Err(format!("{}: values: {why}", quote(&self.key)));
            }
            "Exists" | "DoesNotExist" if !self.values.is_empty() => {
                let why = "values set must be empty for exists and does not exist";
                return Err(format!("{}: values: {why}", quote(&self.key)));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => return Err(format!("{} is not a valid label selector operator", quote(other))),
        }
        check_key(&self.key)?;
        self.values.iter().try_for_each(|value| check_value(value))
    }

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        let listed = found.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    }
}

impl fmt::Display for MatchExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        match operator.as_str() {
            "In" => write!(f, "{key} in ({values})"),
            "NotIn" => write!(f, "{key} notin ({values})"),
            "Exists" => f.write_str(key),
            "DoesNotExist" => write!(f, "!{key}"),
            other => write!(f, "{key} {other} ({values})"),
        }
    }
}

fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(format!("values: Invalid value: {}: not a label value", quote(value)))
}

impl Decode for LabelSelector {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut selector = Self::default();
            fields.set("matchLabels", &mut selector.match_labels);
            fields.set("matchExpressions", &mut selector.match_expressions);
            selector
        })
    }
}

impl Decode for MatchExpression {
    fn decode(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.fields(node, |fields| {
            let mut expression = Self::default();
            fields.set("key", &mut expression.key);
            fields.set("operator", &mut expression.operator);
            fields.set("values", &mut expression.values);
            expression
        })
    }
}
