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
        use rayon::prelude::*;
        problem.jobs.par_iter().zip(owners).with_min_len(8).for_each(|(job, owners)| {
            for (owner, address) in owners.iter_mut().zip(job.addresses) {
                if *owner == Owner::PENDING {
                    *owner = Owner::collector(self.0.owner(*address));
                }
            }
        });
    }
}
