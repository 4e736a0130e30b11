//! Where things come from: service discovery, and the collectors of a fleet without Kubernetes.

mod collectors;
mod http_client;
mod sink;
mod source;
mod status;
mod supervisor;
mod watch;

pub use collectors::{
    CollectorFile, CollectorFileStatus, CollectorFileView, CollectorsError, ParsedCollectors, decode_collector,
    parse_collectors, read_collectors,
};
pub use http_client::{HttpClient, HttpClientError, ProxyEnvironment, check_http_client};
pub use sink::{GroupChange, GroupKey, GroupSink};
pub use source::{
    Deliver, NamedGroup, ResolvConf, ResolvConfLoader, SourceError, SourceFuture, SourceSettings, Sources,
    StandardSources, Unsupported, parse_resolv_conf, unsupported,
};
pub use status::{Clock, Counters, JobView, ProviderStatus, ProviderView, REFRESH_BUCKETS, RefreshTimes, Status};
pub use supervisor::{BackOff, Supervisor, SupervisorError};
pub use watch::{Bell, DirectoryWatcher, Listener};
