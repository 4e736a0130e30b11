//! The target-allocator program: configuration, wiring and HTTP.
//!
//! ```text
//! main ─► run ─► config::load ─► wiring::Program ─┬─ config_task ──► JobTable ─┬─► discovery ──► store
//!                                                 ├─ collectors ───────────────┤                  │ wake
//!                                                 ├─ engine_thread ◄───────────┴──────────────────┘
//!                                                 │       └─► Snapshot, StepReport ─► readiness, metrics, log
//!                                                 └─ http ◄── Snapshot
//! ```

mod adapters;
mod address;
mod args;
mod check;
pub mod config;
mod config_task;
mod engine_thread;
pub mod health;
pub mod http;
mod https;
mod kubernetes;
pub mod metrics;
mod otlp;
mod pages;
mod readiness;
mod render;
mod run;
mod signals;
mod sizing;
mod step_log;
mod tasks;
mod telemetry;
mod throttle;
pub mod tls;
mod wiring;

pub use args::{Action, Args, Output, RenderArgs};
pub use check::check;
pub use render::render;
pub use run::main;
pub use sizing::Limits;
pub use telemetry::{Encoder, Level, LogOptions, TimeEncoding};
pub use wiring::Program;

use std::collections::BTreeMap;

/// The environment, read once at start.
pub type Environment = BTreeMap<String, String>;
