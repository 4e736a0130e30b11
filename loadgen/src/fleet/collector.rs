//! One emulated collector: first sync, job list polls, and a poller for every job.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use xxhash_rust::xxh3::xxh3_64;

use super::holding::Poller;
use super::poller::{Lane, LaneCommand, run_alone};
use super::shared::Shared;
use super::ticker::Ticker;
use crate::client::{Asking, Client, RequestError};
use crate::protocol::job_list::{JobList, JobListError};
use crate::rng::Rng;

/// The first sync is retried this long (scaled), then the collector exits.
const FIRST_SYNC_LIMIT_SECONDS: f64 = 900.0;
/// Wait after "connection refused" during the first sync.
const REFUSED_RETRY_SECONDS: f64 = 1.0;

#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    List(#[from] JobListError),
    #[error("request budget used up")]
    Budget,
}

/// Runs one collector from `delay` on until cancelled. All it holds is given up at the end.
pub(super) async fn run(
    shared: Arc<Shared>,
    name: Arc<str>,
    source: Option<IpAddr>,
    load: Arc<AtomicI64>,
    cancel: CancellationToken,
    delay: Duration,
) {
    let poller = Arc::new(Poller { shared, collector: name, load });
    let mut collector = Collector::new(poller, source, cancel.child_token());
    tokio::select! {
        () = cancel.cancelled() => {}
        () = async { sleep(delay).await; collector.live().await } => {}
    }
    collector.end().await;
}

struct Collector {
    poller: Arc<Poller>,
    source: Option<IpAddr>,
    client: Client,
    /// Hash of the job list last applied; a new collector compares with 0.
    applied: u64,
    /// Jobs polled, with what stops the poller of each (none in a lane).
    jobs: BTreeMap<Arc<str>, Option<CancellationToken>>,
    lanes: Vec<mpsc::UnboundedSender<LaneCommand>>,
    pollers: TaskTracker,
    cancel: CancellationToken,
}

impl Collector {
    fn new(poller: Arc<Poller>, source: Option<IpAddr>, cancel: CancellationToken) -> Self {
        let client = poller.shared.client(source);
        let mut collector = Collector {
            source,
            client,
            applied: 0,
            jobs: BTreeMap::new(),
            lanes: Vec::new(),
            pollers: TaskTracker::new(),
            cancel,
            poller,
        };
        for _ in 0..collector.poller.shared.options.lanes.unwrap_or(0) {
            let (send, commands) = mpsc::unbounded_channel();
            let lane = Lane::new(collector.poller.clone(), collector.new_client());
            collector.pollers.spawn(lane.run(commands, collector.cancel.child_token()));
            collector.lanes.push(send);
        }
        collector
    }

    fn new_client(&self) -> Client {
        self.poller.shared.client(self.source)
    }

    async fn live(&mut self) {
        if !self.first_sync().await {
            return;
        }
        let mut ticker = Ticker::new(Instant::now(), self.poller.shared.interval());
        loop {
            let (due, dropped) = ticker.tick().await;
            self.poller.shared.stats.job_list.count_missed(dropped);
            if let Err(SyncError::Budget) = self.sync(due).await {
                return;
            }
        }
    }

    /// Blocks the start until a job list was applied: refused → every second, anything else → exponential backoff.
    /// False = given up.
    async fn first_sync(&mut self) -> bool {
        let shared = self.poller.shared.clone();
        let start = Instant::now();
        let mut jitter = Rng::at(shared.options.seed, [xxh3_64(self.poller.collector.as_bytes()), 0, 0]);
        let mut backoff = 0.5;
        loop {
            let seconds = match self.sync(Instant::now()).await {
                Ok(()) => return true,
                Err(SyncError::Budget) => return false,
                Err(SyncError::Request(RequestError::Refused)) => REFUSED_RETRY_SECONDS,
                Err(_) => {
                    let wait = backoff * (0.5 + jitter.unit());
                    backoff = (backoff * 1.5f64).min(60.0);
                    wait
                }
            };
            if start.elapsed() > shared.scaled(FIRST_SYNC_LIMIT_SECONDS) {
                shared.stats.exited.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            sleep(shared.scaled(seconds)).await;
        }
    }

    /// One job list poll. Status and content type are not looked at, and there is no timeout: neither has the receiver.
    async fn sync(&mut self, intended: Instant) -> Result<(), SyncError> {
        let shared = self.poller.shared.clone();
        let stats = &shared.stats.job_list;
        if !shared.take_request() {
            return Err(SyncError::Budget);
        }
        stats.count_sent();
        let path = format!("{}/scrape_configs", shared.endpoint.prefix);
        let answer =
            self.client.get(&path, Asking::JobList).await.inspect_err(|error| stats.count_error(error.kind()))?;
        stats.count_answer(intended.elapsed(), answer.wire_bytes);
        let list = shared.read_list(&answer.body).inspect_err(|error| {
            tracing::debug!(collector = %self.poller.collector, status = answer.status, %error, "job list not taken");
            stats.count_error(error.kind());
        })?;
        stats.count_accepted(list.hash == self.applied);
        if list.hash != self.applied {
            self.apply(&list);
        }
        Ok(())
    }

    /// Vanished jobs stop at once, new ones poll at once, the others keep their pollers and targets.
    fn apply(&mut self, list: &JobList) {
        self.applied = list.hash;
        let gone = |job: &Arc<str>| list.jobs.binary_search_by(|listed| listed.as_str().cmp(job)).is_err();
        let vanished: Vec<Arc<str>> = self.jobs.keys().filter(|job| gone(job)).cloned().collect();
        for job in vanished {
            match self.jobs.remove(&job).flatten() {
                Some(stop) => stop.cancel(),
                None => self.tell_lane(LaneCommand::Remove(self.poller.shared.job_name(&job)), &job),
            }
        }
        for job in &list.jobs {
            if !self.jobs.contains_key(job.as_str()) {
                self.start_polling(job);
            }
        }
    }

    fn start_polling(&mut self, job: &str) {
        let name = self.poller.shared.job_name(job);
        let stop = self.lanes.is_empty().then(|| self.cancel.child_token());
        self.jobs.insert(name.plain.clone(), stop.clone());
        match stop {
            Some(stop) => {
                let poller = run_alone(self.poller.clone(), name, self.new_client(), stop);
                self.pollers.spawn(poller);
            }
            None => self.tell_lane(LaneCommand::Add(name), job),
        }
    }

    fn tell_lane(&self, command: LaneCommand, job: &str) {
        let lane = xxh3_64(job.as_bytes()) as usize % self.lanes.len().max(1);
        if let Some(lane) = self.lanes.get(lane) {
            // a lane is gone only when everything stops
            lane.send(command).ok();
        }
    }

    async fn end(self) {
        self.cancel.cancel();
        self.pollers.close();
        self.pollers.wait().await;
    }
}
