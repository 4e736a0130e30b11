//! Vocabulary and pure Prometheus semantics: what targets, groups, jobs and collectors *are*.
//!
//! No I/O, no clock, no async: everything here is a function of its arguments.

mod collector;
pub mod cr;
mod duration;
pub mod group;
pub mod job_table;
pub mod json;
mod labels;
mod quote;
pub mod regexp;
pub mod relabel;
pub mod scrape_config;
mod secret;
mod units;
pub mod yaml;

pub use collector::{Collector, CollectorSet, DuplicateCollector};
pub use duration::{Duration, DurationError, GoDurationError, parse_go_duration};
pub use labels::{LabelBuilder, Labels, NameScheme, sanitize_label_name};
pub use secret::{MASK, Secret, Secrets};
