//! The composition root: builds everything, starts it, waits, shuts down. The only module that knows all crates.

mod resources;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use ta_discovery::{
    BackOff, Clock, CollectorFile, CollectorPods, Fleet, GroupSink, ProxyEnvironment, StandardSources, Supervisor,
};
use ta_engine::{Engine, EngineOptions, SnapshotCell, StepReport, TargetStore};
use ta_model::CollectorSet;
use ta_model::job_table::{JobTable, Origin};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::adapters::{Discovered, StoreSink};
use crate::config::{CollectorSource, Config};
use crate::config_task::JobTables;
use crate::engine_thread::{self, Inputs, StepTimes, Wake, wake_on_change};
use crate::health::{Health, Phase};
use crate::http::{self, StatusSource};
use crate::https::Https;
use crate::kubernetes;
use crate::metrics::{Identity, Method, Metrics};
use crate::otlp::{self, Pushes};
use crate::readiness::Startup;
use crate::sizing::Limits;
use crate::step_log::StepLog;
use crate::tasks::Tasks;
use crate::{Environment, address};

/// How often the collectors file is read without an event: network file systems send none.
const COLLECTORS_REFRESH: Duration = Duration::from_secs(30);
/// Quiet time after a file event, so that a file being written is read once and whole.
const SETTLE: Duration = Duration::from_millis(50);
/// After the drain: how long requests in flight may take. With the longest drain (15 s) it stays below the 30 s that
/// Kubernetes grants.
const IN_FLIGHT: Duration = Duration::from_secs(10);

/// The program, running.
#[derive(Debug)]
pub struct Program {
    address: SocketAddr,
    https_address: Option<SocketAddr>,
    health: Health,
    tasks: Tasks,
    http: JoinSet<usize>,
    /// Ends the accept loops.
    close: CancellationToken,
    drain: Duration,
    pushes: Pushes,
    wake: Wake,
    /// Keeps the job table's channel open.
    _tables: Option<JobTables>,
}

impl Program {
    /// Starts everything. Needs a tokio runtime; returns once the ports are bound.
    ///
    /// # Errors
    /// A port cannot be bound, or a part cannot be built; one sentence.
    pub async fn start(config: Config, env: &Environment, limits: Limits) -> anyhow::Result<Self> {
        let listener = address::listen(&config.listen_addr, "--listen-addr").await?;
        let mut tables = JobTables::new(config.filter);
        tables.replace(Origin::File, config.jobs.clone(), None);
        let (jobs, all_jobs) = (tables.subscribe(), tables.subscribe_all());
        let mut build = Build::new(config, env)?;
        let https = Https::open(&build.config.https, &build.metrics).await?;

        let status = Arc::new(ta_discovery::Status::default());
        let sources = sources(&build.config, &status, env)?;
        let https = https.map(|https| https.start(sources.watcher.clone(), &mut build.tasks));
        let fleet = build.fleet(&sources, env)?;
        let resources = build.resources(&sources.kubernetes, &status, tables)?;
        let store = TargetStore::new();
        let inputs = Inputs { jobs: jobs.clone(), fleet };
        let (snapshots, steps) = build.engine(limits, &store, inputs.clone())?;
        let sink = StoreSink { writer: store.writer(), synced: resources.synced };
        build.discovery(sink, sources, status.clone(), all_jobs);
        build.startup(snapshots.clone(), inputs, steps, resources.merged);
        let known: Arc<dyn StatusSource> = Arc::new(Discovered { status, resources: resources.view });
        let pushes = build.pushes(&snapshots, &known, env)?;
        build.serve(listener, https, snapshots, known, pushes, resources.tables)
    }

    /// Where HTTP listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where HTTPS listens, if it does.
    #[must_use]
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https_address
    }

    /// Runs until `shutdown` completes, then drains: not ready, but answering, for `http.drain`; then no new connections
    /// and the requests in flight.
    ///
    /// # Errors
    /// An essential part ended; one sentence.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            ended = self.failed() => return Err(ended),
            () = shutdown => {}
        }
        self.health.advance(Phase::Draining);
        tracing::info!(drain = ?self.drain, "draining");
        let drain = self.drain;
        tokio::select! {
            ended = self.failed() => return Err(ended),
            () = tokio::time::sleep(drain) => {}
        }
        self.close.cancel();
        self.pushes.stop();
        while self.http.join_next().await.is_some() {}
        self.pushes.ended().await;
        self.wake.stop();
        tracing::info!("stopped");
        Ok(())
    }

    /// Waits for the first part whose end is the process's.
    async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = self.tasks.failed() => ended.into(),
            ended = self.http.join_next() => match ended {
                Some(Err(error)) => anyhow::anyhow!("http ended: {error}"),
                _ => anyhow::anyhow!("http ended: it returned, which it must not"),
            },
        }
    }
}

/// What every part is built from.
struct Build {
    config: Config,
    health: Health,
    metrics: Metrics,
    wake: Wake,
    tasks: Tasks,
}

impl Build {
    fn new(config: Config, env: &Environment) -> anyhow::Result<Self> {
        let service_name = env.get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty());
        let identity = Identity {
            strategy: config.strategy.strategy,
            service_name: service_name.cloned().unwrap_or_else(|| "target-allocator".into()),
        };
        let metrics = Metrics::new(identity).context("cannot set up metrics")?;
        Ok(Self { config, health: Health::new(), metrics, wake: Wake::default(), tasks: Tasks::default() })
    }

    /// Starts what knows the collectors.
    fn fleet(&mut self, sources: &StandardSources, env: &Environment) -> anyhow::Result<watch::Receiver<Fleet>> {
        let (sender, receiver) = watch::channel(Fleet::Unknown);
        match &self.config.collectors {
            CollectorSource::Kubernetes => {
                let (watches, cluster) = (sources.kubernetes.watches.clone(), sources.kubernetes.cluster()?);
                let pods = CollectorPods::new(self.config.collector_pods(env), watches, cluster, clock());
                self.tasks.essential("collectors", async move {
                    pods.run(sender, CancellationToken::new()).await;
                    Err("the collectors' pods are no longer followed")
                });
            }
            CollectorSource::Static(set) => drop(sender.send_replace(Fleet::Known(set.clone()))),
            CollectorSource::File(path) => {
                let watcher = sources.watcher.clone();
                let file = CollectorFile::new(path.clone(), watcher, COLLECTORS_REFRESH, SETTLE, clock());
                self.collectors_file(file, sender);
            }
        }
        self.count_collectors(receiver.clone());
        Ok(receiver)
    }

    fn collectors_file(&mut self, file: CollectorFile, sender: watch::Sender<Fleet>) {
        let (found, mut sets) = watch::channel(CollectorSet::default());
        self.tasks.essential("collectors", async move {
            file.run(found, CancellationToken::new()).await;
            Err("the collectors file is no longer followed")
        });
        self.tasks.transient("collectors hand-over", async move {
            while sets.changed().await.is_ok() {
                let set = sets.borrow_and_update().clone();
                sender.send_replace(Fleet::Known(set));
            }
        });
    }

    fn count_collectors(&mut self, mut fleet: watch::Receiver<Fleet>) {
        let metrics = self.metrics.clone();
        self.tasks.transient("collectors count", async move {
            loop {
                let collectors = fleet.borrow_and_update().collectors();
                metrics.set_collectors_discovered(collectors.len());
                if fleet.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Starts the engine's thread and what wakes it. Gives what it publishes, and a count of its steps.
    fn engine(
        &mut self,
        limits: Limits,
        store: &TargetStore,
        inputs: Inputs,
    ) -> anyhow::Result<(SnapshotCell, watch::Receiver<u64>)> {
        let waker = self.wake.clone();
        store.on_change(move || waker.set());
        self.tasks.transient("job table wake-up", wake_on_change(inputs.jobs.clone(), self.wake.clone()));
        self.tasks.transient("collectors wake-up", wake_on_change(inputs.fleet.clone(), self.wake.clone()));
        self.wake.set(); // what is known already

        let engine = Engine::new(&self.engine_options(limits), store.clone()).context("cannot start the engine")?;
        let snapshots = engine.snapshots();
        let (stepped, steps) = watch::channel(0);
        let (metrics, mut log) = (self.metrics.clone(), StepLog::default());
        let on_step = move |report: &StepReport, times: StepTimes| {
            observe(&metrics, report, times);
            log.note(report, times);
            stepped.send_modify(|count| *count += 1);
        };
        let min_interval = self.config.engine.min_interval;
        let ended = engine_thread::spawn(engine, inputs, self.wake.clone(), min_interval, Box::new(on_step))
            .context("cannot start the engine's thread")?;
        self.tasks.essential("engine", async move { ended.await.unwrap_or_else(|_| Err("its thread is gone".into())) });
        Ok((snapshots, steps))
    }

    fn engine_options(&self, limits: Limits) -> EngineOptions {
        let budget = self.config.engine.body_budget.unwrap_or_else(|| limits.body_budget());
        EngineOptions {
            strategy: self.config.strategy,
            threads: self.config.engine.threads.unwrap_or(limits.cpus),
            body_budget: usize::try_from(budget).unwrap_or(usize::MAX),
        }
    }

    fn discovery(
        &mut self,
        sink: StoreSink,
        sources: StandardSources,
        status: Arc<ta_discovery::Status>,
        jobs: watch::Receiver<Arc<JobTable>>,
    ) {
        let sink: Arc<dyn GroupSink> = Arc::new(sink);
        let supervisor = Supervisor::new(sink, Arc::new(sources), status, BackOff::default());
        self.tasks.essential("discovery", supervisor.run(jobs, CancellationToken::new()));
    }

    fn startup(
        &mut self,
        snapshots: SnapshotCell,
        inputs: Inputs,
        steps: watch::Receiver<u64>,
        resources: watch::Receiver<bool>,
    ) {
        let Inputs { jobs, fleet } = inputs;
        let (caps, health) = (self.config.readiness, self.health.clone());
        self.tasks.transient("start-up", Startup { caps, health, snapshots, jobs, fleet, resources, steps }.run());
    }

    /// Starts to push metrics, if there is anywhere to push to.
    fn pushes(
        &mut self,
        snapshots: &SnapshotCell,
        known: &Arc<dyn StatusSource>,
        env: &Environment,
    ) -> anyhow::Result<Pushes> {
        let readers = otlp::readers(&self.config.readers, env).map_err(anyhow::Error::msg)?;
        let resource = otlp::Resource::new(env, &otlp::host_name());
        if !readers.is_empty() {
            self.metrics.pushed_as(resource.labels());
        }
        let (metrics, snapshots, status) = (self.metrics.clone(), snapshots.clone(), known.clone());
        let source = otlp::Source { metrics, snapshots, status };
        Ok(Pushes::start(readers, &source, &resource, &mut self.tasks))
    }

    /// Starts to accept connections.
    fn serve(
        self,
        listener: TcpListener,
        https: Option<(TcpListener, http::Tls)>,
        snapshots: SnapshotCell,
        known: Arc<dyn StatusSource>,
        pushes: Pushes,
        tables: Option<JobTables>,
    ) -> anyhow::Result<Program> {
        let Self { config, health, metrics, wake, tasks } = self;
        let address = listener.local_addr().context("cannot tell the address listened on")?;
        let state = http::State {
            snapshots,
            health: health.clone(),
            metrics,
            status: known,
            options: http::Options {
                allow_insecure_auth_secrets: config.allow_insecure_auth_secrets,
                strategy: config.strategy.strategy,
            },
        };
        let close = CancellationToken::new();
        let limits = http::Limits { idle: config.http.idle_timeout, drain: IN_FLIGHT, ..http::Limits::default() };
        let router = http::Router::new(state);
        let mut http = JoinSet::new();
        http.spawn(http::serve(listener, router.clone(), limits, close.clone().cancelled_owned()));
        tracing::info!(%address, "listening");
        let mut https_address = None;
        if let Some((listener, tls)) = https {
            let address = listener.local_addr().context("cannot tell the address listened on")?;
            http.spawn(http::serve_tls(listener, tls, router, limits, close.clone().cancelled_owned()));
            tracing::info!(%address, "listening for HTTPS");
            https_address = Some(address);
        }
        Ok(Program {
            address,
            https_address,
            health,
            tasks,
            http,
            close,
            drain: config.http.drain,
            pushes,
            wake,
            _tables: tables,
        })
    }
}

fn observe(metrics: &Metrics, report: &StepReport, times: StepTimes) {
    metrics.observe_step(times.total);
    let all: usize = report.resolved.iter().map(|(_, targets)| targets).sum();
    for (job, targets) in &report.resolved {
        metrics.observe_job(job, times.resolve.mul_f64(*targets as f64 / all as f64));
    }
    if report.published {
        let method = if report.collectors_changed { Method::SetCollectors } else { Method::SetTargets };
        metrics.observe_allocation(method, times.place);
        metrics.published(SystemTime::now(), report.moved as u64);
    }
}

/// Service discovery's sources; their proxies come from the environment given.
fn sources(config: &Config, status: &Arc<ta_discovery::Status>, env: &Environment) -> anyhow::Result<StandardSources> {
    let environment = ProxyEnvironment::from_lookup(|name| env.get(name).cloned());
    let kubernetes = kubernetes::connect(config, env, environment.clone(), status)?;
    Ok(StandardSources { environment, kubernetes, ..StandardSources::new(status.clone()) })
}

fn clock() -> Clock {
    Arc::new(SystemTime::now)
}
