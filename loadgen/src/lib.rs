//! Synthetic targets and simulated collectors for any target allocator that speaks the protocol of the OpenTelemetry
//! Operator's Target Allocator. Nothing here knows how an allocator works inside.

pub mod cli;
pub mod client;
pub mod duration;
pub mod feed;
pub mod fleet;
pub mod ledger;
pub mod loopback;
pub mod process;
pub mod protocol;
pub mod report;
mod rng;
pub mod scenario;
pub mod session;
pub mod stats;
pub mod synth;
pub mod yaml;

pub use rng::Rng;
