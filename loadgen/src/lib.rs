//! Synthetic targets and simulated collectors for any target allocator that speaks the protocol of the OpenTelemetry
//! Operator's Target Allocator. Nothing here knows how an allocator works inside.

mod rng;
pub mod synth;

pub use rng::Rng;
