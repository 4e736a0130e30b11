//! Label names and label sets.

use std::fmt;

/// Which names are valid (`metric_name_validation_scheme`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameScheme {
    /// Any non-empty UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    Legacy,
}

impl NameScheme {
    /// Whether a label may be called `name` (prometheus/common: `model/metric.go`).
    #[must_use]
    pub fn is_valid_label_name(self, name: &str) -> bool {
        let legacy = |name: &str| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => legacy(name) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()),
        }
    }
}

/// Makes text part of a label name: every other character than ASCII letters, digits and `_` becomes one `_`
/// (Prometheus: `util/strutil/strconv.go`).
#[must_use]
pub fn sanitize_label_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A label set: sorted by name bytewise, names unique. Values may be empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// From pairs in any order; of several pairs with one name the last counts.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        let mut pairs: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into().into(), value.into().into())).collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the last given comes first, and dedup keeps the first
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        Self(pairs.into())
    }

    /// The value of `name`, or `""` if absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|(probe, _)| (**probe).cmp(name)) {
            Ok(at) => &self.0[at].1,
            Err(_) => "",
        }
    }

    /// All labels, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A label set under change (Prometheus: `labels.Builder` in `model/labels/labels_common.go`).
///
/// A borrowed, sorted base plus the labels set since, in the order they were first set. That order is observable:
/// see [`LabelBuilder::iter`].
#[derive(Clone, Debug, Default)]
pub struct LabelBuilder<'a> {
    base: Vec<(&'a str, &'a str)>,
    /// Parallel to `base`: deleted, or replaced by a label in `add`. A hidden label never comes back.
    hidden: Vec<bool>,
    add: Vec<(String, String)>,
}

impl<'a> LabelBuilder<'a> {
    /// Starts from `base`.
    #[must_use]
    pub fn new(base: &'a Labels) -> Self {
        Self::from_sorted(base.iter())
    }

    /// Starts from labels that are already sorted by name, names unique.
    pub fn from_sorted(base: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut builder = Self::default();
        builder.reset(base);
        builder
    }

    /// Starts anew from sorted, unique labels; keeps the memory. Empty values count as deleted at once.
    pub fn reset(&mut self, base: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.base.clear();
        self.base.extend(base);
        debug_assert!(self.base.is_sorted_by(|a, b| a.0 < b.0), "the base must be sorted and unique");
        self.hidden.clear();
        self.hidden.extend(self.base.iter().map(|(_, value)| value.is_empty()));
        self.add.clear();
    }

    /// The value of `name` now, or `""`.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        if let Some((_, value)) = self.add.iter().find(|(added, _)| added == name) {
            return value;
        }
        match self.base_index(name) {
            Some(at) if !self.hidden[at] => self.base[at].1,
            _ => "",
        }
    }

    /// Sets `name` to `value`; an empty value deletes. A label set before keeps its place in the iteration order.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return self.del(name);
        }
        if let Some((_, old)) = self.add.iter_mut().find(|(added, _)| added == name) {
            value.clone_into(old);
            return;
        }
        self.hide(name);
        self.add.push((name.to_owned(), value.to_owned()));
    }

    /// Deletes `name`.
    pub fn del(&mut self, name: &str) {
        self.add.retain(|(added, _)| added != name);
        self.hide(name);
    }

    /// The labels in the order that decides which of two colliding `labelmap` results wins, and that upstream hashes:
    /// untouched base labels by name, then the others as they were first set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let base = self.base.iter().zip(&self.hidden).filter(|(_, hidden)| !**hidden).map(|(label, _)| *label);
        base.chain(self.add.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The resulting set: sorted, without empty values.
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels::from_pairs(self.iter())
    }

    fn hide(&mut self, name: &str) {
        if let Some(at) = self.base_index(name) {
            self.hidden[at] = true;
        }
    }

    fn base_index(&self, name: &str) -> Option<usize> {
        self.base.binary_search_by(|(probe, _)| (*probe).cmp(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn label_names() {
        let cases = [("a", true, true), ("_", true, true), ("a9", true, true), ("9a", true, false), ("", false, false)];
        for (name, utf8, legacy) in cases.into_iter().chain([("a.b", true, false), ("é", true, false)]) {
            assert_eq!(NameScheme::Utf8.is_valid_label_name(name), utf8, "{name:?}");
            assert_eq!(NameScheme::Legacy.is_valid_label_name(name), legacy, "{name:?}");
        }
    }

    #[test]
    fn label_sets_are_sorted_and_the_last_duplicate_wins() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!((labels.get("b"), labels.get("c"), labels.get("d")), ("3", "", ""));
    }

    #[test]
    fn builder_iterates_base_by_name_then_additions_as_set() {
        let base = Labels::from_pairs([("b", "1"), ("d", "2"), ("e", ""), ("f", "3")]);
        let mut builder = LabelBuilder::new(&base);
        builder.set("z", "4");
        builder.set("d", "5");
        builder.set("a", "6");
        builder.set("z", "7");
        builder.del("f");
        let seen: Vec<_> = builder.iter().collect();
        assert_eq!(seen, [("b", "1"), ("z", "7"), ("d", "5"), ("a", "6")]);
        builder.set("d", "");
        builder.set("f", "8");
        assert_eq!((builder.get("d"), builder.get("e"), builder.get("f")), ("", "", "8"));
        assert_eq!(builder.labels(), Labels::from_pairs([("a", "6"), ("b", "1"), ("f", "8"), ("z", "7")]));
    }

    fn mk_pairs() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-e]?", "[x-z]{0,2}"), 0..8)
    }

    proptest! {
        #[test]
        fn builder_agrees_with_a_plain_map(base in mk_pairs(), changes in mk_pairs()) {
            let base = Labels::from_pairs(base);
            let mut builder = LabelBuilder::new(&base);
            let mut map: std::collections::BTreeMap<String, String> =
                base.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            for (name, value) in changes {
                builder.set(&name, &value);
                prop_assert_eq!(builder.get(&name), value.as_str());
                map.insert(name, value);
            }
            map.retain(|_, value| !value.is_empty());
            let result = builder.labels();
            prop_assert!(result.iter().eq(map.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        }
    }
}
