//! A run: a synthetic cluster, an allocator under test, churn, and what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::measure::{Census, ProbeOptions, Probes, Served, census};
use super::population::{ClusterChurn, ClusterChurnKind, Population, PopulationOptions};
use super::{ClusterBuilder, KINDS, RequestCounts, SimulatedCluster, allocator_config};
use crate::loopback::Endpoint;
use crate::process::usage;
use crate::scenario::Instance;
use crate::stats::lock;

/// Time between changes while churning: at 50 pods a second each comes alone.
const CHURN_TICK: Duration = Duration::from_millis(20);
/// Time between looks at the memory of the process under test.
const USAGE_TICK: Duration = Duration::from_millis(100);

/// What is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The server.
    pub server: ClusterBuilder,
    /// What lives in it.
    pub population: PopulationOptions,
    /// Where kubeconfig, configuration and log go.
    pub directory: PathBuf,
    /// Allocation strategy in the configuration.
    pub strategy: String,
    /// Command under test, with `{config}`, `{listen}` and `{kubeconfig}`.
    pub command: Option<String>,
    /// An allocator that runs already.
    pub measure: Option<Endpoint>,
    /// Its process, if it is to be watched.
    pub watch_pid: Option<u32>,
    /// Longest wait for `/readyz`, and then for all targets.
    pub patience: Duration,
    /// What changes.
    pub churn: Option<ClusterChurnKind>,
    /// Pods or monitors changed per second.
    pub rate: f64,
    /// How long.
    pub duration: Duration,
    /// Changes followed at once.
    pub probes: usize,
    /// Time between looks of each.
    pub probe_every: Duration,
}

/// What came of it. Times in seconds, sizes in bytes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClusterReport {
    /// Objects by plural name of their kind.
    pub objects: BTreeMap<String, usize>,
    /// Bytes of their JSON.
    pub object_bytes: usize,
    /// Time to make them.
    pub populate_seconds: f64,
    /// From start to `/readyz`; none if the allocator ran already.
    pub ready_seconds: Option<f64>,
    /// From start until every target was served.
    pub served_seconds: Option<f64>,
    /// Targets there are.
    pub targets: u64,
    /// Targets served before any churn.
    pub targets_served: Option<u64>,
    /// Bytes of the answers for all jobs.
    pub served_bytes: Option<u64>,
    /// Jobs that served another number of targets than there are: a few of them.
    pub wrong_jobs: BTreeMap<String, u64>,
    /// The process under test.
    pub process: Option<ProcessReport>,
    /// Changes made.
    pub changes: u64,
    /// From change to served.
    pub change_to_served: Option<LatencyReport>,
    /// Requests until the churn began.
    pub requests_at_start: BTreeMap<String, RequestCounts>,
    /// Requests during the churn.
    pub requests_during_churn: BTreeMap<String, RequestCounts>,
}

/// Memory and CPU of the process under test.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ProcessReport {
    /// CPU time until all targets were served.
    pub cpu_seconds_at_start: f64,
    /// Resident memory then.
    pub rss_at_start: u64,
    /// Most resident memory.
    pub rss_max: u64,
    /// Resident memory at the end.
    pub rss_end: u64,
    /// CPU time per second during the churn.
    pub churn_cores: f64,
    /// Resident memory beyond the served bytes, per target, before any churn.
    pub overhead_per_target: Option<i64>,
}

/// A distribution of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Changes measured.
    pub count: u64,
    /// Changes measured that were not served in time.
    pub unseen: u64,
    /// Half took less.
    pub p50: f64,
    /// 99 of 100 took less.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl LatencyReport {
    fn new(served: &Served) -> LatencyReport {
        let seconds = |micros: u64| micros as f64 / 1e6;
        LatencyReport {
            count: served.micros.len(),
            unseen: served.unseen,
            p50: seconds(served.micros.value_at_quantile(0.5)),
            p99: seconds(served.micros.value_at_quantile(0.99)),
            max: seconds(served.micros.max()),
        }
    }
}

/// A cluster with its population, and where to find it.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub cluster: SimulatedCluster,
    /// What lives in it.
    pub population: Population,
    /// For clients.
    pub kubeconfig: PathBuf,
    /// For the allocator.
    pub config: PathBuf,
    /// Time it took.
    pub populate: Duration,
}

impl Stage {
    /// Starts a server, fills it, and writes kubeconfig and configuration.
    ///
    /// # Errors
    /// Sizes that do not go together, ports or directory unusable.
    pub async fn set(options: &RunOptions) -> anyhow::Result<Stage> {
        let population = Population::new(options.population.clone())?;
        let cluster = options.server.clone().start().await.context("start to listen")?;
        let start = Instant::now();
        population.settle_in(&cluster);
        let populate = start.elapsed();
        let directory = &options.directory;
        let kubeconfig = cluster.kubeconfig(directory).with_context(|| format!("write to {}", directory.display()))?;
        let config = kubeconfig.with_file_name("allocator.yaml");
        let text = allocator_config(&population, &kubeconfig, &options.strategy);
        std::fs::write(&config, text).with_context(|| format!("write {}", config.display()))?;
        Ok(Stage { cluster, population, kubeconfig, config, populate })
    }
}

/// Runs an allocator against the stage and tells what came of it; without one, serves and churns until the time is over.
///
/// # Errors
/// The command cannot be run or is not ready in time.
pub async fn run(
    stage: &mut Stage,
    options: &RunOptions,
    progress: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<ClusterReport> {
    let mut report = ClusterReport { populate_seconds: stage.populate.as_secs_f64(), ..ClusterReport::default() };
    for kind in &KINDS {
        let (count, bytes) = stage.cluster.size(kind.plural);
        report.objects.insert(kind.plural.to_owned(), count);
        report.object_bytes += bytes;
    }
    let expected = stage.population.expected();
    report.targets = expected.values().sum();
    let begun = Instant::now();
    let (instance, pid) = start(stage, options, progress, begun, &mut report).await?;
    let watched = pid.map(Watched::new);
    let endpoint = match &instance {
        Some(instance) => Some(instance.address().into()),
        None => options.measure.clone(),
    };
    if let Some(endpoint) = &endpoint {
        take_census(endpoint, &expected, options.patience, begun, progress, &mut report).await;
    }
    let before = watched.as_ref().map(Watched::last).unwrap_or_default();
    report.requests_at_start = stage.cluster.requests();
    stage.cluster.reset_requests();
    let churned = Instant::now();
    churn(stage, options, endpoint, progress, &mut report).await;
    report.requests_during_churn = stage.cluster.requests();
    if let Some(watched) = watched {
        let (end, seconds) = (watched.last(), churned.elapsed().as_secs_f64());
        let beyond = report.served_bytes.map(|bytes| before.rss_bytes as i64 - bytes as i64);
        let per_target = report.targets_served.filter(|targets| *targets > 0).and_then(|t| Some(beyond? / t as i64));
        report.process = Some(ProcessReport {
            cpu_seconds_at_start: before.cpu_seconds,
            rss_at_start: before.rss_bytes,
            rss_max: watched.most(),
            rss_end: end.rss_bytes,
            churn_cores: (end.cpu_seconds - before.cpu_seconds) / seconds.max(0.001),
            overhead_per_target: per_target,
        });
    }
    if let Some(mut instance) = instance {
        instance.kill().await?;
    }
    Ok(report)
}

async fn start(
    stage: &Stage,
    options: &RunOptions,
    progress: &(dyn Fn(&str) + Sync),
    begun: Instant,
    report: &mut ClusterReport,
) -> anyhow::Result<(Option<Instance>, Option<u32>)> {
    let Some(command) = &options.command else { return Ok((None, options.watch_pid)) };
    progress("waiting until it is ready");
    let command = command.replace("{kubeconfig}", &stage.kubeconfig.to_string_lossy());
    let mut instance = Instance::new(0, &command, &stage.config, &options.directory)?;
    let pid = instance.start()?;
    instance.ready(options.patience).await?;
    report.ready_seconds = Some(begun.elapsed().as_secs_f64());
    Ok((Some(instance), Some(pid)))
}

/// Counts what is served until it is everything.
async fn take_census(
    endpoint: &Endpoint,
    expected: &BTreeMap<String, u64>,
    patience: Duration,
    begun: Instant,
    progress: &(dyn Fn(&str) + Sync),
    report: &mut ClusterReport,
) {
    let start = Instant::now();
    let mut counted = Census::default();
    while start.elapsed() < patience {
        counted = census(endpoint, expected).await;
        progress(&format!("{} of {} targets are served", counted.targets, report.targets));
        if counted.wrong.is_empty() {
            report.served_seconds = Some(begun.elapsed().as_secs_f64());
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    report.targets_served = Some(counted.targets);
    report.served_bytes = Some(counted.bytes);
    report.wrong_jobs = counted.wrong.into_iter().take(10).collect();
}

async fn churn(
    stage: &mut Stage,
    options: &RunOptions,
    endpoint: Option<Endpoint>,
    progress: &(dyn Fn(&str) + Sync),
    report: &mut ClusterReport,
) {
    let Some(kind) = options.churn else {
        if endpoint.is_none() {
            progress("serving; Ctrl-C ends it");
            sleep(options.duration).await;
        }
        return;
    };
    let mut probes = endpoint.map(|endpoint| {
        let patience = Duration::from_secs(30);
        Probes::new(ProbeOptions { endpoint, probes: options.probes, every: options.probe_every, patience })
    });
    let mut churn = ClusterChurn::new(kind, options.rate, options.population.seed);
    let (begun, mut last) = (Instant::now(), Instant::now());
    while begun.elapsed() < options.duration {
        sleep(CHURN_TICK).await;
        let now = Instant::now();
        let expected = churn.advance(&mut stage.population, &stage.cluster, (now - last).as_secs_f64());
        last = now;
        report.changes += expected.len() as u64;
        if let Some(probes) = &mut probes {
            expected.into_iter().for_each(|expectation| probes.offer(expectation));
        }
        progress(&format!("{} changes; Ctrl-C ends it", report.changes));
    }
    if let Some(probes) = probes {
        report.change_to_served = Some(LatencyReport::new(&probes.finish().await));
    }
}

/// Looks at a process until dropped.
#[derive(Debug)]
struct Watched {
    seen: Arc<Mutex<(crate::process::Usage, u64)>>,
    _stop: DropGuard,
}

impl Watched {
    fn new(pid: u32) -> Watched {
        let (seen, stop) = (Arc::<Mutex<(crate::process::Usage, u64)>>::default(), CancellationToken::new());
        let shown = seen.clone();
        let look = async move {
            while let Some(now) = usage(pid) {
                {
                    let mut seen = lock(&shown);
                    *seen = (now, seen.1.max(now.rss_bytes));
                }
                sleep(USAGE_TICK).await;
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(look));
        Watched { seen, _stop: stop.drop_guard() }
    }

    fn last(&self) -> crate::process::Usage {
        lock(&self.seen).0
    }

    fn most(&self) -> u64 {
        lock(&self.seen).1
    }
}
