//! One step, phase by phase.

use std::sync::Arc;

use rayon::prelude::*;
use ta_model::CollectorSet;
use ta_model::job_table::{Job, JobTable};

use super::changes::{self, Need};
use super::{Engine, JobState, Phase, StepInput, StepReport};
use crate::body;
use crate::job::{JobSnapshot, Sorter};
use crate::layout::{Layout, LayoutBuilder};
use crate::owner::{Owner, Unassigned};
use crate::resolve::{Record, Resolver, Scratch, resolve_block};
use crate::snapshot::{CollectorLoad, Snapshot};
use crate::strategy::{JobTargets, Problem};

/// A job that is decided on in this step.
struct Work<'a> {
    job: &'a Arc<Job>,
    synced: bool,
    /// Its index in the table.
    index: usize,
    layout: Arc<Layout>,
    /// The snapshot before, if there is one.
    old: Option<Arc<JobSnapshot>>,
    /// The owner each target had, in ordinals of the new collector set.
    previous: Vec<Owner>,
    /// How many targets had a collector that is gone.
    orphaned: usize,
    carried: usize,
    relabelled: usize,
    laid_out: bool,
}

pub(super) fn run(engine: &mut Engine, input: &StepInput, ended: &mut dyn FnMut(Phase)) -> StepReport {
    let table = &input.jobs;
    let taken = engine.store.take();
    let needs = changes::apply(engine, taken, table);
    let collectors_changed = engine.last.collectors != input.collectors;
    let table_changed = !Arc::ptr_eq(table, &engine.last.table);
    ended(Phase::Take);
    let first = engine.last.number == 0;
    if !first && !collectors_changed && !table_changed && needs.iter().all(|need| *need == Need::Nothing) {
        for phase in [Phase::Resolve, Phase::LayOut, Phase::Place, Phase::Publish] {
            ended(phase);
        }
        return report_unchanged(&engine.last);
    }

    let mut report = StepReport { published: true, collectors_changed, ..StepReport::default() };
    let changed: Vec<usize> = (0..needs.len()).filter(|index| needs[*index] == Need::LayOut).collect();
    let layouts = resolve_and_lay_out(engine, table, &changed, &mut report, ended);
    ended(Phase::LayOut);

    if collectors_changed || engine.planner.is_none() {
        engine.planner = (!input.collectors.is_empty()).then(|| engine.strategy.prepare(&input.collectors));
    }
    let remap = remap(&engine.last.collectors, &input.collectors);
    let mut work = Vec::new();
    for (index, job) in table.jobs().iter().enumerate() {
        let layout = layouts[index].clone();
        if layout.is_some() || collectors_changed {
            work.extend(engine.jobs.get(job.name()).map(|state| (index, job, state, layout)));
        }
    }
    let pool = &engine.pool;
    let work: Vec<Work<'_>> = pool.install(|| {
        let carry = |(index, job, state, layout)| carry_over(index, job, state, layout, &remap);
        work.into_par_iter().map(carry).collect()
    });
    let owners = place(engine, &work, &input.collectors);
    ended(Phase::Place);

    count(&work, &owners, &mut report);
    let decided = pool.install(|| share(work, owners, input, &engine.last));
    publish(engine, input, &needs, decided, &mut report);
    ended(Phase::Publish);
    report
}

fn report_unchanged(last: &Snapshot) -> StepReport {
    StepReport {
        snapshot: last.number,
        targets: last.targets,
        remaining: last.jobs.iter().map(|job| job.layout.len()).sum(),
        unassigned: last.unassigned(),
        ..StepReport::default()
    }
}

/// For each collector of the old set its owner code in the new one.
fn remap(old: &CollectorSet, new: &CollectorSet) -> Vec<Owner> {
    let find = |name: &str| new.ordinal(name).map_or(Owner::PENDING, Owner::collector);
    old.iter().map(|collector| find(&collector.name)).collect()
}

// ---- resolve and lay out

/// A block to be resolved.
struct Task<'a> {
    job: &'a Arc<Job>,
    resolver: Arc<Resolver>,
    block: &'a ta_model::group::Block,
}

/// Targets a thread resolves before it looks for more: some hundred microseconds of work.
const CHUNK: usize = 512;

/// Returns the new layout of each job that has one, by index in the table.
fn resolve_and_lay_out(
    engine: &mut Engine,
    table: &JobTable,
    changed: &[usize],
    report: &mut StepReport,
    ended: &mut dyn FnMut(Phase),
) -> Vec<Option<Arc<Layout>>> {
    compile(engine, table, changed);
    let mut tasks = Vec::new();
    let mut first_task = Vec::with_capacity(changed.len());
    for index in changed {
        first_task.push(tasks.len());
        let job = &table.jobs()[*index];
        let Some(state) = engine.jobs.get(job.name()) else { continue };
        for group in state.groups.values().filter(|group| group.laid.is_none()) {
            report.groups += 1;
            let blocks = group.group.blocks().iter();
            tasks.extend(blocks.map(|block| Task { job, resolver: state.resolver(block), block }));
        }
    }
    let needs_nodes = engine.needs_nodes;
    let resolved = engine.pool.install(|| resolve(&tasks, needs_nodes));
    ended(Phase::Resolve);

    report.jobs = changed.len();
    let laid: Vec<(usize, Layout)> = engine.pool.install(|| {
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
                group.laid = Some(number as u32);
            }
        }
        layouts[index] = Some(Arc::new(layout));
    }
    layouts
}

impl JobState {
    fn resolver(&self, block: &ta_model::group::Block) -> Arc<Resolver> {
        let known = self.resolvers.iter().find(|(shape, _)| Arc::ptr_eq(shape, block.shape()));
        let known = known.or_else(|| self.resolvers.iter().find(|(shape, _)| shape == block.shape()));
        known.map_or_else(|| Arc::new(Resolver::OneByOne), |(_, resolver)| resolver.clone())
    }
}

/// Compiles the programs that the changed jobs' new groups need.
fn compile(engine: &mut Engine, table: &JobTable, changed: &[usize]) {
    /// A job whose shapes keep changing starts over with those in use.
    const MOST_SHAPES: usize = 256;
    let mut missing = Vec::new();
    for index in changed {
        let job = &table.jobs()[*index];
        let Some(state) = engine.jobs.get_mut(job.name()) else { continue };
        if state.resolvers.len() > MOST_SHAPES {
            state.resolvers.clear();
        }
        let mut new: Vec<Arc<ta_model::group::Shape>> = Vec::new();
        for group in state.groups.values().filter(|group| group.laid.is_none()) {
            for shape in group.group.blocks().iter().map(|block| block.shape()) {
                let same = |other: &Arc<_>| Arc::ptr_eq(other, shape) || *other == *shape;
                let last = new.last().is_some_and(|last| Arc::ptr_eq(last, shape));
                if !last && !new.iter().any(same) && !state.resolvers.iter().any(|(known, _)| same(known)) {
                    new.push(shape.clone());
                }
            }
        }
        missing.extend(new.into_iter().map(|shape| (job, shape)));
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
            state.resolvers.push((shape, resolver));
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
                resolve_block(task.job, &task.resolver, task.block, needs_nodes, scratch, &mut records);
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

fn lay_out(state: &JobState, resolved: &Resolved, first_task: usize, needs_nodes: bool) -> Layout {
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
    builder.finish()
}

// ---- owners

fn carry_over<'a>(
    index: usize,
    job: &'a Arc<Job>,
    state: &JobState,
    new_layout: Option<Arc<Layout>>,
    remap: &[Owner],
) -> Work<'a> {
    let old = state.snapshot.clone();
    let laid_out = new_layout.is_some();
    let layout = new_layout.or_else(|| old.as_ref().map(|old| old.layout.clone())).unwrap_or_default();
    let mut work = Work {
        job,
        synced: state.synced,
        index,
        previous: vec![Owner::PENDING; layout.len()],
        layout,
        old,
        orphaned: 0,
        carried: 0,
        relabelled: 0,
        laid_out,
    };
    if let Some(old) = work.old.clone() {
        if laid_out {
            work.carry_by_identity(&old, remap);
        } else {
            work.carry_all(&old, remap);
        }
    }
    work
}

impl Work<'_> {
    fn carry_all(&mut self, old: &JobSnapshot, remap: &[Owner]) {
        for (previous, owner) in self.previous.iter_mut().zip(&*old.owners) {
            if let Some(ordinal) = owner.ordinal() {
                *previous = remap[ordinal];
                self.orphaned += usize::from(*previous == Owner::PENDING);
            }
        }
        self.carried = self.layout.kept();
    }

    fn carry_by_identity(&mut self, old: &JobSnapshot, remap: &[Owner]) {
        let mut shadowed = self.layout.shadowed.iter().peekable();
        for (ordinal, id) in self.layout.ids.iter().enumerate() {
            if shadowed.next_if(|shadowed| **shadowed as usize == ordinal).is_some() {
                continue;
            }
            let Some(before) = old.layout.find(*id) else { continue };
            self.carried += 1;
            self.relabelled += usize::from(old.layout.contents[before] != self.layout.contents[ordinal]);
            if let Some(owner) = old.owners[before].ordinal() {
                self.previous[ordinal] = remap[owner];
                self.orphaned += usize::from(remap[owner] == Owner::PENDING);
            }
        }
    }
}

/// Asks the strategy for the owner of every target of the jobs in `work`.
fn place(engine: &Engine, work: &[Work<'_>], collectors: &CollectorSet) -> Vec<Vec<Owner>> {
    let undecided = match collectors.is_empty() {
        true => Owner::none(Unassigned::NoCollectors),
        false => Owner::PENDING,
    };
    let mut owners: Vec<Vec<Owner>> = work
        .iter()
        .map(|job| {
            let mut owners = vec![undecided; job.layout.len()];
            job.layout.shadowed.iter().for_each(|ordinal| owners[*ordinal as usize] = Owner::SHADOWED);
            owners
        })
        .collect();
    if let Some(planner) = &engine.planner {
        let jobs: Vec<JobTargets<'_>> = work
            .iter()
            .map(|job| JobTargets {
                addresses: &job.layout.addresses,
                nodes: &job.layout.nodes,
                previous: &job.previous,
            })
            .collect();
        let outside_load = outside_load(engine, work, collectors);
        let problem = Problem { jobs: &jobs, outside_load: &outside_load };
        engine.pool.install(|| planner.place(&problem, &mut owners));
    }
    owners
}

/// Targets of each collector in jobs that are not decided on now. Those are there only if the collectors stayed.
fn outside_load(engine: &Engine, work: &[Work<'_>], collectors: &CollectorSet) -> Vec<u32> {
    if engine.last.collectors != *collectors {
        return vec![0; collectors.len()];
    }
    let mut loads: Vec<u32> = engine.last.loads.iter().map(|load| load.targets).collect();
    for old in work.iter().filter_map(|work| work.old.as_ref()) {
        for (collector, share) in old.shares() {
            loads[collector] -= old.members(share).len() as u32;
        }
    }
    // jobs that the table no longer names hold nothing any more
    for gone in engine.last.jobs.iter().filter(|job| engine.is_gone(job)) {
        for (collector, share) in gone.shares() {
            loads[collector] -= gone.members(share).len() as u32;
        }
    }
    loads
}

impl Engine {
    fn is_gone(&self, job: &JobSnapshot) -> bool {
        self.jobs.get(job.job.name()).is_none_or(|state| state.plan.is_none())
    }
}

fn count(work: &[Work<'_>], owners: &[Vec<Owner>], report: &mut StepReport) {
    for (work, owners) in work.iter().zip(owners) {
        report.moved += work.orphaned;
        let moved = |(previous, owner): &(&Owner, &Owner)| previous.ordinal().is_some() && previous != owner;
        report.moved += work.previous.iter().zip(owners).filter(moved).count();
        if work.laid_out {
            let before = work.old.as_ref().map_or(0, |old| old.layout.kept());
            report.added += work.layout.kept() - work.carried;
            report.removed += before - work.carried;
            report.relabelled += work.relabelled;
        }
    }
}

// ---- share and publish

fn share(
    work: Vec<Work<'_>>,
    owners: Vec<Vec<Owner>>,
    input: &StepInput,
    last: &Snapshot,
) -> Vec<(usize, Arc<JobSnapshot>)> {
    let same = |ordinal: usize| input.collectors.ordinal(&last.collectors[ordinal].name);
    let one = |sorter: &mut Sorter, (work, owners): (Work<'_>, Vec<Owner>)| {
        let Work { job, synced, layout, old, index, .. } = work;
        let new = JobSnapshot::new(job.clone(), synced, layout, owners, input.collectors.len(), sorter);
        if let Some(old) = old {
            new.inherit_bodies(&old, same);
        }
        (index, Arc::new(new))
    };
    work.into_par_iter().zip(owners).map_init(Sorter::default, one).collect()
}

fn publish(
    engine: &mut Engine,
    input: &StepInput,
    needs: &[Need],
    decided: Vec<(usize, Arc<JobSnapshot>)>,
    report: &mut StepReport,
) {
    for (index, snapshot) in decided {
        if let Some(state) = engine.jobs.get_mut(input.jobs.jobs()[index].name()) {
            state.snapshot = Some(snapshot);
        }
    }
    let mut jobs = Vec::with_capacity(needs.len());
    for (job, need) in input.jobs.jobs().iter().zip(needs) {
        let Some(state) = engine.jobs.get_mut(job.name()) else { continue };
        if let (Need::Renew, Some(snapshot)) = (need, &state.snapshot) {
            state.snapshot = Some(Arc::new(snapshot.renewed(job.clone(), state.synced)));
        }
        jobs.extend(state.snapshot.clone());
    }
    let snapshot = assemble(engine, input, jobs);
    report.snapshot = snapshot.number;
    report.targets = snapshot.targets;
    report.remaining = snapshot.jobs.iter().map(|job| job.layout.len()).sum();
    report.unassigned = snapshot.unassigned();
    let snapshot = Arc::new(snapshot);
    engine.cell.publish(snapshot.clone());
    let old = std::mem::replace(&mut engine.last, snapshot);
    drop(old);
}

fn assemble(engine: &Engine, input: &StepInput, jobs: Vec<Arc<JobSnapshot>>) -> Snapshot {
    let mut loads = vec![CollectorLoad::default(); input.collectors.len()];
    let mut unassigned = [0; Unassigned::ALL.len()];
    let mut targets = 0;
    for job in &jobs {
        targets += job.layout.kept();
        for reason in Unassigned::ALL {
            unassigned[reason as usize] += job.unassigned(reason);
        }
        for (collector, share) in job.shares() {
            loads[collector].targets += job.members(share).len() as u32;
            loads[collector].jobs += 1;
        }
    }
    let listed = |job: &&Arc<JobSnapshot>| job.layout.kept() > 0;
    let name = |job: &'_ Arc<JobSnapshot>| job.job.name().clone();
    let same = engine.last.jobs.iter().filter(listed).map(name).eq(jobs.iter().filter(listed).map(name));
    let listing = match same {
        true => engine.last.listing.clone(),
        false => body::listing(jobs.iter().filter(listed).map(|job| &**job.job.name())),
    };
    Snapshot {
        number: engine.last.number + 1,
        table: input.jobs.clone(),
        collectors: input.collectors.clone(),
        jobs: jobs.into(),
        loads: loads.into(),
        targets,
        unassigned,
        listing,
    }
}
