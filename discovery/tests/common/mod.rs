//! What all tests of discovery need: a sink that remembers, job tables in one line, waiting for a condition.
#![allow(dead_code, unreachable_pub)] // every test file uses another part

pub mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ta_discovery::{
    BackOff, GroupChange, GroupKey, GroupSink, ProviderView, ResolvConfLoader, SourceSettings, Sources,
    StandardSources, Status, Supervisor, SupervisorError, parse_resolv_conf,
};
use ta_model::job_table::{FilterStrategy, JobTable, Origin};
use ta_model::scrape_config::{ScrapeConfig, SdConfig, StaticGroup};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The labels of one target.
pub type Labels = BTreeMap<String, String>;

/// A target with these labels.
pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a sink was told.
#[derive(Debug, Default)]
pub struct Told {
    pub groups: BTreeMap<GroupKey, Vec<Labels>>,
    pub synced: Vec<String>,
    /// For each batch: how many groups it replaced and removed, by job.
    pub batches: Vec<BTreeMap<String, (usize, usize)>>,
    /// The addresses of each job after each batch.
    pub history: Vec<BTreeMap<String, BTreeSet<String>>>,
}

impl Told {
    /// The addresses of a job's targets.
    pub fn addresses(&self, job: &str) -> BTreeSet<String> {
        self.targets(job).into_iter().filter_map(|target| target.get("__address__").cloned()).collect()
    }

    /// All targets of a job.
    pub fn targets(&self, job: &str) -> Vec<Labels> {
        self.groups.iter().filter(|(key, _)| &*key.job == job).flat_map(|(_, targets)| targets.clone()).collect()
    }

    /// The sources of a job's groups.
    pub fn sources(&self, job: &str) -> Vec<String> {
        self.groups.keys().filter(|key| &*key.job == job).map(|key| key.source.to_string()).collect()
    }

    pub fn is_synced(&self, job: &str) -> bool {
        self.synced.iter().any(|name| name == job)
    }
}

/// A sink that remembers.
#[derive(Debug, Default)]
pub struct RecordingSink(Mutex<Told>);

impl GroupSink for RecordingSink {
    fn apply(&self, changes: Vec<GroupChange>) {
        let mut told = self.0.lock().unwrap();
        let mut batch = BTreeMap::<String, (usize, usize)>::new();
        for change in changes {
            match change {
                GroupChange::Replace(key, group) => {
                    batch.entry(key.job.to_string()).or_default().0 += 1;
                    let targets = (0..group.len()).map(|target| {
                        group.labels(target).map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
                    });
                    assert!(!group.is_empty(), "an empty group is a removal");
                    told.groups.insert(key, targets.collect());
                }
                GroupChange::Remove(key) => {
                    batch.entry(key.job.to_string()).or_default().1 += 1;
                    assert!(told.groups.remove(&key).is_some(), "{key:?} was removed but never there");
                }
            }
        }
        let jobs: BTreeSet<String> = told.groups.keys().map(|key| key.job.to_string()).collect();
        let state = jobs.into_iter().map(|job| (job.clone(), told.addresses(&job))).collect();
        told.batches.push(batch);
        told.history.push(state);
    }

    fn synced(&self, job: &Arc<str>) {
        self.0.lock().unwrap().synced.push(job.to_string());
    }
}

impl RecordingSink {
    pub fn read<T>(&self, read: impl FnOnce(&Told) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// Waits until what was told meets `condition`.
    pub async fn until(&self, what: &str, condition: impl Fn(&Told) -> bool) {
        until(what, || self.read(&condition)).await;
    }

    /// Waits until `job` has exactly these addresses.
    pub async fn until_addresses(&self, job: &str, addresses: &[&str]) {
        let wanted: BTreeSet<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        let deadline = Instant::now() + PATIENCE;
        while self.read(|told| told.addresses(job)) != wanted {
            assert!(
                Instant::now() < deadline,
                "{job} should have {wanted:?}, has {:?}",
                self.read(|t| t.addresses(job))
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Discovery at work.
pub struct Discovery {
    pub sink: Arc<RecordingSink>,
    pub status: Arc<Status>,
    pub tables: watch::Sender<Arc<JobTable>>,
    pub cancel: CancellationToken,
    pub task: JoinHandle<Result<(), SupervisorError>>,
    number: u64,
}

impl Discovery {
    /// Discovery with the real sources.
    pub fn start(jobs: Vec<(&str, Vec<SdConfig>)>) -> Self {
        Self::start_with(jobs, |_| {})
    }

    /// Discovery with the real sources, changed a little.
    pub fn start_with(jobs: Vec<(&str, Vec<SdConfig>)>, change: impl FnOnce(&mut StandardSources)) -> Self {
        let status = Arc::new(Status::default());
        let mut sources = StandardSources::new(status.clone());
        sources.environment = ta_discovery::ProxyEnvironment::default();
        sources.resolv_conf = ResolvConfLoader::fixed(parse_resolv_conf(""));
        sources.settings = SourceSettings {
            first_retry: Duration::from_millis(5),
            settle: Duration::from_millis(10),
            ..SourceSettings::default()
        };
        change(&mut sources);
        Self::start_sources(jobs, Arc::new(sources), status)
    }

    /// Discovery with other sources.
    pub fn start_sources(jobs: Vec<(&str, Vec<SdConfig>)>, sources: Arc<dyn Sources>, status: Arc<Status>) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let (tables, receiver) = watch::channel(Arc::new(mk_table(1, jobs)));
        let back_off = BackOff { first: Duration::from_millis(5), max: Duration::from_millis(20) };
        let supervisor = Supervisor::new(sink.clone(), sources, status.clone(), back_off);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(supervisor.run(receiver, cancel.clone()));
        Self { sink, status, tables, cancel, task, number: 1 }
    }

    /// Puts another job table in force.
    pub fn follow(&mut self, jobs: Vec<(&str, Vec<SdConfig>)>) {
        self.number += 1;
        self.tables.send(Arc::new(mk_table(self.number, jobs))).unwrap();
    }

    /// The one provider there is.
    pub fn provider(&self) -> ProviderView {
        let providers = self.status.providers();
        assert_eq!(providers.len(), 1);
        providers.into_iter().next().unwrap()
    }

    /// Waits until the one provider failed with a text that contains `text`.
    pub async fn until_error(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = self.status.providers().first().map(|view| view.last_error.clone()).unwrap_or_default();
            if error.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "waited for the error {text:?}, the last was {error:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub fn mk_static(addresses: &[&str]) -> SdConfig {
    let targets = addresses.iter().map(|address| (*address).to_owned()).collect();
    SdConfig::Static(vec![StaticGroup { targets, labels: BTreeMap::new() }])
}

/// A Prometheus duration of so many milliseconds.
pub fn mk_millis(millis: u64) -> ta_model::Duration {
    ta_model::Duration::from_millis(millis)
}

/// A job table of these jobs.
pub fn mk_table(number: u64, jobs: Vec<(&str, Vec<SdConfig>)>) -> JobTable {
    let configs = jobs.into_iter().map(|(name, configs)| (Arc::new(mk_scrape_config(name, configs)), Origin::File));
    JobTable::new(number, configs.collect(), FilterStrategy::RelabelConfig)
}

pub fn mk_scrape_config(name: &str, sd_configs: Vec<SdConfig>) -> ScrapeConfig {
    ScrapeConfig { sd_configs, ..ScrapeConfig::new(name) }
}
