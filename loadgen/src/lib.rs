//! Synthetic targets and simulated collectors for any target allocator that speaks the protocol of the OpenTelemetry
//! Operator's Target Allocator. Nothing here knows how an allocator works inside.

pub mod client;
pub mod feed;
pub mod fleet;
pub mod ledger;
pub mod loopback;
pub mod protocol;
mod rng;
pub mod stats;
pub mod synth;
pub mod yaml;

pub use rng::Rng;
