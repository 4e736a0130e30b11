//! The process' own metrics: upstream's names, and true values.
//!
//! What the snapshot knows is read from it when scraped, so a job or collector that is gone takes its series along.
//! Only what happened in between (durations, counts) is kept here.

mod families;
mod name;
mod resources;
mod snapshot;
mod status;
mod tls;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramOpts, HistogramVec, Registry};
use ta_engine::{Snapshot, StrategyKind};

pub use name::Name;
pub(crate) use snapshot::imbalance;
pub use tls::{Handshake, TlsFiles};

use crate::http::StatusSource;
use families::{Families, seconds_since_epoch};
use tls::TlsMetrics;

/// Upstream's bounds, which are milliseconds counted as seconds, preceded by ones that tell something.
const DURATION_BUCKETS: [f64; 24] = [
    0.0, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0,
    750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0,
];

/// Upstream's bounds of the processing histograms, preceded by ones below a second.
const PROCESS_BUCKETS: [f64; 13] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0];

/// The instrumentation scope of every series that upstream exports through OpenTelemetry.
pub(crate) const SCOPE_NAME: &str = "targetallocator";
const SCOPE: [(&str, &str); 3] =
    [("otel_scope_name", SCOPE_NAME), ("otel_scope_schema_url", ""), ("otel_scope_version", "")];

/// What made the engine compute an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Targets or jobs changed.
    SetTargets,
    /// The collector set changed.
    SetCollectors,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Method::SetTargets => "SetTargets",
            Method::SetCollectors => "SetCollectors",
        }
    }
}

/// Who is measured.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The allocation strategy, as configured; the main one even where the fallback decides.
    pub strategy: StrategyKind,
    /// `service_name` of `target_info`.
    pub service_name: String,
}

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Identity,
    scoped: Registry,
    process: Registry,
    time_to_allocate: HistogramVec,
    http_duration: HistogramVec,
    process_targets: Histogram,
    process_target_groups: HistogramVec,
    collectors_discovered: AtomicU64,
    moves: AtomicU64,
    events: AtomicU64,
    masked_config_polls: AtomicU64,
    panics: AtomicU64,
    connections: AtomicI64,
    /// Milliseconds since 1970; 0 = never.
    published: AtomicU64,
    tls: TlsMetrics,
    /// Pushes by OTLP that were taken, and that failed.
    pushes: [AtomicU64; 2],
    /// Labels of `target_info`, where metrics are pushed.
    resource: OnceLock<Vec<(String, String)>>,
}

impl Metrics {
    /// Instruments at zero.
    ///
    /// # Errors
    /// Two instruments share a name, or a name is not valid: a mistake in [`Name`].
    pub fn new(identity: Identity) -> Result<Self, prometheus::Error> {
        let scope = SCOPE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let scoped = Registry::new_custom(None, Some(scope))?;
        let process = Registry::new();
        #[cfg(target_os = "linux")]
        process.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let durations = |name| options(name, &DURATION_BUCKETS);
        let processing = |name| options(name, &PROCESS_BUCKETS);
        let inner = Inner {
            time_to_allocate: HistogramVec::new(durations(Name::TimeToAllocate), &["method", "strategy"])?,
            http_duration: HistogramVec::new(durations(Name::HttpDuration), &["path"])?,
            process_targets: Histogram::with_opts(processing(Name::ProcessTargets))?,
            process_target_groups: HistogramVec::new(processing(Name::ProcessTargetGroups), &["job_name"])?,
            identity,
            scoped,
            process,
            collectors_discovered: AtomicU64::new(0),
            moves: AtomicU64::new(0),
            events: AtomicU64::new(0),
            masked_config_polls: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            published: AtomicU64::new(0),
            tls: TlsMetrics::default(),
            pushes: [const { AtomicU64::new(0) }; 2],
            resource: OnceLock::new(),
        };
        inner.scoped.register(Box::new(inner.time_to_allocate.clone()))?;
        inner.scoped.register(Box::new(inner.http_duration.clone()))?;
        inner.scoped.register(Box::new(inner.process_targets.clone()))?;
        inner.scoped.register(Box::new(inner.process_target_groups.clone()))?;
        Ok(Self(Arc::new(inner)))
    }

    /// The allocation strategy in force.
    pub(crate) fn strategy(&self) -> StrategyKind {
        self.0.identity.strategy
    }

    /// Times answers, in seconds; `template` is their route, empty for none.
    pub(crate) fn http_timer(&self, template: &str) -> Histogram {
        self.0.http_duration.with_label_values(&[template])
    }

    /// The engine computed an assignment.
    pub fn observe_allocation(&self, method: Method, took: Duration) {
        let labels = [method.as_str(), self.strategy().name()];
        self.0.time_to_allocate.with_label_values(&labels).observe(took.as_secs_f64());
    }

    /// A whole step, allocation included.
    pub fn observe_step(&self, took: Duration) {
        self.0.process_targets.observe(took.as_secs_f64());
    }

    /// The groups of one job were resolved.
    pub fn observe_job(&self, job: &str, took: Duration) {
        self.0.process_target_groups.with_label_values(&[job]).observe(took.as_secs_f64());
    }

    /// A snapshot was published in which `moved` targets changed their collector.
    pub fn published(&self, now: SystemTime, moved: u64) {
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        self.0.published.store(u64::try_from(millis).unwrap_or(0), Ordering::Relaxed);
        self.0.moves.fetch_add(moved, Ordering::Relaxed);
    }

    /// Healthy collectors at the last look, which may be ahead of the snapshot.
    pub fn set_collectors_discovered(&self, collectors: usize) {
        self.0.collectors_discovered.store(collectors as u64, Ordering::Relaxed);
    }

    /// A change of a watched custom resource was taken up.
    pub fn custom_resource_event(&self) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
    }

    /// A client took a configuration whose secrets were masked.
    pub(crate) fn masked_config_poll(&self) {
        self.0.masked_config_polls.fetch_add(1, Ordering::Relaxed);
    }

    /// How often [`Metrics::masked_config_poll`] was called.
    pub(crate) fn masked_config_polls(&self) -> u64 {
        self.0.masked_config_polls.load(Ordering::Relaxed)
    }

    /// A handler or a body panicked.
    pub(crate) fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Metrics are pushed, as this resource: `target_info` shows it from now on. Only the first call counts.
    pub(crate) fn pushed_as(&self, resource: Vec<(String, String)>) {
        self.0.resource.set(resource).ok(); // set before: as good
    }

    /// Metrics were pushed, or could not be.
    pub(crate) fn pushed(&self, taken: bool) {
        self.0.pushes[usize::from(!taken)].fetch_add(1, Ordering::Relaxed);
    }

    /// A client connected over TLS, or tried to.
    pub(crate) fn handshake(&self, how: Handshake) {
        self.0.tls.handshake(how);
    }

    /// Whether what lies in the TLS files now can be used.
    pub(crate) fn tls_files(&self, what: TlsFiles, good: bool) {
        self.0.tls.files(what, good);
    }

    /// Changed TLS files were put in force.
    pub(crate) fn tls_reloaded(&self, what: TlsFiles) {
        self.0.tls.reloaded(what);
    }

    /// When the server's certificate expires, in seconds since 1970.
    pub(crate) fn tls_not_after(&self, seconds: i64) {
        self.0.tls.not_after(seconds);
    }

    /// Counts a connection for as long as the guard lives.
    pub(crate) fn connection(&self) -> ConnectionGuard {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self.clone())
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> i64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// When the last snapshot was published.
    pub(crate) fn last_published(&self) -> Option<SystemTime> {
        let millis = self.0.published.load(Ordering::Relaxed);
        (millis > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// Every family, sorted by name.
    #[must_use]
    pub fn gather(&self, snapshot: &Snapshot, status: &dyn StatusSource) -> Vec<MetricFamily> {
        self.forget_jobs(snapshot);
        let mut families = Families::default();
        snapshot::collect(&mut families, snapshot, self.strategy().name());
        self.collect_own(&mut families);
        status::collect(&mut families, &status.status());
        if let Some(resources) = status.resources() {
            resources::collect(&mut families, &resources);
        }
        let mut all = families.into_vec();
        all.extend(self.0.scoped.gather().into_iter().map(with_sorted_labels));
        all.extend(self.0.process.gather());
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    fn collect_own(&self, families: &mut Families) {
        let inner = &*self.0;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        families.gauge(Name::CollectorsDiscovered, count(&inner.collectors_discovered) as f64);
        families.counter(Name::Moves, count(&inner.moves));
        families.counter_with(Name::Events, &[("source", "EventSourcePrometheusCR")], count(&inner.events));
        families.counter(Name::MaskedConfigPolls, count(&inner.masked_config_polls));
        families.counter(Name::HttpPanics, count(&inner.panics));
        families.gauge(Name::HttpConnections, self.connections() as f64);
        inner.tls.collect(families);
        if let Some(time) = self.last_published() {
            families.gauge(Name::SnapshotTimestamp, seconds_since_epoch(time));
        }
        let Some(resource) = inner.resource.get() else {
            families.info(&[
                ("service_name", inner.identity.service_name.as_str()),
                ("telemetry_sdk_language", "rust"),
                ("telemetry_sdk_name", env!("CARGO_PKG_NAME")),
                ("telemetry_sdk_version", env!("CARGO_PKG_VERSION")),
            ]);
            return;
        };
        let labels: Vec<_> = resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        families.info(&labels);
        for (result, pushes) in ["ok", "failed"].into_iter().zip(&inner.pushes) {
            families.counter_with(Name::OtlpPushes, &[("result", result)], count(pushes));
        }
    }

    /// Drops the durations of jobs that are gone.
    fn forget_jobs(&self, snapshot: &Snapshot) {
        use prometheus::core::Collector;
        let families = self.0.process_target_groups.collect();
        for metric in families.iter().flat_map(MetricFamily::get_metric) {
            let job =
                metric.get_label().iter().find(|label| label.name() == "job_name").map_or("", |label| label.value());
            if snapshot.job(job).is_none() {
                // fails only if another scrape was quicker
                drop(self.0.process_target_groups.remove_label_values(&[job]));
            }
        }
    }
}

/// See [`Metrics::connection`].
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Metrics);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The registry puts its own labels last, in any order.
fn with_sorted_labels(mut family: MetricFamily) -> MetricFamily {
    for metric in family.mut_metric() {
        metric.mut_label().sort_by(|a, b| a.name().cmp(b.name()));
    }
    family
}

fn options(name: Name, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name.as_str(), name.help()).buckets(buckets.to_vec())
}
