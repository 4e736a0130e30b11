//! `least-weighted`: what is placed stays; new and orphaned targets go where the fewest are.
//!
//! Upstream offers targets in random order and scans all collectors for each. Ours goes job by job in order of names,
//! so that equal input gives equal output, with a heap: inside one job only the chosen collector changes, so the heap
//! stays valid and a target costs O(log collectors).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ta_model::CollectorSet;

use super::{JobTargets, Planner, Problem, Strategy};
use crate::owner::Owner;

#[derive(Debug)]
pub(super) struct LeastWeighted;

impl Strategy for LeastWeighted {
    fn prepare(&self, collectors: &CollectorSet) -> Box<dyn Planner> {
        Box::new(Fewest { collectors: collectors.len() })
    }
}

#[derive(Debug)]
struct Fewest {
    collectors: usize,
}

/// Smallest first: targets, then targets of this job, then name (ordinals are in order of names).
type Rank = Reverse<(u32, u32, u32)>;

impl Planner for Fewest {
    fn place(&self, problem: &Problem<'_>, owners: &mut [Vec<Owner>]) {
        let mut loads = problem.outside_load.to_vec();
        loads.resize(self.collectors, 0);
        for (job, owners) in problem.jobs.iter().zip(owners.iter_mut()) {
            keep_placed(job, owners, &mut loads);
        }
        for owners in owners {
            if owners.contains(&Owner::PENDING) {
                self.place_job(owners, &mut loads);
            }
        }
    }
}

/// Gives targets back to the collector they are on; counts those and the ones that were decided before.
fn keep_placed(job: &JobTargets<'_>, owners: &mut [Owner], loads: &mut [u32]) {
    for (owner, previous) in owners.iter_mut().zip(job.previous.iter()) {
        if *owner == Owner::PENDING && previous.ordinal().is_some() {
            *owner = previous;
        }
        if let Some(ordinal) = owner.ordinal() {
            loads[ordinal] += 1;
        }
    }
}

impl Fewest {
    fn place_job(&self, owners: &mut [Owner], loads: &mut [u32]) {
        let mut in_job = vec![0u32; self.collectors];
        for ordinal in owners.iter().filter_map(|owner| owner.ordinal()) {
            in_job[ordinal] += 1;
        }
        let ranks = (0..self.collectors).map(|ordinal| Reverse((loads[ordinal], in_job[ordinal], ordinal as u32)));
        let mut heap: BinaryHeap<Rank> = ranks.collect();
        for owner in owners.iter_mut().filter(|owner| **owner == Owner::PENDING) {
            let Some(mut fewest) = heap.peek_mut() else { return };
            let Reverse((load, of_job, ordinal)) = *fewest;
            *fewest = Reverse((load + 1, of_job + 1, ordinal));
            drop(fewest); // sinks to its new place
            *owner = Owner::collector(ordinal as usize);
            loads[ordinal as usize] += 1;
        }
    }
}
