//! What all collectors of a fleet use together.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::FleetOptions;
use crate::client::Client;
use crate::feed::TruthReader;
use crate::ledger::Ledger;
use crate::loopback::Endpoint;
use crate::protocol::job_list::{JobList, JobListError, read_job_list};
use crate::protocol::query_escape;
use crate::stats::{Stats, lock};

/// Parsed job lists kept: the newest and those around it while collectors see different ones.
const LISTS_KEPT: usize = 8;

/// A job's name in its two forms, one copy for the whole fleet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JobName {
    pub(super) plain: Arc<str>,
    pub(super) escaped: String,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: FleetOptions,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) stats: Arc<Stats>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) stop: CancellationToken,
    pub(super) out_of_budget: CancellationToken,
    /// The truth, if another process tells it.
    pub(super) truth: OnceLock<Arc<Mutex<TruthReader>>>,
    clock: Instant,
    requests: AtomicU64,
    lists: Mutex<VecDeque<(u64, Arc<JobList>)>>,
    jobs: Mutex<HashMap<String, Arc<JobName>>>,
}

impl Shared {
    pub(super) fn new(options: FleetOptions, ledger: Arc<Mutex<Ledger>>, stats: Arc<Stats>, clock: Instant) -> Self {
        Shared {
            endpoint: Arc::new(options.endpoint.clone()),
            options,
            stats,
            ledger,
            stop: CancellationToken::new(),
            out_of_budget: CancellationToken::new(),
            truth: OnceLock::new(),
            clock,
            requests: AtomicU64::new(0),
            lists: Mutex::default(),
            jobs: Mutex::default(),
        }
    }

    /// A client that has no connection yet.
    pub(super) fn client(&self, source: Option<IpAddr>) -> Client {
        let client = Client::new(self.endpoint.clone(), source, self.stats.clone());
        client.dialling(self.options.dialling.clone())
    }

    /// Time since the ledger's zero.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Takes in what was told before the answer at hand was made; a target would look lost that is gone.
    pub(super) fn catch_up(&self) {
        if let Some(truth) = self.truth.get() {
            // an error stays: whoever follows the file meets it too, and ends the run
            lock(truth).pump().ok();
        }
    }

    /// A time of the protocol, scaled.
    pub(super) fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.options.time_scale)
    }

    pub(super) fn interval(&self) -> Duration {
        self.scaled(self.options.interval.as_secs_f64())
    }

    pub(super) fn refresh(&self) -> Duration {
        self.scaled(self.options.refresh.as_secs_f64())
    }

    /// Takes one request from the budget; when it is empty the whole fleet stops.
    pub(super) fn take_request(&self) -> bool {
        let taken = self.requests.fetch_add(1, Ordering::Relaxed) < self.options.max_requests;
        if !taken {
            self.out_of_budget.cancel();
            self.stop.cancel();
        }
        taken
    }

    /// Parses a job list, once for all collectors that get the same bytes.
    pub(super) fn read_list(&self, body: &[u8]) -> Result<Arc<JobList>, JobListError> {
        let raw = xxh3_64(body);
        if let Some((_, list)) = lock(&self.lists).iter().find(|(hash, _)| *hash == raw) {
            return Ok(list.clone());
        }
        let list = Arc::new(read_job_list(body, &self.options.shard)?);
        let mut lists = lock(&self.lists);
        lists.push_front((raw, list.clone()));
        lists.truncate(LISTS_KEPT);
        Ok(list)
    }

    pub(super) fn newest_list(&self) -> Option<Arc<JobList>> {
        lock(&self.lists).front().map(|(_, list)| list.clone())
    }

    /// The shared copy of a job's name.
    pub(super) fn job_name(&self, job: &str) -> Arc<JobName> {
        let mut jobs = lock(&self.jobs);
        if let Some(name) = jobs.get(job) {
            return name.clone();
        }
        let name = Arc::new(JobName { plain: job.into(), escaped: query_escape(job) });
        jobs.insert(job.to_owned(), name.clone());
        name
    }
}
