//! A JSON document to be written as upstream writes `/scrape_configs`.

use crate::json::{Escapes, push_string};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    /// A count, which loses precision above 2^53 unless the writer keeps it.
    Count(u64),
    String(String),
    List(Vec<Json>),
    Object(Object),
}

/// Members in any order: they are sorted when written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Object {
    /// Adds a member. Keys must be unique.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Json>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// Adds a member unless it is the zero value of its type.
    pub(crate) fn put_nonzero(&mut self, key: &str, value: impl Into<Json>) {
        let value = value.into();
        if !value.is_zero() {
            self.0.push((key.to_owned(), value));
        }
    }
}

/// How counts above 2^53 are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Rounded to a float, as upstream's detour through YAML and generic JSON does.
    ThroughFloat,
    Exact,
}

impl Json {
    fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Number(value) => *value == 0.0,
            Self::Count(value) => *value == 0,
            Self::String(text) => text.is_empty(),
            Self::List(values) => values.is_empty(),
            Self::Object(object) => object.0.is_empty(),
        }
    }

    /// Appends the value without white space, members sorted by the bytes of their encoded keys.
    pub(crate) fn write(&self, out: &mut String, counts: Counts) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => push_number(out, *value),
            Self::Count(value) if counts == Counts::Exact => out.push_str(&value.to_string()),
            Self::Count(value) => push_number(out, *value as f64),
            Self::String(text) => push_string(out, text, Escapes::Long),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    value.write(out, counts);
                }
                out.push(']');
            }
            Self::Object(object) => {
                write_members(out, object.0.iter().map(|(key, value)| (key.as_str(), value)), |out, value| {
                    value.write(out, counts);
                })
            }
        }
    }
}

/// Appends an object whose members `write` writes.
pub(crate) fn write_members<'m, T>(
    out: &mut String,
    members: impl Iterator<Item = (&'m str, T)>,
    write: impl Fn(&mut String, T),
) {
    let encode = |(key, value): (&str, T)| {
        let mut encoded = String::with_capacity(key.len() + 2);
        push_string(&mut encoded, key, Escapes::Long);
        (encoded, value)
    };
    let mut members: Vec<(String, T)> = members.map(encode).collect();
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    for (at, (key, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// As Go writes a float64: exponents only below 1e-6 and from 1e21, at least two digits long.
fn push_number(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        out.push_str(&value.to_string());
        return;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(("+", exponent), |digits| ("-", digits));
    out.push_str(&format!("{mantissa}e{sign}{digits:0>2}"));
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Count(value)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        Self::String(text.clone())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<'k, T: Into<Json>> FromIterator<(&'k str, T)> for Object {
    fn from_iter<I: IntoIterator<Item = (&'k str, T)>>(members: I) -> Self {
        Self(members.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match number.as_u64() {
                Some(count) => Self::Count(count),
                None => Self::Number(number.as_f64().unwrap_or_default()),
            },
            serde_json::Value::String(text) => Self::String(text.clone()),
            serde_json::Value::Array(values) => values.iter().collect(),
            serde_json::Value::Object(members) => {
                Self::Object(members.iter().map(|(key, value)| (key.as_str(), value)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        let table = [
            (0.0, "0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e22, "1.5e+22"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (-2.5, "-2.5"),
        ];
        for (value, text) in table {
            let mut out = String::new();
            push_number(&mut out, value);
            assert_eq!(out, text);
        }
        let mut out = String::new();
        Json::Count(u64::MAX).write(&mut out, Counts::ThroughFloat);
        assert_eq!(out, "18446744073709552000");
    }

    #[test]
    fn members_sort_by_encoded_key() {
        let object: Object = ["a", "a b", "a!", "B", "<"].into_iter().map(|key| (key, true)).collect();
        let mut out = String::new();
        Json::Object(object).write(&mut out, Counts::Exact);
        // a space and `!` sort before the closing quote; `<` is encoded as a backslash escape
        assert_eq!(out, r#"{"B":true,"\u003c":true,"a b":true,"a!":true,"a":true}"#);
    }
}
