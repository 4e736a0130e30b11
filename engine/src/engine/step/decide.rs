//! Who gets what: previous owners, the strategy, shares.
//!
//! Under most strategies jobs do not depend on each other: then each goes through all of it on one thread, with its few
//! kilobytes still in the cache. `least-weighted` looks at all jobs at once.

use std::sync::Arc;

use rayon::prelude::*;
use ta_model::CollectorSet;
use ta_model::job_table::Job;

use super::resolve::Laid;
use crate::engine::{Engine, JobState, StepInput, StepReport};
use crate::job::{JobSnapshot, Sorter};
use crate::layout::{Layout, Same};
use crate::owner::{Owner, Unassigned};
use crate::strategy::{JobTargets, Problem};

/// A job that was decided on: its index in the table, and what came of it.
pub(super) type Decided = (usize, Arc<JobSnapshot>);

/// Decides on every job that was laid out, or on all jobs if the collectors changed.
pub(super) fn decide(
    engine: &Engine,
    input: &StepInput,
    layouts: Vec<Option<Laid>>,
    collectors_changed: bool,
    report: &mut StepReport,
) -> Vec<Decided> {
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for ((index, job), layout) in input.jobs.jobs().iter().enumerate().zip(layouts) {
        if layout.is_some() || collectors_changed {
            pending.extend(engine.jobs.get(job.name()).map(|state| Pending { index, job, state, laid: layout }));
        }
    }
    let decision = Decision::new(engine, input);
    let independent = engine.planner.as_ref().is_none_or(|planner| planner.jobs_are_independent());
    let done: Vec<(Decided, Counts)> = engine.pool.install(|| match independent {
        true => pending
            .into_par_iter()
            .map_init(Sorter::default, |sorter, job| {
                let work = [decision.carry_over(job)];
                let owners = decision.place(&work, &[]).pop().unwrap_or_default();
                let [work] = work;
                decision.finish(work, owners, sorter)
            })
            .collect(),
        false => {
            let work: Vec<Work<'_>> = pending.into_par_iter().map(|job| decision.carry_over(job)).collect();
            let owners = decision.place(&work, &outside_load(engine, &work, &input.collectors));
            let finish = |sorter: &mut Sorter, (work, owners)| decision.finish(work, owners, sorter);
            work.into_par_iter().zip(owners).map_init(Sorter::default, finish).collect()
        }
    });
    done.into_iter()
        .map(|(decided, counts)| {
            counts.add_to(report);
            decided
        })
        .collect()
}

/// A job to decide on, before anything was done about it.
struct Pending<'a> {
    index: usize,
    job: &'a Arc<Job>,
    state: &'a JobState,
    /// If it was laid out anew.
    laid: Option<Laid>,
}

/// A job with what is known of its targets' owners.
struct Work<'a> {
    index: usize,
    job: &'a Arc<Job>,
    synced: bool,
    layout: Arc<Layout>,
    /// The snapshot before, if there is one.
    old: Option<Arc<JobSnapshot>>,
    /// The owner each target had, in ordinals of the new collector set.
    previous: Vec<Owner>,
    counts: Counts,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Targets that were there before.
    carried: usize,
    added: usize,
    removed: usize,
    relabelled: usize,
    /// Targets whose collector is gone, and those that changed theirs.
    moved: usize,
}

impl Counts {
    fn add_to(self, report: &mut StepReport) {
        report.added += self.added;
        report.removed += self.removed;
        report.relabelled += self.relabelled;
        report.moved += self.moved;
    }
}

/// What all jobs of a step are decided with.
struct Decision<'a> {
    engine: &'a Engine,
    collectors: &'a CollectorSet,
    /// For each collector of the old set its owner code in the new one.
    remap: Vec<Owner>,
}

impl<'a> Decision<'a> {
    fn new(engine: &'a Engine, input: &'a StepInput) -> Self {
        let collectors = &input.collectors;
        let find = |name: &str| collectors.ordinal(name).map_or(Owner::PENDING, Owner::collector);
        let remap = engine.last.collectors.iter().map(|collector| find(&collector.name)).collect();
        Self { engine, collectors, remap }
    }

    fn carry_over<'j>(&self, pending: Pending<'j>) -> Work<'j> {
        let Pending { index, job, state, laid } = pending;
        let old = state.snapshot.clone();
        let (layout, same) = match laid {
            Some(laid) => (laid.layout, Some(laid.same)),
            None => (old.as_ref().map(|old| old.layout.clone()).unwrap_or_default(), None),
        };
        let previous = vec![Owner::PENDING; layout.len()];
        let counts = Counts::default();
        let mut work = Work { index, job, synced: state.synced, layout, old, previous, counts };
        if let Some(old) = work.old.clone() {
            match same {
                Some(same) => self.carry_some(&mut work, &old, &same),
                None => self.carry_all(&mut work, &old),
            }
        }
        let before = work.old.as_ref().map_or(0, |old| old.layout.kept());
        work.counts.added = work.layout.kept() - work.counts.carried;
        work.counts.removed = before - work.counts.carried;
        work
    }

    fn carry_all(&self, work: &mut Work<'_>, old: &JobSnapshot) {
        for (previous, owner) in work.previous.iter_mut().zip(&*old.owners) {
            if let Some(ordinal) = owner.ordinal() {
                *previous = self.remap[ordinal];
                work.counts.moved += usize::from(*previous == Owner::PENDING);
            }
        }
        work.counts.carried = work.layout.kept();
    }

    /// Targets of unchanged groups by their place, the others by identity.
    fn carry_some(&self, work: &mut Work<'_>, old: &JobSnapshot, same: &[Same]) {
        let layout = work.layout.clone();
        let mut shadowed = layout.shadowed.iter().map(|ordinal| *ordinal as usize).peekable();
        let mut same = same.iter().peekable();
        for ordinal in 0..layout.len() {
            while same.next_if(|same| (same.new + same.len) as usize <= ordinal).is_some() {}
            if shadowed.next_if_eq(&ordinal).is_some() {
                continue;
            }
            let placed = same.peek().filter(|same| same.new as usize <= ordinal);
            // one that another stood for until now is found by identity
            let placed = placed.map(|same| ordinal - same.new as usize + same.old as usize);
            match placed.filter(|before| old.owners[*before] != Owner::SHADOWED) {
                Some(before) => self.carry(work, old, before, ordinal),
                None => {
                    let Some(before) = old.layout.find(layout.ids[ordinal]) else { continue };
                    work.counts.relabelled += usize::from(old.layout.contents[before] != layout.contents[ordinal]);
                    self.carry(work, old, before, ordinal);
                }
            }
        }
    }

    fn carry(&self, work: &mut Work<'_>, old: &JobSnapshot, before: usize, ordinal: usize) {
        work.counts.carried += 1;
        if let Some(owner) = old.owners[before].ordinal() {
            work.previous[ordinal] = self.remap[owner];
            work.counts.moved += usize::from(self.remap[owner] == Owner::PENDING);
        }
    }

    /// Asks the strategy for the owner of every target of the jobs in `work`.
    fn place(&self, work: &[Work<'_>], outside_load: &[u32]) -> Vec<Vec<Owner>> {
        let undecided = match self.collectors.is_empty() {
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
        if let Some(planner) = &self.engine.planner {
            let jobs: Vec<JobTargets<'_>> = work
                .iter()
                .map(|job| JobTargets {
                    addresses: &job.layout.addresses,
                    nodes: &job.layout.nodes,
                    previous: &job.previous,
                })
                .collect();
            planner.place(&Problem { jobs: &jobs, outside_load }, &mut owners);
        }
        owners
    }

    fn finish(&self, work: Work<'_>, owners: Vec<Owner>, sorter: &mut Sorter) -> (Decided, Counts) {
        let Work { index, job, synced, layout, old, previous, mut counts } = work;
        let moved = |(previous, owner): &(&Owner, &Owner)| previous.ordinal().is_some() && previous != owner;
        counts.moved += previous.iter().zip(&owners).filter(moved).count();
        let same_collector = |ordinal: usize| self.remap[ordinal].ordinal();
        let new = match old {
            // one collector of a thousand takes targets from few jobs, and sorting them is half of the work
            Some(old) if self.stays(&old, &layout, &owners) => old.renumbered(job.clone(), synced, owners),
            old => {
                let mut new = JobSnapshot::new(job.clone(), synced, layout, owners, self.collectors.len(), sorter);
                if let Some(old) = old {
                    new.inherit_bodies(&old, same_collector);
                    new.inherit_asked(&old, same_collector);
                }
                new
            }
        };
        ((index, Arc::new(new)), counts)
    }

    /// Whether every target stays where it was. Collectors are sorted by name, so new ordinals keep their order.
    fn stays(&self, old: &JobSnapshot, layout: &Arc<Layout>, owners: &[Owner]) -> bool {
        let renumbered = |owner: &Owner| owner.ordinal().map_or(*owner, |ordinal| self.remap[ordinal]);
        Arc::ptr_eq(&old.layout, layout) && old.owners.iter().zip(owners).all(|(old, new)| renumbered(old) == *new)
    }
}

/// Targets of each collector in jobs that are not decided on now. Those are there only if the collectors stayed.
fn outside_load(engine: &Engine, work: &[Work<'_>], collectors: &CollectorSet) -> Vec<u32> {
    if engine.last.collectors != *collectors {
        return vec![0; collectors.len()];
    }
    let mut loads: Vec<u32> = engine.last.loads.iter().map(|load| load.targets).collect();
    let decided = work.iter().filter_map(|work| work.old.as_ref());
    // jobs that the table no longer names hold nothing any more
    let is_gone = |job: &JobSnapshot| engine.jobs.get(job.job.name()).is_none_or(|state| state.plan.is_none());
    let gone = engine.last.jobs.iter().filter(|job| is_gone(job));
    for old in decided.chain(gone) {
        for (collector, share) in old.shares() {
            loads[collector] -= old.members(share).len() as u32;
        }
    }
    loads
}
