//! Running a scenario.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::allocator::time_shown;
use super::audit;
use super::file::Scenario;
use super::source::{Churning, Source};
use super::stage::Stage;
use super::step::{Api, CertificateFiles, StepKind, StrangerCounts};
use super::strangers::{Strangers, Victim};
use crate::client::Client;
use crate::cluster::{Fault, FaultKind, SimulatedCluster};
use crate::protocol::query_escape;
use crate::report::{Report, Step};
use crate::stats::{RequestStats, lock};

/// Time between changes while churning.
const CHURN_TICK: Duration = Duration::from_millis(200);
/// Between looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longest wait until an allocator has noticed that a file or its clock is another one: files on a network file system
/// are looked at every 10 s, as upstream does.
const NOTICE: Duration = Duration::from_secs(40);

/// What a run needs beside the scenario.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Command under test, with `{config}` and `{listen}`.
    pub command: String,
    /// Where targets, config and logs go.
    pub directory: PathBuf,
    /// libfaketime, for steps that set the clock; none: where the package puts it.
    pub libfaketime: Option<PathBuf>,
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
    progress("making targets");
    let mut play = Play::new(scenario, Stage::set(scenario, options).await?, progress)?;
    let stop = play.stage.session.fleet.out_of_budget();
    let limit = scenario.limits.duration.0;
    let ended = tokio::select! {
        steps = timeout(limit, play.all()) => match steps {
            Err(_) => "error: the time limit of the scenario".to_owned(),
            Ok(Err(error)) => format!("error: {error:#}"),
            Ok(Ok(())) => "steps done".to_owned(),
        },
        () = stop.cancelled() => "max-requests".to_owned(),
        () = crate::interrupted() => "interrupt".to_owned(),
    };
    let mut report = play.stage.session.report("scenario", &scenario.name, &ended);
    play.end().await;
    report.steps = play.steps;
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

/// A scenario that is being played.
struct Play<'a> {
    scenario: &'a Scenario,
    progress: &'a (dyn Fn(&str) + Sync),
    stage: Stage,
    strangers: Option<Strangers>,
    background: Vec<JoinHandle<anyhow::Result<()>>>,
    auditor: Option<JoinHandle<()>>,
    steps: Vec<Step>,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a Scenario, stage: Stage, progress: &'a (dyn Fn(&str) + Sync)) -> anyhow::Result<Self> {
        let mut play = Play {
            scenario,
            progress,
            stage,
            strangers: None,
            background: Vec::new(),
            auditor: None,
            steps: Vec::new(),
        };
        let count = scenario.collectors.count;
        play.set_collectors(&(0..count).collect())?;
        play.start_collectors(count);
        Ok(play)
    }

    async fn all(&mut self) -> anyhow::Result<()> {
        for step in &self.scenario.steps {
            let what = step.to_string();
            (self.progress)(&what);
            self.steps.push(Step { at: self.stage.session.clock.elapsed().as_secs_f64(), what: what.clone() });
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
                self.stage.instances[*n].ready(self.scenario.allocator.ready_timeout.0).await?;
            }
            StepKind::StartUnready(n) => self.start(*n)?,
            StepKind::Kill(n) => self.stage.instances[*n].kill().await?,
            StepKind::Terminate(n) => {
                let took = self.stage.instances[*n].terminate().await?;
                self.note(format!("exited with 0 after {:.2} s", took.as_secs_f64()));
            }
            StepKind::Settle(limit) => self.settle(limit.0).await?,
            StepKind::Mark => self.mark(),
            StepKind::Wait(time) => sleep(time.0).await,
            // once more: what is asked right now may have been sent before
            StepKind::Polls(times) => self.reach(times + 1, RequestStats::sent).await,
            StepKind::Answers(times) => self.reach(*times, RequestStats::accepted).await,
            StepKind::Scale(count) => self.scale(*count).await?,
            StepKind::RollingRestart { pause, membership_kept } => {
                self.rolling_restart(pause.0, *membership_kept).await?;
            }
            StepKind::Churn { kind, rate, duration, background } => {
                let rate = rate.per_second(self.scenario.targets.targets);
                let seed = self.scenario.targets.seed ^ self.steps.len() as u64;
                let churning = lock(&self.stage.source).churning(*kind, rate, seed)?;
                let churn = churn(self.stage.source.clone(), churning, duration.0);
                if *background { self.background.push(tokio::spawn(churn)) } else { churn.await? }
            }
            StepKind::Feed(mode) => {
                let source = lock(&self.stage.source);
                let Some(feed) = source.http() else { bail!("no http feed") };
                feed.set_mode(*mode);
            }
            StepKind::Api(api) => {
                let cluster = lock(&self.stage.source).cluster();
                let Some(cluster) = cluster else { bail!("no cluster feed") };
                become_of(&cluster, *api).await;
            }
            StepKind::Certificates(files) => self.certificates(*files).await?,
            StepKind::Reconnect => self.stage.dialling.reconnect(),
            StepKind::Strangers(counts) => self.strangers(*counts).await?,
            StepKind::Clock(jump) => self.set_clock(jump.seconds).await?,
        }
        Ok(())
    }

    fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let pid = self.stage.instances[number].start()?;
        self.stage.session.watch(pid);
        Ok(())
    }

    fn mark(&mut self) {
        let Stage { session, source, endpoint, dialling, .. } = &mut self.stage;
        session.mark();
        if let (Some(every), None) = (self.scenario.audit_every, &self.auditor) {
            let found = session.audit.get_or_insert_default().clone();
            let client = Client::new(Arc::new(endpoint.clone()), None, Arc::default()).dialling(dialling.clone());
            self.auditor = Some(tokio::spawn(audit::run(client, source.clone(), every.0, found)));
        }
    }

    async fn settle(&mut self, limit: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.stage.session.settled() {
            if start.elapsed() > limit {
                bail!("not settled after {limit:?}: {:?}", lock(&self.stage.session.ledger).now());
            }
            sleep(LOOK_AGAIN).await;
        }
        self.note(format!("settled after {:.2} s", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Waits until a count of target requests has gone up by `times` for every job and collector. They all ask alike.
    async fn reach(&self, times: u64, count: fn(&RequestStats) -> u64) {
        let (jobs, collectors) = (lock(&self.stage.source).jobs().len(), self.stage.session.fleet.names().len());
        let stats = &self.stage.session.stats.targets;
        let enough = count(stats) + times * jobs as u64 * collectors as u64;
        while count(stats) < enough {
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn scale(&mut self, count: u32) -> anyhow::Result<()> {
        self.set_collectors(&(0..count).collect())?;
        let names = self.names(count);
        let fleet = &mut self.stage.session.fleet;
        for gone in fleet.names().into_iter().filter(|name| !names.contains(name)) {
            fleet.stop(&gone).await;
        }
        self.start_collectors(count);
        Ok(())
    }

    async fn rolling_restart(&mut self, pause: Duration, membership_kept: bool) -> anyhow::Result<()> {
        let count = self.stage.session.fleet.names().len() as u32;
        let all: BTreeSet<u32> = (0..count).collect();
        for away in 0..count {
            let name = self.scenario.collector(away);
            if !membership_kept {
                self.set_collectors(&all.iter().copied().filter(|number| *number != away).collect())?;
            }
            self.stage.session.fleet.stop(&name).await;
            sleep(pause).await;
            if !membership_kept {
                self.set_collectors(&all)?;
            }
            self.stage.session.fleet.start(&name, Duration::ZERO);
            sleep(pause).await;
        }
        Ok(())
    }

    fn names(&self, count: u32) -> Vec<String> {
        (0..count).map(|number| self.scenario.collector(number)).collect()
    }

    /// Starts what does not run yet, spread over one poll interval as pods of a fleet that grew over time are.
    fn start_collectors(&mut self, count: u32) {
        let settings = &self.scenario.collectors;
        let interval = settings.interval.0.as_secs_f64() / settings.time_scale;
        let running = self.stage.session.fleet.names();
        let new: Vec<String> = self.names(count).into_iter().filter(|name| !running.contains(name)).collect();
        let share = interval / new.len().max(1) as f64;
        for (number, name) in new.iter().enumerate() {
            self.stage.session.fleet.start(name, Duration::from_secs_f64(share * number as f64));
        }
    }

    fn set_collectors(&mut self, numbers: &BTreeSet<u32>) -> anyhow::Result<()> {
        lock(&self.stage.source).set_collectors(self.scenario, numbers)
    }

    async fn certificates(&mut self, files: CertificateFiles) -> anyhow::Result<()> {
        let Stage { certificates, instances, dialling, .. } = &mut self.stage;
        let Some(certificates) = certificates else { bail!("no HTTPS") };
        certificates.replace(files)?;
        if files != CertificateFiles::Renewed {
            return Ok(());
        }
        dialling.set_tls(certificates.client()?);
        let (client, wanted) = (certificates.client()?, certificates.shown()?);
        for (number, instance) in instances.iter().enumerate().filter(|(_, instance)| instance.runs()) {
            let shown = || async { client.shown_by(instance.https_address()).await.is_ok_and(|shown| shown == wanted) };
            if !within(NOTICE, shown).await {
                bail!("allocator {number} does not show its new certificate after {NOTICE:?}");
            }
        }
        Ok(())
    }

    async fn strangers(&mut self, counts: StrangerCounts) -> anyhow::Result<()> {
        self.strangers = None;
        let job = lock(&self.stage.source).jobs().into_iter().next().unwrap_or_default();
        let victim = Victim {
            address: self.stage.endpoint.address,
            dialling: self.stage.dialling.clone(),
            path: format!("/jobs/{}/targets", query_escape(&job)),
        };
        self.strangers = Some(Strangers::come(counts, victim).await?);
        Ok(())
    }

    async fn set_clock(&mut self, seconds: i64) -> anyhow::Result<()> {
        let Some(clock) = &mut self.stage.clock else { bail!("no clock") };
        clock.jump(seconds)?;
        let clock = &*clock;
        for (number, instance) in self.stage.instances.iter().enumerate().filter(|(_, instance)| instance.runs()) {
            let follows = || async { time_shown(instance.address()).await.is_some_and(|time| clock.shows(time)) };
            if !within(NOTICE, follows).await {
                bail!(
                    "allocator {number} does not follow the clock after {NOTICE:?}: it answers without a Date, or its \
                     program does not ask the C library for the time (linked statically, or Go)"
                );
            }
        }
        Ok(())
    }

    /// Adds an outcome to the running step.
    fn note(&mut self, outcome: String) {
        if let Some(step) = self.steps.last_mut() {
            step.what = format!("{} ({outcome})", step.what);
        }
    }

    async fn end(&mut self) {
        self.strangers = None;
        if let Some(auditor) = self.auditor.take() {
            auditor.abort();
        }
        for churn in self.background.drain(..) {
            churn.abort();
        }
        self.stage.session.fleet.stop_all().await;
        for instance in &mut self.stage.instances {
            // those the steps ended are gone already
            instance.kill().await.ok();
        }
    }
}

async fn become_of(cluster: &SimulatedCluster, api: Api) {
    let refuse = |kind| {
        cluster.faults().add(Fault::new("*", kind));
        cluster.break_watches("*");
    };
    match api {
        Api::Down => cluster.down().await,
        Api::Up => {
            cluster.faults().clear_all();
            cluster.up().await;
        }
        Api::Hang => cluster.faults().add(Fault::new("*", FaultKind::Hang)),
        Api::Fail => refuse(FaultKind::Status { code: 500 }),
        Api::Forbid => refuse(FaultKind::Forbidden),
        Api::Garble => cluster.garble_watches("*"),
        Api::Forget => cluster.expire_watches("*"),
    }
}

/// Looks until it is so; false if it is not in time.
async fn within<F: Future<Output = bool>>(limit: Duration, mut is_so: impl FnMut() -> F) -> bool {
    let start = Instant::now();
    while !is_so().await {
        if start.elapsed() > limit {
            return false;
        }
        sleep(LOOK_AGAIN).await;
    }
    true
}

async fn churn(source: Arc<Mutex<Source>>, mut churning: Churning, duration: Duration) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < duration {
        sleep(CHURN_TICK.min(duration.saturating_sub(start.elapsed()))).await;
        let now = Instant::now();
        lock(&source).churn(&mut churning, (now - last).as_secs_f64())?;
        last = now;
    }
    Ok(())
}
