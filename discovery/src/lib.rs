//! Where things come from: service discovery, and the collectors of a fleet without Kubernetes.
//!
//! ```text
//!  watch<Arc<JobTable>>                                      a collectors file
//!          │                                                        │
//!          ▼                                                        ▼
//!    ┌─ Supervisor ─────────────────────────────┐             CollectorFile
//!    │ ledger   which provider, which job, what │                   │
//!    └───┬──────────────────────────────▲───────┘                   ▼
//!        │ starts one task per          │ Deliver:           watch<CollectorSet>
//!        ▼ SD config (Sources)          │ groups, synced
//!    provider ──► static │ file │ http │ dns │ kubernetes
//!        ▲                │      │
//!        │   DirectoryWatcher  HttpClient        everything found ──► GroupSink
//!        └── started again when it ends or panics    everything done ───► Status
//! ```
//!
//! A source knows neither jobs nor sinks. The ledger decides, without tasks or clocks, what each event means for each
//! job; nothing that fails ever takes a target away.

mod collectors;
mod http_client;
mod kubernetes;
mod promcr;
mod sink;
mod source;
mod status;
mod supervisor;
mod watch;

pub use collectors::{
    CollectorFile, CollectorFileStatus, CollectorFileView, CollectorsError, Fleet, ParsedCollectors, decode_collector,
    parse_collectors, read_collectors,
};
pub use http_client::{HttpClient, HttpClientError, ProxyEnvironment, check_http_client};
pub use kubernetes::{
    Cluster, CollectorPods, CollectorPodsConfig, Condition, Feed, Kind, KubeError, KubeSettings, Kubernetes, ObjectKey,
    Resource, Scope, ServiceAccount, Subscription, Terminating, WatchSettings, WatchView, Watches, watched,
};
pub use promcr::{ResourceJobs, ResourceOptions, ResourceReport, ResourceView, ResourceWatch, Resources};
pub use sink::{GroupChange, GroupKey, GroupSink};
pub use source::{
    Deliver, NamedGroup, ResolvConf, ResolvConfLoader, SourceError, SourceFuture, SourceSettings, Sources,
    StandardSources, Unsupported, parse_resolv_conf, unsupported,
};
pub use status::{
    Clock, Counters, JobView, ProviderStatus, ProviderView, REFRESH_BUCKETS, RefreshTimes, Status, WatchTotals,
};
pub use supervisor::{BackOff, Supervisor, SupervisorError};
pub use watch::{Bell, DirectoryWatcher, Listener};
