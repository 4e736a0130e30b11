//! Collectors: the fleet that scrapes.

use std::sync::Arc;

/// An OpenTelemetry Collector (or anything that polls like one), known by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collector {
    /// The `collector_id` it polls with; unique in the fleet.
    pub name: Arc<str>,
    /// The node it runs on, as Kubernetes names it; empty where unknown. Only `per-node` looks at it.
    pub node: Arc<str>,
}

impl Collector {
    /// A collector from its name and node (empty = unknown).
    pub fn new(name: impl Into<Arc<str>>, node: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), node: node.into() }
    }
}

/// The collectors allowed to receive targets now: sorted by name, names unique. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorSet(Arc<[Collector]>);

/// Two collectors of one name: nobody could tell whose share is whose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("collector name {0:?} is used twice; every collector needs a name of its own")]
pub struct DuplicateCollector(pub Arc<str>);

impl CollectorSet {
    /// Sorts `collectors` by name. Fails if two share a name.
    pub fn new(mut collectors: Vec<Collector>) -> Result<Self, DuplicateCollector> {
        collectors.sort();
        match collectors.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(DuplicateCollector(pair[0].name.clone())),
            None => Ok(Self(collectors.into())),
        }
    }

    /// The ordinal of the collector called `name`.
    #[must_use]
    pub fn ordinal(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|collector| (*collector.name).cmp(name)).ok()
    }
}

impl std::ops::Deref for CollectorSet {
    type Target = [Collector];
    fn deref(&self) -> &[Collector] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_name_and_finds_ordinals() {
        let set = CollectorSet::new(vec![Collector::new("b", "n1"), Collector::new("a", "")]).unwrap();
        assert_eq!(set[0].name.as_ref(), "a");
        assert_eq!((set.ordinal("a"), set.ordinal("b"), set.ordinal("c")), (Some(0), Some(1), None));
    }

    #[test]
    fn refuses_two_of_one_name_even_on_different_nodes() {
        let twice = CollectorSet::new(vec![Collector::new("a", "n1"), Collector::new("a", "n2")]);
        assert_eq!(
            twice.unwrap_err().to_string(),
            "collector name \"a\" is used twice; every collector needs a name of its own"
        );
    }
}
