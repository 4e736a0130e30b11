//! From discovered groups to targets: seed, relabel, drop, identify.
//!
//! ```text
//! plan × shape ──compile──► Program      slots instead of names; labelmap and labeldrop become copies and clears
//! Program × block ──evaluate──► Residual  rules over what the whole block shares are done once
//! Residual × row ──run──► kept or dropped, TargetId
//! ```
//!
//! What cannot be compiled (a templated `target_label`, colliding `labelmap`s) goes target by target through
//! `ta_model::relabel::process`, which defines what is right; tests compare the two.

mod evaluate;
mod identity;
mod program;
mod reference;

use std::sync::Arc;

use ta_model::group::{Block, Shape, unescape};
use ta_model::job_table::{Job, RelabelPlan};
use xxhash_rust::xxh64::xxh64;

use crate::strategy::node_hash;

pub use identity::TargetId;
pub(crate) use program::Program;

/// What the engine knows of a kept target, apart from its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: TargetId,
    /// XXH64 of the address before relabelling.
    pub(crate) address: u64,
    /// [`node_hash`]; 0 where nodes are not needed.
    pub(crate) node: u64,
    /// Hash of the target as it is served.
    pub(crate) content: u64,
    /// Its position in the group.
    pub(crate) position: u32,
}

/// How the targets of one job with one shape are resolved.
#[derive(Debug)]
pub(crate) enum Resolver {
    Compiled(Program),
    /// Rules that have to be applied one target at a time.
    OneByOne,
}

impl Resolver {
    pub(crate) fn new(plan: &RelabelPlan, shape: &Shape) -> Self {
        Program::compile(plan, shape).map_or(Self::OneByOne, Self::Compiled)
    }
}

/// Memory used from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    evaluation: evaluate::Evaluation,
    run: evaluate::Run,
}

/// Appends the kept targets of `block`, a block of `job`, to `records`.
pub(crate) fn resolve_block(
    job: &Job,
    resolver: &Resolver,
    block: &Block,
    needs_nodes: bool,
    scratch: &mut Scratch,
    records: &mut Vec<Record>,
) {
    let shared = block.shared_hash();
    let nodes = NodeColumns::of(block, needs_nodes);
    let record = |index: usize, id: TargetId| Record {
        id,
        address: xxh64(unescape(block.address(index)).as_bytes(), 0),
        node: nodes.as_ref().map_or(0, |nodes| nodes.hash(block, index)),
        content: block.target_hash(shared, index),
        position: (block.first() + index) as u32,
    };
    match resolver {
        Resolver::Compiled(program) => {
            if !scratch.evaluation.evaluate(program, block, job.name()) {
                return;
            }
            let Scratch { evaluation, run } = scratch;
            run.block(program, evaluation, block, |index, id| records.push(record(index, id)));
        }
        Resolver::OneByOne => {
            for index in 0..block.len() {
                if let Some(id) = reference::resolve(job.name(), job.plan(), block, index) {
                    records.push(record(index, id));
                }
            }
        }
    }
}

/// The labels that tell a target's node, in upstream's order (`internal/target/target.go`).
const NODE_LABELS: [&str; 3] =
    ["__meta_kubernetes_pod_node_name", "__meta_kubernetes_node_name", "__meta_kubernetes_endpoint_node_name"];
const TARGET_KIND: &str = "__meta_kubernetes_endpointslice_address_target_kind";
const TARGET_NAME: &str = "__meta_kubernetes_endpointslice_address_target_name";

/// Where the labels that tell the node stand in a block.
struct NodeColumns {
    direct: [Option<usize>; 3],
    of_slice: Option<(usize, usize)>,
}

impl NodeColumns {
    fn of(block: &Block, needed: bool) -> Option<Self> {
        needed.then(|| {
            let shape: &Arc<Shape> = block.shape();
            Self {
                direct: NODE_LABELS.map(|name| shape.column(name)),
                of_slice: shape.column(TARGET_KIND).zip(shape.column(TARGET_NAME)),
            }
        })
    }

    fn hash(&self, block: &Block, index: usize) -> u64 {
        let direct = self.direct.iter().flatten().map(|column| block.value(index, *column));
        let node = direct.into_iter().find(|value| !value.is_empty()).unwrap_or_else(|| match self.of_slice {
            Some((kind, name)) if block.value(index, kind) == "Node" => block.value(index, name),
            _ => "",
        });
        node_hash(&unescape(node))
    }
}

#[cfg(test)]
mod tests;
