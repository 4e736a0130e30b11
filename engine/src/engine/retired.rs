//! What was replaced, until nobody reads it any more.
//!
//! Whoever drops the last reference to a snapshot frees it: thousands of allocations, and hundreds of thousands of
//! targets with them. A reader that happened to be the last would do that in the middle of a request. So the engine
//! holds what it replaced until it is the only one to do so, and frees it on its own thread.

use std::sync::Arc;

use crate::job::JobSnapshot;
use crate::snapshot::Snapshot;

#[derive(Debug, Default)]
pub(super) struct Retired {
    snapshots: Vec<Arc<Snapshot>>,
    /// Jobs that went with them: a body that is still being sent holds its job alone.
    jobs: Vec<Arc<JobSnapshot>>,
}

impl Retired {
    /// Takes `old`, which `new` has replaced: from now on nobody can come to hold it who does not already.
    pub(super) fn keep(&mut self, old: Arc<Snapshot>, new: &Snapshot) {
        // both are sorted by name; a job that stands is the same in both
        let mut standing = new.jobs.iter().peekable();
        for job in &old.jobs {
            while standing.next_if(|new| new.job.name() < job.job.name()).is_some() {}
            if !standing.peek().is_some_and(|new| Arc::ptr_eq(new, job)) {
                self.jobs.push(job.clone());
            }
        }
        self.snapshots.push(old);
    }

    /// Frees what no reader holds. True if nothing is left.
    pub(super) fn free(&mut self) -> bool {
        self.snapshots.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.jobs.retain(|job| Arc::strong_count(job) > 1);
        self.snapshots.is_empty() && self.jobs.is_empty()
    }
}
