//! `consistent-hashing`: by address alone, so label changes never move a target and replicas agree.

use ta_model::CollectorSet;

use super::ring::{PointKey, Ring};
use super::{Planner, Problem, Strategy};
use crate::owner::Owner;

#[derive(Debug)]
pub(super) struct ConsistentHashing {
    pub(super) point_key: PointKey,
}

impl Strategy for ConsistentHashing {
    fn prepare(&self, collectors: &CollectorSet) -> Box<dyn Planner> {
        Box::new(OnRing(Ring::new(collectors, self.point_key)))
    }
}

#[derive(Debug)]
struct OnRing(Ring);

impl Planner for OnRing {
    fn place(&self, problem: &Problem<'_>, owners: &mut [Vec<Owner>]) {
        for (job, owners) in problem.jobs.iter().zip(owners) {
            for (owner, address) in owners.iter_mut().zip(job.addresses) {
                if *owner == Owner::PENDING {
                    *owner = Owner::collector(self.0.owner(*address));
                }
            }
        }
    }

    fn jobs_are_independent(&self) -> bool {
        true
    }
}
