//! Scripted runs: a feed, allocator processes, an emulated fleet, steps, and what is expected at the end.
//!
//! The allocator under test is a command line, so the same scenario runs against any implementation.

mod allocator;
mod audit;
mod balancer;
mod certificates;
mod clock;
mod file;
mod run;
mod source;
mod stage;
mod step;
mod strangers;

pub(crate) use allocator::Instance;
pub use file::{Allocator, Bound, Collectors, Feed, Limits, Scenario, ScenarioError};
pub use run::{RunOptions, run};
pub use step::{Api, CertificateFiles, Jump, Rate, StepKind, StrangerCounts};
