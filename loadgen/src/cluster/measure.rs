//! What an allocator serves, and how soon after a change.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::population::{Expectation, Place};
use crate::client::{Asking, Client};
use crate::loopback::Endpoint;
use crate::protocol::http_sd::read_job_listing;
use crate::protocol::query_escape;
use crate::stats::lock;

/// How changes are looked for.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// The allocator.
    pub endpoint: Endpoint,
    /// Changes followed at once. Others are not measured: polling costs the allocator something as well.
    pub probes: usize,
    /// Time between looks, which is how exact a latency is.
    pub every: Duration,
    /// After how long a change counts as never served.
    pub patience: Duration,
}

/// Time from change to served.
#[derive(Debug, Clone)]
pub struct Served {
    /// Latencies, µs.
    pub micros: Histogram<u64>,
    /// Changes that were not served in time.
    pub unseen: u64,
}

/// Follows a sample of changes.
#[derive(Debug)]
pub struct Probes {
    options: ProbeOptions,
    idle: Arc<Mutex<Vec<Client>>>,
    served: Arc<Mutex<Served>>,
    running: JoinSet<()>,
}

impl Probes {
    /// Probes that have nothing to do yet.
    pub fn new(options: ProbeOptions) -> Probes {
        let endpoint = Arc::new(options.endpoint.clone());
        let clients = (0..options.probes).map(|_| Client::new(endpoint.clone(), None, Arc::default())).collect();
        // three digits from 1 µs to 10 min
        let micros = Histogram::new_with_bounds(1, 600_000_000, 3).expect("constant bounds are valid");
        Probes {
            options,
            idle: Arc::new(Mutex::new(clients)),
            served: Arc::new(Mutex::new(Served { micros, unseen: 0 })),
            running: JoinSet::new(),
        }
    }

    /// Follows a change if a probe is idle.
    pub fn offer(&mut self, expectation: Expectation) {
        while self.running.try_join_next().is_some() {}
        let Some(client) = lock(&self.idle).pop() else { return };
        let (idle, served) = (self.idle.clone(), self.served.clone());
        let (every, patience) = (self.options.every, self.options.patience);
        let prefix = self.options.endpoint.prefix.clone();
        self.running.spawn(async move {
            let mut client = client;
            let latency = follow(&mut client, &prefix, &expectation, every, patience).await;
            let mut served = lock(&served);
            match latency {
                Some(latency) => served.micros.saturating_record(latency.as_micros().min(600_000_000) as u64),
                None => served.unseen += 1,
            }
            lock(&idle).push(client);
        });
    }

    /// Waits for the changes that are followed.
    pub async fn finish(mut self) -> Served {
        while self.running.join_next().await.is_some() {}
        lock(&self.served).clone()
    }
}

async fn follow(
    client: &mut Client,
    prefix: &str,
    expected: &Expectation,
    every: Duration,
    patience: Duration,
) -> Option<Duration> {
    let (path, asking) = match &expected.place {
        Place::Targets(job) => (format!("{prefix}/jobs/{}/targets", query_escape(job)), Asking::Targets),
        Place::ScrapeConfigs => (format!("{prefix}/scrape_configs"), Asking::JobList),
    };
    loop {
        let asked = Instant::now();
        if let Ok(answer) = client.get(&path, asking).await
            && answer.status == 200
            && String::from_utf8_lossy(&answer.body).contains(&expected.text)
        {
            return Some(expected.at.elapsed());
        }
        if expected.at.elapsed() > patience {
            return None;
        }
        tokio::time::sleep(every.saturating_sub(asked.elapsed())).await;
    }
}

/// Everything an allocator serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Targets.
    pub targets: u64,
    /// Bytes of the answers for all jobs.
    pub bytes: u64,
    /// Jobs that serve another number of targets than there are, with what they serve.
    pub wrong: BTreeMap<String, u64>,
}

/// Asks for every job once.
pub async fn census(endpoint: &Endpoint, expected: &BTreeMap<String, u64>) -> Census {
    let mut client = Client::new(Arc::new(endpoint.clone()), None, Arc::default());
    let mut census = Census::default();
    for (job, count) in expected {
        let path = format!("{}/jobs/{}/targets", endpoint.prefix, query_escape(job));
        let mut identities = HashSet::new();
        if let Ok(answer) = client.get(&path, Asking::Targets).await
            && answer.status == 200
        {
            census.bytes += answer.body.len() as u64;
            // a body that cannot be read serves nobody
            read_job_listing(&answer.body, job, &mut |_, target| {
                identities.insert(target.identity);
            })
            .ok();
        }
        let served = identities.len() as u64;
        census.targets += served;
        if served != *count {
            census.wrong.insert(job.clone(), served);
        }
    }
    census
}
