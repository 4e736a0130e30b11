//! Sources: one per SD mechanism. Each finds groups and delivers them; none knows jobs, or who listens.

mod dns;
mod file;
mod groups;
mod http;
mod poll;
mod static_;

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ta_model::group::TargetGroup;
use ta_model::job_table::JobTable;
use ta_model::scrape_config::SdConfig;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::http_client::ProxyEnvironment;
use crate::kubernetes::{KubeSettings, Kubernetes, WatchSettings, Watches, sd};
use crate::status::{ProviderStatus, Status};
use crate::watch::DirectoryWatcher;

pub use dns::{ResolvConf, ResolvConfLoader, parse_resolv_conf};

/// A group with the name it has in its source.
pub type NamedGroup = (Arc<str>, Arc<TargetGroup>);

/// Why a source cannot run.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// A source at work. It ends when cancelled; ending before, or an error, means it is started again after a pause.
pub type SourceFuture = BoxFuture<'static, Result<(), SourceError>>;

/// Starts sources. The program has [`StandardSources`]; tests script their own.
pub trait Sources: Send + Sync + Debug + 'static {
    /// Starts what `config` describes; it delivers to `deliver` until `cancel`.
    fn start(&self, config: &SdConfig, deliver: Deliver, cancel: CancellationToken) -> SourceFuture;
}

/// A batch on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) provider: u64,
    /// Which start of the provider it is from: what an earlier one left in the channel counts no more.
    pub(crate) run: u64,
    pub(crate) news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    /// A run begins: what it will not name until it is synced, is gone.
    Begin,
    Groups(Vec<NamedGroup>),
    Synced,
}

/// Where one run of a source puts what it finds.
#[derive(Clone, Debug)]
pub struct Deliver {
    provider: u64,
    run: u64,
    sender: mpsc::Sender<Delivery>,
    status: Arc<ProviderStatus>,
}

impl Deliver {
    pub(crate) fn new(provider: u64, run: u64, sender: mpsc::Sender<Delivery>, status: Arc<ProviderStatus>) -> Self {
        Self { provider, run, sender, status }
    }

    /// Delivers groups by source. An empty group removes its source; sources not named stay as they are.
    /// Waits while the supervisor is busy.
    pub async fn groups(&self, groups: Vec<NamedGroup>) {
        self.send(News::Groups(groups)).await;
    }

    /// Everything that exists has been delivered since this run began, or since the last [`Deliver::relist`]: sources
    /// not named since are removed.
    pub async fn synced(&self) {
        self.send(News::Synced).await;
    }

    /// Everything that exists will be delivered anew, up to the next [`Deliver::synced`]. Until then nothing is lost.
    pub async fn relist(&self) {
        self.send(News::Begin).await;
    }

    /// Where to say how it is going.
    #[must_use]
    pub fn status(&self) -> &ProviderStatus {
        &self.status
    }

    async fn send(&self, news: News) {
        let delivery = Delivery { provider: self.provider, run: self.run, news };
        // the supervisor is gone: so is this source, at its next await
        drop(self.sender.send(delivery).await);
    }
}

/// What sources share and what tests shorten.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The version in `User-Agent: Prometheus/<version>`, as upstream's SD requests say it.
    pub prometheus_version: String,
    /// Longest `http_sd_configs` answer that is read. A million targets of forty labels are about 4 GB; one HTTP
    /// answer with more than 256 MiB is far more likely to be a mistake.
    pub max_http_body: usize,
    /// Pause before the first retry of a source that has not delivered yet; it doubles up to the refresh interval.
    pub first_retry: Duration,
    /// After a file event: quiet time to wait for, so that a file being written is read once and whole.
    pub settle: Duration,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            prometheus_version: "3.14.0".to_owned(),
            max_http_body: 256 << 20,
            first_retry: Duration::from_secs(1),
            settle: Duration::from_millis(50),
        }
    }
}

/// The mechanisms of this program.
#[derive(Clone, Debug)]
pub struct StandardSources {
    pub status: Arc<Status>,
    pub environment: ProxyEnvironment,
    pub watcher: DirectoryWatcher,
    pub resolv_conf: ResolvConfLoader,
    pub kubernetes: Kubernetes,
    pub settings: SourceSettings,
    /// Permits to use a thread that may block.
    pub threads: Arc<Semaphore>,
}

/// How many sources read files or decode long answers at the same time. Thousands start together; left alone they
/// would start hundreds of threads and hold all their answers in memory at once.
const BLOCKING_AT_ONCE: usize = 8;

impl StandardSources {
    /// Sources over the system's own resolver configuration, file watcher and proxy variables.
    #[must_use]
    pub fn new(status: Arc<Status>) -> Self {
        Self {
            watcher: DirectoryWatcher::new(status.clone()),
            kubernetes: Kubernetes::new(
                Watches::new(status.clone(), WatchSettings::default()),
                KubeSettings::default(),
            ),
            status,
            environment: ProxyEnvironment::from_process(),
            resolv_conf: ResolvConfLoader::system(),
            settings: SourceSettings::default(),
            threads: Arc::new(Semaphore::new(BLOCKING_AT_ONCE)),
        }
    }

    /// Runs `work` on a thread that may block, when it is its turn. An error means that it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let _permit = self.threads.acquire().await; // never closed; without a permit the work would still be right
        spawn_blocking(work).await
    }
}

impl Sources for StandardSources {
    fn start(&self, config: &SdConfig, deliver: Deliver, cancel: CancellationToken) -> SourceFuture {
        let context = self.clone();
        match config.clone() {
            SdConfig::Static(groups) => Box::pin(static_::run(groups, deliver, cancel)),
            SdConfig::File(config) => Box::pin(file::run(config, context, deliver, cancel)),
            SdConfig::Http(config) => Box::pin(http::run(*config, context, deliver, cancel)),
            SdConfig::Dns(config) => Box::pin(dns::run(config, context, deliver, cancel)),
            SdConfig::Kubernetes(config) => Box::pin(sd::run(*config, context.kubernetes, deliver, cancel)),
            SdConfig::Unsupported(mechanism) => refuse(&mechanism),
        }
    }
}

fn refuse(mechanism: &str) -> SourceFuture {
    let error = format!("{mechanism}_sd_configs is not supported");
    Box::pin(async move { Err(error.into()) })
}

/// A job that asks for a mechanism this program does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("job {job:?} uses {mechanism}_sd_configs, which this target allocator does not support")]
pub struct Unsupported {
    pub job: Arc<str>,
    pub mechanism: String,
}

/// All uses of mechanisms that [`StandardSources`] does not have. They would never find a target, so a configuration
/// with one should be refused.
#[must_use]
pub fn unsupported(table: &JobTable) -> Vec<Unsupported> {
    let configs = table.jobs().iter().flat_map(|job| job.config().sd_configs.iter().map(move |config| (job, config)));
    let missing = configs.filter(|(_, config)| matches!(config, SdConfig::Unsupported(_)));
    missing
        .map(|(job, config)| Unsupported { job: job.name().clone(), mechanism: config.mechanism().to_owned() })
        .collect()
}
