//! Counters and histograms of a run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Locks; a panic elsewhere does not make counts wrong enough to stop for.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened to one kind of request.
#[derive(Debug)]
pub struct RequestStats {
    sent: AtomicU64,
    accepted: AtomicU64,
    unchanged: AtomicU64,
    bytes: AtomicU64,
    missed_ticks: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    latency_micros: Mutex<Histogram<u64>>,
}

impl Default for RequestStats {
    fn default() -> Self {
        RequestStats {
            sent: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            unchanged: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            missed_ticks: AtomicU64::new(0),
            errors: Mutex::default(),
            // three digits from 1 µs to 10 min
            latency_micros: Mutex::new(
                Histogram::new_with_bounds(1, 600_000_000, 3).expect("constant bounds are valid"),
            ),
        }
    }
}

impl RequestStats {
    /// A request goes out.
    pub fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// A response was read to its end, `latency` after the time it should have been asked for.
    pub fn count_answer(&self, latency: Duration, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.latency_micros).saturating_record(latency.as_micros().min(600_000_000) as u64);
    }

    /// The collector took the answer.
    pub fn count_accepted(&self, unchanged: bool) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.unchanged.fetch_add(u64::from(unchanged), Ordering::Relaxed);
    }

    /// The collector did not take the answer, or there was none.
    pub fn count_error(&self, kind: &str) {
        *lock(&self.errors).entry(kind.to_owned()).or_default() += 1;
    }

    /// Poll times that passed while an earlier poll was under way.
    pub fn count_missed(&self, ticks: u64) {
        self.missed_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Requests sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Answers taken so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Taken answers with the same bytes as the ones before.
    pub fn unchanged(&self) -> u64 {
        self.unchanged.load(Ordering::Relaxed)
    }

    /// Body bytes as sent over the wire.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Missed poll times so far.
    pub fn missed_ticks(&self) -> u64 {
        self.missed_ticks.load(Ordering::Relaxed)
    }

    /// Errors by kind.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        lock(&self.errors).clone()
    }

    /// Latency from the intended send time to the last body byte, µs.
    pub fn latency_micros(&self) -> Histogram<u64> {
        lock(&self.latency_micros).clone()
    }

    /// Forgets everything so far.
    pub fn reset(&self) {
        for counter in [&self.sent, &self.accepted, &self.unchanged, &self.bytes, &self.missed_ticks] {
            counter.store(0, Ordering::Relaxed);
        }
        lock(&self.errors).clear();
        lock(&self.latency_micros).reset();
    }
}

/// Connections of the fleet.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    opened: AtomicU64,
    open: AtomicI64,
    peak: AtomicI64,
}

impl ConnectionStats {
    pub(crate) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(open, Ordering::Relaxed);
    }

    pub(crate) fn count_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections made so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Most connections open at once.
    pub fn peak(&self) -> i64 {
        self.peak.load(Ordering::Relaxed)
    }
}

/// All counts of a run.
#[derive(Debug, Default)]
pub struct Stats {
    /// `/scrape_configs`.
    pub job_list: RequestStats,
    /// `/jobs/<job>/targets`.
    pub targets: RequestStats,
    /// TCP connections.
    pub connections: ConnectionStats,
    /// Collectors that gave up their first sync after 15 minutes.
    pub exited: AtomicU64,
}
