//! The allocation engine: which collector scrapes what.
//!
//! ```text
//! StoreWriter ──groups──► TargetStore ──changes──► Engine::step ──► Snapshot ──► SnapshotCell::load ──► bodies
//!  (discovery)                              ▲            │
//!                       JobTable, CollectorSet           └──► StepReport
//! ```
//!
//! Pure and sync: no clock, no runtime, no I/O. Everything published is immutable.

mod body;
mod engine;
mod explain;
mod job;
mod layout;
mod owner;
mod resolve;
mod snapshot;
mod store;
mod strategy;

pub use body::{ShareBody, push_query_escaped};
pub use engine::{Engine, EngineError, EngineOptions, Phase, StepInput, StepReport};
pub use explain::{Discovered, Explanation, Fate, LabelChange, RuleStep};
pub use owner::{Owner, Unassigned};
pub use resolve::TargetId;
pub use snapshot::{CollectorLoad, JobView, Share, Snapshot, SnapshotCell, TargetView};
pub use store::{StoreWriter, TargetStore};
pub use strategy::{
    JobTargets, Planner, PointKey, Previous, Problem, Ring, Strategy, StrategyConfig, StrategyError, StrategyKind,
    node_hash,
};
