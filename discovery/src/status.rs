//! What discovery is doing, for `/metrics` and the debug page: counters and last words, read at scrape time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::kubernetes::{WatchNotes, WatchView};
use crate::sink::{GroupChange, GroupKey};

/// Upper bounds, in seconds, of `prometheus_sd_refresh_duration_histogram_seconds`; the last bucket has none.
pub const REFRESH_BUCKETS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// Where the time of day comes from. Tests give their own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Counters of all providers together, by the metric they feed (Prometheus: `discovery/*/metrics.go`).
#[derive(Debug, Default)]
pub struct Counters {
    /// `prometheus_sd_received_updates_total`
    pub received_updates: AtomicU64,
    /// `prometheus_sd_updates_total`: batches handed to the sink.
    pub updates: AtomicU64,
    /// `prometheus_sd_http_failures_total`
    pub http_failures: AtomicU64,
    /// `prometheus_sd_dns_lookups_total`
    pub dns_lookups: AtomicU64,
    /// `prometheus_sd_dns_lookup_failures_total`
    pub dns_lookup_failures: AtomicU64,
    /// `prometheus_sd_file_read_errors_total`
    pub file_read_errors: AtomicU64,
    /// `prometheus_sd_file_watcher_errors_total`
    pub file_watcher_errors: AtomicU64,
    /// `prometheus_sd_file_scan_duration_seconds`: count and sum, the latter in microseconds.
    pub file_scans: AtomicU64,
    pub file_scan_micros: AtomicU64,
    /// Providers that panicked, ended or could not start, and were started again.
    pub provider_restarts: AtomicU64,
}

/// Adds one and gives the new count.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// The state of all providers. One per process; cheap to share, never locked for longer than a copy takes.
pub struct Status {
    pub counters: Counters,
    clock: Clock,
    providers: Mutex<BTreeMap<u64, Arc<ProviderStatus>>>,
    jobs: Mutex<BTreeMap<Arc<str>, JobView>>,
    file_mtimes: Mutex<BTreeMap<Arc<str>, SystemTime>>,
    watches: Mutex<Vec<Arc<WatchNotes>>>,
    /// Counts of watches that are no more, by resource: what is counted must not go down.
    ended_watches: Mutex<BTreeMap<String, WatchTotals>>,
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Status").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new(Arc::new(SystemTime::now))
    }
}

/// What watches of one resource have seen since the process began; see [`WatchView`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchTotals {
    pub events: u64,
    pub lists: u64,
    pub errors: u64,
    pub undecodable: u64,
    pub requests: u64,
}

impl WatchTotals {
    fn add(&mut self, view: &WatchView) {
        self.events += view.events;
        self.lists += view.lists;
        self.errors += view.errors;
        self.undecodable += view.undecodable;
        self.requests += view.requests;
    }
}

/// One provider as it stands.
#[derive(Clone, Debug, Default)]
pub struct ProviderView {
    /// `file/3`: for logs and pages; the number counts up over the life of the process.
    pub name: Arc<str>,
    /// `file`, `http`, …
    pub mechanism: String,
    /// As in [`crate::GroupKey::provider`].
    pub fingerprint: u64,
    /// Jobs that have its config. None: it was stopped, and its groups stay until what replaces it has delivered.
    pub jobs: Vec<Arc<str>>,
    /// True once it delivered everything it should find.
    pub synced: bool,
    /// True while it cannot run at all (`prometheus_sd_failed_configs`).
    pub broken: bool,
    pub groups: usize,
    pub targets: usize,
    pub last_success: Option<SystemTime>,
    pub last_failure: Option<SystemTime>,
    /// 0 while all is well.
    pub consecutive_failures: u64,
    /// Text of the last failure, without secrets; kept after recovery.
    pub last_error: String,
    pub refreshes: RefreshTimes,
    /// `prometheus_sd_refresh_failures_total`
    pub refresh_failures: u64,
}

/// How long refreshes took.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefreshTimes {
    pub count: u64,
    pub sum: Duration,
    pub last: Duration,
    /// Refreshes by duration: within each of [`REFRESH_BUCKETS`] (not cumulated), and beyond.
    pub buckets: [u64; REFRESH_BUCKETS.len() + 1],
}

impl RefreshTimes {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum += took;
        self.last = took;
        let bucket = REFRESH_BUCKETS.iter().position(|bound| took.as_secs_f64() <= *bound);
        self.buckets[bucket.unwrap_or(REFRESH_BUCKETS.len())] += 1;
    }
}

/// One job as discovery sees it.
#[derive(Clone, Debug, Default)]
pub struct JobView {
    /// `prometheus_sd_discovered_targets`
    pub targets: usize,
    pub synced: bool,
    /// `prometheus_sd_last_update_timestamp_seconds`
    pub last_update: Option<SystemTime>,
    /// Fingerprints of the providers whose groups it sees, those not synced yet included.
    pub providers: Vec<u64>,
}

impl Status {
    /// An empty status that reads the time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            counters: Counters::default(),
            clock,
            providers: Mutex::default(),
            jobs: Mutex::default(),
            file_mtimes: Mutex::default(),
            watches: Mutex::default(),
            ended_watches: Mutex::default(),
        }
    }

    /// All providers in force, by fingerprint.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderView> {
        let providers: Vec<_> = lock(&self.providers).values().cloned().collect();
        providers.iter().map(|provider| provider.view()).collect()
    }

    /// All jobs in force, by name.
    #[must_use]
    pub fn jobs(&self) -> Vec<(Arc<str>, JobView)> {
        let visible = self.providers().into_iter().filter(|provider| provider.synced);
        let targets: BTreeMap<_, _> = visible.map(|provider| (provider.fingerprint, provider.targets)).collect();
        let jobs = lock(&self.jobs);
        let with_targets = |view: &JobView| {
            let targets = view.providers.iter().filter_map(|provider| targets.get(provider)).sum();
            JobView { targets, ..view.clone() }
        };
        jobs.iter().map(|(name, view)| (name.clone(), with_targets(view))).collect()
    }

    /// `prometheus_sd_file_mtime_seconds`: when each file of `file_sd_configs` was last written.
    #[must_use]
    pub fn file_mtimes(&self) -> Vec<(Arc<str>, SystemTime)> {
        lock(&self.file_mtimes).iter().map(|(path, time)| (path.clone(), *time)).collect()
    }

    /// All watches of Kubernetes objects, in the order in which they began.
    #[must_use]
    pub fn watches(&self) -> Vec<WatchView> {
        let watches = lock(&self.watches).clone();
        watches.iter().map(|watch| watch.view()).collect()
    }

    pub(crate) fn add_watch(&self, watch: Arc<WatchNotes>) {
        lock(&self.watches).push(watch);
    }

    pub(crate) fn remove_watch(&self, watch: &Arc<WatchNotes>) {
        let mut ended = lock(&self.ended_watches); // held over both steps: it is counted once, before or after
        lock(&self.watches).retain(|other| !Arc::ptr_eq(other, watch));
        let view = watch.view();
        ended.entry(view.resource.to_string()).or_default().add(&view);
    }

    /// What all watches have seen so far, by resource, those included that are no more.
    #[must_use]
    pub fn watch_totals(&self) -> BTreeMap<String, WatchTotals> {
        let ended = lock(&self.ended_watches);
        let mut totals = ended.clone();
        for view in self.watches() {
            totals.entry(view.resource.to_string()).or_default().add(&view);
        }
        totals
    }

    pub(crate) fn set_file_mtime(&self, path: &Arc<str>, time: Option<SystemTime>) {
        let mut mtimes = lock(&self.file_mtimes);
        match time {
            Some(time) => mtimes.insert(path.clone(), time),
            None => mtimes.remove(path),
        };
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// Enters a provider.
    pub(crate) fn provider(self: &Arc<Self>, name: Arc<str>, mechanism: &str, fingerprint: u64) -> Arc<ProviderStatus> {
        let view = ProviderView { name, mechanism: mechanism.to_owned(), fingerprint, ..ProviderView::default() };
        let status = Arc::new(ProviderStatus { status: self.clone(), view: Mutex::new(view) });
        lock(&self.providers).insert(fingerprint, status.clone());
        status
    }

    pub(crate) fn remove_provider(&self, fingerprint: u64) {
        lock(&self.providers).remove(&fingerprint);
    }

    /// Takes over which jobs there are: name, whether it is synced, its providers.
    pub(crate) fn set_jobs<'a>(&self, jobs: impl Iterator<Item = (&'a Arc<str>, bool, Vec<u64>)>) {
        let mut views = lock(&self.jobs);
        let mut before = std::mem::take(&mut *views);
        views.extend(jobs.map(|(name, synced, providers)| {
            let last_update = before.remove(name).and_then(|view| view.last_update);
            (name.clone(), JobView { targets: 0, synced, last_update, providers })
        }));
    }

    pub(crate) fn jobs_updated(&self, changes: &[GroupChange]) {
        let now = self.now();
        let mut views = lock(&self.jobs);
        let mut last: Option<&Arc<str>> = None;
        for change in changes {
            let (GroupChange::Replace(GroupKey { job, .. }, _) | GroupChange::Remove(GroupKey { job, .. })) = change;
            if last.is_none_or(|last| !Arc::ptr_eq(last, job))
                && let Some(view) = views.get_mut(job)
            {
                view.last_update = Some(now);
            }
            last = Some(job);
        }
    }
}

/// Where one provider says how it is doing.
#[derive(Debug)]
pub struct ProviderStatus {
    status: Arc<Status>,
    view: Mutex<ProviderView>,
}

impl ProviderStatus {
    /// A copy of its state.
    #[must_use]
    pub fn view(&self) -> ProviderView {
        lock(&self.view).clone()
    }

    /// Notes a pass over everything that took `took`, with `errors` of the parts that failed. Logs what changed.
    pub fn refreshed(&self, took: Duration, errors: &[String]) {
        let now = self.status.now();
        let mut view = lock(&self.view);
        view.refreshes.add(took);
        view.broken = false;
        match told(errors) {
            None => view.succeeded(now),
            Some(text) => {
                view.refresh_failures += 1;
                view.failed(now, text);
            }
        }
    }

    /// Notes what keeps it from following its sources, or that nothing does: for sources that hear of changes and have
    /// no refreshes to count.
    pub(crate) fn follows(&self, troubles: &[String]) {
        let now = self.status.now();
        let mut view = lock(&self.view);
        view.broken = false;
        match told(troubles) {
            None => view.succeeded(now),
            Some(text) => view.failed(now, text),
        }
    }

    /// Notes that it cannot run.
    pub(crate) fn broke(&self, error: String) {
        let now = self.status.now();
        let mut view = lock(&self.view);
        view.broken = true;
        view.failed(now, error);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut ProviderView)) {
        change(&mut lock(&self.view));
    }
}

/// The first error, and how many there are besides.
fn told(errors: &[String]) -> Option<String> {
    let [error, more @ ..] = errors else { return None };
    Some(if more.is_empty() { error.clone() } else { format!("{error} (and {} more)", more.len()) })
}

impl ProviderView {
    fn succeeded(&mut self, now: SystemTime) {
        if self.consecutive_failures > 0 {
            tracing::info!(provider = %self.name, failures = self.consecutive_failures, "service discovery recovered");
        }
        self.consecutive_failures = 0;
        self.last_success = Some(now);
    }

    fn failed(&mut self, now: SystemTime, error: String) {
        self.consecutive_failures += 1;
        self.last_failure = Some(now);
        // A steady failure is told at 1, 2, 4, 8 … times; a new one at once.
        if self.consecutive_failures.is_power_of_two() || error != self.last_error {
            tracing::warn!(
                provider = %self.name,
                job = self.jobs.first().map_or("", |job| &**job),
                jobs = self.jobs.len(),
                failures = self.consecutive_failures,
                %error,
                "service discovery failed; its last targets are kept"
            );
        }
        self.last_error = error;
    }
}

/// Locks a mutex whose holders only copy: a panic in between leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_up_and_success_forgives_them() {
        let clock = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
        let read = clock.clone();
        let status = Arc::new(Status::new(Arc::new(move || *lock(&read))));
        let provider = status.provider("http/0".into(), "http", 7);
        provider.refreshed(Duration::from_millis(50), &["one".to_owned(), "two".to_owned()]);
        provider.refreshed(Duration::from_secs(60), &["one".to_owned()]);
        let view = &status.providers()[0];
        assert_eq!((view.consecutive_failures, view.refresh_failures, &*view.last_error), (2, 2, "one"));
        assert_eq!(view.refreshes.buckets, [0, 1, 0, 0, 1]);
        assert_eq!(view.last_failure, Some(SystemTime::UNIX_EPOCH));

        *lock(&clock) += Duration::from_secs(1);
        provider.refreshed(Duration::from_millis(1), &[]);
        let view = &status.providers()[0];
        assert_eq!((view.consecutive_failures, view.refresh_failures), (0, 2));
        assert_eq!(view.last_success, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)));
    }
}
