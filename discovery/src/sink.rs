//! Where discovered target groups go. Discovery never learns what a store is.

use std::sync::Arc;

use ta_model::group::TargetGroup;

/// Names one group for good: the job it is for, the provider that found it and that provider's own name for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    pub job: Arc<str>,
    /// Fingerprint of the SD config: the same for equal configs, in every process.
    pub provider: u64,
    /// Unique within its provider (`file:0`, `pod/ns/name` …).
    pub source: Arc<str>,
}

/// One change to what is known.
#[derive(Clone, Debug)]
pub enum GroupChange {
    /// The group is now this; an empty group removes it.
    Replace(GroupKey, Arc<TargetGroup>),
    /// The group is gone.
    Remove(GroupKey),
}

/// Receives groups. Changes applied together are seen together.
pub trait GroupSink: Send + Sync + std::fmt::Debug + 'static {
    /// Applies `changes` in order, as one.
    fn apply(&self, changes: Vec<GroupChange>);

    /// Every provider of `job` has delivered once (or failed for good): its target list is now true, even if empty.
    fn synced(&self, job: &Arc<str>);
}
