//! Building the YAML of a scrape config as a tree.

use std::collections::BTreeMap;

use crate::yaml::{Entry, Node, Scalar, Value};

/// A mapping under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree(Vec<Entry>);

impl Tree {
    /// Adds `key`, which must be new.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        let value = Node { line: 0, column: 0, value: value.into() };
        self.0.push(Entry { key: quoted(key), line: 0, value });
    }

    /// Adds `key` if there is a value.
    pub(crate) fn put_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Adds `key` if the text is not empty.
    pub(crate) fn put_text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, text);
        }
    }

    /// Adds `key` if the list is not empty.
    pub(crate) fn put_list(&mut self, key: &str, list: Vec<impl Into<Value>>) {
        if !list.is_empty() {
            self.put(key, list);
        }
    }

    /// Adds everything in `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|entry| &*entry.key.text == key).map(|entry| &entry.value)
    }

    /// The text of `key`; empty where absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Scalar(scalar)) => &scalar.text,
            _ => "",
        }
    }
}

impl From<Tree> for Node {
    fn from(tree: Tree) -> Self {
        Self { line: 0, column: 0, value: tree.into() }
    }
}

impl From<Tree> for Value {
    fn from(tree: Tree) -> Self {
        Self::Map(tree.0)
    }
}

fn quoted(text: impl Into<Box<str>>) -> Scalar {
    Scalar { text: text.into(), quoted: true }
}

fn plain(text: impl Into<Box<str>>) -> Value {
    Value::Scalar(Scalar { text: text.into(), quoted: false })
}

/// `null`.
pub(crate) fn null() -> Value {
    plain("null")
}

/// A number that may have a fraction.
pub(crate) fn float(value: f64) -> Value {
    plain(crate::yaml::format_float(value))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Scalar(quoted(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Scalar(quoted(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        plain(value.to_string())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        plain(value.to_string())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        plain(value.to_string())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Self {
        let node = |value: T| Node { line: 0, column: 0, value: value.into() };
        Self::List(list.into_iter().map(node).collect())
    }
}

impl<T> From<&BTreeMap<String, T>> for Value
where
    T: Clone + Into<Self>,
{
    fn from(map: &BTreeMap<String, T>) -> Self {
        let mut tree = Tree::default();
        for (key, value) in map {
            tree.put(key, value.clone());
        }
        tree.into()
    }
}

impl From<&serde_json::Value> for Node {
    /// JSON as YAML that means the same; there are no positions in it.
    fn from(json: &serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => null(),
            serde_json::Value::Bool(value) => (*value).into(),
            serde_json::Value::Number(number) => plain(number.to_string()),
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(values) => Value::List(values.iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => {
                let entry =
                    |(key, value)| Entry { key: quoted(String::as_str(key)), line: 0, value: Self::from(value) };
                Value::Map(members.iter().map(entry).collect())
            }
        };
        Self { line: 0, column: 0, value }
    }
}
