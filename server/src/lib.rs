//! The `target-allocator` program as a library: configuration, wiring and HTTP.

mod args;
pub mod config;
mod config_task;
mod engine_thread;
pub mod health;
pub mod http;
pub mod metrics;
mod pages;
mod readiness;
mod sizing;
mod tasks;
mod telemetry;

pub use args::{Action, Args};
pub use sizing::Limits;
pub use telemetry::{Encoder, Level, LogOptions, TimeEncoding};

use std::collections::BTreeMap;

/// The environment, read once at start.
pub type Environment = BTreeMap<String, String>;
