//! The engine: one step from what is known to what is served.
//!
//! ```text
//! take      what changed in the store
//! plan      jobs that changed, their shapes' programs
//! resolve   their new groups, job by job over all cores
//! lay out   changed jobs anew
//! place     owners carried over by identity; the strategy, over changed jobs (over all, if the collectors changed)
//! share     sorted by collector
//! publish   one pointer
//! ```
//!
//! Sync, no clock, no channel: a step is a function of the store, the job table, the collectors and the snapshot before.

mod changes;
mod report;
mod retired;
mod step;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::ThreadPool;
use ta_model::CollectorSet;
use ta_model::group::{Shape, TargetGroup};
use ta_model::job_table::{JobTable, RelabelPlan};

use crate::job::JobSnapshot;
use crate::resolve::Resolver;
use crate::snapshot::{Snapshot, SnapshotCell};
use crate::store::{GroupName, TargetStore};
use crate::strategy::{Planner, Strategy, StrategyConfig, StrategyError};

pub use report::{Phase, StepReport};
use retired::Retired;

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// The allocation strategy.
    pub strategy: StrategyConfig,
    /// Threads that recompute; 0 = as many as the process may use.
    pub threads: usize,
    /// Bytes of whole bodies that may be kept.
    pub body_budget: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { strategy: StrategyConfig::default(), threads: 0, body_budget: 64 << 20 }
    }
}

/// Why an engine cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The strategy's configuration is wrong.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// The operating system gave no threads.
    #[error("cannot start the allocation threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// What a step works from, beside the store.
#[derive(Clone, Debug)]
pub struct StepInput {
    /// The jobs in force.
    pub jobs: Arc<JobTable>,
    /// The collectors in force.
    pub collectors: CollectorSet,
}

/// Holds what is known and recomputes what follows. One thread owns it.
#[derive(Debug)]
pub struct Engine {
    store: TargetStore,
    strategy: Box<dyn Strategy>,
    needs_nodes: bool,
    body_budget: usize,
    pool: ThreadPool,
    /// Everything ever heard of a job, by name: groups may arrive before the job table that names it, and after.
    jobs: BTreeMap<Arc<str>, JobState>,
    /// The strategy prepared for the collectors of the last snapshot; nothing without collectors.
    planner: Option<Box<dyn Planner>>,
    last: Arc<Snapshot>,
    cell: SnapshotCell,
    retired: Retired,
}

/// What the engine holds of one job.
#[derive(Debug, Default)]
struct JobState {
    /// How its targets are resolved; nothing while the job table does not name it.
    plan: Option<RelabelPlan>,
    synced: bool,
    groups: BTreeMap<GroupName, GroupState>,
    /// For shapes seen with this plan.
    resolvers: Resolvers,
    snapshot: Option<Arc<JobSnapshot>>,
}

/// By hash of the shape.
type Resolvers = HashMap<u64, (Arc<Shape>, Resolver)>;

#[derive(Debug)]
struct GroupState {
    group: Arc<TargetGroup>,
    /// Its index in the job's layout; nothing if it has to be resolved.
    laid: Option<u32>,
    /// If it has to be: the index of the group it replaces, resolved by the same rules.
    before: Option<u32>,
}

impl GroupState {
    fn new(group: Arc<TargetGroup>, before: Option<u32>) -> Self {
        Self { group, laid: None, before }
    }

    /// Other rules: nothing of what was resolved counts any more.
    fn forget(&mut self) {
        (self.laid, self.before) = (None, None);
    }
}

impl Engine {
    /// An engine that reads from `store`. Fails for a strategy that cannot work.
    pub fn new(options: &EngineOptions, store: TargetStore) -> Result<Self, EngineError> {
        let strategy = options.strategy.build()?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|n| format!("alloc-{n}"))
            .build()?;
        let first = Arc::new(Snapshot::empty());
        Ok(Self {
            store,
            needs_nodes: strategy.needs_nodes(),
            strategy,
            body_budget: options.body_budget,
            pool,
            jobs: BTreeMap::new(),
            planner: None,
            cell: SnapshotCell::new(first.clone()),
            last: first,
            retired: Retired::default(),
        })
    }

    /// Where snapshots are published.
    #[must_use]
    pub fn snapshots(&self) -> SnapshotCell {
        self.cell.clone()
    }

    /// Recomputes what changed since the last step, and publishes a snapshot if anything did.
    pub fn step(&mut self, input: &StepInput) -> StepReport {
        self.step_observed(input, &mut |_| {})
    }

    /// A step that says when each phase is over, for a caller with a clock.
    pub fn step_observed(&mut self, input: &StepInput, ended: &mut dyn FnMut(Phase)) -> StepReport {
        step::run(self, input, ended)
    }

    /// Renders whole bodies of the last snapshot, small ones first, until the budget is used or `stop` says so.
    ///
    /// Returns the bytes kept. Bodies of shares that did not change were taken over by the step.
    pub fn warm(&mut self, stop: &dyn Fn() -> bool) -> usize {
        /// A share whose body is at most about this long is rendered in the first round: polls of small shares
        /// outnumber those of large ones, and a large body streamed from its pieces costs little more than a whole one.
        const SMALL: usize = 64 << 10;
        let mut kept = self.last.body_bytes();
        for small in [true, false] {
            for job in &self.last.jobs {
                // this runs after every step: with the budget used up it must cost nothing
                if stop() || self.body_budget.saturating_sub(kept) < SMALL {
                    return kept;
                }
                for (_, share) in job.shares().filter(|(_, share)| job.body(*share).is_none()) {
                    let about = crate::body::about_length(job, share);
                    if (about <= SMALL) == small && kept + about <= self.body_budget {
                        let body = crate::body::whole(job, share);
                        kept += body.bytes.len();
                        job.keep_body(share, body);
                    }
                }
            }
        }
        kept
    }

    /// Frees what was replaced and no reader holds any more; every step does so too. True if nothing is left of it.
    ///
    /// Memory that waits for a slow reader is given back no sooner than by the next call of this.
    pub fn free_retired(&mut self) -> bool {
        self.retired.free()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn last(&self) -> &Arc<Snapshot> {
        &self.last
    }
}

#[cfg(test)]
mod tests;
