//! Keeps one provider running for every SD config in the job table, and tells the sink which job sees which groups.

mod ledger;
mod provider;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ta_model::job_table::JobTable;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::sink::GroupSink;
use crate::source::{Delivery, Sources};
use crate::status::{ProviderStatus, Status, count};
use ledger::{Effects, Ledger};
use provider::ProviderTask;

/// Deliveries on their way to the supervisor. Sources wait beyond that, so that a slow sink slows them down.
const CHANNEL: usize = 256;

/// How long a provider that failed to run waits before it is started again: doubling, from `first` to `max`.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    pub first: Duration,
    pub max: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

/// Why the supervisor ended. Without it nothing is discovered any more, so the process should end too.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error("the job table channel was closed")]
    NoMoreTables,
}

/// Reconciles running providers with the job table.
///
/// - Equal SD configs share one provider; a job that joins it gets its current groups at once.
/// - A job that leaves a provider loses its groups; if the job also gained a provider that has not delivered yet, it
///   keeps the old groups until that one has, and then sees both changes as one. (Prometheus drops them at once.)
/// - A provider that fails keeps its groups; no other provider notices.
/// - A job is reported synced once each of its providers has delivered; a provider that never does keeps its jobs
///   unsynced.
#[derive(Debug)]
pub struct Supervisor {
    ledger: Ledger,
    sink: Arc<dyn GroupSink>,
    sources: Arc<dyn Sources>,
    status: Arc<Status>,
    back_off: BackOff,
    running: HashMap<u64, Running>,
    /// For the names of providers.
    started: u64,
    /// Numbers the runs of all providers.
    runs: Arc<AtomicU64>,
    sender: mpsc::Sender<Delivery>,
    deliveries: mpsc::Receiver<Delivery>,
}

#[derive(Debug)]
struct Running {
    cancel: CancellationToken,
    status: Arc<ProviderStatus>,
    /// Dropped, it takes the task with it, should that not heed `cancel`.
    _task: AbortOnDropHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Supervisor {
    /// A supervisor that runs nothing yet.
    #[must_use]
    pub fn new(sink: Arc<dyn GroupSink>, sources: Arc<dyn Sources>, status: Arc<Status>, back_off: BackOff) -> Self {
        let (sender, deliveries) = mpsc::channel(CHANNEL);
        Self {
            ledger: Ledger::default(),
            sink,
            sources,
            status,
            back_off,
            running: HashMap::new(),
            started: 0,
            runs: Arc::default(),
            sender,
            deliveries,
        }
    }

    /// Follows `tables` until `cancel`; then stops all providers.
    ///
    /// # Errors
    /// If the sender of `tables` is gone.
    pub async fn run(
        mut self,
        mut tables: watch::Receiver<Arc<JobTable>>,
        cancel: CancellationToken,
    ) -> Result<(), SupervisorError> {
        let table = tables.borrow_and_update().clone();
        self.follow(&table);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                changed = tables.changed() => {
                    changed.map_err(|_| SupervisorError::NoMoreTables)?;
                    let table = tables.borrow_and_update().clone();
                    self.follow(&table);
                }
                _ = self.deliveries.recv_many(&mut batch, CHANNEL) => self.take(&mut batch),
            }
        }
    }

    fn follow(&mut self, table: &JobTable) {
        let effects = self.ledger.follow(table);
        tracing::info!(
            table = table.number(),
            jobs = table.jobs().len(),
            started = effects.start.len(),
            stopped = effects.stop.len(),
            "service discovery follows a new job table"
        );
        for provider in &effects.stop {
            if let Some(stopped) = self.running.remove(provider) {
                stopped.status.change(|view| view.jobs.clear());
            }
        }
        for provider in &effects.start {
            self.start(*provider);
        }
        for (key, running) in &self.running {
            let jobs = self.ledger.jobs_of(*key);
            running.status.change(|view| view.jobs = jobs);
        }
        self.note_jobs();
        self.carry_out(effects);
    }

    fn start(&mut self, key: u64) {
        let Some(config) = self.ledger.config(key) else { return };
        let mechanism = config.mechanism().to_owned();
        let name: Arc<str> = format!("{mechanism}/{}", self.started).into();
        self.started += 1;
        let status = self.status.provider(name.clone(), &mechanism, key);
        if let Some(counts) = self.ledger.counts(key) {
            status.change(|view| (view.groups, view.targets, view.synced) = counts); // it may have run before
        }
        let cancel = CancellationToken::new();
        let task = ProviderTask {
            key,
            name,
            config: config.clone(),
            sources: self.sources.clone(),
            sender: self.sender.clone(),
            status: status.clone(),
            counters: self.status.clone(),
            runs: self.runs.clone(),
            back_off: self.back_off,
            cancel: cancel.clone(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.keep_running()));
        self.running.insert(key, Running { cancel, status, _task: task });
    }

    fn take(&mut self, batch: &mut Vec<Delivery>) {
        let mut effects = Effects::default();
        let mut touched = Vec::new();
        for delivery in batch.drain(..) {
            count(&self.status.counters.received_updates);
            touched.push(delivery.provider);
            self.ledger.deliver(delivery, &mut effects);
        }
        touched.sort_unstable();
        touched.dedup();
        for key in touched {
            if let (Some(running), Some(counts)) = (self.running.get(&key), self.ledger.counts(key)) {
                running.status.change(|view| (view.groups, view.targets, view.synced) = counts);
            }
        }
        if !effects.settled.is_empty() {
            self.note_jobs();
        }
        self.carry_out(effects);
    }

    /// What the sink is told: first the groups, then who is complete.
    fn carry_out(&self, effects: Effects) {
        effects.forgotten.iter().for_each(|provider| self.status.remove_provider(*provider));
        if !effects.changes.is_empty() {
            count(&self.status.counters.updates);
            self.status.jobs_updated(&effects.changes);
            self.sink.apply(effects.changes);
        }
        for job in &effects.synced {
            tracing::debug!(%job, "all targets of the job are known");
            self.sink.synced(job);
        }
    }

    fn note_jobs(&self) {
        self.status.set_jobs(self.ledger.jobs());
    }
}

/// The number of the next run.
fn next_run(runs: &AtomicU64) -> u64 {
    runs.fetch_add(1, Ordering::Relaxed) + 1
}
