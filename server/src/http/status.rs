//! What pages and metrics want to know of service discovery, in this side's words: discovery is not imported here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ta_model::cr::{Explanation, ObjectId};

use super::resources::ResourceStatus;

/// Upper bounds in seconds of [`Refreshes::buckets`] (Prometheus: `discovery/metrics_refresh.go`).
pub const REFRESH_BUCKETS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// How discovery stands, read at one instant.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryStatus {
    /// In a stable order.
    pub providers: Vec<ProviderStatus>,
    /// By name.
    pub jobs: Vec<JobStatus>,
    /// Path and time of last change of every file read.
    pub files: Vec<(Arc<str>, SystemTime)>,
    /// Of Kubernetes objects, in the order in which they began.
    pub watches: Vec<WatchStatus>,
    /// By resource, watches that are no more included.
    pub watch_totals: BTreeMap<String, WatchTotals>,
    pub counters: SdCounters,
}

/// One running provider.
#[derive(Clone, Debug, Default)]
pub struct ProviderStatus {
    /// For people, like `file/3`.
    pub name: Arc<str>,
    /// `static`, `file`, `http`, `dns`, …
    pub mechanism: String,
    /// The jobs it feeds.
    pub jobs: Vec<Arc<str>>,
    /// It has delivered once.
    pub synced: bool,
    /// It cannot run at all.
    pub broken: bool,
    pub groups: u64,
    pub targets: u64,
    pub last_success: Option<SystemTime>,
    pub last_failure: Option<SystemTime>,
    /// 0 while all is well.
    pub consecutive_failures: u64,
    /// Without secrets; may be kept after recovery.
    pub last_error: String,
    pub refresh_failures: u64,
    pub refreshes: Refreshes,
}

impl ProviderStatus {
    /// Its targets may be out of date.
    pub(crate) fn is_failing(&self) -> bool {
        self.broken || self.consecutive_failures > 0
    }
}

/// How often and how long.
#[derive(Clone, Debug, Default)]
pub struct Refreshes {
    pub count: u64,
    pub sum: Duration,
    /// Refreshes within each of [`REFRESH_BUCKETS`] (not cumulated), and beyond.
    pub buckets: [u64; REFRESH_BUCKETS.len() + 1],
}

/// One job as discovery sees it.
#[derive(Clone, Debug, Default)]
pub struct JobStatus {
    pub name: Arc<str>,
    pub targets: u64,
    pub last_update: Option<SystemTime>,
}

/// One watch of Kubernetes objects.
#[derive(Clone, Debug, Default)]
pub struct WatchStatus {
    /// The API server's address.
    pub cluster: Arc<str>,
    /// As RBAC rules name it: `pods`, `endpointslices.discovery.k8s.io`.
    pub resource: String,
    /// `None`: all namespaces.
    pub namespace: Option<Arc<str>>,
    /// Empty: all.
    pub label_selector: String,
    /// Empty: all.
    pub field_selector: String,
    pub subscribers: u64,
    /// The first list was applied.
    pub synced: bool,
    pub state: WatchState,
    pub objects: u64,
    /// On the heap.
    pub bytes: u64,
    /// Times that an object came which could not be read.
    pub undecodable: u64,
    pub last_undecodable: String,
    /// When the server last sent something.
    pub last_event: Option<SystemTime>,
    /// Objects added, changed and deleted.
    pub events: u64,
    /// Lists applied, the first included.
    pub lists: u64,
    pub errors: u64,
    /// Kept after recovery.
    pub last_error: String,
    pub last_error_at: Option<SystemTime>,
    /// Requests sent.
    pub requests: u64,
}

/// What watches of one resource have seen since the process began; see [`WatchStatus`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchTotals {
    pub events: u64,
    pub lists: u64,
    pub errors: u64,
    pub undecodable: u64,
    pub requests: u64,
}

/// What a watch is at, the worst last.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchState {
    Watching,
    #[default]
    Listing,
    /// The server does not have this kind of object.
    Absent,
    /// With the server's words.
    Forbidden(String),
    /// In one sentence.
    Failing(String),
}

impl WatchState {
    /// Its name in metrics and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Listing => "listing",
            Self::Absent => "absent",
            Self::Forbidden(_) => "forbidden",
            Self::Failing(_) => "failing",
        }
    }

    /// What it holds may be out of date.
    pub(crate) fn is_failing(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Failing(_))
    }
}

/// Process-wide counts (Prometheus: `discovery/metrics.go` and the mechanisms').
#[derive(Clone, Debug, Default)]
pub struct SdCounters {
    pub received_updates: u64,
    pub updates: u64,
    pub http_failures: u64,
    pub dns_lookups: u64,
    pub dns_lookup_failures: u64,
    pub file_read_errors: u64,
    pub file_watcher_errors: u64,
    pub file_scans: u64,
    pub file_scan_time: Duration,
}

/// Tells how discovery fares. Asked by pages and by scrapes of `/metrics`: must be cheap and must not block.
pub trait StatusSource: Send + Sync + std::fmt::Debug + 'static {
    /// Everything, as it stands now.
    fn status(&self) -> DiscoveryStatus;

    /// prometheus-operator resources; `None` if they are not watched.
    fn resources(&self) -> Option<ResourceStatus> {
        None
    }

    /// Why each of these resources does or does not make targets, in their order. For people: it may take a while.
    fn explain(&self, _ids: &[ObjectId]) -> Vec<Explanation> {
        Vec::new()
    }
}

/// No discovery at all, for tests and benches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStatus;

impl StatusSource for NoStatus {
    fn status(&self) -> DiscoveryStatus {
        DiscoveryStatus::default()
    }
}
