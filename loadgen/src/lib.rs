//! Synthetic targets and simulated collectors for any target allocator that speaks the protocol of the OpenTelemetry
//! Operator's Target Allocator. Nothing here knows how an allocator works inside.

pub mod cli;
pub mod client;
pub mod cluster;
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
pub mod tls;
pub mod yaml;

pub use rng::Rng;

/// Waits for Ctrl-C or SIGTERM: both end a run properly, with its report and without leaving processes behind.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        // no handler can be installed: Ctrl-C alone
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
