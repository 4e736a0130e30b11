//! Bringing what is held up to date, and finding the jobs that this touches.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use ta_model::job_table::JobTable;

use super::{Engine, GroupState, JobState};
use crate::store::{ChangedGroups, Taken};

/// What a job needs in this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Its snapshot stands.
    Nothing,
    /// The same targets under another scrape config or sync state.
    Renew,
    /// To be laid out anew.
    LayOut,
}

/// Applies changes to the engine's jobs; afterwards tells what each job of the table needs.
pub(super) fn apply(engine: &mut Engine, taken: Taken, table: &Arc<JobTable>) -> Vec<Need> {
    let touched = apply_groups(engine, taken.groups);
    let mut renewed: BTreeSet<Arc<str>> = BTreeSet::new();
    for job in taken.synced {
        let state = engine.jobs.entry(job.clone()).or_default();
        if !std::mem::replace(&mut state.synced, true) {
            renewed.insert(job);
        }
    }
    if !Arc::ptr_eq(table, &engine.last.table) {
        forget_missing(engine, table);
    }
    table
        .jobs()
        .iter()
        .map(|job| {
            let state = engine.jobs.entry(job.name().clone()).or_default();
            if state.plan.as_ref() != Some(job.plan()) {
                // without a plan nothing was resolved
                if state.plan.replace(job.plan().clone()).is_some() {
                    state.resolvers.clear();
                    state.groups.values_mut().for_each(GroupState::forget);
                }
                return Need::LayOut;
            }
            let same_job = state.snapshot.as_ref().is_some_and(|snapshot| Arc::ptr_eq(&snapshot.job, job));
            match touched.contains(job.name()) || state.snapshot.is_none() {
                true => Need::LayOut,
                false if !same_job || renewed.contains(job.name()) => Need::Renew,
                false => Need::Nothing,
            }
        })
        .collect()
}

/// Hands the groups out to their jobs, over all cores. Returns the jobs in which that changed anything.
fn apply_groups(engine: &mut Engine, mut taken: Vec<(Arc<str>, ChangedGroups)>) -> BTreeSet<Arc<str>> {
    let Engine { jobs, pool, .. } = engine;
    for (job, groups) in &taken {
        if !jobs.contains_key(job) && groups.values().any(Option::is_some) {
            jobs.insert(job.clone(), JobState::default());
        }
    }
    // both sorted by name
    taken.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut taken = taken.into_iter().peekable();
    let mut work: Vec<(&Arc<str>, &mut JobState, ChangedGroups)> = Vec::with_capacity(taken.len());
    for (job, state) in jobs.iter_mut() {
        while taken.next_if(|(other, _)| other < job).is_some() {}
        work.extend(taken.next_if(|(other, _)| other == job).map(|(_, groups)| (job, state, groups)));
    }
    let apply = |(job, state, groups): (&Arc<str>, &mut JobState, _)| state.apply(groups).then(|| job.clone());
    pool.install(|| work.into_par_iter().filter_map(apply).collect())
}

impl JobState {
    /// True if anything is other than before.
    fn apply(&mut self, changed: ChangedGroups) -> bool {
        if self.groups.is_empty() {
            // sorted once, which is cheaper than finding the place of one after the other
            let new = changed.into_iter().filter_map(|(name, group)| Some((name, GroupState::new(group?, None))));
            self.groups = new.collect();
            return !self.groups.is_empty();
        }
        let mut any = false;
        for (name, group) in changed {
            any |= match group {
                Some(group) => {
                    let before = self.groups.get(&name).and_then(|old| old.laid);
                    self.groups.insert(name, GroupState::new(group, before));
                    true
                }
                None => self.groups.remove(&name).is_some(),
            };
        }
        any
    }
}

/// Jobs that the table does not name have no targets; their groups stay, as long as discovery keeps them.
fn forget_missing(engine: &mut Engine, table: &JobTable) {
    engine.jobs.retain(|name, state| {
        if table.job(name).is_none() {
            state.plan = None;
            state.snapshot = None;
            state.resolvers.clear();
            state.groups.values_mut().for_each(GroupState::forget);
            return !state.groups.is_empty() || state.synced;
        }
        true
    });
}
