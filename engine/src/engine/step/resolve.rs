//! Resolving new groups, and laying out the jobs they belong to.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use ta_model::group::{Block, Shape};
use ta_model::job_table::{Job, JobTable};

use crate::engine::{Engine, JobState, Phase, StepReport};
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
pub(super) fn resolve_and_lay_out(
    engine: &mut Engine,
    table: &JobTable,
    changed: &[usize],
    report: &mut StepReport,
    ended: &mut dyn FnMut(Phase),
) -> Vec<Option<Laid>> {
    compile(engine, table, changed);
    let mut tasks = Vec::new();
    let mut first_task = Vec::with_capacity(changed.len());
    for index in changed {
        first_task.push(tasks.len());
        let job = &table.jobs()[*index];
        let Some(state) = engine.jobs.get(job.name()) else { continue };
        let old = state.snapshot.as_ref().map(|snapshot| &*snapshot.layout);
        let mut targets = 0;
        for group in state.groups.values().filter(|group| group.laid.is_none()) {
            report.groups += 1;
            targets += group.group.len();
            let before = old.zip(group.before.map(|number| number as usize));
            let blocks = group.group.blocks().iter();
            tasks.extend(blocks.map(|block| Task { job, resolver: state.resolver(block), block, before }));
        }
        if targets > 0 {
            report.resolved.push((job.name().clone(), targets));
        }
    }
    let needs_nodes = engine.needs_nodes;
    let resolved = engine.pool.install(|| resolve(&tasks, needs_nodes));
    ended(Phase::Resolve);

    report.jobs = changed.len();
    let laid: Vec<(usize, Laid)> = engine.pool.install(|| {
        let jobs = changed.par_iter().zip(&first_task);
        jobs.filter_map(|(index, task)| {
            let state = engine.jobs.get(table.jobs()[*index].name())?;
            Some((*index, lay_out(state, &resolved, *task, needs_nodes)))
        })
        .collect()
    });
    drop(tasks);
    let mut layouts = vec![None; table.jobs().len()];
    for (index, layout) in laid {
        if let Some(state) = engine.jobs.get_mut(table.jobs()[index].name()) {
            for (number, group) in state.groups.values_mut().enumerate() {
                (group.laid, group.before) = (Some(number as u32), None);
            }
        }
        layouts[index] = Some(layout);
    }
    layouts
}

impl JobState {
    fn resolver(&self, block: &Block) -> Arc<Resolver> {
        match self.resolvers.get(&block.shape().hash()) {
            Some((shape, resolver)) if Arc::ptr_eq(shape, block.shape()) || shape == block.shape() => resolver.clone(),
            _ => Arc::new(Resolver::OneByOne), // two shapes of one hash: right, if not fast
        }
    }
}

/// Compiles the programs that the changed jobs' new groups need.
fn compile(engine: &mut Engine, table: &JobTable, changed: &[usize]) {
    /// A program takes some kilobytes. Jobs over pods of a thousand applications have as many shapes; beyond that a job
    /// compiles what it needs in a step and forgets it, so that shapes that no longer exist go.
    const MOST_KEPT: usize = 1024;
    let mut missing: Vec<(&Arc<Job>, Arc<Shape>)> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    for job in changed.iter().map(|index| &table.jobs()[*index]) {
        let Some(state) = engine.jobs.get_mut(job.name()) else { continue };
        if state.resolvers.len() > MOST_KEPT {
            state.resolvers.clear();
        }
        seen.clear();
        let fresh = state.groups.values().filter(|group| group.laid.is_none());
        for shape in fresh.flat_map(|group| group.group.blocks()).map(|block| block.shape()) {
            if !state.resolvers.contains_key(&shape.hash()) && seen.insert(shape.hash()) {
                missing.push((job, shape.clone()));
            }
        }
    }
    let compiled: Vec<_> = engine.pool.install(|| {
        missing
            .into_par_iter()
            .map(|(job, shape)| {
                let resolver = Arc::new(Resolver::new(job.plan(), &shape));
                (job.name(), shape, resolver)
            })
            .collect()
    });
    for (job, shape, resolver) in compiled {
        if let Some(state) = engine.jobs.get_mut(job) {
            state.resolvers.insert(shape.hash(), (shape, resolver));
        }
    }
}

/// The kept targets of every task, in chunks of tasks.
struct Resolved {
    chunks: Vec<Vec<Record>>,
    /// For each task its chunk and where its records end in it.
    ends: Vec<(u32, u32)>,
}

impl Resolved {
    fn records(&self, task: usize) -> &[Record] {
        let (chunk, end) = self.ends[task];
        let start = match task.checked_sub(1).map(|before| self.ends[before]) {
            Some((before, start)) if before == chunk => start,
            _ => 0,
        };
        &self.chunks[chunk as usize][start as usize..end as usize]
    }
}

fn resolve(tasks: &[Task<'_>], needs_nodes: bool) -> Resolved {
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
    let done: Vec<(Vec<Record>, Vec<u32>)> = cuts.par_iter().map_init(Scratch::default, chunk).collect();
    let mut resolved = Resolved { chunks: Vec::with_capacity(done.len()), ends: Vec::with_capacity(tasks.len()) };
    for (number, (records, ends)) in done.into_iter().enumerate() {
        resolved.ends.extend(ends.into_iter().map(|end| (number as u32, end)));
        resolved.chunks.push(records);
    }
    resolved
}

fn lay_out(state: &JobState, resolved: &Resolved, first_task: usize, needs_nodes: bool) -> Laid {
    let old = state.snapshot.as_ref().map(|snapshot| &snapshot.layout);
    let targets = state.groups.values().map(|group| group.group.len()).sum();
    let mut builder = LayoutBuilder::with_capacity(targets, state.groups.len(), needs_nodes);
    let mut task = first_task;
    for group in state.groups.values() {
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
    }
    let (layout, same) = builder.finish();
    Laid { layout: Arc::new(layout), same }
}
