//! Running a scenario.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::allocator::Instance;
use super::audit;
use super::balancer::Balancer;
use super::file::{Feed, Scenario, StepKind};
use crate::feed::{
    AllocatorConfig, ChangeSink, Churn, ChurnOptions, CollectorSource, FileFeed, HttpFeed, LedgerSink, TargetSource,
    World, collectors_file, show,
};
use crate::fleet::FleetOptions;
use crate::loopback::Endpoint;
use crate::report::{Report, Step};
use crate::session::Session;
use crate::stats::lock;
use crate::synth::Synth;

/// Time between changes while churning.
const CHURN_TICK: Duration = Duration::from_millis(200);
/// How often the allocator asks the http feed, and its timeout there.
const HTTP_FEED_REFRESH: Duration = Duration::from_secs(2);

/// What a run needs beside the scenario.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Command under test, with `{config}` and `{listen}`.
    pub command: String,
    /// Where targets, config and logs go.
    pub directory: PathBuf,
}

/// Runs a scenario to its end, telling `progress` what is going on; a step that fails ends it, and the report says so in `ended_by`.
///
/// # Errors
/// The run could not begin: directory, ports or command are unusable.
pub async fn run(
    scenario: &Scenario,
    options: &RunOptions,
    progress: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<Report> {
    let mut stage = Stage::set(scenario, options, progress).await?;
    let stop = stage.session.fleet.out_of_budget();
    let limit = scenario.limits.duration.0;
    let ended = tokio::select! {
        steps = timeout(limit, stage.play()) => match steps {
            Err(_) => "error: the time limit of the scenario".to_owned(),
            Ok(Err(error)) => format!("error: {error:#}"),
            Ok(Ok(())) => "steps done".to_owned(),
        },
        () = stop.cancelled() => "max-requests".to_owned(),
        () = crate::interrupted() => "interrupt".to_owned(),
    };
    let mut report = stage.session.report("scenario", &scenario.name, &ended);
    stage.end().await;
    report.steps = stage.steps;
    let settings = [
        ("command", options.command.clone().into()),
        ("time_scale", scenario.collectors.time_scale.into()),
        ("targets", scenario.targets.targets.into()),
        ("jobs", scenario.targets.jobs.into()),
        ("strategy", scenario.allocator.strategy.clone().into()),
        ("lanes", scenario.collectors.lanes.into()),
    ];
    report.settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
    report.expectations = scenario.judge(&serde_json::to_value(&report)?);
    Ok(report)
}

/// Everything a running scenario uses.
struct Stage<'a> {
    scenario: &'a Scenario,
    progress: &'a (dyn Fn(&str) + Sync),
    session: Session,
    instances: Vec<Instance>,
    endpoint: Endpoint,
    _balancer: Option<Balancer>,
    feed: Arc<Mutex<Driver>>,
    http: Option<HttpFeed>,
    collectors_path: PathBuf,
    background: Vec<JoinHandle<anyhow::Result<()>>>,
    auditor: Option<JoinHandle<()>>,
    steps: Vec<Step>,
}

/// Changes the world and tells everybody.
struct Driver {
    world: Arc<Mutex<World>>,
    files: Option<FileFeed>,
    sink: LedgerSink,
}

impl Driver {
    fn churn(&mut self, churn: &mut Churn, seconds: f64) -> anyhow::Result<()> {
        let mut world = lock(&self.world);
        let change = churn.advance(&mut world, seconds);
        if change.is_empty() {
            return Ok(());
        }
        Ok(show(&change, &world, self.files.as_ref(), &mut self.sink)?)
    }
}

impl<'a> Stage<'a> {
    async fn set(
        scenario: &'a Scenario,
        options: &RunOptions,
        progress: &'a (dyn Fn(&str) + Sync),
    ) -> anyhow::Result<Self> {
        progress("making targets");
        let directory = options.directory.as_path();
        std::fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let directory = &directory.canonicalize()?;
        let world = Arc::new(Mutex::new(World::new(Synth::new(scenario.targets.clone())?)));
        let (files, http, source) = feed(scenario, directory, &world).await?;
        let collectors_path = directory.join("collectors.yaml");
        let config = directory.join("allocator.yaml");
        std::fs::write(&config, config_text(scenario, &world, source, &collectors_path))?;
        let make = |number| Instance::new(number, &options.command, &config, directory);
        let instances: Vec<Instance> = (0..scenario.instances()).map(make).collect::<anyhow::Result<_>>()?;
        let backends: Vec<_> = instances.iter().map(Instance::address).collect();
        let Some(first) = backends.first().copied() else { bail!("no step starts an allocator") };
        let balancer = if scenario.allocator.balancer { Some(Balancer::start(backends).await?) } else { None };
        let address = balancer.as_ref().map_or(first, Balancer::address);
        let endpoint = Endpoint { address, authority: address.to_string(), prefix: String::new() };
        let session = Session::new(fleet_options(scenario, endpoint.clone()), true);
        let mut sink = LedgerSink::new(session.ledger.clone(), session.clock);
        sink.initial_world(&lock(&world))?;
        let mut stage = Stage {
            scenario,
            progress,
            session,
            instances,
            endpoint,
            _balancer: balancer,
            feed: Arc::new(Mutex::new(Driver { world, files, sink })),
            http,
            collectors_path,
            background: Vec::new(),
            auditor: None,
            steps: Vec::new(),
        };
        stage.write_collectors(&stage.names(scenario.collectors.count))?;
        stage.start_collectors(scenario.collectors.count);
        Ok(stage)
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        for step in &self.scenario.steps {
            let what = describe(step);
            (self.progress)(&what);
            self.steps.push(Step { at: self.session.clock.elapsed().as_secs_f64(), what: what.clone() });
            self.step(step).await.with_context(|| what)?;
        }
        for churn in std::mem::take(&mut self.background) {
            churn.await??;
        }
        Ok(())
    }

    async fn step(&mut self, step: &StepKind) -> anyhow::Result<()> {
        match step {
            StepKind::Start(n) => {
                self.start(*n)?;
                self.instances[*n].ready(self.scenario.allocator.ready_timeout.0).await?;
            }
            StepKind::StartUnready(n) => self.start(*n)?,
            StepKind::Kill(n) => self.instances[*n].kill().await?,
            StepKind::Terminate(n) => {
                let took = self.instances[*n].terminate().await?;
                self.note(format!("exited with 0 after {:.2} s", took.as_secs_f64()));
            }
            StepKind::Settle(limit) => self.settle(limit.0).await?,
            StepKind::Mark => self.mark(),
            StepKind::Wait(time) => sleep(time.0).await,
            StepKind::Scale(count) => self.scale(*count).await?,
            StepKind::RollingRestart { pause, membership_kept } => {
                self.rolling_restart(pause.0, *membership_kept).await?;
            }
            StepKind::Churn { kind, rate, duration, background } => {
                let rate = rate.per_second(self.scenario.targets.targets);
                let seed = self.scenario.targets.seed ^ self.steps.len() as u64;
                let churn = churn(self.feed.clone(), Churn::new(ChurnOptions { kind: *kind, rate, seed }), duration.0);
                if *background { self.background.push(tokio::spawn(churn)) } else { churn.await? }
            }
            StepKind::Feed(mode) => {
                let Some(feed) = &self.http else { bail!("no http feed") };
                feed.set_mode(*mode);
            }
        }
        Ok(())
    }

    fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let pid = self.instances[number].start()?;
        self.session.watch(pid);
        Ok(())
    }

    fn mark(&mut self) {
        self.session.mark();
        if let (Some(every), None) = (self.scenario.audit_every, &self.auditor) {
            let found = self.session.audit.get_or_insert_default().clone();
            let world = lock(&self.feed).world.clone();
            self.auditor = Some(tokio::spawn(audit::run(self.endpoint.clone(), world, every.0, found)));
        }
    }

    async fn settle(&mut self, limit: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.session.settled() {
            if start.elapsed() > limit {
                bail!("not settled after {limit:?}: {:?}", lock(&self.session.ledger).now());
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.note(format!("settled after {:.2} s", start.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn scale(&mut self, count: u32) -> anyhow::Result<()> {
        let names = self.names(count);
        self.write_collectors(&names)?;
        for gone in self.session.fleet.names().into_iter().filter(|name| !names.contains(name)) {
            self.session.fleet.stop(&gone).await;
        }
        self.start_collectors(count);
        Ok(())
    }

    async fn rolling_restart(&mut self, pause: Duration, membership_kept: bool) -> anyhow::Result<()> {
        let names = self.session.fleet.names();
        for away in &names {
            if !membership_kept {
                let rest: Vec<String> = names.iter().filter(|name| *name != away).cloned().collect();
                self.write_collectors(&rest)?;
            }
            self.session.fleet.stop(away).await;
            sleep(pause).await;
            if !membership_kept {
                self.write_collectors(&names)?;
            }
            self.session.fleet.start(away, Duration::ZERO);
            sleep(pause).await;
        }
        Ok(())
    }

    fn names(&self, count: u32) -> Vec<String> {
        (0..count).map(|number| format!("{}{number}", self.scenario.collectors.prefix)).collect()
    }

    /// Starts what does not run yet, spread over one poll interval as pods of a fleet that grew over time are.
    fn start_collectors(&mut self, count: u32) {
        let settings = &self.scenario.collectors;
        let interval = settings.interval.0.as_secs_f64() / settings.time_scale;
        let running = self.session.fleet.names();
        let new: Vec<String> = self.names(count).into_iter().filter(|name| !running.contains(name)).collect();
        let share = interval / new.len().max(1) as f64;
        for (number, name) in new.iter().enumerate() {
            self.session.fleet.start(name, Duration::from_secs_f64(share * number as f64));
        }
    }

    fn write_collectors(&self, names: &[String]) -> anyhow::Result<()> {
        let feed = lock(&self.feed);
        let world = lock(&feed.world);
        let node = |name: &String| {
            let number = name.trim_start_matches(&self.scenario.collectors.prefix).parse().unwrap_or(0);
            (name.clone(), world.synth().node_name(number))
        };
        let collectors: Vec<(String, String)> = names.iter().map(node).collect();
        let beside = self.collectors_path.with_extension("tmp");
        std::fs::write(&beside, collectors_file(&collectors))?;
        std::fs::rename(&beside, &self.collectors_path)?;
        Ok(())
    }

    /// Adds an outcome to the running step.
    fn note(&mut self, outcome: String) {
        if let Some(step) = self.steps.last_mut() {
            step.what = format!("{} ({outcome})", step.what);
        }
    }

    async fn end(&mut self) {
        if let Some(auditor) = self.auditor.take() {
            auditor.abort();
        }
        for churn in self.background.drain(..) {
            churn.abort();
        }
        self.session.fleet.stop_all().await;
        for instance in &mut self.instances {
            // those the steps ended are gone already
            instance.kill().await.ok();
        }
    }
}

async fn churn(feed: Arc<Mutex<Driver>>, mut churn: Churn, duration: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < duration {
        sleep(CHURN_TICK.min(duration.saturating_sub(start.elapsed()))).await;
        let now = Instant::now();
        lock(&feed).churn(&mut churn, (now - last).as_secs_f64())?;
        last = now;
    }
    Ok(())
}

async fn feed(
    scenario: &Scenario,
    directory: &Path,
    world: &Arc<Mutex<World>>,
) -> anyhow::Result<(Option<FileFeed>, Option<HttpFeed>, TargetSource)> {
    if scenario.feed == Feed::Http {
        let feed = HttpFeed::start(0, world.clone()).await?;
        let source = TargetSource::Http { address: feed.address(), refresh: HTTP_FEED_REFRESH };
        return Ok((None, Some(feed), source));
    }
    let files = FileFeed::new(&directory.join("targets"))?;
    let world = lock(world);
    (0..world.synth().jobs()).try_for_each(|job| files.write(&world, job))?;
    let source = TargetSource::Files { directory: files.directory().to_owned() };
    Ok((Some(files), None, source))
}

fn config_text(scenario: &Scenario, world: &Mutex<World>, targets: TargetSource, collectors: &Path) -> String {
    let world = lock(world);
    let config = AllocatorConfig {
        synth: world.synth(),
        strategy: scenario.allocator.strategy.clone(),
        fallback: scenario.allocator.fallback.clone(),
        relabel: scenario.allocator.relabel,
        targets,
        collectors: CollectorSource::File(collectors.to_owned()),
    };
    config.to_yaml()
}

fn fleet_options(scenario: &Scenario, endpoint: Endpoint) -> FleetOptions {
    let settings = &scenario.collectors;
    FleetOptions {
        interval: settings.interval.0,
        refresh: settings.refresh.0,
        time_scale: settings.time_scale,
        lanes: settings.lanes,
        max_requests: scenario.limits.max_requests,
        seed: scenario.targets.seed,
        ..FleetOptions::new(endpoint)
    }
}

fn describe(step: &StepKind) -> String {
    match step {
        StepKind::Start(n) => format!("start allocator {n}"),
        StepKind::StartUnready(n) => format!("start allocator {n} without waiting"),
        StepKind::Kill(n) => format!("kill -9 allocator {n}"),
        StepKind::Terminate(n) => format!("SIGTERM to allocator {n}"),
        StepKind::Settle(_) => "settle".to_owned(),
        StepKind::Mark => "mark".to_owned(),
        StepKind::Wait(time) => format!("wait {:?}", time.0),
        StepKind::Scale(count) => format!("scale to {count} collectors"),
        StepKind::RollingRestart { membership_kept: true, .. } => "rolling restart, membership kept".to_owned(),
        StepKind::RollingRestart { .. } => "rolling restart".to_owned(),
        StepKind::Churn { kind, rate, duration, .. } => format!("churn {kind:?} at {rate:?} for {:?}", duration.0),
        StepKind::Feed(mode) => format!("feed: {mode:?}"),
    }
}
