//! What all objects have: labels, annotations, an owner.

use serde::Deserialize;
use ta_model::sanitize_label_name;

use super::json::{Array, Strings, Text};
use super::record::{Reader, Row, Rows, Writer};

/// `metadata`, as it comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawMeta<'a> {
    #[serde(borrow)]
    pub(super) uid: Text<'a>,
    #[serde(borrow)]
    pub(super) labels: Strings<'a>,
    #[serde(borrow)]
    pub(super) annotations: Strings<'a>,
    #[serde(borrow)]
    owner_references: Array<RawOwner<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawOwner<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    controller: Option<bool>,
}

/// Labels and annotations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta<'a> {
    pub(crate) labels: Rows<'a, Pair<'a>>,
    pub(crate) annotations: Rows<'a, Pair<'a>>,
}

/// A label or annotation. The key is fit for a label name; of keys that came to be the same, the last counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// The owner that is in control; both empty if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Controller<'a> {
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl RawMeta<'_> {
    pub(super) fn write_meta(&self, to: &mut Writer) {
        to.list(&self.labels.0, |to, (key, value)| write_pair(to, key, value));
        to.list(&self.annotations.0, |to, (key, value)| write_pair(to, key, value));
    }

    /// The first owner reference with `controller: true` (apimachinery: `pkg/apis/meta/v1/controller_ref.go`).
    pub(super) fn write_controller(&self, to: &mut Writer) {
        let controller = self.owner_references.0.iter().find(|owner| owner.controller == Some(true));
        to.text(controller.map_or("", |owner| owner.kind.as_str()));
        to.text(controller.map_or("", |owner| owner.name.as_str()));
    }
}

pub(super) fn write_pair(to: &mut Writer, key: &str, value: &str) {
    to.text(&sanitize_label_name(key));
    to.text(value);
}

impl<'a> Row<'a> for Pair<'a> {
    fn read(from: &mut Reader<'a>) -> Self {
        Self { key: from.text(), value: from.text() }
    }
}

impl<'a> Meta<'a> {
    pub(super) fn read(from: &mut Reader<'a>) -> Self {
        Self { labels: from.list(), annotations: from.list() }
    }
}

impl<'a> Controller<'a> {
    pub(super) fn read(from: &mut Reader<'a>) -> Self {
        Self { kind: from.text(), name: from.text() }
    }
}

#[cfg(test)]
mod tests {
    use ta_model::relabel::lowercase;

    use super::*;

    #[test]
    fn names_are_sanitised_character_by_character() {
        for (text, wanted) in [
            ("app.kubernetes.io/name", "app_kubernetes_io_name"),
            ("é/1", "__1"),
            ("2x", "2x"),
            ("a-b", "a_b"),
            ("", ""),
        ] {
            assert_eq!(sanitize_label_name(text), wanted);
        }
        assert_eq!(lowercase("TrueİΣ"), "trueiσ");
    }
}
