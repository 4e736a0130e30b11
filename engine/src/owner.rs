//! Who a target belongs to, in four bytes.

use std::fmt;

/// A collector's ordinal, or why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(u32);

/// Why a target has no collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unassigned {
    /// There is no collector at all.
    NoCollectors,
    /// `per-node`: the target says no node, and there is no fallback.
    NoNode,
    /// `per-node`: no collector runs on the target's node.
    NodeWithoutCollector,
}

impl Unassigned {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::NoCollectors, Self::NoNode, Self::NodeWithoutCollector];

    /// A short name for metrics and pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoCollectors => "no_collectors",
            Self::NoNode => "no_node",
            Self::NodeWithoutCollector => "node_without_collector",
        }
    }
}

impl Owner {
    /// Not decided yet; never in a snapshot.
    pub const PENDING: Self = Self(u32::MAX);
    /// Another target with the same identity stands for this one.
    pub const SHADOWED: Self = Self(u32::MAX - 1);
    const NO_COLLECTORS: Self = Self(u32::MAX - 2);
    const NO_NODE: Self = Self(u32::MAX - 3);
    const NODE_WITHOUT_COLLECTOR: Self = Self(u32::MAX - 4);

    /// The collector with this ordinal.
    #[must_use]
    pub fn collector(ordinal: usize) -> Self {
        debug_assert!(ordinal < Self::NODE_WITHOUT_COLLECTOR.0 as usize, "four billion collectors");
        Self(ordinal as u32)
    }

    /// No collector, because of `reason`.
    #[must_use]
    pub fn none(reason: Unassigned) -> Self {
        match reason {
            Unassigned::NoCollectors => Self::NO_COLLECTORS,
            Unassigned::NoNode => Self::NO_NODE,
            Unassigned::NodeWithoutCollector => Self::NODE_WITHOUT_COLLECTOR,
        }
    }

    /// The collector's ordinal.
    #[must_use]
    pub fn ordinal(self) -> Option<usize> {
        (self.0 < Self::NODE_WITHOUT_COLLECTOR.0).then_some(self.0 as usize)
    }

    /// Why there is no collector.
    #[must_use]
    pub fn reason(self) -> Option<Unassigned> {
        Unassigned::ALL.into_iter().find(|reason| Self::none(*reason) == self)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ordinal(), self.reason()) {
            (Some(ordinal), _) => write!(f, "{ordinal}"),
            (_, Some(reason)) => write!(f, "{reason:?}"),
            _ if *self == Self::SHADOWED => f.write_str("shadowed"),
            _ => f.write_str("pending"),
        }
    }
}
