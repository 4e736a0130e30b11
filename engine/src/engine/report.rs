//! What a step did.

use std::sync::Arc;

/// A part of a step, named when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Changes were taken from the store.
    Take,
    /// New groups were resolved, and their jobs laid out.
    Resolve,
    /// The strategy has placed the targets.
    Place,
    /// Shares were sorted and the snapshot published.
    Publish,
}

/// What a step did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Number of the snapshot in force afterwards.
    pub snapshot: u64,
    /// Whether this step published it.
    pub published: bool,
    /// Whether the collector set changed.
    pub collectors_changed: bool,
    /// Jobs that were laid out anew.
    pub jobs: usize,
    /// Groups that were resolved.
    pub groups: usize,
    /// The jobs they belong to, each with the number of targets in them. Jobs share threads, so that a job has no time of
    /// its own: its part of the work is its part of the targets.
    pub resolved: Vec<(Arc<str>, usize)>,
    /// Distinct targets kept, afterwards.
    pub targets: usize,
    /// Kept targets before merging those of one identity, afterwards.
    pub remaining: usize,
    /// Targets that appeared.
    pub added: usize,
    /// Targets that went.
    pub removed: usize,
    /// Targets of the same identity whose served labels changed.
    pub relabelled: usize,
    /// Targets that had a collector and have another now, or none.
    pub moved: usize,
    /// Targets without collector, afterwards.
    pub unassigned: usize,
}
