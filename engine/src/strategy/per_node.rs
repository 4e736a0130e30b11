//! `per-node`: to the collector on the target's own node.

use std::collections::HashMap;

use ta_model::CollectorSet;

use super::{Planner, Problem, Strategy, node_hash};
use crate::owner::{Owner, Unassigned};

#[derive(Debug)]
pub(super) struct PerNode {
    pub(super) fallback: Option<Box<dyn Strategy>>,
    /// Whether the fallback is also asked for a node without collector.
    pub(super) for_unknown_node: bool,
}

impl Strategy for PerNode {
    fn prepare(&self, collectors: &CollectorSet) -> Box<dyn Planner> {
        let mut by_node = HashMap::new();
        for (ordinal, collector) in collectors.iter().enumerate().filter(|(_, collector)| !collector.node.is_empty()) {
            // of two collectors on a node (a surge rollout) the first by name; upstream leaves it to chance
            by_node.entry(node_hash(&collector.node)).or_insert(Owner::collector(ordinal));
        }
        let fallback = self.fallback.as_ref().map(|fallback| fallback.prepare(collectors));
        Box::new(ByNode { by_node, fallback, for_unknown_node: self.for_unknown_node })
    }

    fn needs_nodes(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct ByNode {
    by_node: HashMap<u64, Owner>,
    fallback: Option<Box<dyn Planner>>,
    for_unknown_node: bool,
}

impl ByNode {
    fn owner(&self, node: u64) -> Owner {
        match (self.by_node.get(&node), node) {
            (Some(owner), _) => *owner,
            (None, 0) if self.fallback.is_some() => Owner::PENDING,
            (None, 0) => Owner::none(Unassigned::NoNode),
            (None, _) if self.fallback.is_some() && self.for_unknown_node => Owner::PENDING,
            (None, _) => Owner::none(Unassigned::NodeWithoutCollector),
        }
    }
}

impl Planner for ByNode {
    fn place(&self, problem: &Problem<'_>, owners: &mut [Vec<Owner>]) {
        for (job, owners) in problem.jobs.iter().zip(owners.iter_mut()) {
            for (owner, node) in owners.iter_mut().zip(job.nodes).filter(|(owner, _)| **owner == Owner::PENDING) {
                *owner = self.owner(*node);
            }
        }
        if let Some(fallback) = &self.fallback {
            fallback.place(problem, owners);
        }
    }

    fn jobs_are_independent(&self) -> bool {
        self.fallback.as_ref().is_none_or(|fallback| fallback.jobs_are_independent())
    }
}
