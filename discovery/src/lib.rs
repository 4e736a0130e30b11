//! Service discovery and collector sources: where targets come from.

mod sink;

pub use sink::{GroupChange, GroupKey, GroupSink};
