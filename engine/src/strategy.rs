//! Allocation strategies: which collector gets which target.
//!
//! A strategy is built from configuration and prepared for a collector set. A prepared strategy is a pure function of
//! (targets, previous owners), works on ordinals instead of names, and is idempotent: planning again moves nothing.
//!
//! ```text
//! StrategyConfig ──build──► Strategy ──prepare(collectors)──► Planner ──place(problem, owners)──► owners
//!                              └ fallback: a strategy inside a strategy
//! ```

mod consistent_hashing;
mod least_weighted;
mod per_node;
mod ring;

use std::fmt;
use std::str::FromStr;

use ta_model::CollectorSet;

use crate::owner::Owner;

pub use ring::{PointKey, Ring};

/// The strategies, by upstream's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StrategyKind {
    /// By the target's address, on a hash ring with bounded loads.
    #[default]
    ConsistentHashing,
    /// To the collector with the fewest targets; what is placed stays.
    LeastWeighted,
    /// To the collector on the target's node.
    PerNode,
}

impl StrategyKind {
    /// All strategies.
    pub const ALL: [Self; 3] = [Self::ConsistentHashing, Self::LeastWeighted, Self::PerNode];

    /// The name in configuration and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConsistentHashing => "consistent-hashing",
            Self::LeastWeighted => "least-weighted",
            Self::PerNode => "per-node",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a strategy cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// No such strategy.
    #[error("unregistered strategy {0:?}; use consistent-hashing, least-weighted or per-node")]
    Unknown(String),
    /// `per-node` would ask itself without end.
    #[error("per-node cannot be its own fallback; use consistent-hashing or least-weighted")]
    FallbackIsItself,
}

impl FromStr for StrategyKind {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| StrategyError::Unknown(text.to_owned()))
    }
}

/// Which strategy, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyConfig {
    /// `allocation_strategy`.
    pub strategy: StrategyKind,
    /// `allocation_fallback_strategy`: used by `per-node` for targets without a node, ignored by the others.
    pub fallback: Option<StrategyKind>,
    /// `consistent_hashing.point_key`: which upstream version's ring.
    pub point_key: PointKey,
    /// Whether `per-node` also asks the fallback for targets whose node has no collector. Upstream does not.
    pub fallback_for_unknown_node: bool,
}

impl StrategyConfig {
    /// Builds the strategy. Fails for a fallback that cannot work.
    pub fn build(&self) -> Result<Box<dyn Strategy>, StrategyError> {
        match (self.strategy, self.fallback) {
            (StrategyKind::PerNode, Some(StrategyKind::PerNode)) => Err(StrategyError::FallbackIsItself),
            (StrategyKind::PerNode, fallback) => Ok(Box::new(per_node::PerNode {
                fallback: fallback.map(|kind| self.plain(kind)),
                for_unknown_node: self.fallback_for_unknown_node,
            })),
            (kind, _) => Ok(self.plain(kind)),
        }
    }

    fn plain(&self, kind: StrategyKind) -> Box<dyn Strategy> {
        match kind {
            StrategyKind::ConsistentHashing => {
                Box::new(consistent_hashing::ConsistentHashing { point_key: self.point_key })
            }
            StrategyKind::LeastWeighted => Box::new(least_weighted::LeastWeighted),
            StrategyKind::PerNode => Box::new(per_node::PerNode { fallback: None, for_unknown_node: false }),
        }
    }
}

/// An allocation strategy.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// Does the work that depends on the collectors only. `collectors` is not empty.
    fn prepare(&self, collectors: &CollectorSet) -> Box<dyn Planner>;

    /// Whether targets must tell their node.
    fn needs_nodes(&self) -> bool {
        false
    }
}

/// A strategy prepared for one collector set.
pub trait Planner: fmt::Debug + Send + Sync {
    /// Decides every target whose owner is [`Owner::PENDING`]; the others are given and count as load.
    ///
    /// The result depends on the arguments alone. `owners` has one slice a job, as long as the job's targets.
    fn place(&self, problem: &Problem<'_>, owners: &mut [Vec<Owner>]);

    /// Whether jobs may be placed one by one, in any order, to the same result. Then `outside_load` is not looked at.
    fn jobs_are_independent(&self) -> bool {
        false
    }
}

/// What there is to allocate.
#[derive(Debug)]
pub struct Problem<'a> {
    /// The jobs to decide on, sorted by name.
    pub jobs: &'a [JobTargets<'a>],
    /// Targets of each collector in jobs that are not part of the problem.
    pub outside_load: &'a [u32],
}

/// The targets of one job, by ordinal.
#[derive(Clone, Copy, Debug)]
pub struct JobTargets<'a> {
    /// XXH64 (seed 0) of each target's address before relabelling.
    pub addresses: &'a [u64],
    /// [`node_hash`] of each target's node; empty unless the strategy needs nodes.
    pub nodes: &'a [u64],
    /// The owners that the targets had.
    pub previous: Previous<'a>,
}

/// The owners that targets had, in ordinals of the collectors now. Looked up when they are asked for: most strategies
/// never do.
#[derive(Clone, Copy, Debug)]
pub struct Previous<'a> {
    owners: &'a [Owner],
    /// For each collector of then its owner code now; nothing if they are the same.
    now: Option<&'a [Owner]>,
}

impl<'a> Previous<'a> {
    /// Owners among the same collectors.
    #[must_use]
    pub fn same(owners: &'a [Owner]) -> Self {
        Self { owners, now: None }
    }

    /// Owners among collectors of before; `now` has for each of those its owner code now, or [`Owner::PENDING`] if it is
    /// gone.
    #[must_use]
    pub fn renumbered(owners: &'a [Owner], now: &'a [Owner]) -> Self {
        Self { owners, now: Some(now) }
    }

    /// The owner that each target had, if that collector is still there; else a code that is no collector's.
    pub fn iter(self) -> impl Iterator<Item = Owner> + use<'a> {
        self.owners.iter().map(move |owner| match (self.now, owner.ordinal()) {
            (Some(now), Some(ordinal)) => now[ordinal],
            _ => *owner,
        })
    }
}

/// The hash by which nodes are compared: 0 for an unknown (empty) node.
#[must_use]
pub fn node_hash(node: &str) -> u64 {
    if node.is_empty() { 0 } else { xxhash_rust::xxh3::xxh3_64(node.as_bytes()).max(1) }
}

#[cfg(test)]
mod tests;
