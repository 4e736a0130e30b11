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

use std::ops::Range;
use std::sync::Arc;

use ta_model::group::{Block, Shape};
use ta_model::job_table::{Job, RelabelPlan};
use xxhash_rust::xxh64::xxh64;

use crate::layout::Layout;
use crate::strategy::node_hash;

pub use identity::TargetId;
pub(crate) use program::Program;
pub(crate) use reference::identify;

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
    /// By index in the block.
    contents: Vec<u64>,
    /// Those of the targets that were there before; empty if none can be.
    known: Vec<Option<Record>>,
    evaluation: evaluate::Evaluation,
    run: evaluate::Run,
}

/// The targets that a group had before it changed. What is served is all that resolving looks at: a target of the same
/// content, under the same rules, comes to the same.
#[derive(Debug)]
pub(crate) struct Before<'a> {
    layout: &'a Layout,
    /// Where the next target is looked for.
    rest: Range<usize>,
}

impl<'a> Before<'a> {
    /// Most changes replace, add or take away a few targets: what follows is found again a few places off.
    const NEAR: usize = 16;

    /// For a block that begins at position `first` of what was group number `group` of `layout`.
    pub(crate) fn new(layout: &'a Layout, group: usize, first: usize) -> Self {
        let Range { start, end } = layout.range(group);
        let back = if first > 0 { Self::NEAR / 2 } else { 0 };
        Self { layout, rest: layout.ordinal_at(group, first).saturating_sub(back).max(start)..end }
    }

    fn find(&mut self, content: u64) -> Option<Record> {
        let contents = &self.layout.contents[self.rest.clone()];
        let found = self.rest.start + contents.iter().take(Self::NEAR).position(|other| *other == content)?;
        self.rest.start = found + 1;
        Some(self.layout.record(found))
    }
}

/// A block to be resolved.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) job: &'a Job,
    pub(crate) resolver: &'a Resolver,
    pub(crate) block: &'a Block,
    /// What the block's group replaces.
    pub(crate) before: Option<(&'a Layout, usize)>,
}

/// Appends the kept targets of a block to `records`.
pub(crate) fn resolve_block(task: &Task<'_>, needs_nodes: bool, scratch: &mut Scratch, records: &mut Vec<Record>) {
    let Task { job, resolver, block, before } = task;
    let Scratch { contents, known, evaluation, run } = scratch;
    let shared = block.shared_hash();
    contents.clear();
    contents.extend((0..block.len()).map(|index| block.target_hash(shared, index)));
    known.clear();
    if let Some((layout, group)) = before {
        let mut before = Before::new(layout, *group, block.first());
        known.extend(contents.iter().map(|content| before.find(*content)));
    }
    let nodes = NodeColumns::of(block, needs_nodes);
    let position = |index: usize| (block.first() + index) as u32;
    let fresh = |index: usize, id: TargetId| Record {
        id,
        address: xxh64(block.unescape(block.address(index)).as_bytes(), 0),
        node: nodes.as_ref().map_or(0, |nodes| nodes.hash(block, index)),
        content: contents[index],
        position: position(index),
    };
    let known = |index: usize| Some(Record { position: position(index), ..(*known.get(index)?)? });
    match resolver {
        Resolver::Compiled(program) => {
            let all_known = (0..block.len()).all(|index| known(index).is_some());
            if !all_known && !evaluation.evaluate(program, block, job.name()) {
                return;
            }
            let mut targets = run.targets(program, evaluation, block);
            for index in 0..block.len() {
                records.extend(known(index).or_else(|| Some(fresh(index, targets.resolve(index)?))));
            }
        }
        Resolver::OneByOne => {
            let resolve = |index| reference::resolve(job.name(), job.plan(), block, index);
            for index in 0..block.len() {
                records.extend(known(index).or_else(|| Some(fresh(index, resolve(index)?))));
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
        node_hash(&block.unescape(node))
    }
}

#[cfg(test)]
mod tests;
