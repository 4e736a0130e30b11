//! Relabelling.

/// One validated relabel rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {}
