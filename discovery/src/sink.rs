//! Where discovered target groups go. Discovery never learns what a store is.

use std::sync::Arc;

pub use ta_model::group::{GroupChange, GroupKey};

/// Receives groups. Changes applied together are seen together.
pub trait GroupSink: Send + Sync + std::fmt::Debug + 'static {
    /// Applies `changes` in order, as one.
    fn apply(&self, changes: Vec<GroupChange>);

    /// Every provider of `job` has delivered once: its target list is now true, even if empty.
    fn synced(&self, job: &Arc<str>);
}
