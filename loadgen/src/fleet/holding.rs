//! What one collector holds of one job.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::{Instant, timeout};
use xxhash_rust::xxh3::xxh3_64;

use super::shared::{JobName, Shared};
use crate::client::{Answer, Asking, Client};
use crate::ledger::Held;
use crate::protocol::http_sd::{Refused, check_head, read_groups};
use crate::stats::lock;

/// Who polls, for the request and for its load.
#[derive(Debug)]
pub(super) struct Poller {
    pub(super) shared: Arc<Shared>,
    pub(super) collector: Arc<str>,
    pub(super) load: Arc<AtomicI64>,
}

/// The targets of one collector and job; dropping it gives them up.
#[derive(Debug)]
pub(super) struct Holding {
    poller: Arc<Poller>,
    job: Arc<JobName>,
    held: Vec<Held>,
    /// Hash of the bytes last taken; most polls bring the same again.
    body: Option<u64>,
    polled: bool,
}

impl Holding {
    pub(super) fn new(poller: Arc<Poller>, job: Arc<JobName>) -> Self {
        Holding { poller, job, held: Vec::new(), body: None, polled: false }
    }

    pub(super) fn never_polled(&self) -> bool {
        !self.polled
    }

    /// Asks once for the targets; whatever goes wrong, what was held stays. False = the request budget is used up.
    pub(super) async fn poll(&mut self, client: &mut Client, intended: Instant) -> bool {
        let poller = self.poller.clone();
        let (shared, stats) = (&poller.shared, &poller.shared.stats.targets);
        if !shared.take_request() {
            return false;
        }
        self.polled = true;
        stats.count_sent();
        let Poller { collector, .. } = &*poller;
        let path = format!("{}/jobs/{}/targets?collector_id={collector}", shared.endpoint.prefix, self.job.escaped);
        // the client's timeout is one refresh interval, from the moment it sends
        match timeout(shared.refresh(), client.get(&path, Asking::Targets)).await {
            Err(_elapsed) => stats.count_error("timeout"),
            Ok(Err(error)) => stats.count_error(error.kind()),
            Ok(Ok(answer)) => {
                stats.count_answer(intended.elapsed(), answer.wire_bytes);
                match self.take(&answer) {
                    Ok(unchanged) => stats.count_accepted(unchanged),
                    Err(refused) => {
                        tracing::debug!(collector = %collector, job = %self.job.plain, %refused, "answer not taken");
                        stats.count_error(refused.kind());
                    }
                }
            }
        }
        true
    }

    /// True = the same bytes as before.
    fn take(&mut self, answer: &Answer) -> Result<bool, Refused> {
        check_head(answer.status, answer.content_type.as_deref())?;
        let body = xxh3_64(&answer.body);
        if self.body == Some(body) {
            return Ok(true);
        }
        let mut found = Vec::new();
        let names = self.poller.shared.options.label_names;
        read_groups(&answer.body, &self.job.plain, names, &mut |target| found.push(target))?;
        self.body = Some(body);
        self.poller.shared.catch_up();
        let mut ledger = lock(&self.poller.shared.ledger);
        let as_held = |target: crate::protocol::Fingerprint, ledger: &mut crate::ledger::Ledger| Held {
            target: ledger.ordinal(target.identity),
            content: target.content,
        };
        let mut new: Vec<Held> = found.into_iter().map(|target| as_held(target, &mut ledger)).collect();
        new.sort_unstable();
        new.dedup_by_key(|held| held.target);
        new.shrink_to_fit();
        ledger.replace(self.poller.shared.now(), &self.held, &new);
        self.poller.load.fetch_add(new.len() as i64 - self.held.len() as i64, Ordering::Relaxed);
        self.held = new;
        Ok(false)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let shared = &self.poller.shared;
            lock(&shared.ledger).replace(shared.now(), &self.held, &[]);
            self.poller.load.fetch_sub(self.held.len() as i64, Ordering::Relaxed);
        }
    }
}
