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
use crate::layout::Layout;
use crate::owner::{Owner, Unassigned};
use crate::snapshot::CollectorLoad;
use crate::strategy::{JobTargets, Previous, Problem};

/// A job that was decided on: its index in the table, and what came of it.
pub(super) type Decided = (usize, Arc<JobSnapshot>);

/// Decides on every job that was laid out, or on all jobs if the collectors changed. Returns also what each collector has
/// afterwards.
pub(super) fn decide(
    engine: &Engine,
    input: &StepInput,
    layouts: Vec<Option<Laid>>,
    collectors_changed: bool,
    report: &mut StepReport,
) -> (Vec<Decided>, Vec<CollectorLoad>) {
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for ((index, job), layout) in input.jobs.jobs().iter().enumerate().zip(layouts) {
        if layout.is_some() || collectors_changed {
            pending.extend(engine.jobs.get(job.name()).map(|state| Pending { index, job, state, laid: layout }));
        }
    }
    let decision = Decision::new(engine, input);
    let mut loads = outside_load(engine, input, &pending, collectors_changed);
    let independent = engine.planner.as_ref().is_none_or(|planner| planner.jobs_are_independent());
    let none = || Done::none(input.collectors.len());
    let done = engine.pool.install(|| match independent {
        true => pending
            .into_par_iter()
            .fold(none, |done, job| {
                let work = [decision.carry_over(job)];
                let owners = decision.place(&work, &[]).pop().unwrap_or_default();
                let [work] = work;
                decision.finish(work, owners, done)
            })
            .reduce(none, Done::and),
        false => {
            let work: Vec<Work<'_>> = pending.into_par_iter().map(|job| decision.carry_over(job)).collect();
            let targets: Vec<u32> = loads.iter().map(|load| load.targets).collect();
            let owners = decision.place(&work, &targets);
            let finish = |done, (work, owners)| decision.finish(work, owners, done);
            work.into_par_iter().zip(owners).fold(none, finish).reduce(none, Done::and)
        }
    });
    done.counts.add_to(report);
    loads.iter_mut().zip(&done.loads).for_each(|(load, more)| load.add(*more));
    (done.decided, loads)
}

/// What was done so far, by one thread.
struct Done {
    decided: Vec<Decided>,
    counts: Counts,
    /// What collectors have of these jobs; summed up while they are in the cache.
    loads: Vec<CollectorLoad>,
    sorter: Sorter,
}

impl Done {
    fn none(collectors: usize) -> Self {
        let loads = vec![CollectorLoad::default(); collectors];
        Self { decided: Vec::new(), counts: Counts::default(), loads, sorter: Sorter::default() }
    }

    fn job(mut self, index: usize, job: JobSnapshot, counts: Counts) -> Self {
        for (collector, targets) in job.loads() {
            self.loads[collector].add(CollectorLoad { targets, jobs: 1 });
        }
        self.counts.add(counts);
        self.decided.push((index, Arc::new(job)));
        self
    }

    fn and(mut self, mut other: Self) -> Self {
        self.decided.append(&mut other.decided);
        self.counts.add(other.counts);
        self.loads.iter_mut().zip(&other.loads).for_each(|(load, more)| load.add(*more));
        self
    }
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
    /// The owner each target had, in ordinals of the collectors then; nothing if the layout is the old one.
    previous: Option<Vec<Owner>>,
    counts: Counts,
}

impl Work<'_> {
    /// The owner each target had, in ordinals of the collectors then.
    fn previous(&self) -> &[Owner] {
        match (&self.previous, &self.old) {
            (Some(previous), _) => previous,
            (None, Some(old)) => &old.owners,
            (None, None) => &[],
        }
    }
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
    fn add(&mut self, more: Self) {
        self.carried += more.carried;
        self.added += more.added;
        self.removed += more.removed;
        self.relabelled += more.relabelled;
        self.moved += more.moved;
    }

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
        let mut counts = Counts::default();
        let (layout, previous) = match (laid, &old) {
            (Some(laid), Some(old)) => {
                let previous = carry_some(&laid, old, &mut counts);
                (laid.layout, Some(previous))
            }
            (Some(laid), None) => {
                let nobody = vec![Owner::PENDING; laid.layout.len()];
                (laid.layout, Some(nobody))
            }
            (None, old) => {
                let layout = old.as_ref().map(|old| old.layout.clone()).unwrap_or_default();
                counts.carried = layout.kept();
                (layout, None)
            }
        };
        counts.added = layout.kept() - counts.carried;
        counts.removed = old.as_ref().map_or(0, |old| old.layout.kept()) - counts.carried;
        Work { index, job, synced: state.synced, layout, old, previous, counts }
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
                    previous: Previous::renumbered(job.previous(), &self.remap),
                })
                .collect();
            planner.place(&Problem { jobs: &jobs, outside_load }, &mut owners);
        }
        owners
    }

    fn finish(&self, mut work: Work<'_>, owners: Vec<Owner>, mut done: Done) -> Done {
        let changed = self.changed(&mut work, &owners);
        let Work { index, job, synced, layout, old, counts, .. } = work;
        let same_collector = |ordinal: usize| self.remap[ordinal].ordinal();
        let sorter = &mut done.sorter;
        let collectors = self.collectors.len();
        let new = match (old, changed) {
            // one collector of a thousand takes targets from few jobs
            (Some(old), Some(changed)) if changed.is_empty() => {
                old.renumbered(job.clone(), synced, owners, same_collector)
            }
            (Some(old), changed) => {
                let mut new = match changed {
                    Some(changed) => old.edited(job.clone(), synced, owners, &changed, same_collector),
                    None => JobSnapshot::new(job.clone(), synced, layout, owners, collectors, sorter),
                };
                new.inherit_bodies(&old, same_collector);
                new.inherit_asked(&old, same_collector);
                new
            }
            (None, _) => JobSnapshot::new(job.clone(), synced, layout, owners, collectors, sorter),
        };
        done.job(index, new, counts)
    }

    /// Counts the targets that moved. If the layout is the old one, returns also which targets have another owner now, as
    /// long as these are few enough for editing shares to cost less than sorting them.
    fn changed(&self, work: &mut Work<'_>, owners: &[Owner]) -> Option<Vec<u32>> {
        let now = |before: &Owner| before.ordinal().map_or(*before, |ordinal| self.remap[ordinal]);
        let pairs = || work.previous().iter().zip(owners);
        // without branches: where a third of the targets move, the processor would guess wrong as often
        let (moved, differ) = pairs().fold((0, 0), |(moved, differ), (before, owner)| {
            let differs = now(before) != *owner;
            (moved + usize::from(differs & before.ordinal().is_some()), differ + usize::from(differs))
        });
        // each costs two searches: where a thirtieth of the targets moves, that is more than sorting all (11.8 to 9.6 ns a
        // target)
        let few = work.previous.is_none() && differ <= owners.len() / 64;
        let changed = few.then(|| match differ {
            0 => Vec::new(),
            _ => (0..).zip(pairs()).filter(|(_, (before, owner))| now(before) != **owner).map(|(at, _)| at).collect(),
        });
        work.counts.moved += moved;
        changed
    }
}

/// The owner that each target of a new layout had: by its place, if its group did not change, else by identity.
fn carry_some(laid: &Laid, old: &JobSnapshot, counts: &mut Counts) -> Vec<Owner> {
    let Laid { layout, same } = laid;
    let mut previous = vec![Owner::PENDING; layout.len()];
    // where one of several stands for the others, each is looked at
    let one_each = layout.shadowed.is_empty() && old.layout.shadowed.is_empty();
    let mut shadowed = layout.shadowed.iter().map(|ordinal| *ordinal as usize).peekable();
    let mut same = same.iter().peekable();
    let mut next = 0;
    while next < layout.len() {
        while same.next_if(|same| (same.new + same.len) as usize <= next).is_some() {}
        let placed = same.peek().filter(|same| same.new as usize <= next);
        if let (Some(same), true) = (placed, one_each) {
            let (from, len) = (same.old as usize, same.len as usize);
            previous[next..next + len].copy_from_slice(&old.owners[from..from + len]);
            counts.carried += len;
            next += len;
            continue;
        }
        let ordinal = next;
        next += 1;
        if shadowed.next_if_eq(&ordinal).is_some() {
            continue;
        }
        // one that another stood for until now is found by identity
        let placed = placed.map(|same| ordinal - same.new as usize + same.old as usize);
        let before = match placed.filter(|before| old.owners[*before] != Owner::SHADOWED) {
            Some(before) => before,
            None => {
                let Some(before) = old.layout.find(layout.ids[ordinal]) else { continue };
                counts.relabelled += usize::from(old.layout.contents[before] != layout.contents[ordinal]);
                before
            }
        };
        counts.carried += 1;
        previous[ordinal] = old.owners[before];
    }
    previous
}

/// What each collector has in jobs that are not decided on now. There are such jobs only if the collectors stayed.
fn outside_load(
    engine: &Engine,
    input: &StepInput,
    pending: &[Pending<'_>],
    collectors_changed: bool,
) -> Vec<CollectorLoad> {
    if collectors_changed {
        return vec![CollectorLoad::default(); input.collectors.len()];
    }
    let mut loads = engine.last.loads.to_vec();
    let decided = pending.iter().filter_map(|job| job.state.snapshot.as_ref());
    // jobs that the table no longer names hold nothing any more
    let same_table = Arc::ptr_eq(&input.jobs, &engine.last.table);
    let gone = engine.last.jobs.iter().filter(|job| !same_table && input.jobs.job(job.job.name()).is_none());
    for (collector, targets) in decided.chain(gone).flat_map(|job| job.loads()) {
        loads[collector].targets -= targets;
        loads[collector].jobs -= 1;
    }
    loads
}
