//! Resolving new groups, and laying out the jobs they belong to.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use ta_model::group::{Block, Shape};
use ta_model::job_table::{Job, JobTable};

use crate::engine::{Engine, GroupState, JobState, Resolvers, StepReport};
use crate::layout::{Layout, LayoutBuilder, Same};
use crate::resolve::{Record, Resolver, Scratch, Task, resolve_block};

/// Targets a thread resolves before it looks for more: some hundred microseconds of work.
const CHUNK: usize = 512;

/// The new layout of a job, and what of the old one stands in it unchanged.
#[derive(Clone)]
pub(super) struct Laid {
    pub(super) layout: Arc<Layout>,
    pub(super) same: Vec<Same>,
}

/// Returns the new layout of each job that has one, by index in the table.
///
/// A job is worked on from its groups to its layout by one thread, so that what comes in between is used while it is in
/// the cache, and its memory for the next job; the chunks of a large job are taken by whoever is idle.
pub(super) fn resolve_and_lay_out(
    engine: &mut Engine,
    table: &JobTable,
    changed: &[usize],
    report: &mut StepReport,
) -> Vec<Option<Laid>> {
    let Engine { jobs, pool, needs_nodes, .. } = engine;
    let needs_nodes = *needs_nodes;
    // both are sorted by name
    let mut states = jobs.iter_mut();
    let work: Vec<(usize, &Arc<Job>, &mut JobState)> = changed
        .iter()
        .filter_map(|index| {
            let job = &table.jobs()[*index];
            let (_, state) = states.find(|(name, _)| *name == job.name())?;
            Some((*index, job, state))
        })
        .collect();
    let done: Vec<(usize, Laid, Fresh)> = pool.install(|| {
        let one = |scratch: &mut Scratch, (index, job, state): (usize, &Arc<Job>, &mut JobState)| {
            let (laid, fresh) = state.resolve_and_lay_out(job, needs_nodes, scratch);
            (index, laid, fresh)
        };
        work.into_par_iter().map_init(Scratch::default, one).collect()
    });
    report.jobs = changed.len();
    let mut layouts = vec![None; table.jobs().len()];
    for (index, laid, fresh) in done {
        report.groups += fresh.groups;
        if fresh.targets > 0 {
            report.resolved.push((table.jobs()[index].name().clone(), fresh.targets));
        }
        layouts[index] = Some(laid);
    }
    layouts
}

/// What was resolved of a job.
#[derive(Clone, Copy, Default)]
struct Fresh {
    groups: usize,
    targets: usize,
}

impl JobState {
    fn resolve_and_lay_out(&mut self, job: &Arc<Job>, needs_nodes: bool, scratch: &mut Scratch) -> (Laid, Fresh) {
        let groups: Vec<&GroupState> = self.groups.values().filter(|group| group.laid.is_none()).collect();
        compile(&mut self.resolvers, job, &groups);
        let old = self.snapshot.as_ref().map(|snapshot| &*snapshot.layout);
        let mut fresh = Fresh { groups: groups.len(), targets: 0 };
        let mut tasks = Vec::with_capacity(groups.len());
        for group in groups {
            fresh.targets += group.group.len();
            let before = old.zip(group.before.map(|number| number as usize));
            let blocks = group.group.blocks().iter();
            tasks.extend(blocks.map(|block| Task { job, resolver: resolver(&self.resolvers, block), block, before }));
        }
        let resolved = resolve(&tasks, needs_nodes, scratch);
        drop(tasks);
        let some_dropped = resolved.len() < fresh.targets || old.is_some_and(Layout::some_dropped);
        (self.lay_out(&resolved, needs_nodes, some_dropped), fresh)
    }

    fn lay_out(&mut self, resolved: &Resolved, needs_nodes: bool, some_dropped: bool) -> Laid {
        let old = self.snapshot.as_ref().map(|snapshot| &*snapshot.layout);
        let unchanged = |group: &GroupState| Some(old?.range(group.laid? as usize).len());
        let unchanged: usize = self.groups.values().filter_map(unchanged).sum();
        let targets = unchanged + resolved.len();
        let mut builder = LayoutBuilder::with_capacity(targets, self.groups.len(), needs_nodes, some_dropped);
        let mut task = 0;
        for (number, group) in self.groups.values_mut().enumerate() {
            builder.group(&group.group);
            match (group.laid, old) {
                (Some(laid), Some(old)) => builder.unchanged(old, laid as usize),
                _ => {
                    for _ in group.group.blocks() {
                        builder.fresh(resolved.records(task), needs_nodes);
                        task += 1;
                    }
                }
            }
            (group.laid, group.before) = (Some(number as u32), None);
        }
        let (layout, same) = builder.finish();
        Laid { layout: Arc::new(layout), same }
    }
}

fn resolver<'a>(resolvers: &'a Resolvers, block: &Block) -> &'a Resolver {
    match resolvers.get(&block.shape().hash()) {
        Some((shape, resolver)) if Arc::ptr_eq(shape, block.shape()) || shape == block.shape() => resolver,
        _ => &Resolver::OneByOne, // two shapes of one hash: right, if not fast
    }
}

/// Compiles the programs that new groups need.
fn compile(resolvers: &mut Resolvers, job: &Job, groups: &[&GroupState]) {
    /// A program takes some kilobytes. Jobs over pods of a thousand applications have as many shapes; beyond that a
    /// job compiles what it needs in a step and forgets it, so that shapes that no longer exist go.
    const MOST_KEPT: usize = 1024;
    if resolvers.len() > MOST_KEPT {
        resolvers.clear();
    }
    let mut missing: Vec<&Arc<Shape>> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    for shape in groups.iter().flat_map(|group| group.group.blocks()).map(|block| block.shape()) {
        if !resolvers.contains_key(&shape.hash()) && seen.insert(shape.hash()) {
            missing.push(shape);
        }
    }
    let compile = |shape: &Arc<Shape>| (shape.hash(), (shape.clone(), Resolver::new(job.plan(), shape)));
    let compiled: Vec<_> = missing.into_par_iter().map(compile).collect();
    resolvers.extend(compiled);
}

/// The kept targets of every task, in chunks of tasks.
struct Resolved {
    chunks: Vec<Vec<Record>>,
    /// For each task its chunk and where its records end in it.
    ends: Vec<(u32, u32)>,
}

impl Resolved {
    fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    fn records(&self, task: usize) -> &[Record] {
        let (chunk, end) = self.ends[task];
        let start = match task.checked_sub(1).map(|before| self.ends[before]) {
            Some((before, start)) if before == chunk => start,
            _ => 0,
        };
        &self.chunks[chunk as usize][start as usize..end as usize]
    }
}

fn resolve(tasks: &[Task<'_>], needs_nodes: bool, scratch: &mut Scratch) -> Resolved {
    let mut cuts = Vec::new();
    let (mut start, mut targets) = (0, 0);
    for (number, task) in tasks.iter().enumerate() {
        targets += task.block.len();
        if targets >= CHUNK || number + 1 == tasks.len() {
            cuts.push(start..number + 1);
            (start, targets) = (number + 1, 0);
        }
    }
    let chunk = |scratch: &mut Scratch, range: &std::ops::Range<usize>| {
        let tasks = &tasks[range.clone()];
        let mut records = Vec::with_capacity(tasks.iter().map(|task| task.block.len()).sum());
        let ends: Vec<u32> = tasks
            .iter()
            .map(|task| {
                resolve_block(task, needs_nodes, scratch, &mut records);
                records.len() as u32
            })
            .collect();
        (records, ends)
    };
    let done: Vec<(Vec<Record>, Vec<u32>)> = match cuts.as_slice() {
        [one] => vec![chunk(scratch, one)],
        cuts => cuts.par_iter().map_init(Scratch::default, chunk).collect(),
    };
    let mut resolved = Resolved { chunks: Vec::with_capacity(done.len()), ends: Vec::with_capacity(tasks.len()) };
    for (number, (records, ends)) in done.into_iter().enumerate() {
        resolved.ends.extend(ends.into_iter().map(|end| (number as u32, end)));
        resolved.chunks.push(records);
    }
    resolved
}
