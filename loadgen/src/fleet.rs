//! A fleet of emulated collectors, each doing over HTTP what the `prometheusreceiver` of the OpenTelemetry Collector does
//! (`spec` of the client: job list poll, one http_sd poller and one connection per job, no jitter, 30 s timeouts).
//!
//! ```text
//! Fleet ── start/stop ──► collector task ── GET /scrape_configs every interval
//!                             │ one per job (or a few lanes, multiplexed)
//!                             ▼
//!                         poller task ──── GET /jobs/<job>/targets?collector_id=<name> every refresh
//!                             │ what it holds now
//!                             ▼
//!                         Ledger  ◄──────  Feed (what exists)
//! ```

mod collector;
mod holding;
mod poller;
mod shared;
mod ticker;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Dialling;
use crate::feed::TruthReader;
use crate::ledger::Ledger;
use crate::loopback::Endpoint;
use crate::protocol::http_sd::LabelNames;
use crate::stats::Stats;
use shared::Shared;

/// How the collectors behave.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The allocator.
    pub endpoint: Endpoint,
    /// How they connect to it.
    pub dialling: Arc<Dialling>,
    /// Job list poll interval before scaling; the operator writes 30 s.
    pub interval: Duration,
    /// Targets poll interval and timeout before scaling; the receiver's default is 30 s.
    pub refresh: Duration,
    /// All times are divided by this: 10 polls every 3 s and retries after 100 ms.
    pub time_scale: f64,
    /// What `$(SHARD)` becomes.
    pub shard: String,
    /// Which label names are accepted.
    pub label_names: LabelNames,
    /// None: one connection and one poller per job, as the real thing. Some(n): each collector polls its jobs in turn
    /// over n connections.
    pub lanes: Option<usize>,
    /// Requests after which the fleet stops.
    pub max_requests: u64,
    /// Seed of the backoff jitter.
    pub seed: u64,
}

impl FleetOptions {
    /// The receiver's defaults against `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        FleetOptions {
            endpoint,
            dialling: Arc::default(),
            interval: Duration::from_secs(30),
            refresh: Duration::from_secs(30),
            time_scale: 1.0,
            shard: "0".to_owned(),
            label_names: LabelNames::default(),
            lanes: None,
            max_requests: u64::MAX,
            seed: 1,
        }
    }
}

#[derive(Debug)]
struct Running {
    cancel: CancellationToken,
    task: JoinHandle<()>,
    load: Arc<AtomicI64>,
}

/// Emulated collectors that run.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    running: BTreeMap<String, Running>,
    started: u32,
}

impl Fleet {
    /// An empty fleet; `clock` is the instant the ledger calls zero.
    pub fn new(options: FleetOptions, ledger: Arc<Mutex<Ledger>>, stats: Arc<Stats>, clock: Instant) -> Self {
        Fleet { shared: Arc::new(Shared::new(options, ledger, stats, clock)), running: BTreeMap::new(), started: 0 }
    }

    /// Reads `truth` before every answer that brings news; only the first call counts. Somebody has to pump it besides, to
    /// see its errors.
    pub fn look_into(&self, truth: Arc<Mutex<TruthReader>>) {
        self.shared.truth.set(truth).ok();
    }

    /// Starts a collector of this name after `delay`; does nothing if it runs already.
    pub fn start(&mut self, name: &str, delay: Duration) {
        if self.running.contains_key(name) {
            return;
        }
        let source = source_address(&self.shared.options.endpoint, self.started);
        self.started += 1;
        let (cancel, load) = (self.shared.stop.child_token(), Arc::<AtomicI64>::default());
        let run = collector::run(self.shared.clone(), name.into(), source, load.clone(), cancel.clone(), delay);
        self.running.insert(name.to_owned(), Running { cancel, task: tokio::spawn(run), load });
    }

    /// Stops a collector as a deleted pod stops: at once, its targets are scraped no more.
    pub async fn stop(&mut self, name: &str) {
        if let Some(running) = self.running.remove(name) {
            running.cancel.cancel();
            running.task.await.ok();
        }
    }

    /// Stops all collectors.
    pub async fn stop_all(&mut self) {
        self.shared.stop.cancel();
        for (_, running) in std::mem::take(&mut self.running) {
            running.task.await.ok();
        }
    }

    /// Names of the collectors that run.
    pub fn names(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// Targets held per collector.
    pub fn loads(&self) -> BTreeMap<String, i64> {
        self.running.iter().map(|(name, running)| (name.clone(), running.load.load(Ordering::Relaxed))).collect()
    }

    /// Jobs of the newest job list any collector applied.
    pub fn jobs(&self) -> usize {
        self.shared.newest_list().map_or(0, |list| list.jobs.len())
    }

    /// Names of the jobs of the newest job list any collector applied.
    pub fn job_names(&self) -> Vec<String> {
        self.shared.newest_list().map_or_else(Vec::new, |list| list.jobs.clone())
    }

    /// Ends when the request budget is used up.
    pub fn out_of_budget(&self) -> CancellationToken {
        self.shared.out_of_budget.clone()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// A loopback address of its own for every collector: as pods have, and 28k ephemeral ports for each.
fn source_address(endpoint: &Endpoint, number: u32) -> Option<IpAddr> {
    let own = cfg!(target_os = "linux") && endpoint.address.is_ipv4() && endpoint.address.ip().is_loopback();
    own.then(|| Ipv4Addr::new(127, 1, (number / 250 % 250) as u8, (number % 250) as u8 + 1).into())
}

#[cfg(test)]
mod tests;
