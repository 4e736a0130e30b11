//! Scripted runs: a feed, allocator processes, an emulated fleet, steps, and what is expected at the end.
//!
//! The allocator under test is a command line, so the same scenario runs against any implementation.

mod allocator;
mod audit;
mod balancer;
mod file;
mod run;

pub(crate) use allocator::Instance;
pub use file::{Bound, Feed, Rate, Scenario, ScenarioError, StepKind};
pub use run::{RunOptions, run};
