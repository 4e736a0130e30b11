//! The feed: a synthetic cluster that exists for a while, changes, and knows at every moment which targets exist.
//!
//! ```text
//! World (plans of all groups) ──► FileFeed: one file_sd file per job
//!    │  ▲                     └─► HttpFeed: one http_sd URL per job
//!    │  └── Churn (what to change next)
//!    ▼
//! ChangeSink: the Ledger of this process, or a truth file for another one
//! ```
//!
//! What changes is told first and shown then ([`show`]): an allocator may be quick enough to have a collector know it
//! before this process does anything else.

mod churn;
mod config;
mod file;
mod http;
mod truth;
mod world;

pub use churn::{Churn, ChurnKind, ChurnOptions};
pub use config::{AllocatorConfig, CollectorSource, TargetSource, collectors_file};
pub use file::{FileFeed, Staged};
pub use http::{FeedMode, HttpFeed};
pub use truth::{ChangeSink, LedgerSink, TruthFile, TruthReader, show};
pub use world::{World, WorldChange, job_json};
